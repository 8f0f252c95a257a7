"""Nothing of a call is held once it was delivered."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import spanloom
from spanloom.testing.answers import Chat, Tokens
from spanloom.testing.contracts.rig import (
    ANSWER,
    END,
    Contract,
    Rig,
    advance,
    begun,
    play,
    settled,
    swept,
)
from spanloom.testing.contracts.scenarios import Messages, Stream, Way
from spanloom.types import Span

SHORT = Chat(text="On.", chunks=2, usage=Tokens(3, 2), finish_reason="stop")


class Counting:
    """A backend that keeps nothing."""

    name = "counting"

    def __init__(self) -> None:
        self.spans: int = 0

    def export(self, batch: Sequence[Span], /) -> None:
        """Count."""
        self.spans += len(batch)

    def close(self) -> None:
        """Nothing to close."""


class Message(dict[str, Any]):
    """A message that a weak reference can be made to."""


class WeightCases(Contract):
    """Weak references die, and thousands of calls leave nothing behind."""

    def test_requests_and_answers_die_when_delivered(self, rig: Rig, any_way: Way) -> None:
        bare = self.alive(rig, any_way)
        rig.start(backends=[Counting()])
        assert self.alive(rig, any_way) <= bare

    def alive(self, rig: Rig, way: Way) -> list[str]:
        """Which of the objects of a call are still there, while the client goes on living."""
        refs: list[tuple[str, weakref.ref[Any]]] = []

        async def asking(client: Any) -> None:
            message = Message(role="user", content="How does it begin?")
            refs.append(("request", weakref.ref(message)))
            messages: Messages = [message]
            result = await settled(way.ask(client, messages))
            refs.append(("response", weakref.ref(result)))
            if isinstance(way, Stream):
                iterator = begun(result)
                while (piece := await advance(iterator)) is not END:
                    refs.append(("piece", weakref.ref(piece)))
                    del piece

        async def case() -> list[str]:
            async with rig.client(way.asynchronous) as client:
                rig.answers(ANSWER)
                await asking(client)
                spanloom.flush(10)
                await swept(way.asynchronous)
                return sorted(name for name, ref in refs if ref() is not None)

        return play(way.asynchronous, case())

    def test_many_calls_leave_nothing(self, rig: Rig) -> None:
        """A quarter of them streams, and most of those left early."""
        whole = [w for w in self.scenarios.ways() if not w.asynchronous][:1]
        streamed = [s for s in self.scenarios.streams() if not s.asynchronous][:1]
        mixed: list[Way] = [*whole, *streamed] or list(self.scenarios.ways()[:1])
        counting = Counting()
        rig.start(backends=[counting])

        async def calls(client: Any, count: int) -> None:
            for number in range(count):
                way = mixed[-1 if number % 4 == 0 else 0]
                result = await settled(way.ask(client, [{"role": "user", "content": "Go on."}]))
                if isinstance(way, Stream):
                    iterator, pieces = begun(result), 0
                    while await advance(iterator) is not END and pieces < 1 + number % 5:
                        pieces += 1
                    await settled(way.close(result))

        def held() -> tuple[int, int]:
            assert spanloom.flush(30).pending == 0
            rig.provider.clear()
            rig.provider.on(lambda _call: True, SHORT)
            gc.collect()
            return len(gc.get_objects()), sys.getallocatedblocks()

        async def case() -> tuple[tuple[int, int], tuple[int, int]]:
            async with rig.client(mixed[0].asynchronous) as client:
                rig.provider.on(lambda _call: True, SHORT)
                await calls(client, max(60, self.scenarios.repeats // 10))
                before = held()
                await calls(client, self.scenarios.repeats)
                return before, held()

        before, after = play(mixed[0].asynchronous, case())
        assert counting.spans >= self.scenarios.repeats
        # caches of the framework and of the interpreter still fill a little; one object for each
        # tenth call is far above that
        allowed = max(100, self.scenarios.repeats // 10)
        assert after[0] - before[0] < allowed
        assert after[1] - before[1] < allowed * 2
