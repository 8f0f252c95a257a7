"""Chat completions: request and reply to ``LLMCall``, and the tap of a stream.

Source: the API reference of chat completions, and of servers that speak it (Azure, DeepSeek, Groq,
Mistral, OpenRouter, Perplexity, xAI). Checked with openai 1.66, 2.54 and 3.52 and with recorded
traffic. ``logprobs`` and ``obfuscation`` are not kept.
"""

from time import perf_counter_ns
from typing import Any

from spanloom.types import (
    LLMCall,
    Media,
    Message,
    MessagePart,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolRequest,
    ToolResult,
)

from .call import (
    ROLES,
    Facts,
    audio_type,
    base,
    data_url,
    fingerprint,
    parts,
    request,
    timing,
    tools,
)
from .errors import failure
from .values import LISTS, Raw, as_mapping, items, mapping, objects, parsed, plain, text, words

_MODELLED = frozenset({
    "role", "content", "name", "refusal", "tool_calls", "function_call", "tool_call_id", "audio",
    "reasoning_content", "reasoning", "reasoning_details", "images", "parsed", "logprobs",
})  # fmt: skip


def parse(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    known = base(body, reply, facts, "chat")
    known.update(request(body))
    sent = [as_mapping(raw) for raw in items(body, "messages")]
    known["input"] = tuple([message(raw) for raw in sent])
    known["tools"] = tools(body)
    known["prompt_fingerprint"] = _prompt(body, sent)
    thought = False
    if reply:
        form = text(mapping(body, "audio"), "format")
        choices = [*objects(reply, "choices")]
        if len(choices) > 1:
            choices.sort(key=_index)
        output = []
        for choice in choices:
            said = answer(mapping(choice, "message"), form)
            if flags := _flagged(choice.get("content_filter_results")):
                said += (Opaque(name="content_filter_results", value=flags),)
            output.append(Message(role="assistant", parts=said))
            if facts.stream:
                thought = thought or any(type(p) is Reasoning and p.text for p in said)
        known["output"] = _with_sources(output, reply)
        ends = [text(choice, "finish_reason") or "" for choice in choices]
        if any(ends):
            known["finish"] = tuple(ends)
        known["service_tier"] = words(reply, "service_tier")
        known["system_fingerprint"] = words(reply, "system_fingerprint")
    known.update(timing(facts, known.get("usage"), thought))
    return LLMCall(**known)


def _index(choice: Raw) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _prompt(body: Raw, sent: list[Raw]) -> str | None:
    """Of what stays the same from call to call while nobody changes the program."""
    system = [m.get("content") for m in sent if m.get("role") in ("system", "developer")]
    offered = body.get("tools") or body.get("functions")
    return fingerprint([system, offered]) if system or offered else None


def message(raw: Raw) -> Message:
    """A message of the request."""
    said = text(raw, "role") or "user"
    role = ROLES.get(said, "user")
    content = raw.get("content")
    if role == "tool":
        result: Any = content
        more: tuple[MessagePart, ...] = ()
        if isinstance(content, LISTS):
            result, more = tool_content(parts(content))
        given = ToolResult(id=words(raw, "tool_call_id"), name=words(raw, "name"), result=result)
        return Message(role="tool", parts=(given, *more))
    if role == "assistant":
        return Message(role=role, parts=answer(raw, None), name=words(raw, "name"))
    if said not in ROLES:
        found: list[MessagePart] = [Opaque(name="role", value=said), *parts(content)]
        return Message(role=role, parts=tuple(found), name=words(raw, "name"))
    return Message(role=role, parts=tuple(parts(content)), name=words(raw, "name"))


def tool_content(found: list[MessagePart]) -> tuple[Any, tuple[MessagePart, ...]]:
    """The texts of a tool's answer as its result, and what is no text beside it."""
    said = [p.text for p in found if type(p) is Text]
    more = tuple([p for p in found if type(p) is not Text])
    return ("".join(said) if len(said) <= 1 else said), more


def answer(raw: Raw, audio_form: str | None) -> tuple[MessagePart, ...]:
    """The parts of an assistant's message, in the order in which they were thought."""
    found: list[MessagePart] = []
    get = raw.get
    reasons = get("reasoning_content") or get("reasoning")
    details = get("reasoning_details")
    if reasons or details:
        found.append(_reasoning(reasons, details))
    content = get("content")
    if isinstance(content, LISTS):
        for piece in content:
            found += _piece(piece)
    elif content:
        found += parts(content)
    refusal = get("refusal")
    if isinstance(refusal, str) and refusal:
        found.append(Refusal(text=refusal))
    audio = get("audio")
    if audio:
        found += _audio(as_mapping(audio), audio_form)
    for image in items(raw, "images"):
        found += parts([image])
    if get("tool_calls"):
        found += [tool_call(as_mapping(call)) for call in items(raw, "tool_calls")]
    legacy = get("function_call")
    if legacy:
        legacy = as_mapping(legacy)
        found.append(
            ToolRequest(name=text(legacy, "name") or "", arguments=parsed(legacy.get("arguments")))
        )
    for name, value in raw.items():
        if name not in _MODELLED and value is not None and value != [] and value != {}:
            found.append(Opaque(name=name, value=value))
    return tuple(found)


def _reasoning(reasons: Any, details: Any) -> Reasoning:
    held = [as_mapping(d) for d in details] if isinstance(details, LISTS) else []
    encrypted = any(d.get("type") == "reasoning.encrypted" for d in held)
    if not isinstance(reasons, str):
        # OpenRouter repeats the text here, so it is read only where it lies nowhere else
        said = [text(d, "text") or text(d, "summary") or "" for d in held]
        reasons = "".join(said) or None
    return Reasoning(text=reasons, encrypted=encrypted and reasons is None)


def _piece(piece: Any) -> list[MessagePart]:
    raw = as_mapping(piece)
    if raw.get("type") == "thinking":  # Mistral
        thought = raw.get("thinking")
        if isinstance(thought, LISTS):
            thought = "".join([text(as_mapping(t), "text") or "" for t in thought])
        return [Reasoning(text=thought if isinstance(thought, str) else None)]
    return parts([piece])


def _audio(raw: Raw, form: str | None) -> list[MessagePart]:
    found: list[MessagePart] = []
    data, id_ = words(raw, "data"), words(raw, "id")
    if data:
        kind = audio_type(form)
        found.append(Media(media="audio", url=data_url(data, kind), mime_type=kind, file_id=id_))
    elif id_:
        found.append(Media(media="audio", file_id=id_))
    if transcript := words(raw, "transcript"):
        found.append(Text(text=transcript))
    return found


def tool_call(raw: Raw) -> MessagePart:
    inner = mapping(raw, "function")
    if inner:
        arguments = parsed(inner.get("arguments"))
        return ToolRequest(name=text(inner, "name") or "", id=words(raw, "id"), arguments=arguments)
    inner = mapping(raw, "custom")
    if inner:  # a custom tool's input is free text, even where it looks like JSON
        name = text(inner, "name") or ""
        return ToolRequest(name=name, id=words(raw, "id"), arguments=inner.get("input"))
    return Opaque(name=text(raw, "type") or "tool_call", value=raw)


def _flagged(value: Any) -> Any:
    """Azure says of every category that nothing was found; only what was found is worth a part."""
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if isinstance(v, dict) and _hit(v)}
    return None


def _hit(verdict: Raw) -> bool:
    return verdict.get("filtered") is True or verdict.get("detected") is True


def _with_sources(output: list[Message], reply: Raw) -> tuple[Message, ...]:
    """What lies beside the choices and belongs to the answer, on its first message."""
    if _SOURCES.isdisjoint(reply):
        return tuple(output)
    more = [
        Opaque(name=name, value=value)
        for name in ("citations", "search_results", "related_questions", "moderation")
        if (value := reply.get(name))
    ]
    for result in objects(reply, "prompt_filter_results"):
        if flags := _flagged(result.get("content_filter_results")):
            more.append(Opaque(name="prompt_filter_results", value=flags))
    if more:
        first = output[0] if output else Message(role="assistant")
        output[:1] = [Message(role="assistant", parts=(*first.parts, *more))]
    return tuple(output)


_SOURCES = frozenset({
    "citations", "search_results", "related_questions", "moderation", "prompt_filter_results",
})  # fmt: skip
_BESIDE = (
    "x_groq", "citations", "search_results", "related_questions", "prompt_filter_results", "moderation",
)  # fmt: skip
_OWN = {"obfuscation", "service_tier", "moderation"}  # OpenAI's, unknown to some version of the SDK


class _Choice:
    """What was received of one choice."""

    __slots__ = (
        "audio", "by_index", "calls", "finish", "flags", "last", "legacy", "more", "reasons", "refusal",
        "texts",
    )  # fmt: skip

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reasons: list[str] = []
        self.refusal: list[str] = []
        self.calls: list[_Call] = []
        self.by_index: dict[int, _Call] = {}
        self.last: _Call | None = None
        self.legacy: _Call | None = None
        self.audio: dict[str, Any] | None = None
        self.more: dict[str, Any] = {}
        self.finish: str | None = None
        self.flags: Any = None


class _Call:
    __slots__ = ("arguments", "id", "name", "type")

    def __init__(self) -> None:
        self.id: str | None = None
        self.type: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []


class ChatTap:
    """Watches a stream of chat chunks on the caller's thread: takes strings, keeps no chunk."""

    def __init__(self, body: Raw | None = None) -> None:
        wanted = body.get("n") if body else None
        self._wanted = wanted if isinstance(wanted, int) else 1
        self._choices: dict[Any, _Choice] = {}
        self._plain = False
        self._foreign = False
        self._index: Any = -1
        self._into = _Choice()
        self._append = self._into.texts.append
        self._head: dict[str, Any] = {}
        self._known = False
        self._extra: dict[str, Any] = {}
        self._done = False
        self.first_tick = 0
        self.last_tick = 0
        self.chunks = 0
        self.failure: dict[str, Any] | None = None

    def feed(self, chunk: Any, tick: int = 0) -> None:
        """``tick``: when it came, where that is not now."""
        choices = chunk.choices
        if self._plain and choices and len(choices) == 1:
            # the usual chunk, a piece of text of the only choice; what follows takes twice as long
            choice = choices[0]
            delta = choice.delta
            said = None if delta is None else delta.content
            if (
                type(said) is str
                and said
                and choice.finish_reason is None
                and len(delta.__pydantic_fields_set__) == 1
            ):
                self._append(said)
                self.chunks += 1
                self.last_tick = tick or perf_counter_ns()
                return
        seen = False
        for choice in choices or ():
            if choice.index != self._index:
                self._turn(choice.index)
            delta = choice.delta
            if delta is not None:
                said = delta.content
                if said:
                    seen = True
                    if type(said) is str:
                        self._append(said)
                    else:
                        _pieces(self._into, said)
                held = delta.__dict__
                seen = _rest(self._into, held) or seen
                if delta.__pydantic_extra__:
                    self._foreign = True
                    seen = _extras(self._into, delta.__pydantic_extra__, held) or seen
            if choice.finish_reason:
                self._into.finish = choice.finish_reason
                self._known = False  # tier, fingerprint and usage may come with the last chunk
            if choice.__pydantic_extra__:
                self._foreign = True
                flags = choice.__pydantic_extra__.get("content_filter_results")
                if flags:
                    self._into.flags = _worse(self._into.flags, flags)
        if seen:
            self.chunks += 1
            self.last_tick = tick or perf_counter_ns()
            if not self.first_tick:
                self.first_tick = self.last_tick
                # a server that adds fields of its own, or usage to each chunk, does so from the first
                self._plain = self._wanted == 1 and not self._foreign and chunk.usage is None
        if not self._known or not choices or chunk.usage is not None:
            self._take(chunk)

    def _turn(self, index: Any) -> None:
        """Chunks of several choices take turns; of one choice, this is for the first chunk only."""
        self._plain = False
        into = self._choices.get(index)
        if into is None:
            into = self._choices[index] = _Choice()
        self._index, self._into, self._append = index, into, into.texts.append

    def _take(self, chunk: Any) -> None:
        """What stands on the chunk itself: most chunks repeat it, so it is read from few."""
        head = self._head
        held = chunk.__dict__
        for name in (
            "id",
            "model",
            "created",
            "service_tier",
            "system_fingerprint",
            "usage",
            "moderation",
        ):
            value = held.get(name)
            if value is not None and value != "":  # Azure's first chunk has an empty model and id
                head[name] = value
        self._known = "id" in head and "model" in head
        extra = chunk.__pydantic_extra__
        if extra:
            if not extra.keys() <= _OWN:
                self._foreign, self._plain = True, False
            for name in _BESIDE:
                if extra.get(name):
                    self._extra[name] = extra[name]
            error = extra.get("error")
            if error is not None:
                self.failure = failure(as_mapping(error)) or {"message": str(error)[:200]}

    def end(self) -> None:
        """The server said that nothing follows (``[DONE]``)."""
        self._done = True

    @property
    def complete(self) -> bool:
        if self.failure is not None:
            return False
        ended = sum(1 for choice in self._choices.values() if choice.finish is not None)
        return self._done or ended >= max(self._wanted, len(self._choices), 1)

    @property
    def weight(self) -> int:
        held = 500
        for choice in self._choices.values():
            held += (
                300 + _squeeze(choice.texts) + _squeeze(choice.reasons) + _squeeze(choice.refusal)
            )
            for call in choice.calls:
                held += 200 + _squeeze(call.arguments)
            if choice.audio is not None:
                held += _squeeze(choice.audio["data"]) + _squeeze(choice.audio["transcript"])
        return held

    def reply(self) -> dict[str, Any]:
        """What was received, in the shape of a reply that was not streamed."""
        out = {name: plain(value) for name, value in self._head.items()}
        extra = {name: plain(value) for name, value in self._extra.items()}
        groq = extra.pop("x_groq", None)
        if out.get("usage") is None and isinstance(groq, dict):
            out["usage"] = groq.get("usage")
        out.update(extra)
        out["choices"] = [
            _whole(index, choice)
            for index, choice in sorted(
                self._choices.items(), key=lambda kv: _index({"index": kv[0]})
            )
        ]
        return out


def _squeeze(held: list[str]) -> int:
    """Characters held; many small strings become one on the way."""
    if not held:
        return 0
    if len(held) > 1:
        held[:] = ["".join(held)]
    return len(held[0]) + 60


def _pieces(into: _Choice, content: Any) -> None:
    """Mistral streams content as lists of typed parts."""
    for piece in content if isinstance(content, list) else ():
        raw = as_mapping(piece)
        if raw.get("type") == "thinking":
            for part in _piece(raw):
                if type(part) is Reasoning and part.text:
                    into.reasons.append(part.text)
        elif isinstance(said := raw.get("text"), str):
            into.texts.append(said)
        else:
            into.more.setdefault("content_parts", []).append(plain(piece))


def _calls(into: _Choice, calls: Any) -> None:
    for part in calls:
        held = part.__dict__
        call = _open(into, part.index, part.id, held.get("function"))
        if part.id and call.id is None:
            call.id = part.id
        kind = held.get("type")
        if kind:
            call.type = kind
        if held.get("function") is not None:
            _function(call, held["function"])
        custom = held.get("custom")
        if custom is None and part.__pydantic_extra__:
            custom = part.__pydantic_extra__.get("custom")
        if custom is not None:
            raw = as_mapping(custom)
            call.name = call.name or text(raw, "name")
            if isinstance(raw.get("input"), str):
                call.arguments.append(raw["input"])


def _rest(into: _Choice, held: dict[str, Any]) -> bool:
    """The fields of a fragment beside its text, by its dict: which of them are declared depends on
    the SDK's version, and a missed attribute of a pydantic model costs a microsecond.
    """
    seen = False
    if held.get("tool_calls"):
        seen = True
        _calls(into, held["tool_calls"])
    if held.get("refusal"):
        seen = True
        into.refusal.append(held["refusal"])
    if held.get("audio"):
        seen = _sound(into, held["audio"]) or seen
    if held.get("function_call"):
        seen = True
        if into.legacy is None:
            into.legacy = _Call()
        _function(into.legacy, held["function_call"])
    return seen


def _open(into: _Choice, index: Any, id_: Any, function: Any) -> _Call:
    """The call that a fragment belongs to. The index tells it, on servers that do it right."""
    if index is None:
        known = into.last if not id_ else next((c for c in into.calls if c.id == id_), None)
        if known is not None:
            return known
    else:
        known = into.by_index.get(index)
        # Gemini's endpoint gives all parallel calls the index 0; that an id alone changes means
        # nothing, as some servers make a new one for every fragment
        again = known is not None and id_ and known.id != id_ and function is not None
        if known is not None and not (again and function.name and known.arguments):
            return known
    call = into.last = _Call()
    into.calls.append(call)
    if index is not None:
        into.by_index[index] = call
    return call


def _function(call: _Call, function: Any) -> None:
    if function.name and not call.name:  # once: some servers repeat it in every fragment
        call.name = function.name
    arguments = function.arguments
    if arguments:
        call.arguments.append(arguments if type(arguments) is str else str(arguments))


def _sound(into: _Choice, audio: Any) -> bool:
    raw = audio if isinstance(audio, dict) else plain(audio)
    if into.audio is None:
        into.audio = {"data": [], "transcript": []}
    if words(raw, "id"):
        into.audio["id"] = raw["id"]
    seen = False
    for name in ("data", "transcript"):
        if said := words(raw, name):
            into.audio[name].append(said)
            seen = True
    return seen


def _extras(into: _Choice, extra: dict[str, Any], declared: dict[str, Any]) -> bool:
    """Fields that the SDK does not know: how compatible servers send what the model thinks."""
    seen = False
    reasons = extra.get("reasoning_content") or extra.get("reasoning")
    if type(reasons) is str and reasons:
        into.reasons.append(reasons)
        seen = True
    details = extra.get("reasoning_details")
    if details and not reasons and isinstance(details, list):
        into.more.setdefault("reasoning_details", []).extend(plain(details))
        seen = True
    if "audio" not in declared and extra.get("audio"):  # openai before 3
        seen = _sound(into, extra["audio"]) or seen
    for name in ("annotations", "images"):
        if extra.get(name) and isinstance(extra[name], list):
            into.more.setdefault(name, []).extend(plain(extra[name]))
    return seen


def _worse(known: Any, flags: Any) -> Any:
    """Azure judges the answer again and again while it grows: what was once found stays found."""
    if isinstance(flags, dict) and (found := _flagged(plain(flags))):
        return {**(known or {}), **found}
    return known


def _whole(index: int, choice: _Choice) -> dict[str, Any]:
    said: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(choice.texts) if choice.texts else None,
        "refusal": "".join(choice.refusal) if choice.refusal else None,
    }
    more = dict(choice.more)
    pieces = more.pop("content_parts", None)
    if pieces:
        texts = [{"type": "text", "text": said["content"]}] if said["content"] else []
        said["content"] = texts + pieces
    if choice.reasons:
        said["reasoning_content"] = "".join(choice.reasons)
    if choice.calls:
        said["tool_calls"] = [_call(call) for call in choice.calls]
    if choice.legacy is not None:
        said["function_call"] = _named(choice.legacy, "arguments")
    if choice.audio is not None:
        held = {k: "".join(v) if isinstance(v, list) else v for k, v in choice.audio.items()}
        said["audio"] = held
    said.update(more)
    out = {"index": index, "message": said, "finish_reason": choice.finish}
    if choice.flags:
        out["content_filter_results"] = choice.flags
    return out


def _call(call: _Call) -> dict[str, Any]:
    if call.type == "custom":
        return {"id": call.id, "type": "custom", "custom": _named(call, "input")}
    return {"id": call.id, "type": "function", "function": _named(call, "arguments")}


def _named(call: _Call, field: str) -> dict[str, Any]:
    return {"name": call.name, field: "".join(call.arguments)}
