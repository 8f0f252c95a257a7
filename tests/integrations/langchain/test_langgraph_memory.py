"""Checkpointers and stores: events for what lies in the process, spans for what does not."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.base import BaseStore, GetOp, PutOp
from langgraph.store.memory import InMemoryStore
from langgraph.store.sqlite import SqliteStore
from langgraph.store.sqlite.aio import AsyncSqliteStore

import spanloom
from spanloom.types import Memory, MemoryAccess, Span

from .conftest import Recorded

THREAD: Any = {"configurable": {"thread_id": "t-1"}}
ASK: Any = {"messages": [("user", "hi")]}
SPACE = ("people", "ada")


def graph(node: Callable[..., Any], **compiled: Any) -> Any:
    made = StateGraph(MessagesState)
    made.add_node("remembers", node)
    made.add_edge(START, "remembers")
    made.add_edge("remembers", END)
    return made.compile(name="g", **compiled)


def answers(state: MessagesState) -> dict[str, Any]:
    return {"messages": [("ai", "hello")]}


def accesses(span: Span) -> list[MemoryAccess]:
    return [e for e in span.events if isinstance(e, MemoryAccess)]


def detail(span: Span) -> Memory:
    assert isinstance(span.detail, Memory)
    return span.detail


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[SqliteSaver]:
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as made:
        yield made


def test_checkpoints_in_the_process_are_events(rec: Recorded) -> None:
    made = graph(answers, checkpointer=InMemorySaver())
    made.invoke(ASK, THREAD)
    made.invoke(ASK, THREAD)
    first, second = rec.spans(name="g")
    assert not rec.spans(kind="memory")
    last = accesses(first)[-1]
    for span, keys in ((first, ("t-1",)), (second, last.keys)):
        read, *written = accesses(span)
        assert (read.operation, read.hit, read.keys) == ("read", span is second, keys)
        assert len({w.keys[1] for w in written}) == len(written), "each names its checkpoint"
        assert {w.operation for w in written} == {"write"}
        assert {w.store for w in (read, *written)} == {"InMemorySaver"}
        assert all(span.start_ns <= w.time_ns <= (span.end_ns or 0) for w in (read, *written))
        assert span.session is not None and span.session.id == "t-1"


def test_checkpoints_in_a_file_are_spans(rec: Recorded, saver: SqliteSaver) -> None:
    made = graph(answers, checkpointer=saver)
    made.invoke(ASK, THREAD)
    (root,) = rec.spans(name="g")
    assert accesses(root) == []
    found = rec.spans(kind="memory")
    assert {s.parent_id for s in found} == {root.span_id}
    names = [s.name for s in found]
    assert names[0] == "get_tuple SqliteSaver"
    assert names.count("get_tuple SqliteSaver") == 1
    assert names.count("put SqliteSaver") == len(list(saver.list(THREAD)))
    assert detail(found[0]) == Memory(
        operation="read", store="SqliteSaver", keys=("t-1",), hit=False
    )
    assert all(s.end_ns and s.end_ns >= s.start_ns for s in found)


async def test_an_async_checkpointer_is_recorded_once(rec: Recorded, tmp_path: Path) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
        made = graph(answers, checkpointer=saver)
        await made.ainvoke(ASK, THREAD)
        await made.ainvoke(ASK, THREAD)
        roots = rec.spans(name="g")
        reads = [s for s in rec.spans(kind="memory") if detail(s).operation == "read"]
        assert [s.parent_id for s in reads] == [r.span_id for r in roots]
        assert [detail(s).hit for s in reads] == [False, True]
        assert len({s.trace_id for s in rec.spans()}) == 2


def test_a_graph_inside_keeps_its_own(rec: Recorded, saver: SqliteSaver) -> None:
    outer = StateGraph(MessagesState)
    outer.add_node("inner", graph(answers))
    outer.add_edge(START, "inner")
    outer.compile(name="outer", checkpointer=saver).invoke(ASK, THREAD)
    root, inner = rec.one(name="outer"), rec.one(name="g")
    for span in rec.spans(kind="memory"):
        thread, *more = detail(span).keys
        within = bool(more) and more[0].startswith("inner:")
        assert (thread, span.parent_id) == ("t-1", inner.span_id if within else root.span_id)
    assert rec.one(name="remembers").parent_id == inner.span_id


def test_reading_and_deleting_by_hand(rec: Recorded, saver: SqliteSaver) -> None:
    made = graph(answers, checkpointer=saver)
    made.invoke(ASK, THREAD)
    rec.clear()
    with spanloom.task("t"):
        state = made.get_state(THREAD)
        saver.delete_thread("t-1")
    read, deleted = rec.spans(kind="memory")
    assert detail(read).keys == ("t-1", state.config["configurable"]["checkpoint_id"])
    assert (detail(read).hit, detail(read).output) == (True, None)
    assert detail(deleted) == Memory(operation="delete", store="SqliteSaver", keys=("t-1",))


def test_a_store_in_the_process_leaves_events(rec: Recorded) -> None:
    def remembers(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
        assert store.get(SPACE, "food") is None
        value = {"likes": "figs"}
        store.put(SPACE, "food", value)
        value["likes"] = "changed afterwards"
        found = store.get(SPACE, "food")
        assert found is not None
        store.search(("people",), query="what does she like")
        store.delete(SPACE, "food")
        return {"messages": [("ai", "done")]}

    graph(remembers, store=InMemoryStore()).invoke(ASK)
    node = rec.one(name="remembers")
    told = [(a.operation, a.keys, a.hit, a.value) for a in accesses(node)]
    assert told == [
        ("read", (*SPACE, "food"), False, None),
        ("write", (*SPACE, "food"), None, {"likes": "figs"}),
        ("read", (*SPACE, "food"), True, None),
        ("search", ("people",), True, "what does she like"),
        ("delete", (*SPACE, "food"), None, None),
    ]
    assert {a.store for a in accesses(node)} == {"InMemoryStore"}


def test_a_store_in_a_file_makes_spans(rec: Recorded, tmp_path: Path) -> None:
    def remembers(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
        store.put(SPACE, "food", {"likes": "figs"})
        store.get(SPACE, "food")
        store.search(("people",))
        return {"messages": [("ai", "done")]}

    with SqliteStore.from_conn_string(str(tmp_path / "s.db")) as store:
        store.setup()
        rec.clear()
        graph(remembers, store=store).invoke(ASK)
    node = rec.one(name="remembers")
    put, get, search = rec.spans(kind="memory")
    assert {s.parent_id for s in (put, get, search)} == {node.span_id}
    assert detail(put) == Memory(
        operation="write", store="SqliteStore", keys=(*SPACE, "food"), input={"likes": "figs"}
    )
    assert (detail(get).output, detail(get).hit) == ({"likes": "figs"}, True)
    assert (detail(search).keys, detail(search).output) == (("people",), [{"likes": "figs"}])


async def test_a_store_that_works_in_turns_is_recorded_where_it_is_asked(
    rec: Recorded, tmp_path: Path
) -> None:
    async def remembers(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
        await store.aput(SPACE, "food", {"likes": "figs"})
        await store.aget(SPACE, "food")
        return {"messages": [("ai", "done")]}

    async with AsyncSqliteStore.from_conn_string(str(tmp_path / "s.db")) as store:
        await store.setup()
        rec.clear()
        await graph(remembers, store=store).ainvoke(ASK)
    node = rec.one(name="remembers")
    found = rec.spans(kind="memory")
    assert [(s.name, s.parent_id) for s in found] == [
        ("put AsyncSqliteStore", node.span_id), ("get AsyncSqliteStore", node.span_id),
    ]  # fmt: skip


async def test_batches_are_one_access(rec: Recorded, tmp_path: Path) -> None:
    ops = [PutOp(SPACE, "food", {"likes": "figs"}), GetOp(("people", "bob"), "food")]
    async with AsyncSqliteStore.from_conn_string(str(tmp_path / "s.db")) as store:
        await store.setup()
        rec.clear()
        with spanloom.task("t"):
            await store.abatch(ops)
            await store.abatch(ops[1:])
            await asyncio.to_thread(store.batch, ops[1:])
            await InMemoryStore().abatch(iter(ops))
    told = [(d.operation, d.keys, d.hit) for d in map(detail, rec.spans(kind="memory"))]
    assert told == [
        ("write", ("people/ada/food", "people/bob/food"), None),
        ("read", ("people/bob/food",), False),
        ("read", ("people/bob/food",), False),
    ]
    (event,) = accesses(rec.one(name="t"))
    assert (event.operation, event.keys) == ("read", ())


async def test_an_async_form_that_works_in_a_pool_is_one_access(rec: Recorded) -> None:
    class Pooled(InMemorySaver):
        pass

    class Remote(BaseStore):
        def batch(self, ops: Any) -> Any:
            return [None for _ in ops]

        async def abatch(self, ops: Any) -> Any:
            return await asyncio.get_running_loop().run_in_executor(None, self.batch, ops)

    with spanloom.task("t"):
        await Remote().aget(SPACE, "food")
        await Remote().abatch([GetOp(SPACE, "food")])
        await Pooled().aget_tuple(THREAD)
    assert [s.name for s in rec.spans(kind="memory")] == ["get Remote", "batch Remote"]
    assert [e.store for e in accesses(rec.one(name="t"))] == ["Pooled"]


def test_a_failing_store_raises_the_same_and_its_span_says_so(
    rec: Recorded, tmp_path: Path
) -> None:
    def remembers(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
        store.get(SPACE, "food")
        return {}

    connection = sqlite3.connect(tmp_path / "s.db", check_same_thread=False)
    store = SqliteStore(connection)
    store.setup()
    rec.clear()
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        graph(remembers, store=store).invoke(ASK)
    span = rec.one(kind="memory")
    assert span.status == "error" and span.error is not None
    assert span.error.class_name == "sqlite3.ProgrammingError"
    assert detail(span).hit is None


def test_outside_of_any_span_nothing_is_recorded(rec: Recorded, tmp_path: Path) -> None:
    InMemoryStore().put(SPACE, "food", {"likes": "figs"})
    with SqliteStore.from_conn_string(str(tmp_path / "s.db")) as store:
        store.setup()
        store.put(SPACE, "food", {"likes": "figs"})
    assert rec.spans() == []


def test_classes_made_later_and_by_hand_are_recorded(rec: Recorded) -> None:
    class Mine(BaseStore):
        def batch(self, ops: Any) -> Any:
            return [None for _ in ops]

        async def abatch(self, ops: Any) -> Any:
            return self.batch(ops)

    class Kept(InMemoryStore):
        pass

    with spanloom.task("t"):
        Mine().get(SPACE, "food")
        Kept().get(SPACE, "food")
    span = rec.one(kind="memory")
    assert (span.name, detail(span).hit) == ("get Mine", False)
    (event,) = accesses(rec.one(name="t"))
    assert event.store == "Kept"


CLASSES: list[Any] = [
    BaseStore, InMemoryStore, SqliteStore, AsyncSqliteStore, BaseCheckpointSaver, InMemorySaver,
    SqliteSaver, AsyncSqliteSaver,
]  # fmt: skip


def test_switched_off_the_very_originals_are_back(start: Callable[..., Recorded]) -> None:
    spanloom.shutdown()
    before = [dict(vars(cls)) for cls in CLASSES]
    rec = start()
    assert [dict(vars(cls)) for cls in CLASSES] != before
    spanloom.uninstrument("langchain")
    for cls, was in zip(CLASSES, before, strict=True):
        assert {n: v for n, v in vars(cls).items() if v is not was.get(n)} == {}
    with spanloom.task("t"):
        InMemoryStore().get(SPACE, "food")
    assert accesses(rec.one(name="t")) == []
