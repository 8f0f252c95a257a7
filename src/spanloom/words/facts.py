"""What is worth saying of a span in a line: its label, and short facts in words."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from spanloom import types
from spanloom.record import (
    CustomAt,
    DecisionAt,
    ErrorEventAt,
    LogEventAt,
    MemoryAccessAt,
    Record,
    RetryEventAt,
    ScoreAt,
    StateTransitionAt,
)
from spanloom.store import paused

from . import clean, duration, plural, tokens


def label(span: Record, arrow: str) -> str:
    """The name to show, with the model or the target where the name does not have it."""
    detail = span.detail
    match detail:
        case types.Agent(agent=str(name)):
            return clean(name)
        case types.Tool(tool=str(name)):
            return clean(name)
        case types.Handoff(source=source, target=target) if source or target:
            return clean(f"{source or '?'} {arrow} {target or '?'}")
    name = span.name
    if isinstance(detail, (types.ModelCall, types.Guardrail)):
        model = detail.model or (
            detail.response_model if isinstance(detail, types.ModelCall) else None
        )
        if model and model not in name:
            name = f"{name} {model}"
    return clean(name).removeprefix(f"{span.kind} ")


def facts(span: Record) -> Iterator[str]:
    """Short facts, the most telling first."""
    detail = span.detail
    match detail:
        case types.LLMCall():
            yield from _model_call(detail)
            yield from _answer(span, detail)
        case types.Embedding():
            if detail.count is not None:
                yield plural(detail.count, "vector")
            yield from _model_call(detail)
        case types.Rerank():
            if detail.candidates is not None:
                yield f"{plural(detail.candidates, 'candidate')}, {len(detail.documents)} kept"
            yield from _model_call(detail)
        case types.Tool():
            if detail.is_error and span.status == "ok":
                yield "returned an error"
        case types.Handoff():
            yield from _handoff(detail)
        case types.Retrieval():
            if detail.source and detail.source not in span.name:
                yield f"from {detail.source}"
            yield plural(len(detail.documents), "document")
            best = max((d.score for d in detail.documents if d.score is not None), default=None)
            if best is not None:
                yield f"best score {best:.3g}"
        case types.Memory():
            if detail.operation and detail.operation not in span.name:
                yield detail.operation
            yield from detail.keys[:3]
            if detail.hit is not None:
                yield "hit" if detail.hit else "miss"
        case types.Guardrail():
            if detail.triggered is not None:
                yield "triggered" if detail.triggered else "passed"
            yield from detail.categories[:4]
            if detail.action:
                yield detail.action
        case types.Plan():
            if detail.steps:
                yield plural(len(detail.steps), "step")
        case types.McpCall():
            for word in (detail.method, detail.tool):
                if word and word not in span.name:
                    yield word
            if detail.server:
                yield f"server {detail.server}"
            if detail.is_error:
                yield "returned an error"
        case types.Agent():
            if detail.role:
                yield detail.role
            if detail.model:
                yield detail.model
    if paused(span.status, span.ended_by):
        yield f"paused ({span.ended_by})"
    elif span.ended_by:
        yield f"ended by {span.ended_by}"
    if not span.complete:
        yield "not read to the end"
    yield from (f"fault: {fault}" for fault in span.faults[:2])


def _model_call(call: types.ModelCall) -> Iterator[str]:
    if call.response_model and call.model and not call.response_model.startswith(call.model):
        yield f"answered by {call.response_model}"
    if call.fallback_from:
        yield f"fell back from {call.fallback_from}"
    if call.attempts:
        reasons = ", ".join(dict.fromkeys(
            str(a.http_status) if a.http_status else a.reason for a in call.attempts
        ))  # fmt: skip
        yield f"{plural(len(call.attempts), 'attempt')} failed before ({reasons})"
    if call.cache and call.cache.hit:
        yield f"cache hit ({call.cache.kind})"
    if call.usage:
        for count, what in ((call.usage.cached, "cached"), (call.usage.reasoning, "reasoning")):
            if count:
                yield f"{tokens(count)} {what}"


def _answer(span: Record, call: types.LLMCall) -> Iterator[str]:
    if call.stream or call.time_to_first_chunk_ns is not None:
        first = call.time_to_first_chunk_ns
        yield f"TTFT {duration(first)}" if first is not None else "stream"
        if call.output_tokens_per_s:
            yield f"{call.output_tokens_per_s:.0f} tok/s"
    yield from dict.fromkeys(call.finish)
    asked = [p.name for m in call.output for p in m.parts if isinstance(p, types.ToolRequest)]
    if asked:
        more = f" +{len(asked) - 3}" if len(asked) > 3 else ""
        yield f"asks for {', '.join(asked[:3])}{more}"


def _handoff(detail: types.Handoff) -> Iterator[str]:
    if detail.mechanism:
        yield detail.mechanism.replace("_", " ")
    if detail.outcome and detail.outcome != "accepted":
        yield detail.outcome.upper()
    if detail.returns_control is not None:
        yield "control returns" if detail.returns_control else "control stays there"
    if detail.reason:
        yield f'"{detail.reason}"'


def arguments(value: Any) -> str:
    """Arguments of a tool in a line: ``city="Ulm", days=3``."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return clean(", ".join(f"{key}={_json(item)}" for key, item in value.items()))
    return clean(_json(value))


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return "?"


_ERRORS = {
    "auth": "authentication", "server": "server error", "connection": "connection error",
    "parse": "parse error", "tool": "tool error", "other": "",
}  # fmt: skip


def error(span: Record) -> str:
    """Why a span failed, in words."""
    failure = span.error
    if failure is None:
        return ""
    what = _ERRORS.get(failure.type, failure.type.replace("_", " "))
    inside = " ".join(w for w in (failure.class_name, failure.code) if w and w != failure.type)
    head = f"{what} ({inside})" if what and inside else what or inside or "error"
    return clean(f"{head}: {failure.message}")


def events(span: Record) -> Iterator[str]:
    """What happened inside, in words; routine log lines are left out."""
    for event in span.events:
        match event:
            case ScoreAt():
                about = " of another span" if event.target_span_id else ""
                comment = f' "{event.comment}"' if event.comment else ""
                yield f"score {event.name}{about} = {_json(event.value)}{comment}"
            case DecisionAt():
                by = f" by {event.by}" if event.by else ""
                reason = f': "{event.reason}"' if event.reason else ""
                yield f"decision on {event.about}: {event.outcome}{by}{reason}"
            case RetryEventAt():
                delay = f" after {event.delay_s:g}s" if event.delay_s is not None else ""
                yield f"attempt {event.attempt}{delay}: {event.reason}"
            case ErrorEventAt():
                yield f"error, handled: {event.error.type}: {event.error.message}"
            case StateTransitionAt():
                node = f" by {event.node}" if event.node else ""
                goto = f"; next: {', '.join(event.goto)}" if event.goto else ""
                yield f"state{node}: {', '.join(event.changed) or 'unchanged'}{goto}"
            case MemoryAccessAt():
                hit = "" if event.hit is None else ", hit" if event.hit else ", miss"
                yield f"memory {event.operation} {event.store or ''} {', '.join(event.keys)}{hit}"
            case LogEventAt():
                if event.level.lower() not in ("debug", "info", "trace", "notset"):
                    yield f"{event.level.lower()}: {event.message}"
            case CustomAt():
                yield f"event {event.name} {arguments(event.attributes)}"


def contents(span: Record) -> Iterator[tuple[str, str]]:
    """Inputs and outputs as pairs of a heading and a text of any number of lines."""
    detail = span.detail
    if isinstance(detail, types.LLMCall):
        for message in (*detail.input, *detail.output):
            yield heading(message), message_text(message)
        return
    for field in ("description", "query", "payload", "input", "output"):
        value = getattr(detail, field, None)
        if value is not None:
            yield field, _long(value)
    if isinstance(detail, (types.Retrieval, types.Rerank)):
        for number, document in enumerate(detail.documents, 1):
            score = f" {document.score:.3g}" if document.score is not None else ""
            yield f"{number}{score}", _long(document.content)
    if span.error and span.error.stack:
        yield "stack", "\n".join(span.error.stack)


def heading(message: types.Message) -> str:
    return f"{message.role} {message.name}" if message.name else message.role


def message_text(message: types.Message) -> str:
    return "\n".join(map(_part, message.parts))


def _part(part: types.MessagePart) -> str:
    match part:
        case types.Text(text=text):
            return text
        case types.Reasoning(text=text):
            return f"(thinks) {text}" if text else "(thinks; kept by the provider)"
        case types.Refusal(text=text):
            return f"(refuses) {text}"
        case types.ToolRequest():
            return f"asks for {part.name}({arguments(part.arguments)})"
        case types.ToolResult():
            failed = "error " if part.is_error else ""
            return f"{failed}{part.name + ': ' if part.name else ''}{_long(part.result)}"
        case types.Media():
            about = (part.mime_type, part.name, part.url or part.file_id)
            size = f"{part.size_bytes:,} bytes" if part.size_bytes is not None else None
            stored = f"blobs/{part.sha256}" if part.sha256 else None
            return f"[{part.media}: {', '.join(w for w in (*about, size, stored) if w)}]"
        case types.Opaque():
            return f"[{part.name}] {_long(part.value)}"


def _long(value: Any) -> str:
    if isinstance(value, str):
        return value
    text = _json(value)
    return text if len(text) <= 60 else msgspec.json.format(text, indent=2)
