"""What an exception of the SDK says, and which word of the closed list it is.

Source: ``openai._exceptions``. Checked with openai 1.66, 2.54 and 3.52.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import json

from spanloom.types import ErrorType

from .values import Raw, mapping, text

_BODY_BYTES = 4096

_CODES: Mapping[str, ErrorType] = {
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "insufficient_credits": "quota",
    "exceeded_current_quota_error": "quota",
    "context_length_exceeded": "context_length",
    "string_above_max_length": "context_length",
    "max_tokens_exceeded": "context_length",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "image_content_policy_violation": "content_filter",
    "moderation_blocked": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "bio_policy": "content_filter",
    "misalignment_policy_violation": "content_filter",
    "invalid_api_key": "auth",
    "invalid_authentication_error": "auth",
    "authentication_error": "auth",
    "account_deactivated": "auth",
    "permission_denied": "permission",
    "permission_error": "permission",
    "unsupported_country_region_territory": "permission",
    "organization_must_be_verified": "permission",
    "model_not_found": "not_found",
    "deploymentnotfound": "not_found",
    "not_found": "not_found",
    "not_found_error": "not_found",
    "previous_response_not_found": "not_found",
    "image_file_not_found": "not_found",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "rate_limit_reached_error": "rate_limit",
    "too_many_requests": "rate_limit",
    "engine_overloaded": "overloaded",
    "engine_overloaded_error": "overloaded",
    "overloaded_error": "overloaded",
    "server_overloaded": "overloaded",
    "service_unavailable": "overloaded",
    "server_error": "server",
    "internal_server_error": "server",
    "internal_error": "server",
    "vector_store_timeout": "timeout",
    "timeout": "timeout",
    "invalid_request_error": "invalid_request",
    "invalid_prompt": "invalid_request",
    "failed_to_download_image": "invalid_request",
}
_STATUS: Mapping[int, ErrorType] = {
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
    "LengthFinishReasonError": "parse",
    "ContentFilterFinishReasonError": "content_filter",
    "APIResponseValidationError": "parse",
    "ValidationError": "parse",
    "JSONDecodeError": "parse",
    "UnicodeDecodeError": "parse",
    "APITimeoutError": "timeout",
    "TimeoutError": "timeout",
    "TimeoutException": "timeout",
    "AuthenticationError": "auth",
    "PermissionDeniedError": "permission",
    "NotFoundError": "not_found",
    "RateLimitError": "rate_limit",
    "InternalServerError": "server",
    "APIConnectionError": "connection",
    "TransportError": "connection",
    "ConnectionError": "connection",
}
_LENGTH = ("context length", "context window", "maximum context", "prompt is too long")


def note(exc: BaseException) -> dict[str, Any]:
    """What the exception carries, taken on the user's thread: references, nothing converted.

    Keys, each only where there is one: ``status_code``, ``code``, ``type``, ``param``,
    ``request_id``, ``message``, ``body`` (plain data, see ``small_body``), ``completion`` (the reply
    that could not be parsed: it has the usage).
    """
    found: dict[str, Any] = {}
    held = exc.__dict__  # never getattr on a stranger: a property may do I/O
    for name in ("status_code", "code", "type", "param", "request_id", "message", "completion"):
        value = held.get(name)
        if value is not None:
            found[name] = value
    if "body" in held and held["body"] is not None:
        found["body"] = held["body"]
    return found


def small_body(note: Mapping[str, Any]) -> Any:
    """The body for the record, on the worker; ``None`` where it is large or not JSON."""
    body = note.get("body")
    if isinstance(body, str):
        return body if len(body) <= _BODY_BYTES else None
    if not isinstance(body, dict | list):
        return None
    try:
        return body if len(json.encode(body)) <= _BODY_BYTES else None
    except (TypeError, ValueError, RecursionError):
        return None


def failure(raw: Raw) -> dict[str, Any]:
    """The error object of a stream or a reply, in the shape of ``note``."""
    found = {
        name: value
        for name in ("code", "type", "param", "message")
        if (value := raw.get(name)) is not None
    }
    status = raw.get("status_code", raw.get("code"))  # OpenRouter gives the status as the code
    if type(status) is int and 100 <= status < 600:
        found["status_code"] = status
    return found


def classify(note: Mapping[str, Any], classes: Sequence[str] = ()) -> ErrorType:
    """``classes``: the names of the exception's class and its bases, most derived first."""
    status = note.get("status_code")
    body = note.get("body")
    inner = (
        (mapping(body, "innererror") or mapping(body, "inner_error"))
        if isinstance(body, dict)
        else {}
    )
    # Azure says "content_filter" outside and why inside; a code is finer than a status or type
    said = [note.get("code"), text(inner, "code"), note.get("type")]
    if isinstance(body, dict):
        said += [body.get("code"), body.get("type")]
    words = [w.lower() for w in said if isinstance(w, str)]
    for word in words:
        found = _CODES.get(word)
        if found is not None and found not in ("invalid_request", "server"):
            return found
    message = note.get("message")
    if status in (400, 413, 422, None) and isinstance(message, str):
        lowered = message[:2000].lower()
        if any(sign in lowered for sign in _LENGTH):
            return "context_length"
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
    for word in words:
        if word in _CODES:
            return _CODES[word]
    return "other"
