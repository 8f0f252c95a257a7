"""Facts of a recorded exchange, read straight from its bytes.

Independent of the integration on purpose: it is what recorded traffic is compared with, so it shares
no code with the parsers, knows only what the tests compare, and is as plain as can be.
"""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class WireFacts:
    model: str | None = None
    response_id: str | None = None
    text: list[str] = field(default_factory=list)
    """One entry for each choice."""
    finish: list[str] = field(default_factory=list)
    tool_calls: list[tuple[str | None, str, str]] = field(default_factory=list)
    """Id, name and arguments (or custom input), as text."""
    places: dict[tuple[int, int], int] = field(default_factory=dict, compare=False)
    """Where in them the call of a choice lies, by their indices: its fragments come in turns."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    error: dict[str, Any] | None = None


def read(path: str, body: bytes | str) -> WireFacts:
    """``path`` is the request's path; ``body`` the reply, one JSON document or server-sent events."""
    raw = body.encode() if isinstance(body, str) else body
    facts = WireFacts()
    try:
        documents = [json.loads(raw)]
    except ValueError:
        documents = _events(raw)
    responses = path.partition("?")[0].rstrip("/").endswith("/responses")
    for document in documents:
        if not isinstance(document, dict):
            continue
        if isinstance(document.get("error"), dict) and not document.get("object"):
            facts.error = document["error"]
        elif responses:
            _responses(facts, document)
        else:
            _choices(facts, document)
    return facts


def _events(raw: bytes) -> list[Any]:
    found = []
    for line in raw.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        if line.startswith("data:") and "[DONE]" not in line[:14]:
            try:
                found.append(json.loads(line[5:]))
            except ValueError:
                continue
    return found


def _responses(facts: WireFacts, document: dict[str, Any]) -> None:
    reply = document.get("response", document)
    if document.get("type") == "response.failed":
        facts.error = reply.get("error")
    if reply.get("object") != "response":
        return
    facts.response_id, facts.model = reply.get("id"), reply.get("model")
    if reply.get("status") in ("completed", "incomplete", "failed", "cancelled"):
        reason = (reply.get("incomplete_details") or {}).get("reason")
        facts.finish = [reason if reason and reply["status"] == "incomplete" else reply["status"]]
        said = ""
        for item in reply.get("output") or []:
            if item["type"] == "message":
                said += "".join(p.get("text", "") for p in item["content"])
            if item["type"] in ("function_call", "custom_tool_call"):
                given = item.get("arguments", item.get("input"))
                facts.tool_calls.append((item["call_id"], item["name"], given))
            if item["type"] == "tool_search_call" and item.get("execution") == "client":
                given = json.dumps(item["arguments"])
                facts.tool_calls.append((item["call_id"], "tool_search", given))
        facts.text = [said]
    usage = reply.get("usage") or {}
    if usage:
        facts.input_tokens, facts.output_tokens = usage["input_tokens"], usage["output_tokens"]
        facts.total_tokens = usage["total_tokens"]
        facts.cached_tokens = (usage.get("input_tokens_details") or {}).get("cached_tokens")
        facts.reasoning_tokens = (usage.get("output_tokens_details") or {}).get("reasoning_tokens")


def _choices(facts: WireFacts, document: dict[str, Any]) -> None:
    """Chat and legacy completions, whole or one chunk; also what has only usage."""
    facts.model = document.get("model") or facts.model
    facts.response_id = document.get("id") or facts.response_id
    for choice in document.get("choices") or []:
        index = choice.get("index", 0)
        while len(facts.text) <= index:
            facts.text.append("")
            facts.finish.append("")
        said = choice.get("message") or choice.get("delta") or {}
        content = choice.get("text", said.get("content"))
        if isinstance(content, str):
            facts.text[index] += content
        facts.finish[index] = choice.get("finish_reason") or facts.finish[index]
        for position, call in enumerate(said.get("tool_calls") or []):
            function = call.get("function") or call.get("custom") or {}
            given = function.get("arguments") or function.get("input") or ""
            at = (index, call.get("index", position))
            if "delta" in choice and at in facts.places:
                id_, name, before = facts.tool_calls[facts.places[at]]
                facts.tool_calls[facts.places[at]] = (id_, name, before + given)
            else:
                facts.places[at] = len(facts.tool_calls)
                facts.tool_calls.append((call.get("id"), function.get("name", ""), given))
    usage = document.get("usage") or (document.get("x_groq") or {}).get("usage") or {}
    if usage:
        facts.input_tokens = usage.get("prompt_tokens", usage.get("input_tokens"))
        facts.output_tokens = usage.get("completion_tokens", usage.get("output_tokens"))
        facts.total_tokens = usage.get("total_tokens")
        facts.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        if facts.cached_tokens is None:
            facts.cached_tokens = usage.get("prompt_cache_hit_tokens")
        details = usage.get("completion_tokens_details") or {}
        facts.reasoning_tokens = details.get("reasoning_tokens")
