"""The callback handler: runs become spans. On the program's thread it only keeps references.

Source: ``langchain_core.callbacks.base``. Checked with langchain-core 0.3.30 and 1.7.2.
"""

import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from spanloom.sdk import Active, Run, Runs, current, guard
from spanloom.types import Custom, RetryEvent, Session, StateTransition

from . import decisions, graphs, messages, models, pauses, steps
from .errors import classify, is_a, note
from .graphs import NOISE, Facts

if TYPE_CHECKING:  # the user imports the framework; we never do
    from langchain_core.callbacks import BaseCallbackHandler

Metadata = dict[str, Any]
NOTHING: Metadata = {}


def make_handler() -> "BaseCallbackHandler":
    """The handler's class derives from LangChain's, which must be imported by then."""
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.runnables.config import var_child_runnable_config

    recorder = Recorder(var_child_runnable_config.get)

    class SpanloomHandler(BaseCallbackHandler):
        """Named methods only: a handler that answers to any name would look like a streaming one."""

        run_inline = True  # else what it sets is not seen by the body of the run
        raise_error = True  # only under SPANLOOM_STRICT does anything come out

    def forward(name: str, method: Callable[..., None]) -> Any:
        def hear(self: Any, *args: Any, **kwargs: Any) -> None:
            try:
                method(*args, **kwargs)
            except Exception as exc:
                guard.fault(exc)

        hear.__name__ = name
        return hear

    for name in EVENTS:
        setattr(SpanloomHandler, name, forward(name, getattr(recorder, name)))
    return SpanloomHandler()


EVENTS = (
    "on_chain_start", "on_chain_end", "on_chain_error", "on_chat_model_start", "on_llm_start",
    "on_llm_new_token", "on_stream_event", "on_llm_end", "on_llm_error", "on_tool_start",
    "on_tool_end", "on_tool_error", "on_retriever_start", "on_retriever_end",
    "on_retriever_error", "on_custom_event", "on_agent_action", "on_agent_finish", "on_retry",
    "on_interrupt", "on_resume",
)  # fmt: skip


class Recorder:
    """What the events do."""

    def __init__(self, config: Callable[[], Any]) -> None:
        self.runs = Runs("langchain")
        self._config = config
        """The config of the run in whose body the caller is, if any."""

    # -- chains, nodes, graphs, agents ---------------------------------------------------------

    def on_chain_start(
        self,
        serialized: Any,
        inputs: Any,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: list[str] | None = None,
        metadata: Metadata | None = None,
        name: str | None = None,
        run_type: str | None = None,
        **_more: Any,
    ) -> None:
        metadata = metadata or NOTHING
        name = name or _name(serialized, "chain")
        over = self.runs.find(parent_run_id)
        above: Facts | None = over.facts if over is not None else None
        facts = Facts(name, metadata, above)
        step, stepped = _step(tags)
        if name == "__start__" or name.startswith(NOISE):
            self.runs.skip(run_id, parent_run_id, facts)
            return
        if above is not None and above.ns is not None and above.ns == facts.ns:
            if above.name == "__start__" or (above.is_node and step > 1 and serialized is None
                                             and run_type is None):  # fmt: skip
                facts.routing = True
                self.runs.skip(run_id, parent_run_id, facts)
                return
        facts.agent = graphs.agent_name(facts, over)
        facts.is_node = facts.node == name and facts.ns is not None and facts.ns != facts.over_ns
        facts.stepped = facts.is_node and stepped
        if facts.is_node and over is not None and not over.facts.is_graph:
            graphs.becomes_graph(over, name)
        if over is not None and self._same_work(facts, over, step):
            run = self.runs.skip(run_id, parent_run_id, facts)
            facts.joined = True
            if facts.agent is not None:
                graphs.becomes_agent(run, facts.agent)
            return
        if run_type == "llm":
            active = decisions.start(name, metadata, _held(inputs))
        else:
            active = Active(name, "task")
            active.extract, active.request = steps.chain, _held(inputs)
        active.classify = classify
        run_ = self._start(run_id, parent_run_id, active, facts, self._inside())
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
            self._tried_again(over, tags)
            if facts.is_node:  # by a retry policy
                self._again(over, facts.ns)

    def _same_work(self, facts: Facts, over: Run, step: int) -> bool:
        """A graph or agent that is all there is to a node: the node's span is its span."""
        above: Facts = over.facts
        if facts.is_node or facts.ns is None or facts.ns != above.ns:
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

    def on_chain_end(self, outputs: Any, *, run_id: Any, **_more: Any) -> None:
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
        self.runs.end(run_id, _held(outputs))

    def _routed(self, run: Run, goto: tuple[str, ...]) -> None:
        over = run.over
        if over is None or not goto:
            return
        if over.facts.is_node:
            over.facts.goto = (*over.facts.goto, *goto)
        elif over.over is not None and (span := over.over.span) is not None:
            span.add_event(StateTransition(time_ns=span.now_ns(), node=over.facts.name, goto=goto))

    def on_chain_error(self, error: BaseException, *, run_id: Any, **_more: Any) -> None:
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

    def on_interrupt(self, event: Any) -> None:
        run = self.runs.find(event.run_id)
        if run is not None:
            run.facts.paused = True
            if run.facts.thread is not None and (span := run.span) is not None:
                pauses.remember(str(run.facts.thread), "", span)

    def on_resume(self, event: Any) -> None:
        run = self.runs.find(event.run_id)
        if run is not None and run.facts.resumes is None and run.over is None:
            if run.facts.thread is not None and run.active is not None:
                self._resume(run.active, run.facts)

    # -- models ----------------------------------------------------------------------------------

    def on_chat_model_start(
        self, serialized: Any, batch: list[list[Any]], *, run_id: Any, **about: Any
    ) -> None:
        kept = [messages.keep(m) for m in batch[0]] if batch else []
        self._model(serialized, run_id, "chat", kept, None, about)

    def on_llm_start(
        self, serialized: Any, prompts: list[str], *, run_id: Any, **about: Any
    ) -> None:
        self._model(serialized, run_id, "text_completion", [], prompts[0] if prompts else "", about)

    def _model(
        self,
        serialized: Any,
        run_id: Any,
        operation: str,
        kept: list[messages.Kept],
        prompt: str | None,
        about: dict[str, Any],
    ) -> None:
        metadata: Metadata = about.get("metadata") or NOTHING
        parent_run_id = about.get("parent_run_id")
        params = about.get("invocation_params") or NOTHING
        model = models.model_of(metadata, params)
        over = self.runs.find(parent_run_id)
        name = about.get("name") or _name(serialized, "model")
        verb = operation if operation == "chat" else "text_completion"
        active = Active(f"{verb} {model}" if model else name, "llm")
        asked = models.Asked(
            run_id=run_id, operation=operation, metadata=metadata, params=dict(params),
            messages=kept, prompt=prompt,
        )  # fmt: skip
        active.extract, active.request, active.classify = models.extract, asked, classify
        active.weight += messages.weight(kept) + len(prompt or "")
        facts = Facts(name, metadata, over.facts if over is not None else None)
        facts.arguments = model
        active.ends_with_inner = True
        if over is not None:
            asked.fallback_from = self._fell_back(over)
            self._tried_again(over, about.get("tags"))
            if over.facts.is_node and over.facts.created:  # by the middleware of an agent
                facts.again_as = model or name
                self._again(over, facts.again_as)
                if (tried := over.facts.failed) and facts.again_as not in tried:
                    asked.fallback_from = next(reversed(tried))
        batch = about.get("batch_size") or 1
        beside = self._beside(batch, over)
        run = self._start(run_id, parent_run_id, active, facts, asked.unread.__len__, beside)
        if run is not None and batch > 1:
            together = beside.together if beside is not None else None
            active.together = together if together is not None else []
            active.together.append(active)

    def _beside(self, batch: int, over: Run | None) -> Active | None:
        """With several prompts at once all runs start before the first call is made."""
        if batch < 2:
            return None
        now = current()
        if now is None or now.together is None or len(now.together) >= batch:
            return None
        return now

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

    def _fell_back(self, over: Run) -> str | None:
        for depth, run in enumerate(over.upward()):
            if run.facts.name == "RunnableWithFallbacks":
                failed: str | None = run.facts.failed_model
                return failed
            if depth == 3:
                break
        return None

    def on_llm_new_token(self, token: Any, *, run_id: Any, chunk: Any = None, **_more: Any) -> None:
        run = self.runs.find(run_id)
        if run is None or run.active is None:
            return
        message = getattr(chunk, "message", None)
        self._chunk(run.active, bool(token) or bool(getattr(message, "tool_call_chunks", None)))

    def on_stream_event(self, event: Any, *, run_id: Any, **_more: Any) -> None:
        run = self.runs.find(run_id)
        if run is not None and run.active is not None:
            kind = event.get("event") if isinstance(event, dict) else None
            self._chunk(run.active, kind == "content-block-delta")
            run.active.left_with_inner = True  # of this kind of stream no end is told then

    def _chunk(self, active: Active, content: bool) -> None:
        asked: models.Asked = active.request
        if asked.marks is None:
            asked.marks = models.Marks()
            asked.unread.clear()  # from here on, what happens between the items is the consumer's
        if content:
            asked.marks.see()

    def on_llm_end(self, response: Any, *, run_id: Any, **_more: Any) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        if run.active is not None:
            run.active.together = None
        self.runs.end(run_id, models.keep_generations(response))

    def on_llm_error(
        self, error: BaseException, *, run_id: Any, response: Any = None, **_more: Any
    ) -> None:
        run = self.runs.find(run_id)
        if run is None or (active := run.active) is None:
            return
        active.together = None
        if response is not None and active.request.marks is not None:
            active.request.partial = models.keep_generations(response)
            active.complete = False
        for depth, above in enumerate(run.upward()):
            if above.facts.name == "RunnableWithFallbacks":
                above.facts.failed_model = run.facts.arguments or run.facts.name
            if depth == 4:
                break
        self._fail(run, error)

    # -- tools -----------------------------------------------------------------------------------

    def on_tool_start(
        self,
        serialized: Any,
        input_str: str,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        metadata: Metadata | None = None,
        name: str | None = None,
        inputs: Any = None,
        tool_call_id: str | None = None,
        tags: list[str] | None = None,
        **_more: Any,
    ) -> None:
        metadata = metadata or NOTHING
        name = name or _name(serialized, "tool")
        over = self.runs.find(parent_run_id)
        facts = Facts(name, metadata, over.facts if over is not None else None)
        facts.declared = graphs.DESTINATION in metadata
        facts.requested = graphs.requested_of(name, metadata)
        facts.arguments = inputs
        active = Active(name, "tool")
        given = dict(inputs) if type(inputs) is dict else input_str
        about = serialized.get("description") if isinstance(serialized, dict) else None
        active.request = (name, about, given, tool_call_id)
        active.extract, active.classify = steps.tool, classify
        active.weight += len(input_str)
        facts.again_as = tool_call_id
        if over is not None:
            self._tried_again(over, tags)
            self._again(over, tool_call_id)
        self._start(run_id, parent_run_id, active, facts, None)

    def on_tool_end(self, output: Any, *, run_id: Any, **_more: Any) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        given = steps.arguments(run.facts.arguments)
        given = given if isinstance(given, dict) else None
        graphs.handed_over(run, output, given)
        self.runs.end(run_id, output)

    def on_tool_error(self, error: BaseException, *, run_id: Any, **_more: Any) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        if not is_a(error, "GraphBubbleUp"):
            graphs.handoff_failed(run)
        self._fail(run, error)

    # -- retrievers ------------------------------------------------------------------------------

    def on_retriever_start(
        self,
        serialized: Any,
        query: str,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        metadata: Metadata | None = None,
        name: str | None = None,
        **_more: Any,
    ) -> None:
        metadata = metadata or NOTHING
        over = self.runs.find(parent_run_id)
        name = name or _name(serialized, "retriever")
        active = Active(name, "retrieval")
        params = _more.get("search_kwargs")
        active.request = (query, metadata, params if isinstance(params, dict) else NOTHING)
        active.extract, active.classify = steps.retrieval, classify
        facts = Facts(name, metadata, over.facts if over is not None else None)
        self._start(run_id, parent_run_id, active, facts, None)

    def on_retriever_end(self, documents: Any, *, run_id: Any, **_more: Any) -> None:
        self.runs.end(run_id, list(documents) if documents is not None else None)

    def on_retriever_error(self, error: BaseException, *, run_id: Any, **_more: Any) -> None:
        run = self.runs.find(run_id)
        if run is not None:
            self._fail(run, error)

    # -- point events ----------------------------------------------------------------------------

    def on_custom_event(self, name: str, data: Any, *, run_id: Any, **_more: Any) -> None:
        self._event(run_id, name, data if isinstance(data, dict) else {"data": data})

    def on_agent_action(self, action: Any, *, run_id: Any, **_more: Any) -> None:
        told = {n: getattr(action, n, None) for n in ("tool", "tool_input", "log")}
        self._agent_event(run_id, "agent action", told)

    def on_agent_finish(self, finish: Any, *, run_id: Any, **_more: Any) -> None:
        told = {n: getattr(finish, n, None) for n in ("return_values", "log")}
        self._agent_event(run_id, "agent finish", told)

    def _agent_event(self, run_id: Any, name: str, told: dict[str, Any]) -> None:
        run = self.runs.find(run_id)
        if run is not None and run.active is not None and run.active.kind == "task":
            graphs.becomes_agent(run, run.facts.name)  # an AgentExecutor, as only this tells
        self._event(run_id, name, told)

    def _event(self, run_id: Any, name: str, attributes: dict[str, Any]) -> None:
        run = self.runs.find(run_id)
        if run is not None and (span := run.span) is not None:
            span.add_event(
                Custom(time_ns=span.now_ns(), name=str(name), attributes=dict(attributes))
            )

    def on_retry(self, retry_state: Any, *, run_id: Any, **_more: Any) -> None:
        run = self.runs.find(run_id)
        if run is not None and (span := run.span) is not None:
            outcome = getattr(retry_state, "outcome", None)
            error = outcome.exception() if outcome is not None and outcome.done() else None
            action = getattr(retry_state, "next_action", None)
            span.add_event(
                RetryEvent(
                    time_ns=span.now_ns(),
                    attempt=retry_state.attempt_number,
                    reason=type(error).__name__ if error is not None else "unknown",
                    delay_s=getattr(action, "sleep", None),
                )
            )

    def _tried_again(self, over: Run, tags: list[str] | None) -> None:
        """``with_retry`` starts the same run again, with the number of the attempt as a tag."""
        for tag in tags or ():
            if tag.startswith("retry:attempt:") and (span := over.span) is not None:
                span.add_event(
                    RetryEvent(
                        time_ns=span.now_ns(),
                        attempt=int(tag.rpartition(":")[2]),
                        reason=over.facts.last_error or "unknown",
                    )
                )

    def _again(self, over: Run, what: str | None) -> None:
        """What failed in the run ``over`` is started there again."""
        failed = over.facts.failed
        if failed is None or what is None or (before := failed.get(what)) is None:
            return
        if (span := over.span) is not None:
            times, reason = before
            span.add_event(RetryEvent(time_ns=span.now_ns(), attempt=times + 1, reason=reason))

    # -- common ----------------------------------------------------------------------------------

    def _start(
        self,
        run_id: Any,
        parent_run_id: Any,
        active: Active,
        facts: Facts,
        inside: Callable[[], object] | None,
        beside: Active | None = None,
    ) -> Run | None:
        session = None
        if parent_run_id is None:
            self._end_stale(active.kind == "llm")
        if facts.thread is not None:
            session = Session(id=str(facts.thread), source="framework")
        return self.runs.start(
            run_id, parent_run_id, active, facts=facts, session=session, inside=inside,
            beside=beside,
        )  # fmt: skip


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


def _name(serialized: Any, otherwise: str) -> str:
    if isinstance(serialized, dict):
        if isinstance(name := serialized.get("name"), str) and name:
            return name
        if (path := serialized.get("id")) and isinstance(path, list):
            return str(path[-1])
    return otherwise


def _step(tags: list[str] | None) -> tuple[int, bool]:
    """The number of a ``seq:step:N`` tag, or 0; and whether the run is a step of a graph."""
    number, graph = 0, False
    for tag in tags or ():
        if tag.startswith("seq:step:"):
            number = int(tag[9:])
        elif tag.startswith("graph:step:"):
            graph = True
    return number, graph


def _interrupts(passed: Any) -> Any:
    """What the program asks the person who is to resume it."""
    asked = passed if isinstance(passed, list | tuple) else ()
    return {"interrupt": [getattr(one, "value", one) for one in asked]}


def _held(value: Any) -> Any:
    """Inputs and outputs as they are now: graphs change their state in place, and so do programs."""
    if type(value) is dict:
        return {k: list(v) if type(v) is list else v for k, v in value.items()}
    if type(value) is list:
        return list(value)
    return value
