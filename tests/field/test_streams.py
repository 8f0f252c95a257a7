"""C1, D2: however a stream ends, one span ends with it, and the context is what it was."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from opentelemetry import trace as otel_trace

import spanloom
from spanloom.testing import Chat, ErrorInStream, FakeProvider, Hang, Reset, Truncate
from spanloom.types import Span

from .conftest import Watched

ASK: list[Any] = [{"role": "user", "content": "Count."}]
LONG = Chat(text="one two three four", chunks=("one ", "two ", "three ", "four"))
WHOLE = "one two three four"


def said(span: Span) -> str:
    return "".join(p.text for m in span.detail.output for p in m.parts)


def ask(client: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)


def words(stream: Any) -> Iterator[str]:
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


# -- C1 -------------------------------------------------------------------------------------------


async def leave_by_break(stream: Any) -> None:
    async for _ in stream:
        break


async def leave_by_return(stream: Any) -> Any:
    async for chunk in stream:
        return chunk


async def leave_by_error(stream: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async for _ in stream:
            raise ZeroDivisionError


async def leave_by_cancel(stream: Any) -> None:
    async def read() -> None:
        async for _ in stream:
            await asyncio.sleep(60)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def leave_by_timeout(stream: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            async for _ in stream:
                await asyncio.sleep(60)


LEAVE = [leave_by_break, leave_by_return, leave_by_error, leave_by_cancel, leave_by_timeout]


@pytest.mark.field("C1", "an async stream left early logs nothing and leaves the context alone")
@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("by", ["openai", "manual"])
@pytest.mark.usefixtures("silent")
async def test_async_stream_left_early(
    watched: Watched, aclient: openai.AsyncOpenAI, provider: FakeProvider, leave: Any, by: str
) -> None:
    provider.script([LONG])

    @spanloom.task
    async def counted() -> AsyncIterator[int]:
        for number in range(4):
            with spanloom.task("inner"):
                yield number

    troubles: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    with spanloom.workflow("outer") as outer:
        before = otel_trace.get_current_span().get_span_context().span_id
        stream: Any = await ask(aclient) if by == "openai" else counted()
        await leave(stream)
        assert spanloom.current_span() is outer
        assert otel_trace.get_current_span().get_span_context().span_id == before
        await (stream.close() if by == "openai" else stream.aclose())
        del stream
        gc.collect()
        await asyncio.sleep(0)
        assert spanloom.current_span() is outer
        with spanloom.task("after"):
            pass
    assert spanloom.current_span() is None
    assert not troubles
    after = watched.one(name="after")
    assert after.parent_id == outer.span_id
    streamed = watched.one(kind="llm") if by == "openai" else watched.one(name="counted")
    assert streamed.parent_id == outer.span_id
    assert not streamed.complete


@pytest.mark.field("C1", "a generator left early leaves the context alone", by="manual")
@pytest.mark.usefixtures("silent")
def test_generator_left_early(watched: Watched) -> None:
    @spanloom.tool
    def counted() -> Iterator[int]:
        with spanloom.task("inner"):
            yield from range(4)

    with spanloom.workflow("outer") as outer:
        for _ in counted():
            assert spanloom.current_span() is outer
            break
        gc.collect()
        assert spanloom.current_span() is outer
    tool = watched.one(name="counted")
    assert (tool.status, tool.complete) == ("ok", False)
    assert watched.one(name="inner").parent_id == tool.span_id


# -- D2 -------------------------------------------------------------------------------------------


def exhaust(client: Any) -> None:
    assert "".join(words(ask(client))) == WHOLE


def close_early(client: Any) -> None:
    stream = ask(client)
    assert next(words(stream)) == "one "
    stream.close()


def leave_block(client: Any) -> None:
    with ask(client) as stream:
        assert next(words(stream)) == "one "


def abandon(client: Any) -> None:
    stream = ask(client)
    assert next(words(stream)) == "one "
    del stream
    gc.collect()


def never_read(client: Any) -> None:
    ask(client)
    gc.collect()


def fail_midway(client: Any) -> None:
    with pytest.raises(openai.APIError):
        list(ask(client))


def broken_connection(client: Any) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        list(ask(client))
    assert "spanloom" not in type(caught.value).__module__


def time_out(client: Any) -> None:
    with pytest.raises(Exception, match=r"(?i)time"):
        list(ask(client.with_options(timeout=0.2)))


def cut_off(client: Any) -> None:
    assert "".join(words(ask(client))) in WHOLE


def interrupted(client: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        for _ in ask(client):
            raise KeyboardInterrupt
    gc.collect()


ENDS: list[tuple[Callable[[Any], None], Any, str, bool, str]] = [
    (exhaust, LONG, "ok", True, WHOLE),
    (close_early, LONG, "ok", False, "one "),
    (leave_block, LONG, "ok", False, "one "),
    (abandon, LONG, "ok", False, "one "),
    (never_read, LONG, "ok", False, ""),
    (fail_midway, ErrorInStream(after_chunks=3, answer=LONG), "error", False, "one two "),
    (broken_connection, Reset(after_chunks=3, answer=LONG), "error", False, "one two "),
    (time_out, Hang(2, after_chunks=3, answer=LONG), "timeout", False, "one two "),
    (cut_off, Truncate(after_chunks=3, answer=LONG), "ok", False, "one two "),
    (interrupted, LONG, "ok", False, ""),
]


@pytest.mark.field("D2", "whatever ends a stream: one span, at once, with what came", by="openai")
@pytest.mark.parametrize(
    ("end", "answer", "status", "complete", "text"), ENDS, ids=[e[0].__name__ for e in ENDS]
)
@pytest.mark.usefixtures("silent")
def test_stream_ends(
    watched: Watched,
    client: openai.OpenAI,
    provider: FakeProvider,
    end: Callable[[Any], None],
    answer: Any,
    status: str,
    complete: bool,
    text: str,
) -> None:
    provider.script([answer])
    end(client)
    span = watched.one()  # at once: nothing is left that could end it later
    assert (span.status, span.complete, said(span)) == (status, complete, text)
    assert span.end_ns is not None
    assert span.end_ns >= span.start_ns
    assert (span.error is not None) == (status in ("error", "timeout"))


async def a_exhaust(client: Any) -> None:
    assert [c async for c in await ask(client)]


async def a_close_early(client: Any) -> None:
    stream = await ask(client)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()


async def a_abandon(client: Any) -> None:
    stream = await ask(client)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    del stream, chunk
    await asyncio.sleep(0.01)  # the event loop closes the outermost generator
    gc.collect()
    await asyncio.sleep(0.01)


async def a_fail_midway(client: Any) -> None:
    with pytest.raises(openai.APIError):
        [c async for c in await ask(client)]


async def a_cancel(client: Any) -> None:
    async def read() -> None:
        [c async for c in await ask(client)]

    task = asyncio.create_task(read())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def a_cancel_before(client: Any) -> None:
    task = asyncio.create_task(ask(client))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


SLOW = Chat(text=WHOLE, chunks=("one ", "two three four"), delay_s=1)
ASYNC_ENDS: list[tuple[Any, Any, str, bool, str]] = [
    (a_exhaust, LONG, "ok", True, WHOLE),
    (a_close_early, LONG, "ok", False, "one "),
    (a_abandon, LONG, "ok", False, "one "),
    (a_fail_midway, ErrorInStream(after_chunks=3, answer=LONG), "error", False, "one two "),
    (a_cancel, Hang(5, after_chunks=3, answer=LONG), "cancelled", False, "one two "),
    (a_cancel_before, SLOW, "cancelled", True, ""),
]


@pytest.mark.field("D2", "whatever ends an async stream: one span, at once", by="openai")
@pytest.mark.parametrize(
    ("end", "answer", "status", "complete", "text"),
    ASYNC_ENDS,
    ids=[e[0].__name__ for e in ASYNC_ENDS],
)
@pytest.mark.usefixtures("silent")
async def test_async_stream_ends(
    watched: Watched,
    aclient: openai.AsyncOpenAI,
    provider: FakeProvider,
    end: Any,
    answer: Any,
    status: str,
    complete: bool,
    text: str,
) -> None:
    provider.script([answer])
    await end(aclient)
    span = watched.one()
    assert (span.status, span.complete, said(span)) == (status, complete, text)


@pytest.mark.field("D2", "whatever ends a recorded generator: one span, at once", by="manual")
def test_generator_ends(watched: Watched) -> None:
    @spanloom.task
    def counted(fail: bool = False) -> Iterator[str]:
        yield "one "
        if fail:
            raise ValueError("midway")
        yield "two"

    list(counted())
    stream = counted()
    next(stream)
    stream.close()
    stream = counted()
    next(stream)
    del stream
    gc.collect()
    with pytest.raises(ValueError, match="midway"):
        list(counted(fail=True))
    found = [(s.status, s.complete, s.detail.output) for s in watched.spans()]
    assert found == [
        ("ok", True, "one two"),
        ("ok", False, "one "),
        ("ok", False, "one "),
        ("error", False, "one "),
    ]


@pytest.mark.field("D2", "a cancelled recorded coroutine: one span, cancelled", by="manual")
async def test_recorded_coroutine_cancelled(watched: Watched) -> None:
    @spanloom.task
    async def waiting() -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watched.one().status == "cancelled"
