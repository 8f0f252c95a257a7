"""A plugin whose own code raises: the span stays, says what failed, and its author is told where."""

import logging
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import spanloom
from spanloom import patches
from spanloom.errors import SpanloomError
from spanloom.patches import Hook, Integration, Observe, Patch, Start
from spanloom.streams import watch_chunks
from spanloom.types import Span, Task

MODULE = "spanloom_test_faulty"


class Theirs(Exception):
    """What the library itself raises."""


def until_it_fails() -> Iterator[int]:
    yield 1
    raise Theirs("midway")


class Client:
    def create(self, x: Any = None) -> Any:
        if x == "fail":
            raise Theirs("no")
        if x == "midway":
            return Stream(until_it_fails())
        return self.stream(x) if isinstance(x, list) else ("made", x)

    def stream(self, x: list[Any]) -> Any:
        return Stream(iter(x))

    def inside(self) -> Any:
        return self.create()


class Stream:
    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self.response = SimpleNamespace()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterator)


class Tap:
    first_tick = last_tick = chunks = weight = 0
    complete = True

    def feed(self, chunk: Any, /) -> None: ...

    def reply(self) -> Any: ...


class FeedRaises(Tap):
    def feed(self, chunk: Any, /) -> None:
        boom()


class CompleteRaises(Tap):
    complete = property(lambda self: boom())  # type: ignore[assignment]


class SaysFailed(Tap):
    failure = {"message": "overloaded"}


def boom(*args: Any, **kwargs: Any) -> Any:
    raise ZeroDivisionError("a secret of the user's")


def begin(instance: Any, args: Any, kwargs: Any) -> Start:
    return Start(name="call", kind="task", extract=lambda a: Task(input="words"), request=args)


def begin_with(extract: Any) -> Any:
    return lambda *args: Start(name="call", kind="task", extract=extract, request=None)


def finish_with(tap: Any, note: Any = None) -> Any:
    return lambda active, result: watch_chunks(active, result, tap(), note)


@pytest.fixture
def patched(start: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``patched(**fields)``: a recorder in which ``create`` is watched by such a row of ``faulty``."""
    module = ModuleType(MODULE)
    vars(module).update(Client=type("Client", (Client,), dict(vars(Client))))
    monkeypatch.setitem(sys.modules, MODULE, module)

    def patch(*more: Any, **fields: Any) -> tuple[Any, Any]:
        rec = start()
        row = Patch(target=f"{MODULE}:Client.create", **{"begin": begin, **fields})
        rows = (row, *more)
        patches.apply(Integration(name="faulty", package="faulty", supports=">=1", rows=rows))
        return rec, module.__dict__["Client"]()

    yield patch
    patches.disable("faulty")
    patches._live.pop("faulty", None)


ON_WORKER = [
    pytest.param("classify", {"classify": boom}, "fail", "ZeroDivisionError", id="classify"),
    pytest.param("classify", {"classify": lambda n, c: "rate-limit"}, "fail", "WrongAnswerError",
                 id="classify-no-such-word"),
    pytest.param("classify", {"classify": boom, "finish": finish_with(SaysFailed)}, [1],
                 "ZeroDivisionError", id="classify-of-what-a-stream-said"),
    pytest.param("extract", {"begin": begin_with(boom)}, 1, "ZeroDivisionError", id="extract"),
    pytest.param("extract", {"begin": begin_with(lambda a: {"input": 1})}, 1, "WrongAnswerError",
                 id="extract-no-detail"),
]  # fmt: skip


def call(client: Any, given: Any) -> None:
    """As a program does, which knows only the library's own exception."""
    try:
        result = client.create(given)
        if isinstance(given, list):
            assert list(result) == given
    except Theirs:
        assert given == "fail"


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize(("name", "fields", "given", "error"), ON_WORKER)
def test_what_fails_on_the_worker_is_said_and_the_span_stays(
    patched: Any, monkeypatch: Any, caplog: Any, strict: bool,
    name: str, fields: Any, given: Any, error: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("SPANLOOM_STRICT", "1" if strict else "0")
    monkeypatch.setattr("spanloom.faults._told", set())
    rec, client = patched(**fields)
    call(client, given)
    call(client, given)
    first, second = rec.spans()
    assert first.faults == second.faults == (f"{name}: {error}",)
    if name == "classify":
        assert (first.status, first.error.type) == ("error", "other")
        assert first.detail.input == "words"
    else:
        assert (first.status, first.detail) == ("ok", Task())
    said = [record.getMessage() for record in caplog.records if "faulty" in record.getMessage()]
    assert len(said) == (2 if strict else 1)
    assert f"`{name}` of integration 'faulty'" in said[0] and said[0].endswith("Correct it.")
    if error == "ZeroDivisionError":
        assert "raised ZeroDivisionError at " in said[0] and "test_faults.py:" in said[0]
    else:
        assert ("'rate-limit', not one of rate_limit" in said[0]) is (name == "classify")
    assert ("Traceback" in caplog.text) is strict
    assert ("a secret" in caplog.text) is (strict and error == "ZeroDivisionError")
    assert not spanloom.stats()["worker_faults"]


IN_THE_CALL = [
    pytest.param("note", {"note": boom}, "fail", "error", True, id="note"),
    pytest.param("finish", {"finish": boom}, 1, "ok", True, id="finish"),
    pytest.param("feed", {"finish": finish_with(FeedRaises)}, [1, 2], "ok", True, id="feed"),
    pytest.param("complete", {"finish": finish_with(CompleteRaises)}, [1], "ok", False,
                 id="complete"),
]  # fmt: skip


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize(("name", "fields", "given", "status", "complete"), IN_THE_CALL)
def test_what_fails_in_the_call_is_said_and_the_span_stays(
    patched: Any, monkeypatch: Any, caplog: Any, strict: bool,
    name: str, fields: Any, given: Any, status: str, complete: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("SPANLOOM_STRICT", "1" if strict else "0")
    rec, client = patched(**fields)
    if strict:
        wanted = rf"`{name}` of integration 'faulty' raised ZeroDivisionError at .*test_faults\.py:"
        with pytest.raises(SpanloomError, match=wanted) as raised:
            call(client, given)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
    else:
        call(client, given)
        assert f"spanloom: `{name}` of integration 'faulty' raised ZeroDivisionError" in caplog.text
        assert "a secret" not in caplog.text
    span: Span = rec.one()
    assert span.faults == (f"{name}: ZeroDivisionError",)
    assert span.status == ("error" if strict and name == "feed" else status)
    assert span.complete is (complete and not (strict and name == "feed"))
    assert span.detail == Task(input="words")


def test_a_note_that_fails_on_a_stream_leaves_the_error(patched: Any, lenient: None) -> None:
    rec, client = patched(finish=finish_with(Tap, note=boom))
    with pytest.raises(Theirs, match="midway"):
        list(client.create("midway"))
    failed = rec.one()
    assert (failed.status, failed.error.message, failed.complete) == ("error", "midway", False)
    assert failed.faults == ("note: ZeroDivisionError",)


def test_a_begin_that_fails_is_named(patched: Any, caplog: Any, monkeypatch: Any) -> None:
    rec, client = patched(begin=boom)
    with pytest.raises(SpanloomError, match="`begin` of integration 'faulty'"):
        client.create(1)
    monkeypatch.delenv("SPANLOOM_STRICT")
    assert client.create(1) == ("made", 1)
    assert "`begin` of integration 'faulty' raised ZeroDivisionError" in caplog.text
    assert rec.spans() == []


def test_an_observer_that_fails_is_noted_on_the_span_it_looked_at(
    patched: Any, lenient: None
) -> None:
    rec, client = patched(
        Patch(target=f"{MODULE}:Client.inside", begin=begin),
        Observe(target=f"{MODULE}:Client.stream", see=boom),
    )
    assert list(client.create([1])) == [1]
    assert rec.one().faults == ("see: ZeroDivisionError",)


def test_a_hook_that_fails_switches_its_integration_off(
    patched: Any, lenient: None, caplog: Any
) -> None:
    rec, client = patched(Hook(module=MODULE, add=boom))
    assert client.create(1) == ("made", 1)
    assert rec.spans() == []
    (said,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert said.startswith("spanloom: integration 'faulty' is off") and "ZeroDivisionError" in said
