"""One span for each stream, however it ends, ended at once and with what had come by then."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import spanloom
from spanloom.testing.answers import Answer, Chat, ErrorInStream, Hang, Truncate
from spanloom.testing.contracts.answers import chain, contains, frames
from spanloom.testing.contracts.rig import (
    ANSWER,
    END,
    QUESTION,
    Contract,
    Rig,
    advance,
    begun,
    play,
    settled,
    swept,
    text_of,
)
from spanloom.testing.contracts.scenarios import Stream
from spanloom.types import LLMCall, Span


async def read_some(stream: Stream, iterator: Any, pieces: int) -> str:
    """Read until so many pieces of text came; gives the text."""
    said, count = "", 0
    while count < pieces and (piece := await advance(iterator)) is not END:
        if text := stream.said(piece):
            said += text
            count += 1
    return said


class StreamCases(Contract):
    """Exhausted, closed, left, collected, failing, cut off, cancelled."""

    def test_a_stream_read_to_its_end_has_ended(self, rig: Rig, stream: Stream) -> None:
        """Before it is closed, dropped or collected."""

        async def case() -> tuple[Span, str]:
            async with rig.client(stream.asynchronous) as client:
                opened = await settled(stream.ask(client, list(QUESTION)))
                said = await read_some(stream, begun(opened), 1000)
                return rig.one(), said

        rig.start()
        rig.answers(ANSWER)
        span, said = play(stream.asynchronous, case())
        assert (span.status, span.complete, span.ended_by) == ("ok", True, None)
        assert text_of(span) == said == ANSWER.text
        self.still_one(rig)

    def test_a_stream_closed_early(self, rig: Rig, stream: Stream) -> None:
        async def case() -> tuple[Span, str]:
            async with rig.client(stream.asynchronous) as client:
                opened = await settled(stream.ask(client, list(QUESTION)))
                said = await read_some(stream, begun(opened), 3)
                await settled(stream.close(opened))
                return rig.one(), said

        self.left_early(rig, *self.played(rig, stream, case()))

    def test_a_stream_left_by_its_with_block(self, rig: Rig, stream: Stream) -> None:
        async def case() -> tuple[Span, str]:
            async with rig.client(stream.asynchronous) as client:
                manager = await settled((stream.manager or stream.ask)(client, list(QUESTION)))
                if stream.asynchronous:
                    async with manager as opened:
                        said = await read_some(stream, begun(opened), 3)
                else:
                    with manager as opened:
                        said = await read_some(stream, begun(opened), 3)
                return rig.one(), said

        self.left_early(rig, *self.played(rig, stream, case()))

    def test_a_stream_left_to_the_collector(self, rig: Rig, stream: Stream) -> None:
        async def reading(client: Any) -> str:
            opened = await settled(stream.ask(client, list(QUESTION)))
            return await read_some(stream, begun(opened), 3)

        async def case() -> tuple[Span, str]:
            async with rig.client(stream.asynchronous) as client:
                said = await reading(client)
                await swept(stream.asynchronous)
                return rig.one(), said

        self.left_early(rig, *self.played(rig, stream, case()))

    def test_a_stream_nobody_read(self, rig: Rig, stream: Stream) -> None:
        async def opening(client: Any) -> None:
            await settled(stream.ask(client, list(QUESTION)))

        async def case() -> tuple[Span, str]:
            async with rig.client(stream.asynchronous) as client:
                await opening(client)
                await swept(stream.asynchronous)
                return rig.one(), ""

        self.left_early(rig, *self.played(rig, stream, case()))

    def played(self, rig: Rig, stream: Stream, case: Any) -> tuple[Span, str]:
        rig.start()
        rig.answers(ANSWER)
        found: tuple[Span, str] = play(stream.asynchronous, case)
        return found

    def left_early(self, rig: Rig, span: Span, said: str) -> None:
        """Not an error, but not all there was either."""
        assert (span.status, span.error, span.complete) == ("ok", None, False)
        assert text_of(span) == said
        self.still_one(rig)

    def still_one(self, rig: Rig) -> None:
        gc.collect()
        rig.one()

    # -- the server's side ---------------------------------------------------------------------

    @pytest.mark.parametrize("broken", ["cut", "told"])
    def test_a_stream_failing_midway(self, rig: Rig, stream: Stream, broken: str) -> None:
        """The connection breaks, or the server says inside the stream that it failed."""
        answer: Answer = Truncate(4, clean=False, answer=ANSWER)
        if broken == "told":
            answer = ErrorInStream(4, answer=ANSWER)
        bare, _ = self.until_it_fails(rig, stream, answer)
        rig.start()
        watched, said = self.until_it_fails(rig, stream, answer)
        assert (bare is None) == (watched is None)
        if bare is not None and watched is not None:
            assert chain(watched) == chain(bare)
            assert frames(watched)[-1] == frames(bare)[-1]
            assert contains(frames(watched), frames(bare))
        span = rig.one()
        assert (span.status, span.complete) == ("error", False)
        assert span.error is not None
        if watched is not None:
            assert (span.error.class_name or "").endswith(type(watched).__name__)
        assert text_of(span) == said
        self.still_one(rig)

    def test_a_stream_the_server_cut_short(self, rig: Rig, stream: Stream) -> None:
        """The body ends properly, as a proxy does it; only its items tell that more was due."""
        answer = Truncate(4, clean=True, answer=ANSWER)
        bare, _ = self.until_it_fails(rig, stream, answer)
        rig.start()
        watched, said = self.until_it_fails(rig, stream, answer)
        assert type(watched) is type(bare)
        span = rig.one()
        assert span.status == ("ok" if watched is None else "error")
        assert not span.complete
        assert text_of(span) == said
        self.still_one(rig)

    def until_it_fails(
        self, rig: Rig, stream: Stream, answer: Answer
    ) -> tuple[Exception | None, str]:
        """What the caller catches, if anything, and the text before."""
        rig.answers(answer)

        async def case() -> tuple[Exception | None, str]:
            said = ""
            async with rig.client(stream.asynchronous) as client:
                opened = await settled(stream.ask(client, list(QUESTION)))
                iterator = begun(opened)
                try:
                    while (piece := await advance(iterator)) is not END:
                        said += stream.said(piece)
                except Exception as error:
                    return error, said
                return None, said

        return play(stream.asynchronous, case())

    def test_a_cancelled_stream(self, rig: Rig, async_stream: Stream) -> None:
        stream, said = async_stream, ""

        async def reading(client: Any, came: asyncio.Event) -> None:
            nonlocal said
            iterator = begun(await settled(stream.ask(client, list(QUESTION))))
            while (piece := await advance(iterator)) is not END:
                said += stream.said(piece)
                if said:
                    came.set()

        async def case() -> Span:
            async with rig.client(True) as client:
                came = asyncio.Event()
                task = asyncio.ensure_future(reading(client, came))
                await asyncio.wait_for(came.wait(), 5)
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                return rig.one()

        rig.start()
        rig.answers(Hang(30, after_chunks=6, answer=ANSWER))
        span = asyncio.run(case())
        assert (span.status, span.complete, span.ended_by) == (
            "cancelled", False, "CancelledError",
        )  # fmt: skip
        assert said
        assert text_of(span) == said
        self.still_one(rig)

    # -- around a stream -----------------------------------------------------------------------

    def test_work_while_reading_is_not_inside_the_call(self, rig: Rig, stream: Stream) -> None:
        """The consumer's loop is the consumer's: what it starts belongs where it was before."""

        async def case() -> None:
            async with rig.client(stream.asynchronous) as client:
                with spanloom.span("outer"):
                    opened = await settled(stream.ask(client, list(QUESTION)))
                    iterator = begun(opened)
                    while await advance(iterator) is not END:
                        current = spanloom.current_span()
                        assert current is not None
                        assert current.name == "outer"
                        with spanloom.span("inner"):
                            pass
                assert spanloom.current_span() is None

        rig.start()
        rig.answers(ANSWER)
        play(stream.asynchronous, case())
        (outer,) = rig.memory.find(name="outer") if rig.spans() else []
        span = rig.one()
        inner = rig.memory.find(name="inner")
        assert inner
        assert {s.parent_id for s in (span, *inner)} == {outer.span_id}

    def test_the_first_piece_is_timed(self, rig: Rig, stream: Stream) -> None:
        """Of the first text, after the wait for it; and the span lasts until the last."""
        slow = Chat(
            text=ANSWER.text, chunks=ANSWER.chunks, usage=ANSWER.usage, finish_reason="stop",
            delay_s=0.05, chunk_delay_s=0.004,
        )  # fmt: skip
        rig.start()
        rig.answers(slow)
        rig.ask(stream)
        span = rig.one()
        assert isinstance(span.detail, LLMCall)
        first, whole = span.detail.time_to_first_chunk_ns, span.duration_ns
        assert first is not None and whole is not None
        assert 54_000_000 <= first <= whole - 20_000_000
        assert span.detail.chunks is not None
        assert span.detail.chunks >= 7

    def test_a_stream_holds_none_of_its_pieces(self, rig: Rig, stream: Stream) -> None:
        """A long answer must not cost the memory of all its chunk objects until its end."""
        bare = self.pieces_alive(rig, stream)
        rig.start()
        assert self.pieces_alive(rig, stream) <= bare

    def pieces_alive(self, rig: Rig, stream: Stream) -> int:
        """How many pieces are still there when all but the last of the texts have come."""
        rig.answers(ANSWER)

        async def case() -> int:
            refs: list[weakref.ref[Any]] = []
            async with rig.client(stream.asynchronous) as client:
                opened = await settled(stream.ask(client, list(QUESTION)))
                iterator, texts = begun(opened), 0
                while texts < 6 and (piece := await advance(iterator)) is not END:
                    texts += bool(stream.said(piece))
                    refs.append(weakref.ref(piece))
                    del piece
                gc.collect()
                alive = sum(ref() is not None for ref in refs)
                await settled(stream.close(opened))
                return alive

        return play(stream.asynchronous, case())
