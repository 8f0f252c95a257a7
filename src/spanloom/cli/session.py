"""``spanloom session``: one session, turn by turn."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from spanloom import store

from .sessions import SessionRow, row
from .traces import TraceRow, complain, where, write_json
from .traces import row as trace_row


class TurnRow(Struct, frozen=True, kw_only=True):
    """One turn: what a trace has of the session. Its figures are of the session's spans alone."""

    trace: TraceRow
    end: store.End
    agents: tuple[str, ...]
    paused_at: tuple[str, ...]
    """Names of the spans that stopped to wait for somebody."""
    resumes: tuple[str, ...]
    """Ids of the traces that it goes on with."""
    resumed_by: tuple[str, ...]


class SessionDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom session --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    session: SessionRow
    turns: tuple[TurnRow, ...]
    files: tuple[str, ...]


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("id", metavar="ID", help="the id of a session, the beginning of one, or `last`")
    add("--json", action="store_true", help="print one JSON document")
    add("--dir", metavar="DIR", help="directory of the local record")


def main(args: Namespace) -> int:
    reading = store.Reading()
    try:
        found = store.session(where(args), args.id, reading=reading)
    except store.UnknownSession as exc:
        complain(reading)
        print(exc, file=sys.stderr)
        return 1
    complain(reading)
    if args.json:
        write_json(_document(found))
    else:
        _print(found)
    return 0


def _document(found: store.Session) -> SessionDocument:
    return SessionDocument(
        session=row(found.summary),
        turns=tuple(
            TurnRow(
                trace=trace_row(turn.summary),
                end=turn.end,
                agents=turn.agents,
                paused_at=turn.paused_at,
                resumes=turn.resumes,
                resumed_by=turn.resumed_by,
            )
            for turn in found.turns
        ),
        files=found.files,
    )


def _print(found: store.Session) -> None:
    from rich.text import Text

    from spanloom.words import clean, duration, money, plural

    from .page import ENDS, QUIET, Column, Page, end_style, grid, in_out, known_cost

    page = Page()
    summary, totals = found.summary, found.summary.totals
    ended = ENDS[summary.end]
    name = page.cut(clean(summary.session_id), page.width - len(ended) - 10)
    title = Text("session ").append(name, "bold").append("  ")
    page.line(title.append(ended, end_style(summary.end)))
    first, last = (datetime.fromtimestamp(ns / 1e9) for ns in (summary.start_ns, summary.last_ns))
    same_day = first.date() == last.date()
    until = f"{last:%H:%M:%S}" if same_day else f"{last:%Y-%m-%d %H:%M:%S}"
    page.line(
        f"{first:%Y-%m-%d %H:%M:%S} to {until}  {duration(summary.last_ns - summary.start_ns)}"
    )
    about = [
        ("user", summary.user_id), ("service", ", ".join(summary.services)),
        ("named by", {"framework": "the framework", "baggage": "another service"}.get(summary.source or "")),
    ]  # fmt: skip
    words = [f"{what} {clean(value)}" for what, value in about if value]
    for text in page.flow(words, page.width):
        page.line(Text(text, QUIET))
    page.line()

    ids = page.short([turn.summary.trace_id for turn in found.turns])
    rows: list[Sequence[str]] = []
    notes: list[list[str]] = []
    for number, turn in enumerate(found.turns, 1):
        start = datetime.fromtimestamp(turn.summary.start_ns / 1e9)
        rows.append(
            (
                str(number), turn.summary.trace_id[:ids],
                f"{start:%H:%M:%S}" if same_day else f"{start:%m-%d %H:%M}",
                clean(turn.summary.name), duration(turn.summary.duration_ns),
                str(turn.summary.totals.model_calls or ""),
                in_out(turn.summary.totals, page.glyphs), known_cost(turn.summary.totals),
                ENDS[turn.end]
                + (f", {plural(turn.summary.errors, 'error')}" if turn.summary.errors else ""),
            )
        )  # fmt: skip
        notes.append(list(_notes(turn, found, ids, page.glyphs.arrow)))
    columns = [
        Column("turn", right=True), Column("trace"), Column("start", style=QUIET),
        Column("name", style="bold", flexible=True), Column("time", right=True),
        Column("calls", right=True), Column("tokens", right=True), Column("cost", right=True),
        Column("ended"),
    ]  # fmt: skip
    for index, line in enumerate(grid(page, columns, rows)):
        page.line(line)
        for note in notes[index - 1] if index else ():
            for wrapped in page.wrap(note, page.width - 5):
                page.line(Text(f"     {wrapped}", QUIET))
    words = [plural(summary.turns, "turn"), plural(summary.spans, "span")]
    if totals.model_calls:
        words.append(plural(totals.model_calls, "model call"))
    if used := in_out(totals, page.glyphs):
        words.append(f"{used} tokens")
    if totals.cost_usd is not None:
        words.append(money(totals.cost_usd))
    if totals.unpriced_calls and totals.cost_usd is not None:
        words.append(f"{plural(totals.unpriced_calls, 'call')} without a known price")
    if summary.errors:
        words.append(plural(summary.errors, "error"))
    if summary.pauses:
        words.append(f"paused {plural(summary.pauses, 'time')}, resumed {summary.resumes}")
    page.line()
    page.labelled("total", words, page.glyphs.dot, "bold")
    if summary.agents:
        page.labelled("agents", list(map(clean, summary.agents)), ", ", "")
    page.labelled("ended", [_ended(found)], "", "")
    page.labelled("see", ["spanloom trace TRACE"], "", QUIET)


def _notes(turn: store.Turn, found: store.Session, ids: int, arrow: str) -> Sequence[str]:
    from spanloom.words import clean

    numbers = {t.summary.trace_id: n for n, t in enumerate(found.turns, 1)}

    def named(trace_ids: Sequence[str]) -> str:
        return ", ".join(
            f"turn {numbers[id]}" if id in numbers else f"trace {id[:ids]}" for id in trace_ids
        )

    notes = []
    if turn.resumes:
        notes.append(f"resumes {named(turn.resumes)}")
    if turn.agents:
        notes.append(f"agents: {f' {arrow} '.join(map(clean, turn.agents))}")
    if turn.paused_at:
        where = ", ".join(map(clean, turn.paused_at))
        went_on = f"; resumed in {named(turn.resumed_by)}" if turn.resumed_by else ""
        notes.append(f"paused at {where}{went_on}")
    return notes


def _ended(found: store.Session) -> str:
    from spanloom.words import clean

    last = found.turns[-1]
    match found.summary.end:
        case "paused":
            return f"paused at {', '.join(map(clean, last.paused_at))}; not resumed so far"
        case "open":
            return "still open: its process runs"
        case "never_ended":
            return "never: the process of the last turn is gone"
        case "unknown":
            return "not known: no end is recorded"
        case "ok":
            return "ok"
        case other:
            return f"the last turn: {other}"
