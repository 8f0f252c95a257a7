"""The story of a trace on a terminal: its agents in order, what they passed on, what repeated."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from spanloom.store import Linked, Loop, Passing, Step, Story, Totals, Trace
from spanloom.words import clean, duration, plural
from spanloom.words.facts import arguments

from .page import BAD, QUIET, STATE, Page, in_out, known_cost

_SHOWN = 40
"""Steps and handoffs; of more than that the first and the last."""
_LAST = 8
_PAYLOAD = 300
_INDENT = 8


def print_story(page: Page, trace: Trace, story: Story, *, full: bool = False) -> None:
    """Nothing for a trace without a story: one agent at most, no loop, no pause, no link.

    Args:
        page: where to.
        trace: for the sums by agent.
        story: as ``store.story`` told it.
        full: everything, however long.
    """
    if len(story.steps) > 1 or story.handoffs:
        page.line()
        _Agents(page, trace, story, full).show()
    for loop in story.loops:
        page.labelled("LOOP", [_loop(loop, page)], "", "bold yellow")
    for pause in story.pauses:
        went_on = (
            f"resumed in trace {', '.join(id[:12] for id in pause.resumed_in)}"
            if pause.resumed_in
            else "not resumed so far"
        )
        page.labelled("PAUSED", [f"at {clean(pause.at)}, {went_on}"], "", "bold")
    for link in _others(story.linked):
        page.labelled("linked", [_linked(link)], "", "")


class _Agents:
    def __init__(self, page: Page, trace: Trace, story: Story, full: bool) -> None:
        self.page, self.trace, self.story, self.full = page, trace, story, full
        self.names = {step.span_id: self._name(step) for step in story.steps}
        figures = [self._figures(step) for step in story.steps]
        self.figures = dict(zip(self.names, figures, strict=True))
        self.widths = [max((cell_len(f[i]) for f in figures), default=0) for i in range(3)]
        taken = _INDENT + 3 + sum(self.widths) + 3
        longest = max(map(cell_len, self.names.values()), default=0)
        self.room = max(min(longest, page.width - taken - 16), 12)

    def show(self) -> None:
        items: list[Step | Passing] = sorted(
            [*self.story.steps, *self.story.handoffs],
            key=lambda item: (item.start_ns, isinstance(item, Step)),
        )
        left_out = 0 if self.full else max(len(items) - _SHOWN, 0)
        numbers = {step.span_id: n for n, step in enumerate(self.story.steps, 1)}
        cut = range(_SHOWN - _LAST, _SHOWN - _LAST + left_out)
        self.label = "agents"
        for at, item in enumerate(items):
            if at in cut:
                if at == cut[0]:
                    self._line(Text(f"({left_out} more; all of them: --content or --json)", QUIET))
            elif isinstance(item, Step):
                self._step(item, numbers[item.span_id])
            else:
                self._passing(item)
        self._sums()

    def _line(self, text: Text) -> None:
        label, self.label = self.label, ""
        line = Text(label.ljust(_INDENT), QUIET).append_text(text)
        line.rstrip()
        self.page.line(line)

    def _name(self, step: Step) -> str:
        role = f" ({clean(step.role)})" if step.role else ""
        return "  " * min(step.depth, 5) + clean(step.agent) + role

    def _figures(self, step: Step) -> tuple[str, str, str]:
        return (
            duration(step.duration_ns),
            in_out(step.totals, self.page.glyphs),
            known_cost(step.totals),
        )

    def _step(self, step: Step, number: int) -> None:
        line = Text(f"{number:>2} ", QUIET)
        name = self.page.cut(self.names[step.span_id], self.room)
        line.append(name, "bold cyan").append(" " * (self.room - cell_len(name)))
        for text, width in zip(self.figures[step.span_id], self.widths, strict=True):
            line.append(" " * (width + 1 - cell_len(text)) + text)
        line.append("  ")
        state = (
            STATE[step.open] if step.open else step.status.upper() if step.status != "ok" else ""
        )
        if state:
            line.append(state, BAD if step.status in ("error", "timeout") else "yellow").append(" ")
        words = [*_work(step.totals, step.tools, step.errors)]
        first, *rest = self.page.flow(
            words,
            self.page.width - _INDENT - 6,
            first=self.page.width - _INDENT - line.cell_len,
        ) or [""]
        self._line(line.append(first, QUIET))
        for text in rest:
            self._line(Text(f"      {text}", QUIET))

    def _passing(self, item: Passing) -> None:
        arrow = self.page.glyphs.arrow
        head = f"{clean(item.source or '?')} {arrow} {clean(item.target or '?')}"
        bad = item.outcome in ("refused", "failed")
        if bad:
            head += f" {(item.outcome or '').upper()}"
        if item.mechanism:
            head += f" by {clean(item.mechanism.replace('_', ' '))}"
        words = [head]
        if item.reason:
            words.append(f'"{clean(item.reason)}"')
        if item.payload not in (None, "", {}, []):
            given = item.payload if isinstance(item.payload, str) else arguments(item.payload)
            words.append(f"passed on: {self._short(clean(given))}")
        text = ", ".join(words)
        if control := _control(item):
            text += f"; {control}"
        for number, wrapped in enumerate(self.page.wrap(text, self.page.width - _INDENT - 13)):
            lead = "   handoff " if number == 0 else " " * 11
            self._line(Text(lead, QUIET).append(wrapped, BAD if bad else "green"))

    def _short(self, text: str) -> str:
        return text if self.full else self.page.cut(text, _PAYLOAD)

    def _sums(self) -> None:
        """For agents that ran more than once: what they took in all."""
        runs: dict[str, list[Step]] = {}
        for step in self.story.steps:
            runs.setdefault(step.agent, []).append(step)
        shares = {share.agent: share.totals for share in self.trace.agents}
        self.label = "in all"
        for agent, steps in runs.items():
            if len(steps) == 1:
                continue
            totals = shares.get(agent, Totals())
            words = [
                plural(len(steps), "run"),
                duration(sum(step.duration_ns or 0 for step in steps)),
                in_out(totals, self.page.glyphs),
                known_cost(totals),
                *_work(totals, sum(s.tools for s in steps), sum(s.errors for s in steps)),
            ]
            name = self.page.cut(clean(agent), 30)
            text = f"{name}: {', '.join(word for word in words if word)}"
            for wrapped in self.page.wrap(text, self.page.width - _INDENT):
                self._line(Text(wrapped))


def _work(totals: Totals, tools: int, errors: int) -> Iterator[str]:
    yield plural(totals.model_calls, "call") if totals.model_calls else "no call"
    if tools:
        yield plural(tools, "tool")
    if errors:
        yield plural(errors, "error")


def _control(item: Passing) -> str:
    """Whether control came back: as it went, beside what was said of it."""
    source, target = clean(item.source or "it"), clean(item.target or "it")
    if item.outcome in ("refused", "failed"):
        return f"control stayed with {source}"
    if item.returned:
        return f"control returned to {source}"
    if item.returns_control:
        return f"control was to return to {source}" if item.returned is False else "control returns"
    if item.returned is False or item.returns_control is False:
        return f"control stayed with {target}"
    return ""


def _loop(loop: Loop, page: Page) -> str:
    if loop.kind == "tool":
        given = page.cut(arguments(loop.arguments), 120)
        by = f" by {clean(loop.agent)}" if loop.agent else ""
        name = clean(loop.names[0])
        return f"{name}({given}) was called {loop.times} times with the same arguments{by}"
    arrow = f" {page.glyphs.arrow} "
    return f"{arrow.join(map(clean, loop.names))}{arrow}... went round {loop.times} times"


def _others(linked: Sequence[Linked]) -> Iterator[Linked]:
    """Without the resumes that a pause has told of."""
    return (link for link in linked if link.backward or link.reason != "resume")


def _linked(link: Linked) -> str:
    name = f" ({clean(link.name)})" if link.name else " (not in this record)"
    trace = f"trace {link.trace_id[:12]}{name}"
    at = f", {clean(link.at)}" if link.at and link.at != link.name else ""
    match link.reason, link.backward:
        case "resume", True:
            return f"resumes {trace}" + (f", paused at {clean(link.at)}" if link.at else "")
        case None, True:
            return f"to {trace}{at}"
        case None, False:
            return f"from {trace}{at}"
        case reason, backward:
            return f"{'to' if backward else 'from'} {trace}{at}: {clean(reason or '')}"
