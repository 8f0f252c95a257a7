"""One call, one span: calls of a model that contain calls of a model."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

import spanloom
from spanloom import propagation, recorder
from spanloom.recorder import Active
from spanloom.types import Attempt, LLMCall, Message, Text, Usage


def call(name: str, answer: Callable[[Active], LLMCall] | LLMCall | None = None) -> Active:
    """A call as an integration records it."""

    def extract(active: Active) -> LLMCall:
        found = answer(active) if callable(answer) else answer
        return found or LLMCall()

    active = Active(name, "llm")
    active.integration, active.extract = "test", extract
    return active


def said(text: str) -> tuple[Message, ...]:
    return (Message(role="assistant", parts=(Text(text=text),)),)


def usage(n: int) -> Usage:
    return Usage(input=n, output=n, total=2 * n)


def test_two_layers_give_the_union_and_count_once(rec: Any) -> None:
    outer = call(
        "outer", LLMCall(model="asked", temperature=0.5, usage=usage(1), params={"a": 1, "b": 1})
    )
    inner = call(
        "inner",
        LLMCall(
            provider="p", response_model="answered", output=said("hi"), usage=usage(7),
            params={"b": 2, "c": 2}, http_status=200,
        ),
    )  # fmt: skip
    with outer, inner:
        pass
    span = rec.one()
    assert span.name == "outer"
    d = span.detail
    assert (d.model, d.provider, d.response_model) == ("asked", "p", "answered")
    assert (d.temperature, d.http_status, d.output) == (0.5, 200, said("hi"))
    assert dict(d.params) == {"a": 1, "b": 2, "c": 2}
    assert d.usage == usage(7)


def test_three_layers_count_once(rec: Any) -> None:
    """LangChain over LiteLLM over the SDK: the middle one repeats what the innermost knows."""
    with call("a", LLMCall(usage=usage(5))), call("b", LLMCall(usage=usage(5), seed=1)):
        with call("c", LLMCall(usage=usage(5), model="m")):
            pass
    span = rec.one()
    assert span.detail.usage == usage(5)
    assert (span.detail.seed, span.detail.model) == (1, "m")


def test_the_layer_that_knows_the_usage_wins(rec: Any) -> None:
    with call("a"), call("b", LLMCall(usage=usage(5))), call("c", LLMCall(model="m")):
        pass
    assert rec.one().detail.usage == usage(5)


def test_several_requests_of_one_call_are_added(rec: Any) -> None:
    with call("outer", LLMCall(usage=usage(3))):
        for n in (1, 2):
            with call(f"mid {n}", LLMCall(usage=usage(n))), call("in", LLMCall(usage=usage(n))):
                pass
    assert rec.one().detail.usage == usage(3)
    assert not rec.one().detail.attempts


def test_a_request_that_failed_first_is_an_attempt(rec: Any) -> None:
    with call("outer"):
        for _ in range(2):
            with pytest.raises(ConnectionError), call("mid"), call("try", LLMCall(http_status=503)):
                raise ConnectionError("reset")
        with call("mid"), call("try", LLMCall(usage=usage(4), output=said("at last"))):
            pass
    span = rec.one()
    assert (span.status, span.error) == ("ok", None)
    assert span.detail.usage == usage(4)
    attempts = span.detail.attempts
    assert [(a.number, a.reason, a.http_status) for a in attempts] == [
        (1, "connection", 503), (2, "connection", 503),
    ]  # fmt: skip
    assert all(isinstance(a, Attempt) and a.time_ns for a in attempts)


def test_the_error_of_the_last_request_is_the_calls(rec: Any) -> None:
    class Wrapped(Exception):
        pass

    with pytest.raises(Wrapped), call("outer"):
        try:
            with call("inner"):
                raise ConnectionError("reset")
        except ConnectionError as error:
            raise Wrapped("from the framework") from error
    span = rec.one()
    assert span.status == "error"
    assert (span.error.type, span.error.class_name.rpartition(".")[2]) == ("connection", "Wrapped")
    assert not span.detail.attempts


def test_a_lazy_stream_may_outlive_the_outer_call(rec: Any) -> None:
    stream = call("stream", lambda active: LLMCall(output=said(str(active.response))))
    with call("outer", LLMCall(model="m")):
        stream.start()
        stream.detach()
    assert rec.spans() == []
    stream.end("all of it")
    span = rec.one()
    assert (span.name, span.detail.model, span.detail.output) == ("outer", "m", said("all of it"))


def test_a_stream_still_open_at_the_end_is_shown(start: Callable[..., Any]) -> None:
    rec = start()
    rec.backend.wants_pending = True
    for lane in spanloom.api._pipeline.lanes:
        lane.wants_pending = True
    stream = call("stream")
    with call("outer", LLMCall(model="m")):
        stream.start()
        stream.detach()
    spanloom.shutdown()
    (span,) = rec.backend.spans
    assert (span.name, span.status, span.end_ns) == ("outer", "pending", None)
    stream.end()


def test_an_inner_stream_that_was_left_makes_the_call_incomplete(rec: Any) -> None:
    stream = call("stream")
    with call("outer"):
        stream.start()
        stream.detach()
    stream.complete = False
    stream.end()
    assert not rec.one().complete


def test_a_direct_call_below_a_tool_is_its_own(rec: Any) -> None:
    with call("outer", LLMCall(usage=usage(1))), spanloom.tool("search"):
        with call("own", LLMCall(usage=usage(2))):
            pass
    assert rec.one("outer").detail.usage == usage(1)
    assert rec.one("own").detail.usage == usage(2)
    assert rec.parent_of("own") == "search"
    assert rec.parent_of("search") == "outer"


def test_other_kinds_do_not_claim_each_other(rec: Any) -> None:
    with spanloom.span("e", kind="embedding"), call("l"):
        pass
    with spanloom.agent("a1"), spanloom.agent("a2"):
        pass
    assert rec.parent_of("l") == "e"
    assert rec.parent_of("a2") == "a1"


def test_what_happens_inside_an_inner_call_hangs_on_the_outer(rec: Any) -> None:
    headers: dict[str, str] = {}
    with call("outer") as outer, call("mid"), call("inner"):
        spanloom.inject(headers)
        with spanloom.tool("inside"):
            pass
    assert rec.parent_of("inside") == "outer"
    assert propagation.parse_traceparent(headers["traceparent"]) == (
        outer.trace_id, outer.span_id,
    )  # fmt: skip


def test_what_the_program_adds_inside_an_inner_call_is_kept(rec: Any) -> None:
    with call("outer") as outer, call("inner"):
        outer.set_attributes(who="outer", a=1)
        spanloom.set_attributes(who="inner", b=2)
        spanloom.event("seen", n=1)
        spanloom.score("good", 1.0)
        spanloom.current_span().add_link(1, 2)
        spanloom.current_span().record(seed=4)
    span = rec.one()
    assert dict(span.attributes) == {"who": "outer", "a": 1, "b": 2}
    assert [type(e).__name__ for e in span.events] == ["Custom", "Score"]
    assert [(link.trace_id, link.span_id) for link in span.links] == [(1, 2)]
    assert span.detail.seed == 4


def test_by_hand_around_an_integration(rec: Any) -> None:
    with spanloom.llm_call(model="m", provider="mine") as by_hand:
        with call("sdk", LLMCall(provider="openai", usage=usage(3))):
            pass
        by_hand.record(output="final")
    span = rec.one()
    assert (span.name, span.detail.model, span.detail.usage) == ("chat m", "m", usage(3))
    assert span.detail.output == said("final")


def test_an_inner_call_dropped_by_the_collector(rec: Any) -> None:
    from spanloom.streams import Watch

    inner = call("inner")
    with call("outer"):
        inner.start()
        inner.detach()
        watch = Watch(inner)
    del inner
    assert rec.spans() == []
    del watch
    gc.collect()
    assert rec.one().name == "outer"


def test_ends_on_several_threads_hand_over_once(start: Callable[..., Any], tight: None) -> None:
    rec = start()
    rounds = 100
    for number in range(rounds):
        outer = call(f"outer {number}", LLMCall(model="m"))
        outer.start()
        inners = [call("inner", LLMCall(usage=usage(1))) for _ in range(3)]
        for inner in inners:
            inner.start(outer)
            inner.detach()
        barrier = threading.Barrier(4)

        def finish(active: Active, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            active.end()

        threads = [threading.Thread(target=finish, args=(a,)) for a in (outer, *inners)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    spans = rec.spans()
    assert len(spans) == rounds
    assert all(s.detail.usage == usage(3) and s.detail.model == "m" for s in spans)
    assert all(s.end_ns >= s.start_ns for s in spans)


def test_a_failing_extractor_inside_costs_its_facts_only(
    rec: Any, lenient: None, caplog: Any
) -> None:
    def broken(active: Active) -> LLMCall:
        raise ValueError("no")

    with call("outer", LLMCall(model="m")), call("inner", broken):
        pass
    span = rec.one()
    assert span.detail.model == "m"
    assert span.faults == ("extract: ValueError",)


def test_a_forked_child_does_not_claim_its_parents_call(
    rec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_born", 0)
    with call("outer") as outer:
        recorder.reseed()  # as in the child
        with call("inner") as inner:
            assert inner.claimant is None
            assert inner.parent is outer
    assert len(rec.spans(kind="llm")) == 2
