"""Responses: request and reply to ``LLMCall``; fetching a reply again; compaction.

Source: the API reference of responses and of their stream events. Checked with openai 1.66, 2.54 and
3.52 and with recorded traffic (OpenAI, Azure, DeepSeek, OpenRouter).
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from spanloom.types import (
    LLMCall,
    Media,
    Message,
    MessagePart,
    Opaque,
    Prompt,
    Reasoning,
    Role,
    Text,
    ToolRequest,
    ToolResult,
)

from .call import ROLES, Facts, base, data_url, fingerprint, part, parts, request, timing, tools
from .chat import tool_content
from .values import (
    LISTS,
    Raw,
    as_mapping,
    boolean,
    integer,
    items,
    mapping,
    objects,
    parsed,
    text,
    words,
)

_SILENT_ENDS = frozenset({"queued", "in_progress"})


def parse(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    return _call(body, reply, facts, "chat")


def parse_compact(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    return _call(body, reply, facts, "compact")


def parse_fetch(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    """A reply read again: its tokens were counted where it was made.

    A background reply is the exception, as making it told no tokens; only here they are known.
    """
    known = base(body, reply, facts, "fetch_response")
    if known.get("response_id") is None:
        known["response_id"] = facts.response_id
    used = known.get("usage")
    if reply:
        if reply.get("background") is not True:
            known["usage"] = known["cost"] = None
        known.update(_outcome(reply))
    known.update(timing(facts, used))
    return LLMCall(**known)


def _call(body: Raw, reply: Raw | None, facts: Facts, operation: str) -> LLMCall:
    known = base(body, reply, facts, operation)
    known.update(request(body))
    instructions = body.get("instructions")
    sent = messages(body.get("input"))
    if instructions:
        sent[:0] = [Message(role="system", parts=tuple(_instructions(instructions)))]
    known["input"] = tuple(sent)
    known["tools"] = tools(body)
    prompt = mapping(body, "prompt")
    known["prompt_fingerprint"] = _prompt_print(body, instructions, prompt)
    if prompt:
        known["prompt"] = Prompt(
            name=words(prompt, "id"),
            version=words(prompt, "version"),
            variables=mapping(prompt, "variables"),
        )
    conversation = body.get("conversation")
    if conversation:
        known["conversation_id"] = _conversation(conversation)
    previous = words(body, "previous_response_id")
    if previous:
        known["previous_response_id"] = previous
    if reply:
        known.update(_outcome(reply))
    known.update(timing(facts, known.get("usage"), _thought(known.get("output", ()))))
    return LLMCall(**known)


def _instructions(value: Any) -> list[MessagePart]:
    if isinstance(value, str):
        return [Text(text=value)]
    return [p for m in messages(value) for p in m.parts]


def _conversation(value: Any) -> str | None:
    return value if isinstance(value, str) else words(as_mapping(value), "id")


def _prompt_print(body: Raw, instructions: Any, prompt: Raw) -> str | None:
    system = [
        m.get("content")
        for m in items(body, "input")
        if isinstance(m, dict) and m.get("role") in ("system", "developer")
    ]
    offered = body.get("tools")
    named = [prompt.get("id"), prompt.get("version")] if prompt else None
    if not (system or instructions or offered or named):
        return None
    return fingerprint([instructions, system, offered, named])


def _outcome(reply: Raw) -> dict[str, Any]:
    known: dict[str, Any] = {}
    found = output(reply)
    more = [Opaque(name="moderation", value=m) for m in (reply.get("moderation"),) if m]
    if found or more:
        known["output"] = (Message(role="assistant", parts=tuple([*found, *more])),)
    status = words(reply, "status")
    if status is not None and status not in _SILENT_ENDS:
        why = words(mapping(reply, "incomplete_details"), "reason")
        known["finish"] = (why if why and status == "incomplete" else status,)
    tier = words(reply, "service_tier")
    if tier:
        known["service_tier"] = tier
    fingerprint_ = words(reply, "system_fingerprint")
    if fingerprint_:
        known["system_fingerprint"] = fingerprint_
    # the reply tells the conversation even where the request left it to the server
    if reply.get("conversation"):
        known["conversation_id"] = _conversation(reply["conversation"])
    previous = words(reply, "previous_response_id")
    if previous:
        known["previous_response_id"] = previous
    return known


def _thought(output: tuple[Message, ...]) -> bool:
    return any(type(p) is Reasoning and p.text for m in output for p in m.parts)


def output(reply: Raw) -> list[MessagePart]:
    """All items of a reply, in their order, as the parts of one message."""
    found: list[MessagePart] = []
    for raw in items(reply, "output"):
        found += item(as_mapping(raw))[1]
    return found


def messages(value: Any) -> list[Message]:
    """The request's input: a text, or items; what the assistant said in a row is one message."""
    if isinstance(value, str):
        return [Message(role="user", parts=(Text(text=value),))]
    if not isinstance(value, LISTS):
        return []
    found: list[Message] = []
    joining = False
    for raw in value:
        role, said = item(
            {"role": "user", "content": raw} if isinstance(raw, str) else as_mapping(raw)
        )
        if role == "assistant" and joining:
            found[-1] = replace(found[-1], parts=(*found[-1].parts, *said))
        else:
            found.append(Message(role=role, parts=tuple(said)))
        joining = role == "assistant"
    return found


# type of the item -> name of the tool, whether the provider runs it, fields that make the arguments
_CALLS: Mapping[str, tuple[str, bool, tuple[str, ...]]] = {
    "web_search_call": ("web_search", True, ("action",)),
    "file_search_call": ("file_search", True, ("queries",)),
    "code_interpreter_call": ("code_interpreter", True, ("code", "container_id")),
    "image_generation_call": (
        "image_generation", True,
        ("revised_prompt", "action", "size", "quality", "background", "output_format"),
    ),
    "computer_call": ("computer", False, ("action", "actions", "pending_safety_checks")),
    "local_shell_call": ("local_shell", False, ("action",)),
    "shell_call": ("shell", False, ("action", "environment")),
    "apply_patch_call": ("apply_patch", False, ("operation",)),
    "tool_search_call": ("tool_search", True, ("arguments",)),
}  # fmt: skip
_RESULTS: Mapping[str, str] = {
    "function_call_output": "",
    "custom_tool_call_output": "",
    "computer_call_output": "computer",
    "local_shell_call_output": "local_shell",
    "shell_call_output": "shell",
    "apply_patch_call_output": "apply_patch",
    "tool_search_output": "tool_search",
}


def item(raw: Raw) -> tuple[Role, list[MessagePart]]:
    """One item of an input or output: whose it is, and its parts."""
    kind = text(raw, "type") or ("message" if "role" in raw else "")
    if kind == "message":
        said = text(raw, "role") or "assistant"
        return ROLES.get(said, "user"), parts(raw.get("content"))
    if kind == "reasoning":
        return "assistant", [_reasoning(raw)]
    if kind in ("function_call", "custom_tool_call"):
        given = raw.get("arguments") if kind == "function_call" else raw.get("input")
        asked = ToolRequest(
            name=text(raw, "name") or "",
            id=words(raw, "call_id") or words(raw, "id"),
            arguments=parsed(given) if kind == "function_call" else given,
        )
        return "assistant", [asked]
    if kind == "mcp_call":
        return "assistant", _mcp(raw)
    if kind in _CALLS:
        return "assistant", _tool(kind, raw)
    if kind in _RESULTS:
        return "tool", _result(kind, raw)
    # approvals, lists of tools, compactions, programs, references, and what is still to come
    role: Role = "user" if kind in ("mcp_approval_response", "item_reference") else "assistant"
    return role, [Opaque(name=kind or "item", value=raw)]


def _reasoning(raw: Raw) -> Reasoning:
    said = [t for o in objects(raw, "content") if (t := words(o, "text"))]
    if not said:
        said = [t for o in objects(raw, "summary") if (t := words(o, "text"))]
    return Reasoning(text="\n\n".join(said) or None, encrypted=bool(raw.get("encrypted_content")))


def _mcp(raw: Raw) -> list[MessagePart]:
    id_, name = words(raw, "id"), text(raw, "name") or ""
    arguments = parsed(raw.get("arguments"))
    found: list[MessagePart] = [
        ToolRequest(name=name, id=id_, arguments=arguments, server_side=True)
    ]
    error, result = raw.get("error"), raw.get("output")
    if error is not None or result is not None:
        given = parsed(result) if error is None else error
        found.append(ToolResult(id=id_, name=name, result=given, is_error=error is not None))
    return found


def _tool(kind: str, raw: Raw) -> list[MessagePart]:
    name, server_side, fields = _CALLS[kind]
    id_ = words(raw, "call_id") or words(raw, "id")
    if kind == "tool_search_call":
        server_side = raw.get("execution") != "client"
    elif kind == "shell_call":
        # in a container of the provider; on the user's own machine there is "local" or nothing
        server_side = text(mapping(raw, "environment"), "type") == "container_reference"
    arguments: Any = {f: raw[f] for f in fields if raw.get(f) is not None}
    if len(fields) == 1 and isinstance(arguments.get(fields[0]), dict):
        arguments = arguments[fields[0]]
    asked = ToolRequest(name=name, id=id_, arguments=arguments or None, server_side=server_side)
    found: list[MessagePart] = [asked]
    failed = raw.get("status") == "failed"
    if kind == "image_generation_call":
        image = words(raw, "result")
        if image:
            mime = f"image/{text(raw, 'output_format') or 'png'}"
            found.append(Media(media="image", url=data_url(image, mime), mime_type=mime))
        result = raw.get("error")
    else:
        result = raw.get("results", raw.get("outputs"))
    if result or failed:
        found.append(ToolResult(id=id_, name=name, result=result, is_error=failed))
    return found


def _result(kind: str, raw: Raw) -> list[MessagePart]:
    given = raw.get("output", raw.get("tools"))
    more: tuple[MessagePart, ...] = ()
    if isinstance(given, dict) and given.get("type") == "computer_screenshot":
        given, more = None, (part(given),)
    elif kind in ("function_call_output", "custom_tool_call_output") and isinstance(
        given, list | tuple
    ):
        given, more = tool_content(parts(given))
    name = words(raw, "name") or _RESULTS[kind] or None
    failed = raw.get("status") in ("failed", "incomplete")
    result = ToolResult(
        id=words(raw, "call_id") or words(raw, "id"), name=name, result=given, is_error=failed
    )
    return [result, *more]


def billed_extras(reply: Raw) -> Mapping[str, int]:
    """Uses of tools that are billed by the call and not by the token, such as web searches."""
    found = {}
    for name, about in mapping(reply, "tool_usage").items():
        count = integer(as_mapping(about), "num_requests")
        if count is not None:
            found[name] = count
    return found


def background(reply: Raw) -> bool:
    return boolean(reply, "background") is True
