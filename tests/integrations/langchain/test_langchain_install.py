"""Switched on and off: nothing of ours stays, nobody is in the way, and memory is flat."""

import gc
import sys
from asyncio import CancelledError
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import context as tracers

import spanloom
from spanloom import patches

from .conftest import Recorded


def ours() -> list[Any]:
    return [h for h in tracers._configure_hooks if type(h[0]).__module__.startswith("spanloom")]


@pytest.mark.field("E2", "uninstrument leaves nothing behind", by="langchain")
def test_uninstrument_takes_everything_back(start: Callable[..., Recorded]) -> None:
    managers = sys.modules.get("langgraph.pregel.main")
    names = [n for n in dir(managers) if "graph_callback_manager" in n]
    before = [list(tracers._configure_hooks), [getattr(managers, n) for n in names]]
    for off in (spanloom.uninstrument, spanloom.shutdown):
        rec = start()
        assert len(ours()) == 1
        step = RunnableLambda(lambda x: x, name="step")
        step.invoke(1)
        rec.one()
        off()
        assert [list(tracers._configure_hooks), [getattr(managers, n) for n in names]] == before
        step.invoke(1)
    assert ours() == []


def test_on_twice_is_recorded_once(start: Callable[..., Recorded]) -> None:
    start()
    rec = start()
    spanloom.instrument("langchain")
    assert len(ours()) == 1
    RunnableLambda(lambda x: x, name="step").invoke(1)
    rec.one()


def test_off_in_the_middle_of_a_run(rec: Recorded) -> None:
    def step(x: int) -> int:
        spanloom.uninstrument("langchain")
        return x

    RunnableLambda(step).invoke(1)
    assert rec.one().status == "ok"
    rec.nothing_open()


@pytest.mark.field("E1", "a private name that is gone costs only this integration", by="langchain")
def test_a_version_we_do_not_know(
    start: Callable[..., Recorded], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("SPANLOOM_STRICT", "0")
    monkeypatch.delattr(tracers, "register_configure_hook")
    rec = start()
    assert RunnableLambda(lambda x: x).invoke(1) == 1
    with spanloom.span("by hand"):
        pass
    assert [s.name for s in rec.spans()] == ["by hand"]
    assert not patches.state()["langchain"].on
    (said,) = [r.getMessage() for r in caplog.records if r.name == "spanloom"]
    assert "langchain" in said and "register_configure_hook" in said


def test_no_handler_of_ours_lands_on_objects_of_the_program(rec: Recorded) -> None:
    class Own(BaseCallbackHandler):
        pass

    mine = [Own()]
    manager = CallbackManager(mine)
    RunnableLambda(lambda x: x).invoke(1, {"callbacks": manager})
    RunnableLambda(lambda x: x).invoke(1, {"callbacks": mine})
    assert len(mine) == len(manager.handlers) == 1


def test_it_does_not_look_like_a_streaming_handler(rec: Recorded) -> None:
    """Such a handler would turn every ``invoke`` into a stream."""
    from langchain_core.tracers._streaming import _StreamingCallbackHandler

    assert not isinstance(ours()[0][0].get(), _StreamingCallbackHandler)


@pytest.mark.field("H1", "unfinished runs do not pile up", by="langchain")
def test_runs_that_never_end(rec: Recorded) -> None:
    """LangChain tells no end of a cancelled call; the chain around it does end."""
    handler: Any = ours()[0][0].get()

    def some(count: int) -> int:
        for number in range(count):
            copy_context().run(lose, number)
        rec.nothing_open()
        rec.backend.clear()
        gc.collect()
        return len(gc.get_objects())

    def lose(number: int) -> None:
        handler.on_chain_start(None, {}, run_id=("chain", number), name="chain")
        handler.on_chat_model_start(
            {}, [[AIMessage("x")]], run_id=("lost", number), parent_run_id=("chain", number)
        )
        handler.on_chain_error(CancelledError(), run_id=("chain", number))

    some(200)
    before = some(200)
    assert some(1000) - before < 200


@pytest.mark.field("H1", "10,000 calls: memory flat", by="langchain")
def test_many_calls_leave_nothing(rec: Recorded) -> None:
    model = GenericFakeChatModel(messages=iter(AIMessage("x") for _ in range(20_000)))
    chain = RunnableLambda(lambda x: x) | model

    def some(count: int) -> int:
        for number in range(count):
            if number % 10:
                chain.invoke("Say")
            else:
                stream = chain.stream("Say")
                next(stream)
                stream.close()
        rec.spans()
        rec.backend.clear()
        gc.collect()
        return len(gc.get_objects())

    some(200)
    before = some(200)
    assert some(10_000) - before < 300
