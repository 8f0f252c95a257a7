"""A page of text on a terminal, in a pipe or in a file, and the figures that stand on it."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from spanloom.store import Totals, TraceSummary, paused
from spanloom.words import duration, money, plural, tokens

BAD = "bold red"
QUIET = "dim"
STATE = {"open": "STILL OPEN", "never_ended": "NEVER ENDED", "unknown": "NOT ENDED"}
GAP = 2
ENDS = {
    "ok": "ok", "error": "error", "timeout": "timeout", "cancelled": "cancelled",
    "paused": "PAUSED", "open": "STILL OPEN", "never_ended": "NEVER ENDED", "unknown": "NOT ENDED",
}  # fmt: skip


def end_style(end: str) -> str:
    return {"ok": "bold green", "error": BAD, "timeout": BAD}.get(end, "yellow")


class Glyphs(NamedTuple):
    fork: str
    last: str
    pipe: str
    arrow: str
    dot: str
    bar: str
    cut: str
    dash: str


_FINE = Glyphs("├─ ", "└─ ", "│  ", "→", " · ", "━", "…", "─")
_ASCII = Glyphs("|- ", "`- ", "|  ", "->", ", ", "=", "~", "-")


class Page:
    """Where lines go: a terminal, a pipe or a file."""

    def __init__(self) -> None:
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:  # a name with an umlaut must not end the command
            reconfigure(errors="backslashreplace")
        self.console: Console = Console(highlight=False, markup=False, emoji=False)
        self.width: int = max(self.console.width, 60)
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
        self.glyphs: Glyphs = _FINE if encoding.startswith("utf") else _ASCII

    def line(self, text: Text | str = "") -> None:
        self.console.print(text.rstrip() or "" if isinstance(text, str) else text, soft_wrap=True)

    def cut(self, text: str, width: int) -> str:
        if cell_len(text) <= width:
            return text
        return set_cell_size(text, max(width - 1, 0)).rstrip() + self.glyphs.cut

    def wrap(self, text: str, width: int) -> Iterator[str]:
        """Break at spaces, and inside a word only where it is longer than a line."""
        for line in text.split("\n"):
            indent = line[: len(line) - len(line.lstrip())][: width // 2]
            rest = line
            while cell_len(rest) > width:
                head = set_cell_size(rest, width).rstrip("\0")
                at = head.rfind(" ", len(indent) + 1)
                at = at if at > width // 3 else len(head)
                yield rest[:at].rstrip()
                rest = indent + rest[at:].lstrip()
            yield rest

    def short(self, ids: Sequence[str]) -> int:
        """How many digits tell these ids apart; not fewer than 8."""
        return next((n for n in range(8, 32) if len({id[:n] for id in ids}) == len(set(ids))), 32)

    def flow(self, words: Sequence[str], width: int, *, first: int | None = None) -> list[str]:
        """Facts on a line of ``first`` cells and lines of ``width`` cells, none broken in two."""
        lines: list[str] = []
        text, room = "", width if first is None else first
        for word in words:
            joined = f"{text}{self.glyphs.dot}{word}" if text else word
            if cell_len(joined) <= room:
                text = joined
                continue
            if text or not lines:
                lines.append(text)
            room = width
            text = self.cut(word, room)
        return [*lines, text] if text or lines else []

    def labelled(self, what: str, words: Sequence[str], between: str, style: str) -> None:
        """Words behind a label, on as many lines as they need."""
        line, width = "", self.width - 8
        lines: list[str] = []
        for word in words:
            joined = f"{line}{between}{word}" if line else word
            if line and cell_len(joined) > width:
                lines.append(line + between.rstrip())
                joined = word
            line = joined
        for number, text in enumerate([*lines, line]):
            head = (what if number == 0 else "").ljust(8)
            self.line(Text().append(head, QUIET).append(text, style))


class Column(NamedTuple):
    head: str
    right: bool = False
    style: str = ""
    flexible: bool = False
    """Gets what the others leave."""


def grid(page: Page, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[Text]:
    """The head and the rows of a table, as wide as the page."""
    heads = [column.head for column in columns]
    widths = [max(cell_len(row[i]) for row in [heads, *rows]) for i in range(len(columns))]
    gap = GAP if page.width >= 100 else 1
    for i, column in enumerate(columns):
        if column.flexible:
            others = sum(widths) - widths[i] + gap * (len(columns) - 1)
            widths[i] = max(min(widths[i], page.width - others), 8)
    for number, row in enumerate([heads, *rows]):
        line = Text()
        for i, column in enumerate(columns):
            text = page.cut(row[i], widths[i])
            space = " " * (widths[i] - cell_len(text))
            style = QUIET if number == 0 else column.style
            line.append(" " * gap if i else "").append(space if column.right else "")
            line.append(text, style).append("" if column.right else space)
        line.rstrip()
        yield line


def outcome(trace: TraceSummary) -> str:
    """``ok``, ``2 errors``, ``never ended``, ...: what a reader of a list looks for."""
    words = []
    if trace.open:
        words.append(STATE[trace.open].lower())
    elif trace.status in ("timeout", "cancelled"):
        words.append(trace.status)
    elif paused(trace.status, trace.ended_by):
        words.append("paused")
    if trace.errors and trace.status != "timeout":
        words.append(plural(trace.errors, "error"))
    if trace.open_spans and not trace.open:
        words.append(f"{trace.open_spans} not ended")
    return ", ".join(words) or "ok"


def elapsed(trace: TraceSummary) -> str:
    """How long it took; with a ``+`` how long it took at least, while its root has no end."""
    if trace.open is None:
        return duration(trace.duration_ns)
    ns = trace.duration_ns
    if trace.open == "open":
        ns = max(ns, time.time_ns() - trace.start_ns)
    return f"{duration(ns)}+" if ns else "?"


def in_out(totals: Totals, glyphs: Glyphs) -> str:
    if totals.input_tokens is None and totals.output_tokens is None:
        return ""
    if totals.output_tokens is None:  # embeddings have none
        return tokens(totals.input_tokens)
    return f"{tokens(totals.input_tokens) or '?'}{glyphs.arrow}{tokens(totals.output_tokens)}"


def known_cost(totals: Totals) -> str:
    """With a ``+`` where calls without a known price come on top."""
    return money(totals.cost_usd) + ("+" if totals.unpriced_calls and totals.cost_usd else "")
