"""LangGraph: nodes, transitions, sessions, handoffs by hand, interrupts. For all versions."""

import asyncio
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import openai
import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.testing import Chat, FakeProvider, Tokens
from spanloom.types import Agent, Handoff, Session, Span, StateTransition, Task
from spanloom_integrations.langchain import pauses

from .conftest import Recorded


class State(TypedDict):
    seen: Annotated[list[Any], operator.add]


def seeing(name: str) -> Callable[[Any], Any]:
    return lambda _state: {"seen": [name]}


def transition(span: Span) -> StateTransition:
    (event,) = [e for e in span.events if isinstance(e, StateTransition)]
    return event


def graph(*names: str, compiled: Any = None, **nodes: Any) -> Any:
    """Nodes in a row."""
    built = StateGraph(State)
    for name in names:
        built.add_node(name, nodes.get(name, seeing(name)))
    for before, after in zip((START, *names), (*names, END), strict=True):
        built.add_edge(before, after)
    return built.compile(**(compiled or {}))


RUNS: list[Callable[..., Any]] = [
    lambda g, x, c=None: g.invoke(x, c),
    lambda g, x, c=None: asyncio.run(g.ainvoke(x, c)),
    lambda g, x, c=None: list(g.stream(x, c)),
]
ways = pytest.mark.parametrize("run", RUNS, ids=["invoke", "ainvoke", "stream"])


@ways
@pytest.mark.field("F4", "every node with its transition; goto and Send too", by="langchain")
def test_nodes_and_transitions(rec: Recorded, run: Callable[..., Any]) -> None:
    built = StateGraph(State)
    built.add_node("a", command_to_b)
    built.add_node("b", seeing("b"))
    built.add_node("w", seeing("w"))
    built.add_edge(START, "a")
    built.add_conditional_edges("b", fan_out, ["w"])
    built.add_edge("w", END)
    run(built.compile(), {"seen": []})
    assert rec.tree() == [
        "workflow LangGraph", "  task a", "  task b", "  task w", "  task w",
    ]  # fmt: skip
    a, b, w, _ = (transition(s) for s in rec.spans() if s.kind == "task")
    assert (a.node, a.changed, a.goto) == ("a", ("seen",), ("b",))
    assert (b.node, b.changed, b.goto) == ("b", ("seen",), ("w", "w"))
    assert (w.node, w.changed, w.goto) == ("w", ("seen",), ())
    rec.nothing_open()


def command_to_b(_state: Any) -> Command[Any]:
    return Command(goto="b", update={"seen": ["a"]})


def fan_out(state: Any) -> list[Send]:
    return [Send("w", {"seen": [n]}) for n in (1, 2)]


@ways
def test_a_graph_that_is_a_node_is_one_span(rec: Recorded, run: Callable[..., Any]) -> None:
    inner = graph("inner")
    run(graph("first", "sub", sub=inner), {"seen": []})
    assert rec.tree() == ["workflow LangGraph", "  task first", "  task sub", "    task inner"]
    sub = rec.one(name="sub")
    assert transition(sub).changed == ("seen",)
    assert isinstance(sub.detail, Task)
    assert sub.detail.output


def test_a_failing_node(rec: Recorded) -> None:
    def fail(_state: Any) -> Any:
        raise KeyError("gone")

    with pytest.raises(KeyError):
        graph("a", "b", b=fail).invoke({"seen": []})
    root, a, b = rec.spans()
    assert [root.status, a.status, b.status] == ["error", "ok", "error"]
    assert b.error is not None and b.error.class_name == "KeyError"
    rec.nothing_open()


def test_a_stream_of_a_graph_left_early(rec: Recorded) -> None:
    stream = graph("a", "b").stream({"seen": []})
    next(stream)
    assert spanloom.current_span() is None
    stream.close()
    root = rec.one(kind="workflow")
    assert (root.status, root.complete, root.ended_by) == ("ok", False, "GeneratorExit")
    rec.nothing_open()


def test_the_functional_interface(rec: Recorded) -> None:
    @task
    def double(x: int) -> int:
        return 2 * x

    @entrypoint()
    def flow(x: int) -> int:
        return double(x).result() + double(x + 1).result()

    assert flow.invoke(3) == 14
    tree = rec.tree()
    assert tree[0].startswith("workflow ")
    assert tree.count("    task double") == 2


@pytest.mark.field("A4", "a direct SDK call inside a node is its own span", by="langchain")
@ways
def test_a_direct_call_in_a_node_is_its_own(
    rec: Recorded, provider: FakeProvider, chat: Any, run: Callable[..., Any]
) -> None:
    provider.on("/chat/completions", Chat(text="Hello.", usage=Tokens(9, 3)))
    model = chat()

    def node(_state: Any) -> Any:
        model.invoke("through LangChain")
        with openai.OpenAI(base_url=provider.url, api_key="any") as client:
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "direct"}]
            )
        return {"seen": []}

    run(graph("node", node=node), {"seen": []})
    through, direct = rec.spans(kind="llm")
    assert (through.integration, direct.integration) == ("langchain", "openai")
    node_span = rec.one(name="node")
    assert through.parent_id == direct.parent_id == node_span.span_id
    for span in (through, direct):
        assert span.detail.usage.total == 12  # type: ignore[union-attr]


# -- sessions ------------------------------------------------------------------------------------


@pytest.mark.field("C4", "everything below inherits the thread's session", by="langchain")
@ways
def test_the_thread_id_is_the_session_of_all_below(
    rec: Recorded, provider: FakeProvider, chat: Any, run: Callable[..., Any]
) -> None:
    provider.on("/chat/completions", Chat(text="Hello."))
    model = chat()

    def node(_state: Any) -> Any:
        with spanloom.span("by hand"):
            return {"seen": [model.invoke("Hi").content]}

    built = graph("sub", sub=graph("node", node=node), compiled={"checkpointer": MemorySaver()})
    run(built, {"seen": []}, {"configurable": {"thread_id": "t-1"}})
    assert {s.name for s in rec.spans()} == {
        "LangGraph", "sub", "node", "by hand", "chat gpt-4o-mini",
    }  # fmt: skip
    assert {s.session for s in rec.spans()} == {Session(id="t-1", source="framework")}


def test_an_explicit_session_is_nearer_than_the_threads(rec: Recorded) -> None:
    built = graph("a", compiled={"checkpointer": MemorySaver()})
    with spanloom.session("mine"):
        built.invoke({"seen": []}, {"configurable": {"thread_id": "t-1"}})
    assert {s.session for s in rec.spans()} == {Session(id="mine", source="explicit")}


@pytest.mark.field("C3", "threads of conversation in one event loop never mix", by="langchain")
async def test_interleaved_threads_never_mix(rec: Recorded) -> None:
    async def node(state: Any) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
            with spanloom.span("inside"):
                await asyncio.sleep(0)
        return {"seen": []}

    built = graph("a", a=node, compiled={"checkpointer": MemorySaver()})

    async def turns(name: str) -> None:
        for _ in range(3):
            async for _ in built.astream({"seen": []}, {"configurable": {"thread_id": name}}):
                await asyncio.sleep(0)

    await asyncio.gather(*(turns(f"t-{n}") for n in range(4)))
    by_trace: dict[int, set[Session | None]] = {}
    for span in rec.spans():
        by_trace.setdefault(span.trace_id, set()).add(span.session)
    assert len(by_trace) == 12
    assert all(len(sessions) == 1 for sessions in by_trace.values())
    assert len({s for (s,) in by_trace.values()}) == 4


# -- interrupts ----------------------------------------------------------------------------------


def ask(_state: Any) -> Any:
    return {"seen": [interrupt({"question": "May I?"})]}


@pytest.mark.field("F2", "a pause is no error; its resume is linked to it", by="langchain")
@ways
def test_interrupt_and_resume(rec: Recorded, run: Callable[..., Any]) -> None:
    built = graph("before", "ask", ask=ask, compiled={"checkpointer": MemorySaver()})
    config = {"configurable": {"thread_id": "t-1"}}
    run(built, {"seen": []}, config)
    root, before, paused = rec.spans()
    assert [s.name for s in (root, before, paused)] == ["LangGraph", "before", "ask"]
    assert (root.status, root.ended_by) == ("ok", "interrupt")
    assert (paused.status, paused.ended_by, paused.error) == ("ok", "interrupt", None)
    assert before.ended_by is None
    assert isinstance(paused.detail, Task)
    assert paused.detail.output == {"interrupt": [{"question": "May I?"}]}
    rec.backend.clear()
    run(built, Command(resume="yes"), config)
    again, node = rec.spans()
    assert again.trace_id != root.trace_id
    assert again.session == root.session == Session(id="t-1", source="framework")
    for span in (again, node):
        assert [(k.trace_id, k.span_id, k.reason) for k in span.links] == [
            (paused.trace_id, paused.span_id, "resume")
        ]
    assert (again.ended_by, node.ended_by) == (None, None)
    rec.nothing_open()


def test_an_interrupt_in_a_nested_graph(rec: Recorded) -> None:
    inner = graph("ask", ask=ask)
    built = graph("sub", sub=inner, compiled={"checkpointer": MemorySaver()})
    config = {"configurable": {"thread_id": "t-2"}}
    built.invoke({"seen": []}, config)
    assert {s.status for s in rec.spans()} == {"ok"}
    assert {s.ended_by for s in rec.spans()} == {"interrupt"}
    paused = rec.one(name="ask")
    rec.backend.clear()
    built.invoke(Command(resume="yes"), config)
    root = rec.one(kind="workflow")
    assert (paused.trace_id, paused.span_id) in [(k.trace_id, k.span_id) for k in root.links]
    assert [k.span_id for k in rec.one(name="ask").links] == [paused.span_id]


def test_a_thread_that_did_not_pause_is_linked_to_nothing(rec: Recorded) -> None:
    built = graph("a", compiled={"checkpointer": MemorySaver()})
    for _ in range(2):
        built.invoke({"seen": []}, {"configurable": {"thread_id": "t-3"}})
    assert [s.links for s in rec.spans()] == [()] * 4


# -- handoffs written by hand --------------------------------------------------------------------


def react(name: str, node: Callable[[Any], Any], tools: Any = None) -> Any:
    """An agent of the usual shape: a node ``agent``, and one for its tools."""
    built = StateGraph(State)
    built.add_node("agent", node)
    built.add_edge(START, "agent")
    if tools is not None:
        built.add_node("tools", tools)
        built.add_edge("agent", "tools")
    return built.compile(name=name)


def team(alice: Any, bob: Any) -> Any:
    built = StateGraph(State)
    built.add_node("alice", alice)
    built.add_node("bob", bob)
    built.add_edge(START, "alice")
    return built.compile()


@tool
def transfer_to_bob(reason: str) -> Any:
    """Hand over to bob."""
    return Command(goto="bob", graph=Command.PARENT, update={"seen": [reason]})


@tool
def transfer_to_nobody() -> str:
    """Try to hand over."""
    return "nobody is there"


@tool
def transfer_to_trouble() -> str:
    """Fail to hand over."""
    raise LookupError("no such agent")


def call_tool(which: Any, **args: Any) -> Callable[[Any], Any]:
    def tools(_state: Any) -> Any:
        found = which.invoke({"type": "tool_call", "name": which.name, "args": args, "id": "c-1"})
        return found if isinstance(found, Command) else {"seen": [str(found)]}

    return tools


@pytest.mark.field("F1", "a handoff by a tool's Command", by="langchain")
@pytest.mark.field("F6", "agents have input and output", by="langchain")
@ways
def test_a_handoff_by_a_tool(rec: Recorded, run: Callable[..., Any]) -> None:
    alice = react("alice", seeing("alice"), call_tool(transfer_to_bob, reason="he knows"))
    run(team(alice, react("bob", seeing("bob"))), {"seen": []})
    giver, receiver = rec.spans(kind="agent")
    passed = rec.one(kind="handoff")
    assert (giver.name, receiver.name) == ("alice", "bob")
    assert isinstance(passed.detail, Handoff)
    assert (passed.detail.source, passed.detail.target) == ("alice", "bob")
    assert (passed.detail.mechanism, passed.detail.outcome) == ("tool_call", "accepted")
    assert passed.detail.reason == "he knows"
    assert passed.parent_id == giver.span_id
    assert passed.start_ns == passed.end_ns
    assert [(k.span_id, k.reason) for k in receiver.links] == [(passed.span_id, "handoff")]
    assert (giver.status, giver.ended_by, giver.error) == ("ok", "handoff", None)
    assert {s.status for s in rec.spans()} == {"ok"}
    for agent in (giver, receiver):
        assert isinstance(agent.detail, Agent)
        assert agent.detail.input is not None
        assert agent.detail.output is not None
    assert transition(rec.one(name="tools")).goto == ("bob",)
    assert rec.one(kind="tool").name == "transfer_to_bob"
    rec.nothing_open()


@pytest.mark.field("F1", "a handoff that is refused or fails says so", by="langchain")
@pytest.mark.parametrize(
    ("which", "outcome"), [(transfer_to_nobody, "refused"), (transfer_to_trouble, "failed")]
)
def test_a_handoff_that_does_not_happen(rec: Recorded, which: Any, outcome: str) -> None:
    alice = react("alice", seeing("alice"), call_tool(which))
    try:
        team(alice, react("bob", seeing("bob"))).invoke({"seen": []})
    except LookupError:
        assert outcome == "failed"
    passed = rec.one(kind="handoff")
    assert isinstance(passed.detail, Handoff)
    assert passed.detail.source == "alice"
    assert (passed.detail.target, passed.detail.outcome) == (
        which.name.removeprefix("transfer_to_"), outcome,
    )  # fmt: skip
    rec.nothing_open()


@pytest.mark.field("F1", "a handoff by a node's Command between agents", by="langchain")
def test_a_node_that_sends_one_agent_to_another(rec: Recorded) -> None:
    alice, bob = react("alice", seeing("alice")), react("bob", seeing("bob"))

    def call_alice(state: Any) -> Command[Any]:
        return Command(goto="bob", update=alice.invoke(state))

    team(call_alice, bob).invoke({"seen": []})
    passed = rec.one(kind="handoff")
    giver, receiver = rec.spans(kind="agent")
    assert isinstance(passed.detail, Handoff)
    assert (passed.detail.source, passed.detail.target) == ("alice", "bob")
    assert passed.detail.mechanism == "command"
    assert passed.parent_id == giver.span_id
    assert giver.start_ns <= passed.start_ns <= (giver.end_ns or 0)
    assert [k.span_id for k in receiver.links] == [passed.span_id]


def test_routing_between_plain_nodes_is_no_handoff(rec: Recorded) -> None:
    team(command_to_bob, seeing("bob")).invoke({"seen": []})
    assert rec.spans(kind="handoff") == []
    assert transition(rec.one(name="alice")).goto == ("bob",)


def command_to_bob(_state: Any) -> Command[Any]:
    return Command(goto="bob", update={"seen": []})


def test_an_agent_as_a_tool_is_no_handoff(rec: Recorded) -> None:
    helper = react("helper", seeing("helper"))

    @tool
    def help_me(question: str) -> str:
        """Ask the helper."""
        return str(helper.invoke({"seen": [question]})["seen"])

    react("boss", call_tool(help_me, question="Why?")).invoke({"seen": []})
    assert rec.spans(kind="handoff") == []
    assert rec.tree() == [
        "agent boss", "  task agent", "    tool help_me", "      agent helper",
        "        task agent",
    ]  # fmt: skip


@pytest.mark.field("F3", "parallel tools: each its own span, by call id", by="langchain")
@ways
def test_parallel_tools(rec: Recorded, run: Callable[..., Any]) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    def called(state: Any) -> Any:
        message = add.invoke(
            {"type": "tool_call", "name": "add", "args": state["args"], "id": state["id"]}
        )
        assert isinstance(message, ToolMessage)
        return {"seen": [message.content]}

    def several(_state: Any) -> list[Send]:
        return [Send("tools", {"args": {"a": n, "b": 1}, "id": f"c-{n}"}) for n in range(5)]

    built = StateGraph(State)
    built.add_node("agent", lambda _: {"seen": [AIMessage("")]})
    built.add_node("tools", called)
    built.add_edge(START, "agent")
    built.add_conditional_edges("agent", several, ["tools"])
    run(built.compile(), {"seen": []})
    tools, nodes = rec.spans(kind="tool"), rec.spans(name="tools")
    assert sorted(s.detail.call_id for s in tools) == [f"c-{n}" for n in range(5)]  # type: ignore[union-attr]
    assert {s.parent_id for s in tools} == {n.span_id for n in nodes}
    for span in tools:
        assert span.detail.output == str(span.detail.input["a"] + 1)  # type: ignore[union-attr]
        assert span.detail.call_id == f"c-{span.detail.input['a']}"  # type: ignore[union-attr]
    rec.nothing_open()


def test_a_resume_in_another_process_is_linked_through_the_local_record(
    start: Callable[..., Recorded], tmp_path: Path
) -> None:
    """What is known within the process is forgotten here, as if this were a new one."""
    built = graph("ask", ask=ask, compiled={"checkpointer": MemorySaver()})
    config = {"configurable": {"thread_id": "t-7"}}
    backend = MemoryBackend()
    spanloom.init(
        backends=["local", backend], dir=str(tmp_path / "record"), signals=False,
        integrations=["langchain"],
    )  # fmt: skip
    rec = Recorded(backend)
    built.invoke({"seen": []}, config)
    paused = rec.one(name="ask")
    pauses._paused.clear()
    rec.clear()
    built.invoke(Command(resume="yes"), config)
    root = rec.one(kind="workflow")
    assert [(k.trace_id, k.span_id, k.reason) for k in root.links] == [
        (paused.trace_id, paused.span_id, "resume")
    ]


def test_without_a_local_record_only_the_session_joins_them(rec: Recorded) -> None:
    built = graph("ask", ask=ask, compiled={"checkpointer": MemorySaver()})
    config = {"configurable": {"thread_id": "t-8"}}
    built.invoke({"seen": []}, config)
    pauses._paused.clear()
    rec.clear()
    built.invoke(Command(resume="yes"), config)
    root = rec.one(kind="workflow")
    assert root.links == ()
    assert root.session == Session(id="t-8", source="framework")
