"""Decorators: everything about the decorated thing stays what it was."""

import asyncio
import functools
import gc
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import spanloom
from spanloom.decorate import MAX_BYTES, _Yielded


@spanloom.tool
def pickled(a: int, *rest: int, b: int = 2, **more: int) -> int:
    """A docstring."""
    return a + b


@spanloom.agent
class Pickled:
    def __init__(self, n: int) -> None:
        self.n = n

    def run(self) -> int:
        return self.n


def test_facts_of_the_function_stay(rec: Any) -> None:
    assert pickled.__name__ == "pickled"
    assert pickled.__doc__ == "A docstring."
    assert pickled.__module__ == __name__
    assert str(inspect.signature(pickled)) == "(a: int, *rest: int, b: int = 2, **more: int) -> int"
    assert pickle.loads(pickle.dumps(pickled)) is pickled
    assert pickled.__annotations__["a"] is int
    copy = pickle.loads(pickle.dumps(Pickled(3)))
    assert copy.run() == 3
    assert isinstance(copy, Pickled)


def test_arguments_by_name_and_result(rec: Any) -> None:
    assert pickled(1, 5, 6, b=3, c=4) == 4
    detail = rec.one("pickled", "tool").detail
    assert detail.input == {"a": 1, "args": [5, 6], "b": 3, "c": 4}
    assert (detail.output, detail.tool) == (4, "pickled")


def test_the_callers_objects_may_change_after_the_call(rec: Any) -> None:
    @spanloom.task
    def work(messages: list[dict[str, str]], options: dict[str, list[int]]) -> None:
        messages[0]["content"] = "changed"
        messages.append({"role": "x"})
        options["n"].append(2)

    work([{"content": "first"}], {"n": [1]})
    assert rec.one("work").detail.input == {
        "messages": [{"content": "first"}], "options": {"n": [1]},
    }  # fmt: skip


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(2)])
def test_exceptions_are_the_same_objects(rec: Any, error: BaseException) -> None:
    @spanloom.task
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert error.__context__ is None
    assert len(rec.spans("fail")) == 1


@pytest.mark.parametrize("kind", sorted(["workflow", "agent", "tool", "task", "plan", "memory"]))
def test_bare_called_and_named(rec: Any, kind: str) -> None:
    make = getattr(spanloom, kind)

    @make
    def bare() -> None: ...

    @make()
    def called() -> None: ...

    @make("positional")
    def one() -> None: ...

    @make(name="keyword", extra=1)
    def two() -> None: ...

    for function in (bare, called, one, two):
        function()
    assert [s.name for s in rec.spans(kind=kind)] == ["bare", "called", "positional", "keyword"]
    assert dict(rec.one("keyword").attributes) == {"extra": 1}


def test_span_and_llm_call_bare(rec: Any) -> None:
    @spanloom.span
    def one() -> int:
        return 1

    @spanloom.llm_call
    def two() -> str:
        return "hi"

    @spanloom.span("three", kind="agent")
    def three() -> None: ...

    @spanloom.llm_call(model="m")
    def four(prompt: str) -> str:
        return prompt.upper()

    assert (one(), two(), four("x")) == (1, "hi", "X")
    three()
    assert {(s.name, s.kind) for s in rec.spans()} == {
        ("one", "task"), ("two", "llm"), ("three", "agent"), ("chat m", "llm"),
    }  # fmt: skip
    span = rec.one("chat m")
    assert span.detail.model == "m"
    assert span.detail.output[0].parts[0].text == "X"
    assert dict(span.attributes) == {"arguments": {"prompt": "x"}}


def test_methods_of_every_sort(rec: Any) -> None:
    class Thing:
        @spanloom.tool
        def method(self, a: int) -> int:
            return a

        @spanloom.tool
        @classmethod
        def over_class(cls, a: int) -> Any:
            return cls, a

        @classmethod
        @spanloom.tool
        def under_class(cls, a: int) -> Any:
            return cls, a

        @spanloom.tool
        @staticmethod
        def static(a: int) -> int:
            return a

        @property
        @spanloom.tool
        def prop(self) -> int:
            return 9

        @spanloom.tool
        async def acall(self, a: int) -> int:
            return a

        @spanloom.tool
        def __call__(self, a: int) -> int:
            return a

    thing = Thing()
    assert thing.method(1) == Thing.method(thing, 1) == 1
    assert thing.over_class(2) == Thing.over_class(2) == (Thing, 2)
    assert thing.under_class(3) == (Thing, 3)
    assert thing.static(4) == Thing.static(4) == 4
    assert thing.prop == 9
    assert asyncio.run(thing.acall(5)) == 5
    assert thing(6) == 6
    inputs = {s.name: s.detail.input for s in rec.spans()}
    assert inputs == {
        "method": {"a": 1}, "over_class": {"a": 2}, "under_class": {"a": 3}, "static": {"a": 4},
        "prop": {}, "acall": {"a": 5}, "__call__": {"a": 6},
    }  # fmt: skip


def test_classes_record_their_entry_methods(rec: Any) -> None:
    class Base:
        def invoke(self, x: int) -> int:
            return x

    @spanloom.agent("helper", role="worker")
    class Helper(Base):
        def run(self, x: int) -> int:
            return self.invoke(x) + 1

        async def arun(self, x: int) -> int:
            return x

        def other(self) -> None: ...

    assert inspect.isclass(Helper)
    helper = Helper()
    assert helper.run(1) == 2
    assert asyncio.run(helper.arun(3)) == 3
    helper.other()
    spans = rec.spans()
    assert [(s.name, s.kind, s.detail.role) for s in spans] == [("helper", "agent", "worker")] * 2


def test_coroutines(rec: Any) -> None:
    @spanloom.agent
    async def work(x: int) -> int:
        with spanloom.span("inner"):
            await asyncio.sleep(0)
        return x

    @spanloom.tool
    def plain(x: int) -> Any:
        return work(x)

    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(work(1)) == 1
    assert rec.parent_of("inner") == "work"
    rec.backend.clear()

    async def main() -> int:
        coroutine = plain(2)
        assert spanloom.current_span() is None, "it only runs when awaited"
        return await coroutine

    assert asyncio.run(main()) == 2
    assert rec.parent_of("work") == "plain"
    assert rec.one("plain").detail.output == 2


def test_a_cancelled_coroutine(rec: Any) -> None:
    @spanloom.task
    async def slow() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(slow())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert rec.one("slow").status == "cancelled"


def echo(log: list[Any]) -> Any:
    """What a generator is sent, thrown and asked to close."""
    got = None
    while True:
        try:
            got = yield ("got", got)
        except ValueError as error:
            log.append(error)
            got = "thrown"
        except GeneratorExit:
            log.append("closed")
            raise
        if got == "stop":
            return "returned"


def drive(make: Callable[[list[Any]], Any]) -> list[Any]:
    log: list[Any] = []
    generator = make(log)
    out = [next(generator), generator.send(1), generator.throw(ValueError("v")), generator.send(2)]
    try:
        generator.send("stop")
    except StopIteration as stop:
        out.append(stop.value)
    out.append(list(generator))
    other = make(log)
    next(other)
    other.close()
    other.close()
    unstarted = make(log)
    unstarted.close()
    return [*out, *(repr(item) for item in log)]


def test_generators_behave_as_before(rec: Any) -> None:
    watched = spanloom.tool(echo)
    assert inspect.isgeneratorfunction(watched)
    assert drive(watched) == drive(echo)
    spans = rec.spans("echo")
    assert [(s.status, s.complete) for s in spans] == [("ok", True), ("ok", False)]


def test_a_generators_errors(rec: Any) -> None:
    error = ValueError("mid")

    @spanloom.task
    def parts() -> Any:
        yield "a"
        raise error

    generator = parts()
    assert next(generator) == "a"
    with pytest.raises(ValueError, match="mid") as caught:
        next(generator)
    assert caught.value is error
    span = rec.one("parts")
    assert (span.status, span.complete, span.detail.output) == ("error", False, "a")

    @spanloom.task
    def stubborn() -> Any:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = stubborn()
    next(generator)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        generator.close()
    assert rec.one("stubborn").status == "error"

    @spanloom.task
    def stops() -> Any:
        yield 1
        raise StopIteration

    generator = stops()
    next(generator)
    with pytest.raises(RuntimeError, match="StopIteration"):
        next(generator)
    assert rec.one("stops").status == "error"


def test_a_generator_dropped_half_read(rec: Any) -> None:
    @spanloom.task
    def parts() -> Any:
        yield "a"
        yield "b"

    generator = parts()
    next(generator)
    del generator
    gc.collect()
    span = rec.one("parts")
    assert (span.status, span.complete, span.detail.output) == ("ok", False, "a")


def test_a_generators_span_is_current_only_inside(rec: Any) -> None:
    @spanloom.agent
    def gen() -> Any:
        for n in range(2):
            with spanloom.tool(f"in{n}"):
                assert spanloom.current_span().name == f"in{n}"
                yield n
            assert spanloom.current_span().name == "gen"

    with spanloom.span("root"):
        for n in gen():
            assert spanloom.current_span().name == "root"
            with spanloom.span(f"out{n}"):
                pass
    assert [rec.parent_of(n) for n in ("in0", "in1", "out0", "out1", "gen")] == [
        "gen", "gen", "root", "root", "root",
    ]  # fmt: skip


def test_two_generators_in_turn(rec: Any) -> None:
    @spanloom.agent
    def gen(name: str) -> Any:
        for n in range(3):
            with spanloom.tool(f"{name}{n}"):
                yield n

    a, b = gen("a"), gen("b")
    for _ in range(3):
        next(a)
        next(b)
    a.close()
    b.close()
    agents = {s.detail.input["name"]: s.span_id for s in rec.spans("gen")}
    for name in ("a", "b"):
        for n in range(3):
            assert rec.one(f"{name}{n}").parent_id == agents[name]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_wrong_arguments_leave_no_span_open(rec: Any, asynchronous: bool) -> None:
    if asynchronous:

        @spanloom.tool
        async def gen(a: int) -> Any:
            yield a

        async def use() -> None:
            async for _ in gen():  # type: ignore[call-arg]
                pass

        with pytest.raises(TypeError, match="missing 1 required"):
            asyncio.run(use())
    else:

        @spanloom.tool
        def gen(a: int) -> Any:
            yield a

        with pytest.raises(TypeError, match="missing 1 required"):
            list(gen())  # type: ignore[call-arg]
    assert spanloom.current_span() is None
    assert rec.spans() == []
    assert spanloom.stats()["open"] == 0


async def aecho(log: list[Any]) -> Any:
    got = None
    while True:
        try:
            got = yield ("got", got)
        except ValueError as error:
            log.append(repr(error))
            got = "thrown"
        except GeneratorExit:
            log.append("closed")
            raise
        if got == "stop":
            return


async def adrive(make: Callable[[list[Any]], Any]) -> list[Any]:
    log: list[Any] = []
    generator = make(log)
    out = [
        await generator.__anext__(),
        await generator.asend(1),
        await generator.athrow(ValueError("v")),
        await generator.asend(2),
    ]
    with pytest.raises(StopAsyncIteration):
        await generator.asend("stop")
    out.append([item async for item in generator])
    other = make(log)
    await other.__anext__()
    await other.aclose()
    await other.aclose()
    await make(log).aclose()
    return [*out, *log]


def test_async_generators_behave_as_before(rec: Any) -> None:
    watched = spanloom.tool(aecho)
    assert inspect.isasyncgenfunction(watched)
    assert asyncio.run(adrive(watched)) == asyncio.run(adrive(aecho))
    spans = rec.spans("aecho")
    assert [(s.status, s.complete) for s in spans] == [("ok", True), ("ok", False)]


def test_an_async_generator_unrecorded_behaves_as_before() -> None:
    assert asyncio.run(adrive(spanloom.tool(aecho))) == asyncio.run(adrive(aecho))
    assert drive(spanloom.tool(echo)) == drive(echo)


def test_async_generators_in_tasks(rec: Any) -> None:
    @spanloom.agent
    async def gen(name: str) -> Any:
        for n in range(3):
            with spanloom.tool(f"{name}{n}"):
                await asyncio.sleep(0)
            yield n

    async def read(name: str) -> None:
        with spanloom.span(f"reader {name}"):
            async for n in gen(name):
                assert spanloom.current_span().name == f"reader {name}"
                with spanloom.span(f"out {name}{n}"):
                    await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(read(f"r{n}") for n in range(5)))

    asyncio.run(main())
    agents = {s.detail.input["name"]: s for s in rec.spans("gen")}
    for number in range(5):
        name = f"r{number}"
        assert agents[name].parent_id == rec.one(f"reader {name}").span_id
        for n in range(3):
            assert rec.one(f"{name}{n}").parent_id == agents[name].span_id
            assert rec.parent_of(f"out {name}{n}") == f"reader {name}"


def test_an_async_generator_cancelled_midway(rec: Any) -> None:
    @spanloom.task
    async def gen() -> Any:
        yield "a"
        await asyncio.sleep(60)

    async def read() -> None:
        async for _ in gen():
            pass

    async def main() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    span = rec.one("gen")
    assert (span.status, span.complete, span.detail.output) == ("cancelled", False, "a")


def test_other_callables_stay_what_they_are(rec: Any, lenient: None, caplog: Any) -> None:
    class Caller:
        def __call__(self, x: int) -> int:
            return x

    cached = functools.lru_cache(lambda: 1)
    for target in (functools.partial(pow, 2), Caller(), cached):
        assert spanloom.tool(target) is target
    assert len(caplog.records) == 3
    assert spanloom.tool(len)("abc") == 3
    assert [s.name for s in rec.spans()] == ["len"]


def test_a_class_that_cannot_be_changed(rec: Any, lenient: None, caplog: Any) -> None:
    class Meta(type):
        def __setattr__(cls, name: str, value: Any) -> None:
            raise AttributeError(name)

    class Fixed(metaclass=Meta):
        def run(self) -> int:
            return 1

    assert spanloom.agent(Fixed) is Fixed
    assert Fixed().run() == 1
    assert len(caplog.records) == 1


def test_an_entry_method_that_calls_another_is_one_span(rec: Any) -> None:
    @spanloom.agent
    class Worker:
        def __call__(self, other: Any = None) -> int:
            return (other or self).run()

        def run(self) -> int:
            return 1

    worker = Worker()
    assert worker() == 1
    assert len(rec.spans("Worker")) == 1
    worker(Worker())
    assert len(rec.spans("Worker")) == 3


def test_what_a_generator_yields_is_bounded(rec: Any) -> None:
    @spanloom.task
    def texts() -> Any:
        yield from ("x" * 1000 for _ in range(1000))

    @spanloom.task
    def blobs() -> Any:
        yield from (bytes(100_000) for _ in range(10))

    weight: list[int] = []

    @spanloom.task
    def takes(text: str) -> str:
        weight.append(spanloom.current_span().weight)  # type: ignore[union-attr]
        return text

    assert sum(map(len, texts())) == 1_000_000
    assert len(list(blobs())) == 10
    takes("x" * 5000)
    assert rec.one("texts").status == "ok"
    yielded = _Yielded()
    for _ in range(1000):
        yielded.add("x" * 1000)
    text = yielded.value()
    assert 200_000 < len(text) < 300_000 + MAX_BYTES // 4
    assert text.endswith("more items were not kept]")
    assert len(rec.one("blobs").detail.output) == 3
    assert weight == [5512]
