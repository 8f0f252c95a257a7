"""Any OpenTelemetry ``SpanExporter`` as a backend.

``attributes`` is the mapping table: the ``gen_ai.*`` and ``mcp.*`` names of the GenAI conventions
as of October 2026 (they are still in development and have no release), ``user.id``, ``server.*``
and ``error.type`` of the core conventions, and ``spanloom.*`` for what none of them names.
Content goes out as JSON strings, because receivers drop or garble nested attributes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, singledispatch
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from spanloom import types
from spanloom.errors import Retry
from spanloom.types import Resource, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource as OTelResource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext

Primitive: TypeAlias = str | bool | int | float
Attribute: TypeAlias = Primitive | Sequence[Primitive]
Pairs: TypeAlias = Iterator[tuple[str, Any]]

SCOPE = "spanloom"


class OTelExporterBackend:
    """Hand finished spans to ``exporter``. Needs ``opentelemetry-sdk``.

    Args:
        exporter: any ``opentelemetry.sdk.trace.export.SpanExporter``; it is shut down with us.
        name: how reports and log lines call it.
    """

    def __init__(self, exporter: "SpanExporter", *, name: str = "otel") -> None:
        self.name = name
        self.exporter = exporter
        self._closed = False

    def export(self, batch: Sequence[Span], /) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        spans = [readable(span) for span in batch if span.status != "pending"]
        if spans and self.exporter.export(spans) is not SpanExportResult.SUCCESS:
            raise Retry(f"{type(self.exporter).__qualname__} reports failure")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.exporter.shutdown()


def readable(span: Span) -> "ReadableSpan":
    """Our span as OpenTelemetry's SDK would have made it."""
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, Status, StatusCode

    failed = span.status in ("error", "timeout")
    message = span.error.message if span.error is not None else None
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, span.trace_state),
        parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id),
        resource=_resource(span.resource),
        attributes=attributes(span),
        events=[
            Event(name, attributes=_clean(facts), timestamp=time_ns)
            for name, time_ns, facts in events(span)
        ],
        links=[
            Link(
                _context(link.trace_id, link.span_id),
                _clean([("spanloom.link.reason", link.reason)]),
            )
            for link in span.links
        ],
        kind=_kind(span),
        status=Status(StatusCode.ERROR, message) if failed else Status(StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope(SCOPE, span.resource.sdk),
    )


def _context(trace_id: int, span_id: int, trace_state: str | None = None) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    return SpanContext(
        trace_id=trace_id,
        span_id=span_id,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([trace_state]) if trace_state else None,
    )


def _kind(span: Span) -> Any:
    from opentelemetry.trace import SpanKind

    match span.detail:
        case types.ModelCall() | types.McpCall(side="client"):
            return SpanKind.CLIENT
        case types.McpCall(side="server"):
            return SpanKind.SERVER
    return SpanKind.INTERNAL


@lru_cache(maxsize=16)
def _resource(resource: Resource) -> "OTelResource":
    from opentelemetry.sdk.resources import Resource as OTelResource

    return OTelResource(_clean(resource_attributes(resource)))


def resource_attributes(resource: Resource) -> Pairs:
    yield "service.name", resource.service or "unknown_service:python"
    yield "service.namespace", resource.service_namespace
    yield "service.version", resource.service_version
    yield "service.instance.id", resource.service_instance
    yield "deployment.environment.name", resource.environment
    yield "spanloom.release", resource.release
    yield "host.name", resource.host
    yield "process.pid", resource.pid
    yield "process.command", resource.command
    yield "process.runtime.description", resource.runtime
    yield "telemetry.sdk.name", SCOPE
    yield "telemetry.sdk.language", "python"
    yield "telemetry.sdk.version", resource.sdk


def attributes(span: Span) -> dict[str, Attribute]:
    """Everything a span says but its times, ids, events and links. The program's own come as they are."""
    return _clean([*span.attributes.items(), *_common(span), *_detail(span.detail)])


def _common(span: Span) -> Pairs:
    yield "spanloom.kind", span.kind
    yield "spanloom.integration", span.integration
    if span.status not in ("ok", "error"):
        yield "spanloom.status", span.status
    if span.error is not None:
        yield "error.type", span.error.code or span.error.class_name or span.error.type
        yield "spanloom.error.type", span.error.type
        yield "spanloom.error.class", span.error.class_name
        yield "spanloom.error.stack", span.error.stack
    elif span.status == "timeout":
        yield "error.type", "timeout"
    yield "spanloom.ended_by", span.ended_by
    if not span.complete:
        yield "spanloom.complete", False
    if span.session is not None:
        yield "gen_ai.conversation.id", span.session.id
        yield "spanloom.session.source", span.session.source
    yield "user.id", span.user_id
    yield "spanloom.user.tier", span.user_tier
    yield "spanloom.feature", span.feature
    yield "spanloom.request.id", span.request_id
    yield "spanloom.tags", span.tags
    for key, value in span.metadata.items():
        yield f"spanloom.metadata.{key}", value
    if span.redactions:
        yield "spanloom.redactions", _json(span.redactions)
    yield "spanloom.truncated", span.truncated
    yield "spanloom.faults", span.faults


# --- one case for each kind ---------------------------------------------------------------------


@singledispatch
def _detail(detail: types.Detail) -> Pairs:
    """A kind that the conventions do not name: its input and output."""
    yield "spanloom.input", getattr(detail, "input", None)
    yield "spanloom.output", getattr(detail, "output", None)


def _call(call: types.ModelCall, operation: str) -> Pairs:
    yield "gen_ai.operation.name", call.operation or operation
    yield "gen_ai.provider.name", call.provider
    yield "gen_ai.request.model", call.model
    yield "gen_ai.response.model", call.response_model
    yield "gen_ai.response.id", call.response_id
    yield "server.address", call.server_address
    yield "server.port", call.server_port
    yield from _usage(call.usage)
    if call.cost is not None:
        yield "gen_ai.usage.cost", call.cost.total_usd  # no convention yet; receivers read this one
        yield "spanloom.cost.source", call.cost.source
        yield "spanloom.cost.reason", call.cost.reason
        for key, value in call.cost.components_usd.items():
            yield f"spanloom.cost.{key}_usd", value
    yield "spanloom.provider.request_id", call.provider_request_id
    yield "http.response.status_code", call.http_status
    if call.attempts:
        yield "http.request.resend_count", len(call.attempts)
        yield "spanloom.attempts", _json(call.attempts)
    yield "spanloom.fallback.from", call.fallback_from
    yield "spanloom.fallback.to", call.fallback_to
    if call.cache is not None:
        yield "spanloom.cache.kind", call.cache.kind
        yield "spanloom.cache.hit", call.cache.hit


def _usage(usage: types.Usage | None) -> Pairs:
    if usage is None:
        return
    yield "gen_ai.usage.input_tokens", usage.input
    yield "gen_ai.usage.output_tokens", usage.output
    yield "spanloom.usage.total_tokens", usage.total
    yield "gen_ai.usage.cache_read.input_tokens", usage.cached
    yield "gen_ai.usage.cache_write.input_tokens", usage.cache_write
    yield "gen_ai.usage.reasoning.output_tokens", usage.reasoning
    yield "gen_ai.usage.text.input_tokens", usage.input_text
    yield "gen_ai.usage.audio.input_tokens", usage.input_audio
    yield "gen_ai.usage.image.input_tokens", usage.input_image
    yield "gen_ai.usage.text.output_tokens", usage.output_text
    yield "gen_ai.usage.audio.output_tokens", usage.output_audio
    yield "gen_ai.usage.image.output_tokens", usage.output_image
    yield "spanloom.usage.accepted_prediction_tokens", usage.accepted_prediction
    yield "spanloom.usage.rejected_prediction_tokens", usage.rejected_prediction
    yield "spanloom.usage.audio_s", usage.audio_s


_PARAMS = {
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "top_k": "gen_ai.request.top_k",
    "service_tier": "openai.request.service_tier",
}
_OUTPUT_TYPES = {"json_object": "json", "json_schema": "json", "text": "text"}


@_detail.register
def _(call: types.LLMCall) -> Pairs:
    yield from _call(call, "chat")
    yield "gen_ai.request.temperature", call.temperature
    yield "gen_ai.request.top_p", call.top_p
    yield "gen_ai.request.max_tokens", call.max_tokens
    yield "gen_ai.request.seed", call.seed
    yield "gen_ai.request.stop_sequences", call.stop
    if call.choices not in (None, 1):
        yield "gen_ai.request.choice.count", call.choices
    if call.stream:
        yield "gen_ai.request.stream", True
    yield "gen_ai.request.reasoning.level", call.reasoning_effort
    if isinstance(call.response_format, Mapping):
        yield "gen_ai.output.type", _OUTPUT_TYPES.get(str(call.response_format.get("type")))
    yield "spanloom.request.response_format", call.response_format
    yield "spanloom.request.tool_choice", call.tool_choice
    for key, value in call.params.items():
        yield _PARAMS.get(key, f"spanloom.request.{key}"), value
    yield "gen_ai.request.previous_response.id", call.previous_response_id
    yield "gen_ai.response.finish_reasons", call.finish
    if call.time_to_first_chunk_ns is not None:
        yield "gen_ai.response.time_to_first_chunk", call.time_to_first_chunk_ns / 1e9
    if call.time_per_output_chunk_ns is not None:
        yield "spanloom.time_per_output_chunk_s", call.time_per_output_chunk_ns / 1e9
    yield "spanloom.output_tokens_per_s", call.output_tokens_per_s
    yield "spanloom.chunks", call.chunks
    yield "openai.response.service_tier", call.service_tier
    yield "openai.response.system_fingerprint", call.system_fingerprint
    yield "spanloom.provider.conversation_id", call.conversation_id
    if call.prompt is not None:
        yield "gen_ai.prompt.name", call.prompt.name
        yield "gen_ai.prompt.version", call.prompt.version
        for key, value in call.prompt.variables.items():
            yield f"gen_ai.prompt.variable.{key}", value if isinstance(value, str) else _json(value)
    yield "spanloom.prompt.fingerprint", call.prompt_fingerprint
    yield "spanloom.params.fingerprint", call.params_fingerprint
    if call.input:
        yield "gen_ai.input.messages", _json([_message(message) for message in call.input])
    if call.output:
        finish = (*call.finish, *(None,) * len(call.output))
        yield (
            "gen_ai.output.messages",
            _json(
                [
                    _message(message, reason or "")
                    for message, reason in zip(call.output, finish, strict=False)
                ]
            ),
        )
    if call.tools:
        yield "gen_ai.tool.definitions", _json([_tool(tool) for tool in call.tools])


@_detail.register
def _(call: types.Embedding) -> Pairs:
    yield from _call(call, "embeddings")
    yield "gen_ai.embeddings.dimension.count", call.dimensions
    if call.encoding is not None:
        yield "gen_ai.request.encoding_formats", (call.encoding,)
    yield "spanloom.embeddings.count", call.count
    yield "spanloom.input", call.input


@_detail.register
def _(call: types.Rerank) -> Pairs:
    yield from _call(call, "rerank")
    yield "gen_ai.retrieval.query.text", call.query
    yield "gen_ai.retrieval.top_k", call.top_n
    yield "spanloom.rerank.candidates", call.candidates
    yield from _documents(call.documents)


@_detail.register
def _(workflow: types.Workflow) -> Pairs:
    yield "gen_ai.operation.name", "invoke_workflow"
    yield "spanloom.input", workflow.input
    yield "spanloom.output", workflow.output


@_detail.register
def _(agent: types.Agent) -> Pairs:
    yield "gen_ai.operation.name", "invoke_agent"
    yield "gen_ai.agent.name", agent.agent
    yield "gen_ai.agent.id", agent.agent_id
    yield "gen_ai.agent.description", agent.description
    yield "gen_ai.request.model", agent.model
    yield "spanloom.agent.role", agent.role
    yield "spanloom.input", agent.input
    yield "spanloom.output", agent.output


@_detail.register
def _(tool: types.Tool) -> Pairs:
    yield "gen_ai.operation.name", "execute_tool"
    yield "gen_ai.tool.name", tool.tool
    yield "gen_ai.tool.call.id", tool.call_id
    yield "gen_ai.tool.type", tool.type
    yield "gen_ai.tool.description", tool.description
    yield "gen_ai.tool.call.arguments", tool.input
    yield "gen_ai.tool.call.result", tool.output
    if tool.is_error:
        yield "spanloom.tool.is_error", True


@_detail.register
def _(handoff: types.Handoff) -> Pairs:
    yield "gen_ai.agent.name", handoff.source
    yield "spanloom.handoff.source", handoff.source
    yield "spanloom.handoff.target", handoff.target
    yield "spanloom.handoff.mechanism", handoff.mechanism
    yield "spanloom.handoff.reason", handoff.reason
    yield "spanloom.handoff.payload", handoff.payload
    yield "spanloom.handoff.returns_control", handoff.returns_control
    yield "spanloom.handoff.outcome", handoff.outcome


@_detail.register
def _(retrieval: types.Retrieval) -> Pairs:
    yield "gen_ai.operation.name", "retrieval"
    yield "gen_ai.data_source.id", retrieval.source
    yield "gen_ai.retrieval.top_k", retrieval.top_k
    yield "gen_ai.retrieval.query.text", retrieval.query
    yield "spanloom.retrieval.filter", retrieval.filter
    yield from _documents(retrieval.documents)
    yield "spanloom.output", retrieval.output


def _documents(documents: Sequence[types.Document]) -> Pairs:
    if documents:
        yield "gen_ai.retrieval.documents", _json(documents)


_MEMORY = {
    "read": "search_memory",
    "search": "search_memory",
    "write": "upsert_memory",
    "update": "update_memory",
    "delete": "delete_memory",
}


@_detail.register
def _(memory: types.Memory) -> Pairs:
    if memory.operation is not None:
        yield "gen_ai.operation.name", _MEMORY.get(memory.operation, memory.operation)
    yield "gen_ai.memory.store.id", memory.store
    if len(memory.keys) == 1:
        yield "gen_ai.memory.record.id", memory.keys[0]
    yield "spanloom.memory.keys", memory.keys
    yield "gen_ai.memory.query.text", memory.query
    yield "spanloom.memory.hit", memory.hit
    yield "spanloom.input", memory.input
    yield "spanloom.output", memory.output


@_detail.register
def _(guardrail: types.Guardrail) -> Pairs:
    yield "gen_ai.provider.name", guardrail.provider
    yield "gen_ai.request.model", guardrail.model
    yield "gen_ai.response.id", guardrail.response_id
    yield "server.address", guardrail.server_address
    yield "spanloom.provider.request_id", guardrail.provider_request_id
    yield "http.response.status_code", guardrail.http_status
    yield "spanloom.guardrail.triggered", guardrail.triggered
    yield "spanloom.guardrail.categories", guardrail.categories
    if guardrail.scores:
        yield "spanloom.guardrail.scores", _json(guardrail.scores)
    yield "spanloom.guardrail.action", guardrail.action
    yield "spanloom.input", guardrail.input
    yield "spanloom.output", guardrail.output
    yield from _usage(guardrail.usage)


@_detail.register
def _(evaluation: types.Evaluation) -> Pairs:
    yield "spanloom.evaluation.evaluator", evaluation.evaluator
    yield "spanloom.input", evaluation.input
    yield "spanloom.output", evaluation.output


@_detail.register
def _(plan: types.Plan) -> Pairs:
    yield "gen_ai.operation.name", "plan"
    yield "gen_ai.agent.name", plan.agent
    yield "spanloom.plan.steps", plan.steps
    yield "spanloom.input", plan.input
    yield "spanloom.output", plan.output


_TRANSPORTS = {"stdio": "pipe", "http": "tcp", "streamable_http": "tcp", "sse": "tcp"}


@_detail.register
def _(call: types.McpCall) -> Pairs:
    yield "mcp.method.name", call.method
    if call.method == "tools/call":
        yield "gen_ai.operation.name", "execute_tool"
    yield "gen_ai.tool.name", call.tool
    yield "spanloom.mcp.server", call.server
    yield "mcp.session.id", call.mcp_session_id
    yield "jsonrpc.request.id", call.request_id
    yield "mcp.protocol.version", call.protocol_version
    if call.transport is not None:
        yield "network.transport", _TRANSPORTS.get(call.transport, call.transport)
    if call.is_error:
        yield "error.type", "tool_error"
    if call.method == "tools/call":
        yield "gen_ai.tool.call.arguments", call.input
        yield "gen_ai.tool.call.result", call.output
    else:
        yield "spanloom.input", call.input
        yield "spanloom.output", call.output


# --- content ------------------------------------------------------------------------------------


def _message(message: types.Message, finish: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "parts": [_part(part) for part in message.parts]}
    if message.name is not None:
        made["name"] = message.name
    if finish is not None:  # deprecated, but Phoenix drops every output message without it
        made["finish_reason"] = finish
    return made


def _part(part: types.MessagePart) -> dict[str, Any]:
    match part:
        case types.Text(text=text):
            return {"type": "text", "content": text}
        case types.Reasoning(text=text):
            return {"type": "reasoning", "content": text or ""}
        case types.Refusal(text=text):
            return {"type": "refusal", "content": text}
        case types.ToolRequest(server_side=True):
            asked = {"type": part.name, "arguments": part.arguments}
            return _some(
                type="server_tool_call", id=part.id, name=part.name, server_tool_call=asked
            )
        case types.ToolRequest():
            return _some(type="tool_call", id=part.id, name=part.name, arguments=part.arguments)
        case types.ToolResult():
            return {
                **_some(type="tool_call_response", id=part.id, name=part.name),
                "response": part.result,
            }
        case types.Media():
            modality = "document" if part.media == "file" else part.media
            common = _some(modality=modality, mime_type=part.mime_type)
            if part.url is not None and not part.url.startswith("data:"):
                return {"type": "uri", **common, "uri": part.url}
            if part.file_id is not None:
                return {"type": "file", **common, "file_id": part.file_id}
            rest = _some(name=part.name, sha256=part.sha256, size_bytes=part.size_bytes)
            return {"type": "media", **common, **rest}
        case types.Opaque(name=name, value=value):
            return {"type": name, "value": value}


def _tool(tool: types.ToolDefinition) -> dict[str, Any]:
    return _some(
        type=tool.type, name=tool.name, description=tool.description, parameters=tool.parameters
    )


def _some(**facts: Any) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def events(span: Span) -> Iterator[tuple[str, int, Sequence[tuple[str, Any]]]]:
    """Name, time and attributes of each point event."""
    for event in span.events:
        facts = [
            (name, getattr(event, name)) for name in event.__struct_fields__ if name != "time_ns"
        ]
        match event:
            case types.Custom(name=name):
                yield name, event.time_ns, [*event.attributes.items()]
            case types.ErrorEvent(error=error):
                yield (
                    "exception",
                    event.time_ns,
                    [
                        ("exception.type", error.class_name or error.type),
                        ("exception.message", error.message),
                        ("exception.stacktrace", "\n".join(error.stack) or None),
                    ],
                )
            case types.Score():
                label = event.value if isinstance(event.value, str) else None
                yield (
                    "gen_ai.evaluation.result",
                    event.time_ns,
                    [
                        ("gen_ai.evaluation.name", event.name),
                        ("gen_ai.evaluation.score.label", label),
                        (
                            "gen_ai.evaluation.score.value",
                            None if isinstance(event.value, str) else float(event.value),
                        ),
                        ("gen_ai.evaluation.explanation", event.comment),
                        *((f"spanloom.score.{name}", value) for name, value in facts[3:]),
                    ],
                )
            case types.LogEvent(attributes=own):
                rest = [(f"spanloom.log.{name}", v) for name, v in facts if name != "attributes"]
                yield "spanloom.log", event.time_ns, [*own.items(), *rest]
            case _:
                tag = str(event.__struct_config__.tag)
                yield (
                    f"spanloom.{tag}",
                    event.time_ns,
                    [(f"spanloom.{tag}.{name}", value) for name, value in facts],
                )


_encode = msgspec.json.Encoder(enc_hook=lambda value: f"<{type(value).__qualname__}>").encode


def _json(value: Any) -> str:
    try:
        return _encode(value).decode()
    except (TypeError, ValueError, RecursionError) as exc:
        return f'"<not JSON: {type(exc).__qualname__}>"'


def _clean(pairs: Iterable[tuple[str, Any]]) -> dict[str, Attribute]:
    """Without what nobody said; what is no attribute value goes out as JSON."""
    made: dict[str, Attribute] = {}
    for key, value in pairs:
        if value is None or (isinstance(value, (list, tuple)) and not value):
            continue
        if isinstance(value, str):
            made[key] = _text(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            made[key] = f"<int of {value.bit_length()} bits>"  # OTLP integers have 64 bits
        elif isinstance(value, (bool, int, float)):
            made[key] = value
        elif isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            made[key] = tuple(map(_text, value))
        else:
            made[key] = _json(value)
    return made


def _text(value: str) -> str:
    return str.encode(value, "utf-8", "backslashreplace").decode()
