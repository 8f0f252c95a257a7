"""Programs that know nothing of spanloom, run under it, and their traces as documents."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spanloom.testing import Answer, Chat, FakeProvider, Tokens, ToolCall

Run = Callable[..., str]
Example = Callable[..., dict[str, Any]]


def asks(*calls: tuple[str, dict[str, Any]], usage: Tokens) -> Chat:
    return Chat(
        tool_calls=tuple(ToolCall(name, arguments) for name, arguments in calls), usage=usage
    )


def counts(seed: int) -> Iterator[Tokens]:
    """Other counts for each answer, so that none can stand for another."""
    return (Tokens(prompt=100 * n + seed, completion=7 * n + seed) for n in range(1, 100))


def script(*steps: Iterable[tuple[str, dict[str, Any]]] | str) -> list[Answer]:
    """What the model says: a text, or the tools that it asks for."""
    return [
        Chat(text=step, usage=usage) if isinstance(step, str) else asks(*step, usage=usage)
        for step, usage in zip(steps, counts(len(steps)), strict=False)
    ]


def show(run: Run, id: str = "last") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run("trace", id, "--json"))
    return document


def spans(document: dict[str, Any], kind: str | None = None) -> list[dict[str, Any]]:
    found = [node["span"] for node in document["spans"]]
    return [span for span in found if kind in (None, span["kind"])]


def whole(*documents: dict[str, Any], provider: FakeProvider, run: Run) -> None:
    """Each is one connected trace, and together they tell of every exchange just as it was."""
    # a trace for each process and not one more
    assert len(json.loads(run("traces", "--json"))["traces"]) == len(documents)
    told: Counter[tuple[Any, ...]] = Counter()
    for document in documents:
        nodes, found = document["spans"], spans(document)
        assert {node["adrift"] for node in nodes} == {None}
        assert {node["open"] for node in nodes} == {None}
        assert [s["kind"] for s in found if s["parent_id"] is None] == ["workflow"]
        ids = {s["span_id"] for s in found}
        assert len(ids) == len(found)
        assert {s["parent_id"] for s in found} - ids == {None}
        assert {s["status"] for s in found} == {"ok"}
        assert document["trace"]["errors"] == 0
        for span in spans(document, "llm") + spans(document, "embedding"):
            usage = span["detail"]["usage"]
            told[
                span["kind"],
                span["detail"].get("response_id"),
                usage["input"],
                usage.get("output") or 0,
            ] += 1
    answered: Counter[tuple[Any, ...]] = Counter()
    for exchange in provider.exchanges:
        assert exchange.status == 200
        usage = exchange.answer.usage
        assert usage is not None
        kind = "embedding" if exchange.endpoint == "/embeddings" else "llm"
        answered[
            kind, exchange.answer.id, usage["prompt_tokens"], usage.get("completion_tokens", 0)
        ] += 1
    assert told == answered
    summaries = [document["trace"] for document in documents]
    assert sum(s["model_calls"] for s in summaries) == len(provider.exchanges)
    assert sum(s["input_tokens"] for s in summaries) == sum(
        n * into for (*_, into, _), n in answered.items()
    )


def tools(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and call id of each tool that ran, in the order of its start."""
    found = sorted(spans(document, "tool"), key=lambda s: s["start"])
    return [(s["name"], s["detail"]["call_id"]) for s in found]


def asked(provider: FakeProvider) -> list[tuple[str, str]]:
    calls = (e.answer.tool_calls for e in provider.exchanges)
    return [(c.name, c.id) for made in calls for c in made if not c.name.startswith("transfer")]


def handoffs(document: dict[str, Any]) -> list[tuple[str, str]]:
    """By both ends: the agents that gave and took over, not only their names."""
    story = document["story"]
    agent = {step["span_id"]: step["agent"] for step in story["steps"]}
    for h in story["handoffs"]:
        assert (agent[h["giver"]], agent[h["receiver"]]) == (h["source"], h["target"])
    return [(h["source"], h["target"]) for h in story["handoffs"]]


def agents(document: dict[str, Any]) -> list[str]:
    return [step["agent"] for step in document["story"]["steps"]]
