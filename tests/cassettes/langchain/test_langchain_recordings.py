"""Recorded traffic of LangChain programs, through the real LangChain: facts equal, one span a call."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from tests.cassettes.langchain.calls import obstacle, way
from tests.cassettes.langchain.compared import (
    agrees,
    connected,
    differences,
    expected,
    recorded,
    seen,
    streamed,
    withheld,
)
from tests.cassettes.langchain.programs import PROGRAMS, Program
from tests.cassettes.langchain.wire import told

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.testing import Interaction, Replay

FOLDER = Path(os.environ["SPANLOOM_CASSETTES"], "langchain")
KNOWN = Replay(FOLDER).interactions
MADE = [known for known in KNOWN if obstacle(known) is None]
ALONE, WITH_SDK = ["langchain"], ["langchain", "openai"]


def by_langchain(known: Interaction) -> bool:
    found = way(known)
    return found is not None and found.name != "openai SDK in a graph"


def named(known: Interaction) -> str:
    return f"{known.file.stem.partition('__')[2]}#{known.index}"


CASES = [
    pytest.param(known, integrations, id=f"{named(known)}-{'+'.join(integrations)}")
    for known in MADE
    for integrations in ([ALONE, WITH_SDK] if by_langchain(known) else [WITH_SDK])
]


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "none")
        patch.setenv("LANGSMITH_TRACING", "false")
        with Replay(FOLDER) as served:
            yield served
            assert not served.misses, served.misses[:3]


@pytest.mark.parametrize("known, integrations", CASES)
def test_span_repeats_the_recorded_facts(
    known: Interaction, integrations: list[str], replay: Replay
) -> None:
    agrees(recorded(known, replay, integrations), known, integrations)


@pytest.mark.parametrize("integrations", [ALONE, WITH_SDK], ids="+".join)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.run.__name__)
def test_programs_make_the_recorded_calls(
    program: Program, integrations: list[str], replay: Replay
) -> None:
    """Nothing pins an answer to a request here: each must be the recorded one by itself."""
    known = tuple(k for k in KNOWN if k.file.stem.endswith(f"__{program.file}"))
    memory = MemoryBackend()
    spanloom.init(backends=[memory], integrations=integrations, content="full")
    try:
        assert program.run(f"{replay.url}/{known[0].host}", known) == program.shown
        assert spanloom.flush(10).ok
    finally:
        spanloom.shutdown()
    spans = sorted(memory.spans, key=lambda span: span.start_ns)
    traces = list(dict.fromkeys(span.trace_id for span in spans))
    assert len(traces) == program.traces
    heard = not program.by_sdk or "openai" in integrations
    for trace in traces:
        of_it = [span for span in spans if span.trace_id == trace]
        connected(of_it)
        assert [f"{span.kind} {span.name}" for span in of_it] == [
            line for line in program.tree if heard or not line.startswith("llm")
        ]
        calls = [span for span in of_it if span.kind == "llm"]
        for span, interaction in zip(calls, known if heard else (), strict=True):
            agrees(span, interaction, integrations)


class Listener(BaseCallbackHandler):
    """All that LangChain tells of an answer to whoever listens."""

    def __init__(self) -> None:
        self.heard = ""

    def hears(self, fact: object) -> bool:
        return re.search(rf"(?<!\w){re.escape(str(fact))}(?!\w)", self.heard) is not None

    def on_llm_new_token(self, token: str, **more: Any) -> None:
        self.heard += repr(more)

    def on_llm_end(self, response: Any, **more: Any) -> None:
        self.heard += repr(response) + repr(more)


@pytest.mark.parametrize("known", [k for k in MADE if by_langchain(k)], ids=named)
def test_what_a_span_lacks_langchain_kept_to_itself(known: Interaction, replay: Replay) -> None:
    """And what it has, LangChain said: the list of exceptions is neither too long nor too short."""
    listener = Listener()
    recorded(known, replay, ALONE, {"callbacks": [listener]})
    wire, lacking = told(known), withheld(known, ALONE)
    for name in ("model", "response_id", "cached_tokens"):
        fact = getattr(wire, name)
        if name not in lacking:
            assert fact is None or listener.hears(fact), name
        elif fact is None:
            assert listener.hears(f"'cache_read': {lacking[name]}")  # LangChain's own addition
        elif fact != lacking[name]:  # the model that was asked for may be the one that answered
            assert not listener.hears(fact), name


COUNT = re.compile(
    rb'("(?:prompt_tokens|completion_tokens|total_tokens|cached_tokens|reasoning_tokens'
    rb"|input_tokens|output_tokens|cache_read_input_tokens|cache_creation_input_tokens"
    rb')": ?)(\d+)'
)


def changed(known: Interaction) -> Iterator[tuple[str, Interaction]]:
    """The recording, each time with another of the numbers that the reader counts one higher."""
    body = known.response_body
    # of Cohere's only what is billed is compared: the rest LangChain withholds
    start = max(body.find(b'"billed_units"'), 0)
    end = body.find(b'"tokens":', start) if start else len(body)
    for found in COUNT.finditer(body, start, end):
        more = b"%d" % (int(found[2]) + 1)
        other = body[: found.start(2)] + more + body[found.end(2) :]
        yield found[1].decode(), replace(known, response_body=other)


COUNTED = [known for known in MADE if list(changed(known))]


@pytest.mark.parametrize("known", COUNTED, ids=named)
def test_one_changed_number_is_noticed(known: Interaction, replay: Replay) -> None:
    ours = seen(recorded(known, replay, WITH_SDK))
    assert differences(expected(known, WITH_SDK), ours) == []
    for name, other in changed(known):
        assert differences(expected(other, WITH_SDK), ours) != [], name


def test_every_changed_fact_is_noticed(replay: Replay) -> None:
    known = next(k for k in MADE if told(k).tool_calls and told(k).reasoning_tokens == 0)
    wire, ours = told(known), seen(recorded(known, replay, WITH_SDK))
    ((id_, name, arguments),) = wire.tool_calls
    for other in (
        {"model": "x"}, {"response_id": "x"}, {"finish": ["x"]}, {"text": ["x"]}, {"tool_calls": []},
        {"tool_calls": [("x", name, arguments)]}, {"tool_calls": [(id_, "x", arguments)]},
        {"tool_calls": [(id_, name, "{}")]}, {"cached_tokens": None}, {"reasoning_tokens": None},
    ):  # fmt: skip
        assert differences(replace(wire, **other), ours) != [], other


LEAST = {
    "OpenAI chat": 3,
    "OpenAI chat streamed": 3,
    "OpenAI completions": 3,
    "Anthropic messages": 2,
    "Bedrock invoke": 1,
    "Cohere chat streamed": 1,
}
ENDPOINTS = (
    ("api.openai.com", "/chat/completions", "OpenAI chat"),
    ("api.openai.com", "/completions", "OpenAI completions"),
    ("api.anthropic.com", "/messages", "Anthropic messages"),
    ("bedrock-runtime", "/invoke", "Bedrock invoke"),
    ("api.cohere.com", "/chat", "Cohere chat"),
)


def endpoint(known: Interaction) -> str:
    found = (
        name for host, end, name in ENDPOINTS if host in known.host and known.path.endswith(end)
    )
    return f"{next(found, known.uri)}{' streamed' if streamed(known) else ''}"


def test_says_what_was_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, so that a folder that shrinks or a class that is lost is seen."""
    compared = Counter(map(endpoint, MADE))
    left = Counter(f"{endpoint(k)}: {obstacle(k)}" for k in KNOWN if k not in MADE)
    alone = sum(case.values[1] == ALONE for case in CASES)
    with capsys.disabled():
        print(f"\ncompared {len(MADE)} of {len(KNOWN)} recordings of LangChain: {dict(compared)}")
        print(
            f"  {alone} of them by LangChain alone too; {len(COUNTED)} with counts changed by one"
        )
        print(f"cannot be made again {left.total()}: {dict(left)}")
        for known in MADE:
            if lacking := withheld(known, ALONE) if by_langchain(known) else {}:
                print(f"  LangChain alone withholds, {endpoint(known)} #{known.number}: {lacking}")
    assert {name: compared[name] for name in LEAST if compared[name] < LEAST[name]} == {}
    assert left == Counter()
    assert (len(CASES), alone, len(COUNTED)) >= (25, 12, 11)
