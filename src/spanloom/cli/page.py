"""A page of text on a terminal, in a pipe or in a file, and the figures that stand on it."""

import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from spanloom.store import Totals, TraceSummary

from .words import duration, money, plural, tokens

BAD = "bold red"
QUIET = "dim"
STATE = {"open": "STILL OPEN", "never_ended": "NEVER ENDED", "unknown": "NOT ENDED"}
GAP = 2


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
        self.console = Console(highlight=False, markup=False, emoji=False)
        self.width = max(self.console.width, 60)
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
        self.glyphs = _FINE if encoding.startswith("utf") else _ASCII

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


def outcome(trace: TraceSummary) -> str:
    """``ok``, ``2 errors``, ``never ended``, ...: what a reader of a list looks for."""
    words = []
    if trace.open:
        words.append(STATE[trace.open].lower())
    elif trace.status in ("timeout", "cancelled"):
        words.append(trace.status)
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
