"""The record: one span as one line of JSON, the format of the ``local`` backend.

``encode`` makes the line, ``decode`` reads it back as a typed ``Record``, ``to_span`` gives the
``Span`` again (but for its blobs, which lie beside the records under their hash). The layout is
that of ``spanloom.types`` except that ids are lower-case hex, times are RFC 3339 text in UTC with
nanoseconds (``jq`` and browsers lose digits of large integers) and the session lies flat.

``v`` is the major version. A reader ignores what it does not know, so fields are added without
raising it; only a line with a newer ``v`` is refused. ``python -m spanloom.record`` prints the
JSON Schema.
"""

import json
import math
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta, Raw, Struct, field, structs

from spanloom import types
from spanloom.types import (
    AnyDetail,
    AnyEvent,
    Kind,
    Redaction,
    Resource,
    Session,
    SessionSource,
    Span,
    Status,
    Value,
)

VERSION = 1

TraceId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
SpanId = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")]


class RecordError(ValueError):
    """A line is no record that this version can read, or a span cannot be made into one."""


class EventAt(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """An event of ``spanloom.types`` with its ``time`` as text. ``time_ns`` is still there to read."""

    time: Time

    @property
    def time_ns(self) -> int:
        return nanoseconds(self.time)


class CustomAt(EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="custom"):
    name: str
    attributes: Mapping[str, Value] = {}


class StateTransitionAt(
    EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="state_transition"
):
    node: str | None = None
    changed: tuple[str, ...] = ()
    goto: tuple[str, ...] = ()
    update: Value = None


class MemoryAccessAt(EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="memory_access"):
    operation: Literal["read", "write", "delete", "search"]
    store: str | None = None
    keys: tuple[str, ...] = ()
    hit: bool | None = None
    value: Value = None


class ScoreAt(EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="score"):
    name: str
    value: float | bool | str
    comment: str | None = None
    source: Literal["code", "user", "model"] | None = None
    target_span_id: str | None = None
    target_trace_id: str | None = None
    target_session_id: str | None = None


class LogEventAt(EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="log"):
    level: str
    message: str
    logger: str | None = None
    attributes: Mapping[str, Value] = {}


class RetryEventAt(EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="retry"):
    attempt: int
    reason: str
    delay_s: float | None = None


class DecisionAt(EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="decision"):
    about: str
    outcome: str
    by: str | None = None
    reason: str | None = None


class ErrorEventAt(EventAt, frozen=True, kw_only=True, omit_defaults=True, tag="error"):
    error: types.Error


AnyEventAt: TypeAlias = (
    CustomAt
    | StateTransitionAt
    | MemoryAccessAt
    | ScoreAt
    | LogEventAt
    | RetryEventAt
    | DecisionAt
    | ErrorEventAt
)

_EVENTS: Mapping[type[AnyEvent], type[AnyEventAt]] = {
    types.Custom: CustomAt,
    types.StateTransition: StateTransitionAt,
    types.MemoryAccess: MemoryAccessAt,
    types.Score: ScoreAt,
    types.LogEvent: LogEventAt,
    types.RetryEvent: RetryEventAt,
    types.Decision: DecisionAt,
    types.ErrorEvent: ErrorEventAt,
}
_EVENTS_BACK = {at: event for event, at in _EVENTS.items()}


class LinkTo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    trace_id: TraceId
    span_id: SpanId
    reason: str | None = None


def _null() -> None:
    """A default that is written all the same: msgspec leaves out only defaults that are values."""


def _true() -> bool:
    return True


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One span as the ``local`` backend writes it: one line of JSON. Units are in the names."""

    v: int
    """Major version. A reader refuses a newer one and ignores fields it does not know."""
    trace_id: TraceId
    span_id: SpanId
    parent_id: SpanId | None = field(default_factory=_null)
    name: str
    kind: Kind
    status: Status
    start: Time
    end: Time | None = field(default_factory=_null)
    duration_ns: int | None = field(default_factory=_null)
    complete: bool = field(default_factory=_true)
    ended_by: str | None = None
    error: types.Error | None = None
    session_id: str | None = field(default_factory=_null)
    session_source: SessionSource | None = None
    user_id: str | None = field(default_factory=_null)
    user_tier: str | None = None
    feature: str | None = None
    budgets: tuple[str, ...] = ()
    request_id: str | None = field(default_factory=_null)
    integration: str
    detail: AnyDetail
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Value] = {}
    metadata: Mapping[str, Value] = {}
    events: tuple[AnyEventAt, ...] = ()
    links: tuple[LinkTo, ...] = ()
    trace_state: str | None = None
    redactions: tuple[Redaction, ...] = ()
    truncated: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    resource: Resource = field(default_factory=Resource)

    @property
    def start_ns(self) -> int:
        return nanoseconds(self.start)

    @property
    def end_ns(self) -> int | None:
        return None if self.end is None else nanoseconds(self.end)


_EPOCH = datetime(1970, 1, 1)
_FIRST_NS = -62_135_596_800 * 10**9
_LAST_NS = 253_402_300_800 * 10**9 - 1


@lru_cache(maxsize=512)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


@lru_cache(maxsize=512)
def _seconds(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(seconds=1)


def rfc3339(time_ns: int) -> str:
    """The text of a time; one outside the years 1 to 9999 becomes the nearest that has a text."""
    if not _FIRST_NS <= time_ns <= _LAST_NS:
        time_ns = min(max(time_ns, _FIRST_NS), _LAST_NS)
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest:09d}Z"


def nanoseconds(text: str) -> int:
    """Since the Unix epoch, of a ``Time`` text."""
    try:
        return _seconds(text[:19]) * 1_000_000_000 + int(text[20:29])
    except ValueError as exc:
        raise RecordError(f"not a time: {text[:40]!r}") from exc


# --- writing ------------------------------------------------------------------------------------

_encode = msgspec.json.Encoder().encode
_resource: tuple[Resource | None, Raw] = (None, Raw(b"{}"))


def encode(span: Span) -> bytes:
    """One line without its newline. Never fails over what a program passed as data.

    Raises:
        RecordError: an id, a time or another field of ours is not of its type.
    """
    global _resource
    try:
        seen, raw = _resource
        if seen is not span.resource:  # one object for all spans of a process: encoded once
            raw = Raw(_encode(span.resource))
            _resource = (span.resource, raw)
        return _encode(_record(span, raw))
    except Exception:  # a value that is not JSON: rare, so looked for only now
        try:
            return _encode(_plain(_record(span, span.resource)))
        except Exception as exc:
            raise RecordError(f"span cannot be recorded: {type(exc).__qualname__}") from exc


def from_span(span: Span) -> Record:
    """What ``decode(encode(span))`` gives for a span whose values are JSON."""
    return structs.replace(_record(span, span.resource), detail=span.detail)


def _record(span: Span, resource: Any) -> Record:
    detail: Any = span.detail
    if isinstance(detail, types.ModelCall) and detail.attempts:
        detail = _plain(detail)  # the one time that lies inside a detail becomes text there
    end_ns = span.end_ns
    parent_id = span.parent_id
    session = span.session
    return Record(
        v=VERSION,
        trace_id=f"{span.trace_id:032x}",
        span_id=f"{span.span_id:016x}",
        parent_id=None if parent_id is None else f"{parent_id:016x}",
        name=span.name,
        kind=span.detail.kind,
        status=span.status,
        start=rfc3339(span.start_ns),
        end=None if end_ns is None else rfc3339(end_ns),
        duration_ns=None if end_ns is None else end_ns - span.start_ns,
        complete=span.complete,
        ended_by=span.ended_by,
        error=span.error,
        session_id=None if session is None else session.id,
        session_source=None if session is None else session.source,
        user_id=span.user_id,
        user_tier=span.user_tier,
        feature=span.feature,
        budgets=span.budgets,
        request_id=span.request_id,
        integration=span.integration,
        detail=detail,
        tags=span.tags,
        attributes=span.attributes,
        metadata=span.metadata,
        events=tuple(map(_event_at, span.events)) if span.events else (),
        links=tuple(map(_link_to, span.links)) if span.links else (),
        trace_state=span.trace_state,
        redactions=span.redactions,
        truncated=span.truncated,
        faults=span.faults,
        resource=resource,
    )


def _event_at(event: AnyEvent) -> AnyEventAt:
    facts = {name: getattr(event, name) for name in event.__struct_fields__ if name != "time_ns"}
    if isinstance(event, types.Score) and isinstance(event.value, float):
        facts["value"] = _float(event.value)  # JSON's null is no score, and the line unreadable
    return _EVENTS[type(event)](time=rfc3339(event.time_ns), **facts)


def _link_to(link: types.Link) -> LinkTo:
    return LinkTo(
        trace_id=f"{link.trace_id:032x}", span_id=f"{link.span_id:016x}", reason=link.reason
    )


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return float.__add__(value, 0.0)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_MAX_DEPTH = 64
_MAX_NODES = 200_000
_EMPTY = object()


@lru_cache(maxsize=256)
def _fields(struct: type[Struct]) -> tuple[tuple[str, Any], ...]:
    """Names and the defaults that are left out, as msgspec does it."""
    return tuple(
        (info.name, _EMPTY if info.default_factory is dict else info.default)
        for info in structs.fields(struct)
    )


def _plain(root: Any) -> Any:
    """The same as ``dict``, ``list`` and scalars. What is not JSON gives way to a visible ``<...>``.

    Calls no ``repr`` and no ``str`` of a stranger: either may raise, block, or spell out a secret
    that redaction could not look into.
    """
    open_: set[int] = set()
    nodes = 0

    def plain(value: Any, depth: int) -> Any:
        nonlocal nodes
        nodes += 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, int):
            whole = int.__add__(value, 0)
            bits = whole.bit_length()
            return whole if bits <= 64 else f"<int of {bits} bits>"
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, (bytes, bytearray)):
            return f"<{len(value)} bytes>"
        if isinstance(value, datetime):
            return datetime.isoformat(value)
        if id(value) in open_:
            return "<cycle>"
        if depth > _MAX_DEPTH or nodes > _MAX_NODES:
            return f"<cut: {_class(value)}>"
        open_.add(id(value))
        try:
            if isinstance(value, Struct):
                return struct(value, depth)
            if isinstance(value, Mapping):
                result: dict[str, Any] = {}
                for key, item in value.items():
                    result[_key(key, result)] = plain(item, depth + 1)
                return result
            if isinstance(value, (list, tuple, set, frozenset)):
                return [plain(item, depth + 1) for item in value]
        except Exception:  # a stranger's mapping may raise anything
            return f"<unreadable {_class(value)}>"
        finally:
            open_.discard(id(value))
        return f"<{_class(value)}>"

    def struct(value: Struct, depth: int) -> dict[str, Any]:
        config = value.__struct_config__
        result: dict[str, Any] = {}
        if config.tag_field is not None:
            result[config.tag_field] = config.tag
        for name, default in _fields(type(value)):
            item = getattr(value, name)
            if item is default or (default is _EMPTY and isinstance(item, dict) and not item):
                continue
            if name == "time_ns":
                result["time"] = rfc3339(item)
            else:
                result[name] = plain(item, depth + 1)
        return result

    return plain(root, 0)


def _text(value: str) -> str:
    return str.encode(value, "utf-8", "backslashreplace").decode()


def _class(value: Any) -> str:
    return _text(f"{type(value).__module__}.{type(value).__qualname__}")


def _key(key: Any, taken: Mapping[str, Any]) -> str:
    if isinstance(key, str):
        text = _text(key)
    elif key is None or type(key) in (bool, float) or (type(key) is int and abs(key) < 2**64):
        text = str(key)
    else:
        text = f"<{_class(key)}>"
    if text in taken:  # 1 and "1", or two objects of a class
        number = 2
        while f"{text}#{number}" in taken:
            number += 1
        text = f"{text}#{number}"
    return text


# --- reading ------------------------------------------------------------------------------------


class _Version(Struct):
    v: int


class _AttemptTime(Struct):
    time: Time | None = None


class _AttemptTimes(Struct):
    attempts: tuple[_AttemptTime, ...]


class _DetailTimes(Struct):
    detail: _AttemptTimes


_decode = msgspec.json.Decoder(Record).decode
_decode_version = msgspec.json.Decoder(_Version).decode
_decode_times = msgspec.json.Decoder(_DetailTimes).decode


def decode(line: bytes, *, source: str = "") -> Record:
    """Read one line, of this version or an older one.

    Unknown fields are ignored; a kind, message part or event that a later writer invented becomes
    a ``task``, ``Opaque`` or ``CustomAt``; any other value of the wrong type is left out. What was
    changed so is told in ``faults``.

    Args:
        line: the JSON, with or without its newline.
        source: where it stands, such as ``file:line``, for the message.

    Raises:
        RecordError: the line is not a record, or its ``v`` is newer than ``VERSION``.
    """
    place = f"{source}: " if source else ""
    try:
        record = _typed(line)
        version = record.v
    except (msgspec.MsgspecError, UnicodeError, RecordError, RecursionError) as exc:
        try:
            version = _decode_version(line).v
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise RecordError(f"{place}not a spanloom record: {exc}") from exc
        if version <= VERSION:
            try:
                record = _mended(line)
            except (msgspec.MsgspecError, UnicodeError, RecordError, RecursionError):
                raise RecordError(f"{place}not a spanloom record: {exc}") from exc
    if version > VERSION:
        raise RecordError(
            f"{place}record version {version} is newer than this spanloom reads ({VERSION}):"
            " upgrade spanloom (pip install -U spanloom)"
        )
    if version < 1:
        raise RecordError(f"{place}not a spanloom record: version {version}")
    return record


def _typed(line: bytes) -> Record:
    record = _decode(line)
    nanoseconds(record.start)  # the pattern lets a 13th month through
    if record.end is not None:
        nanoseconds(record.end)
    for event in record.events:
        nanoseconds(event.time)
    detail = record.detail
    if isinstance(detail, types.ModelCall) and detail.attempts:
        times = _decode_times(line).detail.attempts
        attempts = tuple(
            structs.replace(attempt, time_ns=nanoseconds(at.time)) if at.time else attempt
            for attempt, at in zip(detail.attempts, times, strict=True)
        )
        record = structs.replace(record, detail=structs.replace(detail, attempts=attempts))
    return record


_COMPLAINT = re.compile(r"^(?P<why>.*) - at `(?:key in )?\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_MAX_MENDS = 64


def _mended(line: bytes) -> Record:
    """Read a line that strict typing refuses, without the values it stumbles over."""
    document = msgspec.json.decode(line)
    said: list[str] = []
    for _ in range(_MAX_MENDS):
        try:
            record = _typed(msgspec.json.encode(document))
        except msgspec.ValidationError as exc:
            complaint = _COMPLAINT.match(str(exc))
            if complaint is None:
                raise
            said.append(f"not read: {complaint['path'].lstrip('.')}: {complaint['why']}")
            path = [name or index for name, index in _STEP.findall(complaint["path"])]
            _mend(document, path)
        else:
            return structs.replace(record, faults=(*record.faults, *said))
    raise RecordError("too many values of a wrong type")


def _mend(document: Any, path: list[str]) -> None:
    if path in (["kind"], ["detail", "kind"]):
        detail = document["detail"]
        document["kind"] = "task"
        document["detail"] = {"kind": "task", "input": detail.get("input")}
        document["detail"]["output"] = detail.get("output")
        return
    holder = document
    for step in path[:-1]:
        if step == "...":
            raise RecordError("unreadable mapping")
        holder = holder[int(step) if isinstance(holder, list) else step]
    last = path[-1]
    if last == "...":
        kept = {key: item for key, item in holder.items() if item is not None}
        if isinstance(holder, dict) and len(kept) < len(holder):
            holder.clear()
            holder.update(kept)  # null stands for the NaN that JSON has not
        else:
            _mend(document, path[:-1])
    elif last == "type" and path[0] == "events":
        name, time = holder.pop("type"), holder.pop("time", None)
        facts = dict(holder)
        holder.clear()
        holder.update(type="custom", time=time, name=str(name), attributes=facts)
    elif last == "type" and "parts" in path:
        name = holder.pop("type")
        facts = dict(holder)
        holder.clear()
        holder.update(type="opaque", name=str(name), value=facts)
    else:
        del holder[int(last) if isinstance(holder, list) else last]


def to_span(record: Record) -> Span:
    """The span again. Its blobs stay where they were stored."""
    session = None
    if record.session_id is not None:
        session = Session(id=record.session_id, source=record.session_source or "explicit")
    return Span(
        trace_id=int(record.trace_id, 16),
        span_id=int(record.span_id, 16),
        parent_id=None if record.parent_id is None else int(record.parent_id, 16),
        name=record.name,
        detail=record.detail,
        integration=record.integration,
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        status=record.status,
        error=record.error,
        ended_by=record.ended_by,
        complete=record.complete,
        session=session,
        user_id=record.user_id,
        user_tier=record.user_tier,
        feature=record.feature,
        budgets=record.budgets,
        request_id=record.request_id,
        tags=record.tags,
        attributes=record.attributes,
        metadata=record.metadata,
        events=tuple(map(_event, record.events)),
        links=tuple(
            types.Link(
                trace_id=int(link.trace_id, 16), span_id=int(link.span_id, 16), reason=link.reason
            )
            for link in record.links
        ),
        trace_state=record.trace_state,
        resource=record.resource,
        redactions=record.redactions,
        truncated=record.truncated,
        faults=record.faults,
    )


def _event(at: AnyEventAt) -> AnyEvent:
    facts = {name: getattr(at, name) for name in at.__struct_fields__ if name != "time"}
    return _EVENTS_BACK[type(at)](time_ns=at.time_ns, **facts)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record, made from these types."""
    made = msgspec.json.schema(Record)
    definitions = made["$defs"]
    attempt = definitions["Attempt"]["properties"]
    del attempt["time_ns"]
    attempt["time"] = definitions["CustomAt"]["properties"]["time"]
    definitions["Record"]["properties"]["v"] = {"const": VERSION}
    return cast(
        "dict[str, Any]",
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"spanloom record, version {VERSION}",
            **json.loads(json.dumps(made)),
        },
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
