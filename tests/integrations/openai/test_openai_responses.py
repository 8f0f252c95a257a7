"""Responses: items to parts, and the tap."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from spanloom.types import Media, Message, Opaque, Prompt, Reasoning, Text, ToolRequest, ToolResult
from spanloom_integrations.openai import responses
from spanloom_integrations.openai.call import Facts
from spanloom_integrations.openai.responses_tap import ResponsesTap
from spanloom_integrations.openai.sse import feed_events

FACTS = Facts(provider="openai")
USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 5},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 27,
}


def whole(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "gpt-5", "status": status, "output": list(output), **more}


def said(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }


def tapped(*events: dict[str, Any]) -> ResponsesTap:
    tap = ResponsesTap()
    feed_events(
        tap, [(3, b"".join(b"data: " + json.dumps(e).encode() + b"\r\n\r\n" for e in events))]
    )
    return tap


def text_event(delta: str, at: int = 0) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta",
        "delta": delta,
        "output_index": at,
        "content_index": 0,
    }


def test_request() -> None:
    body = {
        "model": "gpt-5", "input": "hi", "instructions": "Be brief.", "max_output_tokens": 9,
        "reasoning": {"effort": "low", "summary": "auto"}, "previous_response_id": "resp_0",
        "text": {"format": {"type": "json_schema", "name": "x"}, "verbosity": "low"},
        "conversation": {"id": "conv_1"}, "safety_identifier": "s",
        "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Rome"}},
    }  # fmt: skip
    call = responses.parse(body, None, FACTS)
    assert call.input == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="user", parts=(Text(text="hi"),)),
    )
    assert (call.max_tokens, call.reasoning_effort) == (9, "low")
    assert call.response_format == {"type": "json_schema", "name": "x"}
    assert (call.conversation_id, call.previous_response_id) == ("conv_1", "resp_0")
    assert call.prompt == Prompt(name="pmpt_1", version="2", variables={"city": "Rome"})
    assert call.params == {
        "reasoning": {"summary": "auto"},
        "text": {"verbosity": "low"},
        "safety_identifier": "s",
    }


def test_items_of_the_input() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://x/y.png"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": [
            {"type": "input_text", "text": "done"}, {"type": "input_image", "image_url": "data:image/png;base64,A"},
        ]},
        {"type": "item_reference", "id": "msg_1"},
    ]  # fmt: skip
    user, assistant, tool, reference = responses.parse({"input": items}, None, FACTS).input
    assert user.parts == (Media(media="image", url="https://x/y.png"),)
    asked = ToolRequest(name="f", id="c1", arguments={"a": 1})
    assert assistant == Message(role="assistant", parts=(Reasoning(encrypted=True), asked))
    image = Media(media="image", url="data:image/png;base64,A", mime_type="image/png")
    assert tool == Message(role="tool", parts=(ToolResult(id="c1", result="done"), image))
    assert isinstance(reference.parts[0], Opaque)


def test_tools_of_the_provider() -> None:
    output: list[dict[str, Any]] = [
        {"type": "web_search_call", "id": "w", "action": {"type": "search", "query": "q"}},
        {"type": "mcp_call", "id": "m", "name": "ask", "arguments": "{}", "output": "yes"},
        {"type": "mcp_call", "id": "e", "name": "ask", "arguments": "{}", "error": "no"},
        {"type": "code_interpreter_call", "id": "c", "code": "1", "outputs": [{"logs": "1"}]},
        {"type": "image_generation_call", "id": "i", "result": "AAAA", "output_format": "webp"},
        {"type": "computer_call", "call_id": "k", "action": {"type": "click"}},
        {"type": "custom_tool_call", "call_id": "q", "name": "sql", "input": "1"},
        {"type": "teleport_call", "id": "t"},
    ]
    parts = responses.parse({}, whole(*output), FACTS).output[0].parts
    assert parts == (
        ToolRequest(
            name="web_search", id="w", arguments={"type": "search", "query": "q"}, server_side=True
        ),
        ToolRequest(name="ask", id="m", arguments={}, server_side=True),
        ToolResult(id="m", name="ask", result="yes"),
        ToolRequest(name="ask", id="e", arguments={}, server_side=True),
        ToolResult(id="e", name="ask", result="no", is_error=True),
        ToolRequest(name="code_interpreter", id="c", arguments={"code": "1"}, server_side=True),
        ToolResult(id="c", name="code_interpreter", result=[{"logs": "1"}]),
        ToolRequest(
            name="image_generation", id="i", arguments={"output_format": "webp"}, server_side=True
        ),
        Media(media="image", url="data:image/webp;base64,AAAA", mime_type="image/webp"),
        ToolRequest(name="computer", id="k", arguments={"action": {"type": "click"}}),
        ToolRequest(name="sql", id="q", arguments="1"),
        Opaque(name="teleport_call", value={"type": "teleport_call", "id": "t"}),
    )


def test_outcome() -> None:
    cut = whole(
        said("a"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
        usage=USAGE,
    )
    call = responses.parse({"model": "gpt-5"}, cut, FACTS)
    assert call.finish == ("max_output_tokens",)
    assert call.usage is not None
    assert (call.usage.input, call.usage.cached, call.usage.reasoning) == (20, 5, 2)
    assert responses.parse({}, whole(status="queued"), FACTS).finish == ()


def test_a_reply_fetched_again_counts_no_tokens() -> None:
    call = responses.parse_fetch({}, whole(said("a"), usage=USAGE), Facts(response_id="resp_1"))
    assert (call.operation, call.usage, call.response_id) == ("fetch_response", None, "resp_1")
    in_background = whole(said("a"), usage=USAGE, background=True)
    assert responses.parse_fetch({}, in_background, FACTS).usage is not None


def test_stream_with_its_end_is_the_reply() -> None:
    reply = whole(said("Hello"), usage=USAGE)
    tap = tapped(
        {"type": "response.created", "response": whole(status="in_progress")},
        text_event("Hel"),
        text_event("lo"),
        {"type": "response.output_item.done", "output_index": 0, "item": said("Hello")},
        {"type": "response.completed", "response": reply},
    )
    assert tap.reply() == reply
    assert (tap.complete, tap.chunks, tap.failure) == (True, 2, None)
    emptied = tapped(
        {"type": "response.output_item.done", "output_index": 0, "item": said("Hello")},
        {"type": "response.completed", "response": whole()},
    )
    assert emptied.reply()["output"] == [said("Hello")]


@given(st.text(min_size=1, max_size=30), st.integers(1, 7))
def test_stream_broken_off_keeps_what_came(text: str, size: int) -> None:
    tap = tapped(
        {"type": "response.created", "response": whole(status="in_progress")},
        *(text_event(text[n : n + size]) for n in range(0, len(text), size)),
    )
    assert not tap.complete
    call = responses.parse({}, tap.reply(), FACTS)
    assert (call.response_id, call.finish, call.usage) == ("resp_1", (), None)
    assert call.output[0].parts == (Text(text=text),)


def test_open_items_keep_their_order_and_names() -> None:
    item = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""}
    tap = tapped(
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "hm"},
        {"type": "response.output_item.added", "output_index": 1, "item": item},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"a"'},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": ":1}"},
    )  # fmt: skip
    parts = responses.parse({}, tap.reply(), FACTS).output[0].parts
    assert parts == (Reasoning(text="hm"), ToolRequest(name="f", id="c1", arguments={"a": 1}))
    assert tap.chunks == 3


def test_failures_that_raise_nothing() -> None:
    error = {"code": "server_error", "message": "oops"}
    tap = tapped({"type": "response.failed", "response": whole(status="failed", error=error)})
    assert (tap.failure, tap.complete) == (error, True)
    tap = tapped(
        text_event("a"), {"type": "error", "code": "rate_limit_exceeded", "message": "slow"}
    )
    assert tap.failure is not None
    assert (tap.failure["code"], tap.complete) == ("rate_limit_exceeded", False)


def test_a_search_is_content_though_it_has_no_fragments() -> None:
    search = {"type": "web_search_call", "id": "w", "action": {}}
    tap = tapped({"type": "response.output_item.done", "output_index": 0, "item": search})
    assert (tap.first_tick, tap.chunks) == (3, 1)
