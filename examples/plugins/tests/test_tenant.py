"""Tags, and what is not kept, as a program sees them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import spanloom
from spanloom.testing import MemoryBackend


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryBackend]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPANLOOM_STRICT", "1")
    yield MemoryBackend()
    spanloom.shutdown()


def serve(tenant: str | None) -> None:
    with spanloom.context(tenant=tenant), spanloom.workflow("request"), spanloom.tool("look"):
        pass


def test_spans_are_tagged(memory: MemoryBackend) -> None:
    spanloom.init(backends=[memory], integrations=[], processors=["tenant"])
    serve("acme")
    serve(None)
    assert spanloom.flush().ok
    assert [span.tags for span in memory.spans] == [("tenant:acme",), ("tenant:acme",), (), ()]


def test_options_come_from_the_configuration_file(memory: MemoryBackend) -> None:
    Path("spanloom.toml").write_text(
        '[processors.tenant]\nkey = "customer"\ndrop = ["demo"]\n', encoding="utf-8"
    )
    spanloom.init(backends=[memory], integrations=[])
    for customer in ("acme", "demo"):
        with spanloom.context(customer=customer), spanloom.tool("look"):
            pass
    serve("demo")  # its key is not asked for
    assert spanloom.flush().ok
    assert [span.tags for span in memory.spans] == [("customer:acme",), (), ()]
