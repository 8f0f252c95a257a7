"""The examples: programs that know nothing of spanloom, each recorded as the provider answered it."""

from pathlib import Path
from typing import Any

import pytest

from spanloom.testing import FakeProvider

from .programs import Example, Run, show, spans, whole


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
