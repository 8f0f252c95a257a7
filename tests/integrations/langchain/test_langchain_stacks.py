"""LangChain over the OpenAI SDK in every mode: one ``llm`` span a call, with what both layers know."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableGenerator, RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel

import spanloom
from spanloom.testing import Chat, FakeProvider, Tokens, ToolCall
from spanloom.types import LLMCall, Message, Role, Span, Text, Tool, Usage

from .conftest import Recorded

USED = (21, 8, 29, 5, 3)
TOLD = Chat(
    text="Hello there.", chunks=("Hello ", "there."), usage=Tokens(21, 8, cached=5, reasoning=3)
)
ASK = "Say hello."


class City(BaseModel):
    """A city."""

    name: str


@tool
def population(city: str) -> int:
    """How many people live in a city."""
    return 1


def billed(detail: LLMCall) -> tuple[int | None, ...]:
    used = detail.usage or Usage()
    return (used.input, used.output, used.total, used.cached, used.reasoning)


def told(role: Role, text: str) -> Message:
    return Message(role=role, parts=(Text(text=text),))


def gathered(make: Callable[[], Any]) -> Any:
    """The items of an async generator."""

    async def read() -> list[Any]:
        return [item async for item in make()]

    return asyncio.run(read())


def in_a_node(model: Any) -> Any:
    def node(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("asks", node)
    graph.add_edge(START, "asks")
    graph.add_edge("asks", END)
    return graph.compile().invoke({"messages": [HumanMessage(ASK)]})


def in_a_pool(model: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(model.invoke, ASK).result()


def in_a_node_that_streams_messages(model: Any) -> Any:
    def node(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("asks", node)
    graph.add_edge(START, "asks")
    graph.add_edge("asks", END)
    made = graph.compile()
    return list(made.stream({"messages": [HumanMessage(ASK)]}, stream_mode="messages"))


# what streams, and what does not
MODES: dict[str, tuple[bool, Callable[[Any], Any]]] = {
    "invoke": (False, lambda m: m.invoke(ASK)),
    "ainvoke": (False, lambda m: asyncio.run(m.ainvoke(ASK))),
    "stream": (True, lambda m: list(m.stream(ASK))),
    "astream": (True, lambda m: gathered(lambda: m.astream(ASK))),
    "batch": (False, lambda m: m.batch([ASK])),
    "abatch": (False, lambda m: asyncio.run(m.abatch([ASK]))),
    "generate": (False, lambda m: m.generate([[HumanMessage(ASK)]])),
    "astream_events": (True, lambda m: gathered(lambda: m.astream_events(ASK, version="v2"))),
    "bound tools": (False, lambda m: m.bind_tools([population]).invoke(ASK)),
    "in a chain": (False, lambda m: (RunnableLambda(str) | m).invoke(ASK)),
    "in a node": (False, in_a_node),
    "in a node, streaming messages": (True, in_a_node_that_streams_messages),
    "in a thread pool": (False, in_a_pool),
}


def the_call(rec: Recorded) -> tuple[Span, LLMCall]:
    span = rec.one(kind="llm")
    assert isinstance(span.detail, LLMCall)
    return span, span.detail


@pytest.mark.field("A1", "every mode of ChatOpenAI: one llm span, tokens once", by="langchain")
@pytest.mark.parametrize("outer", [False, True], ids=["alone", "under a span"])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode(
    rec: Recorded, provider: FakeProvider, chat: Any, mode: str, outer: bool
) -> None:
    streams, ask = MODES[mode]
    provider.script([TOLD])
    with spanloom.agent("outer") if outer else nullcontext():
        ask(chat(temperature=0.25, max_tokens=77, seed=4))
    assert len(provider.exchanges) == 1
    span, detail = the_call(rec)
    assert billed(detail) == USED
    assert detail.response_id == provider.exchanges[0].answer.id
    assert detail.response_model and detail.response_model.startswith("gpt-4o-mini")
    assert (detail.model, detail.temperature, detail.max_tokens) == ("gpt-4o-mini", 0.25, 77)
    assert (detail.seed, detail.stream, detail.http_status) == (4, streams, 200)
    assert detail.provider_request_id
    assert detail.input == (told("user", ASK),)
    assert detail.output == (told("assistant", "Hello there."),)
    assert (detail.finish, span.status, span.complete) == (("stop",), "ok", True)
    spans = rec.spans()
    assert len({s.trace_id for s in spans}) == 1
    assert sum(1 for s in spans if s.parent_id is None) == 1
    rec.nothing_open()


def test_structured_output(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([Chat(text='{"name": "Oslo"}', usage=Tokens(30, 5))])
    found = chat().with_structured_output(City, method="json_schema").invoke("Which city?")
    assert found == City(name="Oslo")
    _, detail = the_call(rec)
    assert billed(detail)[:3] == (30, 5, 35)
    assert detail.response_format["json_schema"]["name"] == "City"


def test_raw_responses(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    """LangChain then goes through the SDK's raw responses."""
    provider.script([TOLD])
    reply = chat(include_response_headers=True).invoke(ASK)
    assert "headers" in reply.response_metadata
    assert billed(the_call(rec)[1]) == USED


def test_several_at_once_each_have_their_own(
    rec: Recorded, provider: FakeProvider, chat: Any
) -> None:
    provider.on("/chat/completions", lambda c: Chat(text=c.text, usage=Tokens(len(c.text), 1)))
    chat().batch(["a", "bb", "ccc"], {"max_concurrency": 3})
    found = {
        detail.output[0].parts[0].text: detail.usage.input  # type: ignore[union-attr]
        for span in rec.spans(kind="llm")
        if isinstance(detail := span.detail, LLMCall)
    }
    assert found == {"a": 1, "bb": 2, "ccc": 3}


@pytest.mark.field("D4", "iterators given to chains, tools and models arrive whole", by="langchain")
def test_iterators(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    def pieces() -> Iterator[str]:
        yield from ("Say ", "hello", ".")

    def joined(given: Iterator[str]) -> Iterator[str]:
        yield "".join(given)

    provider.script([TOLD, Chat(tool_calls=(ToolCall("population", {"city": "Oslo"}),))])
    chain = RunnableGenerator(joined) | chat()
    assert "".join(chunk.content for chunk in chain.transform(pieces())) == "Hello there."
    model = chat().bind_tools(t for t in [population])
    reply = model.invoke(ASK)
    first, second = (exchange.body for exchange in provider.exchanges)
    assert b'"Say hello."' in first and b'"population"' in second
    assert population.invoke(reply.tool_calls[0]).content == "1"
    span = rec.one(kind="tool")
    assert isinstance(span.detail, Tool) and span.detail.call_id == reply.tool_calls[0]["id"]
    assert [s.detail.input for s in rec.spans(kind="llm") if isinstance(s.detail, LLMCall)] == [
        (told("user", ASK),), (told("user", ASK),),
    ]  # fmt: skip


@pytest.mark.field("H5", "once a run is drained nothing of it is held", by="langchain")
def test_nothing_is_held(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([TOLD] * 3)
    held: list[weakref.ref[Any]] = []
    model = chat()
    chain = RunnableLambda(lambda x: x) | model
    asked = HumanMessage(ASK)
    held += [weakref.ref(asked), weakref.ref(chain.invoke([asked]))]
    held += [weakref.ref(chunk) for chunk in chain.stream([asked])]
    left = chain.stream([asked])
    held.append(weakref.ref(next(left)))
    left.close()
    assert len(rec.spans(kind="llm")) == 3
    rec.backend.clear()
    del asked, left
    gc.collect()
    assert [ref() for ref in held] == [None] * len(held)


@pytest.mark.field("H5", "messages changed after the call do not change the record", by="langchain")
def test_changed_afterwards(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([TOLD])
    asked: list[Any] = [HumanMessage("first")]
    reply = chat().invoke(asked)
    asked[0].content = "later"
    asked.append(AIMessage("later"))
    reply.content = "later"
    _, detail = the_call(rec)
    assert detail.input == (told("user", "first"),)
    assert detail.output == (told("assistant", "Hello there."),)
