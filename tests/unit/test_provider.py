"""The fake provider and the replayer: over plain HTTP, then with the real OpenAI SDK."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from spanloom.testing import (
    Body,
    Chat,
    Error,
    ErrorInStream,
    FakeProvider,
    Garbage,
    Hang,
    Replay,
    Reset,
    Tokens,
    ToolCall,
    Truncate,
)

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
WEATHER = {
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 3},
            "days": {"type": "integer", "minimum": 1, "maximum": 5},
            "unit": {"enum": ["C", "F"]},
        },
        "required": ["city", "days", "unit"],
    },
}
ALL = ("openai", "azure", "deepseek", "groq", "openrouter", "together")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(seed=11) as fake:
        yield fake


def fetch(
    base: str,
    path: str,
    body: Any = None,
    *,
    method: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request; status, headers in lower case, body."""
    place = urlsplit(base)
    link = http.client.HTTPConnection(place.netloc, timeout=10)
    try:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **(headers or {})}
        method = method or ("GET" if body is None else "POST")
        link.request(method, place.path + path, body=data, headers=headers)
        answer = link.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, told, answer.read()
    finally:
        link.close()


def post(base: str, path: str, body: Any) -> Any:
    return json.loads(fetch(base, path, body)[2])


def events(data: bytes) -> list[Any]:
    """The payloads of a stream; ``[DONE]`` as text."""
    lines = [line[6:] for line in data.decode().split("\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def stream(base: str, path: str, body: dict[str, Any]) -> list[Any]:
    return events(fetch(base, path, {**body, "stream": True})[2])


# -- the wire ---------------------------------------------------------------------------------


def test_scripted_chat_is_told_and_recorded(provider: FakeProvider) -> None:
    provider.script(
        [Chat(text="Hello", usage=Tokens(7, 5, cached=2, reasoning=1), id="chatcmpl-x")]
    )
    status, headers, body = fetch(provider.url, "/chat/completions", ASK)
    told = json.loads(body)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-processing-ms"].isdigit()
    assert told["choices"][0]["message"]["content"] == "Hello"
    assert told["model"] == "gpt-4o-mini-2024-07-18"
    assert told["usage"]["total_tokens"] == 12
    (seen,) = provider.exchanges
    assert (seen.status, seen.path, seen.endpoint) == (
        200,
        "/v1/chat/completions",
        "/chat/completions",
    )
    assert seen.json == ASK
    assert json.loads(seen.body) == ASK
    assert provider.raw_requests[0].endswith(b"\r\n\r\n" + seen.body)
    assert seen.answer.id == "chatcmpl-x"
    assert seen.answer.usage == told["usage"]
    assert seen.answer.text == "Hello"
    assert seen.answer.finish_reasons == ("stop",)
    assert seen.end_ns >= seen.start_ns


def test_random_answers_repeat_with_the_seed_and_fit_themselves() -> None:
    def run(seed: int) -> list[Any]:
        with FakeProvider(seed=seed) as fake:
            got = [post(fake.url, "/chat/completions", {**ASK, "model": "gpt-5"}) for _ in range(9)]
        for told in got:
            told.pop("created")
            usage = told["usage"]
            assert usage["prompt_tokens_details"]["cached_tokens"] <= usage["prompt_tokens"]
            spent = usage["completion_tokens_details"]["reasoning_tokens"]
            assert spent <= usage["completion_tokens"]
            assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        return got

    first = run(5)
    assert first == run(5)
    assert first != run(6)
    assert len({told["id"] for told in first}) == 9


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("flavour", ALL)
def test_streamed_chat_in_each_flavour(flavour: Any, include_usage: bool) -> None:
    used = Tokens(9, 4, cached=3, reasoning=2, cost_usd=0.5)
    answer = Chat(text="one two three", chunks=3, reasoning="hm hm", usage=used)
    with FakeProvider(flavour=flavour) as fake:
        fake.script([answer])
        asked = {**ASK, "stream": True, "stream_options": {"include_usage": include_usage}}
        raw = fetch(fake.url, "/chat/completions", asked)[2]
        (seen,) = fake.exchanges
    told = events(raw)
    assert told.pop() == "[DONE]"
    if flavour == "azure":
        assert told[0]["choices"] == []
        assert told.pop(0)["prompt_filter_results"]
    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    parts = [d["delta"].get("content") for c in told for d in c["choices"]]
    assert "".join(part or "" for part in parts) == "one two three"
    assert len([part for part in parts if part]) == 3
    empty = [chunk for chunk in told if not chunk["choices"]]
    last = next(c for c in reversed(told) if c["choices"])
    assert last["choices"][0]["finish_reason"] == "stop"
    if flavour in ("openai", "azure"):
        assert [chunk["usage"]["total_tokens"] for chunk in empty] == [13] * include_usage
        assert seen.answer.reasoning == ""
    else:
        assert empty == []
        assert seen.answer.reasoning == "hm hm"
    if flavour in ("deepseek", "openrouter", "together"):
        assert last["usage"]["total_tokens"] == 13
    if flavour == "deepseek":
        assert last["usage"]["prompt_cache_miss_tokens"] == 6
    if flavour == "openrouter":
        assert raw.startswith(b": OPENROUTER PROCESSING\n\n")
        assert last["usage"]["cost"] == 0.5
    if flavour == "groq":
        assert last["x_groq"]["usage"]["total_tokens"] == 13
        assert ("usage" in last) is include_usage
    assert seen.answer.text == "one two three"
    assert (seen.answer.usage is None) == (flavour in ("openai", "azure") and not include_usage)


def test_azure_paths_speak_azure(provider: FakeProvider) -> None:
    path = "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    told = stream(provider.origin, path, {"messages": ASK["messages"]})
    assert told[0]["choices"] == []
    assert told[-2]["model"] == "mine"
    assert stream(provider.origin, "/openai/v1/chat/completions", ASK)[0]["choices"] == []
    assert stream(provider.origin, "/any/prefix/chat/completions", ASK)[0]["choices"]


def test_parallel_tool_calls_come_in_fragments(provider: FakeProvider) -> None:
    calls = (ToolCall("a", '{"x":  1}', "call_1"), ToolCall("b", {"y": "é"}, "call_2"))
    provider.script([Chat(tool_calls=calls), Chat(tool_calls=calls)])
    told = stream(provider.url, "/chat/completions", ASK)[:-1]
    parts = [t for c in told for t in c["choices"][0]["delta"].get("tool_calls", ())]
    assert {part["index"] for part in parts} == {0, 1}
    joined = "".join(part["function"]["arguments"] for part in parts if part["index"] == 0)
    assert joined == '{"x":  1}'
    assert len(parts) > 4
    whole = post(provider.url, "/chat/completions", ASK)["choices"][0]
    assert whole["finish_reason"] == "tool_calls"
    assert whole["message"]["content"] is None
    streamed, plain = (seen.answer for seen in provider.exchanges)
    assert streamed.tool_calls == plain.tool_calls
    assert [(c.name, c.id) for c in plain.tool_calls] == [("a", "call_1"), ("b", "call_2")]


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_a_named_tool_is_called_once(provider: FakeProvider, path: str) -> None:
    chat = path == "/chat/completions"
    tool = {"type": "function", "function": WEATHER} if chat else {"type": "function", **WEATHER}
    history: list[Any] = [{"role": "user", "content": "Please use get_weather for Oslo"}]
    name = "messages" if chat else "input"
    asked = {"model": "gpt-4o", "tools": [tool], name: history}
    post(provider.url, path, asked)
    (call,) = provider.exchanges[0].answer.tool_calls
    arguments = json.loads(call.arguments_json)
    assert call.name == "get_weather"
    assert 1 <= arguments["days"] <= 5
    assert arguments["unit"] in ("C", "F")
    if chat:
        history.append({"role": "tool", "tool_call_id": call.id, "content": "mild"})
    else:
        history.append({"type": "function_call_output", "call_id": call.id, "output": "mild"})
    post(provider.url, path, asked)
    assert provider.exchanges[1].answer.tool_calls == ()
    assert provider.exchanges[1].answer.text
    history.append({"role": "user", "content": "thanks, nothing more"})
    post(provider.url, path, asked)
    assert provider.exchanges[2].answer.tool_calls == ()


def test_several_choices_and_refusals(provider: FakeProvider) -> None:
    provider.script([Chat(text=("a", "b"))])
    told = stream(provider.url, "/chat/completions", {**ASK, "n": 3})
    assert {choice["index"] for chunk in told[:-1] for choice in chunk["choices"]} == {0, 1, 2}
    assert provider.exchanges[0].answer.texts[:2] == ("a", "b")
    assert provider.exchanges[0].answer.finish_reasons == ("stop",) * 3
    provider.script([Chat(refusal="I cannot."), Chat(refusal="I cannot.")])
    post(provider.url, "/chat/completions", ASK)
    stream(provider.url, "/responses", {"model": "gpt-4o", "input": "hi"})
    for seen in provider.exchanges[1:]:
        assert (seen.answer.refusal, seen.answer.text) == ("I cannot.", "")


def test_responses_echo_what_was_asked(provider: FakeProvider) -> None:
    forced = {"type": "function", "name": "get_weather"}
    asked = {"model": "m", "input": "x", "tool_choice": forced, "reasoning": {"summary": "auto"}}
    told = post(provider.url, "/responses", {**asked, "tools": [{"type": "function", **WEATHER}]})
    assert told["tool_choice"] == forced
    assert told["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert [item["type"] for item in told["output"]] == ["reasoning", "function_call"]


def test_structured_output_fits_its_schema(provider: FakeProvider) -> None:
    schema = {
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}, "n": {"type": "number"}},
        "required": ["kids", "n"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "tree", "schema": schema}}
    for number in range(20):
        asked = {**ASK, "seed": number, "response_format": form}
        content = post(provider.url, "/chat/completions", asked)["choices"][0]["message"]["content"]
        assert set(json.loads(content)) == {"kids", "n"}


@pytest.mark.parametrize(
    ("finish", "status", "last"),
    [
        ("", "completed", "response.completed"),
        ("length", "incomplete", "response.incomplete"),
        ("content_filter", "incomplete", "response.incomplete"),
        ("failed", "failed", "response.failed"),
    ],
)
def test_response_events(provider: FakeProvider, finish: str, status: str, last: str) -> None:
    answer = Chat(
        text="Es regnet.", reasoning="short", tool_calls=(ToolCall("a"),), finish_reason=finish
    )
    provider.script([answer, answer])
    asked = {"model": "gpt-5", "input": "hi"}
    whole = post(provider.url, "/responses", asked)
    told = stream(provider.url, "/responses", asked)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    kinds = [event["type"] for event in told]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == last
    assert whole["status"] == told[-1]["response"]["status"] == status
    assert provider.exchanges[1].answer.finish_reasons == (status,)
    assert (whole["incomplete_details"] is not None) == (status == "incomplete")
    if finish != "failed":
        deltas = [e["delta"] for e in told if e["type"] == "response.output_text.delta"]
        assert "".join(deltas) == "Es regnet."
        assert "response.function_call_arguments.done" in kinds
        assert "response.reasoning_summary_text.delta" in kinds
    # The stored response, whole and as events after a number.
    place = f"/responses/{told[-1]['response']['id']}"
    assert json.loads(fetch(provider.url, place)[2]) == told[-1]["response"]
    again = events(fetch(provider.url, f"{place}?stream=true&starting_after=1")[2])
    assert again[0]["sequence_number"] == 2
    assert again[-1]["response"] == told[-1]["response"]
    assert fetch(provider.url, "/responses/resp_unknown")[0] == 404


def test_legacy_completions(provider: FakeProvider) -> None:
    asked = {"model": "davinci", "prompt": ["a", "b"], "n": 2}
    assert len(post(provider.url, "/completions", asked)["choices"]) == 4
    told = stream(
        provider.url, "/completions", {**asked, "stream_options": {"include_usage": True}}
    )
    assert told[-1] == "[DONE]"
    assert told[-2]["choices"] == []
    assert len(provider.exchanges[1].answer.texts) == 4
    assert provider.exchanges[1].answer.usage == told[-2]["usage"]


def test_models_moderations_and_unknown_paths(provider: FakeProvider) -> None:
    assert json.loads(fetch(provider.url, "/models")[2])["data"]
    assert json.loads(fetch(provider.url, "/models/gpt-4o")[2])["id"] == "gpt-4o"
    told = post(provider.url, "/moderations", {"input": ["a", "b"]})
    assert len(told["results"]) == 2
    assert fetch(provider.url, "/nowhere", {})[0] == 404
    assert fetch(provider.url, "/responses/input_tokens", {})[0] == 404


def test_scripts_rules_and_their_order(provider: FakeProvider) -> None:
    provider.on("/chat/completions", Chat(text="rule"))
    provider.on(lambda call: "weather" in call.text, lambda call: Chat(text=f"re: {call.text}"))
    provider.script([Chat(text="any")])
    provider.script([Chat(text="path")], path="/chat/completions")
    provider.script([Error(404)], path="/models")

    def ask(text: str) -> str:
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        content: str = post(provider.url, "/chat/completions", body)["choices"][0]["message"][
            "content"
        ]
        return content

    assert post(provider.url, "/embeddings", {"input": "x"})["data"]
    assert fetch(provider.url, "/models")[0] == 404
    assert [ask("a"), ask("a"), ask("a"), ask("weather?")] == [
        "path",
        "any",
        "rule",
        "re: weather?",
    ]
    provider.script([Body({"data": []})], path="/models")
    assert json.loads(fetch(provider.url, "/models")[2]) == {"data": []}
    provider.clear()
    assert provider.exchanges == ()


def test_a_fault_of_a_script_is_told_and_raised() -> None:
    def broken(_: Any) -> bool:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"), FakeProvider() as fake:
        fake.on(broken, Chat())
        assert fetch(fake.url, "/chat/completions", ASK)[0] == 500
    with pytest.raises(TypeError, match="use Body"), FakeProvider() as fake:
        fake.script([Chat()], path="/embeddings")
        assert fetch(fake.url, "/embeddings", {"input": "x"})[0] == 500


# -- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_error_statuses(provider: FakeProvider, status: int) -> None:
    provider.script([Error(status, headers={"retry-after": "3"})])
    got, headers, body = fetch(provider.url, "/chat/completions", ASK)
    assert got == status
    assert headers["retry-after"] == "3"
    assert json.loads(body)["error"]["message"]
    assert provider.exchanges[0].answer.error == json.loads(body)["error"]


def test_resets(provider: FakeProvider) -> None:
    provider.script([Reset(), Reset(after_bytes=20), Reset(after_bytes=120), Reset(after_chunks=2)])
    streamed = {**ASK, "stream": True}
    for body in (ASK, ASK, streamed, streamed):
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            fetch(provider.url, "/chat/completions", body)
    assert [seen.status for seen in provider.exchanges] == [0, 200, 200, 200]
    assert {seen.outcome for seen in provider.exchanges} == {"reset"}
    assert provider.exchanges[3].answer.events == 2
    assert provider.exchanges[3].answer.id
    assert not provider.exchanges[3].answer.complete


def test_truncation_errors_in_streams_and_garbage(provider: FakeProvider) -> None:
    text = Chat(text="abcdef", chunks=6)
    provider.script(
        [
            Truncate(3, answer=text),
            ErrorInStream(3, "melted", answer=text),
            ErrorInStream(4, "melted", answer=text),
            Garbage(),
            Garbage(),
            Truncate(),
            Truncate(3, clean=False, answer=text),
        ]
    )
    told = stream(provider.url, "/chat/completions", ASK)
    assert len(told) == 3
    assert provider.exchanges[0].answer.text == "ab"
    assert provider.exchanges[0].answer.finish_reasons == ()
    told = stream(provider.url, "/chat/completions", ASK)
    assert told[-1]["error"]["message"] == "melted"
    assert provider.exchanges[1].answer.error == told[-1]["error"]
    told = stream(provider.url, "/responses", {"model": "m", "input": "hi"})
    assert told[-1]["type"] == "error"
    assert provider.exchanges[2].answer.error == told[-1]["error"]
    assert b"lunch" in fetch(provider.url, "/chat/completions", ASK)[2]
    assert b"data: <" in fetch(provider.url, "/chat/completions", {**ASK, "stream": True})[2]
    with pytest.raises(ValueError, match=r"."):
        json.loads(fetch(provider.url, "/chat/completions", ASK)[2])
    with pytest.raises(http.client.IncompleteRead):
        stream(provider.url, "/chat/completions", ASK)


def test_hanging_is_recorded_and_does_not_hold_up_the_end() -> None:
    with FakeProvider() as fake:
        fake.script([Hang(60), Hang(60, after_chunks=2)])
        for body in (ASK, {**ASK, "stream": True}):
            link = http.client.HTTPConnection(urlsplit(fake.url).netloc, timeout=0.1)
            link.request("POST", "/v1/chat/completions", json.dumps(body))
            with pytest.raises(TimeoutError):
                link.getresponse().read()
            link.close()
        assert [seen.outcome for seen in fake.wait(2)] == ["hung", "hung"]
        assert fake.exchanges[1].answer.events == 2


def test_a_client_that_leaves_is_recorded(provider: FakeProvider) -> None:
    provider.script([Chat(text="x" * 50, chunks=50, chunk_delay_s=0.02)])
    link = http.client.HTTPConnection(urlsplit(provider.url).netloc)
    link.request("POST", "/v1/chat/completions", json.dumps({**ASK, "stream": True}))
    answer = link.getresponse()
    answer.read(50)
    answer.close()
    link.close()
    (seen,) = provider.wait(1)
    assert seen.outcome == "disconnected"
    assert 0 < seen.answer.events < 40
    with pytest.raises(TimeoutError):
        provider.wait(2, timeout_s=0.01)


def test_closing_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with FakeProvider() as fake:
        links = [http.client.HTTPConnection(urlsplit(fake.url).netloc) for _ in range(20)]
        for link in links:
            link.request("POST", "/v1/chat/completions", json.dumps(ASK))
        for link in links:
            link.getresponse().read()
        assert len(fake.exchanges) == 20
    assert set(threading.enumerate()) == before
    for link in links:
        link.close()


def test_chunked_requests_are_kept_raw(provider: FakeProvider) -> None:
    link = http.client.HTTPConnection(urlsplit(provider.url).netloc)
    data = json.dumps(ASK).encode()
    link.request(
        "POST",
        "/v1/chat/completions",
        iter([data[:9], data[9:]]),
        encode_chunked=True,
        headers={"transfer-encoding": "chunked"},
    )
    assert link.getresponse().status == 200
    link.close()
    assert provider.exchanges[0].json == ASK
    assert provider.raw_requests[0].endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("end", ["stdin", "SIGTERM"])
def test_program(tmp_path: Path, end: str) -> None:
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "spanloom.testing.provider", "--seed", "3", "--log", str(log)]
    pipe = subprocess.PIPE
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env) as program:
        assert program.stdin and program.stdout and program.stderr
        url = program.stdout.readline().decode().strip()
        told = post(url, "/chat/completions", ASK)
        if end == "stdin":
            program.stdin.close()
        else:
            program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
        assert program.stderr.read() == b""
    (line,) = log.read_text().splitlines()
    answer = json.loads(line)["answer"]
    assert answer["id"] == told["id"]
    assert answer["usage"] == told["usage"]


# -- recordings -------------------------------------------------------------------------------

CASSETTE = """
version: 1
interactions:
- request:
    method: POST
    uri: https://api.example.com//v1/chat/completions?b=2&a=1
    headers: {content-type: [application/json]}
    body: '{"model": "m", "stream": false}'
  response:
    status: {code: 429, message: Slow}
    headers: {content-type: [application/json], transfer-encoding: [chunked], x-a: ['1', '2']}
    body: {string: '{"error": {"message": "first"}}'}
- request:
    method: POST
    uri: https://api.example.com//v1/chat/completions?b=2&a=1
    headers: {content-type: [application/json]}
    body: '{"stream":false,"model":"m"}'
  response:
    status: {code: 200, message: OK}
    headers: {content-type: [text/event-stream]}
    body: {string: "data: {\\"é\\": 1}\\n\\ndata: [DONE]\\n\\n"}
- request:
    method: POST
    uri: https://api.example.com/v1/audio/transcriptions
    headers: {content-type: [multipart/form-data; boundary=abc]}
    body: "--abc\\r\\nContent-Disposition: form-data; name=\\"model\\"\\r\\n\\r\\n\
w\\r\\n--abc--\\r\\n"
  response:
    status: {code: 200, message: OK}
    headers: {}
    body: {string: !!binary AAEC/w==}
"""


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Replay]:
    pytest.importorskip("yaml")
    (tmp_path / "one.yaml").write_text(CASSETTE)
    with Replay(tmp_path) as served:
        yield served


def test_replay_matches_by_meaning_and_in_order(replay: Replay) -> None:
    first, second, third = replay.interactions
    assert (first.host, first.path, first.query) == (
        "api.example.com",
        "//v1/chat/completions",
        (("a", "1"), ("b", "2")),
    )
    base, path = replay.url, "/api.example.com//v1/chat/completions?a=1&b=2"
    same = {"stream": False, "model": "m"}
    status, headers, body = fetch(base, path, same)
    assert (status, body, headers["x-a"]) == (429, first.response_body, "2")
    assert fetch(base, path, same)[::2] == (200, second.response_body)
    assert second.stream
    assert fetch(base, path, same)[0] == 429
    replay.rewind()
    assert fetch(base, path, same)[0] == 429
    pinned = replay.base_url(second)
    assert fetch(pinned, "//v1/chat/completions?a=1&b=2", same)[0] == 200
    form = b'--Q\r\nContent-Disposition: form-data; name="model"\r\n\r\nw\r\n--Q--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=Q"}
    place = "/api.example.com/v1/audio/transcriptions"
    assert fetch(base, place, form, headers=kind)[2] == third.response_body == b"\0\1\2\xff"
    assert replay.misses == []


def test_replay_says_what_is_nearest(replay: Replay) -> None:
    path = "/api.example.com//v1/chat/completions?a=1&b=2"
    status, headers, body = fetch(replay.url, path, {"model": "other", "stream": False})
    assert status == 599
    assert headers["x-should-retry"] == "false"
    error = json.loads(body)["error"]
    assert "one.yaml#0" in error["nearest"]
    assert "body differs in model" in error["message"]
    assert replay.misses[0].nearest == replay.interactions[0]


def test_replay_needs_cassettes(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    with pytest.raises(FileNotFoundError):
        Replay(tmp_path)


# -- the real SDK -----------------------------------------------------------------------------


class Sdk:
    """The sync and the async client behind one face: results are awaited if need be."""

    def __init__(self, openai: Any, kind: str, **settings: Any) -> None:
        self.sync = kind == "sync"
        self.loop = asyncio.new_event_loop()
        # Older versions let the transport's own errors through once the body has begun.
        stacks = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
        self.broken = (openai.APIConnectionError, *(stack.TransportError for stack in stacks))
        settings = {"api_key": "any", "max_retries": 0, **settings}
        self.client = (openai.OpenAI if self.sync else openai.AsyncOpenAI)(**settings)

    def run(self, made: Any) -> Any:
        return made if self.sync else self.loop.run_until_complete(made)

    def items(self, made: Any) -> list[Any]:
        """Every event of a stream."""
        if self.sync:
            return list(made)

        async def drain() -> list[Any]:
            return [item async for item in await made]

        items: list[Any] = self.loop.run_until_complete(drain())
        return items

    def final(self, manager: Any, finish: str) -> Any:
        """The result of a stream helper."""
        if self.sync:
            with manager as events:
                for _ in events:
                    pass
                return getattr(events, finish)()

        async def drain() -> Any:
            async with manager as events:
                async for _ in events:
                    pass
                return await getattr(events, finish)()

        return self.loop.run_until_complete(drain())

    def close(self) -> None:
        self.run(self.client.close())
        self.loop.close()


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, provider: FakeProvider) -> Iterator[Sdk]:
    openai = pytest.importorskip("openai")
    made = Sdk(openai, request.param, base_url=provider.url, timeout=5)
    yield made
    made.close()


def test_sdk_chat(sdk: Sdk, provider: FakeProvider) -> None:
    create = sdk.client.chat.completions.create
    told = sdk.run(create(**ASK))
    assert told.choices[0].message.content == provider.exchanges[0].answer.text
    assert told.usage.total_tokens == (provider.exchanges[0].answer.usage or {})["total_tokens"]
    assert told._request_id == dict(provider.exchanges[0].response_headers)["x-request-id"]
    chunks = sdk.items(create(**ASK, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == provider.exchanges[1].answer.text
    used = provider.exchanges[1].answer.usage or {}
    assert chunks[-1].usage.total_tokens == used["total_tokens"]


def test_sdk_parse_and_stream_helper(sdk: Sdk, provider: FakeProvider) -> None:
    openai = pytest.importorskip("openai")
    from pydantic import BaseModel

    class Answer(BaseModel):
        city: str
        days: int

    chat = sdk.client.chat.completions if hasattr(sdk.client.chat.completions, "parse") else None
    chat = chat or sdk.client.beta.chat.completions
    told = sdk.run(chat.parse(**ASK, response_format=Answer))
    assert isinstance(told.choices[0].message.parsed, Answer)
    told = sdk.run(sdk.client.responses.parse(model="gpt-4o", input="hi", text_format=Answer))
    assert isinstance(told.output_parsed, Answer)
    tool = {"type": "function", "function": {**WEATHER, "strict": True}}
    calls = (ToolCall("get_weather", {"city": "Oslo", "days": 1, "unit": "C"}),) * 2
    provider.script([Chat(text="Looking.", tool_calls=calls)])
    told = sdk.final(chat.stream(**ASK, tools=[tool]), "get_final_completion")
    assert told.choices[0].message.content == "Looking."
    assert len(told.choices[0].message.tool_calls) == 2
    # 1.66 cannot read the reasoning items of its own API, so it is not asked for them.
    asks = {} if openai.VERSION.startswith("1.66.") else {"reasoning": {"summary": "auto"}}
    manager = sdk.client.responses.stream(model="gpt-5", input="hi", **asks)
    told = sdk.final(manager, "get_final_response")
    seen = provider.exchanges[-1].answer
    assert (told.id, told.output_text) == (seen.id, seen.text)
    if asks:
        assert told.output[0].summary[0].text == seen.reasoning != ""


def test_sdk_responses(sdk: Sdk, provider: FakeProvider) -> None:
    create = sdk.client.responses.create
    told = sdk.run(create(model="gpt-5", input="hi"))
    assert told.output_text == provider.exchanges[0].answer.text
    used = provider.exchanges[0].answer.usage or {}
    assert told.usage.output_tokens == used["output_tokens"]
    provider.script([Chat(tool_calls=(ToolCall("f", {"a": 1}),))])
    events = sdk.items(create(model="gpt-5", input="hi", stream=True))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output[0].arguments == '{"a": 1}'
    again = sdk.run(sdk.client.responses.retrieve(told.id))
    assert again.output_text == told.output_text


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_sdk_other_endpoints(sdk: Sdk, provider: FakeProvider) -> None:
    client = sdk.client
    told = sdk.run(client.completions.create(model="m", prompt="a"))
    assert told.choices[0].text == provider.exchanges[-1].answer.text
    assert sdk.items(client.completions.create(model="m", prompt="a", stream=True))
    packed = sdk.run(client.embeddings.create(model="e", input=["a", "b"]))
    plain = sdk.run(client.embeddings.create(model="e", input="a", encoding_format="float"))
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)
    assert b"base64" in provider.exchanges[-2].body
    told = sdk.run(client.images.generate(model="gpt-image-1", prompt="a", n=2))
    assert len(told.data) == 2
    used: Any = provider.exchanges[-1].answer.usage
    assert used["total_tokens"] == used["input_tokens"] + used["output_tokens"]
    picture = ("a.png", io.BytesIO(b"png"), "image/png")
    told = sdk.run(client.images.edit(model="gpt-image-1", image=picture, prompt="a; b"))
    assert told.data[0].b64_json
    used = provider.exchanges[-1].answer.usage
    assert used["input_tokens_details"]["image_tokens"] > 0
    told = sdk.run(client.images.generate(model="dall-e-3", prompt="a"))
    assert told.data[0].url
    sound = ("a.wav", io.BytesIO(b"\r\n--not a boundary"), "audio/wav")
    transcribe = client.audio.transcriptions.create
    for model, kind in (("whisper-1", "duration"), ("gpt-4o-transcribe", "tokens")):
        told = sdk.run(transcribe(model=model, file=sound))
        assert told.text == provider.exchanges[-1].answer.text
        assert (provider.exchanges[-1].answer.usage or {})["type"] == kind
    sdk.run(client.audio.translations.create(model="whisper-1", file=sound))
    told = sdk.run(client.audio.speech.create(model="tts-1", voice="alloy", input="hi"))
    assert len(told.content) >= 2048
    told = sdk.run(client.moderations.create(input="a"))
    assert told.results[0].flagged in (True, False)


def test_sdk_failures(sdk: Sdk, provider: FakeProvider) -> None:
    openai = pytest.importorskip("openai")
    create = sdk.client.chat.completions.create
    for status, kind in (
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ):
        provider.script([Error(status, code="context_length_exceeded")])
        with pytest.raises(kind) as caught:
            sdk.run(create(**ASK))
        assert caught.value.code == "context_length_exceeded"
        assert caught.value.request_id
    for answer in (Reset(), Reset(after_bytes=10), Truncate(clean=False)):
        provider.script([answer])
        with pytest.raises(sdk.broken):
            sdk.run(create(**ASK))
    provider.script([Hang(30)])
    with pytest.raises(openai.APITimeoutError):
        sdk.run(sdk.client.with_options(timeout=0.1).chat.completions.create(**ASK))
    for body in (ASK, {**ASK, "stream": True}):
        provider.script([Garbage()])
        with pytest.raises(ValueError, match=r"."):
            made = create(**body)
            sdk.items(made) if "stream" in body else sdk.run(made)
    for path in ("chat", "responses"):
        provider.script([ErrorInStream(2, "melted")])
        with pytest.raises(openai.APIError, match="melted"):
            if path == "chat":
                sdk.items(create(**ASK, stream=True))
            else:
                sdk.items(sdk.client.responses.create(model="m", input="a", stream=True))
    provider.script([Truncate(2)])
    assert len(sdk.items(create(**ASK, stream=True))) == 2
    provider.script([Reset(after_chunks=2)])
    with pytest.raises(sdk.broken):
        sdk.items(create(**ASK, stream=True))


def test_sdk_retries_after_the_time_told(sdk: Sdk, provider: FakeProvider) -> None:
    provider.script([Error(429, headers={"retry-after-ms": "20"}), Chat(text="at last")])
    client = sdk.client.with_options(max_retries=1)
    told = sdk.run(client.chat.completions.create(**ASK))
    assert told.choices[0].message.content == "at last"
    assert [seen.status for seen in provider.exchanges] == [429, 200]


def test_sdk_azure(provider: FakeProvider) -> None:
    openai = pytest.importorskip("openai")
    with openai.AzureOpenAI(
        azure_endpoint=provider.origin, api_key="any", api_version="2024-10-21"
    ) as client:
        chunks = list(client.chat.completions.create(**ASK, stream=True))
    assert chunks[0].choices == []
    assert provider.exchanges[0].path.startswith(
        "/openai/deployments/gpt-4o-mini/chat/completions?"
    )
