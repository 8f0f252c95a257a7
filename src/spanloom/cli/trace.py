"""``spanloom trace``: one trace as a tree."""

import sys
from argparse import ArgumentParser, Namespace

import msgspec
from msgspec import Raw, Struct

from spanloom import record, store

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


class TraceDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom trace --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    trace: TraceRow
    agents: tuple[AgentRow, ...]
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
    complain(reading)
    if args.json:
        write_json(_document(found))
    else:
        from .show import print_trace

        print_trace(found, content=args.content)
    return 0


def _document(found: store.Trace) -> TraceDocument:
    return TraceDocument(
        trace=row(found.summary),
        agents=tuple(
            AgentRow(agent=share.agent, **msgspec.structs.asdict(share.totals))
            for share in found.agents
        ),
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
