"""C6, H1, H5: runs that outlive the call that began them, or never end; and what stays in memory."""

import sys
from pathlib import Path

import pytest

from spanloom.record import Record
from spanloom.testing import Chat, Error, FakeProvider, Tokens

from ..programs import Programs

ROOT = Path(__file__).parents[3]
TOLD = Chat(text="Hello there.", chunks=("Hello ", "there."), usage=Tokens(21, 8))

GRAPH = """
    import asyncio, gc, sys, weakref
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, MessagesState, StateGraph

    import spanloom
    from tests.field.memory import Nowhere, blocks, delivered

    model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True, max_retries=0)

    def asks(state):
        return {"messages": [model.invoke(state["messages"])]}

    made = StateGraph(MessagesState)
    made.add_node("first", asks)
    made.add_node("second", asks)
    made.add_edge(START, "first")
    made.add_edge("first", "second")
    made.add_edge("second", END)
    graph = made.compile()

    def state():
        return {"messages": [HumanMessage("hi")]}
"""


def run(programs: Programs, source: str) -> str:
    """What the program printed. LangChain's warnings are its own: of what is beta, of clients left open."""
    path = programs.write(GRAPH + source)
    process = programs.command(
        sys.executable, "-W", "ignore", path, PYTHONPATH=ROOT, PYTHONWARNINGS="ignore"
    )
    ran = programs.wait(process)
    assert ran.status == 0, ran.err
    assert "spanloom" not in ran.err, ran.err
    return ran.out


# -- C6 -------------------------------------------------------------------------------------------

HANDLES = {
    "stream": """
    with spanloom.workflow("outer"):
        handle = graph.stream(state())
    list(handle)
    """,
    "events v3": """
    with spanloom.workflow("outer"):
        handle = graph.stream_events(state(), version="v3")
    list(handle)
    """,
    "async events v3": """
    async def main():
        with spanloom.workflow("outer"):
            handle = await graph.astream_events(state(), version="v3")
        await asyncio.sleep(0.05)
        async for _ in handle:
            pass
    asyncio.run(main())
    """,
    "task": """
    async def main():
        with spanloom.workflow("outer"):
            handle = asyncio.create_task(graph.ainvoke(state()))
            await asyncio.sleep(0)
        await handle
    asyncio.run(main())
    """,
}


@pytest.mark.field(
    "C6", "a handle returned before its run ends: the run's span ends with the run", by="langchain"
)
@pytest.mark.parametrize("handle", HANDLES)
def test_handles(programs: Programs, provider: FakeProvider, handle: str) -> None:
    provider.script([TOLD] * 2)
    run(programs, "\n    spanloom.init()\n" + HANDLES[handle])
    kept = programs.kept()
    assert not kept.open
    graph = kept.one("LangGraph")
    nodes = [kept.one(name) for name in ("first", "second")]
    assert [node.parent_id for node in nodes] == [graph.span_id] * 2
    assert {call.parent_id for call in kept.calls()} == {node.span_id for node in nodes}
    for record in (graph, *nodes):
        inner = [r for r in kept.ended.values() if r.parent_id == record.span_id]
        assert (record.status, record.complete) == ("ok", True)
        assert all(ended(record) >= ended(one) for one in inner)
    assert ended(kept.one("outer")) < ended(nodes[0])


def ended(record: Record) -> str:
    assert record.end is not None
    return record.end


# -- H1 -------------------------------------------------------------------------------------------

FLAT = """
    backend = Nowhere()
    spanloom.init(backends=[backend])

    def calls(count):
        for number in range(count):
            model.invoke("hi") if number % 10 else list(model.stream("hi"))

    def left(count):
        for number in range(count):
            next(graph.stream(state()))  # and no more: the graph's run never ends
            if not number % 50:
                gc.collect()

    async def cancel(count):
        for _ in range(count):
            task = asyncio.create_task(graph.ainvoke(state()))
            await asyncio.sleep(0.003)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    loop = asyncio.new_event_loop()

    def cancelled(count):
        loop.run_until_complete(cancel(count))

    work, count = {"calls": calls, "left": left, "cancelled": cancelled}[sys.argv[1]], int(sys.argv[2])
    print(blocks(work, count, 100), backend.seen, spanloom.stats()["open"])
"""


@pytest.mark.field(
    "H1", "thousands of calls of ChatOpenAI, 1,000 graphs left or cancelled: memory flat",
    by="langchain",
)  # fmt: skip
@pytest.mark.parametrize(("what", "count"), [("calls", 2_500), ("left", 500), ("cancelled", 500)])
def test_memory(programs: Programs, provider: FakeProvider, what: str, count: int) -> None:
    provider.on("/chat/completions", TOLD)
    source = FLAT.replace("sys.argv[1]", repr(what)).replace("sys.argv[2]", str(count))
    left, seen, still_open = map(int, run(programs, source).split())
    # a run that stays would hold hundreds of blocks; LangChain and the SDK keep some caches of their own
    assert left < count
    assert seen >= count + 100
    assert still_open == 0


# -- H5 -------------------------------------------------------------------------------------------

HELD = """
    backend = Nowhere()
    spanloom.init(backends=[backend])
    held = {}

    def hold(name, *things):
        held.setdefault(name, []).extend(map(weakref.ref, things))

    def sync():
        given = state()
        hold("asked", *given["messages"])
        hold("replies", model.invoke(given["messages"]))
        hold("chunks", *model.stream(given["messages"]))
        hold("state", *graph.invoke(given)["messages"])
        stream = graph.stream(given)
        hold("left", *next(stream)["first"]["messages"])

    async def asynchronous():
        given = state()
        hold("asked", *given["messages"])
        hold("chunks", *[chunk async for chunk in model.astream(given["messages"])])
        hold("state", *(await graph.ainvoke(given))["messages"])
        async for event in graph.astream_events(given, version="v2"):
            if event["event"] == "on_chat_model_stream":
                hold("events", event["data"]["chunk"])

    def fails():
        try:
            model.invoke("fails")
        except Exception as error:
            hold("errors", error, error.response)

    sync()
    asyncio.run(asynchronous())
    fails()
    delivered()
    print(backend.seen, spanloom.stats()["open"])
    print(*held)
    print(*[name for name, refs in held.items() for ref in refs if ref() is not None])
"""


@pytest.mark.field(
    "H5", "messages, chunks, states, errors of graphs: let go once drained", by="langchain"
)
def test_nothing_is_held(programs: Programs, provider: FakeProvider) -> None:
    provider.on("/chat/completions", lambda call: Error(400) if call.text == "fails" else TOLD)
    counts, names, alive = run(programs, HELD).splitlines()
    assert names == "asked replies chunks state left events errors"
    assert alive == ""
    seen, still_open = map(int, counts.split())
    assert seen >= 20
    assert still_open == 0
