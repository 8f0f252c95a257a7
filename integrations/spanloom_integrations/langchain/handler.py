"""The callback handler: runs become spans. On the program's thread it only keeps references.

Source: ``langchain_core.callbacks.base``. Checked with langchain-core 0.3.30 and 1.8.3.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spanloom.sdk import Active, guard
from spanloom.types import Custom, RetryEvent

from . import graphs, steps
from .chain_events import ChainEvents
from .errors import classify, is_a
from .graphs import Facts
from .model_events import ModelEvents
from .recording import NOTHING, About, name_of, told_by

if TYPE_CHECKING:  # the user imports the framework; we never do
    from langchain_core.callbacks import BaseCallbackHandler


def make_handler() -> "BaseCallbackHandler":
    """The handler's class derives from LangChain's, which must be imported by then."""
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.runnables.config import var_child_runnable_config

    recorder = Recorder(var_child_runnable_config.get)

    class SpanloomHandler(BaseCallbackHandler):
        """Named methods only: a handler that answers to any name would look like a streaming one."""

        run_inline = True  # else what it sets is not seen by the body of the run
        raise_error = True  # only under SPANLOOM_STRICT does anything come out
        # properties of the base class, asked before each event
        ignore_llm = ignore_chain = ignore_agent = ignore_retriever = ignore_retry = False
        ignore_chat_model = ignore_custom_event = False

    def forward(name: str, method: Callable[..., None]) -> Any:
        whose = f"`{name}` of integration 'langchain'"

        def hear(
            self: Any, *args: Any, run_id: Any, parent_run_id: Any = None, **about: Any
        ) -> None:
            try:
                # runs go by their UUID's number, which unlike it is hashed without Python code
                id, over = getattr(run_id, "int", run_id), getattr(parent_run_id, "int", None)
                # what else is told goes on as it is: to unpack it once more would cost as much again
                method(*args, id, over or parent_run_id, about)
            except Exception as exc:
                guard.fault(exc, whose)

        def hear_of_graph(self: Any, event: Any) -> None:
            try:
                method(event, getattr(event.run_id, "int", event.run_id))
            except Exception as exc:
                guard.fault(exc, whose)

        heard = hear_of_graph if name in OF_GRAPHS else hear
        heard.__name__ = name
        return heard

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


OF_GRAPHS = ("on_interrupt", "on_resume")
"""Events of a shape of their own."""


class Recorder(ChainEvents, ModelEvents):
    """What the events do; here those of tools and retrievers, and of single moments.

    Each takes what LangChain passes by position, the run's id, that of the run above, and the rest.
    """

    def on_tool_start(
        self, serialized: Any, input_str: str, run_id: Any, over_id: Any, about: About
    ) -> None:
        metadata = about.get("metadata") or NOTHING
        name = about.get("name") or name_of(serialized, "tool")
        inputs, tool_call_id = about.get("inputs"), about.get("tool_call_id")
        over = self.runs.find(over_id)
        facts = Facts(name, metadata, over.facts if over is not None else None)
        facts.declared = graphs.DESTINATION in metadata
        facts.requested = graphs.requested_of(name, metadata)
        facts.arguments = inputs
        active = Active(name, "tool")
        given = dict(inputs) if type(inputs) is dict else input_str
        described = serialized.get("description") if isinstance(serialized, dict) else None
        active.request = (name, described, given, tool_call_id)
        active.extract, active.classify = steps.tool, classify
        active.weight += len(input_str)
        facts.again_as = tool_call_id
        if over is not None:
            if attempt := told_by(about.get("tags"))[2]:
                self._tried_again(over, attempt)
            self._again(over, tool_call_id)
        self._start(run_id, over_id, active, facts, None)

    def on_tool_end(self, output: Any, run_id: Any, _over: Any, _about: About) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        given = steps.arguments(run.facts.arguments)
        given = given if isinstance(given, dict) else None
        graphs.handed_over(run, output, given)
        self.runs.end(run_id, output)

    def on_tool_error(self, error: BaseException, run_id: Any, _over: Any, _about: About) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        if not is_a(error, "GraphBubbleUp"):
            graphs.handoff_failed(run)
        self._fail(run, error)

    def on_retriever_start(
        self, serialized: Any, query: str, run_id: Any, over_id: Any, about: About
    ) -> None:
        metadata = about.get("metadata") or NOTHING
        over = self.runs.find(over_id)
        name = about.get("name") or name_of(serialized, "retriever")
        active = Active(name, "retrieval")
        params = about.get("search_kwargs")
        active.request = (query, metadata, params if isinstance(params, dict) else NOTHING)
        active.extract, active.classify = steps.retrieval, classify
        facts = Facts(name, metadata, over.facts if over is not None else None)
        self._start(run_id, over_id, active, facts, None)

    def on_retriever_end(self, documents: Any, run_id: Any, _over: Any, _about: About) -> None:
        self.runs.end(run_id, list(documents) if documents is not None else None)

    def on_retriever_error(
        self, error: BaseException, run_id: Any, _over: Any, _about: About
    ) -> None:
        run = self.runs.find(run_id)
        if run is not None:
            self._fail(run, error)

    def on_custom_event(self, name: str, data: Any, run_id: Any, _over: Any, _about: About) -> None:
        self._event(run_id, name, data if isinstance(data, dict) else {"data": data})

    def on_agent_action(self, action: Any, run_id: Any, _over: Any, _about: About) -> None:
        told = {n: getattr(action, n, None) for n in ("tool", "tool_input", "log")}
        self._agent_event(run_id, "agent action", told)

    def on_agent_finish(self, finish: Any, run_id: Any, _over: Any, _about: About) -> None:
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

    def on_retry(self, retry_state: Any, run_id: Any, _over: Any, _about: About) -> None:
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
