"""Spans of frameworks that tell of their work by callbacks, found again by the framework's own run id.

Start and end of a run often come in different contexts, and some ends never come. So nothing of a
start is kept but its entry in a table: an end looks it up, a run that ends takes down what is still
open below it, and the table is bounded.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Literal

from .recorder import Active, Frame, Within, current_frame
from .types import Link, Session

MOST = 20_000
"""Runs that may be open at once. Those that came first go when there are more: a framework that
never ends its runs must not fill the memory."""


class Run:
    """One run of the framework, from its start to its end.

    ``active`` is its span; None for a run that has none of its own, as noise or because it is the
    same work as the run above. ``id`` is the framework's, ``over`` the run above, ``below`` are the open
    runs below by id, and ``facts`` is the integration's. Made by ``Runs``.
    """

    __slots__ = ("__weakref__", "active", "below", "facts", "id", "over", "within")

    def __init__(self, id: Hashable, over: "Run | None", active: Active | None, facts: Any) -> None:
        self.id: Hashable = id
        self.over: Run | None = over
        self.active: Active | None = active
        self.facts: Any = facts
        self.below: dict[Hashable, Run] = {}
        self.within: Within | None = None

    @property
    def span(self) -> Active | None:
        """Its span, or the one of the nearest run above that has one."""
        run: Run | None = self
        while run is not None:
            if run.active is not None:
                return run.active
            run = run.over
        return None

    def upward(self) -> "Iterator[Run]":
        """This run, the one above, and so on."""
        run: Run | None = self
        while run is not None:
            yield run
            run = run.over


class Runs:
    """The open runs of one framework. Every method is safe on any thread.

    Args:
        integration: the name that its spans get.
        most: runs that may be open at once; of more, those that came first are ended.
    """

    def __init__(self, integration: str, *, most: int = MOST) -> None:
        self.integration = integration
        self._most = most
        self._started = 0
        self._open: dict[Hashable, Run] = {}

    def __len__(self) -> int:
        return len(self._open)

    def find(self, id: Hashable | None) -> Run | None:
        """The run of that id, while it is open."""
        return self._open.get(id) if id is not None else None

    def start(
        self,
        id: Hashable,
        over: Hashable | None,
        active: Active,
        *,
        facts: Any = None,
        session: Session | None = None,
        inside: Callable[[], object] | None = None,
        beside: Active | None = None,
    ) -> Run | None:
        """Start ``active`` as the span of run ``id``, below the run ``over`` where that is known.

        Args:
            id: of the run.
            over: the framework's parent of it. What the program itself opened inside that is nearer.
            active: not started yet.
            facts: kept with the run.
            session: the framework's, which holds from here on unless another does.
            inside: tells whether the reader is in the body of the run; None: the span simply is
                current until it ends.
            beside: a span that starts together with this one and is current now.

        Returns:
            None where nothing is recorded.
        """
        above = self._open.get(over) if over is not None else None
        active.integration = self.integration
        if not active.start(self._frame(above, beside), attach=inside is None):
            return None
        if session is not None:
            active.adopt(session)
        run = Run(id, above, active, facts)
        if inside is not None:
            run.within = Within(active, inside)
        self._keep(run)
        return run

    def _frame(self, above: Run | None, beside: Active | None) -> Frame | None:
        """The frame to start under; None: whatever is current."""
        if beside is not None:
            return beside.above or beside.parent or Frame()
        span = above.span if above is not None else None
        if span is None or span.closed:
            return None
        inner = frame = current_frame()
        while frame is not None and frame is not span:
            if isinstance(frame, Active) and frame.integration == self.integration:
                return span
            if not frame.is_span and frame.span is span:
                return inner
            frame = frame.above
        return inner if frame is span else span

    def skip(self, id: Hashable, over: Hashable | None, facts: Any = None) -> Run:
        """A run without a span of its own: what is below it hangs on what is above it."""
        run = Run(id, self._open.get(over) if over is not None else None, None, facts)
        self._keep(run)
        return run

    def _keep(self, run: Run) -> None:
        self._open[run.id] = run
        if run.over is not None:
            run.over.below[run.id] = run
        self._started += 1
        if self._started % 1024 == 0:
            self._forget_ended()
        if len(self._open) > self._most:
            self._make_room()

    def _forget_ended(self) -> None:
        """Spans that ended without the framework's word, such as with the call inside."""
        for id, run in list(self._open.items()):
            if run.active is not None and run.active.closed:
                self.end(id)

    def _make_room(self) -> None:
        try:
            first = next(iter(self._open.values()))
        except (StopIteration, RuntimeError):  # another thread is at it
            return
        *_, root = first.upward()
        self.abandon(root)

    def end(
        self,
        id: Hashable,
        response: Any = None,
        error: BaseException | None = None,
        note: Any = None,
    ) -> Run | None:
        """The run is over, and what it left open below it too. The rest is as in ``Active.end``.

        Returns:
            The run; None: it is not known or was ended.
        """
        run = self._open.pop(id, None)
        if run is None:
            return None
        if run.over is not None:
            run.over.below.pop(id, None)
        if run.below:
            self._end_below(run, error)
        if run.within is not None:
            run.within.detach()
            run.within = None
        if run.active is not None:
            run.active.end(response, error, note)
        return run

    def _end_below(self, run: Run, error: BaseException | None) -> None:
        """End what the framework forgot: a cancelled call gets no end from some of them."""
        for below in list(run.below.values()):
            active = below.active
            if active is not None and error is None and active.awaits_inner():
                continue  # the program did not wait for it; it still runs, and will end by itself
            self.abandon(below, error)

    def abandon(self, run: Run, error: BaseException | None = None) -> None:
        """End a run of which the framework will not tell the end; ``error``: of the run above it."""
        if run.active is not None and not run.active.closed:
            run.active.complete = False
            if error is None:
                run.active.ended_by = "abandoned"
            elif isinstance(error, Exception):
                error = Stopped()  # not its own failure
        self.end(run.id, None, error)


class Stopped(BaseException):
    """The outcome of a run whose parent failed before it could end."""


def handoff(
    under: Active,
    *,
    source: str,
    target: str,
    mechanism: str,
    reason: str | None = None,
    payload: Any = None,
    returns_control: bool | None = None,
    outcome: Literal["accepted", "refused", "failed"] = "accepted",
) -> None:
    """A span of zero length in the giving agent's span ``under``, also where that has ended.

    The next agent of the target's name in the same trace links to it, unless it was not accepted.

    Args:
        under: the span of the agent that gives.
        source: the name of that agent.
        target: the name of the receiver.
        mechanism: how, such as ``tool_call`` or ``command``.
        reason: why, in the agent's own words.
        payload: what was passed on.
        returns_control: whether the giver goes on afterwards.
        outcome: whether the receiver took it.
    """
    active = Active(f"handoff {source} -> {target}", "handoff")
    active.integration = under.integration
    active.fields = {
        "source": source, "target": target, "mechanism": mechanism, "reason": reason,
        "payload": payload, "returns_control": returns_control, "outcome": outcome,
    }  # fmt: skip
    if not active.start(under, attach=False) or active.sink is None:
        return
    if under.closed:
        active.parent, active.tick = under, under.tock
    if outcome == "accepted":
        active.give(target)
    active.tock, active.closed = active.tick, True
    active.sink.put(active)


def paused_before(active: Active, session: str, *, lines: int = 50_000) -> list[Link]:
    """Links to where a session paused, as the local record tells of other processes. On the worker.

    Without the ``local`` backend there is nothing to look in, and the session alone joins the two.

    Args:
        active: the span that goes on; its integration's pauses are looked for.
        session: the id of the session.
        lines: how far back the record is read.

    Returns:
        Links of reason ``resume``, at most 16; none where nothing was found.
    """
    from .store.files import Reading, list_files, records_backwards

    dirs = [
        found
        for lane in getattr(active.sink, "lanes", ())
        if lane.name == "local" and (found := getattr(lane.backend, "dir", None)) is not None
    ]
    reading = Reading()
    for _, path in list_files(dirs[0], reading) if dirs else ():
        trace: str | None = None
        nodes: list[Link] = []
        root: list[Link] = []
        for line in records_backwards(path, reading):
            lines -= 1
            if lines < 0:
                break
            if line.session_id != session or line.ended_by != "interrupt":
                continue
            if trace is None:  # the root ends last, so it is found first
                trace = line.trace_id
            if line.trace_id == trace and line.integration == active.integration:
                link = Link(
                    trace_id=int(line.trace_id, 16), span_id=int(line.span_id, 16), reason="resume"
                )
                if line.parent_id is None:
                    root.append(link)
                elif line.kind != "tool":
                    nodes.append(link)
        if trace is not None:
            return (nodes or root)[:16]
    return []
