"""The record: its layout, its schema, what it takes from programs and from later writers."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import msgspec
import pytest

from spanloom import record, types
from spanloom.record import RecordError, decode, encode, from_span, schema, to_span
from spanloom.types import (
    DETAILS,
    Attempt,
    Cost,
    Custom,
    Error,
    LLMCall,
    Message,
    Resource,
    Score,
    Session,
    Span,
    Task,
    Text,
    Usage,
)

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests/fixtures/record-v1.jsonl"
LINES = FIXTURE.read_bytes().splitlines()
START_NS = 1_795_219_200_123_456_789


def a_span(**changes: Any) -> Span:
    facts: dict[str, Any] = {
        "trace_id": 0xABC,
        "span_id": 0x12,
        "name": "step",
        "detail": Task(input="in", output="out"),
        "integration": "manual",
        "start_ns": START_NS,
        "end_ns": START_NS + 1_500,
    }
    return Span(**(facts | changes))


def document(span: Span) -> dict[str, Any]:
    line = encode(span)
    assert b"\n" not in line
    made: dict[str, Any] = json.loads(line)
    jsonschema.validate(made, schema())
    return made


def test_layout() -> None:
    made = document(
        a_span(
            parent_id=0x11,
            session=Session(id="s", source="framework"),
            events=(Custom(time_ns=START_NS + 1, name="e"),),
            links=(types.Link(trace_id=1, span_id=2, reason="handoff"),),
            resource=Resource(service="shop", pid=7),
        )
    )
    assert made == {
        "v": 1,
        "trace_id": "00000000000000000000000000000abc",
        "span_id": "0000000000000012",
        "parent_id": "0000000000000011",
        "name": "step",
        "kind": "task",
        "status": "ok",
        "start": "2026-11-21T00:00:00.123456789Z",
        "end": "2026-11-21T00:00:00.123458289Z",
        "duration_ns": 1500,
        "complete": True,
        "session_id": "s",
        "session_source": "framework",
        "user_id": None,
        "request_id": None,
        "integration": "manual",
        "detail": {"kind": "task", "input": "in", "output": "out"},
        "events": [{"type": "custom", "time": "2026-11-21T00:00:00.123456790Z", "name": "e"}],
        "links": [{"trace_id": f"{1:032x}", "span_id": f"{2:016x}", "reason": "handoff"}],
        "resource": {"service": "shop", "pid": 7},
    }


def test_absent_ids_are_null_and_a_pending_span_has_no_end() -> None:
    made = document(a_span(status="pending", end_ns=None))
    absent = ("parent_id", "session_id", "user_id", "request_id", "end", "duration_ns")
    assert [made[name] for name in absent] == [None] * 6
    read = decode(encode(a_span(status="pending", end_ns=None)))
    assert (read.end, read.end_ns, read.duration_ns) == (None, None, None)


def test_round_trip_of_a_model_call() -> None:
    span = a_span(
        detail=LLMCall(
            model="m",
            input=(Message(role="user", parts=(Text(text="hé\n\u2028"),)),),
            usage=Usage(input=3, cached=0),
            cost=Cost(total_usd=0.1, components_usd={"input": 0.1}),
            attempts=(
                Attempt(number=1, reason="429", http_status=429, time_ns=START_NS + 9),
                Attempt(number=2, reason="500"),
            ),
        ),
        events=(Score(time_ns=START_NS, name="ok", value=True),),
        error=Error(type="server", message="m", stack=("a:1 in f",)),
        status="error",
        tags=("a",),
    )
    made = document(span)
    assert made["detail"]["attempts"][0]["time"] == "2026-11-21T00:00:00.123456798Z"
    read = decode(encode(span))
    assert to_span(read) == span
    assert read == from_span(span)
    assert (read.start_ns, read.end_ns, read.events[0].time_ns) == (
        span.start_ns,
        span.end_ns,
        START_NS,
    )


def test_blobs_are_not_in_the_line() -> None:
    span = a_span(blobs=(types.Blob(sha256="0" * 64, data=b"secret bytes"),))
    assert b"blobs" not in encode(span)
    assert to_span(decode(encode(span))).blobs == ()


def test_a_resource_is_encoded_for_the_span_that_has_it() -> None:
    first, second = Resource(service="a"), Resource(service="b")
    services = [
        document(a_span(resource=resource))["resource"]["service"]
        for resource in (first, second, first)
    ]
    assert services == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
        (-62_135_596_800_000_000_000, "0001-01-01T00:00:00.000000000Z"),
        (253_402_300_799_999_999_999, "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_times(time_ns: int, text: str) -> None:
    assert record.rfc3339(time_ns) == text
    assert record.nanoseconds(text) == time_ns


def test_a_time_without_a_text_becomes_the_nearest() -> None:
    assert document(a_span(start_ns=10**30, end_ns=None))["start"].startswith("9999-12-31T23:59:59")
    assert document(a_span(start_ns=-(10**30), end_ns=None))["start"].startswith("0001-01-01T")


# --- values that are not JSON (F5) --------------------------------------------------------------


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


class HostileMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")


def cycle() -> list[Any]:
    made: list[Any] = [1]
    made.append({"again": made})
    return made


def deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (b"\xff\x00", "/wA="),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        ({1}, [1]),
        (object(), "<builtins.object>"),
        ([float("-inf"), float("nan"), object()], ["-Infinity", "NaN", "<builtins.object>"]),
        ([b"abc", object()], ["<3 bytes>", "<builtins.object>"]),
        ("\ud800 lone", "\\ud800 lone"),
        ({"\udfff": 1, "x": 2}, {"\\udfff": 1, "x": 2}),
        ({(1, 2): 1, (3,): 2}, {"<builtins.tuple>": 1, "<builtins.tuple>#2": 2}),
        ({None: 1, True: 2, "None": 3}, {"None": 1, "True": 2, "None#2": 3}),
        (10**5000, "<int of 16610 bits>"),
        (cycle(), [1, {"again": "<cycle>"}]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Name("n"), "n"),
        (HostileMapping(), f"<unreadable {__name__}.HostileMapping>"),
        (Hostile(), f"<{__name__}.Hostile>"),
        (range(3), "<builtins.range>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_f5_what_is_not_json_is_replaced_visibly(value: Any, expected: Any) -> None:
    made = document(a_span(attributes={"good": 1, "odd": value}))
    assert made["attributes"] == {"good": 1, "odd": expected}
    assert made["detail"] == {"kind": "task", "input": "in", "output": "out"}
    decode(encode(a_span(detail=Task(input=value), metadata={"x": value})))


def test_f5_depth_is_bounded() -> None:
    span = a_span(detail=Task(output=deep()))
    assert b"<cut: builtins.list>" in encode(span)
    to_span(decode(encode(span)))


def test_an_integer_of_more_than_64_bits_stays_a_number() -> None:
    assert document(a_span(attributes={"n": 2**70}))["attributes"] == {"n": 2**70}


def test_a_name_with_a_lone_surrogate() -> None:
    assert decode(encode(a_span(name="a\ud800"))).name == "a\\ud800"


def test_not_a_number_as_a_score_or_a_price() -> None:
    span = a_span(
        events=(Score(time_ns=START_NS, name="s", value=float("nan")),),
        detail=LLMCall(cost=Cost(components_usd={"input": float("nan"), "output": 0.5})),
    )
    read = decode(encode(span))
    assert read.events == (record.ScoreAt(time=read.start, name="s", value="NaN"),)
    assert isinstance(read.detail, LLMCall)
    assert read.detail.cost == Cost(components_usd={"output": 0.5})
    assert read.faults == (
        "not read: detail.cost.components_usd[...]: Expected `float`, got `null`",
    )


def test_a_span_that_is_none_is_refused() -> None:
    with pytest.raises(RecordError, match="cannot be recorded: ValueError"):
        encode(a_span(trace_id="text"))


# --- reading ------------------------------------------------------------------------------------


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(a_span())), **changes}).encode()


def test_unknown_fields_are_ignored() -> None:
    line = changed(invented={"a": 1}, detail={"kind": "task", "input": "in", "later": 1})
    assert to_span(decode(line)) == a_span(detail=Task(input="in"))


def test_a_newer_major_is_refused_with_place_version_and_fix() -> None:
    with pytest.raises(RecordError) as caught:
        decode(b'{"v":2,"entirely":"different"}', source="a/b.jsonl:17")
    assert str(caught.value) == (
        "a/b.jsonl:17: record version 2 is newer than this spanloom reads (1):"
        " upgrade spanloom (pip install -U spanloom)"
    )
    with pytest.raises(RecordError, match="upgrade"):
        decode(changed(v=2))


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"{", b"[]", b"null", b"{}", b'{"v":1}', b'{"v":"1"}', b"\xff\xfe", b'{"v":1}{',
        changed(v=0), changed(trace_id="ABC"), changed(start="2026-13-01T00:00:00.000000000Z"),
        changed(start="yesterday"), changed(detail=None), changed(name=None),
        b"[" * 100_000, encode(a_span())[:-5],
    ],
)  # fmt: skip
def test_what_is_no_record(line: bytes) -> None:
    with pytest.raises(RecordError, match=r"^f:1: not a spanloom record: "):
        decode(line, source="f:1")


def test_what_a_later_writer_invented_is_kept_where_there_is_a_place_for_it() -> None:
    read = decode(
        changed(
            kind="llm",
            detail={
                "kind": "llm",
                "model": "m",
                "input": [
                    {
                        "role": "user",
                        "parts": [
                            {"type": "text", "text": "a"},
                            {"type": "citation", "of": "b"},
                        ],
                    }
                ],
            },
            events=[{"type": "checkpoint", "time": "2026-11-21T00:00:00.000000000Z", "id": 3}],
        )
    )
    assert read.detail == LLMCall(
        model="m",
        input=(
            Message(
                role="user",
                parts=(Text(text="a"), types.Opaque(name="citation", value={"of": "b"})),
            ),
        ),
    )
    assert read.events == (
        record.CustomAt(
            time="2026-11-21T00:00:00.000000000Z", name="checkpoint", attributes={"id": 3}
        ),
    )
    assert len(read.faults) == 2

    read = decode(changed(kind="dream", detail={"kind": "dream", "input": "i", "of": "sheep"}))
    assert (read.kind, read.detail) == ("task", Task(input="i"))


def test_a_value_of_a_wrong_type_costs_only_itself() -> None:
    read = decode(
        changed(
            kind="llm",
            detail={"kind": "llm", "model": 4, "provider": "p", "usage": {"input": "7"}},
            tags=["a", 1],
        )
    )
    assert read.detail == LLMCall(provider="p", usage=Usage())
    assert read.tags == ("a",)
    assert len(read.faults) == 3


# --- the published schema and the fixtures ------------------------------------------------------


def test_the_published_schema_is_that_of_the_types() -> None:
    published = json.loads((ROOT / "docs/reference/record-v1.schema.json").read_bytes())
    assert published == schema(), "python -m spanloom.record > docs/reference/record-v1.schema.json"
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["name"])
def test_lines_of_version_1_are_read_for_ever(line: bytes) -> None:
    jsonschema.validate(json.loads(line), schema())
    read = decode(line)
    assert read.faults == ("a fault",)
    again = encode(to_span(read))
    assert json.loads(again) == json.loads(line)


def test_the_fixture_has_every_kind_and_every_event() -> None:
    records = [decode(line) for line in LINES]
    assert {read.kind for read in records} == set(DETAILS)
    assert {type(event) for read in records for event in read.events} == set(
        record._EVENTS.values()
    )
    parts = {
        type(part)
        for read in records
        if isinstance(read.detail, LLMCall)
        for message in (*read.detail.input, *read.detail.output)
        for part in message.parts
    }
    assert parts == set(types.MessagePart.__args__)
    assert any(read.status == "pending" for read in records)


def test_events_of_the_record_have_the_fields_of_the_events() -> None:
    for event, at in record._EVENTS.items():
        fields = {info.name: info for info in msgspec.structs.fields(event)}
        fields_at = {info.name: info for info in msgspec.structs.fields(at)}
        del fields["time_ns"], fields_at["time"]
        assert {name: (info.type, info.default) for name, info in fields.items()} == {
            name: (info.type, info.default) for name, info in fields_at.items()
        }
        assert event.__struct_config__.tag == at.__struct_config__.tag
