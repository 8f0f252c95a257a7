"""From the references of a recorded span to the typed event. Runs on the worker."""

import os
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import msgspec

from . import faults as plugin_faults
from .errors import mistake, scrub
from .recorder import EVENTS_KEPT, Active, Failure
from .types import (
    DETAILS,
    AnyDetail,
    AnyEvent,
    Attempt,
    Detail,
    Error,
    ErrorType,
    Link,
    LLMCall,
    Resource,
    Session,
    Span,
    Status,
    Usage,
)

pid: Callable[[], int] = os.getpid

CONTROL_FLOW: set[str] = {"GeneratorExit", "StopIteration", "StopAsyncIteration"}
"""Exception classes that end a span without being an error. Integrations add theirs."""

ERROR_TYPES: tuple[ErrorType, ...] = get_args(ErrorType)

CANCELLED = {"CancelledError", "KeyboardInterrupt", "Stopped"}


def span(active: Active, resource: Resource, *, pending: bool = False) -> Span:
    """The typed event. A failing extractor costs the detail, not the span."""
    faults: list[str] = []
    detail, attributes = _detail(active, faults)
    status, error, ended_by = outcome(active, faults)
    layers = [active]
    if not pending and active.inner:
        layers += active.inner
        detail, error = _with_inner(active, detail, error, faults, attributes)
    if (
        pending
        and isinstance(detail, LLMCall)
        and (active.tap is not None or active.watch is not None)
    ):
        # half a secret is not known as one: what comes in pieces is told once it is whole
        detail = msgspec.structs.replace(detail, output=())
    events: list[AnyEvent] = []
    links: list[Link] = []
    for layer in layers:
        if layer.events:
            events += _events(layer, layer.events, faults)
            events.sort(key=lambda event: event.time_ns)
        if layer.links:
            links += layer.links
    ambient = active.ambient
    session = _session(active, detail)
    anchor = active.anchor
    if active.ended_by is not None:
        ended_by = active.ended_by
    return Span(
        trace_id=active.trace_id,
        span_id=active.span_id,
        parent_id=active.parent.span_id if active.parent is not None else None,
        name=(active.name if type(active.name) is str else str(active.name)) or active.kind,
        detail=detail,
        integration=active.integration,
        start_ns=anchor + active.tick,
        end_ns=None if pending else anchor + active.tock,
        status="pending" if pending else status,
        error=error,
        ended_by=ended_by,
        complete=active.complete,
        session=session,
        user_id=ambient.user_id,
        user_tier=ambient.user_tier,
        feature=ambient.feature,
        budgets=ambient.budgets,
        request_id=ambient.request_id,
        tags=ambient.tags,
        attributes=attributes,
        metadata=ambient.metadata,
        events=tuple(events),
        links=tuple(links),
        trace_state=ambient.trace_state,
        resource=resource,
        faults=tuple(faults),
    )


def _events(active: Active, told: list[AnyEvent], faults: list[str]) -> list[AnyEvent]:
    """The first and the last; how many are missing is said among the faults."""
    events = list(told)  # at once, since the application may add one to a span that is pending
    missing = active.events_left_out
    if missing and len(events) > 2 * EVENTS_KEPT:
        missing += len(events) - 2 * EVENTS_KEPT
        del events[EVENTS_KEPT:-EVENTS_KEPT]
    if missing:
        faults.append(f"events: {missing} between the first and the last are left out")
    return events


def skeleton(active: Active, resource: Resource, fault: str) -> Span:
    """The span without any content: what is safe to keep when nothing could be checked."""
    status, _error, ended_by = outcome(active, [])
    return Span(
        trace_id=active.trace_id,
        span_id=active.span_id,
        parent_id=active.parent.span_id if active.parent is not None else None,
        name=active.kind,
        detail=DETAILS.get(active.kind, DETAILS["task"])(),
        integration=active.integration,
        start_ns=active.anchor + active.tick,
        end_ns=active.anchor + active.tock if active.closed else None,
        status=status if active.closed else "pending",
        ended_by=ended_by,
        complete=active.complete,
        resource=resource,
        faults=(fault,),
    )


def _session(active: Active, detail: AnyDetail) -> Session | None:
    """Nearest wins: explicit, then the framework's id, then baggage. Nobody invents one."""
    around = active.ambient.session
    if around is not None and around.source != "baggage":
        return around
    if active.session is not None:
        return active.session
    if isinstance(detail, LLMCall) and detail.conversation_id:
        return Session(id=detail.conversation_id, source="framework")
    return around


# -- detail -------------------------------------------------------------------------------------


def _detail(active: Active, faults: list[str]) -> tuple[AnyDetail, dict[str, Any]]:
    """The typed detail, and the attributes that are the program's own."""
    faults += active.faults or ()
    base: AnyDetail | None = None
    if active.extract is not None:
        try:
            given: Any = active.extract(active)
            if not isinstance(given, Detail):
                raise plugin_faults.WrongAnswerError(
                    f"returned {type(given).__name__}, not a class of spanloom.types such as LLMCall"
                )
            base = cast(AnyDetail, given)
        except Exception as exc:
            plugin_faults.of_worker(active, "extract", exc, faults)
    # after the extractor, which may add some
    attributes: dict[str, Any] = dict(active.attributes) if active.attributes else {}
    kind = DETAILS.get(active.kind, DETAILS["task"])
    fields: dict[str, Any] = {}
    if attributes:
        known = kind.__struct_fields__
        fields = {key: attributes.pop(key) for key in list(attributes) if key in known}
    if active.fields:
        fields.update(active.fields)
    if base is None:
        base = _from_fields(kind, fields, attributes)
    elif fields:
        base = _overlay(base, fields, attributes)
    return base, attributes


def _from_fields(
    kind: type[AnyDetail], fields: dict[str, Any], attributes: dict[str, Any]
) -> AnyDetail:
    if not fields:
        return kind()
    return _overlay(kind(), fields, attributes)


def _overlay(base: AnyDetail, fields: Mapping[str, Any], attributes: dict[str, Any]) -> AnyDetail:
    """``base`` with the fields the program gave by hand, each checked against its type."""
    types = _field_types(type(base))
    good: dict[str, Any] = {}
    for key, value in fields.items():
        wanted = types.get(key)
        if wanted is None:
            attributes[key] = value
            mistake(
                f"span field {key!r} is not known for kind {base.kind!r}; known: "
                f"{', '.join(sorted(types))}. It was kept as an attribute."
            )
            continue
        if wanted is Any:
            good[key] = value
            continue
        try:
            good[key] = msgspec.convert(_messages(value, key), wanted, strict=False)
        except (msgspec.ValidationError, TypeError) as exc:
            attributes[key] = value
            mistake(
                f"span field {key!r} of kind {base.kind!r} does not fit: {exc}. "
                "It was kept as an attribute; see spanloom.types for the shape."
            )
    return msgspec.structs.replace(base, **good)


def _messages(value: Any, key: str) -> Any:
    """Accept what people write: a text, or chat messages as dictionaries with ``content``."""
    if key not in ("input", "output"):
        return value
    if isinstance(value, str):
        value = [{"content": value}]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    role = "user" if key == "input" else "assistant"
    return [_message(m, role) for m in value]


def _message(raw: Any, default: str) -> Any:
    if not isinstance(raw, Mapping) or "parts" in raw:
        return raw
    role = raw.get("role", default)
    role = {"developer": "system", "function": "tool", "model": "assistant", "human": "user",
            "ai": "assistant"}.get(role, role)  # fmt: skip
    content = raw.get("content")
    parts: list[Any] = []
    if isinstance(content, str):
        parts.append({"type": "text", "text": content})
    elif content is not None:
        for piece in content if isinstance(content, list | tuple) else [content]:
            if isinstance(piece, str):
                parts.append({"type": "text", "text": piece})
            elif isinstance(piece, Mapping) and isinstance(piece.get("text"), str):
                parts.append({"type": "text", "text": piece["text"]})
            else:
                kind = str(piece.get("type", "part")) if isinstance(piece, Mapping) else "part"
                parts.append({"type": "opaque", "name": kind, "value": piece})
    known = ("user", "system", "assistant", "tool")
    return {"role": role if role in known else "user", "parts": parts}


_types: dict[type, dict[str, Any]] = {}


def _field_types(kind: type[AnyDetail]) -> dict[str, Any]:
    if (found := _types.get(kind)) is None:
        info = msgspec.structs.fields(kind)
        found = _types[kind] = {f.name: f.type for f in info}
    return found


# -- claims -------------------------------------------------------------------------------------


def _with_inner(
    active: Active,
    detail: AnyDetail,
    error: Error | None,
    faults: list[str],
    attributes: dict[str, Any],
) -> tuple[AnyDetail, Error | None]:
    """One call, one span: what the layer nearest to the wire knows wins, the outer fills the gaps.

    Only the innermost calls are requests: a layer between them and the outermost repeats what they
    know. ``attributes`` takes those of the inner calls too.
    """
    inners = active.inner or []
    between = {id(inner.parent) for inner in inners}
    requests = [inner for inner in inners if id(inner) not in between]
    details: dict[int, AnyDetail] = {}
    attempts: list[Attempt] = []
    for inner in inners:
        found, added_there = _detail(inner, faults)
        for key, value in added_there.items():
            attributes.setdefault(key, value)
        if isinstance(found, LLMCall) and found.time_to_first_chunk_ns is not None:
            late = inner.tick - active.tick
            found = msgspec.structs.replace(
                found, time_to_first_chunk_ns=found.time_to_first_chunk_ns + late
            )
        _status, inner_error, _ = outcome(inner, faults)
        if inner_error is not None and inner in requests[:-1]:
            attempts.append(
                Attempt(
                    number=len(attempts) + 1,
                    reason=inner_error.type,
                    http_status=getattr(found, "http_status", None),
                    time_ns=inner.anchor + inner.tick,
                )
            )
        elif inner_error is not None and error is not None:
            error = msgspec.structs.replace(
                error,
                type=inner_error.type if error.type == "other" else error.type,
                code=error.code or inner_error.code,
            )
        if not inner.complete:
            active.complete = False
        details[id(inner)] = found
    for found in details.values():
        detail = merged(detail, found)
    used = _billed(active, inners, details)
    if len(used) > 1:
        detail = msgspec.structs.replace(detail, usage=added(used))
    if attempts and hasattr(detail, "attempts"):
        detail = msgspec.structs.replace(detail, attempts=(*attempts, *detail.attempts))
    return detail, error


def _billed(over: Active, inners: list[Active], details: Mapping[int, AnyDetail]) -> list[Usage]:
    """The usage of each request below ``over``, from the layer nearest to the wire that knows it."""
    used: list[Usage] = []
    for inner in inners:
        if inner.parent is over:
            below = _billed(inner, inners, details)
            own = getattr(details[id(inner)], "usage", None)
            used.extend(below or ([own] if own is not None else []))
    return used


OUTER_WINS = {"prompt", "cache", "fallback_from", "fallback_to", "cost"}


def merged(outer: AnyDetail, inner: AnyDetail) -> AnyDetail:
    """The union of two layers' facts about one call."""
    if type(outer) is not type(inner):
        return outer
    changes: dict[str, Any] = {}
    for info in msgspec.structs.fields(type(inner)):
        name = info.name
        theirs = getattr(inner, name)
        if theirs is None or theirs is False or (hasattr(theirs, "__len__") and not theirs):
            continue
        ours = getattr(outer, name)
        if name in OUTER_WINS and ours is not None:
            continue
        if name == "params":
            theirs = {**ours, **theirs}
        changes[name] = theirs
    return msgspec.structs.replace(outer, **changes)


def added(usages: list[Usage]) -> Usage:
    """Several real requests inside one logical call were all billed."""
    totals: dict[str, Any] = {}
    for usage in usages:
        for name in usage.__struct_fields__:
            if (value := getattr(usage, name)) is not None:
                totals[name] = totals.get(name, 0) + value
    return Usage(**totals)


# -- outcome ------------------------------------------------------------------------------------


def outcome(active: Active, faults: list[str]) -> tuple[Status, Error | None, str | None]:
    """Status, error and control flow of a span, from the exception that ended it."""
    failure = active.failure
    if failure is None:
        reported = getattr(active.tap, "failure", None)
        if reported is None or not isinstance(reported, Mapping):
            return "ok", None, None
        # the server said inside the stream that it failed, and the SDK raised nothing
        kind = _asked(active, reported, (), faults)
        code = reported.get("code") or reported.get("status_code")
        return "error", Error(
            type=kind,
            message=str(reported.get("message") or code or "failed"),
            code=str(code) if code is not None else None,
        ), None  # fmt: skip
    names = failure.classes
    if CONTROL_FLOW.intersection(names):
        return "ok", None, names[0]
    if CANCELLED.intersection(names) or (
        failure.inside and all(CANCELLED.intersection(one) for one in failure.inside)
    ):
        return "cancelled", None, names[0]
    if "SystemExit" in names:
        if failure.message in ("", "0", "None"):
            return "ok", None, names[0]
        return "error", _error(failure, "other"), names[0]
    note = failure.note if isinstance(failure.note, Mapping) else {}
    kind = _asked(active, note, names, faults)
    if kind == "other":  # an integration knows its own exceptions; the rest is known by class
        kind = classify(failure)
    status: Status = "timeout" if kind == "timeout" else "error"
    return status, _error(failure, kind), None


def _error(failure: Failure, kind: ErrorType) -> Error:
    note = failure.note if isinstance(failure.note, Mapping) else {}
    code = note.get("code") or note.get("status_code")
    prefix = "" if failure.module in ("builtins", "__main__") else f"{failure.module}."
    return Error(
        type=kind,
        message=failure.message,
        class_name=prefix + failure.classes[0],
        code=str(code) if code is not None else None,
        stack=_stack(failure),
    )


def _stack(failure: Failure) -> tuple[str, ...]:
    lines = [f"{file}:{line} in {name}" for file, line, name in failure.stack]
    if failure.left_out:
        lines.insert(len(lines) - 32, f"... {failure.left_out} more")
    return tuple(lines)


BY_CLASS: Mapping[str, ErrorType] = {
    "TimeoutError": "timeout",
    "ConnectionError": "connection",
    "PermissionError": "permission",
    "FileNotFoundError": "not_found",
    "JSONDecodeError": "parse",
    "UnicodeDecodeError": "parse",
    "ValidationError": "parse",
}


def _asked(
    active: Active, note: Mapping[str, Any], names: tuple[str, ...], faults: list[str]
) -> ErrorType:
    """What the integration's ``classify`` says of a failure."""
    if active.classify is None:
        return "other"
    try:
        kind = active.classify(note, names)
        if kind not in ERROR_TYPES:
            raise plugin_faults.WrongAnswerError(
                f"returned {scrub(repr(kind)[:60])}, not one of {', '.join(ERROR_TYPES)}"
            )
        return kind
    except Exception as exc:
        plugin_faults.of_worker(active, "classify", exc, faults)
        return "other"


def classify(failure: Failure) -> ErrorType:
    """The closed error type of an exception that no integration knows better.

    A group of exceptions that are all of one type is of that type.
    """
    if failure.inside:
        kinds = {_by_class(classes) for classes in failure.inside}
        return kinds.pop() if len(kinds) == 1 else "other"
    return _by_class(failure.classes)


def _by_class(classes: tuple[str, ...]) -> ErrorType:
    for name in classes:
        if name in BY_CLASS:
            return BY_CLASS[name]
        if name.endswith(("Timeout", "TimeoutError", "TimeoutException")):
            return "timeout"
    return "other"
