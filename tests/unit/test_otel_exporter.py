"""Our spans through OpenTelemetry's SDK to any exporter."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from spanloom.backends.otel import OTelExporterBackend, attributes, events
from spanloom.errors import Retry
from spanloom.record import decode, to_span
from spanloom.types import (
    DETAILS,
    Agent,
    CacheHit,
    Custom,
    Error,
    ErrorEvent,
    Handoff,
    Link,
    LLMCall,
    McpCall,
    Media,
    Message,
    Reasoning,
    Resource,
    Retrieval,
    Score,
    Session,
    Span,
    Task,
    Text,
    Tool,
    ToolDefinition,
    ToolRequest,
    ToolResult,
    Usage,
)

LINES = (Path(__file__).parents[1] / "fixtures/record-v1.jsonl").read_bytes().splitlines()
EVERY_KIND = [to_span(decode(line)) for line in LINES]


def a_span(**changes: Any) -> Span:
    facts: dict[str, Any] = {
        "trace_id": 0xABC,
        "span_id": 0x12,
        "name": "step",
        "detail": Task(input="in"),
        "integration": "manual",
        "start_ns": 1_000,
        "end_ns": 2_500,
    }
    return Span(**(facts | changes))


def sent(span: Span) -> ReadableSpan:
    exporter = InMemorySpanExporter()
    OTelExporterBackend(exporter).export([span])
    (got,) = exporter.get_finished_spans()
    json.loads(got.to_json())
    return got


class Answering(SpanExporter):
    def __init__(self, answer: SpanExportResult) -> None:
        self.answer, self.shutdowns = answer, 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.answer

    def shutdown(self) -> None:
        self.shutdowns += 1


def test_ids_times_and_relations() -> None:
    got = sent(
        a_span(
            parent_id=0x11,
            links=(Link(trace_id=5, span_id=6, reason="resume"),),
            events=(Custom(time_ns=1_500, name="mine", attributes={"a": 1, "b": {"c": 2}}),),
            trace_state="vendor=1",
            resource=Resource(service="shop", environment="production", sdk="1.0"),
        )
    )
    assert got.name == "step"
    assert got.context is not None and got.parent is not None
    assert (got.context.trace_id, got.context.span_id) == (0xABC, 0x12)
    assert got.context.trace_flags.sampled
    assert dict(got.context.trace_state) == {"vendor": "1"}
    assert (got.parent.trace_id, got.parent.span_id) == (0xABC, 0x11)
    assert (got.start_time, got.end_time) == (1_000, 2_500)
    (link,) = got.links
    assert (link.context.trace_id, link.context.span_id) == (5, 6)
    assert link.attributes == {"spanloom.link.reason": "resume"}
    (event,) = got.events
    assert (event.name, event.timestamp) == ("mine", 1_500)
    assert event.attributes == {"a": 1, "b": '{"c":2}'}
    assert got.resource.attributes["service.name"] == "shop"
    assert got.resource.attributes["deployment.environment.name"] == "production"
    assert got.instrumentation_scope is not None
    assert (got.instrumentation_scope.name, got.instrumentation_scope.version) == (
        "spanloom",
        "1.0",
    )


def test_a_root_has_no_parent() -> None:
    assert sent(a_span()).parent is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("ok", StatusCode.UNSET),
        ("cancelled", StatusCode.UNSET),
        ("error", StatusCode.ERROR),
        ("timeout", StatusCode.ERROR),
    ],
)
def test_status(status: Any, code: StatusCode) -> None:
    error = Error(type="rate_limit", message="slow down", class_name="RateLimitError", code="429")
    got = sent(a_span(status=status, error=error if code is StatusCode.ERROR else None))
    assert got.status.status_code is code
    assert got.status.description == ("slow down" if code is StatusCode.ERROR else None)
    assert got.attributes is not None
    assert got.attributes.get("error.type") == ("429" if code is StatusCode.ERROR else None)


def test_span_kinds() -> None:
    kinds = {span.kind: sent(span).kind for span in EVERY_KIND if span.status != "pending"}
    assert {kind for kind, of in kinds.items() if of is SpanKind.CLIENT} == {
        "llm", "embedding", "rerank", "mcp",
    }  # fmt: skip
    assert sent(a_span(detail=McpCall(side="server"))).kind is SpanKind.SERVER


def test_a_model_call() -> None:
    call = LLMCall(
        provider="openai",
        model="gpt-4o",
        response_model="gpt-4o-1",
        usage=Usage(input=10, output=5, cached=4, reasoning=0),
        cache=CacheHit(kind="prompt"),
        temperature=0.5,
        stop=("END",),
        params={"top_k": 4, "logit_bias": {"1": 2}},
        finish=("stop",),
        time_to_first_chunk_ns=250_000_000,
        stream=True,
        input=(
            Message(role="user", parts=(Text(text="hi"), Media(media="file", file_id="f"))),
            Message(role="tool", parts=(ToolResult(id="c", result={"ok": 1}),)),
        ),
        output=(
            Message(
                role="assistant",
                parts=(
                    Reasoning(text="think"),
                    ToolRequest(name="look", id="c", arguments={"a": 1}),
                ),
            ),
        ),
        tools=(ToolDefinition(name="look"),),
    )
    got = attributes(a_span(detail=call, session=Session(id="s"), attributes={"mine": 1}))
    content = {
        name: json.loads(str(got.pop(name)))
        for name in ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.definitions")
    }
    assert got == {
        "mine": 1,
        "spanloom.kind": "llm",
        "spanloom.integration": "manual",
        "gen_ai.conversation.id": "s",
        "spanloom.session.source": "explicit",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-1",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "spanloom.cache.kind": "prompt",
        "spanloom.cache.hit": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.stream": True,
        "gen_ai.request.top_k": 4,
        "spanloom.request.logit_bias": '{"1":2}',
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.25,
    }
    assert content == {
        "gen_ai.input.messages": [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "hi"},
                    {"type": "file", "modality": "document", "file_id": "f"},
                ],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "c", "response": {"ok": 1}}],
            },
        ],
        "gen_ai.output.messages": [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "think"},
                    {"type": "tool_call", "id": "c", "name": "look", "arguments": {"a": 1}},
                ],
                "finish_reason": "stop",
            }
        ],
        "gen_ai.tool.definitions": [{"type": "function", "name": "look"}],
    }


def test_other_kinds() -> None:
    tool = attributes(a_span(detail=Tool(tool="look", call_id="c", input={"a": 1}, output="o")))
    assert tool["gen_ai.operation.name"] == "execute_tool"
    assert tool["gen_ai.tool.call.arguments"] == '{"a":1}'
    agent = attributes(a_span(detail=Agent(agent="planner", role="supervisor"), user_id="u"))
    assert (agent["gen_ai.agent.name"], agent["user.id"]) == ("planner", "u")
    handoff = attributes(a_span(detail=Handoff(source="a", target="b", returns_control=False)))
    assert handoff["spanloom.handoff.target"] == "b"
    assert handoff["spanloom.handoff.returns_control"] is False
    retrieval = attributes(a_span(detail=Retrieval(query="q", source="docs", top_k=3)))
    assert retrieval["gen_ai.data_source.id"] == "docs"
    mcp = attributes(a_span(detail=McpCall(method="tools/call", transport="stdio", is_error=True)))
    assert (mcp["network.transport"], mcp["error.type"]) == ("pipe", "tool_error")


def test_point_events() -> None:
    made = {
        name: dict(facts)
        for name, _, facts in events(
            a_span(
                events=(
                    Score(time_ns=1, name="q", value=0.5, source="user"),
                    ErrorEvent(time_ns=2, error=Error(type="tool", message="m", class_name="E")),
                )
            )
        )
    }
    assert made["gen_ai.evaluation.result"]["gen_ai.evaluation.score.value"] == 0.5
    assert made["exception"]["exception.type"] == "E"


@pytest.mark.parametrize("span", EVERY_KIND, ids=lambda span: span.kind)
def test_every_fact_of_every_kind_goes_out_as_a_primitive(span: Span) -> None:
    for name, value in attributes(span).items():
        items = value if isinstance(value, tuple) else (value,)
        assert all(type(item) in (str, bool, int, float) for item in items), name
    # the fixture fills every field of every kind, so a field that the table forgot shows here
    empty = type(span.detail)()
    silent = {
        name
        for name in span.detail.__struct_fields__
        if attributes(span) == attributes(without(span, name, getattr(empty, name)))
    }
    # the usual operation and one choice go without saying; the side is the span's kind
    assert silent <= {"operation", "choices", "side"}


def without(span: Span, name: str, value: Any) -> Span:
    return replace(span, detail=replace(span.detail, **{name: value}))


def test_the_fixture_covers_every_kind() -> None:
    assert {span.kind for span in EVERY_KIND} == set(DETAILS)


def test_f5_values_that_are_not_json_do_not_stop_a_span() -> None:
    got = sent(
        a_span(
            attributes={
                "surrogate": "\ud800",
                "big": 2**70,
                "object": object(),
                "mixed": [1, "a"],
                "texts": ["\ud800", "b"],
                "none": None,
            }
        )
    )
    assert got.attributes is not None
    mine = {name: v for name, v in got.attributes.items() if not name.startswith("spanloom")}
    assert mine == {
        "surrogate": "\\ud800",
        "big": "<int of 71 bits>",
        "object": '"<object>"',
        "mixed": '[1,"a"]',
        "texts": ("\\ud800", "b"),
    }


def test_answers_of_the_exporter() -> None:
    OTelExporterBackend(Answering(SpanExportResult.SUCCESS)).export([a_span()])
    with pytest.raises(Retry, match="Answering reports failure"):
        OTelExporterBackend(Answering(SpanExportResult.FAILURE)).export([a_span()])


def test_pending_spans_and_empty_batches_are_not_sent() -> None:
    backend = OTelExporterBackend(Answering(SpanExportResult.FAILURE))
    backend.export([])
    backend.export([a_span(status="pending", end_ns=None)])


def test_close_shuts_the_exporter_down_once() -> None:
    exporter = Answering(SpanExportResult.SUCCESS)
    backend = OTelExporterBackend(exporter, name="mine")
    backend.close()
    backend.close()
    assert (exporter.shutdowns, backend.name) == (1, "mine")
