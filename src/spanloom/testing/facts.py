"""What a client was told, read back from the payloads that were sent to it.

Reading the payloads, rather than remembering the script, keeps the facts true for an answer
that broke off in the middle. This is the expectation side of tests, so it shares no code with
any integration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spanloom.testing.answers import Facts, ToolCall

ENDED = frozenset({"response.completed", "response.incomplete", "response.failed"})


def told(payloads: Iterable[Any], *, complete: bool = True) -> Facts:
    """The facts in the payloads of one answer: one body, or the events sent so far."""
    seen = [payload for payload in payloads if isinstance(payload, Mapping)]
    if not seen:
        return Facts(complete=complete)
    first = seen[0]
    if str(first.get("type", "")).startswith("response."):
        return _from_events(seen, complete)
    if first.get("object") == "response":
        return _from_response(first, len(seen), complete)
    if any("choices" in payload for payload in seen):
        return _from_choices(seen, complete)
    return _from_other(seen, complete)


def _from_choices(seen: list[Mapping[str, Any]], complete: bool) -> Facts:
    """Chat and legacy completions; a whole answer is the same with one chunk."""
    texts: dict[int, str] = {}
    finishes: dict[int, str] = {}
    calls: dict[tuple[int, int], list[str]] = {}
    reasoning, refusal = "", None
    usage = error = None
    id = model = None
    for chunk in seen:
        id, model = id or chunk.get("id") or None, model or chunk.get("model") or None
        groq = chunk.get("x_groq") or {}
        usage = chunk.get("usage") or groq.get("usage") or usage
        error = chunk.get("error") or error
        for choice in chunk.get("choices", ()):
            index = choice["index"]
            part = choice.get("message") or choice.get("delta") or choice
            text = part.get("content") or part.get("text") or ""
            texts[index] = texts.get(index, "") + text
            if index == 0:
                reasoning += part.get("reasoning_content") or part.get("reasoning") or ""
            if part.get("refusal") is not None:
                refusal = (refusal or "") + part["refusal"]
            if choice.get("finish_reason"):
                finishes[index] = choice["finish_reason"]
            for number, tool in enumerate(part.get("tool_calls") or ()):
                known = calls.setdefault((index, tool.get("index", number)), ["", "", ""])
                function = tool["function"]
                known[0] += function.get("name", "")
                known[1] += function.get("arguments", "")
                known[2] += tool.get("id", "")
    return Facts(
        id=id,
        model=model,
        text=texts.get(0, ""),
        texts=tuple(texts[index] for index in sorted(texts)),
        reasoning=reasoning,
        refusal=refusal,
        tool_calls=tuple(ToolCall(*calls[place]) for place in sorted(calls)),
        finish_reasons=tuple(finishes[index] for index in sorted(finishes)),
        usage=usage,
        error=error,
        events=len(seen),
        complete=complete,
    )


def _from_response(told: Mapping[str, Any], events: int, complete: bool) -> Facts:
    """A response object; its status stands for the finish reason."""
    text, reasoning, refusal = "", "", None
    calls = []
    for item in told.get("output", ()):
        match item["type"]:
            case "reasoning":
                reasoning += "".join(part["text"] for part in item["summary"])
            case "function_call":
                calls.append(ToolCall(item["name"], item["arguments"], item["call_id"]))
            case "message":
                for part in item["content"]:
                    text += part.get("text", "")
                    refusal = part.get("refusal", refusal)
    status = told.get("status")
    return Facts(
        id=told.get("id"),
        model=told.get("model"),
        text=text,
        texts=(text,),
        reasoning=reasoning,
        refusal=refusal,
        tool_calls=tuple(calls),
        finish_reasons=(str(status),) if status and status != "in_progress" else (),
        usage=told.get("usage"),
        error=told.get("error"),
        events=events,
        complete=complete,
    )


def _from_events(seen: list[Mapping[str, Any]], complete: bool) -> Facts:
    """The events of a streamed response: the last whole object, else what was said so far."""
    last = seen[-1]
    if last.get("type") in ENDED:
        return _from_response(last["response"], len(seen), complete)
    begun: Mapping[str, Any] = seen[0].get("response") or {}
    text = reasoning = ""
    refusal = None
    calls: dict[int, list[str]] = {}
    for payload in seen:
        match payload.get("type"):
            case "response.output_text.delta":
                text += payload["delta"]
            case "response.refusal.delta":
                refusal = (refusal or "") + payload["delta"]
            case "response.reasoning_summary_text.delta":
                reasoning += payload["delta"]
            case "response.output_item.added" if payload["item"]["type"] == "function_call":
                item = payload["item"]
                calls[payload["output_index"]] = [item["name"], "", item["call_id"]]
            case "response.function_call_arguments.delta":
                calls.setdefault(payload["output_index"], ["", "", ""])[1] += payload["delta"]
    return Facts(
        id=begun.get("id"),
        model=begun.get("model"),
        text=text,
        texts=(text,),
        reasoning=reasoning,
        refusal=refusal,
        tool_calls=tuple(ToolCall(*call) for call in calls.values()),
        error=last.get("error"),
        events=len(seen),
        complete=complete,
    )


def _from_other(seen: list[Mapping[str, Any]], complete: bool) -> Facts:
    """Embeddings, images, audio, moderations, models, errors."""
    last = seen[-1]
    text = last.get("text")
    if not isinstance(text, str):
        text = "".join(payload.get("delta", "") for payload in seen)
    error = last.get("error")
    return Facts(
        id=last.get("id"),
        model=last.get("model"),
        text=text,
        texts=(text,) if text else (),
        usage=last.get("usage"),
        error=error if isinstance(error, Mapping) else None,
        events=len(seen),
        complete=complete,
    )
