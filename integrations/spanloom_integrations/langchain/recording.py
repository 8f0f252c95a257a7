"""What all the events share: the table of runs, how a run starts, fails, is tried again."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from spanloom.sdk import Active, Run, Runs, current
from spanloom.types import RetryEvent, Session

from . import graphs, models, pauses
from .errors import is_a, note
from .graphs import Facts

Metadata = dict[str, Any]
About = dict[str, Any]
"""What LangChain tells of an event by name."""
NOTHING: Metadata = {}


class Recording:
    """The open runs."""

    def __init__(self, config: Callable[[], Any]) -> None:
        self.runs = Runs("langchain")
        self._config = config
        """The config of the run in whose body the caller is, if any."""

    def _start(
        self,
        run_id: Any,
        over_id: Any,
        active: Active,
        facts: Facts,
        inside: Callable[[], object] | None,
        beside: Active | None = None,
    ) -> Run | None:
        session = None
        if over_id is None:
            self._end_stale(active.kind == "llm")
        if facts.thread is not None:
            session = Session(id=str(facts.thread), source="framework")
        return self.runs.start(
            run_id, over_id, active, facts=facts, session=session, inside=inside,
            beside=beside,
        )  # fmt: skip

    def _end_stale(self, starting: bool) -> None:
        """A cancelled ``ainvoke`` gets no end, and leaves its span as the current one of its task.

        What comes next there is not inside it, unless LangChain's own frames say so: a model may ask
        another model. ``starting``: the run that starts is a model's, too.
        """
        now = current()
        if now is None or now.kind != "llm" or now.integration != self.runs.integration:
            return
        if now.together is not None or _models_on_stack() > starting:
            return
        asked = now.request
        if isinstance(asked, models.Asked) and (run := self.runs.find(asked.run_id)) is not None:
            self.runs.abandon(run)

    def _fail(self, run: Run, error: BaseException) -> None:
        active = run.active
        if is_a(error, "GraphBubbleUp"):
            interrupted = is_a(error, "GraphInterrupt")
            passed = error.args[0] if error.args else None
            if active is not None:
                active.ended_by = "interrupt" if interrupted else "handoff"
                active.response = _interrupts(passed) if interrupted else passed
            if interrupted:
                self._paused(run)
        elif active is not None and isinstance(error, GeneratorExit):
            active.complete = False
        elif isinstance(error, Exception) and run.over is not None:
            what = run.facts.ns if run.facts.is_node else run.facts.again_as
            if what is not None:
                graphs.failed(run.over.facts, what, error)
        if run.over is not None:
            run.over.facts.last_error = type(error).__name__
        self.runs.end(run.id, None, error, note(error))

    def _paused(self, run: Run) -> None:
        facts: Facts = run.facts
        if not facts.is_node:
            return
        if run.over is not None:
            run.over.facts.paused = True
        if facts.thread is not None and facts.ns is not None and run.active is not None:
            pauses.remember(str(facts.thread), facts.ns, run.active)

    def _tried_again(self, over: Run, attempt: int) -> None:
        """``with_retry`` starts the same run again, with the number of the attempt as a tag."""
        if (span := over.span) is not None:
            reason = over.facts.last_error or "unknown"
            span.add_event(RetryEvent(time_ns=span.now_ns(), attempt=attempt, reason=reason))

    def _again(self, over: Run, what: str | None) -> None:
        """What failed in the run ``over`` is started there again."""
        failed = over.facts.failed
        if failed is None or what is None or (before := failed.get(what)) is None:
            return
        if (span := over.span) is not None:
            times, reason = before
            span.add_event(RetryEvent(time_ns=span.now_ns(), attempt=times + 1, reason=reason))


_CALLS = frozenset({"generate", "agenerate", "stream", "astream"})


def _models_on_stack() -> int:
    """How many models are at work in this thread or task."""
    found = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if code.co_name in _CALLS and "language_models" in code.co_filename:
            found += 1
        frame = frame.f_back
    return found


def _interrupts(passed: Any) -> Any:
    """What the program asks the person who is to resume it."""
    asked = passed if isinstance(passed, list | tuple) else ()
    return {"interrupt": [getattr(one, "value", one) for one in asked]}


def name_of(serialized: Any, otherwise: str) -> str:
    if isinstance(serialized, dict):
        if isinstance(name := serialized.get("name"), str) and name:
            return name
        if (path := serialized.get("id")) and isinstance(path, list):
            return str(path[-1])
    return otherwise


def held(value: Any) -> Any:
    """Inputs and outputs as they are now: graphs change their state in place, and so do programs."""
    if type(value) is dict:
        return {k: list(v) if type(v) is list else v for k, v in value.items()}
    if type(value) is list:
        return list(value)
    return value


def told_by(tags: list[str] | None) -> tuple[int, bool, int]:
    """The number of a sequence's step, or 0; whether it is a graph's; the number of the attempt, or 0."""
    step, graph, attempt = 0, False, 0
    for tag in tags or ():
        if tag.startswith("seq:step:"):
            step = int(tag[9:])
        elif tag.startswith("graph:step:"):
            graph = True
        elif tag.startswith("retry:attempt:"):
            attempt = int(tag[14:])
    return step, graph, attempt
