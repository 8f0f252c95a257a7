"""The examples: programs that know nothing of spanloom, each recorded as the provider answered it."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from spanloom.testing import Answer, Chat, FakeProvider, Tokens, ToolCall

ROOT = Path(__file__).parents[3]
Run = Callable[..., str]


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


@pytest.fixture
def environ(tmp_path: Path, provider: FakeProvider) -> dict[str, str]:
    return os.environ | {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "none",
        "SPANLOOM_DIR": str(tmp_path / "record"),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "PYTHONIOENCODING": "utf-8",
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    def go(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "spanloom", *words],
            env=environ, capture_output=True, encoding="utf-8", timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for word in ("spanloom", "warning", "traceback"):
            assert word not in done.stderr.lower(), done.stderr
        return done.stdout

    return go


@pytest.fixture
def example(run: Run) -> Callable[..., dict[str, Any]]:
    """Run one, as its document of ``spanloom trace``."""

    def go(name: str, *arguments: str) -> dict[str, Any]:
        program = str(ROOT / "examples" / f"{name}.py")
        assert run("run", "--", sys.executable, program, *arguments).strip()
        return show(run)

    return go


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


Example = Callable[..., dict[str, Any]]
newest = pytest.mark.skipif(
    not all(map(find_spec, ("langchain", "langgraph_supervisor", "langgraph_swarm"))),
    reason="packages that only exist for the newer LangChain",
)


@pytest.mark.parametrize(
    ("name", "calls"),
    [("chains", 6), ("subgraphs", 3), ("map_reduce", 5), ("async_fan_out", 15), ("thread_pool", 7)],
)
def test_a_program_is_one_trace(
    name: str, calls: int, example: Example, provider: FakeProvider, run: Run
) -> None:
    document = example(name)
    assert len(provider.exchanges) == calls
    whole(document, provider=provider, run=run)


def test_graphs_in_graphs_hang_in_each_other(example: Example, run: Run) -> None:
    document = example("subgraphs")
    names = {s["span_id"]: s for s in spans(document)}

    def above(span: dict[str, Any]) -> list[str]:
        path = []
        while span["parent_id"]:
            span = names[span["parent_id"]]
            path.append(span["name"])
        return path

    paths = [above(span) for span in spans(document, "llm")]
    for path in paths:
        assert path[-2:] == ["newsroom", "subgraphs.py"]
    assert [[word in path for path in paths] for word in ("writing", "checking")] == [
        [True, True, False],
        [False, False, True],
    ]


def test_retrieval(example: Example, provider: FakeProvider, run: Run) -> None:
    document = example("rag")
    whole(document, provider=provider, run=run)
    assert [e.endpoint for e in provider.exchanges].count("/embeddings") == 2
    (retrieval,) = spans(document, "retrieval")
    (answer,) = spans(document, "llm")
    assert any(s["parent_id"] == retrieval["span_id"] for s in spans(document, "embedding"))
    assert retrieval["start"] < answer["start"]


@newest
def test_an_agent(example: Example, provider: FakeProvider, run: Run) -> None:
    both: list[tuple[str, dict[str, Any]]] = [
        ("in_stock", {"item": "kettle"}),
        ("in_stock", {"item": "teapot"}),
    ]
    provider.script(script(both, [("order", {"item": "teapot", "count": 5})], "Ordered."))
    document = example("create_agent")
    whole(document, provider=provider, run=run)
    assert agents(document) == ["storekeeper"]
    assert Counter(tools(document)) == Counter(asked(provider))
    assert len(tools(document)) == 3


@newest
def test_a_supervisor(example: Example, provider: FakeProvider, run: Run) -> None:
    provider.script(
        script(
            [("transfer_to_researcher", {})],
            [("population", {"city": "Oslo"}), ("population", {"city": "Bergen"})],
            "717710 and 291940.",
            [("transfer_to_analyst", {})],
            [("divide", {"a": 717710, "b": 291940})],
            "2.46",
            "Oslo is 2.46 times larger.",
        )
    )
    document = example("supervisor")
    whole(document, provider=provider, run=run)
    assert agents(document) == ["supervisor", "researcher", "supervisor", "analyst", "supervisor"]
    assert handoffs(document) == [
        ("supervisor", "researcher"), ("researcher", "supervisor"),
        ("supervisor", "analyst"), ("analyst", "supervisor"),
    ]  # fmt: skip
    done = [tool for tool in tools(document) if not tool[0].startswith("transfer")]
    assert Counter(done) == Counter(asked(provider))


@newest
def test_a_swarm(example: Example, provider: FakeProvider, run: Run) -> None:
    provider.script(
        script(
            [("find_flight", {"to": "Oslo"})],
            [("transfer_to_hotels", {})],
            [("find_hotel", {"city": "Oslo"})],
            "Hotel Bristol.",
            [("transfer_to_flights", {})],
            [("find_flight", {"to": "Oslo"})],
            "KL1234.",
        )
    )
    document = example("swarm")
    whole(document, provider=provider, run=run)
    assert agents(document) == ["flights", "hotels", "hotels", "flights"]
    assert handoffs(document) == [("flights", "hotels"), ("hotels", "flights")]
    done = [tool for tool in tools(document) if not tool[0].startswith("transfer")]
    assert done == asked(provider)


def test_a_pause_and_its_resume_in_another_process(
    example: Example, provider: FakeProvider, run: Run, tmp_path: Path
) -> None:
    state = str(tmp_path / "thanks.pickle")
    first = example("interrupt_resume", state)["trace"]["trace_id"]
    second = example("interrupt_resume", state, "yes")["trace"]["trace_id"]
    assert first != second
    asking, going_on = show(run, first), show(run, second)
    whole(asking, going_on, provider=provider, run=run)
    (pause,) = asking["story"]["pauses"]
    assert (pause["at"], pause["resumed_in"]) == ("approve", [second])
    (link,) = [k for k in going_on["story"]["linked"] if k["backward"]]
    assert (link["trace_id"], link["reason"]) == (first, "resume")
    # the node that paused, or the graph around it, which the interrupt ended as well
    (node,) = [s for s in spans(asking) if s["span_id"] == pause["span_id"]]
    assert link["other_span_id"] in (node["span_id"], node["parent_id"])
    assert going_on["story"]["pauses"] == []
