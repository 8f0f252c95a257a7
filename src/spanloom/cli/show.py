"""One trace on a terminal. Everything is said in words; colour only repeats it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from spanloom import store, types
from spanloom.store import Node, Story, Totals, Trace
from spanloom.words import clean, duration, money, plural, tokens
from spanloom.words.facts import arguments, contents, error, events, facts, label

from .page import BAD, GAP, QUIET, STATE, Page, elapsed, in_out, known_cost, outcome
from .tale import print_story

_STYLES = {
    "workflow": "bold", "agent": "bold cyan", "llm": "magenta", "embedding": "magenta",
    "rerank": "magenta", "tool": "yellow", "mcp": "yellow", "handoff": "bold green",
    "retrieval": "blue", "memory": "blue", "guardrail": "bright_blue", "evaluation": "green",
    "plan": "cyan", "task": "default",
}  # fmt: skip
_MAX_EVENTS = 6
_MAX_ERROR_LINES = 4
_BAR = 24


def print_trace(trace: Trace, story: Story, *, content: bool = False) -> None:
    """Header, tree, sums, and the story of its agents."""
    _TreePage(trace, story, content).show()


class _TreePage(Page):
    def __init__(self, trace: Trace, story: Story, content: bool) -> None:
        super().__init__()
        self.trace = trace
        self.story = story
        self.content = content
        self.bars = self.width >= 110
        self.heads = (f"tokens in{self.glyphs.arrow}out", "cost", "time")
        self.figures = [self._figures(node) for node in trace.nodes]
        self.widths = [
            max(cell_len(row[i]) for row in [self.heads, *self.figures]) for i in range(3)
        ]
        columns = sum(self.widths) + 3 + (_BAR + GAP if self.bars else 0)
        self.room = self.width - columns
        self.levels = max((self.room - 24) // 3, 3)
        self.by_id = {node.record.span_id: node for node in trace.nodes}
        self.marked = list(self._markers())
        self.said: tuple[types.Message, ...] = ()

    def show(self) -> None:
        self._header()
        self._columns()
        rows = zip(self.trace.nodes, self.marked, self.figures, self._guides(), strict=True)
        for node, marked, figures, guides in rows:
            if marked:
                self._marker(node)
            self._node(node, figures, *guides)
        self._footer()

    def _header(self) -> None:
        summary = self.trace.summary
        first = self.trace.nodes[0].record
        status = outcome(summary)
        name = self.cut(clean(summary.name), self.width - len(status) - 2)
        line = Text().append(name, "bold")
        style = "bold green" if status == "ok" else BAD if summary.errors else "yellow"
        self.line(line.append("  ").append(status, style))
        start = datetime.fromtimestamp(summary.start_ns / 1e9).astimezone()
        when = f"{start:%Y-%m-%d %H:%M:%S %Z}".rstrip()
        length = elapsed(summary)
        self.line(Text(f"trace {summary.trace_id}  {when}  {length}"))
        resource = first.resource
        service = " ".join(w for w in (summary.service, resource.service_version) if w)
        about = [
            ("session", summary.session_id), ("user", first.user_id), ("service", service),
            ("environment", resource.environment), ("release", resource.release),
            ("tags", ", ".join(first.tags)),
        ]  # fmt: skip
        words = [f"{what} {clean(value)}" for what, value in about if value]
        for text in self.flow(words, self.width):
            self.line(Text(text, QUIET))
        self.line()

    def _columns(self) -> None:
        line = Text("span".ljust(self.room), QUIET)
        for text, width in zip(self.heads, self.widths, strict=True):
            line.append(f" {text:>{width}}")
        self.line(line)

    def _guides(self) -> list[tuple[str, str]]:
        """For each node what stands before its own line and before the lines below it."""
        depths = self._depths()
        last = [True] * len(depths)
        seen: list[bool] = []  # for each depth: does a sibling follow?
        for i in range(len(depths) - 1, -1, -1):
            depth = depths[i]
            seen.extend([False] * (depth + 1 - len(seen)))
            del seen[depth + 1 :]
            last[i] = not seen[depth]
            # what stands above a marker has other siblings than what stands below it
            seen[depth] = not self.marked[i]
        result: list[tuple[str, str]] = []
        trunk: list[str] = []
        for i, depth in enumerate(depths):
            del trunk[max(depth - 1, 0) :]
            if depth > self.levels:  # so deep that nothing else would have room
                mark = f"[{depth}] "
                result.append((mark, " " * len(mark)))
            else:
                own = (self.glyphs.last if last[i] else self.glyphs.fork) if depth else ""
                through = (" " * 3 if last[i] else self.glyphs.pipe) if depth else ""
                has_children = i + 1 < len(depths) and depths[i + 1] > depth
                child = self.glyphs.pipe if has_children else " " * 3
                before = "".join(trunk)
                result.append((before + own, before + through + child))
            if depth:
                trunk.append(" " * 3 if last[i] else self.glyphs.pipe)
        return result

    def _depths(self) -> list[int]:
        """As drawn: what is adrift hangs below its marker."""
        shift = 0
        depths = []
        for node in self.trace.nodes:
            if node.depth == 0:
                shift = 1 if node.adrift else 0
            depths.append(node.depth + shift)
        return depths

    def _markers(self) -> Iterator[bool]:
        """For each node whether a marker stands right above it."""
        cause: tuple[str | None, str | None] = (None, None)
        for node in self.trace.nodes:
            before = cause
            if node.depth == 0:
                cause = node.adrift, node.record.parent_id if node.adrift == "missing" else None
            yield cause[0] is not None and cause != before

    def _marker(self, node: Node) -> None:
        if node.adrift == "loop":
            text = "spans that are each other's parents"
        else:
            text = f"parent {node.record.parent_id} is not in this record"
        self.line(Text(f"{self.glyphs.dash * 2} {text}", "yellow"))

    def _node(self, node: Node, figures: Sequence[str], before: str, below: str) -> None:
        span = node.record
        bad = span.status in ("error", "timeout")
        state = (
            STATE[node.open] if node.open else "" if span.status == "ok" else span.status.upper()
        )
        head = Text().append(before, QUIET).append(span.kind, _STYLES[span.kind]).append(" ")
        left = self.room - head.cell_len - (len(state) + 1 if state else 0)
        name = self.cut(label(span, self.glyphs.arrow), max(left, 8))
        head.append(name, "bold" if node.depth == 0 else "")
        if state:
            head.append(" ").append(state, BAD if bad else "yellow")
        words = list(facts(span))
        if isinstance(span.detail, (types.Tool, types.McpCall)) and not self.content:
            given = arguments(span.detail.input)
            words[:0] = [f"({given})"] if given else []
        first, *rest = self.flow(
            [clean(word) for word in words],
            self.width - len(below),
            first=self.room - head.cell_len - 2,
        ) or [""]
        if first:
            head.append("  ").append(first, QUIET)
        self.line(self._with_figures(head, node, figures))
        for text in rest:
            self._below(below, text, QUIET)
        why = error(span)
        if why:
            lines = list(self.wrap(why, self.width - len(below) - 2))
            if len(lines) > _MAX_ERROR_LINES and not self.content:
                lines = [*lines[: _MAX_ERROR_LINES - 1], f"({plural(len(lines), 'line')} in all)"]
            for number, text in enumerate(lines):
                self._below(below, ("! " if number == 0 else "  ") + text, "red")
        for link in span.links:
            self._below(below, self._link(link.trace_id, link.span_id, link.reason), QUIET)
        happened = list(events(span))
        shown = happened if self.content else happened[:_MAX_EVENTS]
        for text in shown:
            self._below(below, self.cut(f"* {clean(text)}", self.width - len(below)), QUIET)
        if len(happened) > len(shown):
            self._below(below, f"* and {plural(len(happened) - len(shown), 'more event')}", QUIET)
        if self.content:
            self._content(node, below)

    def _below(self, below: str, text: str, style: str) -> None:
        self.line(Text().append(below, QUIET).append(text, style))

    def _link(self, trace_id: str, span_id: str, reason: str | None) -> str:
        other = self.by_id.get(span_id)
        if trace_id != self.trace.summary.trace_id:
            if reason == "resume":
                there = (link.at for link in self.story.linked if link.other_span_id == span_id)
                at = next(there, None)
                return f"resumes trace {trace_id[:12]}" + (f", paused at {clean(at)}" if at else "")
            return f"linked to trace {trace_id}" + (f" ({clean(reason)})" if reason else "")
        what = f"{other.record.kind} {label(other.record, self.glyphs.arrow)}" if other else span_id
        prefix = "" if reason in (None, what.partition(" ")[0]) else f" ({clean(reason or '')})"
        return f"from {what}{prefix}"

    def _figures(self, node: Node) -> tuple[str, str, str]:
        """Tokens, cost and time; in brackets what is a sum over the calls below."""
        detail = node.record.detail
        time = "" if node.record.kind == "handoff" else duration(node.record.duration_ns)
        if isinstance(detail, types.ModelCall):
            usage = detail.usage or types.Usage()
            totals = Totals(input_tokens=usage.input, output_tokens=usage.output)
            cost = money(detail.cost.total_usd) if detail.cost else ""
            return in_out(totals, self.glyphs), cost, time
        if node.subtotals is None:
            return "", "", time
        used, cost = in_out(node.subtotals, self.glyphs), known_cost(node.subtotals)
        return f"({used})" if used else "", f"({cost})" if cost else "", time

    def _with_figures(self, line: Text, node: Node, figures: Sequence[str]) -> Text:
        line.append(" " * max(self.room - line.cell_len, 0))
        style = QUIET if node.subtotals is not None else ""
        for i, (text, width) in enumerate(zip(figures, self.widths, strict=True)):
            line.append(" " * (width + 1 - cell_len(text)) + text, style if i < 2 else "")
        if self.bars:
            line.append(" " * GAP)
            line.append(*self._bar(node))
        line.rstrip()
        return line

    def _bar(self, node: Node) -> tuple[str, str]:
        summary, span = self.trace.summary, node.record
        scale = _BAR / (summary.duration_ns or 1)
        start = min(int(max(span.start_ns - summary.start_ns, 0) * scale), _BAR - 1)
        end_ns = span.end_ns if span.end_ns is not None else summary.start_ns + summary.duration_ns
        length = max(round((end_ns - summary.start_ns) * scale) - start, 1)
        glyph = "." if span.end_ns is None else self.glyphs.bar
        bar = " " * start + glyph * min(length, _BAR - start)
        return bar, "red" if span.status in ("error", "timeout") else _STYLES[span.kind]

    def _content(self, node: Node, below: str) -> None:
        span = node.record
        pairs = list(contents(span))
        if isinstance(span.detail, types.LLMCall):
            history = span.detail.input
            same = 0
            while same < min(len(history), len(self.said)) and history[same] == self.said[same]:
                same += 1
            self.said = history
            if same > 1:
                again = f"(the first {same} messages are those of the call before)"
                self._below(below, again, QUIET)
                pairs = pairs[same:]
        for what, text in pairs:
            self._below(below, what, "bold")
            for line in self.wrap(clean(text, lines=True), self.width - len(below) - 2):
                self._below(below, f"  {line}", "")

    def _footer(self) -> None:
        summary, dot = self.trace.summary, self.glyphs.dot
        totals = summary.totals
        words = [plural(summary.spans, "span")]
        if totals.model_calls:
            words.append(plural(totals.model_calls, "model call"))
        used = in_out(totals, self.glyphs)
        if used:
            parts = ((totals.cached_tokens, "cached"), (totals.reasoning_tokens, "reasoning"))
            of_it = ", ".join(f"{tokens(n)} {what}" for n, what in parts if n)
            words.append(f"{used} tokens" + (f" ({of_it})" if of_it else ""))
        if totals.cost_usd is not None:
            words.append(money(totals.cost_usd))
        if totals.unpriced_calls and totals.cost_usd is not None:
            words.append(f"{plural(totals.unpriced_calls, 'call')} without a known price")
        if summary.errors:
            words.append(plural(summary.errors, "error"))
        if summary.open_spans:
            words.append(f"{summary.open_spans} not ended")
        self.line()
        self.labelled("total", words, dot, "bold")
        print_story(self, self.trace, self.story, full=self.content)
        for path in self.trace.files:
            self.labelled("record", [store.near(path)], dot, QUIET)
