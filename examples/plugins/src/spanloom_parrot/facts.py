"""A call of the Parrot client in the terms of ``spanloom.types``. Runs on spanloom's own thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spanloom.sdk import Active
from spanloom.types import ErrorType, LLMCall, Message, Opaque, Text, Usage

ROLES = ("system", "user", "assistant", "tool")
FIELDS = ("model", "messages", "stream", "temperature", "max_tokens")
STATUS: Mapping[int, ErrorType] = {
    400: "invalid_request", 401: "auth", 403: "permission", 404: "not_found",
    429: "rate_limit", 503: "overloaded",
}  # fmt: skip


def extract(active: Active) -> LLMCall:
    """The facts of one call. It may raise: then the span is there without them."""
    body, tap = active.request, active.tap
    reply = tap.reply() if tap is not None else active.response  # None: it failed, or is still open
    known: dict[str, Any] = {
        "provider": "parrot",
        "operation": "chat",
        "model": body.get("model"),
        "input": tuple(message(raw) for raw in body.get("messages", ())),
        "stream": bool(body.get("stream")),
        "temperature": body.get("temperature"),
        "max_tokens": body.get("max_tokens"),
        "params": {name: value for name, value in body.items() if name not in FIELDS},
    }
    if reply is not None:
        said = (Text(text=reply.text),) if reply.text else ()
        known |= {
            "response_id": reply.id,
            "response_model": reply.model,
            "output": (Message(role="assistant", parts=said),),
            "finish": (reply.finish,) if reply.finish else (),
            "usage": usage(reply.usage) if reply.usage else None,
            "provider_request_id": reply.request_id,
            "http_status": 200,
        }
    elif active.failure is not None:
        known["http_status"] = active.failure.note["status_code"]
    if tap is not None and tap.chunks:
        known |= {"chunks": tap.chunks, "time_to_first_chunk_ns": tap.first_tick - active.tick}
    return LLMCall(**known)


def message(raw: Mapping[str, Any]) -> Message:
    """One message of the request. What is no text is kept as it is."""
    role, content = raw.get("role"), raw.get("content")
    part = Text(text=content) if isinstance(content, str) else Opaque(name="content", value=content)
    return Message(role=role if role in ROLES else "user", parts=(part,))


def usage(raw: Mapping[str, Any]) -> Usage:
    return Usage(
        input=raw.get("prompt_tokens"),
        output=raw.get("completion_tokens"),
        total=raw.get("total_tokens"),
        cached=(raw.get("prompt_tokens_details") or {}).get("cached_tokens"),
        reasoning=(raw.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    )


def classify(note: Mapping[str, Any], classes: Sequence[str]) -> ErrorType:
    """The word of the closed list. ``classes``: of the exception, derived first."""
    status = note.get("status_code")
    if status is not None:
        return STATUS.get(status, "server" if status >= 500 else "invalid_request")
    if "TimeoutException" in classes:
        return "timeout"
    return "connection" if "TransportError" in classes else "other"
