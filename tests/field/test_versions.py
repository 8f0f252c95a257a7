"""E1, E2, E3: other versions, other patchers, and no pin of ours."""

import re
from collections.abc import Callable
from importlib.metadata import metadata, requires
from typing import Any

import openai
import pytest
from openai._base_client import AsyncAPIClient, SyncAPIClient

import spanloom
from spanloom.testing import FakeProvider

from .conftest import Watched
from .programs import Programs

ASK: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.mark.field(
    "E1", "a private name is gone: one warning, that integration off, all else works", by="openai"
)
@pytest.mark.parametrize("gone", ["SyncAPIClient", "AsyncAPIClient"])
def test_private_name_gone(programs: Programs, provider: FakeProvider, gone: str) -> None:
    """The SDK is the real one, but for one method that is found in another way than it was."""
    process = programs.start(
        """
        import sys
        import openai._base_client as private
        import openai, spanloom
        owner = getattr(private, sys.argv[1])
        moved = owner.request
        del owner.request
        owner.__getattr__ = lambda self, name: (
            moved.__get__(self) if name == "request" else object.__getattribute__(self, name)
        )
        spanloom.init()
        spanloom.init()
        with openai.OpenAI() as client, spanloom.task("step"):
            reply = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
            )
            print(reply.choices[0].message.role)
        """,
        gone,
        SPANLOOM_STRICT=None,
    )
    ran = programs.wait(process)
    assert (ran.status, ran.out) == (0, "assistant\n"), ran.err
    warnings = [line for line in ran.err.splitlines() if "openai" in line]
    assert len(warnings) == 1, ran.err
    assert "is off" in warnings[0]
    assert f"{gone}.request is gone" in warnings[0]
    assert openai.__version__ in warnings[0]
    assert programs.kept().names() == ["step"]
    assert len(provider.exchanges) == 1


METHODS = [
    (SyncAPIClient, "request"),
    (AsyncAPIClient, "request"),
    (SyncAPIClient, "_sleep_for_retry"),
    (AsyncAPIClient, "_sleep_for_retry"),
]


@pytest.mark.field("E2", "uninstrument puts the very originals back", by="openai")
def test_originals_come_back(start: Callable[..., Watched]) -> None:
    import concurrent.futures.thread
    import os
    import threading

    others = [
        (threading.Thread, "start"), (concurrent.futures.ThreadPoolExecutor, "submit"), (os, "_exit"),
    ]  # fmt: skip
    before = [vars(owner)[name] for owner, name in METHODS + others]
    start()
    assert all(vars(o)[n] is not b for (o, n), b in zip(METHODS, before, strict=False))
    spanloom.uninstrument()
    assert all(vars(o)[n] is b for (o, n), b in zip(METHODS, before, strict=False))
    start()
    spanloom.shutdown()
    assert all(vars(o)[n] is b for (o, n), b in zip(METHODS + others, before, strict=True))


@pytest.mark.field("E2", "under another patcher ours is inert, and goes when it can", by="openai")
def test_under_another_patcher(
    start: Callable[..., Watched], client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = vars(SyncAPIClient)["request"]
    watched = start()
    ours = vars(SyncAPIClient)["request"]
    seen: list[str] = []

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append("theirs")
        return ours(self, *args, **kwargs)

    def ask() -> None:
        client.chat.completions.create(model="gpt-4o", messages=ASK)

    SyncAPIClient.request = theirs  # type: ignore[method-assign]
    try:
        ask()
        spanloom.uninstrument("openai")
        ask()
        assert vars(SyncAPIClient)["request"] is theirs
        assert len(watched.spans()) == 1
        spanloom.instrument("openai")
        ask()
        assert len(watched.spans()) == 2
        spanloom.uninstrument("openai")
    finally:
        SyncAPIClient.request = ours  # type: ignore[method-assign]
    spanloom.uninstrument("openai")
    assert vars(SyncAPIClient)["request"] is original
    ask()
    assert len(watched.spans()) == 2
    assert seen == ["theirs"] * 3


@pytest.mark.field("E2", "after uninstrument recording by hand goes on", by="manual")
def test_recording_by_hand_goes_on(watched: Watched, client: openai.OpenAI) -> None:
    spanloom.uninstrument()
    with spanloom.task("step"):
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert watched.one().name == "step"


@pytest.mark.field(
    "E3", "no requirement of ours has an upper bound", by=("openai", "manual", "langchain")
)
def test_no_upper_bounds() -> None:
    found = requires("spanloom") or []
    assert found
    for requirement in found:
        name, _, _marker = requirement.partition(";")
        assert not re.search(r"<|==|~=|!=", name), requirement
    assert "<" not in metadata("spanloom")["Requires-Python"]
