"""Recorded traffic of LangChain programs, through the real LangChain: facts equal, one span a call."""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cassettes.langchain.calls import call, maker, told
from tests.integrations.openai.facts import WireFacts

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.testing import Interaction, Replay
from spanloom.types import LLMCall, Span, Text, ToolRequest

FOLDER = Path(os.environ["SPANLOOM_CASSETTES"], "langchain")
FIELDS = (
    "model", "response_id", "finish", "text", "tool_calls", "input_tokens", "output_tokens",
    "total_tokens", "cached_tokens", "reasoning_tokens",
)  # fmt: skip


@pytest.fixture(scope="module")
def replay():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "none")
        patch.setenv("LANGSMITH_TRACING", "false")
        with Replay(FOLDER) as served:
            yield served
            assert not served.misses, served.misses[:3]


def recorded(known: Interaction, replay: Replay, integrations: list[str]) -> Span:
    """The one span of a model call, wherever in the trace it lies."""
    memory = MemoryBackend()
    spanloom.init(backends=[memory], integrations=integrations, content="full")
    call(known, replay)
    assert spanloom.flush(10).ok
    spanloom.shutdown()
    found = memory.spans
    (span,) = [one for one in found if one.kind == "llm"]
    ids = {one.span_id for one in found}
    assert all(one.parent_id in ids for one in found if one.parent_id is not None)
    assert len({one.trace_id for one in found}) == 1
    return span


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


def differences(wire: WireFacts, ours: WireFacts, unheard: frozenset[str]) -> list[str]:
    """Facts that the wire told and the span does not repeat. ``unheard``: LangChain keeps them back."""
    wire = replace(
        wire,
        tool_calls=[(i, n, json.dumps(json.loads(a), sort_keys=True)) for i, n, a in wire.tool_calls],
        cached_tokens=wire.cached_tokens or None, reasoning_tokens=wire.reasoning_tokens or None,
    )  # fmt: skip
    ours = replace(
        ours, cached_tokens=ours.cached_tokens or None,
        reasoning_tokens=ours.reasoning_tokens or None,
    )  # fmt: skip
    return [
        f"{name}: wire {getattr(wire, name)!r}, span {getattr(ours, name)!r}"
        for name in FIELDS
        if name not in unheard and getattr(wire, name) != getattr(ours, name)
    ]


KNOWN = Replay(FOLDER).interactions
MADE = [known for known in KNOWN if maker(known) is not None]
BY_LANGCHAIN = [k for k in MADE if "openai SDK" not in (maker(k) or ("",))[0]]


def name(known: Interaction) -> str:
    return f"{known.file.stem.partition('__')[2]}#{known.index}"


def way(known: Interaction) -> str:
    """By which class or way it is made."""
    found = maker(known)
    return f"{found[0] if found else 'not made'}{' streamed' if known.json.get('stream') else ''}"


def unheard(known: Interaction, integrations: list[str]) -> frozenset[str]:
    """What the provider said and LangChain does not hand on, where its SDK is not recorded too."""
    if "api.openai.com" in known.host and "openai" in integrations:
        return frozenset()
    return UNHEARD.get(way(known), frozenset())


UNHEARD = {
    "ChatOpenAI streamed": frozenset({"response_id"}),
    "ChatCohere streamed": frozenset({"response_id"}),
    "ChatBedrock": frozenset({"response_id", "model", "max_tokens"}),
}


@pytest.mark.parametrize("integrations", [["langchain", "openai"], ["langchain"]], ids="+".join)
@pytest.mark.parametrize("known", MADE, ids=name)
def test_span_repeats_the_recorded_facts(
    known: Interaction, replay: Replay, integrations: list[str]
) -> None:
    if known not in BY_LANGCHAIN:
        integrations = ["langchain", "openai"]  # it is the SDK that calls
    span = recorded(known, replay, integrations)
    detail: Any = span.detail
    assert (span.status, span.complete, span.faults) == ("ok", True, ())
    assert differences(told(known), seen(span), unheard(known, integrations)) == []
    streamed = bool(known.json.get("stream"))
    assert detail.stream == streamed
    if streamed:
        assert detail.chunks and detail.time_to_first_chunk_ns is not None
    asked = known.json.get("model")
    assert asked is None or detail.model == asked
    for parameter in {"temperature", "max_tokens"} - unheard(known, integrations):
        assert getattr(detail, parameter) == known.json.get(parameter)
    assert [tool.name for tool in detail.tools] == [
        (tool.get("function") or tool)["name"] for tool in known.json.get("tools") or ()
    ]


def test_one_changed_number_is_noticed(replay: Replay) -> None:
    known = next(k for k in BY_LANGCHAIN if told(k).tool_calls and told(k).total_tokens)
    ours, wire = seen(recorded(known, replay, ["langchain", "openai"])), told(known)
    assert differences(wire, ours, frozenset()) == []
    for field in ("input_tokens", "output_tokens", "total_tokens"):
        changed = replace(wire, **{field: getattr(wire, field) + 1})
        assert differences(changed, ours, frozenset()) != [], field
    assert differences(replace(wire, finish=["other"]), ours, frozenset()) != []
    assert differences(replace(wire, tool_calls=wire.tool_calls[1:]), ours, frozenset()) != []


def test_says_what_was_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, so that a recording that is no longer made is seen."""
    counted = Counter(map(way, KNOWN))
    with capsys.disabled():
        print(f"\ncompared {len(MADE)} of {len(KNOWN)} recordings of LangChain: {dict(counted)}")
    assert (len(MADE), len(KNOWN), len(BY_LANGCHAIN)) == (13, 13, 9)
