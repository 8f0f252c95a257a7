"""J1, J2, J3: a good neighbour to OpenTelemetry, to event loops, and to the terminal."""

import json
import sys
from typing import Any

import openai
import pytest
from opentelemetry import baggage as otel_baggage
from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanloom
from spanloom.testing import FakeProvider

from .conftest import Watched
from .programs import Programs

ASK: list[Any] = [{"role": "user", "content": "hi"}]


class Theirs:
    """The application's own tracer provider, which it need not have made global."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("app")

    def one(self, name: str) -> Any:
        (found,) = [s for s in self.exporter.get_finished_spans() if s.name == name]
        return found


@pytest.mark.field("J1", "each side's spans are the other's parents, and stay on their own side")
def test_both_ways(watched: Watched, client: openai.OpenAI) -> None:
    theirs = Theirs()
    with theirs.tracer.start_as_current_span("request"):
        with spanloom.agent("ours"):
            with theirs.tracer.start_as_current_span("query"):
                client.chat.completions.create(model="gpt-4o", messages=ASK)
            stream = client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
            with theirs.tracer.start_as_current_span("reads"):
                list(stream)
    ours = watched.one(name="ours")
    first, streamed = watched.spans(kind="llm")
    request, query, reads = (theirs.one(name) for name in ("request", "query", "reads"))
    assert ours.parent_id == request.context.span_id
    assert query.parent.span_id == ours.span_id
    assert first.parent_id == query.context.span_id
    assert streamed.parent_id == ours.span_id
    assert reads.parent.span_id == ours.span_id
    ids = {s.trace_id for s in watched.spans()}
    assert ids == {s.context.trace_id for s in (request, query, reads)}
    assert len(watched.spans()) == 3, "theirs do not reach our backends"
    assert len(theirs.exporter.get_finished_spans()) == 3, "nor ours theirs"


@pytest.mark.field(
    "J1", "what the program sets on the current span reaches its own span", by="manual"
)
def test_attributes_reach_their_span(watched: Watched, client: openai.OpenAI) -> None:
    theirs = Theirs()
    with theirs.tracer.start_as_current_span("request"):
        with spanloom.agent("outer"), spanloom.tool("inner"):
            current = otel_trace.get_current_span()
            assert current.is_recording()
            current.set_attribute("tenant", "blue")
            current.add_event("seen")
            current.set_status(otel_trace.Status(otel_trace.StatusCode.ERROR, "bad"))
            current.update_name("renamed")
    span = theirs.one("renamed")
    assert dict(span.attributes) == {"tenant": "blue"}
    assert [e.name for e in span.events] == ["seen"]
    assert not span.status.is_ok
    assert not watched.one(name="inner").attributes


@pytest.mark.field("J1", "their context and baggage pass through our spans untouched")
def test_their_context(watched: Watched, client: openai.OpenAI) -> None:
    before = otel_context.get_current()
    token = otel_context.attach(otel_baggage.set_baggage("tenant", "blue"))
    with spanloom.agent("ours"):
        assert otel_baggage.get_baggage("tenant") == "blue"
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    otel_context.detach(token)
    assert otel_context.get_current() == before
    assert not otel_trace.get_current_span().get_span_context().is_valid


@pytest.mark.field("J1", "the global tracer provider stays the program's", by="openai")
def test_global_provider(programs: Programs) -> None:
    ran = programs.run("""
        import json
        import openai, spanloom
        spanloom.init()
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
        own = TracerProvider()
        trace.set_tracer_provider(own)  # warns where one is set already
        exporter = InMemorySpanExporter()
        own.add_span_processor(SimpleSpanProcessor(exporter))
        spanloom.init()
        assert trace.get_tracer_provider() is own
        with trace.get_tracer("app").start_as_current_span("request"), openai.OpenAI() as client:
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
            )
        spanloom.shutdown()
        assert trace.get_tracer_provider() is own
        with trace.get_tracer("app").start_as_current_span("after"):
            pass
        print(json.dumps([s.name for s in exporter.get_finished_spans()]))
    """)
    assert json.loads(ran.out) == ["request", "after"]
    assert programs.kept().names() == ["chat gpt-4o"]


# -- J2 -------------------------------------------------------------------------------------------

GEVENT = {
    "patched first": """
        from gevent import monkey; monkey.patch_all()
        import gevent, openai, spanloom
        spanloom.init()
    """,
    "patched after import": """
        import spanloom
        from gevent import monkey; monkey.patch_all()
        import gevent, openai
        spanloom.init()
    """,
}


@pytest.mark.field(
    "J2", "a program patched by gevent, before or after us, does not hang and keeps its parents"
)
@pytest.mark.parametrize("order", GEVENT)
def test_gevent(programs: Programs, order: str) -> None:
    path = programs.write(
        GEVENT[order]
        + """
        import threading

        def ask(number):
            with spanloom.session(f"s{number}"), spanloom.agent("asks"):
                with openai.OpenAI() as client:
                    client.chat.completions.create(
                        model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
                    )

        with spanloom.workflow("outer"):
            gevent.joinall([gevent.spawn(ask, n) for n in range(5)], raise_error=True)
            thread = threading.Thread(target=spanloom.task("threaded")(lambda: None))
            thread.start()
            thread.join()
            gevent.get_hub().threadpool.spawn(spanloom.task("pooled")(lambda: None)).get()
        with gevent.Timeout(20):
            assert spanloom.flush(10).ok
        with spanloom.task("last"):
            pass
    """
    )
    ran = programs.wait(programs.command(sys.executable, path))
    assert ran.status == 0, ran.err
    assert "spanloom" not in ran.err
    kept = programs.kept()
    assert len(kept.calls()) == 5
    agents = {r.span_id: r for r in kept.named("asks")}
    assert {c.parent_id for c in kept.calls()} == set(agents)
    assert all(c.session_id == agents[c.parent_id or ""].session_id for c in kept.calls())
    assert {r.parent_id for r in agents.values()} == {kept.one("outer").span_id}
    assert kept.one("threaded").parent_id == kept.one("outer").span_id
    assert kept.one("pooled").parent_id == kept.one("outer").span_id
    assert kept.one("last").parent_id is None
    assert not kept.open


@pytest.mark.field("J2", "a program patched by gevent under our running threads loses nothing")
def test_gevent_after_init(programs: Programs) -> None:
    path = programs.write("""
        import spanloom
        spanloom.init()
        from gevent import monkey; monkey.patch_all()
        import gevent, openai

        with spanloom.task("before the greenlets"):
            pass

        def ask():
            with spanloom.agent("asks"), openai.OpenAI() as client:
                client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
                )

        gevent.joinall([gevent.spawn(ask) for _ in range(5)], raise_error=True)
        print(spanloom.flush(10).ok, flush=True)
    """)
    ran = programs.wait(programs.command(sys.executable, path))
    assert (ran.status, ran.out, "spanloom" in ran.err) == (0, "True\n", False), ran.err
    assert sorted(programs.kept().names()) == [
        *["asks"] * 5, "before the greenlets", *["chat gpt-4o"] * 5
    ]  # fmt: skip


LOOPS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "import uvloop; uvloop.run(main())",
    "nest_asyncio": """
import nest_asyncio; nest_asyncio.apply()
async def outer():
    asyncio.get_running_loop().run_until_complete(main())
asyncio.run(outer())
    """,
}


@pytest.mark.field("J2", "under uvloop and nest_asyncio all is recorded, and nothing hangs")
@pytest.mark.parametrize("loop", LOOPS)
def test_event_loops(programs: Programs, loop: str) -> None:
    end = LOOPS[loop].strip().replace("\n", "\n        ")
    path = programs.write(f"""
        import asyncio
        import openai, spanloom
        spanloom.init()

        async def ask(client, stream):
            reply = await client.chat.completions.create(
                model="gpt-4o", messages=[{{"role": "user", "content": "hi"}}], stream=stream
            )
            if stream:
                async for _ in reply:
                    pass

        async def main():
            async with openai.AsyncOpenAI() as client:
                with spanloom.workflow("outer"):
                    await asyncio.gather(*(ask(client, n % 2 == 0) for n in range(6)))
                    await asyncio.to_thread(spanloom.event, "in a thread")

        {end}
    """)
    ran = programs.wait(programs.command(sys.executable, path))
    assert (ran.status, ran.err) == (0, "")
    kept = programs.kept()
    outer = kept.one("outer")
    assert [c.parent_id for c in kept.calls()] == [outer.span_id] * 6
    assert all(c.complete for c in kept.calls())
    assert len(outer.events) == 1


# -- J3 -------------------------------------------------------------------------------------------


@pytest.mark.field("J3", "nothing is printed, and nobody is called but the provider")
def test_silence(programs: Programs, provider: FakeProvider) -> None:
    ran = programs.run("""
        import os, sys
        called = set()
        def hear(event, arguments):
            if event in ("socket.connect", "socket.sendto"):
                called.add(str(arguments[1]))
            if event in ("socket.getaddrinfo", "socket.gethostbyname"):
                called.add(str(arguments[0]))
            if event in ("subprocess.Popen", "os.system", "os.posix_spawn"):
                called.add(str(arguments[0]))
        sys.addaudithook(hear)
        import openai, spanloom
        spanloom.init()
        with spanloom.workflow("outer"), openai.OpenAI() as client:
            for stream in (False, True):
                reply = client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=stream
                )
                list(reply)
        spanloom.flush()
        spanloom.shutdown()
        address = os.environ["OPENAI_BASE_URL"].split("/")[2].split(":")
        known = {address[0], str((address[0], int(address[1])))}
        known |= {"uname"}  # openai asks the platform module what it runs on
        assert called <= known, called
        print("the program's own words")
    """)
    assert ran.out == "the program's own words\n"
    assert len(programs.kept().ended) == 3


@pytest.mark.field(
    "J3", "mistakes are told on stderr through logging, once each, never on stdout", by="manual"
)
def test_mistakes_are_told_once(programs: Programs) -> None:
    process = programs.start(
        """
        import spanloom
        for _ in range(3):
            spanloom.init(backends=["local", "lokal"], flush_interval=1)
            spanloom.event("outside")
        """,
        SPANLOOM_STRICT=None,
    )
    ran = programs.wait(process)
    assert (ran.status, ran.out) == (0, "")
    lines = ran.err.splitlines()
    assert len(lines) == len(set(lines)) == 3, ran.err
    assert any("'lokal'" in said and "'local'" in said for said in lines)
    assert any("flush_interval" in said and "flush_interval_s" in said for said in lines)
