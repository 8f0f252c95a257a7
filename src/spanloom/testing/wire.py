"""Chat completions and legacy completions as they go over the wire, in each flavour.

Source: the API reference of each provider and what recorded traffic shows of them. Bodies are
plain dictionaries; a stream is a sequence of pieces, one for each server-sent event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from spanloom.testing.answers import Call, Flavour, Piece, Reply, Tokens
from spanloom.testing.invention import Choice, Draft, cut, deployment, key

EVENT_STREAM = "text/event-stream; charset=utf-8"
DONE = Piece(b"data: [DONE]\n\n")
# These tell usage unasked, on the last chunk that has choices.
USAGE_ON_LAST: frozenset[Flavour] = frozenset({"deepseek", "openrouter", "together"})
SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "violence")}


def encoded(payload: Any) -> bytes:
    """Compact JSON, as the providers send it in streams."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def event(payload: Any, name: str = "") -> Piece:
    """One server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return Piece(head + b"data: " + encoded(payload) + b"\n\n", payload)


def whole(payload: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A JSON body in one piece."""
    body = json.dumps(payload, ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass")
    return Reply((Piece(body, payload),), status=status, headers=headers)


def usage(tokens: Tokens, flavour: Flavour = "openai") -> dict[str, Any]:
    """The usage object of chat and legacy completions."""
    told: dict[str, Any] = {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.total,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    if tokens.cache_write is not None:
        told["prompt_tokens_details"]["cache_write_tokens"] = tokens.cache_write
    match flavour:
        case "deepseek":
            told["prompt_cache_hit_tokens"] = tokens.cached
            told["prompt_cache_miss_tokens"] = tokens.prompt - tokens.cached
        case "openrouter":
            told["cost"] = tokens.cost_usd
            told["is_byok"] = False
        case "groq":
            del told["completion_tokens_details"], told["prompt_tokens_details"]
            told |= {"queue_time": 0.01, "prompt_time": 0.002, "completion_time": 0.05}
            told["total_time"] = 0.052
            if tokens.cached:
                told["prompt_tokens_details"] = {"cached_tokens": tokens.cached}
            if tokens.reasoning:
                told["completion_tokens_details"] = {"reasoning_tokens": tokens.reasoning}
    return told


def chat(draft: Draft, call: Call) -> Reply:
    """The answer of ``/chat/completions``, streamed if the client asked for it."""
    if call.stream:
        return Reply(tuple(chat_stream(draft, call)), stream=True, content_type=EVENT_STREAM)
    payload = frame(draft, call, "chat.completion")
    payload["choices"] = [
        {
            "index": index,
            "message": message(choice, call.flavour),
            "logprobs": None,
            "finish_reason": choice.finish_reason,
            **({"content_filter_results": SAFE} if call.flavour == "azure" else {}),
        }
        for index, choice in enumerate(draft.choices)
    ]
    if draft.tokens:
        payload["usage"] = usage(draft.tokens, call.flavour)
    if call.flavour == "azure":
        payload["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": SAFE}]
    if call.flavour == "groq":
        payload["x_groq"] = {"id": f"req_{draft.key}"}
    return whole(payload)


def frame(draft: Draft, call: Call, kind: str) -> dict[str, Any]:
    """The fields that an answer and each of its chunks have in common."""
    told: dict[str, Any] = {
        "id": draft.response_id("gen-" if call.flavour == "openrouter" else "chatcmpl-"),
        "object": kind,
        "created": draft.created,
        "model": draft.model,
    }
    if call.flavour in ("openai", "azure", "groq"):
        told["system_fingerprint"] = f"fp_{draft.key[:10].lower()}"
    if call.flavour == "openai":
        told["service_tier"] = "default"
    if call.flavour == "openrouter":
        told["provider"] = "Fictitious"
    return told


def message(choice: Choice, flavour: Flavour) -> dict[str, Any]:
    """The assistant's message."""
    told: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text or (None if choice.tool_calls or choice.refusal is not None else ""),
        "refusal": choice.refusal,
        "annotations": [],
    }
    told |= reasoning(choice.reasoning, flavour)
    if choice.tool_calls:
        told["tool_calls"] = [
            {
                "id": tool.id,
                "type": "function",
                "function": {"name": tool.name, "arguments": tool.arguments_json},
            }
            for tool in choice.tool_calls
        ]
    return told


def reasoning(text: str, flavour: Flavour) -> dict[str, Any]:
    """Reasoning in a message or a delta, under this provider's name; OpenAI tells none."""
    if not text or flavour in ("openai", "azure"):
        return {}
    if flavour == "openrouter":
        detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
        return {"reasoning": text, "reasoning_details": [detail]}
    return {"reasoning" if flavour == "groq" else "reasoning_content": text}


def chat_stream(draft: Draft, call: Call) -> Iterator[Piece]:
    """The events of a streamed chat completion, ``[DONE]`` last."""
    flavour = call.flavour
    base = frame(draft, call, "chat.completion.chunk")
    options = call.params.get("stream_options")
    include_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
    extra_chunk = include_usage and flavour not in USAGE_ON_LAST | {"groq"}
    told = usage(draft.tokens, flavour) if draft.tokens else None
    if extra_chunk:
        base["usage"] = None
    if flavour == "azure":
        filters = [{"prompt_index": 0, "content_filter_results": SAFE}]
        blank = {**base, "id": "", "model": "", "created": 0, "object": ""}
        yield event({**blank, "choices": [], "prompt_filter_results": filters})
    if flavour == "openrouter":
        yield Piece(b": OPENROUTER PROCESSING\n\n")
        yield Piece(b": OPENROUTER PROCESSING\n\n")
    steps = list(interleaved(draft, flavour))
    for number, (index, delta, finish) in enumerate(steps):
        chunk: dict[str, Any] = {
            **base,
            "choices": [
                {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            ],
        }
        last = number == len(steps) - 1
        if last and flavour in USAGE_ON_LAST and told:
            chunk["usage"] = told
        if flavour == "groq" and number == 0:
            chunk["x_groq"] = {"id": f"req_{draft.key}"}
        if flavour == "groq" and last and told:
            chunk["x_groq"] = {"id": f"req_{draft.key}", "usage": told}
            if include_usage:
                chunk["usage"] = told
        if flavour == "openai":
            # Padding against traffic analysis; clients ignore it.
            chunk["obfuscation"] = key(draft.rng, draft.rng.randint(1, 12))
        yield event(chunk)
    if extra_chunk and told:
        yield event({**base, "choices": [], "usage": told})
    yield DONE


Step = tuple[int, dict[str, Any], str | None]


def interleaved(draft: Draft, flavour: Flavour) -> Iterator[Step]:
    """Choice index, delta and finish reason of each chunk; choices take turns."""
    lanes = [list(deltas(choice, draft, flavour)) for choice in draft.choices]
    longest = max(map(len, lanes))
    for turn in range(longest):
        for index, lane in enumerate(lanes):
            if turn < len(lane):
                yield index, lane[turn], None
    for index, choice in enumerate(draft.choices):
        yield index, {}, choice.finish_reason


def deltas(choice: Choice, draft: Draft, flavour: Flavour) -> Iterator[dict[str, Any]]:
    """The deltas of one choice: role, reasoning, text or refusal, tool calls by fragments."""
    only_tools = bool(choice.tool_calls) and not choice.text
    yield {"role": "assistant", "content": None if only_tools else "", "refusal": None}
    for part in cut(draft.rng, choice.reasoning):
        if told := reasoning(part, flavour):
            yield told
    for part in choice.pieces:
        yield {"content": part}
    for part in cut(draft.rng, choice.refusal or ""):
        yield {"refusal": part}
    for number, tool in enumerate(choice.tool_calls):
        function = {"name": tool.name, "arguments": ""}
        first = {"index": number, "id": tool.id, "type": "function", "function": function}
        yield {"tool_calls": [first]}
        for part in cut(draft.rng, tool.arguments_json):
            yield {"tool_calls": [{"index": number, "function": {"arguments": part}}]}


def completion(draft: Draft, call: Call) -> Reply:
    """The answer of the legacy ``/completions``."""
    base: dict[str, Any] = {
        "id": draft.response_id("cmpl-"),
        "object": "text_completion",
        "created": draft.created,
        "model": draft.model,
    }
    told = usage(draft.tokens, call.flavour) if draft.tokens else None
    if not call.stream:
        texts = [
            {"text": c.text, "index": i, "logprobs": None, "finish_reason": c.finish_reason}
            for i, c in enumerate(draft.choices)
        ]
        return whole({**base, "choices": texts, **({"usage": told} if told else {})})
    options = call.params.get("stream_options")
    include_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
    if include_usage:
        base["usage"] = None
    pieces = []
    for index, choice in enumerate(draft.choices):
        for text in (*choice.pieces, ""):
            finish = None if text else choice.finish_reason
            one = {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
            pieces.append(event({**base, "choices": [one]}))
    if include_usage and told:
        pieces.append(event({**base, "choices": [], "usage": told}))
    return Reply((*pieces, DONE), stream=True, content_type=EVENT_STREAM)


def flavour_of(path: str, configured: Flavour) -> Flavour:
    """Azure by its paths where the provider was told no other flavour."""
    if configured == "openai" and (deployment(path) or "/openai/v1/" in path):
        return "azure"
    return configured


ERRORS: Mapping[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request was malformed."),
    401: ("invalid_request_error", "invalid_api_key", "The API key is not valid."),
    403: ("invalid_request_error", "permission_denied", "This key may not do that."),
    404: ("invalid_request_error", "model_not_found", "There is no such model."),
    429: ("requests", "rate_limit_exceeded", "Too many requests; wait and try again."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is overloaded; try again later."),
}


def error(
    status: int, code: str | None = "", type: str = "", message: str = "", param: str | None = None
) -> dict[str, Any]:
    """The body of an error status; empty fields take what is usual for the status."""
    usual = ERRORS.get(status) or ERRORS[500 if status >= 500 else 400]
    told = {
        "message": message or usual[2],
        "type": type or usual[0],
        "param": param,
        "code": usual[1] if code == "" else code,
    }
    return {"error": told}
