"""The agents of LangChain before LangGraph, which many programs still run."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_classic.agents import AgentExecutor, create_tool_calling_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool

from spanloom.testing import Chat, FakeProvider, ToolCall
from spanloom.types import Agent, Custom

from ..conftest import Recorded


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ASK = {"input": "1+2?"}
RUNS: list[Callable[[Any], Any]] = [
    lambda made: made.invoke(ASK),
    lambda made: asyncio.run(made.ainvoke(ASK)),
]


@pytest.mark.parametrize("run", RUNS, ids=["invoke", "ainvoke"])
def test_an_executor_is_an_agent(
    rec: Recorded, provider: FakeProvider, chat: Any, run: Callable[[Any], Any]
) -> None:
    provider.script([
        Chat(tool_calls=(ToolCall("add", {"a": 1, "b": 2}, id="c-1"),)), Chat(text="It is 3."),
    ])  # fmt: skip
    prompt = ChatPromptTemplate.from_messages(
        [("human", "{input}"), ("placeholder", "{agent_scratchpad}")]
    )
    agent = create_tool_calling_agent(chat(), [add], prompt)
    made = AgentExecutor(agent=agent, tools=[add], name="adder")
    assert run(made)["output"] == "It is 3."
    span = rec.one(kind="agent")
    assert isinstance(span.detail, Agent)
    assert (span.name, span.detail.agent) == ("adder", "adder")
    asked, ended = (e for e in span.events if isinstance(e, Custom))
    assert (asked.name, ended.name) == ("agent action", "agent finish")
    assert (asked.attributes["tool"], asked.attributes["tool_input"]) == ("add", {"a": 1, "b": 2})
    assert ended.attributes["return_values"] == {"output": "It is 3."}
    assert rec.one(kind="tool").parent_id == span.span_id
    assert len(rec.spans(kind="llm")) == 2
    rec.nothing_open()
