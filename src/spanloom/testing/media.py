"""Embeddings, images, audio, moderations and models as they go over the wire.

Source: the API reference of each endpoint. Contents are random; counts fit each other.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from random import Random
from typing import Any

from spanloom.testing.answers import Call, Piece, Reply
from spanloom.testing.invention import key, words
from spanloom.testing.wire import EVENT_STREAM, event, whole

DIMENSIONS = 16
CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-5", "text-embedding-3-small", "whisper-1", "gpt-image-1")
AUDIO_TYPES = {"mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "wav": "audio/wav"}


def embeddings(call: Call, rng: Random, seed: int) -> Reply:
    """``/embeddings``: one unit vector for each input; the same text has the same vector."""
    given = call.params.get("input", "")
    many = isinstance(given, list) and (not given or isinstance(given[0], str | list))
    inputs = given if many else [given]
    size = int(call.params.get("dimensions") or DIMENSIONS)
    data = []
    for index, text in enumerate(inputs):
        vector: list[float] | str = unit_vector(Random(f"{seed}|{text}"), size)
        if call.params.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = sum(max(1, len(text) // 4) for text in inputs) + rng.randint(0, 3)
    model = str(call.params.get("model") or "text-embedding-3-small")
    told = {"prompt_tokens": tokens, "total_tokens": tokens}
    return whole({"object": "list", "data": data, "model": model, "usage": told})


def unit_vector(rng: Random, size: int) -> list[float]:
    """A vector of length 1 whose numbers are exact in 32 bits."""
    raw = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(x * x for x in raw)) or 1.0
    return list(struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *(x / length for x in raw))))


def images(call: Call, rng: Random, created: int) -> Reply:
    """``/images/generations`` and ``/images/edits``; only the ``gpt-image`` models tell usage."""
    model = str(call.params.get("model") or "dall-e-2")
    counted = model.startswith(("gpt-image", "chatgpt-image"))
    inline = counted or call.params.get("response_format") == "b64_json"
    data: list[dict[str, Any]] = []
    for _ in range(int(call.params.get("n") or 1)):
        if inline:
            data.append({"b64_json": base64.b64encode(png(rng)).decode()})
        else:
            data.append({"url": f"https://images.example.com/{key(rng)}.png"})
        if model == "dall-e-3":
            data[-1]["revised_prompt"] = words(rng)
    told: dict[str, Any] = {"created": created, "data": data}
    if counted:
        quality = call.params.get("quality") or "medium"
        told |= {"background": "opaque", "output_format": "png", "quality": quality}
        told |= {"size": call.params.get("size") or "1024x1024", "usage": image_usage(call, rng)}
    if not (call.stream and counted):
        return whole(told)
    name = "image_edit" if call.endpoint.endswith("edits") else "image_generation"
    shared = {"created_at": created, **{k: told[k] for k in ("size", "quality", "background")}}
    shared |= {"output_format": "png", "b64_json": data[0]["b64_json"]}
    payloads = [
        {"type": f"{name}.partial_image", **shared, "partial_image_index": index}
        for index in range(int(call.params.get("partial_images") or 0))
    ]
    payloads.append({"type": f"{name}.completed", **shared, "usage": told["usage"]})
    pieces = tuple(event(payload, payload["type"]) for payload in payloads)
    return Reply(pieces, stream=True, content_type=EVENT_STREAM)


def image_usage(call: Call, rng: Random) -> dict[str, Any]:
    """Token counts; an edit has image tokens in its input, too."""
    text = rng.randint(3, 60)
    image = rng.randint(100, 400) if call.endpoint.endswith("edits") else 0
    out = rng.choice((272, 1056, 4160))
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": out,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": out},
        "total_tokens": text + image + out,
    }


def png(rng: Random) -> bytes:
    """A valid image of one random pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    pixel = b"\0" + rng.randbytes(3)
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixel)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def transcript(call: Call, rng: Random) -> Reply:
    """``/audio/transcriptions`` and ``/audio/translations``.

    ``whisper`` models tell a duration, the others tokens. Translations tell no usage.
    """
    model = str(call.params.get("model") or "whisper-1")
    text = words(rng)
    seconds = rng.randint(1, 90)
    shape = call.params.get("response_format") or "json"
    if shape in ("text", "srt", "vtt"):
        line = "00:00:00,000 --> 00:00:02,000\n" + text
        body = {"text": text, "srt": f"1\n{line}\n", "vtt": f"WEBVTT\n\n{line}\n"}[str(shape)]
        return Reply((Piece(f"{body}\n".encode()),), content_type="text/plain; charset=utf-8")
    told: dict[str, Any] = {"text": text}
    if shape == "verbose_json":
        told |= {"task": "transcribe", "language": "english", "duration": float(seconds)}
        told["segments"] = []
    if call.endpoint.endswith("transcriptions"):
        if model.startswith("whisper"):
            told["usage"] = {"type": "duration", "seconds": seconds}
        else:
            told["usage"] = transcript_usage(seconds, rng)
    if not (call.stream and "usage" in told):
        return whole(told)
    deltas = [{"type": "transcript.text.delta", "delta": word} for word in text.split(" ")]
    done = {"type": "transcript.text.done", **told}
    pieces = tuple(event(payload, str(payload["type"])) for payload in (*deltas, done))
    return Reply(pieces, stream=True, content_type=EVENT_STREAM)


def transcript_usage(seconds: int, rng: Random) -> dict[str, Any]:
    """Token counts: ten a second of audio, and some of text."""
    text, out = rng.randint(0, 20), rng.randint(1, 200)
    return {
        "type": "tokens",
        "input_tokens": seconds * 10 + text,
        "input_token_details": {"text_tokens": text, "audio_tokens": seconds * 10},
        "output_tokens": out,
        "total_tokens": seconds * 10 + text + out,
    }


def speech(call: Call, rng: Random) -> Reply:
    """``/audio/speech``: some kilobytes of noise, in several chunks."""
    kind = AUDIO_TYPES.get(str(call.params.get("response_format") or "mp3"), "audio/mpeg")
    pieces = tuple(Piece(rng.randbytes(1024)) for _ in range(rng.randint(2, 6)))
    return Reply(pieces, stream=True, content_type=kind)


def moderations(call: Call, rng: Random) -> Reply:
    """``/moderations``: one result for each input; flagged if any category is."""
    given = call.params.get("input", "")
    count = len(given) if isinstance(given, list) and all(isinstance(x, str) for x in given) else 1
    results = []
    for _ in range(count):
        scores = {name: round(rng.random() ** 3, 6) for name in CATEGORIES}
        flags = {name: score > 0.5 for name, score in scores.items()}
        applied = {name: ["text"] for name in CATEGORIES}
        results.append(
            {
                "flagged": any(flags.values()),
                "categories": flags,
                "category_scores": scores,
                "category_applied_input_types": applied,
            }
        )
    model = str(call.params.get("model") or "omni-moderation-latest")
    return whole({"id": f"modr-{key(rng)}", "model": model, "results": results})


def models(call: Call, created: int) -> Reply:
    """``/models`` and ``/models/{id}``."""

    def card(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": created, "owned_by": "system"}

    wanted = call.path.partition("?")[0].rpartition("/models/")[2]
    if "/models/" in call.path:
        return whole(card(wanted))
    return whole({"object": "list", "data": [card(name) for name in MODELS]})
