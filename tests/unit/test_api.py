"""The public functions: what they record, and that they never raise into the program."""

import math
from typing import Any

import pytest

import spanloom
from spanloom.errors import SpanloomError
from spanloom.recorder import Active
from spanloom.types import Session


def test_score_on_the_current_span(rec: Any) -> None:
    with spanloom.span("s"):
        spanloom.score("quality", 0.5, comment="fine", source="code")
        spanloom.feedback(True)
        spanloom.score("label", "good")
    first, second, third = rec.one("s").events
    assert (first.name, first.value, first.comment, first.source) == (
        "quality", 0.5, "fine", "code",
    )  # fmt: skip
    assert (second.name, second.value, second.source) == ("user_feedback", True, "user")
    assert third.value == "good"
    assert first.target_span_id is None and first.target_trace_id is None
    span = rec.one("s")
    assert span.start_ns <= first.time_ns <= span.end_ns + 10**9


def test_score_later_lies_in_the_scored_trace(rec: Any) -> None:
    with spanloom.span("root"), spanloom.span("s") as s:
        pass
    spanloom.score("late", 1, span=s)
    spanloom.score("by id", 2, span=s.span_hex, trace=s.trace_hex)
    spanloom.score("of the trace", 3, trace=s.trace_hex.upper())
    spanloom.score("of the session", 4, session="s-1")
    for name in ("late", "by id"):
        carrier = rec.one(f"score {name}", "evaluation")
        assert (carrier.trace_id, carrier.parent_id) == (s.trace_id, s.span_id)
        (event,) = carrier.events
        assert (event.target_span_id, event.target_trace_id) == (s.span_hex, s.trace_hex)
        assert [(k.trace_id, k.span_id) for k in carrier.links] == [(s.trace_id, s.span_id)]
    (event,) = rec.one("score of the trace").events
    assert (event.target_span_id, event.target_trace_id) == (None, s.trace_hex)
    session = rec.one("score of the session")
    assert session.events[0].target_session_id == "s-1"
    assert session.session == Session(id="s-1")


def test_handoff_links_the_receiver_once(rec: Any) -> None:
    with spanloom.workflow("w"):
        with spanloom.agent("a"):
            spanloom.handoff("a", "b", mechanism="tool_call", reason="r", payload={"x": 1})
            spanloom.handoff("a", "c", outcome="refused")
        for name in ("b", "b", "c"):
            with spanloom.agent(name):
                pass
    given = rec.one("handoff a -> b", "handoff")
    assert given.duration_ns < 10**8
    detail = given.detail
    assert (detail.source, detail.target, detail.mechanism, detail.reason, detail.outcome) == (
        "a", "b", "tool_call", "r", "accepted",
    )  # fmt: skip
    assert detail.payload == {"x": 1}
    assert rec.parent_of("handoff a -> b") == "a"
    links = [[(k.span_id, k.reason) for k in s.links] for s in rec.spans("b")]
    assert links == [[(given.span_id, "handoff")], []]
    assert not rec.one("c").links


def test_events_and_attributes(rec: Any) -> None:
    with spanloom.span("s", first=1) as s:
        spanloom.event("happened", n=1, what=[1, 2])
        spanloom.set_attributes({"a.b": 1}, c=2)
        s.set_attribute("first", 3)
    span = rec.one("s")
    assert dict(span.attributes) == {"first": 3, "a.b": 1, "c": 2}
    (event,) = span.events
    assert (event.name, dict(event.attributes)) == ("happened", {"n": 1, "what": [1, 2]})
    assert span.start_ns <= event.time_ns <= span.end_ns


def test_fields_of_the_kind_are_typed(rec: Any) -> None:
    with spanloom.llm_call("named", model="m", temperature=0.5, mine=1) as call:
        call.record(
            input=[{"role": "user", "content": "hi"}, {"role": "assistant", "content": ["x"]}],
            output="answer",
            usage={"input": 3, "output": 2},
        )
    span = rec.one("named", "llm")
    detail = span.detail
    assert (detail.model, detail.temperature, detail.usage.input) == ("m", 0.5, 3)
    assert [m.role for m in detail.input] == ["user", "assistant"]
    assert detail.output[0].parts[0].text == "answer"
    assert dict(span.attributes) == {"mine": 1}


def test_a_field_that_does_not_fit_is_kept_and_said(rec: Any, lenient: None, caplog: Any) -> None:
    with spanloom.llm_call(model="m") as call:
        call.record(usage={"input": "many"}, unknown=5)
    span = rec.one(kind="llm")
    assert dict(span.attributes) == {"usage": {"input": "many"}, "unknown": 5}
    assert len(caplog.records) == 2


def test_suppress_and_current_span(rec: Any) -> None:
    with spanloom.span("s") as s, spanloom.suppress():
        with spanloom.span("no"):
            pass
        spanloom.handoff("a", "b")
        assert spanloom.current_span() is s
    assert [x.name for x in rec.spans()] == ["s"]


def test_stats_count(rec: Any) -> None:
    with spanloom.span("open"):
        with spanloom.span("done"):
            pass
        spanloom.flush(5)
        stats = spanloom.stats()
        assert stats["recorded"] == 1
        assert (stats["queued"], stats["dropped"], stats["faults"]) == (0, {}, 0)
        assert stats["backends"]["memory"]["sent"] == 1


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("mine")

    __repr__ = __str__


WRONG: dict[str, Any] = {
    "score value": lambda: spanloom.score("s", object(), session="x"),  # type: ignore[arg-type]
    "score target": lambda: spanloom.score("s", 1),
    "score span id": lambda: spanloom.score("s", 1, span="zz"),
    "score trace id": lambda: spanloom.score("s", 1, trace="1234"),
    "event": lambda: spanloom.event("e"),
    "session None": lambda: spanloom.session(None),  # type: ignore[arg-type]
    "session empty": lambda: spanloom.session(""),
    "tags text": lambda: spanloom.session("s", tags="vip"),
    "tags number": lambda: spanloom.context(tags=5),  # type: ignore[arg-type]
    "baggage": lambda: spanloom.context(baggage="k=v"),  # type: ignore[arg-type]
    "kind": lambda: spanloom.span("s", kind="nonsense"),  # type: ignore[arg-type]
    "tool": lambda: spanloom.tool(5),  # type: ignore[arg-type]
    "integration": lambda: spanloom.instrument("nonsense"),
    "backend": lambda: spanloom.init(backends=["nonsense"], integrations=[]),
    "backend object": lambda: spanloom.init(backends=[object()], integrations=[]),
    "setting": lambda: spanloom.init(backends=["memory"], integrations=[], nonsense=1),
    "setting value": lambda: spanloom.init(
        backends=["memory"], integrations=[], flush_interval_s="soon"
    ),
    "processor": lambda: spanloom.init(
        backends=["memory"], integrations=[], processors=["nonsense"]
    ),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_wrong_use_warns_once_and_raises_under_strict(
    rec: Any, case: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    if case == "processor":  # the worker sets processors up, and says it there
        return check_processor(monkeypatch, caplog)
    with pytest.raises(SpanloomError):
        WRONG[case]()
    monkeypatch.delenv("SPANLOOM_STRICT")
    for _ in range(3):
        WRONG[case]()
    assert len([r for r in caplog.records if r.name == "spanloom"]) == 1, caplog.text


def check_processor(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.delenv("SPANLOOM_STRICT")
    for _ in range(2):
        WRONG["processor"]()
        with spanloom.span("s"):
            pass
        assert spanloom.flush(5).ok
    assert len(caplog.records) == 1
    assert "nonsense" in caplog.text


RUDE: dict[str, Any] = {
    "set_attributes": lambda s: s.set_attributes("x"),
    "set_attributes below": lambda s: spanloom.set_attributes(5),  # type: ignore[arg-type]
    "record": lambda s: s.record(input=Hostile()),
    "attribute": lambda s: s.set_attribute("k", Hostile()),
    "attribute key": lambda s: s.set_attribute(Hostile(), 1),
    "nan": lambda s: s.set_attribute("k", math.nan),
    "event": lambda s: spanloom.event(Hostile()),  # type: ignore[arg-type]
    "inject": lambda s: spanloom.inject(5),  # type: ignore[arg-type]
    "handoff": lambda s: spanloom.handoff(Hostile(), 5),  # type: ignore[arg-type]
    "score": lambda s: spanloom.score(Hostile(), 5),  # type: ignore[arg-type]
    "add_event": lambda s: s.add_event("x"),
    "link": lambda s: s.add_link("x", None),
    "session": lambda s: spanloom.session(Hostile()).__enter__(),  # type: ignore[arg-type]
    "context": lambda s: spanloom.context(user=Hostile()).__enter__(),  # type: ignore[arg-type]
    "name": lambda s: spanloom.span(Hostile()).__enter__().__exit__(None, None, None),  # type: ignore[arg-type]
    "uninstrument": lambda s: spanloom.uninstrument([]),  # type: ignore[arg-type]
    "flush": lambda s: spanloom.flush("soon"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", sorted(RUDE))
def test_nothing_raises_into_the_program_and_the_span_lives(
    start: Any, lenient: None, case: str, tmp_path: Any
) -> None:
    rec = start()
    with spanloom.span("s") as s:
        RUDE[case](s)
    assert spanloom.flush(5).pending == 0
    assert "s" in [x.name for x in rec.backend.spans]


def test_an_output_without_a_role_is_the_assistants(rec: Any) -> None:
    with spanloom.llm_call(model="m") as call:
        call.record(input={"content": "hi"}, output={"content": "hello"})
    detail = rec.one(kind="llm").detail
    assert (detail.input[0].role, detail.output[0].role) == ("user", "assistant")


def test_handoffs_of_two_requests_under_one_root(rec: Any) -> None:
    """Both give to an agent of the same name before either of them starts."""
    with spanloom.span("root") as root:
        requests = [Active(f"request {n}", "workflow") for n in (1, 2)]
        for request in requests:
            request.start(root, attach=False)
            giver = Active("a", "agent")
            giver.start(request)
            with spanloom.tool("pass on"):
                spanloom.handoff("a", "b")
            giver.end()
        for request in reversed(requests):
            for _ in range(2):
                taker = Active("b", "agent")
                taker.start(request)
                taker.end()
            request.end()
    given = rec.spans("handoff a -> b")
    links = [[k.span_id for k in s.links] for s in rec.spans("b")]
    assert links[0] == [given[1].span_id]
    assert sorted(map(len, links)) == [0, 0, 1, 1]


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __bool__ = __hash__ = __eq__ = __str__  # type: ignore[assignment]


def test_values_that_cannot_be_looked_at(rec: Any, lenient: None) -> None:
    with spanloom.llm_call(model=Bad()), spanloom.span("x", kind=Bad()):  # type: ignore[arg-type]
        pass
    spanloom.tool(Bad())
    spanloom.span("y")(Bad())  # type: ignore[type-var]
    with spanloom.span(Bad()):  # type: ignore[arg-type]
        pass
    assert [s.kind for s in rec.spans("x")] == ["task"]
    assert len(rec.spans(kind="llm")) == 1


def test_feedback_on_a_trace_lies_in_it_and_in_its_session(rec: Any) -> None:
    with spanloom.session("s"), spanloom.span("answer") as answer:
        pass
    spanloom.feedback(1, trace=answer.trace_hex)
    spanloom.score("late", 1, span=answer)
    carrier = rec.one("score user_feedback")
    assert (carrier.trace_id, carrier.parent_id) == (answer.trace_id, None)
    late = rec.one("score late")
    assert (late.parent_id, late.session) == (answer.span_id, Session(id="s"))
