"""What the recorded answers said, read from their bytes; shares no code with the integration."""

import json
from typing import Any

from tests.integrations.openai.facts import WireFacts, read

from spanloom.testing import Interaction


def told(known: Interaction) -> WireFacts:
    if "api.openai.com" in known.host:
        facts = read(known.path, known.response_body)
    elif "api.cohere.com" in known.host:
        facts = _cohere(known.response_body)
    else:  # Anthropic's own, and what Bedrock passes on of it
        facts = _anthropic(json.loads(known.response_body))
    facts.tool_calls = [
        (id_, name, json.dumps(json.loads(arguments), sort_keys=True))
        for id_, name, arguments in facts.tool_calls
    ]
    return facts


def _anthropic(reply: dict[str, Any]) -> WireFacts:
    facts = WireFacts(model=reply["model"], response_id=reply["id"])
    facts.finish = [reply["stop_reason"]]
    facts.text = ["".join(p["text"] for p in reply["content"] if p["type"] == "text")]
    facts.tool_calls = [
        (p["id"], p["name"], json.dumps(p["input"]))
        for p in reply["content"]
        if p["type"] == "tool_use"
    ]
    usage = reply["usage"]
    facts.cached_tokens = usage.get("cache_read_input_tokens")
    # Anthropic counts what came from the cache and what went into it apart
    written = usage.get("cache_creation_input_tokens") or 0
    facts.input_tokens = usage["input_tokens"] + (facts.cached_tokens or 0) + written
    facts.output_tokens = usage["output_tokens"]
    facts.total_tokens = facts.input_tokens + facts.output_tokens
    return facts


def _cohere(body: bytes) -> WireFacts:
    facts = WireFacts(text=[""])
    for line in body.decode().splitlines():
        if not line.startswith("data:") or "[DONE]" in line:
            continue
        event = json.loads(line[5:])
        facts.response_id = event.get("id") or facts.response_id
        if event["type"] == "content-delta":
            facts.text[0] += event["delta"]["message"]["content"]["text"]
        if event["type"] == "message-end":
            usage = event["delta"]["usage"]
            billed = usage[
                "billed_units"
            ]  # beside those that it used: the GenAI conventions' choice
            facts.finish = [event["delta"]["finish_reason"]]
            facts.input_tokens, facts.output_tokens = (
                billed["input_tokens"],
                billed["output_tokens"],
            )
            facts.cached_tokens = usage.get("cached_tokens")
            facts.total_tokens = facts.input_tokens + facts.output_tokens
    return facts
