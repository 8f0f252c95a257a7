"""Plain generators of a library, watched by a row with ``tap``: one span each, however it ends."""

import asyncio
import gc
import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from types import ModuleType
from typing import Any

import pytest

import spanloom
from spanloom import patches
from spanloom.errors import SpanloomError
from spanloom.patches import Integration, Patch, Start
from spanloom.types import LLMCall, Message, Span, Text

MODULE = "spanloom_test_generators"
TEXTS = ["one ", "two ", "three"]


class Theirs(Exception):
    """What the library itself raises."""


class Library:
    """What is in the patched module, and what its generators went through."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def functions(self) -> dict[str, Any]:
        seen = self.seen

        def pieces(texts: list[str]) -> Generator[str, Any, str]:
            try:
                for text in texts:
                    with spanloom.span("inside"):
                        if text == "fail":
                            raise Theirs("midway")
                    try:
                        seen.append((yield text))
                    except KeyError as thrown:
                        seen.append(repr(thrown))
                return "returned"
            finally:
                seen.append("closed")

        async def apieces(texts: list[str]) -> AsyncGenerator[str, Any]:
            try:
                for text in texts:
                    with spanloom.span("inside"):
                        await asyncio.sleep(0)
                        if text == "fail":
                            raise Theirs("midway")
                    if text == "wait":
                        await asyncio.sleep(60)
                    try:
                        seen.append((yield text))
                    except KeyError as thrown:
                        seen.append(repr(thrown))
            finally:
                seen.append("closed")

        def opened(texts: list[str]) -> Any:
            return pieces(texts)

        def aopened(texts: list[str]) -> Any:
            return apieces(texts)

        async def awaited(texts: list[str]) -> Any:
            return apieces(texts)

        def whole(texts: list[str]) -> str:
            return "".join(texts)

        return locals()


class Tap:
    """The texts, until one that ends in ``three``."""

    weight = 7

    def __init__(self, active: object) -> None:
        self.texts: list[str] = []
        self.first_tick = self.last_tick = self.chunks = 0
        self.complete = False

    def feed(self, chunk: str, /) -> None:
        self.texts.append(chunk)
        self.complete = chunk == "three"

    def reply(self) -> str:
        return "".join(self.texts)


def extract(active: Any) -> LLMCall:
    said = active.tap.reply() if active.tap is not None else active.response or ""
    return LLMCall(output=(Message(role="assistant", parts=(Text(text=said),)),))


def begin(instance: Any, args: Any, kwargs: Any) -> Start:
    return Start(name="call", kind="llm", extract=extract, request=None)


WAYS = ("pieces", "apieces", "opened", "aopened", "awaited")
NAMES = (*WAYS, "whole")


class Setting:
    def __init__(self, rec: Any, library: Library, module: ModuleType) -> None:
        self.rec, self.library, self.module = rec, library, module

    async def open(self, way: str, texts: list[str]) -> Any:
        made = getattr(self.module, way)(texts)
        return await made if inspect.isawaitable(made) else made

    def one(self) -> Span:
        found: Span = self.rec.one(kind="llm")
        return found


@pytest.fixture
def patch(rec: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Setting]]:
    """``patch(**fields)``: all functions of a library are watched by such rows."""

    def apply(**fields: Any) -> Setting:
        library, module = Library(), ModuleType(MODULE)
        vars(module).update(library.functions())
        monkeypatch.setitem(sys.modules, MODULE, module)
        row: dict[str, Any] = {"begin": begin, "tap": Tap, **fields}
        rows = tuple(Patch(target=f"{MODULE}:{name}", **row) for name in NAMES)
        patches.apply(Integration(name="gens", package="gens", supports=">=1", rows=rows))
        return Setting(rec, library, module)

    yield apply
    patches.disable("gens")
    patches._live.pop("gens", None)


async def step(made: Any) -> Any:
    item = next(made) if inspect.isgenerator(made) else made.__anext__()
    return await item if inspect.isawaitable(item) else item


async def every(made: Any) -> list[Any]:
    return list(made) if inspect.isgenerator(made) else [item async for item in made]


async def close(made: Any) -> None:
    done: Awaitable[None] | None = made.close() if inspect.isgenerator(made) else made.aclose()
    if done is not None:
        await done


def text(span: Span) -> str:
    assert isinstance(span.detail, LLMCall)
    part = span.detail.output[0].parts[0]
    assert isinstance(part, Text)
    return part.text


@pytest.mark.parametrize("way", WAYS)
def test_exhausted(patch: Any, way: str) -> None:
    setting = patch()

    async def case() -> None:
        made = await setting.open(way, TEXTS)
        assert inspect.isgenerator(made) or inspect.isasyncgen(made)
        assert await every(made) == TEXTS
        span = setting.one()
        assert (text(span), span.status, span.complete) == ("one two three", "ok", True)
        assert span.integration == "gens" and not span.faults
        assert {s.parent_id for s in setting.rec.spans("inside")} == {span.span_id}

    asyncio.run(case())


@pytest.mark.parametrize("how", ["closed", "left"])
@pytest.mark.parametrize("way", WAYS)
def test_ended_early(patch: Any, way: str, how: str) -> None:
    setting = patch()

    async def case() -> None:
        made = await setting.open(way, TEXTS)
        assert await step(made) == "one "
        if how == "closed":
            await close(made)
        del made
        gc.collect()
        await asyncio.sleep(0.01)  # the loop closes async generators that nobody refers to
        assert setting.library.seen == ["closed"]
        span = setting.one()
        assert (text(span), span.status, span.complete) == ("one ", "ok", False)

    asyncio.run(case())


@pytest.mark.parametrize("way", WAYS)
def test_failed_midway(patch: Any, way: str) -> None:
    setting = patch(
        note=lambda error: {"code": "E7"},
        classify=lambda note, classes: "overloaded" if "Theirs" in classes else "other",
    )

    async def case() -> None:
        with pytest.raises(Theirs, match="midway"):
            await every(await setting.open(way, ["one ", "fail"]))

    asyncio.run(case())
    span = setting.one()
    assert (text(span), span.status, span.complete) == ("one ", "error", False)
    assert (span.error.type, span.error.code, span.error.message) == ("overloaded", "E7", "midway")


@pytest.mark.parametrize("way", ["apieces", "aopened", "awaited"])
def test_cancelled(patch: Any, way: str) -> None:
    setting = patch()

    async def case() -> None:
        made = await setting.open(way, ["one ", "wait"])
        task = asyncio.create_task(every(made))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(case())
    span = setting.one()
    assert (text(span), span.status, span.complete) == ("one ", "cancelled", False)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_reads(patch: Any, way: str) -> None:
    """A generator function has not begun then; a function that returned one has."""
    setting = patch()

    async def case() -> None:
        await setting.open(way, TEXTS)
        gc.collect()

    asyncio.run(case())
    spans = setting.rec.spans(kind="llm")
    assert [span.complete for span in spans] == ([] if way in ("pieces", "apieces") else [False])


@pytest.mark.parametrize("way", WAYS)
def test_the_consumer_is_not_inside_the_call(patch: Any, way: str) -> None:
    setting = patch()

    async def case() -> None:
        with spanloom.span("around"):
            made = await setting.open(way, TEXTS)
            with spanloom.span("before"):
                await step(made)
            with spanloom.span("between"):
                await every(made)
            with spanloom.span("after"):
                pass

    asyncio.run(case())
    around = setting.rec.one("around").span_id
    for name in ("before", "between", "after"):
        assert setting.rec.one(name).parent_id == around


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recorded", [True, False])
def test_send_throw_and_return_reach_the_generator_inside(
    patch: Any, way: str, recorded: bool
) -> None:
    setting = patch(begin=begin if recorded else lambda *args: None)

    async def case() -> None:
        made = await setting.open(way, TEXTS)
        assert await step(made) == "one "
        if inspect.isgenerator(made):
            assert made.send("sent") == "two "
            assert made.throw(KeyError("thrown")) == "three"
            with pytest.raises(StopIteration) as stop:
                next(made)
            assert stop.value.value == "returned"
        else:
            assert await made.asend("sent") == "two "
            assert await made.athrow(KeyError("thrown")) == "three"
            with pytest.raises(StopAsyncIteration):
                await made.__anext__()

    asyncio.run(case())
    assert setting.library.seen == ["sent", "KeyError('thrown')", None, "closed"]
    assert len(setting.rec.spans(kind="llm")) == recorded


def test_the_function_stays_what_it_was(patch: Any) -> None:
    setting = patch()
    assert inspect.isgeneratorfunction(setting.module.pieces)
    assert inspect.isasyncgenfunction(setting.module.apieces)
    assert inspect.iscoroutinefunction(setting.module.awaited)
    made = setting.module.opened(TEXTS)
    assert (made.__name__, made.__qualname__.rpartition(".")[2]) == ("pieces", "pieces")
    spanloom.uninstrument()
    assert list(made) == list(setting.module.pieces(TEXTS)) == TEXTS
    assert not hasattr(setting.module.pieces, "__wrapped__")
    assert setting.one().complete  # what had begun goes on to its end


def test_a_call_that_gives_no_generator_ends_as_usual(patch: Any) -> None:
    setting = patch()
    assert setting.module.whole(TEXTS) == "one two three"
    assert text(setting.one()) == "one two three"


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_tap_that_cannot_be_made(patch: Any, monkeypatch: Any, way: str, strict: bool) -> None:
    monkeypatch.setenv("SPANLOOM_STRICT", "1" if strict else "0")
    setting = patch(tap=lambda active: 1 / 0)

    async def case() -> list[Any]:
        return await every(await setting.open(way, TEXTS))

    if strict:
        with pytest.raises(SpanloomError, match="`tap` of integration 'gens' raised ZeroDivision"):
            asyncio.run(case())
    else:
        assert asyncio.run(case()) == TEXTS
    assert setting.one().faults == ("tap: ZeroDivisionError",)
