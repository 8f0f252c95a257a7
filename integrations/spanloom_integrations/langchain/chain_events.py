"""Chains, and what LangGraph makes of them: nodes, graphs, agents."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from spanloom.sdk import Active, Run
from spanloom.types import StateTransition

from . import decisions, graphs, pauses, steps
from .errors import classify, is_a
from .graphs import NOISE, Facts
from .recording import NOTHING, About, Recording, held, name_of, told_by


class ChainEvents(Recording):
    """A chain that starts is a step, a node, a graph or an agent; some only prove later what they are."""

    def on_chain_start(
        self, serialized: Any, inputs: Any, run_id: Any, over_id: Any, about: About
    ) -> None:
        metadata = about.get("metadata") or NOTHING
        name = about.get("name") or name_of(serialized, "chain")
        run_type = about.get("run_type")
        over = self.runs.find(over_id)
        above: Facts | None = over.facts if over is not None else None
        facts = Facts(name, metadata, above)
        step, stepped, attempt = told_by(about.get("tags"))
        if name == "__start__" or name.startswith(NOISE):
            self.runs.skip(run_id, over_id, facts)
            return
        if above is not None and above.ns is not None and above.ns == facts.ns:
            if above.name == "__start__" or (above.is_node and step > 1 and serialized is None
                                             and run_type is None):  # fmt: skip
                facts.routing = True
                self.runs.skip(run_id, over_id, facts)
                return
        if facts.agent_said is not None:
            facts.agent = graphs.agent_name(facts, over)
        if facts.ns is not None:
            facts.is_node = facts.node == name and facts.ns != facts.over_ns
            facts.stepped = facts.is_node and stepped
            if facts.is_node and over is not None and not over.facts.is_graph:
                graphs.becomes_graph(over, name)
        if facts.ns is not None and over is not None and self._same_work(facts, over, step):
            run = self.runs.skip(run_id, over_id, facts)
            facts.joined = True
            if facts.agent is not None:
                graphs.becomes_agent(run, facts.agent)
            return
        if run_type == "llm":
            active = decisions.start(name, metadata, held(inputs))
        else:
            active = Active(name, "task")
            active.extract, active.request = steps.chain, held(inputs)
        active.classify = classify
        run_ = self._start(run_id, over_id, active, facts, self._inside())
        if run_ is None:
            return
        if facts.agent is not None:
            graphs.becomes_agent(run_, facts.agent)
        if facts.thread is not None and over is None and pauses.is_resume(inputs):
            self._resume(active, facts)
        elif facts.is_node and facts.ns is not None:
            *_, root = run_.upward()
            if root.facts.resumes and (link := root.facts.resumes.get(facts.ns)) is not None:
                active.add_link(link.trace_id, link.span_id, link.reason)
        if over is not None:
            if attempt:
                self._tried_again(over, attempt)
            if facts.is_node:  # by a retry policy
                self._again(over, facts.ns)

    def _same_work(self, facts: Facts, over: Run, step: int) -> bool:
        """A graph or agent that is all there is to a node: the node's span is its span."""
        above: Facts = over.facts
        if facts.is_node or facts.ns != above.ns:
            return False
        if above.is_node and step == 1 and facts.name == "call_agent":
            return True  # langgraph-supervisor's own wrapper around a worker
        through = above.joined and above.name == "call_agent"
        if not (above.is_node and step == 1) and not through:
            return False
        return facts.name in (facts.node, graphs.UNNAMED)

    def _resume(self, active: Active, facts: Facts) -> None:
        found = pauses.resumed(str(facts.thread))
        if found is None:  # it paused in another process, if at all
            active.extract = partial(steps.resumed, str(facts.thread))
            return
        facts.resumes = found
        for link in list(found.values())[:16]:
            active.add_link(link.trace_id, link.span_id, link.reason)

    def _inside(self) -> Callable[[], bool]:
        """Whether a reader is in the body of the run that starts now.

        A stream sets our context variable in the consumer's context, which is also where the run
        starts. In the body LangChain's own config is another, or it is another thread.
        """
        config, outside, thread = self._config, self._config(), threading.get_ident()

        def inside() -> bool:
            return config() is not outside or threading.get_ident() != thread

        return inside

    def on_chain_end(self, outputs: Any, run_id: Any, _over: Any, _about: About) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        facts: Facts = run.facts
        if facts.routing:
            self._routed(run, graphs.names_of(outputs))
        elif facts.stepped:
            graphs.gave_back(run, outputs)
            graphs.transition(run, outputs)
        if facts.paused and run.active is not None:
            run.active.ended_by = "interrupt"
        self.runs.end(run_id, held(outputs))

    def _routed(self, run: Run, goto: tuple[str, ...]) -> None:
        over = run.over
        if over is None or not goto:
            return
        if over.facts.is_node:
            over.facts.goto = (*over.facts.goto, *goto)
        elif over.over is not None and (span := over.over.span) is not None:
            span.add_event(StateTransition(time_ns=span.now_ns(), node=over.facts.name, goto=goto))

    def on_chain_error(self, error: BaseException, run_id: Any, _over: Any, _about: About) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        facts: Facts = run.facts
        if facts.stepped and is_a(error, "ParentCommand") and run.active is not None:
            order = error.args[0] if error.args else None
            if (
                getattr(order, "graph", None) == "__parent__"
            ):  # here it begins; above it is passed on
                was, facts.was_agent = facts.was_agent, None
                graphs.transition(run, order)
                facts.was_agent = was
        self._fail(run, error)

    def on_interrupt(self, event: Any, run_id: Any) -> None:
        run = self.runs.find(run_id)
        if run is not None:
            run.facts.paused = True
            if run.facts.thread is not None and (span := run.span) is not None:
                pauses.remember(str(run.facts.thread), "", span)

    def on_resume(self, event: Any, run_id: Any) -> None:
        run = self.runs.find(run_id)
        if run is not None and run.facts.resumes is None and run.over is None:
            if run.facts.thread is not None and run.active is not None:
                self._resume(run.active, run.facts)
