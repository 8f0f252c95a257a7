"""A span's facts beside those of the recorded answer."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from tests.cassettes.langchain.calls import bedrock_model, way
from tests.cassettes.langchain.wire import told
from tests.integrations.openai.facts import WireFacts

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.testing import Interaction, Replay
from spanloom.types import LLMCall, Span, Text, ToolRequest

FIELDS = (
    "model", "response_id", "finish", "text", "tool_calls", "input_tokens", "output_tokens",
    "total_tokens", "cached_tokens", "reasoning_tokens",
)  # fmt: skip


def streamed(known: Interaction) -> bool:
    """Whether it was asked for; not every recording kept the answer's content type."""
    return bool(known.json.get("stream"))


def recorded(
    known: Interaction,
    replay: Replay,
    integrations: list[str],
    config: RunnableConfig | None = None,
) -> Span:
    """The one span of a model call, wherever in its trace it lies."""
    found = way(known)
    assert found is not None
    memory = MemoryBackend()
    spanloom.init(backends=[memory], integrations=integrations, content="full")
    try:
        found.make(known, replay.base_url(known), config or {})
        assert spanloom.flush(10).ok
    finally:
        spanloom.shutdown()
    connected(memory.spans)
    (span,) = [one for one in memory.spans if one.kind == "llm"]
    return span


def connected(spans: list[Span]) -> None:
    """One trace with one root."""
    ids = {span.span_id for span in spans}
    assert len({span.trace_id for span in spans}) == 1
    assert [span.parent_id in ids for span in spans].count(False) == 1


def seen(span: Span) -> WireFacts:
    detail = span.detail
    assert isinstance(detail, LLMCall)
    facts = WireFacts(model=detail.response_model, response_id=detail.response_id)
    facts.finish = list(detail.finish)
    for message in detail.output:
        facts.text.append("".join(p.text for p in message.parts if isinstance(p, Text)))
        facts.tool_calls += [
            (p.id, p.name, json.dumps(p.arguments, sort_keys=True))
            for p in message.parts
            if isinstance(p, ToolRequest)
        ]
    if (usage := detail.usage) is not None:
        facts.input_tokens, facts.output_tokens = usage.input, usage.output
        facts.total_tokens, facts.cached_tokens = usage.total, usage.cached
        facts.reasoning_tokens = usage.reasoning
    return facts


def differences(wire: WireFacts, ours: WireFacts) -> list[str]:
    return [
        f"{name}: wire {getattr(wire, name)!r}, span {getattr(ours, name)!r}"
        for name in FIELDS
        if getattr(wire, name) != getattr(ours, name)
    ]


def withheld(known: Interaction, integrations: list[str]) -> Mapping[str, Any]:
    """Facts that LangChain does not hand on, and what the span has in their place, to the letter.

    With the openai SDK recorded too, its calls lack nothing.
    """
    found = way(known)
    assert found is not None
    if "api.openai.com" in known.host and "openai" in integrations:
        return {}
    if found.name == "OpenAI":  # the model that was asked for stands for the one that answered
        return {"response_id": None, "model": known.json["model"]}
    if found.name == "ChatBedrock":  # the same; and 0 where the provider said nothing of a cache
        return {"response_id": None, "model": bedrock_model(known), "cached_tokens": 0}
    if found.name == "ChatCohere":  # of a stream's usage it reads what is billed, and no more
        return {"response_id": None, "cached_tokens": None}
    return {"response_id": None} if streamed(known) else {}


def expected(known: Interaction, integrations: list[str]) -> WireFacts:
    return replace(told(known), **withheld(known, integrations))


def agrees(span: Span, known: Interaction, integrations: list[str]) -> None:
    """All that the recorded request and answer tell, and the span should."""
    detail = span.detail
    assert isinstance(detail, LLMCall)
    assert (span.status, span.complete, span.faults) == ("ok", True, ())
    assert differences(expected(known, integrations), seen(span)) == []
    assert detail.stream == streamed(known)
    if streamed(known):
        assert detail.chunks and detail.time_to_first_chunk_ns is not None
        assert 0 < detail.time_to_first_chunk_ns < span.end_ns - span.start_ns
    else:
        assert detail.time_to_first_chunk_ns is None
    asked = known.json
    assert detail.model == (asked.get("model") or bedrock_model(known))
    assert (detail.temperature, detail.max_tokens) == (
        asked.get("temperature"), asked.get("max_tokens")
    )  # fmt: skip
    assert [tool.name for tool in detail.tools] == [
        (tool.get("function") or tool)["name"] for tool in asked.get("tools") or ()
    ]
