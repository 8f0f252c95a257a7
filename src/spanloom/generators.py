"""Follow a generator from its first item to its end, however it ends: exhausted, closed, left or failed.

What comes out is a generator too, and ``send``, ``throw`` and ``close`` reach the one inside. It
works in turns: the span is current while the generator's body runs, and not while its consumer does.
"""

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from . import faults
from .recorder import Active, Tap, raw_context, set_raw_context
from .streams import ChunkWatch


class Follower(Protocol):
    """What becomes of the items and of the end."""

    turns: AbstractContextManager[None]
    """Around every turn of the generator's body."""

    def feed(self, item: Any, /) -> None: ...

    def end(self, error: BaseException | None = None, *, early: bool = False) -> None:
        """Called once. ``error``: what came out of it, such as the ``GeneratorExit`` of a close."""


Begin = Callable[[tuple[Any, ...], dict[str, Any]], Follower | None]
"""At the first turn, with the arguments; None: nobody follows."""


class Turns:
    """Makes a span current for a turn. Made while it is current, which it then stops being."""

    def __init__(self, active: Active) -> None:
        self.inside: Any = raw_context()
        active.detach()
        self.outside: Any = None

    def __enter__(self) -> None:
        self.outside = raw_context()
        set_raw_context(self.inside)

    def __exit__(self, *_exc: object) -> None:
        self.inside = raw_context()
        set_raw_context(self.outside)


class GeneratorWatch(ChunkWatch):
    """A generator as the stream of one span: each item goes to the tap. Begun when it is made."""

    def __init__(self, active: Active, tap: Tap, note: Any = None) -> None:
        super().__init__(active, tap, note)
        active.tap = tap
        self.turns: AbstractContextManager[None] = Turns(active)

    def feed(self, item: Any, /) -> None:
        try:
            self.tap.feed(item)
        except Exception as exc:
            faults.of_caller(self.active, "feed", exc)


class _Nobody:
    turns: AbstractContextManager[None] = nullcontext()

    def feed(self, item: Any, /) -> None:
        """Nothing is recorded."""

    def end(self, error: BaseException | None = None, *, early: bool = False) -> None:
        """Likewise."""


def following(target: Callable[..., Generator[Any, Any, Any]], begin: Begin) -> Any:
    """``target``, a generator function, with a follower for each of its calls."""

    @functools.wraps(target)
    def call(*args: Any, **kwargs: Any) -> Any:
        inner = target(*args, **kwargs)  # first: wrong arguments are no call
        follower = begin(args, kwargs)
        if follower is None:
            return (yield from inner)
        turns, feed = follower.turns, follower.feed
        step: Callable[[], Any] = functools.partial(next, inner)
        try:
            while True:
                with turns:
                    item = step()
                feed(item)
                try:
                    step = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    with turns:
                        inner.close()
                    raise
                except BaseException as thrown:
                    step = functools.partial(inner.throw, thrown)
        except StopIteration as stop:
            follower.end(early=True)
            return stop.value
        except BaseException as error:
            follower.end(error, early=True)
            raise

    return call


def afollowing(target: Callable[..., AsyncGenerator[Any, Any]], begin: Begin) -> Any:
    """The same for an async generator function."""

    @functools.wraps(target)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = target(*args, **kwargs)
        follower = begin(args, kwargs) or _Nobody()
        turns, feed = follower.turns, follower.feed
        step: Any = inner.__anext__()
        try:
            while True:
                with turns:
                    item = await step
                feed(item)
                try:
                    step = inner.asend((yield item))
                except GeneratorExit:
                    with turns:
                        await inner.aclose()
                    raise
                except BaseException as thrown:
                    step = inner.athrow(thrown)
        except StopAsyncIteration:
            follower.end(early=True)
        except BaseException as error:
            follower.end(error, early=True)
            raise

    return call


def followed(inner: Any, follower: Follower) -> Any:
    """A generator of either family that was made already."""
    wrap = afollowing if hasattr(inner, "__anext__") else following
    outer = wrap(lambda: inner, lambda _args, _kwargs: follower)()
    outer.__name__, outer.__qualname__ = inner.__name__, inner.__qualname__
    return outer
