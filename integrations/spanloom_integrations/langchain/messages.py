"""Messages: what is kept of them on the caller's thread, and what the worker makes of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from spanloom.types import (
    Media,
    Message,
    MessagePart,
    Opaque,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolRequest,
    ToolResult,
    Usage,
)

Kept: TypeAlias = tuple[str, dict[str, Any]]
"""The message's type and a copy of its fields: the program may change the message afterwards."""

_ROLES: Mapping[str, Role] = {
    "human": "user",
    "HumanMessageChunk": "user",
    "user": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "assistant": "assistant",
    "system": "system",
    "SystemMessageChunk": "system",
    "developer": "system",
    "tool": "tool",
    "ToolMessageChunk": "tool",
    "function": "tool",
}


def keep(message: Any) -> Kept:
    fields = dict(message.__dict__)
    content = fields.get("content")
    if type(content) is list:
        fields["content"] = [dict(p) if type(p) is dict else p for p in content]
    return fields.get("type", "human"), fields


def weight(kept: Iterable[Kept]) -> int:
    """Bytes that they hold, roughly."""
    total = 0
    for _, fields in kept:
        content = fields.get("content")
        total += 256
        if type(content) is str:
            total += len(content)
        elif type(content) is list:
            for piece in content:
                if type(piece) is dict:
                    total += sum(len(v) for v in piece.values() if type(v) is str)
                    inner = piece.get("image_url")
                    if type(inner) is dict and type(inner.get("url")) is str:
                        total += len(inner["url"])
    return total


# -- on the worker ------------------------------------------------------------------------------


def is_message(value: Any) -> bool:
    return hasattr(value, "content") and hasattr(value, "additional_kwargs")


def message(kept: Kept) -> Message:
    type_, fields = kept
    role = _ROLES.get(type_) or _ROLES.get(str(fields.get("role", "")).lower(), "user")
    name = fields.get("name")
    if role == "tool" and type_ != "function":
        result = ToolResult(
            id=fields.get("tool_call_id"),
            name=name,
            result=fields.get("content"),
            is_error=fields.get("status") == "error",
        )
        return Message(role="tool", parts=(result,))
    return Message(role=role, parts=tuple(_parts(fields)), name=name)


def _parts(fields: Mapping[str, Any]) -> Iterable[MessagePart]:
    more = fields.get("additional_kwargs") or {}
    if isinstance(thought := more.get("reasoning_content"), str) and thought:
        yield Reasoning(text=thought)
    content = fields.get("content")
    if isinstance(content, str):
        if content:
            yield Text(text=content)
    elif isinstance(content, list):
        for piece in content:
            if isinstance(piece, str):
                yield Text(text=piece)
            elif isinstance(piece, Mapping):
                if (part := _piece(piece)) is not None:
                    yield part
            else:
                yield Opaque(name=type(piece).__name__, value=piece)
    elif content is not None:
        yield Opaque(name=type(content).__name__, value=content)
    if isinstance(refusal := more.get("refusal"), str) and refusal:
        yield Refusal(text=refusal)
    for call in fields.get("tool_calls") or ():
        yield ToolRequest(name=str(call.get("name")), id=call.get("id"), arguments=call.get("args"))
    for call in fields.get("invalid_tool_calls") or ():
        yield ToolRequest(name=str(call.get("name")), id=call.get("id"), arguments=call.get("args"))


_TOOL_PIECES = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "input_json_delta", "function_call"}
)
_MEDIA = {"image": "image", "audio": "audio", "video": "video", "file": "file", "document": "file"}


def _piece(piece: Mapping[str, Any]) -> MessagePart | None:
    kind = str(piece.get("type", "part"))
    if kind in ("text", "text-plain", "output_text", "input_text") and isinstance(
        piece.get("text"), str
    ):
        return Text(text=piece["text"])
    if kind in _TOOL_PIECES:
        return None  # the message's tool_calls say the same
    if kind in ("thinking", "reasoning", "reasoning_content"):
        said = piece.get("thinking") or piece.get("reasoning") or piece.get("text")
        return Reasoning(text=said if isinstance(said, str) else None)
    if kind == "refusal" and isinstance(piece.get("refusal"), str):
        return Refusal(text=piece["refusal"])
    if kind == "image_url":
        where = piece.get("image_url")
        return Media(media="image", url=where.get("url") if isinstance(where, Mapping) else where)
    if kind == "input_audio" and isinstance(audio := piece.get("input_audio"), Mapping):
        return Media(
            media="audio", url=f"data:audio/{audio.get('format')};base64,{audio.get('data')}"
        )
    if kind in _MEDIA:
        return _media(_MEDIA[kind], piece)
    return Opaque(name=kind, value=dict(piece))


def _media(kind: Any, piece: Mapping[str, Any]) -> MessagePart:
    source = piece.get("source")
    said = {**piece, **source} if isinstance(source, Mapping) else piece
    mime = said.get("mime_type") or said.get("media_type")
    data = said.get("base64") or said.get("data")
    url = said.get("url")
    if isinstance(data, str):
        url = f"data:{mime or ''};base64,{data}"
    if url is None and said.get("file_id") is None and said.get("id") is None:
        return Opaque(name=str(piece.get("type")), value=dict(piece))
    return Media(
        media=kind, mime_type=mime, url=url, file_id=said.get("file_id"), name=said.get("filename")
    )


def usage(fields: Mapping[str, Any]) -> Usage | None:
    """Of the ``usage_metadata`` that LangChain makes of any provider's counts."""
    said = fields.get("usage_metadata")
    if not isinstance(said, Mapping):
        return None
    of_input = said.get("input_token_details") or {}
    of_output = said.get("output_token_details") or {}
    return Usage(
        input=said.get("input_tokens"),
        output=said.get("output_tokens"),
        total=said.get("total_tokens"),
        cached=of_input.get("cache_read"),
        cache_write=of_input.get("cache_creation"),
        reasoning=of_output.get("reasoning"),
        input_audio=of_input.get("audio"),
        output_audio=of_output.get("audio"),
    )


_SCALARS = frozenset({str, int, float, bool, type(None)})


def plain(value: Any, depth: int = 0) -> Any:
    """State, inputs and outputs with messages in them; the rest is left to the normaliser."""
    kind = type(value)
    if kind in _SCALARS or depth > 8:
        return value
    if kind is dict:
        return {key: plain(held, depth + 1) for key, held in value.items()}
    if kind is list or kind is tuple:
        return [plain(held, depth + 1) for held in value]
    if isinstance(value, str):
        return str.__str__(value)  # LangChain's own texts can also be called
    if is_message(value):
        return _told(value)
    if hasattr(value, "to_messages"):  # what a prompt gives: a text, or messages
        said = getattr(value, "text", None) or getattr(value, "messages", None)
        return plain(said, depth + 1) if isinstance(said, str | list) else value
    return value


def _told(value: Any) -> dict[str, Any]:
    fields = value.__dict__
    type_, content = fields.get("type"), fields.get("content")
    if type_ in _ONLY_TEXT and type(content) is str and not any(map(fields.get, _BESIDE_TEXT)):
        # most of what states hold, again and again: the same as below, without the parts
        return {"role": _ROLES[type_], "content": content or []}
    made = message(keep(value))
    named = {"name": made.name} if made.name else {}
    return {"role": made.role, **named, "content": _shown(made.parts)}


_ONLY_TEXT = frozenset({"human", "ai", "system"})
_BESIDE_TEXT = ("name", "additional_kwargs", "tool_calls", "invalid_tool_calls")


def _shown(parts: Sequence[MessagePart]) -> Any:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    shown: list[Any] = []
    for part in parts:
        match part:
            case Text():
                shown.append({"type": "text", "text": part.text})
            case ToolRequest():
                shown.append({"type": "tool_request", "id": part.id, "name": part.name,
                              "arguments": part.arguments})  # fmt: skip
            case ToolResult():
                shown.append({"type": "tool_result", "id": part.id, "result": part.result})
            case Reasoning():
                shown.append({"type": "reasoning", "text": part.text})
            case Media():
                shown.append({"type": part.media, "url": part.url})
            case Refusal():
                shown.append({"type": "refusal", "text": part.text})
            case _:
                shown.append({"type": part.name, "value": part.value})
    return shown
