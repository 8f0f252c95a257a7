"""Which field of the event model holds what: the one table that every stage of the chain walks by.

A field named here holds words of a user, a model or a program, and its *area* is the unit for
which the content policy can differ. A field that is not named is structure (numbers, words of a
closed list): it is made plain and otherwise left alone. A test holds that every text has an area.
"""

from collections.abc import Container, Iterator, Mapping
from types import UnionType
from typing import (
    Any,
    Final,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import Struct
from msgspec.structs import replace

from spanloom import settings
from spanloom import types as t

Area = Literal[settings.Area, "names", "servers", "inherit"]
"""``labels`` are single words that a program chose; ``names`` are scanned but never withheld, and
``servers`` neither, which are names of machines."""

Shape = Literal["text", "texts", "struct", "structs", "value", "values", "structure", "own"]

Path: TypeAlias = "tuple[Path, str | int] | None"

AnyStruct = TypeVar("AnyStruct", bound=Struct)

_CALL: Final[Mapping[str, Area]] = {
    **dict.fromkeys(
        ("provider", "model", "response_model", "response_id", "operation", "provider_request_id",
         "fallback_from", "fallback_to"), "names"),
    "server_address": "servers", "cost": "inherit", "attempts": "labels",
}  # fmt: skip

AREAS: Final[Mapping[type[Struct], Mapping[str, Area]]] = {
    t.Span: {
        "name": "names", "detail": "inherit", "error": "errors", "session": "names",
        "user_id": "names", "user_tier": "names", "feature": "names", "request_id": "names",
        "budgets": "names", "tags": "names", "attributes": "attributes", "metadata": "metadata", "events": "events",
        "links": "labels", "trace_state": "names", "ended_by": "labels", "integration": "names",
    },
    t.Session: {"id": "names"},
    t.Link: {"reason": "labels"},
    t.Error: {"message": "errors", "class_name": "names", "code": "labels", "stack": "errors"},
    t.Resource: {
        **dict.fromkeys(
            ("service", "service_namespace", "service_version", "service_instance", "environment",
             "release", "command", "runtime", "sdk"), "names"),
        "host": "servers",
    },
    t.Message: {"name": "names", "parts": "inherit"},
    t.Text: {"text": "inherit"},
    t.Reasoning: {"text": "inherit"},
    t.Refusal: {"text": "inherit"},
    t.Media: {
        "url": "media", "name": "media", "file_id": "names", "mime_type": "names",
        "sha256": "names",
    },
    t.ToolRequest: {"name": "names", "id": "names", "arguments": "arguments"},
    t.ToolResult: {"name": "names", "id": "names", "result": "results"},
    t.Opaque: {"name": "names", "value": "inherit"},
    t.ToolDefinition: {
        "name": "names", "type": "names", "description": "tools", "parameters": "tools",
    },
    t.Prompt: {"name": "names", "version": "names", "variables": "inputs"},
    t.Document: {"id": "names", "content": "documents", "metadata": "documents"},
    t.Cost: {"reason": "labels", "components_usd": "names", "prices_date": "names"},
    t.Attempt: {"reason": "labels"},
    t.LLMCall: {
        **_CALL, "input": "inputs", "output": "outputs", "tools": "tools", "stop": "inputs",
        "response_format": "tools", "tool_choice": "labels", "params": "params",
        "prompt": "inputs",
        **dict.fromkeys(
            ("conversation_id", "previous_response_id", "finish", "reasoning_effort",
             "service_tier", "system_fingerprint", "prompt_fingerprint", "params_fingerprint"),
            "names"),
    },
    t.Embedding: {**_CALL, "input": "inputs", "encoding": "names"},
    t.Rerank: {**_CALL, "query": "inputs", "documents": "documents"},
    t.Task: {"input": "inputs", "output": "outputs"},
    t.Workflow: {"input": "inputs", "output": "outputs"},
    t.Agent: {
        "agent": "names", "agent_id": "names", "role": "names", "model": "names",
        "description": "tools", "input": "inputs", "output": "outputs",
    },
    t.Tool: {
        "tool": "names", "call_id": "names", "type": "names", "description": "tools",
        "input": "arguments", "output": "results",
    },
    t.Handoff: {
        "source": "names", "target": "names", "mechanism": "labels", "reason": "inputs",
        "payload": "inputs",
    },
    t.Retrieval: {
        "query": "inputs", "source": "names", "filter": "inputs", "documents": "documents",
        "output": "documents",
    },
    t.Memory: {
        "operation": "names", "store": "names", "keys": "names", "query": "inputs",
        "input": "inputs", "output": "outputs",
    },
    t.Guardrail: {
        **dict.fromkeys(
            ("provider", "model", "response_id", "provider_request_id", "categories", "scores"),
            "names"),
        "input": "inputs", "output": "outputs", "action": "labels", "server_address": "servers",
    },
    t.Evaluation: {"evaluator": "names", "input": "inputs", "output": "outputs"},
    t.Plan: {"agent": "names", "input": "inputs", "output": "outputs", "steps": "outputs"},
    t.McpCall: {
        **dict.fromkeys(
            ("method", "server", "tool", "mcp_session_id", "request_id", "protocol_version",
             "transport"), "names"),
        "input": "arguments", "output": "results",
    },
    t.Custom: {"name": "names", "attributes": "events"},
    t.StateTransition: {
        "node": "names", "changed": "names", "goto": "names", "update": "events",
    },
    t.MemoryAccess: {"store": "names", "keys": "names", "value": "events"},
    t.Score: {
        "name": "names", "value": "labels", "comment": "events", "target_span_id": "names",
        "target_trace_id": "names", "target_session_id": "names",
    },
    t.LogEvent: {
        "level": "names", "message": "events", "logger": "names", "attributes": "events",
    },
    t.RetryEvent: {"reason": "labels"},
    t.Decision: {"about": "labels", "outcome": "labels", "by": "labels", "reason": "events"},
    t.ErrorEvent: {"error": "errors"},
}  # fmt: skip

OWN: Final = frozenset({"resource", "redactions", "truncated", "faults", "blobs"})
"""Fields of ``Span`` that the chain itself writes, or treats apart."""

USER_IDS: Final = ("user", "safety_identifier")
"""Of ``LLMCall.params`` those that name a user to the provider."""

PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class Field(Struct, frozen=True):
    name: str
    shape: Shape
    area: Area


def _shape(hint: Any) -> Shape:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if Any in options:
        return "value"
    for option in options:
        origin = get_origin(option)
        if origin is Mapping:
            return "values"
        if origin is tuple:
            return "texts" if get_args(option)[0] is str else "structs"
        if isinstance(option, type) and issubclass(option, Struct):
            return "struct"
    return "text"


def _plan(kind: type[Struct]) -> tuple[Field, ...]:
    areas = AREAS[kind]
    hints = get_type_hints(kind)

    def shape(name: str) -> Shape:
        if kind is t.Span and name in OWN:
            return "own"
        return _shape(hints[name]) if name in areas else "structure"

    return tuple(Field(n, shape(n), areas.get(n, "inherit")) for n in kind.__struct_fields__)


PLANS: Final[Mapping[type[Struct], tuple[Field, ...]]] = {kind: _plan(kind) for kind in AREAS}


def keys_of(path: Path) -> Iterator[str | int]:
    if path is not None:
        yield from keys_of(path[0])
        yield path[1]


def render(path: Path) -> str:
    """``detail.input[0].parts[0].text``. Of a long key nothing, for half a secret is not known as one."""

    def step(key: str | int) -> str:
        return f"[{key}]" if isinstance(key, int) else f".{key if len(key) <= 100 else '<long>'}"

    return "".join(map(step, keys_of(path))).removeprefix(".")


class Walker:
    """Goes through a span by the table and puts together a new one where something changes.

    A stage overrides ``text`` and ``value``. What is unchanged stays the very same object.
    """

    def text(self, text: str, area: Area, path: Path) -> str:
        return text

    def value(self, value: t.Value, area: Area, path: Path) -> t.Value:
        return value

    def structure(self, value: Any, path: Path) -> Any:
        return value

    def values(
        self, values: Mapping[str, t.Value], area: Area, path: Path
    ) -> Mapping[str, t.Value]:
        new = {key: self.value(value, area, (path, key)) for key, value in values.items()}
        return new if any(new[key] is not value for key, value in values.items()) else values

    def struct(self, struct: AnyStruct, area: Area, path: Path) -> AnyStruct:
        changes = {}
        for field in PLANS[type(struct)]:
            old = getattr(struct, field.name)
            if old is not None and field.shape != "own":
                own = area if field.area == "inherit" else field.area
                new = self.field(old, field.shape, own, (path, field.name))
                if new is not old:
                    changes[field.name] = new
        return replace(struct, **changes) if changes else struct

    def field(self, value: Any, shape: Shape, area: Area, path: Path) -> Any:
        match shape:
            case "own":
                return value
            case "structure":
                return self.structure(value, path)
            case "text":
                return self.text(value, area, path) if type(value) is str else value
            case "value":
                return self.value(value, area, path)
            case "values":
                return self.values(value, area, path)
            case "struct":
                return self.struct(value, area, path)
            case "structs":
                return same(value, [self.struct(v, area, (path, i)) for i, v in enumerate(value)])
            case "texts":
                return same(value, [self.text(v, area, (path, i)) for i, v in enumerate(value)])


def distinct(name: str, taken: Container[str], tried: dict[str, int]) -> str:
    """``name`` with a mark where it is taken; ``tried`` keeps many equal names from costing more each."""
    new = name
    while new in taken:
        number = tried[name] = tried.get(name, 0) + 1
        new = f"{name}'" if number == 1 else f"{name}'{number}"
    return new


def same(old: tuple[Any, ...], new: list[Any]) -> tuple[Any, ...]:
    """``old`` itself where nothing changed."""
    return old if all(a is b for a, b in zip(old, new, strict=True)) else tuple(new)
