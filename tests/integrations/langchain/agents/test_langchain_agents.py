"""``create_agent``, supervisor and swarm: packages that only exist for the newer LangChain."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.types import Command, interrupt
from langgraph_supervisor import create_supervisor
from langgraph_swarm import create_handoff_tool, create_swarm

from spanloom.testing import Chat, FakeProvider, Tokens, ToolCall
from spanloom.types import Agent, Handoff, LLMCall, Session, Span, Tool, ToolRequest

from ..conftest import Recorded


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def asks(*calls: ToolCall) -> Chat:
    return Chat(tool_calls=calls, usage=Tokens(9, 3))


SAID = Chat(text="Done.", usage=Tokens(9, 3))
RUNS: list[Callable[..., Any]] = [
    lambda g, x, c=None: g.invoke(x, c),
    lambda g, x, c=None: asyncio.run(g.ainvoke(x, c)),
    lambda g, x, c=None: list(g.stream(x, c, stream_mode="messages")),
]
ways = pytest.mark.parametrize("run", RUNS, ids=["invoke", "ainvoke", "stream"])


def handoffs(spans: Sequence[Span]) -> list[tuple[Any, ...]]:
    found = []
    for span in spans:
        assert isinstance(span.detail, Handoff)
        d = span.detail
        found.append((d.source, d.target, d.mechanism, d.returns_control, d.outcome))
    return found


@ways
@pytest.mark.field("F3", "parallel tools of an agent, by the model's call ids", by="langchain")
def test_an_agent_with_parallel_tools(
    rec: Recorded, provider: FakeProvider, chat: Any, run: Callable[..., Any]
) -> None:
    provider.script([
        asks(ToolCall("add", {"a": 1, "b": 2}, id="c-1"), ToolCall("add", {"a": 3, "b": 4}, id="c-2")),
        SAID,
    ])  # fmt: skip
    run(create_agent(chat(), [add], name="calc"), {"messages": "1+2 and 3+4?"})
    assert rec.tree() == [
        "agent calc",
        "  task model", "    llm chat gpt-4o-mini",
        "  task tools", "    tool add",
        "  task tools", "    tool add",
        "  task model", "    llm chat gpt-4o-mini",
    ]  # fmt: skip
    first = rec.spans(kind="llm")[0].detail
    assert isinstance(first, LLMCall)
    asked = [p.id for p in first.output[0].parts if isinstance(p, ToolRequest)]
    done = [s.detail for s in rec.spans(kind="tool")]
    assert sorted(d.call_id or "" for d in done if isinstance(d, Tool)) == asked == ["c-1", "c-2"]
    agent = rec.one(kind="agent").detail
    assert isinstance(agent, Agent)
    assert agent.agent == "calc"
    assert "1+2 and 3+4?" in str(agent.input)
    assert "Done." in str(agent.output)
    assert {s.detail.usage.total for s in rec.spans(kind="llm")} == {12}  # type: ignore[union-attr]
    rec.nothing_open()


@ways
@pytest.mark.field("F1", "a swarm's handoff", by="langchain")
def test_a_swarm(rec: Recorded, provider: FakeProvider, chat: Any, run: Callable[..., Any]) -> None:
    provider.script([asks(ToolCall("transfer_to_bob", id="h-1")), SAID])
    alice = create_agent(chat(), [create_handoff_tool(agent_name="Bob")], name="Alice")
    bob = create_agent(chat(), [create_handoff_tool(agent_name="Alice")], name="Bob")
    swarm = create_swarm([alice, bob], default_active_agent="Alice")
    run(
        swarm.compile(checkpointer=MemorySaver()),
        {"messages": "Hi"},
        {"configurable": {"thread_id": "t-1"}},
    )
    assert [s.name for s in rec.spans(kind="agent")] == ["Alice", "Bob"]
    passed = rec.spans(kind="handoff")
    assert handoffs(passed) == [("Alice", "Bob", "tool_call", False, "accepted")]
    giver, receiver = rec.spans(kind="agent")
    assert passed[0].parent_id == giver.span_id
    assert [k.span_id for k in receiver.links] == [passed[0].span_id]
    assert (giver.status, giver.ended_by) == ("ok", "handoff")
    assert {s.session for s in rec.spans()} == {Session(id="t-1", source="framework")}
    assert {s.status for s in rec.spans()} == {"ok"}
    rec.nothing_open()


@ways
@pytest.mark.field("F1", "a supervisor's handoffs, there and back", by="langchain")
def test_a_supervisor(
    rec: Recorded, provider: FakeProvider, chat: Any, run: Callable[..., Any]
) -> None:
    provider.script([asks(ToolCall("transfer_to_worker", id="h-1")), SAID, SAID])
    worker = create_agent(chat(), [add], name="worker")
    run(create_supervisor([worker], model=chat()).compile(), {"messages": "Hi"})
    agents = rec.spans(kind="agent")
    assert [s.name for s in agents] == ["supervisor", "worker", "supervisor"]
    there, back = rec.spans(kind="handoff")
    assert handoffs([there, back]) == [
        ("supervisor", "worker", "tool_call", True, "accepted"),
        ("worker", "supervisor", "return_value", False, "accepted"),
    ]
    assert (there.parent_id, back.parent_id) == (agents[0].span_id, agents[1].span_id)
    assert [[k.span_id for k in s.links] for s in agents] == [[], [there.span_id], [back.span_id]]
    roles = [s.detail.role for s in agents if isinstance(s.detail, Agent)]
    assert roles == ["supervisor", "worker", "supervisor"]
    assert {s.status for s in rec.spans()} == {"ok"}
    assert all(a.detail.output is not None for a in agents)  # type: ignore[union-attr]
    rec.nothing_open()


@ways
def test_a_team_under_a_supervisor_is_an_agent_too(
    rec: Recorded, provider: FakeProvider, chat: Any, run: Callable[..., Any]
) -> None:
    provider.script([
        asks(ToolCall("transfer_to_team", id="h-1")), asks(ToolCall("transfer_to_worker", id="h-2")),
        SAID, SAID, SAID,
    ])  # fmt: skip
    worker = create_agent(chat(), [add], name="worker")
    team = create_supervisor([worker], model=chat(), supervisor_name="lead").compile(name="team")
    run(
        create_supervisor([team], model=chat(), supervisor_name="top").compile(), {"messages": "Hi"}
    )
    assert [s.name for s in rec.spans(kind="agent")] == [
        "top", "team", "lead", "worker", "lead", "top",
    ]  # fmt: skip
    assert handoffs(rec.spans(kind="handoff")) == [
        ("top", "team", "tool_call", True, "accepted"),
        ("lead", "worker", "tool_call", True, "accepted"),
        ("worker", "lead", "return_value", False, "accepted"),
        ("team", "top", "return_value", False, "accepted"),
    ]
    linked = {s.name for s in rec.spans(kind="agent") if s.links}
    assert linked == {"team", "worker", "lead", "top"}
    rec.nothing_open()


def test_turns_of_a_swarm(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    """Each begins at the agent that was active; control may come and go within one."""
    provider.script([
        asks(ToolCall("transfer_to_bob", id="h-1")), SAID,
        SAID,
        asks(ToolCall("transfer_to_alice", id="h-2")), asks(ToolCall("transfer_to_bob", id="h-3")), SAID,
    ])  # fmt: skip
    alice = create_agent(chat(), [create_handoff_tool(agent_name="Bob")], name="Alice")
    bob = create_agent(chat(), [create_handoff_tool(agent_name="Alice")], name="Bob")
    swarm = create_swarm([alice, bob], default_active_agent="Alice")
    made = swarm.compile(checkpointer=MemorySaver())
    turns = []
    for _ in range(3):
        made.invoke({"messages": "Hi"}, {"configurable": {"thread_id": "t-1"}})  # type: ignore[call-overload]
        turns.append([s.name for s in rec.spans() if s.kind in ("agent", "handoff")])
        rec.clear()
    assert turns == [
        ["Alice", "handoff Alice -> Bob", "Bob"],
        ["Bob"],
        ["Bob", "handoff Bob -> Alice", "Alice", "handoff Alice -> Bob", "Bob"],
    ]


@pytest.mark.field("F2", "a tool that waits for a person", by="langchain")
def test_a_tool_that_is_interrupted(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    @tool
    def pay(amount: int) -> str:
        """Pay after somebody agreed."""
        return f"{interrupt({'amount': amount})}: {amount}"

    provider.script([asks(ToolCall("pay", {"amount": 5}, id="c-1")), SAID])
    agent = create_agent(chat(), [pay], name="payer", checkpointer=MemorySaver())
    config: Any = {"configurable": {"thread_id": "t-9"}}
    agent.invoke({"messages": "Pay 5."}, config)  # type: ignore[call-overload]
    root, waiting = rec.one(kind="agent"), rec.one(kind="tool")
    assert (root.ended_by, waiting.ended_by) == ("interrupt", "interrupt")
    assert {s.status for s in rec.spans()} == {"ok"}
    assert not waiting.detail.is_error  # type: ignore[union-attr]
    paused = rec.one(name="tools")
    rec.backend.clear()
    agent.invoke(Command(resume="yes"), config)
    again = rec.one(kind="agent")
    assert [k.span_id for k in again.links] == [paused.span_id]
    assert again.session == root.session == Session(id="t-9", source="framework")
    done = rec.one(kind="tool").detail
    assert isinstance(done, Tool)
    assert (done.call_id, done.output) == ("c-1", "yes: 5")


def test_an_agent_as_a_tool(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([asks(ToolCall("help_me", {"question": "Why?"}, id="c-1")), SAID, SAID])
    helper = create_agent(chat(), [add], name="helper")

    @tool
    def help_me(question: str) -> str:
        """Ask the helper."""
        return str(helper.invoke({"messages": question})["messages"][-1].content)  # type: ignore[call-overload]

    create_agent(chat(), [help_me], name="boss").invoke({"messages": "Hi"})  # type: ignore[call-overload]
    boss, inner = rec.spans(kind="agent")
    assert (boss.name, inner.name) == ("boss", "helper")
    assert inner.parent_id == rec.one(kind="tool").span_id
    assert rec.spans(kind="handoff") == []
