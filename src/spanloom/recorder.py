"""Which span is current, what a span inherits, and the span that is being recorded.

The context of a program is a chain of frames, linked upward, of which one context variable holds
the innermost. A frame is a running span (``Active``), a span of another process (``Remote``) or a
``Scope`` that only says what is inherited from here on (session, user, tags). A context may leak,
as when a callback ends in another task than it began in; a reader must not care: frames that are
closed are skipped, so that a leaked context heals itself.

Everything here runs on the application's thread and only records: two clock readings, two random
numbers, references, one append.
"""

import os
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar, Token
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, Protocol, TypeAlias

import msgspec

from .errors import guard, mistake
from .types import AnyDetail, AnyEvent, Attempt, ErrorType, Event, Kind, Link, Session

_random = random.Random(os.urandom(32))
_bits = _random.getrandbits


_born = 0
"""When this process was forked, on ``perf_counter_ns``: spans begun before are its parent's."""


def reseed() -> None:
    """A forked child must not draw its parent's ids, nor take its open spans for its own."""
    global _born
    _born = perf_counter_ns()
    _random.seed(os.urandom(32))


EVENTS_KEPT = 128
"""Of a span's events as many first and as many last ones; those between are counted."""
MOST_WAITING = 64
"""Handoffs that may wait at one span for their receivers."""


class Ambient(msgspec.Struct, frozen=True, kw_only=True):
    """What a span inherits from where it starts."""

    session: Session | None = None
    user_id: str | None = None
    user_tier: str | None = None
    feature: str | None = None
    budgets: tuple[str, ...] = ()
    request_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    baggage: Mapping[str, str] = {}
    trace_state: str | None = None
    suppressed: bool = False


NOTHING = Ambient()


class Sink(Protocol):
    """Where a span goes: the pipeline."""

    def started(self, active: "Active", /) -> None: ...

    def put(self, active: "Active", /) -> None: ...

    def admits(self) -> bool:
        """Whether a new trace may begin: False when the queue is full."""
        ...


class Tap(Protocol):
    """What a stream's chunks leave behind. ``feed`` and ``complete`` run on the application's thread.

    May also have ``weight``, the bytes that it holds, and ``failure``: a mapping with ``message`` and
    ``code`` where the server said inside the stream that it failed, although nothing was raised.
    """

    first_tick: int
    """Of the first chunk with content, on ``perf_counter_ns``; 0: none came."""
    last_tick: int
    """Of the last chunk with content, likewise."""
    chunks: int
    """How many had content."""

    @property
    def complete(self) -> bool:
        """Whether the end of the answer was seen, as the items tell."""
        ...

    def feed(self, chunk: Any, /) -> None:
        """Take from a chunk what is needed, before the program gets it; keep no chunk."""

    def reply(self) -> Any:
        """The answer in the shape of one that was not streamed. Runs on the worker."""
        ...


class Frame:
    """A node of the context, linked upward.

    A frame that is a span itself does not say so in ``span``: an object that refers to itself is
    freed only by the cyclic collector.
    """

    above: "Frame | None" = None
    is_span: bool = False
    span: "Active | Remote | None" = None
    """The nearest span above, running or not."""
    ambient: Ambient = NOTHING
    closed: bool = False

    @property
    def over(self) -> bool:
        """Closed for good, and not only to those who read between the turns of a stream."""
        return self.closed


class Scope(Frame):
    """From here on, spans inherit ``ambient``. A context manager; one use each.

    After its block it still holds in the tasks and threads that were started inside.

    Args:
        changes: fields of what ``ambient()`` gives. ``tags`` and ``metadata`` are added to those from
            around; ``suppressed=True`` records nothing.
    """

    _entered: bool = False
    _again: object = None
    _token: "Token[Frame | None] | None" = None

    above: "Frame | None" = None
    span: "Active | Remote | None" = None
    ambient: Ambient = NOTHING

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def __enter__(self) -> None:
        with guard:
            if self._entered:
                again(
                    self,
                    "a session, context or suppress block is entered a second time and says nothing "
                    "there; call the function again for each `with`.",
                )
                return
            self._entered = True
            frame = _current.get()
            while frame is not None and frame.closed:
                frame = frame.above
            frame = frame or _process
            if frame is not None:
                self.above, self.span, below = frame, _span_of(frame), frame.ambient
            else:
                below = NOTHING
            changes = self._changes
            if "tags" in changes:
                changes["tags"] = (
                    *below.tags,
                    *(t for t in changes["tags"] if t not in below.tags),
                )
            if "metadata" in changes:
                changes["metadata"] = {**below.metadata, **changes["metadata"]}
            self.ambient = msgspec.structs.replace(below, **changes) if changes else below
            self._token = _current.set(self)

    def __exit__(self, *_exc: object) -> None:
        if left_again(self):
            return
        token, self._token = self._token, None
        if _current.get() is self and token is not None:
            try:
                _current.reset(token)  # only in the context that it was entered in
                return
            except ValueError:
                _current.set(self.above)
        self.closed = True  # left out of turn or in another context: readers heal themselves

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__()


def again(owner: object, message: str) -> None:
    """A context manager of one use is entered once more: said, and without effect until it is left."""
    mistake(message)
    scope = Scope()
    scope._again = owner
    scope.__enter__()


def left_again(owner: object) -> bool:
    """Whether the exit of ``owner`` is that of a second entry, which is undone here."""
    frame = _current.get()
    if isinstance(frame, Scope) and frame._again is owner:
        frame.__exit__()
        return True
    return False


class Remote(Frame):
    """A span of another process or another library: a parent, nothing more."""

    is_span: bool = True
    dropped: bool = False
    has_children: bool = False
    parent: "Active | Remote | None" = None
    kind: str = "remote"

    def __init__(
        self, trace_id: int, span_id: int, ambient: Ambient = NOTHING, above: Frame | None = None
    ) -> None:
        self.trace_id: int = trace_id
        self.span_id: int = span_id
        self.ambient: Ambient = ambient
        self.above: Frame | None = above
        self.anchor: int = time_ns() - perf_counter_ns()


_current: ContextVar[Frame | None] = ContextVar("spanloom_frame", default=None)
_process: Frame | None = None
_sink: Sink | None = None
_otel: Any = None
"""``spanloom.otel``, once the application has imported OpenTelemetry; else None and free."""


_gate: Callable[[tuple[str, ...]], None] | None = None
"""Asked before each model call, by the names of its budgets; None: nobody may stop one."""


def use_gate(gate: Callable[[tuple[str, ...]], None] | None) -> None:
    global _gate
    _gate = gate


def recording() -> bool:
    """Whether anything takes spans now."""
    return _sink is not None


def use_sink(sink: Sink | None) -> None:
    global _sink
    _sink = sink


def use_process_frame(frame: Frame | None) -> None:
    """The frame of code that has no context of its own, such as a thread somebody else started."""
    global _process
    _process = frame


def use_otel(bridge: Any) -> None:
    global _otel
    _otel = bridge


def _span_of(frame: Frame) -> "Active | Remote | None":
    if frame.is_span:
        assert isinstance(frame, Active | Remote)
        return frame
    return frame.span


class Failure:
    """What an exception leaves behind; the exception itself is not kept, nor its frames."""

    __slots__ = ("classes", "inside", "left_out", "message", "module", "note", "stack")

    def __init__(self, error: BaseException, note: Any = None) -> None:
        kind = type(error)
        self.classes: tuple[str, ...] = tuple(c.__name__ for c in kind.__mro__[:-1])
        self.module: str = kind.__module__
        try:
            self.message: str = str(error)[:65536]
        except Exception:  # an exception whose __str__ raises ends the span all the same
            self.message = "<unprintable>"
        stack: list[tuple[str, int, str]] = []
        last: deque[tuple[str, int, str]] = deque(maxlen=32)
        self.left_out: int = -32
        """Frames of the stack between the first 32 and the last 32."""
        tb = error.__traceback__
        while tb is not None:
            code = tb.tb_frame.f_code
            if len(stack) < 32:
                stack.append((code.co_filename, tb.tb_lineno, code.co_name))
            else:
                last.append((code.co_filename, tb.tb_lineno, code.co_name))
                self.left_out += 1
            tb = tb.tb_next
        self.left_out = max(0, self.left_out)
        self.stack: Sequence[tuple[str, int, str]] = [*stack, *last]
        self.inside: Sequence[tuple[str, ...]] = (
            tuple(_leaves(error, 64)) if isinstance(error, BaseExceptionGroup) else ()
        )
        """Of a group of exceptions: the class names of each."""
        self.note: Any = note
        """What the integration took from it: a plain mapping."""


def _leaves(error: BaseException, most: int) -> "Iterator[tuple[str, ...]]":
    waiting = [error]
    while waiting and most:
        most -= 1
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            yield tuple(c.__name__ for c in type(error).__mro__[:-1])


Parent: TypeAlias = "Active | Remote | None"


class Within(Frame):
    """The body of a span whose framework tells of it by callbacks.

    A callback sets the context variable in the caller's context too. There, as between the items of
    a stream, the frame must not hold: ``inside`` tells where the reader is.
    """

    def __init__(self, active: "Active", inside: Callable[[], object]) -> None:
        self.span: Active | Remote | None = active
        self.inside: Callable[[], object] = inside
        self.ambient: Ambient = active.ambient
        frame = _current.get()
        while frame is not None and frame.over:
            frame = frame.above
        self.above = self._previous = frame
        _current.set(self)
        self._otel_token: Any = _otel.attach(self) if _otel is not None else None

    @property
    def closed(self) -> bool:  # type: ignore[override]
        return bool(self.span is None or self.span.closed or not self.inside())

    @property
    def over(self) -> bool:
        return self.span is None or self.span.closed

    @property
    def parent(self) -> "Active | Remote | None":
        return self.span.parent if self.span is not None else None

    @property
    def trace_id(self) -> int:
        return self.span.trace_id if self.span is not None else 0

    @property
    def span_id(self) -> int:
        return self.span.span_id if self.span is not None else 0

    def detach(self) -> None:
        """Where another context is current, readers heal themselves."""
        if _current.get() is self:
            _current.set(self._previous)
        self._previous = None
        self.inside = _outside  # the framework's objects are not ours to keep
        if self._otel_token is not None:
            token, self._otel_token = self._otel_token, None
            reset(token)


def _outside() -> bool:
    return False


class Active(Frame):
    """A span being recorded, on the application's thread. Keeps references; builds nothing.

    ``tick`` and ``tock`` are readings of the monotonic clock; ``anchor`` turns them into time since
    the epoch and is the same for all spans of a trace, so that a child never starts before its parent.

    Args:
        name: of the span.
        kind: of the work.
        attributes: the program's own.
    """

    # What most spans never set lies in the class: an instance pays only for what it has.
    ambient: Ambient = NOTHING
    is_span: bool = True
    parent: "Active | Remote | None" = None
    """The span above: ours, or one of another process or library."""
    trace_id: int = 0
    """128 bits, from ``start`` on; 0 before."""
    span_id: int = 0
    """64 bits, likewise."""
    anchor: int = 0
    """Nanoseconds to add to ``tick`` for the time since the Unix epoch."""
    tick: int = 0
    """When it started, on ``perf_counter_ns``; 0: it did not."""
    tock: int = 0
    """When it ended, likewise; 0: it has not."""
    sink: Sink | None = None
    response: Any = None
    """What ``end`` was given."""
    failure: Failure | None = None
    """What is kept of the exception: ``classes``, ``message``, ``note`` and so on; None: there was none."""
    tap: Tap | None = None
    """What a stream's chunks left behind; None: no stream was watched."""
    watch: Any = None
    """After ``watch_body`` the pieces of the body: pairs of ``perf_counter_ns`` and bytes."""
    fields: dict[str, Any] | None = None
    events: list[AnyEvent] | None = None
    events_left_out: int = 0
    links: list[Link] | None = None
    ended_by: str | None = None
    complete: bool = True
    """False: the caller left before the end, and the facts stop there."""
    faults: tuple[str, ...] | None = None
    """What failed of the integration's callables on the application's thread."""
    dropped: bool = False
    has_children: bool = False
    pended: bool = False
    claimant: "Active | None" = None
    inner: "list[Active] | None" = None
    ends_with_inner: bool = False
    """Its framework does not tell when it is cancelled: the call inside does."""
    left_with_inner: bool = False
    """Nor when its stream is left early."""
    together: "list[Active] | None" = None
    """Calls that a framework starts at once and makes one after the other, this one among them."""
    ended: bool = False
    """Of a call inside another or with others inside: its own part is over and noted."""
    attempts: list[Attempt] | None = None
    weight: int = 512
    """Bytes that it holds, roughly."""
    handoffs: dict[str, list[list[Link]]] | None = None
    """Given somewhere below and not taken yet, by the receiver's name. One is a list that empties."""
    session: Session | None = None
    """The framework's own conversation."""
    classify: "Callable[[Mapping[str, Any], Sequence[str]], ErrorType] | None" = None
    """The integration's judgement of an exception's note and class names. Runs on the worker."""
    input: Any = None
    """What a decorated function was called with: (bound names, args, kwargs)."""
    integration: str = "manual"
    """The name of the integration that records it."""
    extract: "Extract | None" = None
    """Makes its detail, on the worker."""
    request: Any = None
    """What the call was given, as ``begin`` kept it."""
    _previous: Frame | None = None
    _otel_token: Any = None
    _turn: list[None] | None = None
    """With inner spans: whoever takes its one item hands this span over."""

    def __init__(
        self, name: str, kind: Kind = "task", attributes: dict[str, Any] | None = None
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.attributes: dict[str, Any] | None = attributes

    # -- life ----------------------------------------------------------------------------------

    def start(self, parent: Frame | None = None, *, attach: bool = True) -> bool:
        """Take ids and become current.

        Args:
            parent: overrides the current span, for callback frameworks that know it better.
            attach: become the current span too.

        Returns:
            Whether it is recorded. Where it is not, ``end`` does nothing.
        """
        sink = _sink
        if sink is None or self.tick:
            return False
        frame: Frame | None = None
        if attach or parent is None:
            frame = raw = _current.get()
            while frame is not None and frame.closed:
                frame = frame.above
            # a frame that only does not hold just here comes back when we end; one that is over does not
            self._previous = frame if raw is None or frame is raw or raw.over else raw
        if parent is not None:
            frame = parent
        elif _otel is not None:
            frame = _otel.innermost(frame) or _process
        elif frame is None:
            frame = _process
        over: Active | Remote | None = None
        if frame is not None:
            ambient = frame.ambient
            if ambient is not NOTHING:
                if ambient.suppressed:
                    return False
                self.ambient = ambient
            over = frame if frame.is_span else frame.span  # type: ignore[assignment]
            while over is not None and over.closed:
                over = over.parent
        if _gate is not None and self.kind in CLAIMED:
            _gate(self.ambient.budgets)
        self.above = frame
        self.span_id = _bits(64) or 1
        if over is None:
            self.trace_id = _bits(128) or 1
            if not sink.admits():
                self.dropped = True
            self.tick = tick = perf_counter_ns()
            self.anchor = time_ns() - tick
        else:
            self.parent = over
            self.trace_id = over.trace_id
            self.anchor = over.anchor
            over.has_children = True  # from now on it must stay, for it may be named as a parent
            if over.dropped:
                self.dropped = True
            kind = self.kind
            if self.extract is not None and kind in CLAIMED:
                own = recorded(over)
                if (
                    own is not None
                    and own.kind == kind
                    and own.sink is sink
                    and own.tick >= _born  # else it ends in the process that we were forked from
                ):
                    self._claim(own if own.together is None else own.next_of_batch())
            elif kind == "agent":
                self._receive()
            self.tick = perf_counter_ns()
        self.sink = sink
        if not self.dropped:  # one that will not be kept is not shown either
            sink.started(self)
        if attach:  # as ``attach`` does, without the call
            _current.set(self)
            if _otel is not None:
                self._otel_token = _otel.attach(self)
        return True

    def attach(self) -> None:
        """Become the current span, for us and for OpenTelemetry."""
        _current.set(self)
        if _otel is not None:
            self._otel_token = _otel.attach(self)

    def detach(self) -> None:
        """Stop being current. Safe to miss: readers skip a span that has ended."""
        if _current.get() is self:
            _current.set(self._previous)
        if self._otel_token is not None:
            token, self._otel_token = self._otel_token, None
            reset(token)

    def end(
        self, response: Any = None, error: BaseException | None = None, note: Any = None
    ) -> None:
        """Take the time and hand over. Only the first call counts.

        Args:
            response: kept for ``extract``.
            error: what was raised; only its names, message and stack are kept.
            note: what to remember of ``error``, for ``classify``.
        """
        sink = self.sink
        if sink is None or self.closed:
            return
        self.closed = True  # next to the question: no other thread gets in between
        self.tock = perf_counter_ns()
        if response is not None:
            self.response = response
        if error is not None:
            self.failure = Failure(error, note)
        if _current.get() is self:
            _current.set(self._previous)
        self._previous = None
        if self._otel_token is not None:
            token, self._otel_token = self._otel_token, None
            reset(token)
        if self.inner is None and self.claimant is None:
            sink.put(self)
        else:
            self.ended = True
            outer = self.claimant or self
            left = not self.complete and (error is None or isinstance(error, GeneratorExit))
            if left and self.claimant is not None and outer.left_with_inner:
                outer.complete = False
                outer.end()
            elif outer.ends_with_inner and error is not None and not isinstance(error, Exception):
                if self.claimant is None:
                    self._end_inner()
                elif not isinstance(error, GeneratorExit):
                    outer.end(None, error)
            outer._hand_over(sink)

    def now_ns(self) -> int:
        """The time since the Unix epoch by this trace's clock: for events."""
        return self.anchor + perf_counter_ns()

    # -- claims: one call, one span --------------------------------------------------------------

    def _claim(self, over: "Active") -> None:
        """A call inside a call of the same kind is the same call seen from below: no span of its own.

        It takes the outer span's id, so that what happens below it hangs there.
        """
        self.claimant = outer = over.claimant or over
        self.span_id = outer.span_id
        if outer.inner is None:
            outer.inner, outer._turn = [], [None]
        outer.inner.append(self)

    def next_of_batch(self) -> "Active":
        """Of calls that a framework started together, the first that nobody has claimed yet."""
        for one in self.together or ():
            if one.inner is None and not one.closed:
                return one
        return self

    def _end_inner(self) -> None:
        """Who left the outer stream left the one inside, which may only be closed when collected."""
        for inner in self.inner or ():
            if not inner.closed:
                inner.complete = False
                inner.end()

    def awaits_inner(self) -> bool:
        return any(not inner.ended for inner in self.inner or ())

    def _hand_over(self, sink: Sink) -> None:
        """Once this span and all inside it have ended: a lazy stream may outlive the outer call."""
        if not self.ended or self.awaits_inner():
            return
        try:
            (self._turn or []).pop()  # atomic, where two of them end at once on two threads
        except IndexError:
            return
        sink.put(self)

    def become_agent(self, name: str) -> None:
        """A framework tells only afterwards that this span is an agent."""
        self.kind = "agent"
        self.attributes = {**(self.attributes or {}), "agent": name}
        if self.parent is not None:
            self._receive()

    def adopt(self, session: Session) -> None:
        """Take a framework's session, for all below too, unless there is one from nearer by."""
        around = self.ambient.session
        if around is None or around.source == "baggage":
            self.ambient = msgspec.structs.replace(self.ambient, session=session)

    def _receive(self) -> None:
        """An agent that somebody handed over to links to that handoff."""
        name: str | None = None
        level = recorded(self.parent)
        while level is not None:
            if (handoffs := level.handoffs) is not None:
                name = name or self.agent_name
                waiting = handoffs.get(name)
                while waiting:
                    try:
                        link = waiting.pop(0).pop()
                    except IndexError:  # taken elsewhere, or by another thread just now
                        continue
                    self.links = [*(self.links or ()), link]
                    return
                if waiting is not None:
                    handoffs.pop(name, None)
            level = recorded(level.parent)

    def give(self, target: str) -> None:
        """This handoff waits for its receiver, wherever above the next agent of that name looks first.

        It waits at each span around, so that of two receivers of one name each takes what was given
        nearest to it; requests under one process's root do not see each other's.
        """
        given = [Link(trace_id=self.trace_id, span_id=self.span_id, reason="handoff")]
        below: Active = self
        level = recorded(self.parent)
        while level is not None:
            if level is _process and below.kind not in ("agent", "handoff"):
                return
            if level.handoffs is None:
                level.handoffs = {}
            waiting = level.handoffs.setdefault(target, [])
            waiting.append(given)
            if len(waiting) > MOST_WAITING:
                del waiting[0]
            if len(level.handoffs) > MOST_WAITING:
                level.handoffs.pop(next(iter(level.handoffs)), None)
            below, level = level, recorded(level.parent)

    def local_root(self) -> "Active":
        """The uppermost span of this trace in this process."""
        root = self
        while (above := recorded(root.parent)) is not None:
            root = above
        return root

    @property
    def agent_name(self) -> str:
        return (self.attributes or {}).get("agent") or self.name

    # -- what the program adds -----------------------------------------------------------------

    def set_attributes(self, attributes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Add the program's own attributes. After the end it does nothing."""
        if not self.closed and self.sink is not None:
            with guard:
                self.attributes = {**(self.attributes or {}), **(attributes or {}), **more}

    def set_attribute(self, key: str, value: Any, /) -> None:
        """Add one attribute of the program's own."""
        self.set_attributes({key: value})

    def record(self, **fields: Any) -> None:
        """Set typed fields of this kind of span, such as ``usage`` or ``output`` of an ``llm`` span.

        Names and shapes are those of the kind's class in ``spanloom.types``; what does not fit is
        kept as an attribute, with one warning.
        """
        if not self.closed and self.sink is not None:
            self.fields = {**(self.fields or {}), **fields}

    def add_event(self, event: AnyEvent) -> None:
        """Add an event of ``spanloom.types``, such as ``RetryEvent``. After the end it does nothing."""
        given: object = event
        if not isinstance(given, Event):
            mistake(f"add_event: a {type(given).__name__} is no event; see spanloom.types.Event.")
            return
        if not self.closed and self.sink is not None:
            if self.events is None:
                self.events = []
            events = self.events
            events.append(event)
            if (count := len(events)) >= 4 * EVENTS_KEPT:
                del events[EVENTS_KEPT:-EVENTS_KEPT]
                self.events_left_out += count - len(events)

    def add_link(self, trace_id: int | str, span_id: int | str, reason: str | None = None) -> None:
        """Link to another span. The ids as numbers or as hex text, of 32 and of 16 digits."""
        trace, span = _id(trace_id, 32), _id(span_id, 16)
        if trace is None or span is None:
            mistake(
                "add_link: a trace id is 32 hex digits and a span id 16, or a number of that "
                "size, not zero; take them from `trace_hex` and `span_hex`. There is no link."
            )
            return
        if not self.closed and self.sink is not None:
            link = Link(
                trace_id=trace, span_id=span, reason=reason if isinstance(reason, str) else None
            )
            self.links = [*(self.links or ()), link]

    @property
    def recording(self) -> bool:
        """It has started where spans are recorded, and has not ended."""
        return self.sink is not None and not self.closed

    @property
    def trace_hex(self) -> str:
        """The trace id as 32 lower-case hex digits."""
        return f"{self.trace_id:032x}"

    @property
    def span_hex(self) -> str:
        """The span id as 16 lower-case hex digits."""
        return f"{self.span_id:016x}"

    # -- as a context manager --------------------------------------------------------------------

    def __enter__(self) -> "Active":
        try:
            if self.closed:
                mistake(
                    f"span {self.name!r} is entered a second time, which is not recorded; "
                    "make a new one for each `with`."
                )
            self.start()
        except Exception as exc:
            guard.fault(exc)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            self.end(None, exc)
        except Exception as exc:
            guard.fault(exc)

    async def __aenter__(self) -> "Active":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, tb)

    def __repr__(self) -> str:
        return f"<{self.kind} span {self.name!r} {self.trace_hex}/{self.span_hex}>"


Extract: TypeAlias = Callable[[Active], AnyDetail]
"""Makes the typed detail of a span from what it refers to, on the worker, after the end.

Called earlier too for a span that is shown while it is still open: then ``response`` is None. What
it raises costs the detail, not the span."""


def _id(given: object, digits: int) -> int | None:
    if isinstance(given, str):
        text = given.strip()
        if len(text) != digits or not all(c in "0123456789abcdefABCDEF" for c in text):
            return None
        given = int(text, 16)
    if type(given) is not int or not 0 < given < 16**digits:
        return None
    return given


CLAIMED = frozenset({"llm", "embedding", "rerank"})
"""Kinds of which one layer's span inside another's is the same call."""


def current_frame() -> Frame | None:
    """The innermost frame that still holds, or the process's own."""
    frame = _current.get()
    while frame is not None and frame.closed:
        frame = frame.above
    if _otel is not None:
        frame = _otel.innermost(frame)
    return frame or _process


def current_parent() -> Parent:
    """The innermost span still running, ours or remote."""
    frame = current_frame()
    span = _span_of(frame) if frame is not None else None
    while span is not None and span.closed:
        span = span.parent
    return span


def current() -> Active | None:
    """The innermost running span that we record; None: there is none here."""
    return recorded(current_parent())


def around() -> Active | None:
    """The innermost running span, also between the turns of its body: for a framework's own work there."""
    frame = _current.get()
    while frame is not None and frame.over:
        frame = frame.above
    return recorded(_span_of(frame)) if frame is not None else current()


def recorded(span: Parent) -> Active | None:
    """The nearest running span of ours: above a foreign span inside one of ours, ours is further up."""
    if isinstance(span, Remote):
        frame: Frame | None = span.above
        while frame is not None:
            ours = frame.span if isinstance(frame, Within) else frame
            if isinstance(ours, Active) and not frame.closed:
                return ours
            frame = frame.above
        return None
    return span


def reset(token: Any) -> None:
    """Undo what a bridge's ``attach`` did, also where the bridge is gone by now.

    Not opentelemetry.context.detach: it logs an error where a span ends in another context than it
    began in, which callbacks do every day.
    """
    if isinstance(token, Token):
        try:
            token.var.reset(token)
        except (ValueError, RuntimeError):
            pass


def foreign() -> Remote | None:
    """The span that OpenTelemetry has open here, if that is not one of ours."""
    frame = _otel.innermost(None) if _otel is not None else None
    return frame if isinstance(frame, Remote) else None


def ambient() -> Ambient:
    """What a span that starts here inherits.

    Its fields are those of a ``Span``: ``session``, ``user_id``, ``user_tier``, ``feature``, ``budgets``,
    ``request_id``, ``tags``, ``metadata``, ``trace_state``; and ``baggage`` and ``suppressed``.
    """
    frame = current_frame()
    return frame.ambient if frame is not None else NOTHING


def suppressed() -> bool:
    return ambient().suppressed


class carried:
    """Run code under a given frame: a thread under its starter's, a generator under its own."""

    __slots__ = ("_before", "_frame")

    def __init__(self, frame: Frame | None) -> None:
        self._frame = frame

    def __enter__(self) -> None:
        self._before = _current.get()
        _current.set(self._frame)

    def __exit__(self, *_exc: object) -> None:
        _current.set(self._before)


def raw_frame() -> Frame | None:
    """The context variable as it is: to be put back later with ``set_raw_frame``."""
    return _current.get()


def set_raw_frame(frame: Frame | None) -> None:
    _current.set(frame)


def raw_context() -> tuple[Frame | None, Any]:
    """Like ``raw_frame``, with OpenTelemetry's context where the application uses it."""
    return _current.get(), _otel.context() if _otel is not None else None


def set_raw_context(context: tuple[Frame | None, Any]) -> None:
    frame, otel_context = context
    _current.set(frame)
    if _otel is not None and otel_context is not None:
        _otel.restore(otel_context)
