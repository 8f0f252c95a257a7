"""One test's surroundings: a provider, spanloom switched on and off, and what was recorded."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.recorder import set_raw_frame
from spanloom.testing.answers import Answer, Chat, Exchange, Tokens
from spanloom.testing.contracts.scenarios import Call, Messages, Scenarios, Stream, Way
from spanloom.testing.provider import FakeProvider
from spanloom.types import LLMCall, Span, Text

T = TypeVar("T")

QUESTION: Messages = [{"role": "user", "content": "How does it begin?"}]
PIECES = ("Long ", "ago, ", "far ", "away, ", "on ", "a ", "hill.")
ANSWER = Chat(
    text="".join(PIECES), chunks=PIECES, usage=Tokens(21, 8, cached=5), finish_reason="stop"
)
END = object()
WHEN: tuple[Literal["setup", "call"], ...] = ("setup", "call")


def play(asynchronous: bool, case: Coroutine[Any, Any, T]) -> T:
    """Run a case in an event loop, or without any where it only calls synchronous code."""
    if asynchronous:
        return asyncio.run(case)
    try:
        case.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    case.close()
    raise AssertionError("a synchronous way waited for an event loop")


async def settled(value: Any) -> Any:
    """The value, awaited where it must be."""
    return await value if inspect.isawaitable(value) else value


def begun(stream: Any) -> Any:
    """Its iterator."""
    return aiter(stream) if hasattr(stream, "__aiter__") else iter(stream)


async def advance(iterator: Any) -> Any:
    """The next piece, or ``END``."""
    try:
        if hasattr(iterator, "__anext__"):
            return await anext(iterator)
        return next(iterator)
    except (StopAsyncIteration, StopIteration):
        return END


async def swept(asynchronous: bool) -> None:
    """Let the collector run, and what an event loop does about the generators it found."""
    gc.collect()
    if asynchronous:
        for _ in range(5):
            await asyncio.sleep(0.002)
        gc.collect()


@dataclass(frozen=True)
class Ran:
    """What one run showed to the caller and to the server."""

    kind: type
    value: Any
    exchanges: tuple[Exchange, ...]


class Rig:
    """Made for each test by the fixture ``rig``."""

    def __init__(self, scenarios: Scenarios, provider: FakeProvider, place: Path) -> None:
        self.scenarios = scenarios
        self.provider = provider
        self.place = place
        self.memory: MemoryBackend = MemoryBackend()
        self.quiet = True
        """False where a case expects a warning."""

    def start(self, **settings: Any) -> None:
        """``init`` with this integration and a backend in memory, unless told otherwise."""
        given: dict[str, Any] = {
            "backends": [self.memory],
            "integrations": [self.scenarios.integration],
            "user_ids": "keep",
            "content": "full",
            "signals": False,
        }
        spanloom.init(**(given | settings))

    def spans(self) -> list[Span]:
        """All finished spans."""
        report = spanloom.flush(10)
        assert report.ok, report
        return self.memory.spans

    def recorded(self) -> list[Span]:
        """Those of the integration."""
        return [s for s in self.spans() if s.integration == self.scenarios.integration]

    def one(self) -> Span:
        """The only span of the integration, which has ended."""
        found = self.recorded()
        assert len(found) == 1, f"{len(found)} spans: {[(s.kind, s.name) for s in found]}"
        return found[0]

    def answers(self, *answers: Answer) -> None:
        """What the server says next, whatever it is asked; forgets what was before."""
        self.provider.clear()
        self.provider.script(answers)

    @asynccontextmanager
    async def client(
        self,
        asynchronous: bool,
        inside: Callable[[], None] | None = None,
        timeout_s: float = 10.0,
    ) -> AsyncIterator[Any]:
        """A client that is closed afterwards."""
        client = self.scenarios.client(
            self.provider, asynchronous=asynchronous, inside=inside, timeout_s=timeout_s
        )
        try:
            yield client
        finally:
            await settled(self.scenarios.close(client))

    def ask(
        self,
        way: Way,
        messages: Messages | None = None,
        inside: Callable[[], None] | None = None,
        timeout_s: float = 10.0,
    ) -> Ran:
        """Ask in that way and read the whole answer."""

        async def run() -> Ran:
            async with self.client(way.asynchronous, inside, timeout_s) as client:
                asked = messages if messages is not None else [dict(m) for m in QUESTION]
                return await self.reading(way, client, asked)

        return play(way.asynchronous, run())

    async def reading(self, way: Way, client: Any, messages: Messages) -> Ran:
        """The same inside a running case."""
        result = await settled(way.ask(client, messages))
        kind, plain = type(result), self.scenarios.plain
        if not isinstance(way, Stream):
            return Ran(kind, plain(result), self.provider.exchanges)
        pieces, iterator = [], begun(result)
        while (piece := await advance(iterator)) is not END:
            pieces.append(plain(piece))
        return Ran(kind, pieces, self.provider.exchanges)

    def perform(self, call: Call) -> Ran:
        """The call, with the answer it wants."""

        async def run() -> Ran:
            async with self.client(call.asynchronous) as client:
                result = await settled(call.make(client))
                kind = type(result)
                return Ran(kind, await settled(call.read(result)), self.provider.exchanges)

        self.provider.clear()
        if call.answer is not None:
            self.provider.script([call.answer])
        return play(call.asynchronous, run())


def text_of(span: Span) -> str:
    """The text of the first choice."""
    assert isinstance(span.detail, LLMCall), span.detail
    if not span.detail.output:
        return ""
    return "".join(p.text for p in span.detail.output[0].parts if isinstance(p, Text))


def asked_of(span: Span) -> list[str]:
    """The texts of the messages that were sent."""
    assert isinstance(span.detail, LLMCall), span.detail
    return [p.text for m in span.detail.input for p in m.parts if isinstance(p, Text)]


class Contract:
    """What the suites have in common. ``call``, ``way`` and ``stream`` are parameters by name."""

    scenarios: Scenarios

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A case that takes ``call``, ``way``, ``stream`` or ``any_way`` runs once for each."""
        told: dict[str, list[Any]] = {
            "call": [*self.scenarios.calls()],
            "way": [*self.scenarios.ways()],
            "stream": [*self.scenarios.streams()],
            "any_way": [*self.scenarios.ways(), *self.scenarios.streams()],
            "async_way": [w for w in self.scenarios.ways() if w.asynchronous],
            "sync_way": [w for w in self.scenarios.ways() if not w.asynchronous],
            "async_stream": [s for s in self.scenarios.streams() if s.asynchronous],
        }
        for name, found in told.items():
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, found, ids=[one.name for one in found])
        if "failure" in metafunc.fixturenames:
            metafunc.parametrize("failure", self.scenarios.failures)

    @pytest.fixture
    def rig(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> Iterator[Rig]:
        """Spanloom is off at first, and off and without a trace afterwards."""
        for name in [name for name in os.environ if name.startswith(("SPANLOOM_", "OTEL_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("SPANLOOM_STRICT", "1")
        monkeypatch.chdir(tmp_path)
        with FakeProvider(seed=7) as provider:
            rig = Rig(self.scenarios, provider, tmp_path)
            # the collections that cases ask for need not walk through all the framework's classes
            gc.freeze()
            set_raw_frame(None)  # whatever an earlier test left behind
            try:
                yield rig
            finally:
                spanloom.shutdown()
                gc.unfreeze()
        if rig.quiet:
            said = [
                record.getMessage()
                for when in WHEN
                for record in caplog.get_records(when)
                if record.levelno >= logging.WARNING
                and record.name.split(".")[0] in ("spanloom", "asyncio", "opentelemetry")
            ]
            assert not said, said
