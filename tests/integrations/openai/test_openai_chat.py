"""Chat completions: parsing, and a stream that says the same as a reply that was not streamed."""

import copy
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanloom.types import Media, Message, Opaque, Reasoning, Refusal, Text, ToolRequest, ToolResult
from spanloom_integrations.openai import chat
from spanloom_integrations.openai.call import Facts
from spanloom_integrations.openai.sse import feed_events

FACTS = Facts(provider="openai")
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}]},
    ],
}


def reply(**message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, **message}
    return {
        "id": "chatcmpl-1",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }


def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "choices": list(choices), **more}


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields, "finish_reason": finish}


def body_of(chunks: list[dict[str, Any]], done: bool = True) -> bytes:
    lines = [b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks]
    return b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")


def tapped(chunks: list[dict[str, Any]], body: Any = None, done: bool = True) -> chat.ChatTap:
    tap = chat.ChatTap(body)
    feed_events(tap, [(5, body_of(copy.deepcopy(chunks), done))])
    return tap


def test_request_is_split_into_fields_and_parameters() -> None:
    body = {
        **BODY,
        "temperature": 0.5, "top_p": 1, "max_completion_tokens": 50, "seed": 7, "stop": "END", "n": 2,
        "reasoning_effort": "low", "response_format": {"type": "json_object"}, "tool_choice": "auto",
        "user": "u-1", "metadata": {"a": "b"}, "logit_bias": {"1": 2}, "stream": True,
        "data_sources": [{"parameters": {"key": "sk-hidden", "index": "i"}}], "api_key": "sk-hidden",
    }  # fmt: skip
    call = chat.parse(body, None, FACTS)
    assert (call.temperature, call.top_p, call.max_tokens, call.seed) == (0.5, 1, 50, 7)
    assert (call.stop, call.choices, call.reasoning_effort) == (("END",), 2, "low")
    assert (call.response_format, call.tool_choice) == ({"type": "json_object"}, "auto")
    assert set(call.params) == {"user", "metadata", "logit_bias", "data_sources"}
    assert "sk-hidden" not in repr(call)
    assert [m.role for m in call.input] == ["system", "user"]
    assert call.usage is None
    assert call.output == ()


def test_content_parts_of_a_request() -> None:
    content = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,C"},
        },
        {"type": "hologram", "hologram": 1},
        "loose",
    ]
    [message] = chat.parse({"messages": [{"role": "user", "content": content}]}, None, FACTS).input
    image, audio, file, other, loose = message.parts
    assert image == Media(media="image", mime_type="image/png", url="data:image/png;base64,AAAA")
    assert audio == Media(media="audio", mime_type="audio/mpeg", url="data:audio/mpeg;base64,BBBB")
    assert isinstance(file, Media)
    assert (file.name, file.mime_type) == ("a.pdf", "application/pdf")
    assert other == Opaque(name="hologram", value={"type": "hologram", "hologram": 1})
    assert loose == Text(text="loose")


def test_tool_round() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    broken = {"id": "c2", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
    custom = {"id": "c3", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call, broken, custom]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
    ]
    asked, answered = chat.parse({"messages": messages}, None, FACTS).input
    assert asked.parts == (
        ToolRequest(name="f", id="c1", arguments={"a": 1}),
        ToolRequest(name="f", id="c2", arguments='{"a": '),
        ToolRequest(name="sql", id="c3", arguments="select 1"),
    )
    assert answered == Message(role="tool", parts=(ToolResult(id="c1", result="42"),))


def test_both_shapes_of_tools() -> None:
    body = {
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
            {
                "type": "mcp",
                "server_label": "docs",
                "server_url": "u",
                "authorization": "sk-hidden",
            },
        ],
        "functions": [{"name": "old"}],
    }
    f, mcp, old = chat.parse(body, None, FACTS).tools
    assert (f.name, f.parameters, old.name) == ("f", {"type": "object"}, "old")
    assert (mcp.type, mcp.name) == ("mcp", "docs")
    assert "sk-hidden" not in repr(mcp)


def test_everything_an_answer_may_hold() -> None:
    said = chat.parse(
        {**BODY, "audio": {"format": "wav"}},
        reply(
            content="hi", reasoning_content="hm", refusal="no", audio={"id": "a", "data": "AA"},
            function_call={"name": "g", "arguments": "{}"}, annotations=[], mystery={"x": 1},
        ),
        FACTS,
    ).output[0]  # fmt: skip
    assert said.parts == (
        Reasoning(text="hm"),
        Text(text="hi"),
        Refusal(text="no"),
        Media(media="audio", url="data:audio/wav;base64,AA", mime_type="audio/wav", file_id="a"),
        ToolRequest(name="g", arguments={}),
        Opaque(name="mystery", value={"x": 1}),
    )


def test_fingerprints_see_a_change_of_prompt_and_not_of_question() -> None:
    def prints(**change: Any) -> tuple[str | None, str | None]:
        call = chat.parse({**BODY, **change}, None, FACTS)
        return call.prompt_fingerprint, call.params_fingerprint

    system = {"role": "system", "content": "Be brief."}
    same = prints(messages=[system, {"role": "user", "content": "Another question"}], user="u-2")
    assert same == prints(messages=[system])
    assert prints()[0] is not None
    assert prints(messages=[{"role": "system", "content": "Be long."}])[0] != same[0]
    assert prints(temperature=0.1)[1] != prints(temperature=0.2)[1]
    assert prints(messages=[])[0] is None


WHOLE = [
    ([delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo")], "content", "Hello"),
    ([delta(refusal="I "), delta(refusal="won't")], "refusal", "I won't"),
    ([delta(reasoning_content="h"), delta(reasoning_content="m")], "reasoning_content", "hm"),
    ([delta(content="", reasoning="h"), delta(content="", reasoning="m")], "reasoning_content", "hm"),
    (
        [
            delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": '{"x"'}}]),
            delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
        ],
        "tool_calls",
        [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    ),
    (
        [
            delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]),
            delta(tool_calls=[{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
        ],
        "tool_calls",
        [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    ),
    (
        [
            delta(tool_calls=[{"index": 0, "id": "a", "type": "custom", "custom": {"name": "q"}}]),
            delta(tool_calls=[{"index": 0, "custom": {"input": "select 1"}}]),
        ],
        "tool_calls",
        [{"id": "a", "type": "custom", "custom": {"name": "q", "input": "select 1"}}],
    ),
    (
        [delta(function_call={"name": "f", "arguments": "{"}), delta(function_call={"arguments": "}"})],
        "function_call",
        {"name": "f", "arguments": "{}"},
    ),
    (
        [delta(audio={"id": "a", "transcript": "yes"}), delta(audio={"data": "AA"})],
        "audio",
        {"id": "a", "data": "AA", "transcript": "yes"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("deltas", "field", "whole"), WHOLE)
def test_streamed_equals_whole(deltas: list[dict[str, Any]], field: str, whole: Any) -> None:
    last = chunk(delta(finish="stop"))
    usage = chunk(usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})
    tap = tapped([*(chunk(d) for d in deltas), last, usage])
    assert chat.parse(BODY, tap.reply(), FACTS) == chat.parse(BODY, reply(**{field: whole}), FACTS)
    assert tap.complete
    assert tap.reply() == tap.reply()


@given(st.text(min_size=1, max_size=40), st.data())
def test_any_split_of_a_text_gives_the_same_call(said: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(said)))) | {0, len(said)})
    pieces = [said[a:b] for a, b in pairwise(cuts)]
    tap = tapped(
        [*(chunk(delta(content=p)) for p in pieces), chunk(delta(finish="stop"))], done=False
    )
    assert tap.complete
    assert tap.chunks == len([p for p in pieces if p])
    [message] = chat.parse(BODY, tap.reply(), FACTS).output
    assert message.parts == (Text(text=said),)


@given(st.integers(1, 60))
def test_any_cut_of_the_bytes_gives_the_same_reply(size: int) -> None:
    raw = body_of([chunk(delta(content=c)) for c in "häuser"] + [chunk(delta(finish="stop"))])
    tap = chat.ChatTap()
    feed_events(tap, [(n, raw[n : n + size]) for n in range(0, len(raw), size)])
    assert tap.reply()["choices"][0]["message"]["content"] == "häuser"
    assert (tap.chunks, tap.complete) == (6, True)


def test_role_chunk_is_no_content_and_azures_first_chunk_has_no_choice() -> None:
    azure = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    tap = tapped([azure, chunk(delta(role="assistant", content=""))], done=False)
    assert (tap.first_tick, tap.chunks, tap.complete) == (0, 0, False)
    assert tap.reply()["id"] == "chatcmpl-1"


def test_last_cumulative_usage_wins_and_groq_has_its_own_place() -> None:
    first, last = (
        {"prompt_tokens": 1, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 8},
    )
    tap = tapped([chunk(delta(content="a"), usage=first), chunk(delta(finish="stop"), usage=last)])
    assert tap.reply()["usage"] == last
    tap = tapped([chunk(delta(finish="stop"), x_groq={"id": "r", "usage": last})])
    assert tap.reply()["usage"] == last
    assert "usage" not in tapped([chunk(delta(content="a"))]).reply()


def test_chunks_of_the_sdk_are_read_like_those_of_the_wire() -> None:
    from openai._models import construct_type
    from openai.types.chat import ChatCompletionChunk

    calls = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]
    sent = [
        chunk(delta(role="assistant", content="")),
        chunk(delta(content="a")),
        chunk(delta(content="b")),
        chunk({"index": 0, "delta": None, "finish_reason": None}),
        chunk(delta(content="c", tool_calls=calls)),
        chunk(delta(content="", reasoning="late")),
        chunk(delta(finish="stop", content="d"), service_tier="flex"),
        chunk(usage={"prompt_tokens": 1, "completion_tokens": 2}),
    ]
    tap = chat.ChatTap({})
    for raw in sent:
        tap.feed(construct_type(type_=ChatCompletionChunk, value=copy.deepcopy(raw)))
    assert tap.reply() == tapped(sent).reply()
    assert tap.reply()["choices"][0]["message"]["content"] == "abcd"
    assert (tap.chunks, tap.complete, tap.reply()["service_tier"]) == (5, True, "flex")
    assert 0 < tap.first_tick < tap.last_tick


def test_all_choices_have_to_end() -> None:
    chunks = [chunk(delta(0, content="a")), chunk(delta(0, "stop"))]
    assert not tapped(chunks, {"n": 2}, done=False).complete
    chunks += [chunk(delta(1, content="b")), chunk(delta(1, "length"))]
    tap = tapped(chunks, {"n": 2}, done=False)
    assert tap.complete
    call = chat.parse(BODY, tap.reply(), FACTS)
    assert call.finish == ("stop", "length")
    assert [m.parts for m in call.output] == [(Text(text="a"),), (Text(text="b"),)]


def test_error_inside_a_stream() -> None:
    tap = tapped(
        [chunk(delta(content="a")), {"error": {"code": 502, "message": "gone"}}], done=False
    )
    assert tap.failure == {"code": 502, "message": "gone", "status_code": 502}
    assert not tap.complete


def test_times_of_a_stream() -> None:
    facts = Facts(stream=True, start_tick=100, first_tick=300, last_tick=1_000_000_300, chunks=11)
    used = {"usage": {"prompt_tokens": 1, "completion_tokens": 110}}
    call = chat.parse(BODY, used, facts)
    assert call.time_to_first_chunk_ns == 200
    assert call.time_per_output_chunk_ns == 100_000_000
    assert call.output_tokens_per_s == pytest.approx(100)
    assert chat.parse(BODY, None, Facts(stream=True)).time_to_first_chunk_ns is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "role", "content", "type", "text", "tool_calls", "function", "name", "arguments", "id", "url",
            "image_url", "audio", "message", "index", "usage", "finish_reason", "prompt_tokens",
        ]),
        inner, max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(json_values, json_values)
def test_nonsense_never_raises(sent: Any, got: Any) -> None:
    body = {"model": sent, "messages": [sent], "tools": [sent], "stop": sent, "metadata": sent}
    chat.parse(body, {"choices": [{"message": got}, got], "usage": got, "id": got}, FACTS)
    chat.parse({"messages": sent, "tools": sent}, {"choices": got}, FACTS)
