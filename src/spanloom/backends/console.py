"""Spans as they happen, as a tree on stderr: for whoever watches a program run.

A line is printed when a span has been open for longer than a flush interval, and when it ends. A span
ends before the one around it, so what ends quickly waits a moment for the line of its parent and then
stands below it. Several traces at once are told apart by the beginning of their ids, with which
``spanloom trace`` shows them in full.
"""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TextIO

from msgspec import Struct

from spanloom.types import Span, Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from spanloom.settings import Settings

_HOLD_S = 0.4
"""Longer than a parent takes to be shown as open, short enough not to be missed."""
_KNOWN = 10_000
_HELD = 2_000
_LEVELS = 12
_NAME, _FACTS, _ERROR, _CONTENT = 120, 400, 500, 4_000
"""How much is kept of a text, in characters."""
_MARKS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red", "bright_cyan", "bright_green")
_WORDS: dict[Status, str] = {
    "error": "ERROR", "timeout": "TIMEOUT", "cancelled": "CANCELLED", "pending": "started",
}  # fmt: skip


class _Row(Struct):
    """What is kept of a span until it is printed: text, not the span with its content."""

    key: tuple[int, int]
    parent: tuple[int, int] | None
    start_ns: int
    at_ns: int
    trace: str
    kind: str
    name: str
    status: Status
    figures: str
    facts: str
    error: str
    content: list[str]
    arrived: float = 0.0


class _Known(Struct):
    depth: int
    open: bool


class ConsoleBackend:
    """Print what happens, while it happens.

    Args:
        settings: not read; there because every installed backend is made with them.
        content: also print inputs and outputs, after redaction like everything else.
        open_spans: also print when a span starts, if it is still open after a flush interval.
        hold_s: how long what ends waits for the line of its parent; 0: not at all.
    """

    name = "console"

    def __init__(
        self,
        settings: "Settings | None" = None,
        *,
        content: bool = False,
        open_spans: bool = True,
        hold_s: float = _HOLD_S,
    ) -> None:
        self.content = content
        self.wants_pending = open_spans
        self._hold_s = hold_s
        self._console: Console | None = None
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        # Both are bounded; the oldest entry goes first.
        self._known: dict[tuple[int, int], _Known] = {}
        self._held: dict[tuple[int, int], _Row] = {}
        self._timer: threading.Timer | None = None
        self._closed = False

    @property
    def where(self) -> str:
        """For ``spanloom doctor``."""
        return "stderr"

    def export(self, batch: Sequence[Span], /) -> None:
        rows = [_row(span, self.content) for span in batch]
        with self._lock:
            self._closed = False
            lines: list[Text] = []
            now = time.monotonic()
            for row in rows:
                lines += self._take(row, now)
            while len(self._held) > _HELD:
                lines += self._show(self._held.pop(next(iter(self._held))), 0)
            self._print(lines)
            self._watch()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            lines: list[Text] = []
            for row in self._overdue(float("inf")):
                lines += self._show(row, 0)
            self._print(lines)

    def after_fork(self) -> None:
        """What waits is the parent's to print; the lock may have been held by a thread gone here."""
        self._reset()

    # -- order -----------------------------------------------------------------------------------

    def _take(self, row: _Row, now: float) -> Iterator["Text"]:
        known = self._known.get(row.key)
        if known is not None:
            if row.status != "pending":
                yield from self._show(row, known.depth)
            return
        above = self._known.get(row.parent) if row.parent is not None else None
        alone = row.parent is None or row.status == "pending" or self._hold_s <= 0
        if alone or above is not None:
            # An open span whose parent is not known has it in another process: parents start first.
            yield from self._show(row, above.depth + 1 if above is not None else 0)
        else:
            row.arrived = now
            self._held[row.key] = row

    def _show(self, row: _Row, depth: int) -> Iterator["Text"]:
        """Its line, and below it those that waited for it."""
        stack = [(row, depth)]
        while stack:
            row, depth = stack.pop()
            was = self._known.pop(row.key, None)
            self._known[row.key] = _Known(depth, row.status == "pending")
            while len(self._known) > _KNOWN:
                del self._known[next(iter(self._known))]
            yield from self._lines(row, depth, was is not None and was.open)
            waiting = [held for held in self._held.values() if held.parent == row.key]
            waiting.sort(key=lambda held: (held.start_ns, held.key), reverse=True)
            for held in waiting:
                del self._held[held.key]
                stack.append((held, depth + 1))

    def _overdue(self, before: float) -> Iterator[_Row]:
        """Those that waited long enough, and that no other that waits will take with it."""
        while True:
            late = (row for row in self._held.values() if row.arrived <= before)
            row = next((row for row in late if row.parent not in self._held), None)
            if row is None and before == float("inf"):  # each other's parents
                row = next(iter(self._held.values()), None)
            if row is None:
                return
            del self._held[row.key]
            yield row

    def _watch(self) -> None:
        if self._held and self._timer is None and not self._closed:
            self._timer = threading.Timer(self._hold_s, self._tick)
            self._timer.name = "spanloom-console-hold"
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        """On the timer's thread: a parent in another process never comes."""
        try:
            with self._lock:
                self._timer = None
                if self._closed:
                    return
                lines: list[Text] = []
                for row in self._overdue(time.monotonic() - self._hold_s * 0.9):
                    lines += self._show(row, 0)
                self._print(lines)
                self._watch()
        except Exception:  # stderr is gone; the next export tells
            self._held.clear()

    # -- text --------------------------------------------------------------------------------------

    def _lines(self, row: _Row, depth: int, was_open: bool) -> Iterator["Text"]:
        from rich.text import Text

        levels = min(depth, _LEVELS)
        deep = f"[{depth}] " if depth > _LEVELS else ""
        head = Text().append(f"{datetime.fromtimestamp(row.at_ns / 1e9):%H:%M:%S} ", "dim")
        head.append(row.trace, _MARKS[row.key[0] % len(_MARKS)]).append(" ")
        indent = "| " * levels + deep
        bad = row.status in ("error", "timeout")
        mark = "+ " if row.status == "pending" else "` " if was_open else "- "
        line = head.copy().append(indent, "dim").append(mark, "dim")
        line.append(row.kind, _STYLES.get(row.kind, "")).append(" ").append(row.name, "bold")
        if word := _WORDS.get(row.status):
            line.append(" ").append(word, "bold red" if bad else "yellow" if row.error else "dim")
        if row.figures:
            line.append("  ").append(row.figures)
        if row.facts:
            line.append("  ").append(row.facts, "dim")
        yield line
        below = head.plain, indent + "    "
        if row.error:
            yield Text().append(below[0], "dim").append(below[1], "dim").append(row.error, "red")
        for text in row.content:
            yield Text().append(below[0], "dim").append(below[1], "dim").append(text)

    def _print(self, lines: Sequence["Text"]) -> None:
        """All at once, so that the program's own output does not come in between."""
        if not lines:
            return
        stream = self._stream()
        if stream is None:  # a program without a console, as under pythonw
            raise OSError("there is no stderr to print on")
        from rich.console import Console
        from rich.text import Text

        if self._console is None:
            # not into the cells of a notebook: there it is the stream too
            self._console = Console(
                stderr=True, highlight=False, markup=False, emoji=False, force_jupyter=False
            )
        console = self._console
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
        overflow: Literal["ellipsis", "crop"] = "ellipsis" if encoding[:3] == "utf" else "crop"
        for line in lines:
            if console.is_terminal:
                line.truncate(max(console.width, 40), overflow=overflow)
        # Only rendered by rich: where the reader of a pipe is gone, it would end the program.
        with console.capture() as captured:
            console.print(Text("\n").join(lines), soft_wrap=True)
        stream.write(captured.get().encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()

    def _stream(self) -> TextIO | None:
        return sys.stderr


_STYLES = {
    "workflow": "bold", "agent": "bold cyan", "llm": "magenta", "embedding": "magenta",
    "rerank": "magenta", "tool": "yellow", "mcp": "yellow", "handoff": "bold green",
    "retrieval": "blue", "memory": "blue", "guardrail": "bright_blue", "evaluation": "green",
    "plan": "cyan",
}  # fmt: skip


def _row(span: Span, content: bool) -> _Row:
    from spanloom import record
    from spanloom.types import Handoff, ModelCall
    from spanloom.words import clean, duration, money, tokens
    from spanloom.words.facts import contents, error, facts, label

    told = record.from_span(span)
    detail = span.detail
    figures = []
    if span.end_ns is not None and not isinstance(detail, Handoff):
        figures.append(duration(span.duration_ns))
    if isinstance(detail, ModelCall):
        used = detail.usage
        if used is not None and (used.input is not None or used.output is not None):
            out = f"->{tokens(used.output)}" if used.output is not None else ""
            figures.append(f"{tokens(used.input) or '?'}{out} tokens")
        if detail.cost is not None and detail.cost.total_usd is not None:
            figures.append(money(detail.cost.total_usd))
    pending = span.status == "pending"
    lines: list[str] = []
    if content and not pending:
        left = _CONTENT
        for what, text in contents(told):
            lines += f"{what}: {clean(text[:left], lines=True)}".split("\n")
            left -= len(text)
            if left <= 0:
                lines.append("(cut)")
                break
    return _Row(
        key=(span.trace_id, span.span_id),
        parent=None if span.parent_id is None else (span.trace_id, span.parent_id),
        start_ns=span.start_ns,
        at_ns=span.start_ns if span.end_ns is None else span.end_ns,
        trace=told.trace_id[:6],
        kind=span.kind,
        name=_cut(label(told, "->"), _NAME),
        status=span.status,
        figures=" ".join(figures),
        facts="" if pending else _cut(", ".join(clean(word) for word in facts(told)), _FACTS),
        error=_cut(error(told), _ERROR),
        content=lines,
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
