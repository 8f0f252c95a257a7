"""Whatever a program passed becomes plain data within bounds."""

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import math
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from spanloom import types as t
from spanloom.processors import default_chain
from spanloom.settings import Settings

SPAN = t.Span(trace_id=1, span_id=2, name="n", detail=t.Task(), integration="manual", start_ns=1)
chain = default_chain(replace(Settings(hash_key="test"), content="full"))[0]


def normal(value: Any) -> Any:
    new = chain(replace(SPAN, detail=t.Task(input=value)))
    assert isinstance(new.detail, t.Task)
    msgspec.json.encode(new.detail)
    return new.detail.input


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Model(msgspec.Struct):
    name: str


class Pydantic:
    def model_dump(self, **_: Any) -> dict[str, Any]:
        return {"a": 1}


class BrokenModel:
    def __init__(self) -> None:
        self.a = 2

    def model_dump(self, **_: Any) -> dict[str, Any]:
        raise ValueError


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Query:
    """As Django's: to print it asks the database."""

    def __init__(self) -> None:
        self.table, self.rows, self.inner = "users", 3, Broken()
        self._secret = "x"

    def __repr__(self) -> str:
        raise AssertionError("asked the database")

    __str__ = __iter__ = __len__ = __repr__  # type: ignore[assignment]


class Lazy:
    @property
    def __class__(self) -> Any:
        raise AssertionError("loaded")

    @__class__.setter
    def __class__(self, value: Any) -> None: ...


class Text(str):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Count(int):
    pass


class Array:
    shape = (3, 1000)
    dtype = "float32"


Array.__module__ = "numpy"


class Scalar:
    shape = ()
    dtype = "float32"

    def item(self) -> float:
        return 1.5


Scalar.__module__ = "numpy"


class Frame:
    shape = (100, 2)
    columns = ("a", "b")

    def head(self, n: int) -> "Frame":
        return self

    def to_dict(self, orient: str) -> list[dict[str, int]]:
        return [{"a": 1, "b": 2}]


Frame.__module__ = "pandas.core.frame"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "nan"), (math.inf, "inf"), (2**70, str(2**70)), ((1, 2), [1, 2]),
        ({7: "a", None: "b", True: "c"}, {"7": "a", "null": "b", "true": "c"}),
        ({3, 1, 2}, [1, 2, 3]), (decimal.Decimal("1.50"), "1.50"),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02 03:04:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"), (Colour.RED, "red"),
        (Point(1, math.nan), {"x": 1, "y": "nan"}), (Model("m"), {"name": "m"}),
        (Pydantic(), {"a": 1}), (BrokenModel(), {"a": 2}), (Broken(), "<Broken>"),
        (Text("t"), "t"), (Count(3), 3), (b"abc", "<bytes 3>"), ("a\udc80b", "a\\udc80b"),
        ({"k\ud800": 1}, {"k\\ud800": 1}), (object(), "<object>"), (int, "<int>"),
        (Array(), "<Array float32 (3, 1000)>"), (Scalar(), 1.5),
        (Frame(), {"type": "Frame", "shape": [100, 2], "columns": ["a", "b"], "head": [{"a": 1, "b": 2}]}),
        (ValueError("x"), "ValueError: x"), (Query(), {"type": "<Query>", "table": "users", "rows": 3}),
        ({"a": 1}.values(), [1]), (ipaddress.ip_address("::1"), "IPv6Address('::1')"),
        (..., "Ellipsis"),
    ],
)  # fmt: skip
def test_f5_output_that_is_not_json(value: Any, expected: Any) -> None:
    assert normal(value) == expected
    assert normal([value]) == [expected]


def test_a_proxy_is_not_made_to_load() -> None:
    assert normal({"user": Lazy()}) == {"user": "<Lazy>"}


def test_generators_are_never_consumed() -> None:
    def items() -> Iterator[int]:
        yield 1

    generator = items()
    assert normal(generator) == "<generator>"
    assert next(generator) == 1


def test_h3_cycles_depth_and_width() -> None:
    cycle: dict[str, Any] = {"a": 1}
    cycle["self"] = cycle
    assert normal(cycle) == {"a": 1, "self": "<dict: cycle>"}
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    new = chain(replace(SPAN, detail=t.Task(input=deep)))
    msgspec.json.encode(new.detail)
    assert new.truncated
    wide: list[Any] = [0]
    for _ in range(30):
        wide = [wide, wide]
    began = time.perf_counter()
    new = chain(replace(SPAN, detail=t.Task(input=wide)))
    assert time.perf_counter() - began < 2
    assert new.truncated


def test_h2_thirty_megabytes_are_capped_and_a_secret_is_not_cut_in_two() -> None:
    text = "word " * 6_000_000
    began = time.perf_counter()
    new = default_chain(Settings(hash_key="test"))[0](replace(SPAN, detail=t.Task(input=text)))
    assert time.perf_counter() - began < 2
    assert isinstance(new.detail, t.Task)
    assert len(new.detail.input) < 1_100_000
    assert "[TRUNCATED" in new.detail.input
    assert new.truncated == ("detail.input",)
    half = "x " * (2**19 - 10) + "sk-proj-abcdefghijklmnop1234567890abcdefgh"
    assert "sk-proj" not in normal(half)


def test_h2_ten_thousand_messages() -> None:
    messages = tuple(t.Message(role="user", parts=(t.Text(text=f"m {i}"),)) for i in range(10_000))
    span = replace(SPAN, detail=t.LLMCall(input=messages))
    began = time.perf_counter()
    assert chain(span).detail is span.detail
    assert time.perf_counter() - began < 1


def test_h3_wide_data_is_cut_and_the_span_keeps_its_detail() -> None:
    value = {str(n): n for n in range(50_000)}
    span = replace(
        SPAN,
        detail=t.Tool(tool="makes", input={"given": value}, output=value),
        attributes={"also": value},
        events=(t.Custom(time_ns=1, name="seen", attributes={"value": value}),),
    )
    for policy in ("full", "redacted", "hash", "none"):
        new = default_chain(replace(Settings(hash_key="test"), content=policy))[0](span)
        assert isinstance(new.detail, t.Tool)
        assert (new.detail.tool, new.faults) == ("makes", ())
        assert "detail.input.given" in new.truncated or "detail.output" in new.truncated
        assert new.detail.input
        assert new.metadata == {}


def test_plain_data_stays_the_same_object() -> None:
    value = {"a": [1, 2.5, None, True, {"b": "c"}]}
    assert normal(value) is value


def test_an_extractor_may_put_anything_anywhere() -> None:
    odd: Any = [{"role": "user"}, object()]
    detail = t.LLMCall(
        input=odd,
        model=object(),  # type: ignore[arg-type]
        finish=["stop"],  # type: ignore[arg-type]
        http_status="200",  # type: ignore[arg-type]
        output=(t.Message(role="assistant", parts=(3, t.Text(text=5))),),  # type: ignore[arg-type]
    )
    new = chain(replace(SPAN, detail=detail, tags=["a"], name=7))
    msgspec.json.encode((new.detail, new.tags, new.name))
    assert new.truncated == ("detail.input[0]", "detail.input[1]")
