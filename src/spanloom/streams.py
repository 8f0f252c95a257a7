"""Watch a stream without changing it: every chunk, and its end, however it ends.

Two ways, both in place, so that type, attributes and helpers of the stream stay what they were:

- ``watch_chunks`` for a stream object that iterates over its own ``_iterator`` and closes its
  ``response`` (the SDKs made by one generator: openai, anthropic, groq). The iterator is replaced by
  a generator that looks at each chunk; ``response.close`` tells of an early end.
- ``watch_body`` for a response whose body is read later, in ways we do not choose (raw responses).
  The decoded bytes are kept as they pass, and parsed on the worker.

An end is one of: exhausted, failed midway, closed, cancelled, or dropped and collected. A stream
that was left early is ``ok`` with ``complete=False``, unless its last item had been seen.
"""

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter_ns
from typing import Any

from . import faults
from .errors import guard
from .recorder import Active, Tap

MAX_BODY = 16 * 1024 * 1024


class Watch:
    """One stream of one span. Ends the span exactly once, at the latest when it is collected."""

    def __init__(self, active: Active, note: Callable[[BaseException], Any] | None = None) -> None:
        self.active = active
        self.note = note

    def seen_whole(self) -> bool:
        return True

    def end(self, error: BaseException | None = None, *, early: bool = False) -> None:
        active = self.active
        if active.closed:
            return
        if isinstance(error, GeneratorExit) or active.failure is not None:
            error = None
        note = None
        whole, active.complete = active.complete, False  # until the plugin's own code said so
        asked = "complete"
        try:
            active.complete = whole and error is None and (not early or self.seen_whole())
            asked = "weight"
            active.weight += self.weight()
            asked = "note"
            if error is not None and self.note is not None:
                note = self.note(error)
        except Exception as exc:
            faults.of_caller(active, asked, exc)
        finally:
            with guard:
                active.end(None, error, note)

    def weight(self) -> int:
        return 0

    def __del__(self) -> None:
        self.end(early=True)


class ChunkWatch(Watch):
    def __init__(
        self, active: Active, tap: Tap, note: Callable[[BaseException], Any] | None = None
    ) -> None:
        super().__init__(active, note)
        self.tap = tap

    def seen_whole(self) -> bool:
        return self.tap.complete

    def weight(self) -> int:
        return int(getattr(self.tap, "weight", 0))

    def chunks(self, inner: Iterator[Any]) -> Iterator[Any]:
        feed = self.tap.feed
        try:
            for chunk in inner:
                try:
                    feed(chunk)
                except Exception as exc:
                    faults.of_caller(self.active, "feed", exc)
                yield chunk
        except GeneratorExit:
            self.end(early=True)
            raise
        except BaseException as error:
            self.end(error)
            raise
        self.end(early=True)  # a body may simply stop: only the items say whether it was all

    async def achunks(self, inner: AsyncIterator[Any]) -> AsyncIterator[Any]:
        feed = self.tap.feed
        try:
            async for chunk in inner:
                try:
                    feed(chunk)
                except Exception as exc:
                    faults.of_caller(self.active, "feed", exc)
                yield chunk
        except GeneratorExit:
            self.end(early=True)
            raise
        except BaseException as error:
            self.end(error)
            raise
        self.end(early=True)


def watch_chunks(
    active: Active, stream: Any, tap: Tap, note: Callable[[BaseException], Any] | None = None
) -> None:
    """Watch a stream object for the span ``active``, which ends with it.

    Args:
        active: has started; ``tap`` becomes its ``tap``.
        stream: iterates over its own ``_iterator``, and closes its ``response``.
        tap: gets every chunk.
        note: as of a ``Patch``, for what is raised midway.

    Raises:
        AttributeError: ``stream`` is not of that shape.
    """
    watch = ChunkWatch(active, tap, note)
    inner = stream._iterator
    if hasattr(inner, "__anext__"):
        outer: Any = watch.achunks(inner)
        busy = "ag_running"
    else:
        outer = watch.chunks(inner)
        busy = "gi_running"
    active.tap = tap
    stream._iterator = outer
    _hear_close(stream.response, watch, weakref.ref(outer), busy)


class BodyWatch(Watch):
    """Keeps what passes of a response's body, with the moment each piece came."""

    def __init__(self, active: Active, note: Callable[[BaseException], Any] | None = None) -> None:
        super().__init__(active, note)
        self.pieces: list[tuple[int, bytes]] = []
        self.size: int = 0
        self.exhausted: bool = False

    def seen_whole(self) -> bool:
        return self.exhausted

    def weight(self) -> int:
        return self.size

    def keep(self, piece: bytes) -> None:
        if self.size < MAX_BODY:
            self.size += len(piece)
            self.pieces.append((perf_counter_ns(), piece))

    def read(self, inner: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for piece in inner:
                self.keep(piece)
                yield piece
            self.exhausted = True
        except GeneratorExit:
            self.end(early=True)
            raise
        except BaseException as error:
            self.end(error)
            raise
        self.end()

    async def aread(self, inner: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in inner:
                self.keep(piece)
                yield piece
            self.exhausted = True
        except GeneratorExit:
            self.end(early=True)
            raise
        except BaseException as error:
            self.end(error)
            raise
        self.end()


def watch_body(
    active: Active, response: Any, note: Callable[[BaseException], Any] | None = None
) -> None:
    """Watch the body of an HTTP response that nobody has read yet, for the span ``active``.

    At most 16 MiB of it are kept.

    Args:
        active: has started; ``active.watch`` then has the pieces for the extractor.
        response: of httpx's shape, with ``iter_bytes`` or ``aiter_bytes``, and ``close`` or ``aclose``.
        note: as of a ``Patch``, for what is raised midway.
    """
    watch = BodyWatch(active, note)
    # The span keeps the pieces, not the watch: the watch must die with the response, so that a
    # response that is dropped unread ends its span.
    active.watch = watch.pieces
    running: list[Any] = []

    def iter_bytes(*args: Any, **kwargs: Any) -> Any:
        reader = watch.read(type(response).iter_bytes(response, *args, **kwargs))
        running.append(weakref.ref(reader))
        return reader

    def aiter_bytes(*args: Any, **kwargs: Any) -> Any:
        reader = watch.aread(type(response).aiter_bytes(response, *args, **kwargs))
        running.append(weakref.ref(reader))
        return reader

    response.iter_bytes = iter_bytes
    response.aiter_bytes = aiter_bytes

    def reader() -> Any:
        return running[-1]() if running else None

    _hear_close(response, watch, reader, None)


def _hear_close(response: Any, watch: Watch, reader: Callable[[], Any], busy: str | None) -> None:
    """End ``watch`` when ``response`` is closed from outside the iteration.

    A close from inside is the body's end; items may still be waiting in the decoder, and the
    iteration itself tells when it is over.
    """
    whole = type(response)

    def iterating() -> bool:
        running = reader()
        if running is None:
            return False
        name = busy or ("ag_running" if hasattr(running, "ag_running") else "gi_running")
        return bool(getattr(running, name))

    def close() -> Any:
        if not iterating():
            watch.end(early=True)
        return whole.close(response)

    async def aclose() -> Any:
        if not iterating():
            watch.end(early=True)
        return await whole.aclose(response)

    if hasattr(whole, "close"):
        response.close = close
    if hasattr(whole, "aclose"):
        response.aclose = aclose
