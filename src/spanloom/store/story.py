"""What happened in a trace, told by its agents: who acted, who handed over to whom, what repeated.

Everything here is read from a tree that ``store.trace`` made; ``store.story`` adds what other traces
say about this one.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from ..record import LinkTo, Record
from ..types import Agent, Handoff, McpCall, ModelCall, Status, Tool, Value
from .loops import Loop, agent_loops, tool_loops
from .tree import Node, Open, Sum, Totals, Trace, called, fact_of, paused


class Step(Struct, frozen=True, kw_only=True):
    """One run of one agent."""

    agent: str
    span_id: str
    role: str | None = None
    depth: int = 0
    """How many agents are above it."""
    start_ns: int
    duration_ns: int | None = None
    status: Status = "ok"
    open: Open | None = None
    ended_by: str | None = None
    totals: Totals = Totals()
    """Of its own calls, without those of the agents below it."""
    tools: int = 0
    errors: int = 0
    """Failures at their origin, without those of the agents below it."""
    handoff: str | None = None
    """The id of the handoff span that it took over from."""


class Passing(Struct, frozen=True, kw_only=True):
    """One handoff, as it was said and as it went."""

    span_id: str
    giver: str | None = None
    """The id of the agent span that it lies in."""
    receiver: str | None = None
    """The id of the agent span that took over."""
    source: str | None = None
    target: str | None = None
    mechanism: str | None = None
    reason: str | None = None
    payload: Value = None
    outcome: Literal["accepted", "refused", "failed"] | None = None
    returns_control: bool | None = None
    """As the framework said."""
    returned: bool | None = None
    """As it went: whether the giving agent acted again afterwards. ``None``: it cannot be told."""
    start_ns: int = 0


class Pause(Struct, frozen=True, kw_only=True):
    """The trace stopped here to wait for somebody."""

    span_id: str
    at: str
    resumed_in: tuple[str, ...] = ()
    """The traces that went on from here."""


class Linked(Struct, frozen=True, kw_only=True):
    """Another trace that this one links to, or that links to this one."""

    trace_id: str
    reason: str | None = None
    backward: bool
    """True: this trace links to that one; else that one links to this."""
    span_id: str
    """Of this trace."""
    other_span_id: str
    name: str | None = None
    """Of that trace; ``None`` where it is not in the record."""
    at: str | None = None
    """The name of the span there."""
    start_ns: int | None = None


class Story(Struct, frozen=True, kw_only=True):
    steps: tuple[Step, ...] = ()
    handoffs: tuple[Passing, ...] = ()
    loops: tuple[Loop, ...] = ()
    pauses: tuple[Pause, ...] = ()
    linked: tuple[Linked, ...] = ()


def tell(trace: Trace, pointing_here: Sequence[Record] = ()) -> Story:
    """The story of a trace.

    Args:
        trace: as ``store.trace`` gives it.
        pointing_here: records of other traces that link to spans of this one.
    """
    records = {node.record.span_id: node.record for node in trace.nodes}
    steps, owners = _steps(trace.nodes)
    handoffs = _handoffs(trace.nodes, steps, owners, records)
    given = {h.receiver: h.span_id for h in handoffs if h.receiver}
    return Story(
        steps=tuple(msgspec.structs.replace(s, handoff=given.get(s.span_id)) for s in steps),
        handoffs=tuple(handoffs),
        loops=(*agent_loops(steps, handoffs), *tool_loops(trace.nodes, owners, records)),
        pauses=_pauses(trace, records, pointing_here),
        linked=tuple(_linked(trace, pointing_here)),
    )


# -- agents ---------------------------------------------------------------------------------------


def _steps(nodes: Sequence[Node]) -> tuple[list[Step], Mapping[str, str]]:
    """The runs of agents by their start, and for each span the agent span that it is the work of."""
    agents: list[tuple[Node, int]] = []
    owners: dict[str, str] = {}
    work: dict[str, list[Record]] = {}
    passed_on: set[str | None] = set()
    path: list[str | None] = []
    levels: dict[str, int] = {}
    for node in nodes:
        del path[node.depth :]
        record = node.record
        owner = path[-1] if path else None
        if record.kind == "agent":
            levels[record.span_id] = levels[owner] + 1 if owner else 0
            agents.append((node, levels[record.span_id]))
            owner = record.span_id
        path.append(owner)
        if owner is not None:
            owners[record.span_id] = owner
            work.setdefault(owner, []).append(record)
        if record.status in ("error", "timeout"):
            passed_on.add(record.parent_id)
    steps = [_step(node, depth, work[node.record.span_id], passed_on) for node, depth in agents]
    steps.sort(key=lambda step: (step.start_ns, step.depth, step.span_id))
    return steps, owners


def _step(node: Node, depth: int, work: Sequence[Record], passed_on: Container[str | None]) -> Step:
    record = node.record
    detail = record.detail
    sum_ = Sum()
    for own in work:
        if isinstance(own.detail, ModelCall):
            sum_.add(fact_of(own))
    return Step(
        agent=called(record),
        span_id=record.span_id,
        role=detail.role if isinstance(detail, Agent) else None,
        depth=depth,
        start_ns=record.start_ns,
        duration_ns=record.duration_ns,
        status=record.status,
        open=node.open,
        ended_by=record.ended_by,
        totals=sum_.totals(),
        tools=sum(isinstance(own.detail, (Tool, McpCall)) for own in work),
        errors=sum(
            own.status in ("error", "timeout") and own.span_id not in passed_on for own in work
        ),
    )


def _handoffs(
    nodes: Sequence[Node],
    steps: Sequence[Step],
    owners: Mapping[str, str],
    records: Mapping[str, Record],
) -> list[Passing]:
    linked = {
        link.span_id: step.span_id
        for step in steps
        for link in records[step.span_id].links
        if link.span_id in records and isinstance(records[link.span_id].detail, Handoff)
    }
    by_id = {step.span_id: step for step in steps}
    taken = set(linked.values())
    found = []
    for node in sorted(nodes, key=lambda node: (node.record.start_ns, node.record.span_id)):
        record, detail = node.record, node.record.detail
        if not isinstance(detail, Handoff):
            continue
        # What carries the handoff, a tool span, may lie in an agent span of the source, or above it.
        giver = owners.get(record.span_id)
        receiver = linked.get(record.span_id)
        went = detail.outcome in (None, "accepted")
        if receiver is None and went:
            later = (
                step.span_id
                for step in steps
                if step.agent == detail.target
                and step.start_ns >= record.start_ns
                and step.span_id not in taken
            )
            receiver = next(later, None)
        if receiver is not None:
            taken.add(receiver)
        source = detail.source or (by_id[giver].agent if giver else None)
        found.append(
            Passing(
                span_id=record.span_id,
                giver=giver,
                receiver=receiver,
                source=source,
                target=detail.target or (by_id[receiver].agent if receiver else None),
                mechanism=detail.mechanism,
                reason=detail.reason,
                payload=detail.payload,
                outcome=detail.outcome,
                returns_control=detail.returns_control,
                returned=_returned(source, by_id.get(receiver or ""), steps, records, owners)
                if went
                else None,
                start_ns=record.start_ns,
            )
        )
    return found


def _returned(
    source: str | None,
    receiver: Step | None,
    steps: Sequence[Step],
    records: Mapping[str, Record],
    owners: Mapping[str, str],
) -> bool | None:
    """Whether ``source`` did anything after the receiving agent had ended."""
    end_ns = records[receiver.span_id].end_ns if receiver else None
    if source is None or receiver is None or end_ns is None:
        return None
    own = {step.span_id for step in steps if step.agent == source}
    if not own:
        return None
    # A flow that hands over back and forth starts the source anew; one that calls it goes on in it.
    return any(
        records[id].start_ns >= end_ns
        for id, owner in owners.items()
        if owner in own and id != receiver.span_id
    )


# -- other traces ---------------------------------------------------------------------------------


def links_to(record: Record, trace_id: str) -> Iterator[LinkTo]:
    return (link for link in record.links if link.trace_id == trace_id)


def _pauses(
    trace: Trace, records: Mapping[str, Record], pointing_here: Sequence[Record]
) -> tuple[Pause, ...]:
    resumed: dict[str, dict[str, None]] = {}
    for other in pointing_here:
        for link in links_to(other, trace.summary.trace_id):
            if link.reason == "resume":
                resumed.setdefault(link.span_id, {})[other.trace_id] = None
    stopped = [n.record for n in trace.nodes if paused(n.record.status, n.record.ended_by)]
    above = {record.span_id: set(_above(record, records)) for record in stopped}
    passed_on = set[str]().union(*above.values())
    return tuple(
        Pause(
            span_id=record.span_id,
            at=called(record),
            resumed_in=tuple(
                dict.fromkeys(
                    id
                    for span_id in (record.span_id, *above[record.span_id])
                    for id in resumed.get(span_id, ())
                )
            ),
        )
        for record in stopped
        if record.span_id not in passed_on  # the interrupt ends all that is around it, too
    )


def _above(record: Record, records: Mapping[str, Record]) -> Iterator[str]:
    seen = {record.span_id}
    at = records.get(record.parent_id or "")
    while at is not None and at.span_id not in seen:
        seen.add(at.span_id)
        yield at.span_id
        at = records.get(at.parent_id or "")


def _linked(trace: Trace, pointing_here: Sequence[Record]) -> Iterator[Linked]:
    own = trace.summary.trace_id
    seen: set[tuple[str, str | None, bool]] = set()
    for node in trace.nodes:
        for link in node.record.links:
            key = (link.trace_id, link.reason, True)
            if link.trace_id != own and key not in seen:
                seen.add(key)
                yield Linked(
                    trace_id=link.trace_id, reason=link.reason, backward=True,
                    span_id=node.record.span_id, other_span_id=link.span_id,
                )  # fmt: skip
    for other in pointing_here:
        for link in links_to(other, own):
            key = (other.trace_id, link.reason, False)
            if key not in seen:
                seen.add(key)
                yield Linked(
                    trace_id=other.trace_id, reason=link.reason, backward=False,
                    span_id=link.span_id, other_span_id=other.span_id,
                )  # fmt: skip
