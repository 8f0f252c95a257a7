"""``spanloom sessions``: the list of sessions."""

import sys
from argparse import ArgumentParser, Namespace

from msgspec import Struct

from spanloom import store
from spanloom.record import rfc3339

from .traces import complain, count, where, write_json


class SessionRow(Struct, frozen=True, kw_only=True):
    """One session in ``spanloom sessions --json``. Figures that nobody gave are null."""

    session_id: str
    source: str | None
    user_id: str | None
    end: store.End
    """How its last turn ended."""
    start: str
    """RFC 3339, UTC, nanoseconds."""
    last: str
    """The last start or end that is known."""
    turns: int
    spans: int
    open_spans: int
    errors: int
    pauses: int
    resumes: int
    agents: tuple[str, ...]
    services: tuple[str, ...]
    model_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int


class SessionsDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom sessions --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    dir: str
    sessions: tuple[SessionRow, ...]
    unreadable_lines: int


def row(summary: store.SessionSummary) -> SessionRow:
    facts = {name: getattr(summary, name) for name in summary.__struct_fields__}
    totals: store.Totals = facts.pop("totals")
    start, last = rfc3339(facts.pop("start_ns")), rfc3339(facts.pop("last_ns"))
    sums = {name: getattr(totals, name) for name in totals.__struct_fields__}
    return SessionRow(start=start, last=last, **facts, **sums)


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--limit", "-n", type=count, default=20, metavar="N", help="how many (20); 0 is all")
    add("--json", action="store_true", help="print one JSON document")
    add("--dir", metavar="DIR", help="directory of the local record")


def main(args: Namespace) -> int:
    directory = where(args)
    reading = store.Reading()
    found = store.sessions(directory, limit=args.limit or None, reading=reading)
    complain(reading)
    if args.json:
        document = SessionsDocument(
            dir=directory,
            sessions=tuple(map(row, found)),
            unreadable_lines=sum(reading.unreadable.values()),
        )
        write_json(document)
    elif found:
        from .table import print_sessions

        print_sessions(found)
    else:
        print(store.no_session(directory, reading.files), file=sys.stderr)
    return 0
