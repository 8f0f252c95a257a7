"""What repeats in a trace: agents that go round, the same tool with the same arguments."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from ..record import Record
from ..types import McpCall, Tool, Value
from .tree import Node, called

if TYPE_CHECKING:
    from .story import Passing, Step

REPEATS = 3
"""More than twice is a loop: a second time may be a correction."""
_LONGEST_PERIOD = 6
_LONGEST_ARGUMENTS = 1 << 16


class Loop(Struct, frozen=True, kw_only=True):
    """Something that repeated more than twice."""

    kind: Literal["agents", "tool"]
    names: tuple[str, ...]
    """The agents in their order, or the one tool."""
    times: int
    agent: str | None = None
    """Who called the tool, where it was always the same agent."""
    arguments: Value = None
    span_ids: tuple[str, ...] = ()


def agent_loops(steps: "Sequence[Step]", handoffs: "Sequence[Passing]") -> Iterator[Loop]:
    """A -> B -> A -> B ...: as the agents ran, or, where they have no spans, as they handed over."""
    chain = [(step.agent, step.span_id) for step in steps]
    passed: list[tuple[str, str]] = []
    for handoff in handoffs:
        if handoff.outcome in (None, "accepted") and handoff.source and handoff.target:
            if not passed or passed[-1][0] != handoff.source:
                passed.append((handoff.source, handoff.span_id))
            passed.append((handoff.target, handoff.span_id))
    said: set[frozenset[str]] = set()
    for sequence in (chain, passed):
        for names, times, ids in _repeats(sequence):
            if frozenset(names) not in said:
                said.add(frozenset(names))
                yield Loop(kind="agents", names=names, times=times, span_ids=ids)


def _repeats(
    sequence: Sequence[tuple[str, str]],
) -> Iterator[tuple[tuple[str, ...], int, tuple[str, ...]]]:
    """Stretches in which two or more names come in the same order more than twice."""
    names = [name for name, _ in sequence]
    at = 0
    while at < len(names):
        best, period = 0, 0
        for length in range(2, _LONGEST_PERIOD + 1):
            unit = names[at : at + length]
            if len(unit) < length or len(set(unit)) == 1:
                continue
            times = 1
            while names[at + times * length : at + (times + 1) * length] == unit:
                times += 1
            if times >= REPEATS and times * length > best * period:
                best, period = times, length
        if best:
            end = at + best * period
            ids = tuple(dict.fromkeys(id for _, id in sequence[at:end]))
            yield tuple(names[at : at + period]), best, ids
            at = end
        else:
            at += 1


def tool_loops(
    nodes: Sequence[Node], owners: Mapping[str, str], records: Mapping[str, Record]
) -> Iterator[Loop]:
    """The same tool with the same arguments over and over."""
    seen: dict[tuple[str, bytes], list[Record]] = {}
    for node in nodes:
        detail = node.record.detail
        # one without arguments may well be asked again: what time is it
        if not isinstance(detail, (Tool, McpCall)) or detail.input in (None, {}, [], ""):
            continue
        try:
            key = msgspec.json.encode(detail.input, order="deterministic")
        except (TypeError, ValueError, RecursionError):
            continue
        name = detail.tool or node.record.name
        if len(key) <= _LONGEST_ARGUMENTS:
            seen.setdefault((name, key), []).append(node.record)
    for (name, _), calls in seen.items():
        # a tool span and the span of the protocol that carried it are one call
        ids = {call.span_id for call in calls}
        calls = [call for call in calls if call.parent_id not in ids]
        if len(calls) < REPEATS:
            continue
        by = {owners.get(call.span_id) for call in calls}
        agents = {called(records[id]) if id else None for id in by}
        [agent] = agents if len(agents) == 1 else [None]
        detail = calls[0].detail
        yield Loop(
            kind="tool",
            names=(name,),
            times=len(calls),
            agent=agent,
            arguments=detail.input if isinstance(detail, (Tool, McpCall)) else None,
            span_ids=tuple(call.span_id for call in calls),
        )
