"""What is known of other tools that record model calls: their packages, their code, their switches."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

Effect = Literal["doubles", "interferes", "note"]


class Vendor(Struct, frozen=True, kw_only=True):
    """Another tool that records model calls."""

    name: str
    distributions: str
    """A pattern for the whole name."""
    modules: tuple[str, ...]
    """Where its code lies."""
    on: str
    """What switches it on."""
    effect: Effect = "doubles"
    fix: str = "send only one of the two to a backend, or leave it off where spanloom records"


_OPENLLMETRY = (
    "agno|alephalpha|anthropic|bedrock|chromadb|cohere|crewai|google-generativeai|groq|haystack|"
    "lancedb|langchain|llamaindex|marqo|mcp|milvus|mistralai|ollama|openai|openai-agents|pinecone|"
    "qdrant|replicate|sagemaker|together|transformers|vertexai|voyageai|watsonx|weaviate|writer"
)
_INSTRUMENT = "its Instrumentor().instrument(), or opentelemetry-instrument"

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        name="OpenInference", distributions=r"openinference-instrumentation-.+",
        modules=("openinference.instrumentation",), on=_INSTRUMENT,
    ),
    Vendor(
        name="OpenLLMetry (Traceloop)",
        distributions=rf"traceloop-sdk|opentelemetry-instrumentation-({_OPENLLMETRY})",
        modules=("traceloop", *(
            f"opentelemetry.instrumentation.{name.replace('-', '_')}"
            for name in _OPENLLMETRY.split("|")
        )),
        on=f"Traceloop.init(), {_INSTRUMENT}",
    ),
    Vendor(
        name="OpenTelemetry GenAI",
        distributions=(
            r"opentelemetry-instrumentation-(genai-.+|openai-v2|openai-agents-v2|google-genai|"
            r"claude-agent-sdk|weaviate-v2)"
        ),
        modules=(
            "opentelemetry.instrumentation.openai_v2", "opentelemetry.instrumentation.openai_agents_v2",
            "opentelemetry.instrumentation.google_genai", "opentelemetry.instrumentation.genai",
            "opentelemetry.util.genai",
        ),
        on=_INSTRUMENT,
    ),
    Vendor(
        name="Langfuse", distributions="langfuse", modules=("langfuse",),
        on="`from langfuse.openai import openai`, its callback handler, @observe",
    ),
    Vendor(
        name="Logfire", distributions="logfire", modules=("logfire",),
        on="logfire.instrument_openai() and the like",
    ),
    Vendor(
        name="Datadog", distributions="ddtrace", modules=("ddtrace",),
        on="ddtrace-run, import ddtrace.auto, patch()",
    ),
    Vendor(
        name="LangSmith", distributions="langsmith", modules=("langsmith",),
        on="LANGSMITH_TRACING=true, wrap_openai(), @traceable",
    ),
    Vendor(
        name="AgentOps", distributions="agentops", modules=("agentops",), on="agentops.init()",
        effect="interferes",
        fix="leave agentops.init() out: it replaces builtins.__import__ and patches on import",
    ),
    Vendor(name="OpenLIT", distributions="openlit", modules=("openlit",), on="openlit.init()"),
    Vendor(
        name="MLflow", distributions=r"mlflow(-skinny|-tracing)?", modules=("mlflow",),
        on="mlflow.openai.autolog() and the like",
    ),
    Vendor(name="Opik", distributions="opik", modules=("opik",), on="track_openai(), @track"),
    Vendor(name="Weave", distributions="weave", modules=("weave",), on="weave.init()"),
    Vendor(
        name="Braintrust", distributions="braintrust", modules=("braintrust",),
        on="wrap_openai(), auto_instrument()",
    ),
    Vendor(
        name="Phoenix", distributions=r"arize-phoenix(-otel)?|arize-otel",
        modules=("phoenix.otel", "arize.otel"), on="register(auto_instrument=True)",
    ),
    Vendor(name="Laminar", distributions="lmnr", modules=("lmnr",), on="Laminar.initialize()"),
    Vendor(
        name="Langtrace", distributions="langtrace-python-sdk", modules=("langtrace_python_sdk",),
        on="langtrace.init()",
    ),
    Vendor(name="Lunary", distributions="lunary", modules=("lunary",), on="lunary.monitor()"),
    Vendor(
        name="PromptLayer", distributions="promptlayer", modules=("promptlayer",),
        on="its wrapped clients",
    ),
    Vendor(
        name="New Relic", distributions="newrelic", modules=("newrelic",),
        on="newrelic-admin run-program, newrelic.agent.initialize()",
    ),
    Vendor(
        name="Sentry", distributions="sentry-sdk", modules=("sentry_sdk",),
        on="sentry_sdk.init() with traces_sample_rate",
    ),
    Vendor(
        name="Azure Monitor", distributions="azure-monitor-opentelemetry",
        modules=("azure.monitor.opentelemetry",), on="configure_azure_monitor()",
    ),
)  # fmt: skip


class Switch(Struct, frozen=True, kw_only=True):
    """A variable that switches on tracing of a framework or tool itself."""

    variables: tuple[str, ...]
    who: str
    what: str
    distribution: str
    """Only where it is installed does the variable say anything."""
    on_unless_set: bool = False
    """It is on by itself, and the variable switches it off."""
    fix: str


SWITCHES: tuple[Switch, ...] = (
    Switch(
        variables=("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGCHAIN_TRACING"),
        who="LangSmith", what="LangChain and LangGraph also send their runs to LangSmith",
        distribution="langsmith", fix="unset it, unless both are wanted",
    ),
    Switch(
        variables=("DD_LLMOBS_ENABLED",), who="Datadog", what="LLM Observability is on",
        distribution="ddtrace", fix="unset it, unless both are wanted",
    ),
    Switch(
        variables=("OPENAI_AGENTS_DISABLE_TRACING",), who="OpenAI Agents SDK",
        what="it sends its own traces to OpenAI", distribution="openai-agents",
        on_unless_set=True, fix="set OPENAI_AGENTS_DISABLE_TRACING=1 only if nothing reads them: "
        "spanloom listens to the same tracing",
    ),
    Switch(
        variables=("PHOENIX_COLLECTOR_ENDPOINT",), who="Phoenix",
        what="phoenix.otel sends to that address", distribution="arize-phoenix-otel",
        fix="unset it, unless both are wanted",
    ),
)  # fmt: skip


def vendor_of(module: str) -> Vendor | None:
    """Whose code a module is."""
    best, length = None, 0
    for vendor in VENDORS:
        for prefix in vendor.modules:
            if (module == prefix or module.startswith((f"{prefix}.", f"{prefix}_"))) and len(
                prefix
            ) > length:
                best, length = vendor, len(prefix)
    return best


def vendor_of_distribution(name: str) -> Vendor | None:
    name = re.sub(r"[-_.]+", "-", name).lower()
    return next((v for v in VENDORS if re.fullmatch(v.distributions, name)), None)


def switched_on(
    environ: Mapping[str, str], installed: Sequence[str]
) -> Iterator[tuple[Switch, str | None]]:
    """The switches that are on, with the variable that says so; None where it is on by itself."""
    for switch in SWITCHES:
        if switch.distribution not in installed:
            continue
        said = [name for name in switch.variables if environ.get(name, "").strip()]
        true = [n for n in said if environ[n].strip().lower() not in ("0", "false", "no", "off")]
        if switch.on_unless_set and not true:
            yield switch, None
        elif true and not switch.on_unless_set:
            yield switch, true[0]
