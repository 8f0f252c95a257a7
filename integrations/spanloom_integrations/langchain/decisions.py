"""Decision models: calls of a model that LangChain tells of as chains, with ``run_type="llm"``.

Source: ``langchain_core.decisions``, from 1.8.1 on, and ``langchain_openai.decisions``.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from spanloom.sdk import Active
from spanloom.types import LLMCall, Message, MessagePart, Opaque, Text, Usage

from . import messages, models


class Put(Struct, kw_only=True):
    """What is kept of a decision until the worker reads it."""

    metadata: Mapping[str, Any]
    inputs: Any


def start(name: str, metadata: Mapping[str, Any], inputs: Any) -> Active:
    model = models.model_of(metadata, {})
    active = Active(f"decision {model}" if model else name, "llm")
    active.request = Put(metadata=metadata, inputs=inputs)
    active.extract = extract
    return active


def extract(active: Active) -> LLMCall:
    put: Put = active.request
    answer = active.response
    told = getattr(answer, "model", None)
    response_id = getattr(answer, "request_id", None)
    return LLMCall(
        provider=models.provider_of(put.metadata),
        model=models.model_of(put.metadata, {}),
        operation="decision",
        response_model=told if isinstance(told, str) else None,
        provider_request_id=response_id if isinstance(response_id, str) else None,
        input=(Message(role="user", parts=tuple(_asked(put.inputs))),),
        output=(Message(role="assistant", parts=(_answered(answer),)),)
        if answer is not None
        else (),
        usage=_usage(getattr(answer, "usage", None)),
    )


def _asked(inputs: Any) -> list[MessagePart]:
    """What is judged, and the questions about it."""
    if not isinstance(inputs, Mapping):
        return [_part("input", inputs)]
    return [_part(str(name), value) for name, value in inputs.items()]


def _part(name: str, value: Any) -> MessagePart:
    return Text(text=value) if isinstance(value, str) else Opaque(name=name, value=_plain(value))


def _answered(answer: Any) -> MessagePart:
    found = getattr(answer, "answers", None)
    return Opaque(name="answers", value=_plain(answer if found is None else found))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in value.items()}
    if hasattr(value, "model_dump") and not messages.is_message(value):
        return value.model_dump()
    return messages.plain(value)


def _usage(said: Any) -> Usage | None:
    """LangChain's own form, or a provider's object of the same names."""
    if said is None:
        return None
    counts = said if isinstance(said, Mapping) else getattr(said, "__dict__", {})
    used = messages.usage({"usage_metadata": counts})
    if used is None or (used.input is None and used.output is None):
        return None
    return used
