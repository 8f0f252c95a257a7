"""``spanloom trace``: one trace as a tree."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

import msgspec
from msgspec import Raw, Struct

from spanloom import record, store, types

from .traces import TraceRow, complain, row, where, write_json


class SpanRow(Struct, frozen=True, kw_only=True):
    """One span in ``spanloom trace --json``, in the order of the tree."""

    depth: int
    """0 stands at the top; a parent precedes its children."""
    open: store.Open | None
    adrift: store.Adrift | None
    span: Raw
    """The record itself, as `python -m spanloom.record` describes it."""


class AgentRow(Struct, frozen=True, kw_only=True):
    """What one agent used itself, in the order in which they first started."""

    agent: str
    model_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int


class StepRow(Struct, frozen=True, kw_only=True):
    """One run of one agent; its figures are of its own calls, without the agents below it."""

    agent: str
    span_id: str
    role: str | None
    depth: int
    """How many agents are above it."""
    start: str
    duration_ns: int | None
    status: str
    open: store.Open | None
    ended_by: str | None
    tools: int
    errors: int
    handoff: str | None
    """The id of the handoff that it took over from."""
    model_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int


class HandoffRow(Struct, frozen=True, kw_only=True):
    """One handoff. ``returned``: as it went, whether ``source`` acted again after ``target``."""

    span_id: str
    start: str
    giver: str | None
    receiver: str | None
    source: str | None
    target: str | None
    mechanism: str | None
    reason: str | None
    payload: types.Value
    outcome: str | None
    returns_control: bool | None
    returned: bool | None


class LinkedRow(Struct, frozen=True, kw_only=True):
    """Another trace. ``backward``: this trace links to that one; else that one links to this."""

    trace_id: str
    reason: str | None
    backward: bool
    span_id: str
    other_span_id: str
    name: str | None
    at: str | None
    start: str | None


class StoryRow(Struct, frozen=True, kw_only=True):
    """Who acted in which order, who handed over to whom, what repeated, what is linked."""

    steps: tuple[StepRow, ...]
    handoffs: tuple[HandoffRow, ...]
    loops: tuple[store.Loop, ...]
    pauses: tuple[store.Pause, ...]
    linked: tuple[LinkedRow, ...]


class TraceDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom trace --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    trace: TraceRow
    agents: tuple[AgentRow, ...]
    story: StoryRow
    spans: tuple[SpanRow, ...]
    files: tuple[str, ...]


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("id", metavar="ID", help="a trace id, the beginning of one, or `last`")
    add("--content", action="store_true", help="also messages, inputs and outputs")
    add("--json", action="store_true", help="print one JSON document, content included")
    add("--dir", metavar="DIR", help="directory of the local record")


def main(args: Namespace) -> int:
    reading = store.Reading()
    try:
        found = store.trace(where(args), args.id, reading=reading)
    except store.Unknown as exc:
        complain(reading)
        print(exc, file=sys.stderr)
        return 1
    story = store.story(where(args), found, reading=reading)
    complain(reading)
    if args.json:
        write_json(_document(found, story))
    else:
        from .show import print_trace

        print_trace(found, story, content=args.content)
    return 0


def _document(found: store.Trace, story: store.Story) -> TraceDocument:
    return TraceDocument(
        trace=row(found.summary),
        agents=tuple(
            AgentRow(agent=share.agent, **msgspec.structs.asdict(share.totals))
            for share in found.agents
        ),
        story=_story(story),
        spans=tuple(
            SpanRow(
                depth=node.depth,
                open=node.open,
                adrift=node.adrift,
                span=Raw(record.encode(record.to_span(node.record))),
            )
            for node in found.nodes
        ),
        files=found.files,
    )


def _story(story: store.Story) -> StoryRow:
    steps = []
    for step in story.steps:
        facts = msgspec.structs.asdict(step)
        totals = msgspec.structs.asdict(facts.pop("totals"))
        steps.append(StepRow(start=record.rfc3339(facts.pop("start_ns")), **facts, **totals))
    return StoryRow(
        steps=tuple(steps),
        handoffs=tuple(HandoffRow(**_with_text(passing)) for passing in story.handoffs),
        loops=story.loops,
        pauses=story.pauses,
        linked=tuple(LinkedRow(**_with_text(link)) for link in story.linked),
    )


def _with_text(row: store.Passing | store.Linked) -> dict[str, Any]:
    facts = msgspec.structs.asdict(row)
    start_ns = facts.pop("start_ns")
    return {**facts, "start": None if start_ns is None else record.rfc3339(start_ns)}
