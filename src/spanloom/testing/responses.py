"""The responses API as it goes over the wire: the response object and its named events.

Source: the API reference, "Responses" and "Streaming events". There is no ``[DONE]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spanloom.testing.answers import Call, Piece, Reply, Tokens
from spanloom.testing.invention import Choice, Draft, cut, key
from spanloom.testing.wire import EVENT_STREAM, event, whole

# What a finish reason of a chat means here: status and the reason of an incomplete answer.
ENDS = {
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "failed": ("failed", None),
}
ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": "medium", "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def stored(told: dict[str, Any], call: Call, draft: Draft) -> Reply:
    """The answer of ``GET /responses/{id}``: the response again, or its events again."""
    if not call.stream:
        return whole(told)
    reply = stream(told, draft.choices[0], draft)
    after = int(call.query.get("starting_after", "-1"))
    kept = tuple(piece for piece in reply.pieces if piece.payload["sequence_number"] > after)
    return Reply(kept, stream=True, content_type=EVENT_STREAM)


def usage(tokens: Tokens) -> dict[str, Any]:
    """The usage object of the responses API."""
    details = {"cached_tokens": tokens.cached}
    if tokens.cache_write is not None:
        details["cache_write_tokens"] = tokens.cache_write
    told: dict[str, Any] = {
        "input_tokens": tokens.prompt,
        "input_tokens_details": details,
        "output_tokens": tokens.completion,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.total,
    }
    return told


def response_object(draft: Draft, call: Call) -> dict[str, Any]:
    """The finished response."""
    choice = draft.choices[0]
    status, reason = ENDS.get(choice.finish_reason, ("completed", None))
    failure = {"code": "server_error", "message": "The model failed to answer."}
    told: dict[str, Any] = {
        "id": draft.response_id("resp_"),
        "object": "response",
        "created_at": draft.created,
        "status": status,
        "background": False,
        "error": failure if status == "failed" else None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": draft.model,
        "output": list(output(choice, draft, status)),
        "service_tier": "default",
    }
    for name, usual in ECHOED.items():
        given = call.params.get(name, usual)
        # What the client left out of an object is told, too: some SDKs require it.
        both = isinstance(usual, Mapping) and isinstance(given, Mapping)
        told[name] = {**usual, **given} if both else given
    told["usage"] = usage(draft.tokens) if draft.tokens else None
    if call.flavour == "openrouter" and draft.tokens:
        told["usage"]["cost"] = draft.tokens.cost_usd
    return told


def output(choice: Choice, draft: Draft, status: str) -> Iterator[dict[str, Any]]:
    """The output items: reasoning, message, function calls."""
    rng = draft.rng
    if choice.reasoning:
        summary = [{"type": "summary_text", "text": choice.reasoning}]
        yield {"id": f"rs_{key(rng)}", "type": "reasoning", "summary": summary}
    if status == "failed":
        return
    part: dict[str, Any] | None = None
    if choice.refusal is not None:
        part = {"type": "refusal", "refusal": choice.refusal}
    elif choice.text or not choice.tool_calls:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": choice.text}
    done = "incomplete" if status == "incomplete" else "completed"
    if part is not None:
        yield {
            "id": f"msg_{key(rng)}",
            "type": "message",
            "status": done,
            "role": "assistant",
            "content": [part],
        }
    for tool in choice.tool_calls:
        yield {
            "id": f"fc_{key(rng)}",
            "type": "function_call",
            "status": done,
            "call_id": tool.id,
            "name": tool.name,
            "arguments": tool.arguments_json,
        }


def stream(told: dict[str, Any], choice: Choice, draft: Draft) -> Reply:
    """The events that build up to ``told``, numbered from 0."""
    pieces: list[Piece] = []
    for payload in events(told, choice, draft):
        payload["sequence_number"] = len(pieces)
        pieces.append(event(payload, payload["type"]))
    return Reply(tuple(pieces), stream=True, content_type=EVENT_STREAM)


def events(told: dict[str, Any], choice: Choice, draft: Draft) -> Iterator[dict[str, Any]]:
    """The events without their numbers."""
    begun = {**told, "status": "in_progress", "output": [], "usage": None}
    begun |= {"error": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(told["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        match item["type"]:
            case "reasoning":
                opened = {**item, "summary": []}
                inner = reasoning_events(item, place, draft)
            case "message":
                opened = {**item, "status": "in_progress", "content": []}
                inner = message_events(item, place, choice, draft)
            case _:
                opened = {**item, "status": "in_progress", "arguments": ""}
                inner = call_events(item, place, draft)
        yield {"type": "response.output_item.added", "output_index": index, "item": opened}
        yield from inner
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{told['status']}", "response": told}


def reasoning_events(
    item: dict[str, Any], place: dict[str, Any], draft: Draft
) -> Iterator[dict[str, Any]]:
    """One summary part."""
    place = {**place, "summary_index": 0}
    part = item["summary"][0]
    name = "response.reasoning_summary"
    yield {"type": f"{name}_part.added", **place, "part": {**part, "text": ""}}
    for delta in cut(draft.rng, part["text"]):
        yield {"type": f"{name}_text.delta", **place, "delta": delta}
    yield {"type": f"{name}_text.done", **place, "text": part["text"]}
    yield {"type": f"{name}_part.done", **place, "part": part}


def message_events(
    item: dict[str, Any], place: dict[str, Any], choice: Choice, draft: Draft
) -> Iterator[dict[str, Any]]:
    """One content part: text or refusal."""
    place = {**place, "content_index": 0}
    part = item["content"][0]
    field = "refusal" if part["type"] == "refusal" else "text"
    name = "response.refusal" if field == "refusal" else "response.output_text"
    pieces = choice.pieces if field == "text" else cut(draft.rng, part["refusal"])
    # Clients require the list in the events of a text, and it is absent from a refusal's.
    logprobs: dict[str, Any] = {"logprobs": []} if field == "text" else {}
    yield {"type": "response.content_part.added", **place, "part": {**part, field: ""}}
    for delta in pieces:
        yield {"type": f"{name}.delta", **place, "delta": delta, **logprobs}
    yield {"type": f"{name}.done", **place, field: part[field], **logprobs}
    yield {"type": "response.content_part.done", **place, "part": part}


def call_events(
    item: dict[str, Any], place: dict[str, Any], draft: Draft
) -> Iterator[dict[str, Any]]:
    """The arguments of one function call."""
    name = "response.function_call_arguments"
    for delta in cut(draft.rng, item["arguments"]):
        yield {"type": f"{name}.delta", **place, "delta": delta}
    yield {"type": f"{name}.done", **place, "name": item["name"], "arguments": item["arguments"]}
