"""The recorders that are compared. Each installs itself, opens nested spans, and says what arrived.

Peers run with their stock settings, content on, towards the sink. ``ours`` runs with its stock
settings (content on, redaction on) into the local record; ``ours_otlp`` sends to the sink as the
peers do.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ATTRIBUTES: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "user.id": "user-1234",
    "session.id": "sess-abcdef",
    "gen_ai.usage.input_tokens": 512,
    "gen_ai.usage.output_tokens": 256,
    "retry.count": 0,
    "gen_ai.request.temperature": 0.7,
    "cost.usd": 0.00042,
    "cache.hit": False,
}


CHAINS = ("W4", "W5")
"""Workloads on LangChain."""


class Adapter:
    """``none``: the bare call, against which everything is measured."""

    venv = "none"
    label = "bare call"
    peer = False
    """Counts when the best peer is looked for."""
    only: tuple[str, ...] = ()
    """The workloads it takes part in; empty: all but those in ``never``."""
    never: tuple[str, ...] = ()

    def setup(self, endpoint: str, workload: str) -> None:
        """Import the recorder and switch it on. ``endpoint`` is the sink's address."""

    def openai(self, **options: Any) -> Any:
        import openai

        return openai.OpenAI(**options)

    def async_openai(self, **options: Any) -> Any:
        import openai

        return openai.AsyncOpenAI(**options)

    def config(self) -> dict[str, Any]:
        """What the application must pass to LangChain for this recorder's sake."""
        return {}

    def nested(self) -> Callable[[], None]:
        """A function that opens three nested spans with ``ATTRIBUTES`` each."""

        def call() -> None:
            for _ in range(3):
                dict(ATTRIBUTES)

        return call

    def flush(self) -> None:
        """Block until everything recorded so far has been delivered."""

    def shutdown(self) -> None:
        """What a process does at its end."""

    def received(self, sink: Any) -> tuple[int, int]:
        """Spans and bytes delivered so far."""
        stats = sink.settled()
        return stats["spans"], stats["bytes"]

    def holds(self, sink: Any, words: str) -> bool:
        """Whether ``words`` are in what was delivered last."""
        return bool(sink.ask("/find", words.encode()))


class Floor(Adapter):
    venv = "floor"
    never = CHAINS
    label = "floor (hand-written)"

    def setup(self, endpoint: str, workload: str) -> None:
        import floor

        if workload != "W9":
            floor.patch()
        self.recorder = floor.Recorder(endpoint.split("//")[1])

    def nested(self) -> Callable[[], None]:
        from floor import Span

        def call() -> None:
            with Span("a", ATTRIBUTES), Span("b", ATTRIBUTES), Span("c", ATTRIBUTES):
                pass

        return call

    def flush(self) -> None:
        self.recorder.drain()

    def shutdown(self) -> None:
        self.recorder.close()


class OpenTelemetry(Adapter):
    """The stock SDK pipeline; W9 is the SDK itself, as these instrumentors bring no manual API."""

    peer = True

    def setup(self, endpoint: str, workload: str) -> None:
        os.environ.update(
            OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental",
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
        )
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
        exporter = OTLPSpanExporter(endpoint + "/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        self.provider = provider
        if workload != "W9":
            self.instrument(workload)

    def instrument(self, workload: str) -> None:
        raise NotImplementedError

    def tracer(self) -> Any:
        return self.provider.get_tracer("bench")

    def nested(self) -> Callable[[], None]:
        span = self.tracer().start_as_current_span

        def call() -> None:
            with (
                span("a", attributes=ATTRIBUTES),
                span("b", attributes=ATTRIBUTES),
                span("c", attributes=ATTRIBUTES),
            ):
                pass

        return call

    def flush(self) -> None:
        self.provider.force_flush()

    def shutdown(self) -> None:
        self.provider.shutdown()


class OpenAIV2(OpenTelemetry):
    venv = "otelv2"
    label = "otel openai-v2"
    never = CHAINS

    def instrument(self, workload: str) -> None:
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=self.provider)


class GenAIOpenAI(OpenTelemetry):
    venv = "otelgenai"
    label = "otel genai-openai"
    never = CHAINS

    def instrument(self, workload: str) -> None:
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=self.provider)


class OpenInference(OpenTelemetry):
    venv = "openinference"
    label = "openinference"

    def instrument(self, workload: str) -> None:
        if workload in CHAINS:
            from openinference.instrumentation.langchain import LangChainInstrumentor

            LangChainInstrumentor().instrument(tracer_provider=self.provider)
            return
        from openinference.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=self.provider)

    def tracer(self) -> Any:
        from openinference.instrumentation import OITracer, TraceConfig

        return OITracer(super().tracer(), config=TraceConfig())


class Langfuse(Adapter):
    venv = "langfuse"
    label = "langfuse"
    peer = True

    def setup(self, endpoint: str, workload: str) -> None:
        from langfuse import Langfuse as Client

        self.client = Client(public_key="pk-bench", secret_key="sk-bench", base_url=endpoint)
        self.handlers: list[Any] = []
        if workload in CHAINS:
            from langfuse.langchain import CallbackHandler

            self.handlers = [CallbackHandler()]
        elif workload != "W9":
            import langfuse.openai  # noqa: F401  (patches the openai module)

    def config(self) -> dict[str, Any]:
        return {"callbacks": self.handlers}

    def nested(self) -> Callable[[], None]:
        span = self.client.start_as_current_observation

        def call() -> None:
            with (
                span(name="a", metadata=ATTRIBUTES),
                span(name="b", metadata=ATTRIBUTES),
                span(name="c", metadata=ATTRIBUTES),
            ):
                pass

        return call

    def flush(self) -> None:
        self.client.flush()

    def shutdown(self) -> None:
        self.client.shutdown()


class LangSmith(Adapter):
    """Its tracer, which LangChain itself switches on."""

    venv = "langsmith"
    label = "langsmith"
    peer = True
    only = CHAINS

    def setup(self, endpoint: str, workload: str) -> None:
        os.environ.update(
            LANGSMITH_TRACING="true", LANGSMITH_API_KEY="bench", LANGSMITH_ENDPOINT=endpoint
        )
        from langsmith.run_trees import get_cached_client

        self.client = get_cached_client()

    def flush(self) -> None:
        self.client.flush()

    def shutdown(self) -> None:
        self.client.cleanup()


class Ours(Adapter):
    venv = "ours"
    label = "spanloom"
    backends = ("local",)

    def setup(self, endpoint: str, workload: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="spanloom-"))  # inside the worker's own folder
        os.environ["SPANLOOM_DIR"] = str(self.folder)
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        import spanloom

        self.spanloom = spanloom
        spanloom.init(backends=list(self.backends))

    def nested(self) -> Callable[[], None]:
        span = self.spanloom.span

        def call() -> None:
            with span("a", **ATTRIBUTES), span("b", **ATTRIBUTES), span("c", **ATTRIBUTES):
                pass

        return call

    def flush(self) -> None:
        self.spanloom.flush()

    def shutdown(self) -> None:
        self.spanloom.shutdown()

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("traces/*/*.jsonl"))

    def received(self, sink: Any) -> tuple[int, int]:
        """Finished spans, each id once, and every byte written, those of pending spans included."""
        finished, written = set(), 0
        for file in self.files():
            for line in file.read_bytes().splitlines(keepends=True):
                written += len(line)
                record = json.loads(line)
                if record.get("status") != "pending":
                    finished.add(record["span_id"])
        return len(finished), written

    def holds(self, sink: Any, words: str) -> bool:
        return any(words.encode() in file.read_bytes() for file in self.files())


class OursOtlp(Ours):
    label = "spanloom, otlp"
    never = CHAINS
    backends = ("otlp",)
    received = Adapter.received
    holds = Adapter.holds


ADAPTERS: dict[str, type[Adapter]] = {
    "none": Adapter,
    "floor": Floor,
    "openinference": OpenInference,
    "otelv2": OpenAIV2,
    "otelgenai": GenAIOpenAI,
    "langfuse": Langfuse,
    "langsmith": LangSmith,
    "ours": Ours,
    "ours_otlp": OursOtlp,
}


def takes_part(name: str, workload: str) -> bool:
    adapter = ADAPTERS[name]
    return workload in adapter.only if adapter.only else workload not in adapter.never
