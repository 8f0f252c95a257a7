"""Images and audio: request and reply to ``LLMCall``, and the taps of their streams.

Source: the API references of images and audio, and of their stream events. Checked with openai 1.66,
2.54 and 3.52. A reply that is no JSON (speech, subtitles) comes as ``Facts.body``.
"""

from base64 import b64encode
from collections.abc import Mapping
from mimetypes import guess_type
from time import perf_counter_ns
from typing import Any

from spanloom.types import LLMCall, Media, Message, MessagePart, Opaque, Text, Usage

from .call import (
    Facts,
    MediaKind,
    audio_type,
    base,
    data_url,
    fingerprint,
    mime,
    parts,
    request,
    timing,
)
from .errors import failure
from .values import NOTHING, Raw, as_mapping, number, objects, plain, text, words


def uploads(files: Any) -> tuple[Media, ...]:
    """``options.files`` of a multipart request: names and sizes, never the content of a file object.

    It is a dict or a list of pairs of a field and a file; a file is content, or a tuple
    ``(name, content, mime_type, ...)``. Nothing is read: the SDK is still to send it.
    """
    pairs = files.items() if isinstance(files, Mapping) else files
    found = []
    for pair in pairs if isinstance(pairs, list | tuple) or isinstance(files, Mapping) else ():
        if not isinstance(pair, tuple) or len(pair) != 2:
            continue
        about = pair[1]
        held = about if isinstance(about, tuple) else (None, about)
        name = held[0] if held and isinstance(held[0], str) else None
        content = held[1] if len(held) > 1 else None
        if name is None:
            path = getattr(content, "name", None)  # of an open file
            name = path.replace("\\", "/").rpartition("/")[2] if isinstance(path, str) else None
        kind = held[2] if len(held) > 2 and isinstance(held[2], str) else None
        kind = kind or (guess_type(name)[0] if name else None)
        size = len(content) if isinstance(content, bytes | bytearray) else None
        found.append(
            Media(media=_media(kind, str(pair[0])), mime_type=kind, name=name, size_bytes=size)
        )
    return tuple(found)


def _media(mime_type: str | None, field: str) -> MediaKind:
    match (mime_type or "").partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "image" if field.startswith(("image", "mask")) else "file"


def parse_image(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    return _image(body, reply, facts, "image_generation")


def parse_image_edit(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    return _image(body, reply, facts, "image_edit")


def parse_image_variation(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    return _image(body, reply, facts, "image_variation")


def _image(body: Raw, reply: Raw | None, facts: Facts, operation: str) -> LLMCall:
    known = base(body, reply, facts, operation)
    known.update(request(body))
    said: list[MessagePart] = [*parts(body.get("prompt")), *facts.files]
    for image in objects(body, "images"):  # by address or id, where they are not uploaded
        said += parts([{"type": "input_image", **image}])
    known["input"] = (Message(role="user", parts=tuple(said)),) if said else ()
    if reply:
        form = words(reply, "output_format") or words(body, "output_format") or "png"
        known["output"] = tuple([_picture(o, form) for o in objects(reply, "data")])
    known.update(timing(facts, known.get("usage")))
    return LLMCall(**known)


def _picture(raw: Raw, form: str) -> Message:
    found: list[MessagePart] = []
    data, url = words(raw, "b64_json"), words(raw, "url")
    if data:
        kind = f"image/{form}"
        found.append(Media(media="image", url=data_url(data, kind), mime_type=kind))
    elif url:
        found.append(Media(media="image", url=url, mime_type=mime(url)))
    else:
        found.append(Opaque(name="image", value=raw))
    if revised := words(raw, "revised_prompt"):
        found.append(Opaque(name="revised_prompt", value=revised))
    return Message(role="assistant", parts=tuple(found))


def parse_transcription(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    return _transcript(body, reply, facts, "transcription")


def parse_translation(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    return _transcript(body, reply, facts, "translation")


def _transcript(body: Raw, reply: Raw | None, facts: Facts, operation: str) -> LLMCall:
    if not reply and facts.body:  # response_format text, srt, vtt
        reply = {"text": facts.body.decode("utf-8", "replace")}
    known = base(body, reply, facts, operation)
    known.update(request(body))
    said = [*parts(body.get("prompt")), *facts.files]
    known["input"] = (Message(role="user", parts=tuple(said)),) if said else ()
    if reply:
        found = parts(reply.get("text"))
        found += [
            Opaque(name=name, value=value)
            for name in ("language", "languages", "segments", "words")
            if (value := reply.get(name))
        ]
        if found:
            known["output"] = (Message(role="assistant", parts=tuple(found)),)
        seconds = number(reply, "duration")
        if known.get("usage") is None and seconds is not None and seconds >= 0:
            known["usage"] = Usage(audio_s=seconds)  # whisper bills time, and says it only here
    known.update(timing(facts, known.get("usage")))
    return LLMCall(**known)


def parse_speech(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    known = base(body, reply, facts, "speech")
    known.update(request(body))
    known["input"] = (Message(role="user", parts=tuple(parts(body.get("input")))),)
    instructions = words(body, "instructions")
    if instructions:
        known["input"] = (Message(role="system", parts=(Text(text=instructions),)), *known["input"])
        known["prompt_fingerprint"] = fingerprint([instructions])
    data = words(reply, "audio") if reply else None
    kind = facts.mime_type or ""
    if not kind.startswith("audio/"):  # without a word from the request it is MP3
        kind = audio_type(words(body, "response_format") or "mp3")
    sound: Media | None = None
    if data:
        sound = Media(media="audio", url=data_url(data, kind), mime_type=kind)
    elif facts.body:
        url = data_url(b64encode(facts.body).decode("ascii"), kind)
        sound = Media(media="audio", url=url, mime_type=kind, size_bytes=len(facts.body))
    if sound is not None:
        known["output"] = (Message(role="assistant", parts=(sound,)),)
    known.update(timing(facts, known.get("usage")))
    return LLMCall(**known)


class _EventTap:
    """A stream of events of which one names the whole at the end."""

    def __init__(self, body: Raw | None = None) -> None:
        self._last: Any = None
        self._done = False
        self.first_tick = 0
        self.last_tick = 0
        self.chunks = 0
        self.failure: dict[str, Any] | None = None

    def feed(self, event: Any, tick: int = 0) -> None:
        kind = event.type or ""
        if kind.endswith((".delta", ".partial_image", ".segment")):
            self.chunks += 1
            self.last_tick = tick or perf_counter_ns()
            if not self.first_tick:
                self.first_tick = self.last_tick
            self._take(event)
        elif kind.endswith((".done", ".completed")):
            self._last = event
            self._finish(event)
        else:
            error = (event.__pydantic_extra__ or NOTHING).get("error")
            if error is not None:
                self.failure = failure(as_mapping(error)) or {"message": str(error)[:200]}

    def _take(self, event: Any) -> None:
        pass

    def _finish(self, event: Any) -> None:
        pass

    def end(self) -> None:
        """The server said that nothing follows (``[DONE]``)."""
        self._done = True

    @property
    def complete(self) -> bool:
        return self.failure is None and (self._done or self._last is not None)

    @property
    def weight(self) -> int:
        return 500

    def reply(self) -> dict[str, Any]:
        raise NotImplementedError


class TranscriptTap(_EventTap):
    def __init__(self, body: Raw | None = None) -> None:
        super().__init__(body)
        self._texts: list[str] = []
        self._segments: list[Any] = []

    def _take(self, event: Any) -> None:
        if event.type == "transcript.text.segment":
            self._segments.append(plain(event))
        elif isinstance(event.delta, str):
            self._texts.append(event.delta)

    @property
    def weight(self) -> int:
        return 500 + sum(map(len, self._texts)) + 300 * len(self._segments)

    def reply(self) -> dict[str, Any]:
        out = dict(plain(self._last)) if self._last is not None else {}
        out.pop("type", None)
        if not text(out, "text"):
            out["text"] = "".join(self._texts)
        if self._segments:
            out["segments"] = self._segments
        return out


class ImageTap(_EventTap):
    """Keeps no picture that is still growing. With ``n`` there is one last event for each."""

    def __init__(self, body: Raw | None = None) -> None:
        super().__init__(body)
        wanted = body.get("n") if body else None
        self._wanted = wanted if isinstance(wanted, int) else 1
        self._finished: list[Any] = []

    def _finish(self, event: Any) -> None:
        self._finished.append(event)

    @property
    def complete(self) -> bool:
        return self.failure is None and (self._done or len(self._finished) >= self._wanted)

    @property
    def weight(self) -> int:
        return 500 + sum(len(e.b64_json) for e in self._finished if isinstance(e.b64_json, str))

    def reply(self) -> dict[str, Any]:
        raws = [plain(event) for event in self._finished]
        out = {k: v for raw in raws for k, v in raw.items() if k not in ("type", "b64_json", "url")}
        out["data"] = [{k: raw[k] for k in ("b64_json", "url") if k in raw} for raw in raws]
        return out


class SpeechTap(_EventTap):
    def __init__(self, body: Raw | None = None) -> None:
        super().__init__(body)
        self._sound: list[str] = []

    def _take(self, event: Any) -> None:
        if isinstance(event.audio, str):
            self._sound.append(event.audio)

    @property
    def weight(self) -> int:
        return 500 + sum(map(len, self._sound))

    def reply(self) -> dict[str, Any]:
        out = dict(plain(self._last)) if self._last is not None else {}
        out.pop("type", None)
        # each fragment is base64 of its own: only where none but the last is padded is the sum valid
        if self._sound and not any("=" in part for part in self._sound[:-1]):
            out["audio"] = "".join(self._sound)
        return out
