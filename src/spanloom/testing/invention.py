"""Random but consistent answers: what a fake provider says when nothing is scripted.

Everything is drawn from one ``random.Random``, so the same seed gives the same answer.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

from spanloom.testing.answers import Call, Chat, Tokens, ToolCall

WORDS = tuple(
    "amber basin cedar delta ember fjord grove harbor island jasmine kettle lantern meadow north"
    " orchard pebble quartz river saddle timber umbra valley willow xylem yonder zephyr bridge"
    " cloud drift echo field glass hollow inlet juniper lake mirror näive über 東京 café".split()
)
SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "o3": "o3-2025-04-16",
    "o4-mini": "o4-mini-2025-04-16",
}
REASONING_MODEL = re.compile(r"^(.*/)?(o\d|gpt-5)|reason|-r1\b")


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice, with nothing left open. ``pieces`` join to ``text``."""

    text: str
    pieces: tuple[str, ...]
    reasoning: str
    refusal: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer with nothing left open, independent of the endpoint.

    ``key`` is the random tail of the response id; ``id`` is set where the script names one.
    """

    id: str
    key: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    tokens: Tokens | None
    rng: Random

    def response_id(self, prefix: str) -> str:
        """The scripted id, or a random one with the prefix of the endpoint."""
        return self.id or prefix + self.key


def key(rng: Random, size: int = 24) -> str:
    """A random id of letters and digits."""
    return "".join(rng.choices(string.ascii_letters + string.digits, k=size))


def words(rng: Random, low: int = 4, high: int = 20) -> str:
    """A random sentence."""
    return " ".join(rng.choices(WORDS, k=rng.randint(low, high))).capitalize() + "."


def cut(rng: Random, text: str, count: int = 0) -> tuple[str, ...]:
    """``text`` in that many pieces (fewer if it is short); 0 draws the count."""
    if not text:
        return ()
    count = min(count or rng.randint(2, 9), len(text))
    places = [0, *sorted(rng.sample(range(1, len(text)), count - 1)), len(text)]
    return tuple(text[a:b] for a, b in pairwise(places))


def draft(chat: Chat | None, call: Call, rng: Random, created: int) -> Draft:
    """Fill what ``chat`` leaves open; ``None`` leaves everything open."""
    tools = chat.tool_calls if chat else wanted_calls(call, rng)
    named = tuple(
        ToolCall(tool.name, tool.arguments_json, tool.id or f"call_{key(rng)}") for tool in tools
    )
    chat = chat or Chat()
    reasoning = chat.reasoning
    requested = str(call.params.get("model") or deployment(call.path) or "gpt-4o-mini")
    if reasoning is None:
        reasoning = words(rng) if tells_reasoning(call, requested) else ""
    choices = tuple(
        choice(chat, index, named if index == 0 else (), reasoning, call, rng)
        for index in range(choice_count(call))
    )
    tokens = random_tokens(call, requested, rng) if chat.usage == "random" else chat.usage
    return Draft(
        id=chat.id,
        key=key(rng),
        created=created,
        model=chat.model or SNAPSHOTS.get(requested, requested),
        choices=choices,
        tokens=tokens,
        rng=rng,
    )


def choice(
    chat: Chat, index: int, tools: tuple[ToolCall, ...], reasoning: str, call: Call, rng: Random
) -> Choice:
    """The choice at ``index``."""
    texts = chat.text if isinstance(chat.text, tuple) else (chat.text,)
    text = texts[min(index, len(texts) - 1)] if len(texts) == 1 or index < len(texts) else None
    if text is None:
        text = "" if tools or chat.refusal is not None else random_text(call, rng)
    if isinstance(chat.chunks, int):
        pieces = cut(rng, text, chat.chunks)
    else:
        pieces = tuple(chat.chunks)
        text = "".join(pieces)
    finish = chat.finish_reason or ("tool_calls" if tools else "stop")
    return Choice(text, pieces, reasoning, chat.refusal, tools, finish)


def choice_count(call: Call) -> int:
    """``n``, times the number of prompts on the legacy endpoint."""
    if call.endpoint not in ("/chat/completions", "/completions"):
        return 1
    prompt = call.params.get("prompt")
    batched = isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], str | list)
    prompts = len(prompt) if batched and prompt else 1
    return int(call.params.get("n") or 1) * prompts


def tells_reasoning(call: Call, model: str) -> bool:
    """Whether this provider tells the text of its reasoning for this request."""
    if call.endpoint.startswith("/responses"):
        asked = call.params.get("reasoning")
        return isinstance(asked, Mapping) and bool(asked.get("summary"))
    return call.flavour in ("deepseek", "openrouter") and bool(REASONING_MODEL.search(model))


def random_tokens(call: Call, model: str, rng: Random) -> Tokens:
    """Counts that fit each other and the requested limit."""
    limits = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    limit = next((int(call.params[name]) for name in limits if call.params.get(name)), 400)
    prompt = len(call.body) // 4 + rng.randint(1, 50)
    completion = rng.randint(1, max(1, min(limit, 400)))
    cached = rng.choice((0, 0, rng.randint(0, prompt)))
    reasoning = rng.randint(0, completion) if REASONING_MODEL.search(model) else 0
    cost = round((prompt * 0.15 + completion * 0.6) / 1e6, 9)
    return Tokens(prompt, completion, cached, reasoning, cost_usd=cost)


def random_text(call: Call, rng: Random) -> str:
    """A sentence, or JSON that fits the response format asked for."""
    asked = call.params.get("response_format")
    if asked is None and isinstance(call.params.get("text"), Mapping):
        asked = call.params["text"].get("format")
    if isinstance(asked, Mapping):
        if asked.get("type") == "json_schema":
            schema = asked.get("schema") or asked.get("json_schema", {}).get("schema") or {}
            return json.dumps(instance(schema, rng), ensure_ascii=False)
        if asked.get("type") == "json_object":
            return json.dumps({rng.choice(WORDS): words(rng, 1, 3), "count": rng.randint(0, 99)})
    return words(rng)


# -- tool calls -------------------------------------------------------------------------------


def wanted_calls(call: Call, rng: Random) -> tuple[ToolCall, ...]:
    """Calls of the tools that the last user message names, unless their results are there."""
    asked = call.params.get("tool_choice")
    tools = dict(functions(call.params.get("tools")))
    if not tools or asked == "none" or has_results(call.params):
        return ()
    names = [name for name in tools if mentions(call.text, name)]
    if isinstance(asked, Mapping):
        forced = asked.get("name") or asked.get("function", {}).get("name")
        names = [forced] if forced in tools else names
    elif asked == "required" and not names:
        names = [rng.choice(list(tools))]
    if call.params.get("parallel_tool_calls") is False:
        names = names[:1]
    return tuple(ToolCall(name, json.dumps(instance(tools[name], rng))) for name in names)


def functions(tools: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and parameter schema of each function tool, in the chat or the responses shape."""
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, Mapping) and tool.get("type") == "function":
            function = tool.get("function", tool)
            yield str(function.get("name")), function.get("parameters") or {}


def mentions(text: str, name: str) -> bool:
    """Whether the text has the name as a word, also written with spaces."""
    spoken = re.escape(name).replace("_", "[_ ]")
    return re.search(rf"(?<!\w){spoken}(?!\w)", text, re.IGNORECASE) is not None


def has_results(params: Mapping[str, Any]) -> bool:
    """Whether a tool result follows the last user message."""
    for item in reversed(history(params)):
        if item.get("role") in ("tool", "function") or item.get("type") == "function_call_output":
            return True
        if item.get("role") == "user":
            return False
    return False


def history(params: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The messages of a chat or the items of a responses input."""
    items = params.get("messages") or params.get("input") or ()
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def user_text(params: Mapping[str, Any]) -> str:
    """The text of the last user message, of the input, or of the prompt."""
    for item in reversed(history(params)):
        if item.get("role") == "user":
            return plain(item.get("content"))
    return plain(params.get("input") or params.get("prompt") or "")


def plain(content: Any) -> str:
    """The text in a message's content: text itself, or the text of its parts."""
    if isinstance(content, str):
        return content
    parts: Iterable[Any] = content if isinstance(content, list) else ()
    return "\n".join(
        part if isinstance(part, str) else str(part.get("text", ""))
        for part in parts
        if isinstance(part, str | Mapping)
    )


def deployment(path: str) -> str:
    """The deployment in an Azure path; ``""`` if there is none."""
    found = re.search(r"/deployments/([^/]+)/", path)
    return found.group(1) if found else ""


# -- JSON that fits a schema ------------------------------------------------------------------


def instance(schema: Any, rng: Random) -> Any:
    """A random JSON value that fits ``schema`` (its usual keywords; patterns are ignored)."""
    return _fill(schema, schema, rng, 0)


def _fill(schema: Any, root: Any, rng: Random, depth: int) -> Any:
    if not isinstance(schema, Mapping):
        return None
    if "$ref" in schema:
        target = root
        for step in str(schema["$ref"]).lstrip("#/").split("/"):
            target = target.get(step, {}) if step else target
        return _fill(target, root, rng, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return rng.choice(list(schema["enum"]))
    if options := list(schema.get("anyOf") or schema.get("oneOf") or ()):
        # Recursive schemas end here: deep down, take the option that refers to nothing.
        ends = [option for option in options if "$ref" not in option and "items" not in option]
        return _fill(rng.choice(ends if depth > 3 and ends else options), root, rng, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            value = _fill(part, root, rng, depth + 1)
            merged.update(value if isinstance(value, dict) else {})
        return merged
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = rng.choice(kind) if isinstance(kind, list) else kind
    return _value(kind, schema, root, rng, depth)


def _value(kind: str, schema: Mapping[str, Any], root: Any, rng: Random, depth: int) -> Any:
    match kind:
        case "object":
            required = schema.get("required", ())
            return {
                name: _fill(part, root, rng, depth + 1)
                for name, part in schema.get("properties", {}).items()
                if name in required or (depth < 3 and rng.random() < 0.5)
            }
        case "array":
            low = int(schema.get("minItems", 0))
            high = max(low, min(int(schema.get("maxItems", low + 2)), low + 2))
            count = low if depth > 3 else rng.randint(low, high)
            return [_fill(schema.get("items", {}), root, rng, depth + 1) for _ in range(count)]
        case "integer":
            low, high = _bounds(schema, 1)
            return rng.randint(low, high)
        case "number":
            low, high = _bounds(schema, 0)
            return round(rng.uniform(low, high), 3)
        case "boolean":
            return rng.random() < 0.5
        case "null":
            return None
    formats = {"date": "2026-03-14", "date-time": "2026-03-14T15:09:26Z", "time": "15:09:26Z"}
    formats |= {"email": "ada@example.com", "uri": "https://example.com/a", "ipv4": "192.0.2.7"}
    formats["uuid"] = "7f0b5c0e-3f3e-4c55-9a54-0d8f2a6d1c11"
    text = formats.get(str(schema.get("format"))) or words(rng, 1, 3)
    text = text.ljust(int(schema.get("minLength", 0)), "x")
    return text[: int(schema.get("maxLength", len(text)))]


def _bounds(schema: Mapping[str, Any], step: int) -> tuple[int, int]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -step) + step)
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100 + step) - step)
    return int(low), max(int(low), int(high))
