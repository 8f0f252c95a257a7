"""Chat and completion models: one ``llm`` span for a run."""

import re
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from spanloom.sdk import Active
from spanloom.types import (
    CacheHit,
    Cost,
    LLMCall,
    Message,
    Text,
    ToolDefinition,
    Usage,
)

from . import messages
from .messages import Kept


class Marks:
    """When the chunks with content came."""

    __slots__ = ("chunks", "first", "last")

    def __init__(self) -> None:
        self.first = self.last = self.chunks = 0

    def see(self) -> None:
        self.last = perf_counter_ns()
        self.first = self.first or self.last
        self.chunks += 1


class Asked(Struct, kw_only=True):
    """What is kept of a call until the worker reads it."""

    run_id: Any
    operation: str
    metadata: Mapping[str, Any]
    params: Mapping[str, Any]
    messages: list[Kept] = []
    prompt: str | None = None
    marks: Marks | None = None
    unread: list[None] = field(default_factory=lambda: [None])
    """Empty once the first chunk has come. Not ``marks``: contexts leak, and would hold the request."""
    partial: Any = None
    """What had come of a stream that failed or was left."""
    fallback_from: str | None = None


def model_of(metadata: Mapping[str, Any], params: Mapping[str, Any]) -> str | None:
    for found in (
        metadata.get("ls_model_name"),
        params.get("model"),
        params.get("model_name"),
        params.get("model_id"),
    ):
        if isinstance(found, str) and found:
            return found
    return None


PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azureopenai": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "amazon_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
    "xai": "x_ai",
}


def provider_of(metadata: Mapping[str, Any]) -> str | None:
    said = metadata.get("ls_provider")
    return PROVIDERS.get(said.lower(), said.lower()) if isinstance(said, str) and said else None


_FIELDS = frozenset({
    "model", "model_name", "model_id", "_type", "stream", "tools", "functions", "stop",
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "seed",
    "n", "reasoning_effort", "response_format", "tool_choice", "stream_options",
})  # fmt: skip
_SECRET = re.compile("key|secret|token$|password|credential|header|auth", re.IGNORECASE)


def keep_generations(result: Any) -> Any:
    """The answers, copied: a cache hands out the same object again, and programs rename messages."""
    kept = []
    for generations in result.generations or ():
        for made in generations:
            answer = getattr(made, "message", None)
            kept.append((
                messages.keep(answer) if answer is not None else None,
                getattr(made, "text", ""),
                made.generation_info or {},
            ))  # fmt: skip
        break  # a run is about one prompt
    return kept, result.llm_output or {}


# -- on the worker ------------------------------------------------------------------------------


def extract(active: Active) -> LLMCall:
    asked: Asked = active.request
    params, metadata = asked.params, asked.metadata
    known: dict[str, Any] = {
        "provider": provider_of(metadata),
        "model": model_of(metadata, params),
        "operation": asked.operation,
        "fallback_from": asked.fallback_from,
        "fallback_to": model_of(metadata, params) if asked.fallback_from else None,
        "stream": bool(params.get("stream")) or (asked.marks is not None),
        "tools": tuple(_tools(params.get("tools") or params.get("functions"))),
        "response_format": params.get("response_format"),
        "tool_choice": params.get("tool_choice"),
        "temperature": _number(params.get("temperature", metadata.get("ls_temperature"))),
        "top_p": _number(params.get("top_p")),
        "seed": _whole(params.get("seed")),
        "choices": _whole(params.get("n")),
        "max_tokens": _whole(_first(params, "max_completion_tokens", "max_output_tokens",
                                    "max_tokens") or metadata.get("ls_max_tokens")),
        "stop": _stop(params.get("stop")),
        "params": {
            key: value
            for key, value in params.items()
            if key not in _FIELDS and value is not None and not _SECRET.search(key)
        },
    }  # fmt: skip
    if isinstance(effort := params.get("reasoning_effort"), str):
        known["reasoning_effort"] = effort
    if asked.prompt is not None:
        known["input"] = (Message(role="user", parts=(Text(text=asked.prompt),)),)
    else:
        known["input"] = tuple(map(messages.message, asked.messages))
    answer = active.response if active.response is not None else asked.partial
    if answer is not None:
        _answer(known, answer, asked, active)
    _time(known, asked.marks, active)
    return LLMCall(**known)


def _answer(known: dict[str, Any], answer: Any, asked: Asked, active: Active) -> None:
    generations, told = answer
    output: list[Message] = []
    finish: list[str] = []
    used: Usage | None = None
    cached = False
    for kept, text, info in generations:
        about: Mapping[str, Any] = {}
        if kept is None:
            output.append(Message(role="assistant", parts=(Text(text=text),)))
        else:
            fields = kept[1]
            about = fields.get("response_metadata") or {}
            if not known.get("response_id"):
                known["response_id"] = _id(fields, about, told)
            output.append(messages.message(kept))
            # the same on each choice
            used = used or messages.usage(fields) or _provider_usage(about)
            cached = cached or _from_cache(fields, asked.run_id)
        reason = _first(info, "finish_reason", "stop_reason") or _first(
            about, "finish_reason", "stop_reason"
        )
        if isinstance(reason, str):
            finish.append(reason)
        for source in (about, info, told):
            if not known.get("response_model"):
                model = _first(source, "model_name", "model")
                known["response_model"] = model if isinstance(model, str) else None
            for name in ("service_tier", "system_fingerprint"):
                if not known.get(name) and isinstance(source.get(name), str):
                    known[name] = source[name]
    known["output"], known["finish"] = tuple(output), tuple(finish)
    used = used or _provider_usage(told)
    if cached:
        # nothing was asked of the provider, and what it once cost was counted then
        known["cache"] = CacheHit(kind="response")
        known["cost"] = Cost(total_usd=0.0, reason="cache hit")
    else:
        known["usage"] = used
    if active.ended_by is None and not active.complete and finish:
        active.complete = True  # whoever left had all there was


def _id(fields: Mapping[str, Any], about: Mapping[str, Any], told: Mapping[str, Any]) -> str | None:
    for found in (about.get("id"), told.get("id"), fields.get("id")):
        if isinstance(found, str) and found and not found.startswith(("run-", "lc_run-")):
            return found
    return None


_OWN_ID = re.compile(r"^(?:lc_)?run-+([0-9a-f-]{36})")


def _from_cache(fields: Mapping[str, Any], run_id: object) -> bool:
    """Whether LangChain's cache answered: since 0.3.6x it says so, and before it kept the old run's id."""
    said = fields.get("usage_metadata")
    if isinstance(said, Mapping) and said.get("total_cost") == 0:
        return True
    found = _OWN_ID.match(fields.get("id") or "")
    return found is not None and UUID(found.group(1)).int != run_id


def _provider_usage(told: Mapping[str, Any]) -> Usage | None:
    """The counts where only the provider's own form was handed on."""
    counts = _first(told, "token_usage", "token_count")
    if not isinstance(counts, Mapping):
        return None
    spent = counts.get("prompt_tokens_details") or {}
    made = counts.get("completion_tokens_details") or {}
    found = {
        "input": _first(counts, "prompt_tokens", "input_tokens"),
        "output": _first(counts, "completion_tokens", "output_tokens"),
        "total": counts.get("total_tokens"),
        "cached": spent.get("cached_tokens"),
        "reasoning": made.get("reasoning_tokens"),
    }
    whole = {name: int(n) for name, n in found.items() if isinstance(n, int | float)}
    return Usage(**whole) if whole else None


def _time(known: dict[str, Any], marks: Marks | None, active: Active) -> None:
    if marks is None or not marks.first:
        return
    known["chunks"] = marks.chunks
    known["time_to_first_chunk_ns"] = marks.first - active.tick
    if marks.chunks > 1:
        known["time_per_output_chunk_ns"] = (marks.last - marks.first) // (marks.chunks - 1)


def _tools(said: Any) -> Sequence[ToolDefinition]:
    found = []
    for tool in said if isinstance(said, list | tuple) else ():
        if not isinstance(tool, Mapping):
            continue
        inner = tool.get("function")
        about = inner if isinstance(inner, Mapping) else tool
        name = about.get("name") or about.get("title") or about.get("type")
        schema = about.get("parameters") or about.get("input_schema") or about.get("properties")
        found.append(
            ToolDefinition(
                name=str(name),
                description=about.get("description"),
                parameters=schema,
                type=str(tool.get("type") or "function"),
            )
        )
    return found


def _first(said: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if said.get(name) is not None:
            return said[name]
    return None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _stop(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else ()
