"""A key and a card in all that a program says to OpenAI's SDK, and in all that it hears from it."""

import base64
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import spanloom
from spanloom.testing import Chat, Error, FakeProvider, ToolCall
from spanloom.testing.answers import Answer, Body, ErrorInStream, Garbage, Hang, Reset, Truncate

from ...planting import Plants, Watch

Say = Callable[[str], str]


class Reply(BaseModel):
    city: int


def request(say: Say) -> dict[str, Any]:
    """A chat with something said wherever the API takes a text."""
    call = {
        "id": say("call id"), "type": "function",
        "function": {"name": say("called"), "arguments": say("arguments")},
    }  # fmt: skip
    image = base64.b64encode(b"\x89PNG" + bytes(90)).decode()
    parts = [
        {"type": "text", "text": say("part")},
        {"type": "image_url", "image_url": {"url": say("image"), "detail": say("detail")}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
        {"type": "file", "file": {"filename": say("file name"), "file_id": say("file id")}},
        {"type": "input_audio", "input_audio": {"data": image, "format": say("format")}},
        {"type": say("kind of part"), "x": [{say("key in a part"): say("value in a part")}]},
    ]
    schema = {"type": "object", "description": say("schema"), say("key of the schema"): 1}
    return {
        "model": say("model"),
        "messages": [
            {"role": "system", "content": say("system"), "name": say("name")},
            {"role": say("role"), "content": say("content of an odd role")},
            {"role": "user", "content": parts},
            {"role": "assistant", "tool_calls": [call], "refusal": say("refusal")},
            {"role": "tool", "tool_call_id": say("answered id"), "content": say("result")},
        ],
        "tools": [{
            "type": "function",
            "function": {
                "name": say("tool"), "description": say("of a tool"), "parameters": schema
            },
        }],
        "tool_choice": {"type": "function", "function": {"name": say("choice")}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        "stop": [say("stop")], "user": say("user"),
        "metadata": {"note": say("metadata"), say("key of metadata"): "x"},
        "service_tier": say("tier"), "reasoning_effort": say("effort"),
        "prediction": {"type": "content", "content": say("prediction")},
        # what the oldest SDK does not name goes over the wire all the same
        "extra_body": {
            "safety_identifier": say("safety"), "prompt_cache_key": say("cache key"),
            "thing": {"deep": say("extra")},
        },
    }  # fmt: skip


def answers(say: Say, plants: Plants) -> list[Answer]:
    """All that a server can say, and all the ways to fail at it."""
    text = say("split text")
    chat = Chat(
        text=text, chunks=[text[at : at + 7] for at in range(0, len(text), 7)],
        reasoning=say("reasoning"), model=say("answering model"), id=say("response id"),
        finish_reason=say("finish"), headers={"x-request-id": plants.both("request id")},
    )  # fmt: skip
    tool = ToolCall(say("asked tool"), say("asked arguments"), id=say("asked id"))
    nested = ToolCall("look", {"q": {"deep": [say("nested arguments")]}})
    return [
        chat, Chat(tool_calls=(tool, nested)), Chat(refusal=say("refused")),
        Error(400, message=say("error"), code=say("code"), type=say("type"), param=say("param")),
        Error(429, message=say("limit")), Error(401, message=f"Incorrect key: {say('auth')}"),
        ErrorInStream(1, message=say("in stream"), code=say("code in stream"), answer=chat),
        Garbage(say("garbage").encode()), Body({"thing": {say("odd key"): say("odd value")}}),
        Truncate(2, answer=chat), Reset(after_chunks=1, answer=chat),
        Hang(0.5, after_chunks=1, answer=chat),
    ]  # fmt: skip


def chats(client: openai.OpenAI, provider: FakeProvider, say: Say, plants: Plants) -> None:
    ways: list[Callable[..., Any]] = [
        client.chat.completions.create,
        lambda **given: list(client.chat.completions.create(**given, stream=True)),
        lambda **given: client.chat.completions.with_raw_response.create(**given).parse(),
        lambda **given: client.chat.completions.parse(**given | {"response_format": Reply}),
    ]
    for way in ways:
        for answer in answers(say, plants):
            provider.script([answer])
            with contextlib.suppress(Exception):
                way(**request(say))


def others(client: openai.OpenAI, provider: FakeProvider, say: Say, plants: Plants) -> None:
    picture = b"\x89PNG" + bytes(200)
    message = {"role": "user", "content": [{"type": "input_text", "text": say("input")}]}
    asked: Any = {
        "model": say("model"), "input": [message], "instructions": say("instructions"),
        "metadata": {"k": say("metadata")}, "previous_response_id": say("previous"),
        "tools": [{"type": "function", "name": say("tool"), "description": say("about it")}],
        "extra_body": {
            "prompt": {"id": say("prompt"), "version": "1", "variables": {"v": say("variable")}},
            "conversation": say("conversation"), "safety_identifier": say("safety"),
        },
    }  # fmt: skip
    ways: list[Callable[[], Any]] = [
        lambda: client.responses.create(**asked),
        lambda: list(client.responses.create(**asked, stream=True)),
        lambda: client.responses.parse(**asked, text_format=Reply),
        lambda: client.embeddings.create(model=say("model"), input=[say("input")]),
        lambda: client.images.generate(
            model="gpt-image-1", prompt=say("prompt"), user=say("user"), extra_body={"x": say("x")}
        ),
        lambda: client.images.edit(
            model=say("model"), prompt=say("prompt"), image=("a.png", picture, "image/png")
        ),
        lambda: client.audio.transcriptions.create(
            model="whisper-1", prompt=say("prompt"), language=say("language"),
            file=(plants.both("file name"), say("file").encode(), "text/plain"),
        ),
        lambda: client.audio.speech.create(
            model="tts-1", voice=say("voice"), input=say("input"),
            extra_body={"instructions": say("how")},
        ),
        lambda: client.moderations.create(model=say("model"), input=say("input")),
        lambda: client.completions.create(
            model=say("model"), prompt=say("prompt"), suffix=say("suffix"), user=say("user")
        ),
    ]  # fmt: skip
    for way in ways:
        for answer in (None, Error(400, message=say("error"), code=say("code")), None):
            provider.clear()
            if answer is not None:
                provider.script([answer])
            with contextlib.suppress(Exception):
                way()
    said = say("response")
    heard: dict[str, Any] = {
        "/images/generations": {"created": 1, "data": [
            {"url": plants.both("image url"), "revised_prompt": said}]},
        "/audio/transcriptions": {"text": said, "language": say("heard language"),
                                  "segments": [{"text": say("segment")}]},
        "/moderations": {"id": say("id"), "model": say("model"), "results": [
            {"flagged": True, "categories": {say("category"): True},
             "category_scores": {say("score"): 0.5}}]},
    }  # fmt: skip
    for path, body in heard.items():
        provider.script([Body(body)], path=path)
    client.images.generate(model="gpt-image-1", prompt="x")
    client.moderations.create(input="x")
    client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF", "audio/wav"))


@pytest.mark.parametrize(
    ("content", "seed"), [("redacted", 1), ("redacted", 5), ("redacted", 9), ("hash", 3), ("none", 7), ("full", 2)]
)  # fmt: skip
def test_no_byte_of_it_is_anywhere(
    content: str,
    seed: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    plants = Plants(seed)
    watch = Watch(tmp_path / "record", capsys, caplog, content=content, integrations=["openai"])
    with FakeProvider(seed=7) as provider, openai.OpenAI(
        base_url=provider.url, api_key=plants.key("api key"), max_retries=0, timeout=0.3
    ) as client, spanloom.span("outer"):  # fmt: skip
        chats(client, provider, plants.text, plants)
        others(client, provider, plants.text, plants)
    seen = watch.written()
    if content == "full":  # or the others would prove nothing
        assert len(plants.found_in(seen["local"])) > 60
        return
    for place, text in seen.items():
        assert not plants.found_in(text), place
    assert len(watch.memory.find(kind="llm")) > 50
    assert len(plants.places) > 1000
