"""How a graph's tasks run and end: retried, in parallel, cancelled, in threads. For all versions."""

import asyncio
import importlib.util
import inspect
import operator
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

import spanloom
from spanloom.types import RetryEvent, Span, StateTransition

from .conftest import Recorded

ATTEMPTS = {
    "retry_policy" if "retry_policy" in inspect.signature(StateGraph.add_node).parameters
    else "retry": RetryPolicy(initial_interval=0.01, jitter=False),
}  # fmt: skip
TELLS_OF_PAUSES = importlib.util.find_spec("langgraph.callbacks") is not None
"""Of those that no node asks for."""


class State(TypedDict):
    seen: Annotated[list[Any], operator.add]


NOTHING: Any = {"seen": []}
RUNS: list[Callable[[Any], Any]] = [
    lambda made: made.invoke(NOTHING),
    lambda made: asyncio.run(made.ainvoke(NOTHING)),
]
ways = pytest.mark.parametrize("run", RUNS, ids=["invoke", "ainvoke"])


def alone(name: str, node: Callable[..., Any], compiled: Any = None, **options: Any) -> Any:
    built = StateGraph(State)
    built.add_node(name, node, **options)
    built.add_edge(START, name)
    return built.compile(**(compiled or {}))


def retries(span: Span) -> list[tuple[int, str]]:
    return [(e.attempt, e.reason) for e in span.events if isinstance(e, RetryEvent)]


@ways
@pytest.mark.parametrize("failures", [2, 5])
def test_a_retry_policy_tells_of_each_attempt(
    rec: Recorded, run: Callable[[Any], Any], failures: int
) -> None:
    left = failures

    def flaky(_state: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise ConnectionError("not yet")
        return {"seen": ["it"]}

    made = alone("flaky", flaky, **ATTEMPTS)
    if failures == 2:
        run(made)
    else:
        with pytest.raises(ConnectionError):
            run(made)
    (root,) = rec.spans(kind="workflow")
    tried = rec.spans(name="flaky")
    assert {s.parent_id for s in tried} == {root.span_id}
    last = "ok" if failures == 2 else "error"
    assert [s.status for s in tried] == ["error", "error", last]
    assert retries(root) == [(2, "ConnectionError"), (3, "ConnectionError")]
    assert root.status == last
    rec.nothing_open()


@ways
def test_map_and_reduce(rec: Recorded, run: Callable[[Any], Any]) -> None:
    built = StateGraph(State)
    built.add_node("split", lambda _: NOTHING)
    built.add_node("work", lambda given: {"seen": [given["number"]]})
    built.add_node("join", lambda state: {"seen": [sum(state["seen"])]})
    built.add_edge(START, "split")
    built.add_conditional_edges(
        "split", lambda _: [Send("work", {"number": n}) for n in range(3)], ["work"]
    )
    built.add_edge("work", "join")
    assert sorted(run(built.compile())["seen"]) == [0, 1, 2, 3]
    root = rec.one(kind="workflow")
    split, join, work = rec.one(name="split"), rec.one(name="join"), rec.spans(name="work")
    assert {s.parent_id for s in (split, join, *work)} == {root.span_id}
    (went,) = [e for e in split.events if isinstance(e, StateTransition)]
    assert went.goto == ("work", "work", "work")
    assert sorted(s.detail.input["number"] for s in work) == [0, 1, 2]  # type: ignore[union-attr]
    assert all(s.start_ns <= join.start_ns for s in work)


def test_the_functional_interface_pauses_and_goes_on(rec: Recorded) -> None:
    @task
    def double(x: int) -> int:
        return 2 * x

    @entrypoint(checkpointer=MemorySaver())
    def flow(x: int) -> int:
        return double(x).result() + int(interrupt("How many more?"))

    config: Any = {"configurable": {"thread_id": "t-1"}}
    flow.invoke(3, config)
    assert {s.name: s.ended_by for s in rec.spans()} == {
        "LangGraph": "interrupt", "flow": "interrupt", "double": None,
    }  # fmt: skip
    assert rec.one(name="double").parent_id == rec.one(name="flow").span_id
    paused = rec.one(name="flow")
    rec.clear()
    assert flow.invoke(Command(resume=4), config) == 10
    assert [(s.name, [k.span_id for k in s.links]) for s in rec.spans()] == [
        ("LangGraph", [paused.span_id]), ("flow", [paused.span_id]),
    ]  # fmt: skip


def test_async_tasks_of_the_functional_interface(rec: Recorded) -> None:
    @task
    async def double(x: int) -> int:
        return 2 * x

    @entrypoint()
    async def flow(x: int) -> int:
        return sum(await asyncio.gather(double(x), double(x + 1)))

    assert asyncio.run(flow.ainvoke(3)) == 14
    assert rec.tree() == [
        "workflow LangGraph", "  task flow", "    task double", "    task double",
    ]  # fmt: skip


def test_a_pause_before_a_node(rec: Recorded) -> None:
    compiled = {"checkpointer": MemorySaver(), "interrupt_before": ["node"]}
    made = alone("node", lambda _: NOTHING, compiled)
    config: Any = {"configurable": {"thread_id": "t-1"}}
    made.invoke(NOTHING, config)
    root = rec.one()
    rec.clear()
    made.invoke(None, config)
    again, node = rec.spans()
    assert node.name == "node"
    if TELLS_OF_PAUSES:
        assert (root.ended_by, [k.span_id for k in again.links]) == ("interrupt", [root.span_id])
    else:  # the thread alone joins the two
        assert (root.ended_by, again.links) == (None, ())
    assert again.session == root.session


@pytest.mark.parametrize("how", ["task", "wait_for", "stream"])
async def test_a_cancelled_graph(rec: Recorded, how: str) -> None:
    begun = asyncio.Event()

    async def hangs(_state: Any) -> Any:
        begun.set()
        await asyncio.sleep(30)

    made = alone("hangs", hangs)
    if how == "wait_for":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.ainvoke(NOTHING), 0.1)
    else:
        stream = made.astream(NOTHING)
        asked = asyncio.ensure_future(made.ainvoke(NOTHING) if how == "task" else anext(stream))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await stream.aclose()
    assert spanloom.current_span() is None
    with spanloom.span("after"):
        pass
    root, node = rec.one(kind="workflow"), rec.one(name="hangs")
    assert (root.status, node.status) == ("cancelled", "cancelled")
    assert (root.error, node.error) == (None, None)
    assert rec.one(name="after").parent_id is None
    rec.nothing_open()


async def test_a_step_that_takes_too_long(rec: Recorded) -> None:
    async def hangs(_state: Any) -> Any:
        await asyncio.sleep(30)

    made = alone("hangs", hangs)
    made.step_timeout = 0.1
    with pytest.raises(TimeoutError):
        await made.ainvoke(NOTHING)
    assert [s.status for s in rec.spans()] == ["timeout", "cancelled"]
    rec.nothing_open()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_runs_beside_a_failing_node(rec: Recorded, asynchronous: bool) -> None:
    def fails(_state: Any) -> Any:
        raise KeyError("gone")

    def slow(_state: Any) -> Any:
        time.sleep(0.2)
        return NOTHING

    async def aslow(_state: Any) -> Any:
        await asyncio.sleep(30)

    built = StateGraph(State)
    built.add_node("fails", fails)
    built.add_node("slow", aslow if asynchronous else slow)
    built.add_edge(START, "fails")
    built.add_edge(START, "slow")
    made = built.compile()
    with pytest.raises(KeyError):
        RUNS[asynchronous](made)
    found = {s.name: s.status for s in rec.spans()}
    beside = "cancelled" if asynchronous else "ok"
    assert found == {"LangGraph": "error", "fails": "error", "slow": beside}
    rec.nothing_open()


def test_a_batch_of_graphs_is_a_trace_for_each(rec: Recorded) -> None:
    made = alone("node", lambda _: NOTHING)
    made.batch([NOTHING, NOTHING])
    asyncio.run(made.abatch([NOTHING, NOTHING]))
    by_trace: dict[int, list[str]] = {}
    for span in rec.spans():
        by_trace.setdefault(span.trace_id, []).append(span.name)
    assert list(by_trace.values()) == [["LangGraph", "node"]] * 4


def test_models_asked_in_threads_that_a_tool_starts(rec: Recorded) -> None:
    """LangChain itself gives such a call no parent."""
    model = GenericFakeChatModel(messages=iter([AIMessage("x")] * 4))

    @tool
    def threads(question: str) -> str:
        """Ask from threads."""
        raw = threading.Thread(target=model.invoke, args=(question,))
        raw.start()
        raw.join()
        with ThreadPoolExecutor() as pool:
            pool.submit(model.invoke, question).result()
        return "done"

    @tool
    async def executor(question: str) -> str:
        """Ask from an executor."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, model.invoke, question)
        await asyncio.create_task(model.ainvoke(question))
        return "done"

    made = alone("node", lambda _: {"seen": [threads.invoke({"question": "Why?"})]})
    made.invoke(NOTHING)
    asyncio.run(executor.ainvoke({"question": "Why?"}))
    above = [rec.one(name="threads").span_id] * 2 + [rec.one(name="executor").span_id] * 2
    assert [s.parent_id for s in rec.spans(kind="llm")] == above
