"""The lists of traces and of sessions as tables."""

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from spanloom.store import SessionSummary, TraceSummary
from spanloom.words import clean, plural

from .page import BAD, ENDS, GAP, QUIET, Column, Page, elapsed, grid, in_out, known_cost, outcome


def print_traces(found: Sequence[TraceSummary]) -> None:
    """A table, newest first."""
    page = Page()
    today = datetime.now().date()
    starts = [datetime.fromtimestamp(trace.start_ns / 1e9) for trace in found]
    short = all(start.date() == today for start in starts)
    wide = page.width >= 100
    ids = page.short([trace.trace_id for trace in found])
    cells = [
        [
            trace.trace_id[:ids],
            f"{start:%H:%M:%S}" if short else f"{start:%m-%d %H:%M}",
            clean(trace.name),
            elapsed(trace),
            str(trace.spans),
            str(trace.totals.model_calls or ""),
            in_out(trace.totals, page.glyphs),
            known_cost(trace.totals),
            outcome(trace) if wide else outcome(trace).partition(", ")[0],
            clean(trace.session_id or ""),
        ]
        for trace, start in zip(found, starts, strict=True)
    ]
    heads = [
        "trace", "start", "name", "time", "spans", "calls", "tokens", "cost", "status", "session",
    ]  # fmt: skip
    right = {3, 4, 5, 6, 7}
    kept = [i for i in range(len(heads)) if i != 9 or (wide and any(row[9] for row in cells))]
    if not wide:
        kept.remove(4)
    widths = [max(cell_len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]
    widths[9] = min(widths[9], 24)
    used = sum(widths[i] + GAP for i in kept if i != 2) - (0 if wide else len(kept) - 1)
    gap = " " * (GAP if wide else 1)
    widths[2] = max(min(widths[2], page.width - used), 8)
    for number, row in enumerate([heads, *cells]):
        line = Text()
        for i in kept:
            text = page.cut(row[i], widths[i])
            space = " " * (widths[i] - cell_len(text))
            style = QUIET if number == 0 or i in (1, 9) else "bold" if i == 2 else ""
            if i == 8 and number and row[i] != "ok":
                style = BAD if found[number - 1].errors else "yellow"
            line.append(space if i in right else "").append(text, style)
            line.append(gap if i in right else space + gap)
        line.rstrip()
        page.line(line)


def print_sessions(found: Sequence[SessionSummary]) -> None:
    """A table, the session with the latest activity first."""
    page = Page()
    today = datetime.now().date()
    lasts = [datetime.fromtimestamp(one.last_ns / 1e9) for one in found]
    short = all(last.date() == today for last in lasts)
    columns = [
        Column("session", style="bold", flexible=True), Column("last", style=QUIET),
        Column("turns", right=True), Column("calls", right=True), Column("tokens", right=True),
        Column("cost", right=True), Column("ended"), Column("user"), Column("agents"),
    ]  # fmt: skip
    rows = []
    for one, last in zip(found, lasts, strict=True):
        errors = f", {plural(one.errors, 'error')}" if one.errors else ""
        rows.append(
            [
                clean(one.session_id),
                f"{last:%H:%M:%S}" if short else f"{last:%m-%d %H:%M}",
                str(one.turns),
                str(one.totals.model_calls or ""),
                in_out(one.totals, page.glyphs),
                known_cost(one.totals),
                ENDS[one.end] + errors,
                page.cut(clean(one.user_id or ""), 12),
                page.cut(", ".join(map(clean, one.agents)), 32),
            ]
        )
    shown = [
        i
        for i in range(len(columns))
        if i < 7 or (page.width >= 110 and any(row[i] for row in rows))
    ]
    for line in grid(page, [columns[i] for i in shown], [[row[i] for i in shown] for row in rows]):
        page.line(line)
