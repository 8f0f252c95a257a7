"""OpenTelemetry's spans and ours, each the parent of the other; the application's own untouched."""

import asyncio
import contextvars
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanloom
from spanloom.recorder import Active
from spanloom.types import LLMCall


class Theirs:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("app")

    def span(self, name: str) -> Any:
        return self.tracer.start_as_current_span(name)

    def one(self, name: str) -> ReadableSpan:
        (found,) = (s for s in self.exporter.get_finished_spans() if s.name == name)
        return found


@pytest.fixture
def theirs() -> Theirs:
    return Theirs()


def test_their_span_is_our_parent_and_ours_is_theirs(rec: Any, theirs: Theirs) -> None:
    with theirs.span("a"), spanloom.span("b"), theirs.span("c"), spanloom.span("d"):
        pass
    a, c = theirs.one("a"), theirs.one("c")
    b, d = rec.one("b"), rec.one("d")
    assert {b.trace_id, d.trace_id, c.context.trace_id} == {a.context.trace_id}
    assert b.parent_id == a.context.span_id
    assert c.parent.span_id == b.span_id
    assert d.parent_id == c.context.span_id


def test_ours_first(rec: Any, theirs: Theirs) -> None:
    with spanloom.span("a"), spanloom.span("b"):
        with theirs.span("c"):
            pass
    assert theirs.one("c").parent.span_id == rec.one("b").span_id
    assert rec.parent_of("b") == "a"
    with theirs.span("alone"):
        pass
    assert theirs.one("alone").parent is None


def test_baggage_and_context_stay(rec: Any, theirs: Theirs) -> None:
    token = context.attach(baggage.set_baggage("k", "v"))
    before = context.get_current()
    with spanloom.span("a"):
        assert baggage.get_baggage("k") == "v"
        with theirs.span("b"):
            assert baggage.get_baggage("k") == "v"
    assert context.get_current() is before
    context.detach(token)


def test_what_is_set_on_the_current_span_reaches_theirs(rec: Any, theirs: Theirs) -> None:
    with theirs.span("a") as own, spanloom.span("b"), spanloom.span("c"):
        current = trace.get_current_span()
        assert current.is_recording()
        current.set_attribute("x", 1)
        current.set_attributes({"y": 2})
        current.add_event("happened")
        current.update_name("renamed")
        current.record_exception(ValueError("v"))
        current.set_status(trace.StatusCode.ERROR)
        assert own.is_recording()
    done = theirs.one("renamed")
    assert dict(done.attributes) == {"x": 1, "y": 2}
    assert [e.name for e in done.events] == ["happened", "exception"]
    assert done.status.status_code is trace.StatusCode.ERROR
    assert not rec.one("c").attributes


def test_a_span_that_ends_in_another_context(rec: Any, theirs: Theirs, caplog: Any) -> None:
    active = Active("leaked")
    active.start()
    contextvars.copy_context().run(active.end)
    assert caplog.text == ""
    with theirs.span("after"):
        pass
    assert theirs.one("after").parent is None, "ours has ended, though the context still names it"
    with spanloom.span("root"):
        inner = Active("inner")
        inner.start()
        contextvars.copy_context().run(inner.end)
        with theirs.span("heals"):
            pass
    assert theirs.one("heals").parent.span_id == rec.one("root").span_id


def test_shutdown_inside_a_span(start: Callable[..., Any], theirs: Theirs, caplog: Any) -> None:
    start()
    with spanloom.span("open"):
        spanloom.shutdown()
    assert caplog.text == ""
    assert not trace.get_current_span().get_span_context().is_valid
    rec = start(otel=False)
    with theirs.span("a"), spanloom.span("b"):
        pass
    assert rec.one("b").parent_id is None


def test_switched_off_by_a_second_init(start: Callable[..., Any], theirs: Theirs) -> None:
    start()
    rec = start(otel=False)
    with spanloom.span("a"), theirs.span("b"):
        pass
    assert theirs.one("b").parent is None
    assert rec.one("a").parent_id is None


def test_one_call_although_their_span_is_in_between(rec: Any, theirs: Theirs) -> None:
    inner = Active("inner", "llm")
    inner.extract = lambda active: LLMCall(model="m")
    with spanloom.llm_call(provider="p"), theirs.span("instrumented"), inner:
        assert spanloom.current_span() is inner
    span = rec.one(kind="llm")
    assert (span.detail.provider, span.detail.model) == ("p", "m")


def test_what_we_add_goes_to_our_span_although_theirs_is_inside(rec: Any, theirs: Theirs) -> None:
    with spanloom.session("s"), spanloom.agent("a"), theirs.span("t"):
        spanloom.set_attributes(x=1)
        spanloom.event("e")
        spanloom.handoff("a", "b")
        with spanloom.agent("b"):
            pass
    a, b = rec.one("a"), rec.one("b")
    assert (dict(a.attributes), len(a.events)) == ({"x": 1}, 1)
    assert b.session.id == "s"
    assert [link.reason for link in b.links] == ["handoff"]


def test_tasks_and_generators(rec: Any, theirs: Theirs) -> None:
    @spanloom.agent
    async def gen() -> Any:
        for n in range(2):
            with theirs.span(f"in{n}"):
                await asyncio.sleep(0)
            yield n

    async def work(number: int) -> None:
        with theirs.span(f"root{number}") as root:
            async for n in gen():
                assert trace.get_current_span() is root
                with spanloom.span(f"out{number}.{n}"):
                    pass

    async def main() -> None:
        await asyncio.gather(*(work(n) for n in range(3)))

    asyncio.run(main())
    for number in range(3):
        root = theirs.one(f"root{number}").context
        assert {rec.one(f"out{number}.{n}").parent_id for n in range(2)} == {root.span_id}
    agents = {s.span_id for s in rec.spans("gen")}
    inner = [s for s in theirs.exporter.get_finished_spans() if s.name.startswith("in")]
    assert len(inner) == 6
    assert {s.parent.span_id for s in inner} == agents


def test_inject_names_the_innermost(rec: Any, theirs: Theirs) -> None:
    with spanloom.span("a"), theirs.span("b") as b:
        headers: dict[str, str] = spanloom.inject({})  # type: ignore[assignment]
    assert headers["traceparent"].split("-")[2] == f"{b.get_span_context().span_id:016x}"


API_ONLY = """
import sys
import spanloom
from spanloom.backends.memory import MemoryBackend
memory = MemoryBackend()
spanloom.init(backends=[memory], integrations=[])
assert "opentelemetry" not in sys.modules
class NoSdk:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoSdk())
from opentelemetry import trace
tracer = trace.get_tracer("app")
with spanloom.span("a"):
    with tracer.start_as_current_span("none") as none:
        none.set_attribute("x", 1)
        with spanloom.span("b"):
            pass
remote = trace.NonRecordingSpan(trace.SpanContext(5, 6, True))
with trace.use_span(remote), spanloom.span("c"):
    pass
assert spanloom.flush(5).ok
spans = {s.name: s for s in memory.spans}
assert spans["b"].parent_id == spans["a"].span_id, spans
assert (spans["c"].trace_id, spans["c"].parent_id) == (5, 6)
"""


def test_the_api_without_the_sdk() -> None:
    subprocess.run([sys.executable, "-c", API_ONLY], check=True, timeout=60)
