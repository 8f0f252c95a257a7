"""Streams of the newer LangChain's events, however they end: one ``llm`` span with what came."""

import asyncio
import gc
from typing import Any

import openai
import pytest

from spanloom.testing import Chat, FakeProvider, Hang, Reset, Tokens
from spanloom.types import LLMCall, Span, Text

from ..conftest import Recorded

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

TOLD = Chat(
    text="Hello there you.", chunks=("Hello ", "there ", "you."), usage=Tokens(21, 8, cached=5)
)


def the_call(rec: Recorded) -> tuple[Span, LLMCall]:
    span = rec.one(kind="llm")
    assert isinstance(span.detail, LLMCall)
    rec.nothing_open()
    return span, span.detail


def said(detail: LLMCall) -> str:
    return "".join(p.text for m in detail.output for p in m.parts if isinstance(p, Text))


async def events(model: Any) -> Any:
    return await model.astream_events("Say hello.", version="v3")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_read_to_the_end(
    rec: Recorded, provider: FakeProvider, chat: Any, asynchronous: bool
) -> None:
    provider.script([TOLD])

    async def read() -> list[Any]:
        return [event async for event in await events(chat())]

    if asynchronous:
        assert asyncio.run(read())
    else:
        assert list(chat().stream_events("Say hello.", version="v3"))
    span, detail = the_call(rec)
    assert (span.status, span.complete, detail.stream, detail.chunks) == ("ok", True, True, 3)
    assert said(detail) == "Hello there you."
    assert detail.usage is not None
    assert (detail.usage.input, detail.usage.output, detail.usage.cached) == (21, 8, 5)
    assert detail.response_id == provider.exchanges[0].answer.id
    assert detail.time_to_first_chunk_ns is not None


@pytest.mark.field("D2", "a stream of events that nobody reads on ends at once", by="langchain")
@pytest.mark.parametrize("asynchronous", [False, True])
def test_left_early(rec: Recorded, provider: FakeProvider, chat: Any, asynchronous: bool) -> None:
    """LangChain tells of no end."""
    provider.script([Hang(30, after_chunks=2, answer=TOLD)])

    async def leave() -> None:
        stream = await events(chat())
        reading = aiter(stream)
        for _ in range(3):
            await anext(reading)
        del stream, reading
        for _ in range(5):
            gc.collect()
            await asyncio.sleep(0.01)

    if asynchronous:
        asyncio.run(leave())
    else:
        stream = chat().stream_events("Say hello.", version="v3")
        reading = iter(stream)
        for _ in range(3):
            next(reading)
        del stream, reading
        gc.collect()
    span, detail = the_call(rec)
    # what reads ahead for LangChain may live until the event loop ends, which cancels it
    assert span.status == "ok" or (asynchronous and span.status == "cancelled")
    assert (span.error, span.complete) == (None, False)
    assert said(detail).startswith("Hello")


def test_failing_midway(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([Reset(after_chunks=2, answer=TOLD)])
    with pytest.raises(openai.APIError):
        list(chat().stream_events("Say hello.", version="v3"))
    span, detail = the_call(rec)
    assert span.status == "error" and span.error is not None
    assert span.error.type == "connection"
    assert said(detail).startswith("Hello")


def test_cancelled(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    """What reads ahead for LangChain goes on until the event loop ends."""
    provider.script([Hang(30, after_chunks=2, answer=TOLD)])

    async def read(begun: asyncio.Event) -> None:
        async for event in await events(chat()):
            if event["event"] == "content-block-delta":
                begun.set()

    async def cancel() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(read(begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    gc.collect()
    span, _ = the_call(rec)
    assert (span.status, span.error) == ("cancelled", None)
