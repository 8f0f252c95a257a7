"""``create_agent`` with middleware, and every way of streaming it."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import spanloom
from spanloom.testing import Chat, Error, FakeProvider, Hang, Tokens, ToolCall
from spanloom.types import LLMCall, RetryEvent, Span

from ..conftest import Recorded

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

ASK: Any = {"messages": "1+2 and 3+4?"}
ADDS = Chat(
    tool_calls=(
        ToolCall("add", {"a": 1, "b": 2}, id="c-1"), ToolCall("add", {"a": 3, "b": 4}, id="c-2"),
    ),
    usage=Tokens(9, 3),
)  # fmt: skip
SAID = Chat(text="Done.", usage=Tokens(9, 3))
TREE = [
    "agent calc",
    "  task model", "    llm chat gpt-4o-mini",
    "  task tools", "    tool add",
    "  task tools", "    tool add",
    "  task model", "    llm chat gpt-4o-mini",
]  # fmt: skip


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def retries(span: Span) -> list[tuple[int, str]]:
    return [(e.attempt, e.reason) for e in span.events if isinstance(e, RetryEvent)]


# -- middleware ----------------------------------------------------------------------------------


class Around(AgentMiddleware[Any, Any, Any]):
    def before_model(self, state: Any, runtime: Any) -> None:
        return None

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        with spanloom.span("around the model"):
            return handler(request)

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        with spanloom.span("around the model"):
            return await handler(request)

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        return handler(request)

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        return await handler(request)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_middleware_is_part_of_the_tree(
    rec: Recorded, provider: FakeProvider, chat: Any, asynchronous: bool
) -> None:
    provider.script([SAID])
    agent: Any = create_agent(chat(), [add], name="calc", middleware=[Around()])
    asyncio.run(agent.ainvoke(ASK)) if asynchronous else agent.invoke(ASK)
    assert rec.tree() == [
        "agent calc",
        "  task Around.before_model",
        "  task model", "    task around the model", "      llm chat gpt-4o-mini",
    ]  # fmt: skip
    rec.nothing_open()


def test_a_model_that_is_asked_again(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([Error(500), Error(429), SAID])
    again: Any = ModelRetryMiddleware(max_retries=2, initial_delay=0.01)
    agent: Any = create_agent(chat(), [add], name="calc", middleware=[again])
    agent.invoke(ASK)
    assert [s.status for s in rec.spans(kind="llm")] == ["error", "error", "ok"]
    assert [number for number, _ in retries(rec.one(name="model"))] == [2, 3]
    assert retries(rec.one(name="model"))[1][1].endswith("RateLimitError")


def test_a_model_that_another_stands_in_for(
    rec: Recorded, provider: FakeProvider, chat: Any
) -> None:
    provider.script([Error(500), SAID])
    other: Any = ModelFallbackMiddleware(chat(model="gpt-4o"))
    agent: Any = create_agent(chat(), [add], name="calc", middleware=[other])
    agent.invoke(ASK)
    first, second = (s.detail for s in rec.spans(kind="llm"))
    assert isinstance(first, LLMCall) and isinstance(second, LLMCall)
    assert first.fallback_from is None
    assert (second.fallback_from, second.fallback_to) == ("gpt-4o-mini", "gpt-4o")
    assert retries(rec.one(name="model")) == []


def test_a_tool_that_is_called_again(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    left = [ConnectionError("not yet")]

    @tool
    def fetch(what: str) -> str:
        """Fetch."""
        if left:
            raise left.pop()
        return what

    provider.script([Chat(tool_calls=(ToolCall("fetch", {"what": "it"}, id="c-1"),)), SAID])
    again: Any = ToolRetryMiddleware(max_retries=2, initial_delay=0.01)
    agent: Any = create_agent(chat(), [fetch], name="calc", middleware=[again])
    agent.invoke(ASK)
    assert [s.status for s in rec.spans(kind="tool")] == ["error", "ok"]
    assert retries(rec.one(name="tools")) == [(2, "ConnectionError")]


def test_a_person_approves_a_tool(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([Chat(tool_calls=(ToolCall("add", {"a": 1, "b": 2}, id="c-1"),)), SAID])
    asks: Any = HumanInTheLoopMiddleware(interrupt_on={"add": True})
    agent: Any = create_agent(
        chat(), [add], name="calc", middleware=[asks], checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "t-1"}}
    agent.invoke(ASK, config)
    paused = rec.one(name="HumanInTheLoopMiddleware.after_model")
    assert (paused.status, paused.ended_by) == ("ok", "interrupt")
    assert rec.one(kind="agent").ended_by == "interrupt"
    rec.clear()
    agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    assert [k.span_id for k in rec.one(kind="agent").links] == [paused.span_id]
    assert rec.one(kind="tool").detail.call_id == "c-1"  # type: ignore[union-attr]


# -- streams -------------------------------------------------------------------------------------


async def aevents(agent: Any, version: str) -> list[Any]:
    stream = agent.astream_events(ASK, version=version)
    return [event async for event in (await stream if asyncio.iscoroutine(stream) else stream)]


STREAMS: dict[str, Callable[[Any], Any]] = {
    "messages": lambda agent: list(agent.stream(ASK, stream_mode="messages")),
    "tools": lambda agent: list(agent.stream(ASK, stream_mode="tools")),
    "several": lambda agent: list(agent.stream(ASK, stream_mode=["values", "updates"])),
    "events v3": lambda agent: list(agent.stream_events(ASK, version="v3")),
    "aevents v2": lambda agent: asyncio.run(aevents(agent, "v2")),
    "aevents v3": lambda agent: asyncio.run(aevents(agent, "v3")),
}
read = pytest.mark.parametrize("read", STREAMS.values(), ids=list(STREAMS))


@read
def test_every_stream_is_the_same_tree(
    rec: Recorded, provider: FakeProvider, chat: Any, read: Callable[[Any], Any]
) -> None:
    provider.script([ADDS, SAID])
    assert read(create_agent(chat(), [add], name="calc"))
    assert rec.tree() == TREE
    assert {s.status for s in rec.spans()} == {"ok"}
    assert all(s.complete for s in rec.spans())
    for span in rec.spans(kind="llm"):
        assert isinstance(span.detail, LLMCall) and span.detail.usage is not None
        assert (span.detail.usage.input, span.detail.usage.output) == (9, 3)
    rec.nothing_open()


@read
def test_every_stream_fails_alike(
    rec: Recorded, provider: FakeProvider, chat: Any, read: Callable[[Any], Any]
) -> None:
    provider.script([Error(429)])
    with pytest.raises(openai.RateLimitError):
        read(create_agent(chat(), [add], name="calc"))
    assert rec.tree() == TREE[:3]
    assert {s.error.type if s.error else None for s in rec.spans()} == {"rate_limit"}
    rec.nothing_open()


def test_events_of_a_graph_left_early(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    """LangGraph lets the node end that it is at."""
    provider.script([ADDS, SAID])
    agent: Any = create_agent(chat(), [add], name="calc")
    stream = agent.stream_events(ASK, version="v3")
    reading = iter(stream)
    while next(reading)["method"] != "messages":
        pass
    del stream, reading
    gc.collect()
    root = rec.one(kind="agent")
    assert (root.status, root.error, root.complete) == ("ok", None, False)
    assert rec.tree() == TREE[:3]
    rec.nothing_open()


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_events_of_a_graph_cancelled(
    rec: Recorded, provider: FakeProvider, chat: Any, version: str
) -> None:
    provider.script([Hang(30, after_chunks=2, answer=Chat(text="Hello there you."))])

    async def cancel() -> None:
        task = asyncio.create_task(aevents(create_agent(chat(), [add], name="calc"), version))
        while not provider.exchanges:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    gc.collect()
    assert rec.tree() == TREE[:3]
    assert {(s.status, s.error) for s in rec.spans()} == {("cancelled", None)}
    rec.nothing_open()
