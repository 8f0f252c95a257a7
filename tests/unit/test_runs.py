"""Spans of callback frameworks: found by run id, swept with their parent, bounded."""

import asyncio
from contextvars import copy_context
from typing import Any

import pytest

import spanloom
from spanloom.recorder import Active
from spanloom.runs import Run, Runs, handoff
from spanloom.types import Handoff, LLMCall, Session


@pytest.fixture
def runs() -> Runs:
    return Runs("test")


def begin(runs: Runs, id: object, over: object = None, kind: Any = "task", **more: Any) -> Run:
    run = runs.start(id, over, Active(str(id), kind), **more)
    assert run is not None
    return run


def test_the_frameworks_parent_wins_wherever_the_start_comes(rec: Any, runs: Runs) -> None:
    copy_context().run(begin, runs, "a")
    copy_context().run(begin, runs, "b", "a")
    with spanloom.span("elsewhere"):
        begin(runs, "c", "b")
    for id in ("c", "b", "a"):
        runs.end(id)
    assert (rec.parent_of("b"), rec.parent_of("c")) == ("a", "b")
    assert len(runs) == 0


def test_without_a_known_parent_the_current_span_is_it(rec: Any, runs: Runs) -> None:
    with spanloom.span("around"):
        begin(runs, "a", "unheard of")
        runs.end("a")
    assert rec.parent_of("a") == "around"


def test_what_the_program_opened_inside_is_nearer(rec: Any, runs: Runs) -> None:
    begin(runs, "a")
    with spanloom.session("s"), spanloom.span("inside"):
        begin(runs, "b", "a")
        runs.end("b")
    runs.end("a")
    assert rec.parent_of("b") == "inside"
    assert rec.one("b").session.id == "s"


def test_a_skipped_run_passes_its_children_on(rec: Any, runs: Runs) -> None:
    begin(runs, "a")
    assert runs.skip("noise", "a").span is runs.find("a").active  # type: ignore[union-attr]
    begin(runs, "b", "noise")
    for id in ("b", "noise", "a"):
        runs.end(id)
    assert rec.parent_of("b") == "a"
    assert len(rec.spans()) == 2


@pytest.mark.parametrize(
    ("error", "status", "ended_by"),
    [
        (asyncio.CancelledError(), "cancelled", "CancelledError"),
        (ValueError("of the parent"), "cancelled", "Stopped"),
        (None, "ok", "abandoned"),
    ],
)
def test_what_never_ends_ends_with_its_parent(
    rec: Any, runs: Runs, error: BaseException | None, status: str, ended_by: str
) -> None:
    begin(runs, "a")
    begin(runs, "b", "a")
    begin(runs, "c", "b")
    runs.end("a", None, error)
    for name in ("b", "c"):
        span = rec.one(name)
        assert (span.status, span.ended_by, span.complete) == (status, ended_by, False)
    assert runs.end("c") is None
    assert len(runs) == 0


def test_a_call_in_flight_is_not_cut_by_a_parent_that_went_well(rec: Any, runs: Runs) -> None:
    """The program did not wait for it."""

    def answered(_active: Active) -> LLMCall:
        return LLMCall(model="m")

    begin(runs, "a")
    outer = Active("outer", "llm")
    outer.extract = answered
    runs.start("call", "a", outer)
    inner = Active("inner", "llm")
    inner.extract = answered
    inner.start()
    runs.end("a")
    assert [s.name for s in rec.spans()] == ["a"]
    inner.end()
    runs.end("call")
    assert rec.one("outer").ended_by is None


def test_the_table_is_bounded(rec: Any) -> None:
    runs = Runs("test", most=100)
    for number in range(1000):
        copy_context().run(begin, runs, number)
    assert len(runs) <= 100
    lost = rec.spans()
    assert len(lost) == 900
    assert {(s.ended_by, s.complete) for s in lost} == {("abandoned", False)}
    for number in range(900, 1000):
        runs.end(number)


def test_the_body_and_the_consumer(rec: Any, runs: Runs) -> None:
    """Between the items of a stream the run is open, and yet nobody's parent there."""
    inside = False
    begin(runs, "a", inside=lambda: inside)
    with spanloom.span("consumer"):
        pass
    inside = True
    with spanloom.span("body"):
        pass
    inside = False
    assert spanloom.current_span() is None
    runs.end("a")
    assert (rec.parent_of("consumer"), rec.parent_of("body")) == (None, "a")


def test_a_frameworks_session_is_inherited_and_never_overwritten(rec: Any, runs: Runs) -> None:
    theirs, other = (Session(id=i, source="framework") for i in ("theirs", "other"))
    begin(runs, "a", session=theirs)
    begin(runs, "b", "a", session=other)
    with spanloom.span("by hand"):
        pass
    runs.end("b")
    runs.end("a")
    with spanloom.session("explicit"):
        begin(runs, "c", session=other)
        runs.end("c")
    assert {rec.one(n).session for n in ("a", "b", "by hand")} == {theirs}
    assert rec.one("c").session.id == "explicit"


def test_a_handoff_lies_in_the_giver_also_when_that_has_ended(rec: Any, runs: Runs) -> None:
    begin(runs, "root")
    giver = begin(runs, "giver", "root", "agent")
    runs.end("giver")
    assert giver.active is not None
    handoff(giver.active, source="giver", target="taker", mechanism="command")
    begin(runs, "taker", "root", "agent")
    runs.end("taker")
    runs.end("root")
    (passed,) = [s for s in rec.spans() if s.kind == "handoff"]
    assert isinstance(passed.detail, Handoff)
    assert passed.detail.outcome == "accepted"
    assert passed.parent_id == rec.one("giver").span_id
    assert passed.start_ns == passed.end_ns == rec.one("giver").end_ns
    assert [k.span_id for k in rec.one("taker").links] == [passed.span_id]


def test_a_cancelled_inner_call_ends_the_outer(rec: Any, runs: Runs) -> None:
    """The framework says nothing, and the task goes on with other work."""

    def answered(_active: Active) -> LLMCall:
        return LLMCall()

    outer, inner, later = Active("outer", "llm"), Active("inner", "llm"), Active("later", "llm")
    outer.ends_with_inner = True
    outer.extract = inner.extract = later.extract = answered
    runs.start("a", None, outer)
    inner.start()
    inner.end(None, asyncio.CancelledError())
    with later:
        pass
    assert rec.one("outer").status == "cancelled"
    assert rec.one("later").status == "ok"
    assert rec.parent_of("later") is None
