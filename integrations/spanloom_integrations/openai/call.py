"""What all endpoints share: the facts around a call, the parameters, fingerprints, tools, parts."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct, json

from spanloom.types import (
    Attempt,
    Cost,
    Media,
    MessagePart,
    Opaque,
    Refusal,
    Role,
    Text,
    ToolDefinition,
    Usage,
)

from .usage import cost, usage
from .values import (
    LISTS,
    Raw,
    as_mapping,
    integer,
    items,
    mapping,
    number,
    plain,
    secret,
    text,
    without_secrets,
    words,
)


class Facts(Struct, frozen=True, kw_only=True):
    """What the engine knows of a call beside request and reply. Ticks are ``perf_counter_ns``."""

    provider: str | None = None
    server_address: str | None = None
    server_port: int | None = None
    http_status: int | None = None
    request_id: str | None = None
    attempts: tuple[Attempt, ...] = ()
    stream: bool = False
    start_tick: int = 0
    first_tick: int = 0
    last_tick: int = 0
    chunks: int = 0
    response_id: str | None = None
    """Named in the URL, where a reply is fetched again."""
    files: tuple[Media, ...] = ()
    """What a multipart request uploads: names and types; see ``media.uploads``."""
    body: bytes | None = None
    """The reply's own bytes, where it is no JSON: speech, or a transcript as text or subtitles."""
    mime_type: str | None = None


NO_FACTS = Facts()

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}

_CONTENT = frozenset({
    "model", "messages", "input", "instructions", "tools", "functions", "stream", "stream_options",
    "prompt", "file", "image", "images", "mask",
})  # fmt: skip
_FIELDS = frozenset({
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "seed", "stop",
    "n", "reasoning_effort", "response_format", "tool_choice", "function_call", "conversation",
    "previous_response_id",
})  # fmt: skip
# they differ from call to call without being a change of the program
_OF_ONE_CALL = frozenset({
    "metadata", "user", "safety_identifier", "prompt_cache_key", "previous_response_id",
    "conversation", "prediction",
})  # fmt: skip


def merged(body: Any, extra: Any = None) -> dict[str, Any]:
    """The body as sent: ``options.json_data`` with ``options.extra_json`` (``extra_body``) over it."""
    base = body if isinstance(body, dict) else dict(as_mapping(body))
    return {**base, **extra} if isinstance(extra, Mapping) and extra else base


def base(body: Raw, reply: Raw | None, facts: Facts, operation: str) -> dict[str, Any]:
    """The fields of ``ModelCall``."""
    known: dict[str, Any] = {
        "provider": facts.provider,
        "model": words(body, "model"),
        "operation": operation,
        "server_address": facts.server_address,
        "server_port": facts.server_port,
        "http_status": facts.http_status,
        "provider_request_id": facts.request_id,
        "attempts": facts.attempts,
    }
    if reply:
        known["response_model"] = words(reply, "model")
        known["response_id"] = words(reply, "id")
        said = reply.get("usage")
        if said is not None:
            known["usage"] = usage(said)
            known["cost"] = money(said, facts)
    return known


def money(said: Any, facts: Facts) -> Cost | None:
    found = cost(said)
    if found is not None and facts.provider == "openai":
        return None  # OpenAI names no prices: whatever lies there is not dollars
    return found


def request(body: Raw) -> dict[str, Any]:
    """The request's fields of ``LLMCall``, but for messages and tools."""
    params: dict[str, Any] = {}
    lasting: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in _CONTENT or type(name) is not str:
            continue
        if type(value) is dict or type(value) is list:
            value = without_secrets(value)
        elif secret(name):
            continue
        if name not in _OF_ONE_CALL:
            lasting[name] = value
        if name not in _FIELDS:
            params[name] = value
    lasting["model"] = body.get("model")
    get = body.get
    known: dict[str, Any] = {"params": params, "params_fingerprint": fingerprint(lasting)}
    if get("temperature") is not None:
        known["temperature"] = number(body, "temperature")
    if get("top_p") is not None:
        known["top_p"] = number(body, "top_p")
    for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        if get(name) is not None:
            known["max_tokens"] = integer(body, name)
            break
    if get("seed") is not None:
        known["seed"] = integer(body, "seed")
    stop = get("stop")
    if stop is not None:
        known["stop"] = (stop,) if isinstance(stop, str) else strings(items(body, "stop"))
    if get("n") is not None:
        known["choices"] = integer(body, "n")
    if get("reasoning_effort") is not None:
        known["reasoning_effort"] = text(body, "reasoning_effort")
    if "reasoning" in params:
        _split(params, known, "reasoning", "effort", "reasoning_effort")
    form = get("response_format")
    if form is not None:
        known["response_format"] = form
    elif "text" in params:
        _split(params, known, "text", "format", "response_format")
    choice = get("tool_choice", get("function_call"))
    if choice is not None:
        known["tool_choice"] = without_secrets(choice)
    return known


def _split(params: dict[str, Any], known: dict[str, Any], name: str, key: str, field: str) -> None:
    """Take ``key`` out of the object ``name``; the rest of it stays a parameter."""
    held = params[name]
    if isinstance(held, dict) and held.get(key) is not None:
        value = held[key]
        if field == "reasoning_effort" and not isinstance(value, str):
            return
        known[field] = value
        rest = {k: v for k, v in held.items() if k != key and v is not None}
        if rest:
            params[name] = rest
        else:
            del params[name]


def strings(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(v for v in values if isinstance(v, str))


def fingerprint(value: Any) -> str | None:
    """Short and stable over processes; ``None`` for what is no JSON."""
    try:
        data = json.encode(value, order="deterministic", enc_hook=plain)
    except (TypeError, ValueError, RecursionError):  # lone surrogates, objects of the program
        return None
    return _digest(data) if len(data) <= _SMALL else _digest.__wrapped__(data)


_SMALL = 4096


@lru_cache(maxsize=256)
def _digest(data: bytes) -> str:
    """Kept, as a program asks again and again with the same parameters and the same system prompt."""
    return sha256(data).hexdigest()[:16]


def timing(facts: Facts, used: Usage | None, thought_aloud: bool = False) -> dict[str, Any]:
    """Figures of a stream. ``thought_aloud``: the reasoning came as chunks too."""
    if not facts.stream:
        return {}
    known: dict[str, Any] = {"stream": True, "chunks": facts.chunks}
    first = facts.first_tick
    if not first:
        return known
    if facts.start_tick:
        known["time_to_first_chunk_ns"] = max(first - facts.start_tick, 0)
    span, gaps = facts.last_tick - first, facts.chunks - 1
    if gaps > 0 and span > 0:
        known["time_per_output_chunk_ns"] = span // gaps
        if used is not None and used.output:
            tokens = used.output
            if not thought_aloud and used.reasoning:
                tokens -= used.reasoning  # they were made before the first chunk
            # the first chunk's tokens are not counted: its share is all that is known of them
            rate = tokens * gaps / facts.chunks / (span / 1e9)
            if rate > 0:
                known["output_tokens_per_s"] = rate
    return known


def tools(body: Raw) -> tuple[ToolDefinition, ...]:
    """Both shapes: chat nests a function under ``function``, responses does not."""
    if not ("tools" in body or "functions" in body):
        return ()
    found = [_tool(as_mapping(raw)) for raw in items(body, "tools")]
    found += [_tool({"type": "function", "function": f}) for f in items(body, "functions")]
    return tuple(found)


def _tool(raw: Raw) -> ToolDefinition:
    kind = words(raw, "type") or "function"
    inner = mapping(raw, kind) or raw
    name = words(inner, "name")
    if kind == "function" and name:
        return ToolDefinition(
            name=name, description=text(inner, "description"), parameters=inner.get("parameters")
        )
    rest = {
        k: v for k, v in without_secrets(inner).items() if k not in ("type", "name", "description")
    }
    return ToolDefinition(
        name=name or words(inner, "server_label") or kind,
        description=text(inner, "description") or text(inner, "server_description"),
        parameters=rest or None,
        type=kind,
    )


MediaKind = Literal["image", "audio", "video", "file"]
_AUDIO_TYPES = {"mp3": "audio/mpeg", "pcm16": "audio/pcm", "pcm": "audio/pcm"}


def parts(content: Any) -> list[MessagePart]:
    """Content of a message: a text, or a list of parts of chat's or responses' kinds."""
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    if isinstance(content, LISTS):
        return [part(raw) for raw in content]
    if content is None:
        return []
    return [Opaque(name="content", value=plain(content))]


def part(raw: Any) -> MessagePart:
    if isinstance(raw, str):
        return Text(text=raw)
    found = as_mapping(raw)
    kind = text(found, "type") or ""
    match kind:
        case "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text":
            said = text(found, "text")
            if said is not None:
                return Text(text=said)
        case "refusal":
            said = text(found, "refusal")
            if said is not None:
                return Refusal(text=said)
        case "image_url" | "video_url" | "audio_url":
            url = found.get(kind)
            url = url if isinstance(url, str) else text(mapping(found, kind), "url")
            if url is not None:
                media: MediaKind = (
                    "image" if kind[0] == "i" else "video" if kind[0] == "v" else "audio"
                )
                return Media(media=media, url=url, mime_type=mime(url))
        case "input_image" | "computer_screenshot" | "output_image":
            url, file_id = text(found, "image_url"), text(found, "file_id")
            if url or file_id:
                return Media(media="image", url=url, file_id=file_id, mime_type=mime(url))
        case "input_audio":
            audio = mapping(found, "input_audio")
            data = words(audio, "data")
            if data:
                type_ = audio_type(text(audio, "format"))
                return Media(media="audio", url=data_url(data, type_), mime_type=type_)
        case "file" | "input_file":
            inner = mapping(found, "file") or found
            data, url = text(inner, "file_data"), text(inner, "file_url")
            if data is not None and not data.startswith("data:"):
                data = data_url(data, "application/octet-stream")
            if data or url or words(inner, "file_id"):
                return Media(
                    media="file", url=data or url, file_id=text(inner, "file_id"),
                    name=text(inner, "filename"), mime_type=mime(data),
                )  # fmt: skip
        case _:
            pass
    return Opaque(name=kind or "content", value=raw if isinstance(raw, dict) else plain(raw))


def audio_type(form: str | None) -> str:
    return _AUDIO_TYPES.get(form or "wav", f"audio/{form or 'wav'}")


def data_url(data: str, mime_type: str) -> str:
    return f"data:{mime_type};base64,{data}"


def mime(url: str | None) -> str | None:
    """The type that a data URL names."""
    if url is None or not url.startswith("data:"):
        return None
    return url[5:128].partition(",")[0].partition(";")[0] or None
