"""One span of every kind with every field, every event, and the values that break encoders."""

from __future__ import annotations

from typing import Any

import msgspec

from spanloom import types
from spanloom.types import Span

START_NS = 1_760_000_000_000_000_000
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
PARTS = (
    types.Text(text="Was it *good*?\n\u2028 \U0001f98a \x00 \x7f"),
    types.Reasoning(text="thinking", encrypted=False),
    types.Refusal(text="no"),
    types.Media(media="image", mime_type="image/png", sha256="ab" * 32, size_bytes=3),
    types.ToolRequest(name="look", id="t-1", arguments={"a": [1, None, True, {"b": "c"}]}),
    types.ToolResult(id="t-1", name="look", result=["x", 1.5], is_error=True),
    types.Opaque(name="new_thing", value={"k": "v"}),
)
EVENTS: tuple[types.AnyEvent, ...] = (
    types.Custom(time_ns=START_NS + 1, name="custom", attributes={"a": 1}),
    types.StateTransition(time_ns=START_NS + 2, node="n", changed=("k",), goto=("m",), update={}),
    types.MemoryAccess(time_ns=START_NS + 3, operation="read", store="s", keys=("k",), hit=True),
    types.Score(time_ns=START_NS + 4, name="s", value=0.5, comment="so so", source="model"),
    types.LogEvent(
        time_ns=START_NS + 5, level="info", message="m", logger="l", attributes={"x": 1}
    ),
    types.RetryEvent(time_ns=START_NS + 6, attempt=1, reason="rate_limit", delay_s=0.5),
    types.Decision(time_ns=START_NS + 7, about="call t-1", outcome="approved", by="someone"),
    types.ErrorEvent(
        time_ns=START_NS + 8, error=types.Error(type="tool", message="m", class_name="E")
    ),
)


def filled(kind: type[types.AnyDetail]) -> types.AnyDetail:
    """A detail with something in every field that a plain value fits."""
    fields: dict[str, Any] = {}
    for name, value in _SAMPLES.items():
        if name in kind.__struct_fields__ and name not in _messages(kind):
            fields[name] = value
    detail = msgspec.convert(fields, kind, strict=False)
    return msgspec.structs.replace(detail, **_messages(kind))


def _messages(kind: type[types.AnyDetail]) -> dict[str, Any]:
    if kind is not types.LLMCall:
        return {}
    return {
        "input": (types.Message(role="user", parts=PARTS[:1], name="ann"),),
        "output": (types.Message(role="assistant", parts=PARTS),),
    }


_SAMPLES: dict[str, Any] = {
    "provider": "openai", "model": "m-1", "response_model": "m-1-2026", "response_id": "r-1",
    "operation": "chat", "server_address": "example.org", "server_port": 443,
    "usage": {"input": 10, "output": 4, "total": 14, "cached": 2, "reasoning": 1, "audio_s": 0.5},
    "cost": {"total_usd": 0.0125, "components_usd": {"input": 0.01}, "source": "prices"},
    "provider_request_id": "q-1", "http_status": 200,
    "attempts": [{"number": 1, "reason": "server", "http_status": 500, "time_ns": START_NS}],
    "tools": [{"name": "look", "description": "d", "parameters": {"type": "object"}}],
    "temperature": 0.1, "top_p": 1.0, "max_tokens": 9, "seed": 7, "stop": ["."], "choices": 1,
    "finish": ["stop"], "params": {"logit_bias": {"1": -100}}, "time_to_first_chunk_ns": 5_000_000,
    "chunks": 3, "service_tier": "default", "conversation_id": "c-1", "count": 2,
    "cache": {"kind": "prompt"}, "prompt": {"name": "p", "version": "3", "variables": {"a": "b"}},
    "query": "what?", "candidates": 3, "top_n": 1, "top_k": 5, "dimensions": 8,
    "documents": [{"id": "d-1", "content": "text", "score": 0.75, "metadata": {"page": 3}}],
    "agent": "planner", "agent_id": "a-1", "role": "supervisor", "description": "d",
    "tool": "look", "call_id": "t-1", "type": "function", "source": "here", "target": "there",
    "mechanism": "tool_call", "reason": "because", "payload": {"k": "v"}, "returns_control": True,
    "outcome": "accepted", "filter": {"year": 2026}, "store": "s", "keys": ["k"], "hit": True,
    "triggered": True, "categories": ["x"], "scores": {"x": 0.9}, "action": "block",
    "evaluator": "e", "steps": ["one", "two"], "method": "tools/call", "side": "client",
    "server": "files", "mcp_session_id": "ms-1", "request_id": "1", "protocol_version": "2026",
    "transport": "stdio", "input": {"in": [1, 2.5, "x"]}, "output": {"out": None},
    "is_error": False,
}  # fmt: skip


def a_span(number: int, **changes: Any) -> Span:
    """A finished span of its own, under the first one."""
    facts: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": 0xB7AD6B7169203300 + number,
        "parent_id": 0xB7AD6B7169203300 if number else None,
        "name": f"span {number}",
        "detail": types.Task(),
        "integration": "manual",
        "start_ns": START_NS + number * 1000,
        "end_ns": START_NS + number * 1000 + 5_000,
    }
    return Span(**(facts | changes))


def golden_batch() -> list[Span]:
    """Every kind, event type, status and field."""
    spans = [
        a_span(number, name=kind, detail=filled(detail))
        for number, (kind, detail) in enumerate(types.DETAILS.items())
    ]
    error = types.Error(
        type="rate_limit", message="slow down", class_name="lib.Slow", code="429",
        stack=("a.py:1 in f", "b.py:2 in g"),
    )  # fmt: skip
    statuses: tuple[types.Status, ...] = ("ok", "error", "timeout", "cancelled")
    for status in statuses:
        number = len(spans)
        spans.append(
            a_span(
                number,
                name=f"status {status}",
                status=status,
                error=error if status in ("error", "timeout") else None,
                ended_by="CancelledError" if status == "cancelled" else None,
                complete=status == "ok",
                session=types.Session(id="s-1", source="framework"),
                user_id="u-1",
                user_tier="gold",
                feature="search",
                request_id="r-1",
                tags=("a", "b"),
                attributes={"n": 1, "f": 1.5, "t": True, "l": [1], "d": {"x": None}},
                metadata={"plan": "x"},
                events=EVENTS,
                trace_state="v=1",
                links=(types.Link(trace_id=1, span_id=2, reason="handoff"),),
                resource=types.Resource(service="svc", environment="test", pid=1, sdk="spanloom"),
                redactions=(types.Redaction(field="name", kind="email", count=2),),
                truncated=("detail.input",),
                faults=("extract: KeyError",),
            )
        )
    return spans


def deep(levels: int) -> Any:
    """A value nested so deep."""
    value: Any = "bottom"
    for level in range(levels):
        value = {"k": value} if level % 2 else [value]
    return value


ODD: dict[str, Any] = {
    "floats": {
        "nan": float("nan"), "inf": float("inf"), "minus": float("-inf"), "zero": -0.0,
        "huge": 1.7976931348623157e308, "tiny": 5e-324, "long": 0.1 + 0.2,
    },
    "integers": {"huge": 2**200, "minus": -(2**63) - 1, "beyond": 2**64},
    "surrogates": {"alone": "\ud800", "end": "x\udfff", "\udc00key": "value"},
    "control": {"zero": "a\x00b", "esc": "\x1b[31m", "lines": "a\r\n\u2028b", "bom": "\ufeff"},
    "empty": {"": "", "list": [], "dict": {}, "none": None},
    "megabyte": {"text": "ä" * 524_288},
    "deep": {"value": deep(32)},
    "wide": {str(number): number for number in range(2000)},
}  # fmt: skip
"""Values that pass the pipeline or nearly do, as attributes."""
