"""Any span goes through a line and comes back; any junk in it leaves a line."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import jsonschema
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanloom.record import RecordError, decode, encode, schema, to_span
from spanloom.types import DETAILS, Span, Task

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TIMES = st.integers(0, 2**62)
SPECIAL = {
    "trace_id": st.integers(1, 2**128 - 1),
    "span_id": st.integers(1, 2**64 - 1),
    "parent_id": st.none() | st.integers(1, 2**64 - 1),
    "start_ns": TIMES,
    "end_ns": st.none() | TIMES,
    "time_ns": TIMES,
    "blobs": st.just(()),
}


def strategy(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a type of the event model."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return VALUES
    if annotation is str:
        return TEXT
    if annotation is int:
        return st.integers(-(2**63), 2**63 - 1)
    if annotation is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if annotation is bool:
        return st.booleans()
    if annotation in (None, NoneType):
        return st.none()
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of(*map(strategy, arguments))
    if origin is tuple:
        return st.lists(strategy(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXT, strategy(arguments[1]), max_size=2)
    assert issubclass(annotation, msgspec.Struct), annotation
    hints = get_type_hints(annotation)
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for info in msgspec.structs.fields(annotation):
        # trace ids of a score are text; those of spans and links are numbers
        hint = hints[info.name]
        special = SPECIAL.get(info.name) if hint not in (str, str | None) else None
        made = later(hint) if special is None else special
        (required if info.required else optional)[info.name] = made
    return st.fixed_dictionaries(required, optional=optional).map(lambda f: annotation(**f))


def later(annotation: Any) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: strategy(annotation))


DETAIL = st.sampled_from(sorted(DETAILS)).flatmap(lambda kind: strategy(DETAILS[kind]))
VALIDATOR = jsonschema.Draft202012Validator(schema())
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@given(span=strategy(Span), detail=DETAIL)
@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
def test_round_trip(span: Span, detail: Any) -> None:
    span = msgspec.structs.replace(span, detail=detail)
    line = encode(span)
    assert b"\n" not in line
    assert to_span(decode(line)) == span
    VALIDATOR.validate(json.loads(line))


JUNK = st.recursive(
    LEAVES
    | st.text(max_size=5)
    | st.floats()
    | st.integers()
    | st.binary(max_size=5)
    | st.sampled_from(
        [
            object(), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1),
            Decimal("1.5"), UUID(int=5), 1j, range(2), bytearray(b"x"), frozenset({1}), int,
            ValueError("x"), "\ud800", Task(input="\udfff"),
        ]
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3) | st.integers() | st.none() | st.binary(), inner, max_size=3)
    | st.tuples(inner, inner)
    | st.lists(inner, max_size=3).map(lambda items: [*items, items]),
    max_leaves=8,
)  # fmt: skip


@given(value=JUNK)
@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
def test_f5_junk_leaves_a_line_that_reads(value: Any) -> None:
    line = encode(
        Span(
            trace_id=1,
            span_id=2,
            name="n",
            detail=Task(input=value, output="kept"),
            integration="manual",
            start_ns=0,
            attributes={"value": value, "kept": 1},
        )
    )
    assert b"\n" not in line
    read = decode(line)
    assert isinstance(read.detail, Task)
    assert read.detail.output == "kept"
    assert read.attributes["kept"] == 1
    VALIDATOR.validate(json.loads(line))


@given(line=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=200, deadline=None, suppress_health_check=QUIET)
def test_garbage_is_refused_and_nothing_else(line: bytes) -> None:
    try:
        decode(line)
    except RecordError:
        pass


@given(span=strategy(Span), data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
def test_a_line_with_one_wrong_value_is_read_or_refused(span: Span, data: st.DataObject) -> None:
    document = json.loads(encode(span))
    holder = document if data.draw(st.booleans()) else document["detail"]
    key = data.draw(st.sampled_from(sorted(holder)))
    holder[key] = data.draw(VALUES)
    try:
        to_span(decode(json.dumps(document).encode()))
    except RecordError:
        pass
