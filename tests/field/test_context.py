"""C2, C3, C4: a child finds its parent, its session and its tags, wherever it runs."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

import spanloom
from spanloom.types import Span

from .conftest import Watched

ASK: list[Any] = [{"role": "user", "content": "hi"}]

Ask = Callable[[], Any]
AAsk = Callable[[], Any]


# -- C2: synchronous programs ---------------------------------------------------------------------


def in_thread(ask: Ask) -> None:
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_subclassed_thread(ask: Ask) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            ask()

    for worker in (Worker(), Worker()):
        worker.start()
        worker.join()


def in_pool(ask: Ask) -> None:
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(ask) for _ in range(2)]:
            future.result()


def in_pool_map(ask: Ask) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: ask(), range(2)))


def in_timer(ask: Ask) -> None:
    for timer in (threading.Timer(0, ask), threading.Timer(0, ask)):
        timer.start()
        timer.join()


def in_copied_context(ask: Ask) -> None:
    context = contextvars.copy_context()
    context.run(ask)
    context.run(ask)


@pytest.mark.field("C2", "work handed to threads and pools keeps its parent")
@pytest.mark.parametrize("by", ["openai", "manual"])
@pytest.mark.parametrize(
    "place",
    [in_thread, in_subclassed_thread, in_pool, in_pool_map, in_timer, in_copied_context],
)
def test_threads(
    watched: Watched, client: openai.OpenAI, place: Callable[[Ask], None], by: str
) -> None:
    def ask() -> None:
        with spanloom.tool("asks"):
            if by == "openai":
                client.chat.completions.create(model="gpt-4o", messages=ASK)
            else:
                with spanloom.llm_call(model="gpt-4o"):
                    pass

    with spanloom.agent("outer") as outer:
        place(ask)
    check_tree(watched, outer.span_id, 2)


def check_tree(watched: Watched, outer: int, count: int) -> None:
    """``count`` tools under ``outer``, with one call under each, all in one trace."""
    spans = watched.spans()
    tools = {s.span_id for s in spans if s.kind == "tool"}
    assert len(tools) == count
    assert all(s.parent_id == outer for s in spans if s.kind == "tool")
    assert {s.parent_id for s in spans if s.kind == "llm"} == tools
    assert len(spans) == 2 * count + 1
    assert len({s.trace_id for s in spans}) == 1


@pytest.mark.field("C2", "a pool made under one span does not tie later work to it")
def test_pool_outlives_the_span_that_made_it(watched: Watched, client: openai.OpenAI) -> None:
    def ask() -> None:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
        with spanloom.task("step"):
            pass

    with ThreadPoolExecutor(1) as pool:
        with spanloom.agent("first") as first:
            pool.submit(ask).result()
        with spanloom.agent("second") as second:
            pool.submit(ask).result()
        pool.submit(ask).result()
    for kind in ("llm", "task"):
        parents = [s.parent_id for s in watched.spans(kind=kind)]
        assert parents == [first.span_id, second.span_id, None]


# -- C2: asynchronous programs --------------------------------------------------------------------


async def in_gather(ask: AAsk) -> None:
    await asyncio.gather(ask(), ask())


async def in_task_group(ask: AAsk) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(ask())
        group.create_task(ask())


async def in_async_generator(ask: AAsk) -> None:
    async def results() -> AsyncIterator[Any]:
        yield await ask()
        yield await ask()

    async for _ in results():
        pass


async def in_wait_for(ask: AAsk) -> None:
    for _ in range(2):
        await asyncio.wait_for(ask(), 10)


async def in_as_completed(ask: AAsk) -> None:
    for next_done in asyncio.as_completed([ask(), ask()]):
        await next_done


async def in_call_soon(ask: AAsk) -> None:
    loop = asyncio.get_running_loop()
    done = [loop.create_future(), loop.create_future()]
    for future in done:
        loop.call_soon(lambda f=future: loop.create_task(ask()).add_done_callback(f.set_result))
    await asyncio.gather(*done)


async def in_loop_of_a_thread(ask: AAsk) -> None:
    for _ in range(2):
        await asyncio.to_thread(asyncio.run, ask())


@pytest.mark.field("C2", "work handed to tasks, groups and generators keeps its parent")
@pytest.mark.parametrize("by", ["openai", "manual"])
@pytest.mark.parametrize(
    "place",
    [in_gather, in_task_group, in_async_generator, in_wait_for, in_as_completed, in_call_soon,
     in_loop_of_a_thread],
)  # fmt: skip
async def test_tasks(watched: Watched, provider: Any, place: Any, by: str) -> None:
    @spanloom.tool("asks")
    async def ask() -> None:
        if by == "openai":
            async with openai.AsyncOpenAI(base_url=provider.url, api_key="any") as client:
                await client.chat.completions.create(model="gpt-4o", messages=ASK)
        else:
            with spanloom.llm_call(model="gpt-4o"):
                await asyncio.sleep(0.001)

    with spanloom.agent("outer") as outer:
        await place(ask)
    check_tree(watched, outer.span_id, 2)


@pytest.mark.field("C2", "synchronous calls from an event loop's executor keep their parent")
async def test_executor(watched: Watched, client: openai.OpenAI) -> None:
    def ask() -> None:
        with spanloom.tool("asks"):
            client.chat.completions.create(model="gpt-4o", messages=ASK)

    loop = asyncio.get_running_loop()
    with spanloom.agent("outer") as outer, ThreadPoolExecutor(1) as pool:
        await loop.run_in_executor(None, ask)
        await loop.run_in_executor(pool, ask)
        await asyncio.to_thread(ask)
    check_tree(watched, outer.span_id, 3)


# -- C3 -------------------------------------------------------------------------------------------


@pytest.mark.field("C3", "sessions that take turns in one event loop never mix")
async def test_interleaved_sessions(watched: Watched, aclient: openai.AsyncOpenAI) -> None:
    async def converse(name: str, user: str) -> None:
        with spanloom.session(name, user=user, tags=[name], room=name):
            for turn in range(4):
                with spanloom.workflow(f"turn {turn}"):
                    stream = await aclient.chat.completions.create(
                        model="gpt-4o", messages=ASK, stream=True
                    )
                    async for _ in stream:
                        await asyncio.sleep(0)

    await asyncio.gather(*(converse(f"s{n}", f"u{n}") for n in range(8)))
    spans = watched.spans()
    assert len(spans) == 8 * 4 * 2
    roots = {s.span_id: s for s in spans if s.kind == "workflow"}
    users: dict[str, set[str | None]] = {}
    for span in spans:
        assert span.session is not None
        name = span.session.id
        users.setdefault(name, set()).add(span.user_id)
        assert (span.tags, span.metadata) == ((name,), {"room": name})
        if span.kind == "llm":
            root = roots[span.parent_id or 0]
            assert (root.session, root.trace_id) == (span.session, span.trace_id)
    assert all(len(found) == 1 for found in users.values())
    assert len(set.union(*users.values())) == 8


@pytest.mark.field("C3", "steps of two sessions driven by turns in one thread never mix")
def test_sessions_driven_by_turns(watched: Watched, client: openai.OpenAI) -> None:
    def conversation(name: str) -> Any:
        context = contextvars.copy_context()
        context.run(spanloom.session(name).__enter__)

        def step() -> None:
            with spanloom.agent("talks"):
                client.chat.completions.create(model="gpt-4o", messages=ASK)

        return lambda: context.run(step)

    one, other = conversation("one"), conversation("other")
    for step in (one, other, other, one):
        step()
    found = [s.session.id for s in watched.spans() if s.session]
    assert found == [n for n in ("one", "other", "other", "one") for _ in range(2)]
    assert spanloom.current_span() is None


# -- C4 -------------------------------------------------------------------------------------------


@pytest.mark.field("C4", "children inherit session, user and tags through agents and threads")
async def test_inheritance(start: Callable[..., Watched], client: openai.OpenAI) -> None:
    watched = start(user_ids="keep")

    @spanloom.agent
    def researcher() -> None:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(librarian).result()

    @spanloom.tool
    def librarian() -> None:
        thread = threading.Thread(target=clerk)
        thread.start()
        thread.join()

    @spanloom.agent
    def clerk() -> None:
        list(client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True))

    async def supervisor() -> None:
        with spanloom.agent("supervisor"), spanloom.context(tags=["deep"], feature="search"):
            await asyncio.gather(asyncio.to_thread(researcher), asyncio.to_thread(researcher))

    with spanloom.session("s-1", user="ann", tags=["beta"], plan="pro"):
        await supervisor()
    spans = watched.spans()
    assert len(spans) == 11
    for span in spans:
        assert inherited(span) == ("s-1", "ann", {"plan": "pro"})
        deep = span.name != "supervisor"
        assert span.tags == (("beta", "deep") if deep else ("beta",))
        assert span.feature == ("search" if deep else None)


def inherited(span: Span) -> tuple[Any, ...]:
    return span.session and span.session.id, span.user_id, span.metadata


@pytest.mark.field("C4", "the nearest session wins, and the outer one comes back after it")
def test_nested_sessions(watched: Watched, client: openai.OpenAI) -> None:
    def ask() -> None:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
        with spanloom.task("step"):
            pass

    with spanloom.session("outer", tags=["a"]):
        ask()
        with spanloom.session("inner", tags=["b"]):
            ask()
        ask()
    ask()
    for kind in ("llm", "task"):
        found = [(s.session and s.session.id, s.tags) for s in watched.spans(kind=kind)]
        assert found == [("outer", ("a",)), ("inner", ("a", "b")), ("outer", ("a",)), (None, ())]
