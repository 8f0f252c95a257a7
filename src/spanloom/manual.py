"""Recording by hand: spans, sessions, handoffs, scores, events, trace context.

Nothing here raises into the application, unless SPANLOOM_STRICT is set.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from typing import Any, Literal, TypeVar, overload

import msgspec

from . import propagation, recorder
from .decorate import SpanMaker, decorated, maker, shown
from .errors import guard, mistake
from .recorder import Active, Remote, Scope, current
from .types import DETAILS, Custom, Kind, Score, Session

F = TypeVar("F", bound=Callable[..., Any])


def span(name: str, /, *, kind: Kind = "task", **attributes: Any) -> SpanMaker:
    """A span of any kind: ``with span("fetch"): ...`` or ``@span("fetch")``, sync and async.

    Attributes that are fields of the kind (``spanloom.types``) are typed facts, such as ``model`` of
    an ``llm`` span or ``input`` and ``output`` of a ``task``; all others are the program's own.
    """
    try:
        if type(name) is not str and (wrapped := _bare(name, kind, attributes)) is not None:
            return wrapped  # type: ignore[no-any-return]
        if kind != "task" and kind not in _KINDS:
            given, kind = kind, "task"
            mistake(
                f"span: kind {shown(given)} is not known; known: {', '.join(DETAILS)}. "
                "It is recorded as a task."
            )
    except Exception as exc:  # the values may be anything
        kind = "task"
        guard.fault(exc)
    made = _new(SpanMaker)  # as ``SpanMaker(...)`` does, without the call: this is the hottest line
    made.name, made.kind, made.attributes = name, kind, attributes or None
    return made


_new = object.__new__
_KINDS: Collection[object] = tuple(DETAILS)
"""A tuple: a look-up in it does not fail for what cannot be hashed."""


def _bare(name: object, kind: Kind, attributes: dict[str, Any]) -> Any:
    """``@span`` and ``@llm_call`` without a call: the function comes where the name belongs."""
    if isinstance(name, str) or not callable(name):
        return None
    return decorated(name, kind, None, attributes)


class _KindMaker:
    """``@agent``, ``@agent("name")``, ``@agent(name="x", role="worker")``, ``with agent("name"):``."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.__name__ = self.__qualname__ = kind
        self.__doc__ = (
            f"A span of kind ``{kind}``: a decorator, bare or called, or a context manager.\n\n"
            "Arguments of a decorated function are recorded as input, its result as output."
        )

    @overload
    def __call__(self, target: F, /) -> F: ...

    @overload
    def __call__(self, target: str | None = None, /, **attributes: Any) -> SpanMaker: ...

    def __call__(self, target: Any = None, /, **attributes: Any) -> Any:
        try:
            if target is None:
                target = attributes.pop("name", None)
            if target is None or isinstance(target, str):
                return maker(self._kind, target or "", attributes)
            return decorated(target, self._kind, None, attributes)
        except Exception as exc:
            guard.fault(exc)
        return target if callable(target) else maker(self._kind, "", attributes)


workflow: _KindMaker = _KindMaker("workflow")
agent: _KindMaker = _KindMaker("agent")
tool: _KindMaker = _KindMaker("tool")
task: _KindMaker = _KindMaker("task")
retrieval: _KindMaker = _KindMaker("retrieval")
rerank: _KindMaker = _KindMaker("rerank")
embedding: _KindMaker = _KindMaker("embedding")
memory: _KindMaker = _KindMaker("memory")
guardrail: _KindMaker = _KindMaker("guardrail")
evaluation: _KindMaker = _KindMaker("evaluation")
plan: _KindMaker = _KindMaker("plan")
mcp: _KindMaker = _KindMaker("mcp")


def llm_call(name: str | None = None, /, **fields: Any) -> SpanMaker:
    """A model call recorded by hand.

    ``with llm_call(model="m", provider="p", input=messages) as call: ...; call.record(output=text,
    usage={"input": 12, "output": 3})``. Fields are those of ``spanloom.types.LLMCall``; messages may
    be a text or a list of ``{"role": ..., "content": ...}``. An instrumented SDK's call inside it is
    the same call, and becomes no span of its own.
    """
    label = "chat"
    try:
        if (wrapped := _bare(name, "llm", fields)) is not None:
            return wrapped  # type: ignore[no-any-return]
        label = name or ("chat " + str(fields["model"]) if fields.get("model") else "chat")
    except Exception as exc:  # the values may be anything
        guard.fault(exc)
    return maker("llm", label, fields)


def session(
    id: str, /, *, user: str | None = None, tags: Iterable[str] = (), **metadata: Any
) -> Scope:
    """Everything started inside belongs to this session, over threads, tasks and traces.

    Args:
        id: your own id of the conversation. Nothing is invented where you have none.
        user: whose session it is; stored as a keyed hash unless ``user_ids="keep"``.
        tags: added to every span.
        metadata: added to every span.
    """
    changes: dict[str, Any] = {"metadata": metadata}
    with guard:  # the values may be anything, and have a ``__str__`` that raises
        changes["tags"] = _tags(tags)
        given: object = id  # callers who do not check types give UUIDs, numbers and None
        if given is not None and str(given):
            changes["session"] = Session(id=str(given))
        else:
            mistake(f"session: id {id!r} is empty; give a text. The spans inside carry no session.")
        if user is not None:
            changes["user_id"] = str(user)
    return Scope(**changes)


def context(
    *,
    user: str | None = None,
    user_tier: str | None = None,
    feature: str | None = None,
    request_id: str | None = None,
    tags: Iterable[str] = (),
    baggage: Mapping[str, str] | None = None,
    **metadata: Any,
) -> Scope:
    """Everything started inside carries these facts. ``baggage`` also goes to other services."""
    changes: dict[str, Any] = {"metadata": metadata}
    named = {
        "user_id": user, "user_tier": user_tier, "feature": feature, "request_id": request_id
    }  # fmt: skip
    with guard:
        changes["tags"] = _tags(tags)
        changes.update({k: str(v) for k, v in named.items() if v is not None})
        items: object = baggage
        if isinstance(items, Mapping):
            changes["baggage"] = {
                **recorder.ambient().baggage, **{str(k): str(v) for k, v in items.items()}
            }  # fmt: skip
        elif items is not None:
            mistake(f"context: baggage is a {type(items).__name__}; give a mapping of texts.")
    return Scope(**changes)


def _tags(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        mistake(f"tags: {given!r} is one text; give a list of texts. It is taken as one tag.")
        return (given,)
    if isinstance(given, Iterable):
        return tuple(map(str, given))
    if given is not None:
        mistake(f"tags: {given!r} is no list of texts; it is left out.")
    return ()


def suppress() -> Scope:
    """Nothing that starts inside is recorded."""
    return Scope(suppressed=True)


def current_span() -> Active | None:
    """The innermost running span, or None."""
    return current()


def set_attributes(attributes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
    """Add attributes to the current span; without one nothing happens."""
    with guard:
        if (active := current()) is not None:
            active.set_attributes(attributes, **more)


def event(name: str, /, **attributes: Any) -> None:
    """Something happened now, inside the current span."""
    with guard:
        active = current()
        if active is None:
            if recorder.recording():
                mistake(f"event {name!r} is outside of any span; open one with spanloom.span(...).")
            return
        active.add_event(Custom(time_ns=active.now_ns(), name=str(name), attributes=attributes))


def handoff(
    source: str,
    target: str,
    /,
    *,
    mechanism: str | None = None,
    reason: str | None = None,
    payload: Any = None,
    returns_control: bool | None = None,
    outcome: Literal["accepted", "refused", "failed"] = "accepted",
) -> None:
    """Agent ``source`` hands over to agent ``target``.

    A span of zero length in the current span; the next ``agent`` span of that name in the same trace
    links to it. Nothing links to a handoff that was refused or failed.
    """
    with guard:
        active = Active(f"handoff {source} -> {target}", "handoff")
        active.fields = {
            "source": str(source), "target": str(target), "mechanism": mechanism, "reason": reason,
            "payload": payload, "returns_control": returns_control, "outcome": outcome,
        }  # fmt: skip
        if not active.start():
            return
        if outcome == "accepted":
            active.give(str(target))
        active.end()


def score(
    name: str,
    value: float | bool | str,
    /,
    *,
    span: Active | str | None = None,
    trace: Active | str | None = None,
    session: str | None = None,
    comment: str | None = None,
    source: Literal["code", "user", "model"] | None = None,
) -> None:
    """Judge a span, a trace or a session, at once or later.

    Args:
        name: of the score, such as ``relevance``.
        value: a number, a truth, a category or a text.
        span: the span or its id (16 hex digits); default: the current span, else the session.
        trace: the trace of that span, or its id (32 hex digits).
        session: the id of a session.
        comment: why.
        source: who judged.
    """
    with guard:
        judged: object = value
        if not isinstance(judged, bool | int | float | str):
            mistake(
                f"score {name!r}: value of type {type(value).__name__}; give a number, bool or text."
            )
            return
        target = span if isinstance(span, Active) else None
        if span is None and trace is None and session is None:
            target = current()
            around = recorder.ambient().session
            if target is None and around is not None:
                session = around.id
            elif target is None:
                mistake(
                    f"score {name!r} has no target: no span is open; give span, trace or session."
                )
                return
        given = Score(
            time_ns=time.time_ns(),
            name=str(name),
            value=value,
            comment=comment,
            source=source,
            target_span_id=_hex(span, "span") if target is None else None,
            target_trace_id=_hex(trace or (span if isinstance(span, Active) else None), "trace")
            if trace is not None or span is not None
            else None,
            target_session_id=session,
        )
        if target is not None and target.recording:
            target.add_event(msgspec.structs.replace(given, target_trace_id=None))
            return
        if target is not None:  # it has ended: its record is on its way
            given = msgspec.structs.replace(given, target_span_id=target.span_hex)
        carrier = Active(f"score {name}", "evaluation")
        carrier.fields = {"evaluator": str(name)}
        if session is not None:
            carrier.session = Session(id=str(session))
        judged_one = target or (trace if isinstance(trace, Active) else None)
        parent = _carrier_parent(judged_one, given)
        if carrier.start(parent):
            if parent is not None and not parent.span_id:
                carrier.parent = None  # of that trace, and below none of its spans
            carrier.add_event(given)
            if given.target_span_id and given.target_trace_id:
                carrier.add_link(
                    int(given.target_trace_id, 16), int(given.target_span_id, 16), "score"
                )
            carrier.end()


def feedback(
    value: float | bool | str,
    /,
    *,
    name: str = "user_feedback",
    span: Active | str | None = None,
    trace: Active | str | None = None,
    session: str | None = None,
    comment: str | None = None,
) -> None:
    """What a user thought of an answer: a score whose source is the user."""
    score(name, value, span=span, trace=trace, session=session, comment=comment, source="user")


def _hex(target: Active | str | None, what: Literal["span", "trace"]) -> str | None:
    if target is None:
        return None
    if isinstance(target, Active):
        return target.span_hex if what == "span" else target.trace_hex
    text = str(target).strip().lower()
    digits = 16 if what == "span" else 32
    if len(text) != digits or any(c not in "0123456789abcdef" for c in text):
        mistake(f"score: {what} id {target!r} is not {digits} hex digits; take it from the record.")
        return None
    return text


def _carrier_parent(judged: Active | None, given: Score) -> Remote | None:
    """The scored span is the carrier's parent, so that a late score lies in the scored trace.

    With the trace alone a parent without an id. The scored span's session holds.
    """
    trace_id = judged.trace_hex if judged is not None else given.target_trace_id
    if trace_id is None or not int(trace_id, 16):
        return None
    around = recorder.ambient()
    if judged is not None and (own := judged.ambient.session or judged.session) is not None:
        around = msgspec.structs.replace(around, session=own)
    return Remote(int(trace_id, 16), int(given.target_span_id or "0", 16), around)


def inject(headers: MutableMapping[str, str], /) -> MutableMapping[str, str]:
    """Write ``traceparent``, ``tracestate`` and ``baggage`` of the current span into ``headers``."""
    with guard:
        return propagation.inject(headers)
    return headers


class extract:
    """``with extract(headers): ...`` continues the trace that the caller's headers name.

    ``headers`` is a mapping or pairs, of text or bytes; bad headers are ignored.
    """

    def __init__(self, headers: Any, /) -> None:
        self._headers = headers
        self._carried: recorder.carried | None = None
        self._entered = False

    def __enter__(self) -> None:
        with guard:
            if self._entered:
                recorder.again(
                    self,
                    "extract(...) is entered a second time and says nothing there; call the function "
                    "again for each `with`.",
                )
                return
            self._entered = True
            frame = propagation.frame_from(self._headers)
            if frame is not None:
                self._carried = recorder.carried(frame)
                self._carried.__enter__()

    def __exit__(self, *exc: object) -> None:
        if recorder.left_again(self):
            return
        if self._carried is not None:
            self._carried.__exit__(*exc)
            self._carried = None

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__(*exc)
