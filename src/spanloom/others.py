"""Who else watches this process: wrappers of other tools on what we patch, and tracing of their own.

``report()`` looks at the running process and imports nothing. ``VENDORS`` and ``SWITCHES`` are what
is known of other tools, so that ``spanloom doctor`` can say it without running the program. Another
tool's spans go its own way and ours stay single; a backend that gets both shows each call twice.
"""

import builtins
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from . import patches
from .errors import strict

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

_POINTS: Mapping[str, tuple[str, ...]] = {
    "openai": tuple(
        f"openai.resources.{module}:{prefix}{name}.create"
        for module, name in (
            ("chat.completions.completions", "Completions"), ("responses.responses", "Responses"),
            ("embeddings", "Embeddings"),
        )
        for prefix in ("", "Async")
    ),
    "langchain": ("langchain_core.callbacks.base:BaseCallbackManager.__init__",),
    "langchain_core": ("langchain_core.callbacks.base:BaseCallbackManager.__init__",),
}  # fmt: skip
"""What other tools wrap instead of what we patch."""


class Target(Struct, frozen=True, kw_only=True):
    """One row of an integration as it stands in this process."""

    target: str
    state: Literal["patched", "covered", "hooked", "absent", "waiting", "off"]
    """``covered``: ours, with somebody's wrapper on top. ``absent``: not in this version.
    ``waiting``: its module is not imported yet."""


class Found(Struct, frozen=True, kw_only=True):
    """Something of another tool's in this process."""

    who: str
    where: str
    what: str
    effect: Effect
    fix: str


class Here(Struct, frozen=True, kw_only=True):
    """One integration in this process."""

    name: str
    package: str
    supports: str
    on: bool
    targets: tuple[Target, ...]
    missing: tuple[str, ...] = ()
    """Why it switched itself off."""


class Report(Struct, frozen=True, kw_only=True):
    integrations: tuple[Here, ...] = ()
    found: tuple[Found, ...] = ()


def report() -> Report:
    """This process as it is now: what we patched, and who else is there."""
    integrations: list[Here] = []
    found: list[Found] = []
    for name, live in patches.state().items():
        integrations.append(_here(name, live))
        found += _wrappers_on(name, live)
    for look in (_import_hook, _loaded, _litellm, _agents_sdk, _tracer_provider):
        try:
            found += look()
        except Exception:  # private parts of other tools: they may look different tomorrow
            if strict():
                raise
    seen: dict[tuple[str, str], Found] = {}
    for one in found:
        seen.setdefault((one.who, one.where), one)
    return Report(integrations=tuple(integrations), found=tuple(seen.values()))


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


# -- wrappers -------------------------------------------------------------------------------------


def makers(thing: Any) -> Iterator[str]:
    """The modules whose code stands in the way of a call, the outermost first."""
    for _ in range(32):
        if isinstance(thing, staticmethod | classmethod):
            thing = thing.__func__
        wrapper = getattr(thing, "_self_wrapper", None)  # wrapt: it pretends to be what it wraps
        if wrapper is not None:
            yield _module_of(wrapper)
        else:
            yield _module_of(thing)
        below = getattr(thing, "__wrapped__", None)
        if below is None or below is thing:
            return
        thing = below


def _module_of(thing: Any) -> str:
    """Where its code was written: ``functools.wraps`` copies ``__module__`` but not the globals."""
    function = getattr(thing, "__func__", thing)
    names = getattr(function, "__globals__", None)
    if isinstance(names, dict):
        return str(names.get("__name__", "?"))
    return str(getattr(type(thing), "__module__", "?"))


def _here(name: str, live: patches.Live) -> Here:
    targets = []
    for row in live.integration.rows:
        if isinstance(row, patches.Hook):
            state = "hooked" if id(row) in live.undo_hooks else _unplaced(row.module, live)
            targets.append(Target(target=row.module, state=state))  # type: ignore[arg-type]
            continue
        applied = live.applied.get(row.target)
        if applied is None:
            state = _unplaced(row.target.partition(":")[0], live)
        elif not live.on:
            state = "off"
        else:
            ours = vars(applied.owner).get(applied.attribute) is applied.ours
            state = "patched" if ours else "covered"
        targets.append(Target(target=row.target, state=state))  # type: ignore[arg-type]
    return Here(
        name=name, package=live.integration.package, supports=live.integration.supports,
        on=live.on, targets=tuple(targets), missing=tuple(live.missing),
    )  # fmt: skip


def _unplaced(module: str, live: patches.Live) -> str:
    if not live.on:
        return "off"
    return "absent" if module in sys.modules else "waiting"


def _wrappers_on(name: str, live: patches.Live) -> Iterator[Found]:
    """Foreign wrappers on our targets, on the same method of subclasses, and where others wrap."""
    for row in live.integration.rows:
        if not isinstance(row, patches.Hook):
            yield from _foreign(row.target)
    for target in _POINTS.get(name, ()):
        yield from _foreign(target)


def _foreign(target: str) -> Iterator[Found]:
    module, _, path = target.partition(":")
    owner: Any = sys.modules.get(module)
    *parents, attribute = path.split(".")
    for parent in parents:
        owner = vars(owner).get(parent) if owner is not None else None
    if owner is None:
        return
    package = module.partition(".")[0]
    for place in (owner, *(_subclasses(owner) if isinstance(owner, type) else ())):
        thing = vars(place).get(attribute)
        if thing is None:
            continue
        for maker in makers(thing):
            if maker.partition(".")[0] in (package, "spanloom", "builtins", "?"):
                continue
            where = (
                f"{place.__module__}.{place.__qualname__}" if isinstance(place, type) else module
            )
            yield _found(maker, f"{where}.{attribute}")


def _subclasses(owner: type[Any]) -> Iterator[type[Any]]:
    for sub in type.__subclasses__(owner):
        yield sub
        yield from _subclasses(sub)


def _found(module: str, where: str) -> Found:
    vendor = vendor_of(module)
    return Found(
        who=vendor.name if vendor else module,
        where=where,
        what=f"a wrapper of {module}",
        effect=vendor.effect if vendor else "note",
        fix=vendor.fix if vendor else "nothing, unless calls look odd: it is not known to us",
    )


# -- tracing of their own -------------------------------------------------------------------------


def _import_hook() -> Iterator[Found]:
    maker = _module_of(builtins.__import__)
    if maker != "builtins" and type(builtins.__import__).__name__ != "builtin_function_or_method":
        vendor = vendor_of(maker)
        yield Found(
            who=vendor.name if vendor else maker,
            where="builtins.__import__",
            what=f"every import goes through {maker}",
            effect="interferes",
            fix=vendor.fix if vendor else "start spanloom before it",
        )


def _loaded() -> Iterator[Found]:
    """Instrumentors that are imported; an idle one does no harm."""
    names: dict[str, list[str]] = {}
    for module in list(sys.modules):
        if (vendor := vendor_of(module)) is not None:
            names.setdefault(vendor.name, []).append(module)
    for vendor in VENDORS:
        if vendor.name in names:
            yield Found(
                who=vendor.name, where=min(names[vendor.name], key=len),
                what="is imported", effect="note", fix=f"it records after {vendor.on}",
            )  # fmt: skip


_LITELLM = ("callbacks", "success_callback", "failure_callback", "_async_success_callback")


def _litellm() -> Iterator[Found]:
    module = sys.modules.get("litellm")
    for attribute in _LITELLM if module is not None else ():
        for callback in getattr(module, attribute, None) or ():
            if isinstance(callback, str):
                who, maker = callback, ""
            else:
                maker = getattr(callback, "__module__", None) or type(callback).__module__
                who = v.name if (v := vendor_of(maker)) else maker
            if maker.partition(".")[0] not in ("spanloom", "spanloom_integrations", "litellm"):
                yield Found(
                    who=who, where=f"litellm.{attribute}", what="is told of every call",
                    effect="doubles" if not maker or vendor_of(maker) else "note",
                    fix=f"take it out of litellm.{attribute}, unless both are wanted",
                )  # fmt: skip


def _agents_sdk() -> Iterator[Found]:
    module = sys.modules.get("agents.tracing")
    get = getattr(module, "get_trace_provider", None)
    several = getattr(get(), "_multi_processor", None) if get is not None else None
    for processor in getattr(several, "_processors", ()):
        maker = type(processor).__module__
        if maker.partition(".")[0] not in ("spanloom", "spanloom_integrations"):
            vendor = vendor_of(maker)
            yield Found(
                who=vendor.name if vendor else "OpenAI Agents SDK" if maker[:6] == "agents" else maker,
                where="agents.tracing", what=f"{type(processor).__name__} gets every span",
                effect="doubles" if vendor else "note",
                fix="set_trace_processors([...]) decides who gets them",
            )  # fmt: skip


def _tracer_provider() -> Iterator[Found]:
    """Whom the process's OpenTelemetry spans go to. Asking must not set a provider up."""
    module = sys.modules.get("opentelemetry.trace")
    provider = getattr(module, "_TRACER_PROVIDER", None)
    several = getattr(provider, "_active_span_processor", None)
    for processor in getattr(several, "_span_processors", ()):
        exporter = getattr(processor, "span_exporter", None) or processor
        kind = type(exporter)
        vendor = vendor_of(kind.__module__)
        yield Found(
            who=vendor.name if vendor else "OpenTelemetry",
            where="the global tracer provider",
            what=f"{kind.__name__} gets the process's OpenTelemetry spans",
            effect="note",
            fix="nothing: spanloom's spans do not go there",
        )


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
