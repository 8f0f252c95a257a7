"""What is too long is cut visibly, and JSON stays JSON."""

import json

import pytest
from msgspec.structs import replace

from spanloom import types as t
from spanloom.processors import default_chain
from spanloom.settings import Settings

SPAN = t.Span(trace_id=1, span_id=2, name="n", detail=t.Task(), integration="manual", start_ns=1)
SETTINGS = replace(
    Settings(hash_key="test"), max_text_bytes=1000, max_attributes=3, max_events=4, content="full"
)
chain = default_chain(SETTINGS)[0]


def test_a_long_text_is_cut_and_says_so() -> None:
    new = chain(replace(SPAN, detail=t.Task(input="x" * 5000)))
    assert new.detail == t.Task(input="x" * 1000 + "... [TRUNCATED 4000 chars]")
    assert new.truncated == ("detail.input",)


def test_multibyte_texts_are_cut_between_characters() -> None:
    new = chain(replace(SPAN, detail=t.Task(input="é" * 5000)))
    assert new.detail == t.Task(input="é" * 500 + "... [TRUNCATED 4500 chars]")


@pytest.mark.parametrize(
    "document",
    [{"a": "x" * 5000, "n": 1}, ["word"] * 5000, {"a": {"b": ["y" * 900] * 9}}, {str(i): i for i in range(999)}],
)  # fmt: skip
def test_json_stays_json(document: object) -> None:
    part = t.ToolRequest(name="f", arguments=json.dumps(document))
    new = chain(
        replace(SPAN, detail=t.LLMCall(output=(t.Message(role="assistant", parts=(part,)),)))
    )
    assert isinstance(new.detail, t.LLMCall)
    cut = new.detail.output[0].parts[0]
    assert isinstance(cut, t.ToolRequest)
    json.loads(cut.arguments)
    assert len(cut.arguments) <= 1100
    assert new.truncated == ("detail.output[0].parts[0].arguments",)


def test_long_keys_are_cut_and_stay_two() -> None:
    new = chain(replace(SPAN, detail=t.Task(input={"k" * 5000: 1, "k" * 6000: 2, "short": 3})))
    assert isinstance(new.detail, t.Task)
    keys = [*new.detail.input]
    assert (len({*keys}), keys[2]) == (3, "short")
    assert all(len(key) < 300 for key in keys)
    assert new.truncated == ("detail.input",)


def test_counts_are_bounded() -> None:
    events = tuple(t.Custom(time_ns=i, name=str(i)) for i in range(10))
    new = chain(replace(SPAN, attributes={str(i): i for i in range(9)}, events=events))
    assert new.attributes == {"0": 0, "1": 1, "2": 2}
    assert [e.time_ns for e in new.events] == [0, 1, 8, 9]
    assert new.truncated == ("events [6 dropped]", "attributes [6 dropped]")


def test_a_whole_prompt_of_100_kb_is_kept() -> None:
    span = replace(SPAN, detail=t.Task(input="word " * 20_000))
    assert default_chain(Settings(hash_key="test"))[0](span).detail is span.detail
