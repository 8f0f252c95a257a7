"""Exceptions that pass through: providers' own, and LangGraph's control flow."""

from collections.abc import Mapping, Sequence
from typing import Any

from spanloom.types import ErrorType

_STATUS: Mapping[int, ErrorType] = {
    400: "invalid_request",
    401: "auth",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_CLASSES: Mapping[str, ErrorType] = {
    "OutputParserException": "parse",
    "ValidationError": "parse",
    "ToolException": "tool",
    "ContextOverflowError": "context_length",
    "APITimeoutError": "timeout",
    "TimeoutException": "timeout",
    "APIConnectionError": "connection",
    "TransportError": "connection",
    "AuthenticationError": "auth",
    "PermissionDeniedError": "permission",
    "NotFoundError": "not_found",
    "RateLimitError": "rate_limit",
    "InternalServerError": "server",
}


def note(error: BaseException) -> dict[str, Any]:
    """Status and code, taken on the caller's thread. Never getattr: a property may do I/O."""
    held = getattr(error, "__dict__", None) or {}
    return {
        name: held[name]
        for name in ("status_code", "code", "request_id")
        if held.get(name) is not None
    }


def classify(note: Mapping[str, Any], classes: Sequence[str]) -> ErrorType:
    status = note.get("status_code")
    if note.get("code") == "context_length_exceeded":
        return "context_length"
    if note.get("code") == "insufficient_quota":
        return "quota"
    if type(status) is int:
        if status in _STATUS:
            return _STATUS[status]
        if status >= 500:
            return "server"
        if status >= 400:
            return "invalid_request"
    for name in classes:
        if name in _CLASSES:
            return _CLASSES[name]
    return "other"


def is_a(error: BaseException, name: str) -> bool:
    """By name: the class is LangGraph's, which may not be there."""
    return any(kind.__name__ == name for kind in type(error).__mro__)
