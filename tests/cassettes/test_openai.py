"""Recorded traffic of OpenAI, Azure and compatible servers, through the real SDK: facts equal.

The recordings lie outside the project; ``SPANLOOM_CASSETTES`` names their folder. What the servers
said is read from the raw bytes by ``facts``, which shares no code with the integration.
"""

import json
import os
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AzureOpenAI, OpenAI
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from tests.integrations.openai.facts import WireFacts, read

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.testing import Interaction, Replay
from spanloom.types import Embedding, Guardrail, LLMCall, Span, Text, ToolRequest

FOLDERS = ("openai", "azure-openai", "openai-compatible")
ROOT = Path(os.environ["SPANLOOM_CASSETTES"])

ENDPOINTS = {
    "/chat/completions": ("chat", "completions"),
    "/responses": ("responses",),
    "/completions": ("completions",),
    "/embeddings": ("embeddings",),
    "/moderations": ("moderations",),
    "/images/generations": ("images",),
}
METHODS = {"/images/generations": "generate"}


def endpoint(known: Interaction) -> str | None:
    """The modelled endpoint an interaction belongs to, or None."""
    if known.method != "POST" or not isinstance(known.json, dict):
        return None
    return next((end for end in ENDPOINTS if known.path.endswith(end)), None)


def client(known: Interaction, replay: Replay, end: str) -> OpenAI:
    prefix = known.path.removesuffix(end)
    base = replay.base_url(known) + prefix
    query = dict(known.query)
    if "azure.com" in known.host and "api-version" in query:
        version = query.pop("api-version")
        return AzureOpenAI(
            api_key="none", base_url=base, api_version=version, max_retries=0, default_query=query
        )
    return OpenAI(api_key="none", base_url=base, max_retries=0, default_query=query)


def call(known: Interaction, replay: Replay) -> None:
    """Make the recorded request with the SDK's own method, and read the answer to its end."""
    end = endpoint(known)
    assert end is not None
    with client(known, replay, end) as sdk:
        resource: Any = sdk
        for name in ENDPOINTS[end]:
            resource = getattr(resource, name)
        create = getattr(resource, METHODS.get(end, "create"))
        body = dict(known.json)
        stream = body.pop("stream", None)
        first = {k: body.pop(k) for k in ("model", "messages", "input", "prompt") if k in body}
        if stream is not None:
            first["stream"] = stream
        if end == "/embeddings" and "encoding_format" not in body:
            # the SDK's own method would ask for base64, which was not recorded
            create = partial(sdk.post, end, body=known.json, cast_to=CreateEmbeddingResponse)
            first, body = {}, {}
        if end == "/chat/completions" and "model" not in first:
            # made by another SDK, that leaves the model to Azure's path
            create = partial(sdk.post, end, body=known.json, cast_to=ChatCompletion)
            first, body = {}, {}
        try:
            answer = create(**first, **({"extra_body": body} if first else {}))
            if stream:
                for _ in answer:
                    pass
        except openai.APIError:
            assert known.status >= 400 or stream, known.uri


def seen(span: Span) -> WireFacts:
    """The same facts, from the span."""
    detail = span.detail
    assert isinstance(detail, LLMCall | Embedding | Guardrail)
    found = WireFacts(model=getattr(detail, "response_model", None) or None)
    found.response_id = detail.response_id
    if isinstance(detail, LLMCall):
        for message in detail.output:
            texts = [p.text for p in message.parts if isinstance(p, Text)]
            found.text.append("".join(texts))
            for part in message.parts:
                if isinstance(part, ToolRequest) and not part.server_side:
                    found.tool_calls.append((part.id, part.name, canonical(part.arguments)))
        found.finish = list(detail.finish)
    usage = detail.usage
    if usage is not None:
        found.input_tokens, found.output_tokens = usage.input, usage.output
        found.total_tokens = usage.total
        found.cached_tokens, found.reasoning_tokens = usage.cached, usage.reasoning
    return found


def canonical(arguments: Any) -> str:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return str(arguments)
    return json.dumps(arguments, sort_keys=True)


def told(known: Interaction) -> WireFacts:
    facts = read(known.path, known.response_body)
    facts.tool_calls = [(i, n, canonical(a)) for i, n, a in facts.tool_calls]
    return facts


FIELDS = (
    "model", "response_id", "finish", "tool_calls", "input_tokens", "output_tokens", "total_tokens",
    "cached_tokens", "reasoning_tokens",
)  # fmt: skip


def differences(wire: WireFacts, ours: WireFacts, kind: str) -> list[str]:
    """Every fact that the wire told and the span does not repeat."""
    out = []
    for name in FIELDS:
        theirs, own = getattr(wire, name), getattr(ours, name)
        if kind != "llm" and name in ("finish", "tool_calls"):
            continue
        if kind == "guardrail" and name == "model":
            continue
        if theirs != own:
            out.append(f"{name}: wire {theirs!r}, span {own!r}")
    if kind == "llm" and "".join(wire.text) and "".join(wire.text) != "".join(ours.text):
        out.append(f"text: wire {''.join(wire.text)[:80]!r}, span {''.join(ours.text)[:80]!r}")
    return out


def modelled() -> list[Interaction]:
    replay = Replay(*(ROOT / folder for folder in FOLDERS))
    return [known for known in replay.interactions if endpoint(known) is not None]


@pytest.fixture(scope="module")
def replay():
    with Replay(*(ROOT / folder for folder in FOLDERS)) as served:
        yield served
        assert not served.misses, served.misses[:3]


@pytest.fixture
def memory():
    backend = MemoryBackend()
    spanloom.init(backends=[backend], integrations=["openai"], content="full")
    yield backend
    spanloom.shutdown()


def recorded(known: Interaction, replay: Replay, memory: MemoryBackend) -> Span:
    call(known, replay)
    assert spanloom.flush(10).ok
    (span,) = memory.spans
    return span


@pytest.mark.parametrize(
    "known", modelled(), ids=lambda k: f"{k.file.parent.name}/{k.file.stem}#{k.index}"[-110:]
)
def test_span_repeats_the_recorded_facts(known: Interaction, replay: Replay, memory: MemoryBackend):
    span = recorded(known, replay, memory)
    detail = span.detail
    assert not span.faults
    if known.status >= 400:
        assert span.status in ("error", "timeout")
        assert detail.http_status == known.status
        assert span.error is not None and span.error.type != "other"
        return
    wire = told(known)
    if wire.error is not None:
        assert span.status == "error"
    else:
        assert span.status == "ok", span.error
        assert span.complete
        assert detail.http_status == 200
    assert differences(wire, seen(span), span.kind) == []
    if known.stream:
        assert isinstance(detail, LLMCall)
        assert detail.stream
        if "".join(wire.text) or wire.tool_calls:
            assert detail.chunks and detail.time_to_first_chunk_ns is not None


def test_one_changed_number_is_noticed(replay: Replay, memory: MemoryBackend):
    """The comparison itself bites: each recorded number changed by one turns it red."""
    known = next(k for k in modelled() if k.status == 200 and told(k).cached_tokens is not None)
    ours = seen(recorded(known, replay, memory))
    wire = told(known)
    assert differences(wire, ours, "llm") == []
    for name in ("input_tokens", "output_tokens", "total_tokens", "cached_tokens"):
        changed = replace(wire, **{name: (getattr(wire, name) or 0) + 1})
        assert differences(changed, ours, "llm") != [], name
    assert differences(replace(wire, finish=["other"]), ours, "llm") != []
    assert differences(replace(wire, response_id="x"), ours, "llm") != []


def test_says_what_was_compared(capsys: pytest.CaptureFixture[str]):
    """Counts, so that a folder that shrinks or an endpoint that is lost is seen."""
    everything = Replay(*(ROOT / folder for folder in FOLDERS)).interactions
    counted: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for known in everything:
        if (end := endpoint(known)) is None:
            left[f"{known.method} {known.path.split('/v1')[-1].split('/')[1]}"] += 1
        else:
            counted[f"{end}{' streamed' if known.stream else ''}"] += 1
    with capsys.disabled():
        print(f"\ncompared {sum(counted.values())} of {len(everything)}: {dict(counted)}")
        print(f"not modelled {sum(left.values())}: {dict(left)}")
    assert sum(counted.values()) + sum(left.values()) == len(everything)
    assert sum(counted.values()) >= 120
    assert sum(n for end, n in counted.items() if end.endswith("streamed")) >= 22
