"""Who is whose parent, and what a span inherits: in tasks, threads, sessions, claims, OpenTelemetry."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import spanloom
from spanloom.testing.contracts.rig import (
    ANSWER,
    END,
    QUESTION,
    Contract,
    Rig,
    advance,
    asked_of,
    begun,
    play,
    settled,
    text_of,
)
from spanloom.testing.contracts.scenarios import Messages, Stream, Way
from spanloom.types import Kind, LLMCall, Session

TASKS = 64
THREADS = 16
AROUND: tuple[Kind, ...] = ("workflow", "agent", "tool", "task", "guardrail", "evaluation")


def said(text: str) -> Messages:
    return [{"role": "user", "content": text}]


class ContextCases(Contract):
    """The right parent, the right session, and one span for one call."""

    def test_tasks_keep_their_parents(self, rig: Rig, async_way: Way) -> None:
        async def one(client: Any, number: int) -> None:
            with spanloom.span(f"step {number}"):
                await asyncio.sleep(0)
                await settled(async_way.ask(client, said(f"step {number}")))

        async def case() -> None:
            async with rig.client(True) as client:
                with spanloom.span("whole"):
                    await asyncio.gather(*(one(client, number) for number in range(TASKS)))

        rig.start()
        asyncio.run(case())
        self.under_their_steps(rig, TASKS)

    def test_threads_keep_their_parents(self, rig: Rig, sync_way: Way) -> None:
        async def case() -> None:
            async with rig.client(False) as client:

                def one(number: int) -> None:
                    with spanloom.span(f"step {number}"):
                        sync_way.ask(client, said(f"step {number}"))

                with spanloom.span("whole"), ThreadPoolExecutor(THREADS) as pool:
                    list(pool.map(one, range(TASKS)))

        rig.start()
        play(False, case())
        self.under_their_steps(rig, TASKS)

    def test_a_pool_keeps_the_parent_of_a_bare_call(self, rig: Rig, sync_way: Way) -> None:
        async def case() -> None:
            async with rig.client(False) as client:
                with spanloom.span("whole"), ThreadPoolExecutor(THREADS) as pool:
                    list(pool.map(lambda n: sync_way.ask(client, said(f"step {n}")), range(TASKS)))

        rig.start()
        play(False, case())
        calls = rig.recorded()
        (whole,) = rig.memory.find(name="whole")
        assert {(c.parent_id, c.trace_id) for c in calls} == {(whole.span_id, whole.trace_id)}
        assert sorted(asked_of(c)[0] for c in calls) == sorted(f"step {n}" for n in range(TASKS))

    def under_their_steps(self, rig: Rig, count: int) -> None:
        calls = rig.recorded()
        assert len(calls) == count
        steps = {s.span_id: s for s in rig.memory.spans if s.name.startswith("step ")}
        (whole,) = rig.memory.find(name="whole")
        for call in calls:
            step = steps[call.parent_id or 0]
            assert asked_of(call) == [step.name]
            assert step.parent_id == whole.span_id
            assert call.trace_id == step.trace_id == whole.trace_id

    def test_interleaved_sessions_never_mix(self, rig: Rig, any_way: Way) -> None:
        """Two conversations take turns in one loop, and a stream of each is open at a time."""
        rig.start()

        async def turns(client: Any, name: str) -> None:
            with spanloom.session(name, user=f"user of {name}", tags=[name]):
                for _ in range(4):
                    result = await settled(any_way.ask(client, said(name)))
                    if isinstance(any_way, Stream):
                        iterator = begun(result)
                        while await advance(iterator) is not END:
                            await asyncio.sleep(0)
                    await asyncio.sleep(0)

        async def case() -> None:
            async with rig.client(any_way.asynchronous) as client:
                await asyncio.gather(*(turns(client, name) for name in ("s-1", "s-2", "s-3")))

        asyncio.run(case())
        calls = rig.recorded()
        assert len(calls) == 12
        for call in calls:
            (name,) = asked_of(call)
            assert call.session is not None
            assert (call.session.id, call.user_id, call.tags) == (name, f"user of {name}", (name,))

    def test_what_is_around_is_inherited(self, rig: Rig, any_way: Way) -> None:
        rig.start()
        rig.answers(ANSWER)
        around = spanloom.session("s-1", user="u-1", tags=["t-1"], plan="gold")
        more = spanloom.context(feature="search", request_id="r-1", user_tier="free", tags=["t-2"])
        with around, more, spanloom.agent("planner"):
            rig.ask(any_way)
        span = rig.one()
        assert span.session == Session(id="s-1", source="explicit")
        assert (span.user_id, span.user_tier, span.feature) == ("u-1", "free", "search")
        assert (span.request_id, span.tags) == ("r-1", ("t-1", "t-2"))
        assert span.metadata["plan"] == "gold"

    def test_nothing_is_recorded_when_suppressed(self, rig: Rig, any_way: Way) -> None:
        rig.start()
        rig.answers(ANSWER, ANSWER)
        with spanloom.suppress():
            rig.ask(any_way)
        assert rig.recorded() == []
        rig.ask(any_way)
        rig.one()

    # -- one call, one span ----------------------------------------------------------------------

    @pytest.mark.parametrize("kind", AROUND)
    def test_a_call_inside_other_work_is_its_own_span(
        self, rig: Rig, any_way: Way, kind: Kind
    ) -> None:
        """Only what is the same call seen from above may take it in."""
        rig.start()
        rig.answers(ANSWER)
        with spanloom.span("around", kind=kind):
            rig.ask(any_way)
        span = rig.one()
        (around,) = rig.memory.find(name="around")
        assert (span.parent_id, span.trace_id) == (around.span_id, around.trace_id)
        assert around.start_ns <= span.start_ns
        assert (span.end_ns or 0) <= (around.end_ns or 0)

    def test_a_call_inside_an_llm_span_is_that_span(self, rig: Rig, any_way: Way) -> None:
        """Another layer records the same call: one span, with what each of them knows."""
        rig.start()
        rig.answers(ANSWER)
        with spanloom.llm_call("outer", model="asked", conversation_id="c-1"):
            ran = rig.ask(any_way)
        (span,) = rig.spans()
        assert (span.name, span.kind, span.complete) == ("outer", "llm", True)
        assert isinstance(span.detail, LLMCall)
        assert span.detail.conversation_id == "c-1"
        assert span.detail.response_id == ran.exchanges[-1].answer.id
        assert span.detail.usage is not None
        counts = self.scenarios.usage(ran.exchanges[-1].answer.usage or {})
        assert {name: getattr(span.detail.usage, name) for name in counts} == counts
        assert text_of(span) == ANSWER.text

    def test_a_stream_that_outlives_the_llm_span_around_it(self, rig: Rig, stream: Stream) -> None:
        """A framework hands the stream on: its span waits for what is still to come."""

        async def case() -> None:
            async with rig.client(stream.asynchronous) as client:
                with spanloom.llm_call("outer", model="asked"):
                    opened = await settled(stream.ask(client, list(QUESTION)))
                assert rig.spans() == []
                iterator = begun(opened)
                while await advance(iterator) is not END:
                    pass

        rig.start()
        rig.answers(ANSWER)
        play(stream.asynchronous, case())
        gc.collect()
        (span,) = rig.spans()
        assert (span.name, span.complete) == ("outer", True)
        assert text_of(span) == ANSWER.text
        assert isinstance(span.detail, LLMCall)
        assert span.detail.usage is not None

    def test_retries_inside_a_call_are_one_span(self, rig: Rig, any_way: Way) -> None:
        """Two calls one after the other in an ``llm`` span: both were billed, one is recorded."""
        rig.start()
        rig.answers(ANSWER, ANSWER)
        with spanloom.llm_call("outer", model="asked"):
            rig.ask(any_way)
            ran = rig.ask(any_way)
        (span,) = rig.spans()
        told = [self.scenarios.usage(e.answer.usage or {}) for e in ran.exchanges]
        assert isinstance(span.detail, LLMCall)
        assert span.detail.usage is not None
        assert span.detail.usage.input == sum(t["input"] for t in told)
        assert span.detail.usage.output == sum(t["output"] for t in told)

    # -- OpenTelemetry ---------------------------------------------------------------------------

    def test_opentelemetrys_current_span_is_the_parent(self, rig: Rig, any_way: Way) -> None:
        from opentelemetry.sdk.trace import TracerProvider

        tracer = TracerProvider(shutdown_on_exit=False).get_tracer("application")
        rig.start()
        rig.answers(ANSWER)
        with tracer.start_as_current_span("request") as theirs:
            rig.ask(any_way)
        span, outer = rig.one(), theirs.get_span_context()
        assert (span.trace_id, span.parent_id) == (outer.trace_id, outer.span_id)

    def test_opentelemetrys_spans_inside_are_children(self, rig: Rig, any_way: Way) -> None:
        """As of an instrumented HTTP client: they run inside the call."""
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        exporter = InMemorySpanExporter()
        otel = TracerProvider(shutdown_on_exit=False)
        otel.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = otel.get_tracer("http client")

        def http() -> None:
            tracer.start_span("POST").end()

        rig.start()
        rig.answers(ANSWER)
        with tracer.start_as_current_span("request"), spanloom.span("ours"):
            rig.ask(any_way, inside=http)
        post, request = exporter.get_finished_spans()
        span, parent = rig.one(), post.parent
        assert (post.name, request.name) == ("POST", "request")
        assert parent is not None
        assert (parent.trace_id, parent.span_id) == (span.trace_id, span.span_id)
        (ours,) = rig.memory.find(name="ours")
        assert span.parent_id == ours.span_id
        assert request.context is not None
        assert ours.parent_id == request.context.span_id

    def test_a_call_leaves_the_context_as_it_was(self, rig: Rig, any_way: Way) -> None:
        from opentelemetry import trace

        rig.start()
        rig.answers(ANSWER)

        async def case() -> None:
            async with rig.client(any_way.asynchronous) as client:
                before = spanloom.current_span(), trace.get_current_span()
                with spanloom.span("around") as around:
                    ran = await rig.reading(any_way, client, list(QUESTION))
                    assert ran.value
                    assert spanloom.current_span() is around
                assert (spanloom.current_span(), trace.get_current_span()) == before

        play(any_way.asynchronous, case())
        rig.one()
