"""Images, audio, embeddings, moderations and legacy completions."""

import io
import json
from typing import Any

from spanloom.types import Media, Message, Opaque, Text, Usage
from spanloom_integrations.openai import media, small
from spanloom_integrations.openai.call import Facts
from spanloom_integrations.openai.sse import feed_events

FACTS = Facts(provider="openai")


def stream(tap: Any, *events: dict[str, Any]) -> Any:
    feed_events(tap, [(3, b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events))])
    return tap


def test_images() -> None:
    body = {"model": "gpt-image-1", "prompt": "a cat", "n": 2, "size": "1024x1024"}
    usage = {
        "input_tokens": 5, "output_tokens": 90, "total_tokens": 95,
        "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
    }  # fmt: skip
    data = [{"b64_json": "AA", "revised_prompt": "a black cat"}, {"url": "https://x/y"}]
    call = media.parse_image(body, {"data": data, "usage": usage, "output_format": "webp"}, FACTS)
    assert call.input == (Message(role="user", parts=(Text(text="a cat"),)),)
    first, second = call.output
    assert first.parts == (
        Media(media="image", url="data:image/webp;base64,AA", mime_type="image/webp"),
        Opaque(name="revised_prompt", value="a black cat"),
    )
    assert second.parts == (Media(media="image", url="https://x/y"),)
    assert call.usage == Usage(input=5, output=90, total=95, input_text=5, input_image=0)
    assert (call.choices, call.params) == (2, {"size": "1024x1024"})


def test_streamed_image_keeps_only_the_last() -> None:
    usage = {"input_tokens": 5, "output_tokens": 90}
    tap = stream(
        media.ImageTap({}),
        {"type": "image_generation.partial_image", "b64_json": "A" * 5000},
        {
            "type": "image_generation.completed",
            "b64_json": "BB",
            "usage": usage,
            "output_format": "png",
        },
    )
    assert (tap.chunks, tap.complete) == (1, True)
    assert tap.weight < 2000
    assert tap.reply() == {"data": [{"b64_json": "BB"}], "usage": usage, "output_format": "png"}


def test_transcription() -> None:
    facts = Facts(files=media.uploads({"file": ("talk.mp3", b"123", "audio/mpeg")}))
    tokens = {"type": "tokens", "input_tokens": 9, "output_tokens": 2, "total_tokens": 11,
              "input_token_details": {"audio_tokens": 9}}  # fmt: skip
    call = media.parse_transcription({"model": "m"}, {"text": "hi", "usage": tokens}, facts)
    talk = Media(media="audio", mime_type="audio/mpeg", name="talk.mp3", size_bytes=3)
    assert call.input == (Message(role="user", parts=(talk,)),)
    assert call.usage == Usage(input=9, output=2, total=11, input_audio=9)
    seconds = {"text": "hi", "usage": {"type": "duration", "seconds": 4.5}}
    assert media.parse_transcription({}, seconds, FACTS).usage == Usage(audio_s=4.5)
    assert media.parse_transcription({}, {"text": "", "duration": 2.0}, FACTS).usage == Usage(
        audio_s=2.0
    )
    subtitles = media.parse_transcription({}, None, Facts(body="1\nhäh".encode()))
    assert subtitles.output[0].parts == (Text(text="1\nhäh"),)


def test_streamed_transcript_equals_whole() -> None:
    tap = stream(
        media.TranscriptTap(),
        {"type": "transcript.text.delta", "delta": "he"},
        {"type": "transcript.text.delta", "delta": "llo"},
    )
    assert (tap.reply(), tap.complete) == ({"text": "hello"}, False)
    stream(tap, {"type": "transcript.text.done", "text": "hello", "usage": {"input_tokens": 1}})
    assert (tap.reply(), tap.complete) == ({"text": "hello", "usage": {"input_tokens": 1}}, True)


def test_speech() -> None:
    body = {"model": "tts-1", "input": "say", "voice": "alloy", "instructions": "softly"}
    call = media.parse_speech(body, None, Facts(body=b"abc", mime_type="audio/mpeg"))
    assert [m.role for m in call.input] == ["system", "user"]
    [sound] = call.output[0].parts
    assert sound == Media(media="audio", url="data:audio/mpeg;base64,YWJj", mime_type="audio/mpeg", size_bytes=3)  # fmt: skip
    tap = stream(
        media.SpeechTap(),
        {"type": "speech.audio.delta", "audio": "YWJj"},
        {"type": "speech.audio.done", "usage": {"input_tokens": 1, "output_tokens": 2}},
    )
    streamed = media.parse_speech(body, tap.reply(), Facts(mime_type="text/event-stream"))
    assert streamed.output[0].parts[0] == Media(media="audio", url="data:audio/mpeg;base64,YWJj", mime_type="audio/mpeg")  # fmt: skip
    assert streamed.usage == Usage(input=1, output=2)


def test_uploads_read_nothing() -> None:
    file = io.BytesIO(b"data")
    file.name = "/tmp/some/picture.png"
    [found] = media.uploads([("image[]", file)])
    assert found == Media(media="image", mime_type="image/png", name="picture.png")
    assert file.tell() == 0
    assert media.uploads(None) == media.uploads("x") == media.uploads([1]) == ()


def test_embeddings() -> None:
    class Vector:
        embedding = (0.1, 0.2)

    class Reply:
        def __init__(self) -> None:
            self.model, self.usage = "e-1", {"prompt_tokens": 4, "total_tokens": 4}
            self.data = [Vector(), Vector()]

    found = small.parse_embedding(
        {"model": "e", "input": ["a", "b"]}, small.embedding_reply(Reply()), FACTS
    )
    assert (found.count, found.dimensions, found.input) == (2, 2, ["a", "b"])
    assert found.usage == Usage(input=4, total=4)
    raw = {"data": [{"embedding": "AACAPwAAAEA="}]}
    assert small.parse_embedding({}, raw, FACTS).dimensions == 2
    assert small.parse_embedding({}, None, FACTS).count is None


def test_moderation_is_a_guardrail() -> None:
    results = [
        {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.1}},
        {
            "flagged": True,
            "categories": {"hate": True, "self-harm": True},
            "category_scores": {"hate": 0.9},
        },
    ]
    found = small.parse_moderation(
        {"model": "m", "input": "x"}, {"id": "modr-1", "results": results}, FACTS
    )
    assert (found.triggered, found.categories, found.scores) == (
        True,
        ("hate", "self-harm"),
        {"hate": 0.9},
    )
    assert small.parse_moderation({"input": "x"}, None, FACTS).triggered is None


def test_legacy_completion_streamed_equals_whole() -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b"], "max_tokens": 3}
    whole = {
        "id": "cmpl-1", "model": "m",
        "choices": [
            {"index": 0, "text": "one", "finish_reason": "stop"},
            {"index": 1, "text": "two", "finish_reason": "length"},
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
    }  # fmt: skip
    head = {"id": "cmpl-1", "model": "m"}
    tap = stream(
        small.CompletionTap(body),
        {**head, "choices": [{"index": 0, "text": "o"}]},
        {**head, "choices": [{"index": 1, "text": "two"}]},
        {**head, "choices": [{"index": 0, "text": "ne", "finish_reason": "stop"}]},
        {**head, "choices": [{"index": 1, "text": "", "finish_reason": "length"}]},
        {**head, "choices": [], "usage": whole["usage"]},
    )
    assert tap.complete
    call = small.parse_completion(body, tap.reply(), FACTS)
    assert call == small.parse_completion(body, whole, FACTS)
    assert [m.parts for m in call.input] == [(Text(text="a"),), (Text(text="b"),)]
    assert call.finish == ("stop", "length")
    tokens = small.parse_completion({"prompt": [1, 2]}, None, FACTS).input[0].parts
    assert tokens == (Opaque(name="tokens", value=[1, 2]),)
