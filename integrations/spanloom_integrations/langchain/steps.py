"""Chains, tools and retrievers: what the worker makes of their inputs and outputs."""

from collections.abc import Mapping
from typing import Any

from spanloom.sdk import Active, paused_before
from spanloom.types import DETAILS, AnyDetail, Document, Retrieval, Tool

from . import messages


def chain(active: Active) -> AnyDetail:
    """A chain, a node, a graph or an agent: whichever it has turned out to be."""
    return DETAILS[active.kind](
        input=messages.plain(shown(active.request)), output=messages.plain(shown(active.response))
    )  # type: ignore[call-arg]


def resumed(thread: str, active: Active) -> AnyDetail:
    """A graph that goes on with a thread which this process did not see pausing."""
    if active.closed and active.links is None:
        active.links = paused_before(active, thread)
    return chain(active)


def shown(value: Any) -> Any:
    """``Command`` and ``Send`` as data."""
    kind = type(value).__name__
    if kind == "Command" and hasattr(value, "goto"):
        told = {n: getattr(value, n, None) for n in ("graph", "update", "resume", "goto")}
        return {name: shown(held) for name, held in told.items() if held not in (None, ())}
    if kind == "Send" and hasattr(value, "node"):
        return {"node": value.node, "arg": value.arg}
    if type(value) is list or type(value) is tuple:
        return [shown(held) for held in value]
    return value


_INJECTED = frozenset({"state", "store", "runtime", "config", "tool_runtime", "run_manager"})
_INJECTED_CLASSES = frozenset({"ToolRuntime", "Runtime"})


def arguments(inputs: Any) -> Any:
    """Without what the framework injected: a graph's whole state is not an argument."""
    if not isinstance(inputs, Mapping):
        return inputs
    return {
        name: value
        for name, value in inputs.items()
        if not (
            (name in _INJECTED and not isinstance(value, str | int | float | bool))
            or name == "tool_call_id"
            or type(value).__name__ in _INJECTED_CLASSES
        )
    }


def call_id(output: Any) -> str | None:
    """Of a ``ToolMessage``, or of the one in a ``Command``'s update."""
    found = getattr(output, "tool_call_id", None)
    if isinstance(found, str):
        return found
    update = getattr(output, "update", None)
    said = update.get("messages") if isinstance(update, Mapping) else None
    for message in reversed(said) if isinstance(said, list) else ():
        if isinstance(found := getattr(message, "tool_call_id", None), str):
            return found
    return None


def tool(active: Active) -> Tool:
    name, description, inputs, known_id = active.request
    output = active.response
    failed = getattr(output, "status", None) == "error" and hasattr(output, "tool_call_id")
    if hasattr(output, "tool_call_id"):
        told = output.content if getattr(output, "artifact", None) is None else {
            "content": output.content, "artifact": output.artifact}  # fmt: skip
    else:
        told = messages.plain(shown(output))
    return Tool(
        tool=name,
        type="function",
        description=description,
        call_id=known_id or call_id(output),
        input=messages.plain(arguments(inputs)),
        output=told,
        is_error=failed or (active.failure is not None and active.ended_by is None),
    )


_SCORES = ("score", "relevance_score", "_score", "similarity_score", "similarity")


def retrieval(active: Active) -> Retrieval:
    query, metadata, params = active.request
    found = active.response
    return Retrieval(
        query=query,
        source=metadata.get("ls_vector_store_provider") or metadata.get("ls_retriever_name"),
        top_k=params.get("k") if type(params.get("k")) is int else None,
        filter=params.get("filter"),
        documents=tuple(map(document, found)) if isinstance(found, list | tuple) else (),
    )


def document(found: Any) -> Document:
    about = getattr(found, "metadata", None)
    about = dict(about) if isinstance(about, Mapping) else {}
    score = next((about[n] for n in _SCORES if isinstance(about.get(n), int | float)), None)
    own = getattr(found, "id", None) or about.get("id") or about.get("_id")
    return Document(
        id=str(own) if own is not None else None,
        content=getattr(found, "page_content", found),
        score=float(score) if score is not None else None,
        metadata=about,
    )
