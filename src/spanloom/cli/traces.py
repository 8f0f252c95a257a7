"""``spanloom traces``: the list of what was recorded."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import datetime

import msgspec
from msgspec import Struct

from spanloom import store
from spanloom.record import rfc3339
from spanloom.words import since


class TraceRow(Struct, frozen=True, kw_only=True):
    """One trace in ``spanloom traces --json``. Figures that nobody gave are null."""

    trace_id: str
    name: str
    status: str
    open: store.Open | None
    ended_by: str | None
    """Of the root: control flow that ended it; an interrupt is a pause."""
    start: str
    """RFC 3339, UTC, nanoseconds."""
    duration_ns: int
    spans: int
    open_spans: int
    errors: int
    model_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int
    session_id: str | None
    service: str | None


class TracesDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom traces --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    dir: str
    traces: tuple[TraceRow, ...]
    unreadable_lines: int


def row(summary: store.TraceSummary) -> TraceRow:
    facts = {name: getattr(summary, name) for name in summary.__struct_fields__}
    totals: store.Totals = facts.pop("totals")
    start = rfc3339(facts.pop("start_ns"))
    sums = {name: getattr(totals, name) for name in totals.__struct_fields__}
    return TraceRow(start=start, **facts, **sums)


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--limit", "-n", type=count, default=20, metavar="N", help="how many (20); 0 is all")
    add("--since", metavar="WHEN", help="only later ones: 30m, 1h, 2d, 2026-01-31T09:00")
    add("--json", action="store_true", help="print one JSON document")
    add("--dir", metavar="DIR", help="directory of the local record")


def count(text: str) -> int:
    """The value of an option that counts."""
    if not text.isdecimal():
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text!r} is no count: write 0 for all, or 1, 2, ...")
    return int(text)


def main(args: Namespace) -> int:
    since_ns = None
    if args.since is not None:
        try:
            since_ns = int(since(args.since, datetime.now().astimezone()).timestamp() * 1e9)
        except ValueError as exc:
            print(f"spanloom traces: --since {exc}", file=sys.stderr)
            return 2
    directory = where(args)
    reading = store.Reading()
    found = store.traces(directory, limit=args.limit or None, since_ns=since_ns, reading=reading)
    complain(reading)
    if args.json:
        document = TracesDocument(
            dir=directory,
            traces=tuple(map(row, found)),
            unreadable_lines=sum(reading.unreadable.values()),
        )
        write_json(document)
        return 0
    if found:
        from .table import print_traces

        print_traces(found)
    elif since_ns is not None and reading.files:
        print(f"No trace started in the time asked for ({args.since}).", file=sys.stderr)
    else:
        print(store.nothing(directory), file=sys.stderr)
    return 0


def where(args: Namespace) -> str:
    """The directory of the local record: the option, else the settings."""
    if args.dir is not None:
        return str(args.dir)
    from spanloom import settings

    return settings.load().dir


def complain(reading: store.Reading) -> None:
    """Say on stderr what could not be read."""
    for message in reading.problems[:3]:
        print(f"spanloom: {message}", file=sys.stderr)
    if len(reading.problems) > 3:
        print(f"spanloom: and so in {len(reading.problems) - 3} more files", file=sys.stderr)
    lines = sum(reading.unreadable.values())
    if lines:
        print(
            f"spanloom: {lines} line{'s' * (lines != 1)} left out that could not be read",
            file=sys.stderr,
        )


def write_json(document: Struct) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    sys.stdout.buffer.flush()
