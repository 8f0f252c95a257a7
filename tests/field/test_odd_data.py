"""F5, H3: whatever a program hands over, the span ends, and the record stays plain JSON."""

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import spanloom
from spanloom.testing import Body, Chat, FakeProvider, ToolCall

from .programs import Kept


class Hostile:
    """An object of which nothing can be learnt."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attributes")


class Endless:
    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1

    def __len__(self) -> int:
        return 1 << 62


class Recursive:
    def __init__(self) -> None:
        self.me = self

    def __repr__(self) -> str:
        return repr(self.me)


class Colour(enum.Enum):
    RED = object()


@dataclasses.dataclass
class Row:
    at: datetime.datetime
    odd: Any


def cyclic() -> dict[str, Any]:
    found: dict[str, Any] = {"list": []}
    found["list"].append(found)
    return found


def deep() -> Any:
    found: Any = "bottom"
    for _ in range(5000):
        found = [found]
    return found


ODD: dict[str, Any] = {
    "dates": {
        "at": datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), "day": datetime.date(1, 1, 1),
        "for": datetime.timedelta(days=1), datetime.time(1): "as a key",
    },
    "bytes": [b"\xff\x00", bytearray(b"x"), memoryview(b"y")],
    "numbers": [math.nan, math.inf, -math.inf, 10**400, decimal.Decimal("NaN"), 1 + 2j, -0.0],
    "texts": ["\ud800 lone", "\x00\x1f", "\u2028", "a" * 3_000_000],
    "keys": {1: "a", None: "b", (1, 2): "c", "\udfff": "d", False: "e", b"f": "g"},
    "cycle": cyclic(),
    "deep": deep(),
    "sets": {"a", frozenset({1})},
    "objects": [Hostile(), Endless(), Recursive(), object(), Colour.RED, Row, len, ...],
    "dataclass": Row(datetime.datetime(2024, 1, 2), Hostile()),
    "paths": [pathlib.Path("/tmp"), uuid.UUID(int=1), range(10**12)],
    "generator": (n for n in range(3)),
    "exception": ValueError(Hostile()),
    "wide": {str(n): n for n in range(50_000)},
}  # fmt: skip


def strict_lines(folder: Path) -> list[Any]:
    """Every line as JSON that any reader takes: no NaN, no lone surrogate."""

    def refuse(text: str) -> None:
        raise AssertionError(text)

    return [
        json.loads(line, parse_constant=refuse)
        for path in folder.glob("traces/*/*.jsonl")
        for line in path.read_bytes().splitlines()
    ]


@pytest.mark.field("F5", "an output that is not JSON ends its span all the same", by="manual")
@pytest.mark.field("H3", "deep, cyclic and endless objects are kept within bounds", by="manual")
@pytest.mark.parametrize("odd", ODD)
def test_odd_output(tmp_path: Path, odd: str) -> None:
    value = ODD[odd]
    spanloom.init(backends=["local"])
    folder = tmp_path / ".spanloom"

    @spanloom.tool
    def makes(given: Any) -> Any:
        spanloom.set_attributes(also=value)
        spanloom.event("seen", value=value)
        return value

    begun = time.perf_counter()
    assert makes(value) is value
    assert spanloom.flush(20).ok
    assert time.perf_counter() - begun < 10
    span = Kept(folder).one("makes")
    assert (span.status, span.faults) == ("ok", ())
    assert len(strict_lines(folder)) in (1, 2)
    # three copies of what is at most 1 MiB each
    assert sum(p.stat().st_size for p in folder.rglob("*.jsonl")) < 4 << 20


@pytest.mark.field("F5", "odd answers of a model end the span all the same", by="openai")
@pytest.mark.field("H3", "deep JSON from a model is kept within bounds", by="openai")
def test_odd_answers(tmp_path: Path, client: openai.OpenAI, provider: FakeProvider) -> None:
    nested = "[" * 500 + "]" * 500
    arguments = ['{"a": NaN}', '{"a": "\\ud800"}', "not json", "", nested, '{"a": 1e999}', "[1,2"]
    spanloom.init(backends=["local"])
    for text in arguments:
        provider.script([Chat(text=None, tool_calls=(ToolCall("f", text),))])
    empty = b'{"id": 7, "object": null, "created": "x", "model": null, "choices": null}'
    odd = b'{"choices": [null, {"message": {"content": [1, {"a": 2}]}}], "usage": {"prompt_tokens": "x"}}'
    provider.script([Body(empty), Body(odd)])
    odd_schema: Any = {"type": "object", "properties": {"x": json.loads(nested)}}
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": odd_schema}}
    for _ in range(len(arguments) + 2):
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "\x00 \u2028"}], tools=[tool]
        )
    assert spanloom.flush(10).ok
    folder = tmp_path / ".spanloom"
    kept = Kept(folder)
    assert len(kept.calls()) == len(arguments) + 2
    assert all(r.status == "ok" for r in kept.calls())
    strict_lines(folder)


@pytest.mark.field("F5", "an exception that cannot be printed ends the span all the same")
def test_unprintable_exception(tmp_path: Path, provider: FakeProvider) -> None:
    class Unprintable(BaseException):
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    def hook(_request: Any) -> None:
        raise Unprintable

    spanloom.init(backends=["local"])
    http = openai.DefaultHttpxClient(event_hooks={"request": [hook]})
    with openai.OpenAI(base_url=provider.url, api_key="any", http_client=http) as client:
        with pytest.raises(Unprintable), spanloom.task("outer"):
            client.chat.completions.create(model="gpt-4o", messages=[])
    assert spanloom.flush(10).ok
    kept = Kept(tmp_path / ".spanloom")
    assert [r.status for r in kept.ended.values()] == ["error", "error"]
