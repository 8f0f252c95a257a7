"""The local record as it is read: every record here was made by `record.encode` of a real span."""

import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanloom import record, store
from spanloom.types import (
    Agent,
    Cost,
    Embedding,
    LLMCall,
    Resource,
    Span,
    Task,
    Usage,
    Workflow,
)

S = 1_000_000_000
NOW = time.time_ns() // S * S - 600 * S


def span(
    id: int, parent: int | None = None, *, trace: int = 1, at: float = 0, **facts: Any
) -> Span:
    """A span that starts ``at`` seconds after NOW and takes ``lasts`` seconds."""
    start = NOW + int(at * S)
    lasts = facts.pop("lasts", 1)
    status = facts.setdefault("status", "ok")
    facts.setdefault("name", f"span {id}")
    facts.setdefault("detail", Task())
    end = None if status == "pending" else start + int(lasts * S)
    return Span(
        trace_id=trace, span_id=id, parent_id=parent, integration="manual",
        start_ns=start, end_ns=end, **facts,
    )  # fmt: skip


def write(dir: Path, spans: Sequence[Span], *, file: str = "1-a.jsonl", at: float = 0) -> Path:
    """Append to a file of the record, last written ``at`` seconds after NOW or after its spans."""
    path = dir / "traces" / "2026-01-31" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as out:
        for one in spans:
            out.write(record.encode(one) + b"\n")
    ends = [one.end_ns or one.start_ns for one in spans] or [NOW]
    os.utime(path, ns=(max(ends) + int(at * S),) * 2)
    return path


def shape(found: store.Trace) -> list[tuple[int, int]]:
    return [(node.depth, int(node.record.span_id, 16)) for node in found.nodes]


def test_a_tree_has_children_by_start_time(tmp_path: Path) -> None:
    write(tmp_path, [span(3, 1, at=2), span(4, 3, at=3), span(2, 1, at=1), span(1, at=0, lasts=9)])
    assert shape(store.trace(tmp_path, "last")) == [(0, 1), (1, 2), (1, 3), (2, 4)]


def test_a_later_line_supersedes_a_pending_one(tmp_path: Path) -> None:
    write(tmp_path, [span(1, status="pending"), span(1, lasts=5)])
    [one] = store.traces(tmp_path, limit=5)
    assert (one.spans, one.status, one.duration_ns, one.open) == (1, "ok", 5 * S, None)
    assert store.trace(tmp_path, one.trace_id).nodes[0].record.status == "ok"


def test_a_pending_line_after_the_end_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, [span(1)])
    write(tmp_path, [span(1, status="pending", at=0)], file="2-a.jsonl", at=9)
    assert store.trace(tmp_path, "last").summary.status == "ok"
    assert store.traces(tmp_path, limit=1)[0].status == "ok"


def test_open_spans_by_whether_their_process_is_there(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = platform.node()
    now = time.time() - NOW / S
    write(
        tmp_path,
        [
            span(1, status="pending", at=now, resource=Resource(host=here, pid=os.getpid())),
            span(2, 1, status="pending", at=now, resource=Resource(host=here, pid=gone.pid)),
            span(3, 1, status="pending", at=now, resource=Resource(host="elsewhere", pid=1)),
            span(4, 1, status="pending", at=now, resource=Resource()),
            # pytest itself began after this one: the number was given out again
            span(5, 1, status="pending", at=-9e8, resource=Resource(host=here, pid=os.getpid())),
            span(6, 1, at=now),
        ],
    )
    found = store.trace(tmp_path, "last")
    states = {int(node.record.span_id, 16): node.open for node in found.nodes}
    assert states == {
        1: "open", 2: "never_ended", 3: "unknown", 4: "unknown", 5: "never_ended", 6: None
    }  # fmt: skip
    assert found.summary.open_spans == 5


def test_spans_without_their_parent_stand_behind_the_root(tmp_path: Path) -> None:
    write(
        tmp_path,
        [span(5, 99, at=1), span(6, 98, at=2), span(7, 99, at=3), span(8, 6), span(1, at=4)],
    )
    found = store.trace(tmp_path, "last")
    assert shape(found) == [(0, 1), (0, 5), (0, 7), (0, 6), (1, 8)]
    assert [node.adrift for node in found.nodes] == [None, "missing", "missing", "missing", None]


def test_a_loop_of_parents_is_cut_at_its_earliest_span(tmp_path: Path) -> None:
    write(
        tmp_path, [span(1), span(2, 4, at=2), span(3, 2, at=1), span(4, 3, at=3), span(5, 5, at=9)]
    )
    found = store.trace(tmp_path, "last")
    assert shape(found) == [(0, 1), (0, 3), (1, 4), (2, 2), (0, 5)]
    assert [n.adrift for n in found.nodes] == [None, "loop", None, None, "loop"]


def test_sums_are_over_model_calls_alone(tmp_path: Path) -> None:
    call = LLMCall(usage=Usage(input=10, output=2, cached=4), cost=Cost(total_usd=0.5))
    unpriced = LLMCall(usage=Usage(input=1, output=1, reasoning=1), cost=Cost(reason="unknown"))
    write(
        tmp_path,
        [
            span(1, detail=Workflow()),
            span(2, 1, at=1, detail=Agent(agent="front")),
            span(3, 2, at=2, detail=call),
            span(4, 2, at=3, detail=Agent(agent="back")),
            span(5, 4, at=4, detail=unpriced),
            span(6, 4, at=5, detail=Embedding(usage=Usage(input=100))),
            span(7, 4, at=6, detail=LLMCall(), status="error"),
        ],
    )
    found = store.trace(tmp_path, "last")
    assert found.summary.totals == store.Totals(
        model_calls=4, input_tokens=111, output_tokens=3, cached_tokens=4, reasoning_tokens=1,
        cost_usd=0.5, unpriced_calls=2,
    )  # fmt: skip
    assert found.summary == store.traces(tmp_path, limit=1)[0]
    below = {int(node.record.span_id, 16): node.subtotals for node in found.nodes}
    assert below[1] == found.summary.totals == below[2]
    assert below[4] is not None
    assert (below[4].model_calls, below[4].input_tokens, below[4].cost_usd) == (3, 101, None)
    assert below[3] is below[5] is None
    assert [(a.agent, a.totals.model_calls) for a in found.agents] == [("front", 1), ("back", 3)]


def test_nothing_said_is_none_and_not_zero(tmp_path: Path) -> None:
    write(tmp_path, [span(1, detail=LLMCall())])
    assert store.traces(tmp_path, limit=1)[0].totals == store.Totals(model_calls=1)


def test_an_error_that_passes_through_counts_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        [span(1, status="error"), span(2, 1, status="error"), span(3, 2, status="timeout"),
         span(4, 2, status="cancelled"), span(5, 1, status="error")],
    )  # fmt: skip
    assert store.traces(tmp_path, limit=1)[0].errors == 2


def test_newest_first_over_many_files(tmp_path: Path) -> None:
    for n in range(30):
        write(tmp_path, [span(1, trace=n + 1, at=n * 60)], file=f"{n}-x.jsonl")
    ids = [int(one.trace_id, 16) for one in store.traces(tmp_path, limit=4)]
    assert ids == [30, 29, 28, 27]
    later = store.traces(tmp_path, limit=None, since_ns=NOW + 25 * 60 * S)
    assert [int(one.trace_id, 16) for one in later] == [30, 29, 28, 27, 26]
    assert len(store.traces(tmp_path, limit=None)) == 30


def test_a_short_list_leaves_old_files_unread(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path, [span(1, trace=n + 1, at=n * 7200)], file=f"{n}-x.jsonl")
    old = next(tmp_path.glob("traces/*/0-x.jsonl"))
    written = old.stat().st_mtime_ns
    old.write_text("no record\n" * 3)
    os.utime(old, ns=(written, written))
    reading = store.Reading()
    assert len(store.traces(tmp_path, limit=1, reading=reading)) == 1
    assert reading.unreadable == {}
    assert len(store.traces(tmp_path, limit=9, reading=reading)) == 2
    assert list(reading.unreadable.values()) == [3]


def test_a_trace_of_several_processes_is_whole(tmp_path: Path) -> None:
    write(tmp_path, [span(2, 1, at=1), span(3, 1, at=2)], file="1-a.jsonl")
    write(tmp_path, [span(4, 3, at=50)], file="2-b.jsonl")
    write(tmp_path, [span(1, at=0, lasts=3000)], file="3-c.jsonl")
    write(tmp_path, [span(9, trace=7, at=2000)], file="4-d.jsonl")
    assert [one.spans for one in store.traces(tmp_path, limit=2)] == [1, 4]
    assert shape(store.trace(tmp_path, f"{1:032x}")) == [(0, 1), (1, 2), (1, 3), (2, 4)]
    assert len(store.trace(tmp_path, f"{1:032x}").files) == 3


def test_a_child_that_outlives_most_of_the_file(tmp_path: Path) -> None:
    """The root's only line lies far before the child's: it is looked for."""
    filler = [span(100 + n, trace=50 + n, at=10 + n / 100, lasts=0) for n in range(2000)]
    write(tmp_path, [span(1, status="pending"), *filler, span(2, 1, at=500)])
    [newest] = store.traces(tmp_path, limit=1)
    assert int(newest.trace_id, 16) == 2049  # and not the child's, whose trace began long ago
    assert shape(store.trace(tmp_path, f"{1:032x}")) == [(0, 1), (1, 2)]


@pytest.mark.parametrize("tail", [b'{"v":1,"trace_id":"00', b"\xff\xfe", b"{}"])
def test_a_torn_last_line_is_no_fault(tmp_path: Path, tail: bytes) -> None:
    path = write(tmp_path, [span(1)])
    with path.open("ab") as out:
        out.write(tail)
    reading = store.Reading()
    assert len(store.traces(tmp_path, limit=5, reading=reading)) == 1
    assert shape(store.trace(tmp_path, "last", reading=reading)) == [(0, 1)]
    assert reading.unreadable == {}


def test_unreadable_lines_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [span(1)])
    line = record.encode(span(2, 1))
    with path.open("ab") as out:
        out.write(
            b"garbage\n\n\x00\x00\n" + line.replace(b'"v":1', b'"v":9') + b"\n" + line + b"\n"
        )
    reading = store.Reading()
    assert [one.spans for one in store.traces(tmp_path, limit=5, reading=reading)] == [2]
    assert list(reading.unreadable.values()) == [3]
    assert "upgrade spanloom" in reading.problems[0]
    reading = store.Reading()
    assert len(store.trace(tmp_path, f"{1:032x}", reading=reading).nodes) == 2
    assert list(reading.unreadable.values()) == [1]


def test_a_very_long_line(tmp_path: Path) -> None:
    write(tmp_path, [span(1), span(2, 1, detail=Task(input="x" * 3_000_000)), span(3, 1)])
    assert store.traces(tmp_path, limit=5)[0].spans == 3


def test_by_the_beginning_of_an_id(tmp_path: Path) -> None:
    write(tmp_path, [span(1, trace=0xABC1 << 112), span(1, trace=0xABC2 << 112, name="two")])
    assert store.trace(tmp_path, "ABC2").summary.name == "two"
    with pytest.raises(store.Unknown, match="2 traces begin with abc") as caught:
        store.trace(tmp_path, "abc")
    assert f"{0xABC1 << 112:032x}" in str(caught.value)
    assert "two" in str(caught.value)
    with pytest.raises(store.Unknown, match="1 file read"):
        store.trace(tmp_path, "12")
    with pytest.raises(store.Unknown, match="1 file read"):
        store.trace(tmp_path, "12" * 16)
    with pytest.raises(store.Unknown, match="no trace id"):
        store.trace(tmp_path, "../x")


def test_no_record_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.traces(tmp_path / "none", limit=5) == []
    with pytest.raises(store.Unknown, match="There is no record at"):
        store.trace(tmp_path / "none", "last")
    (tmp_path / "empty").mkdir()
    with pytest.raises(store.Unknown, match="No trace is recorded"):
        store.trace(tmp_path / "empty", "last")
    write(tmp_path / ".spanloom", [span(1)])
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    with pytest.raises(store.Unknown, match=r"add --dir \.\./\.spanloom"):
        store.trace(".spanloom", "last")


def test_a_chain_longer_than_the_stack(tmp_path: Path) -> None:
    write(tmp_path, [span(n, n - 1 or None, at=n / 1000) for n in range(1, 3001)])
    assert shape(store.trace(tmp_path, "last"))[-1] == (2999, 3000)


ODD_SPANS = st.lists(
    st.tuples(
        st.integers(1, 8),
        st.none() | st.integers(1, 10),
        st.integers(-5, 5),
        st.integers(0, 5),
        st.sampled_from(["ok", "error", "timeout", "pending", "cancelled"]),
    ),
    min_size=1,
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(odd=ODD_SPANS, files=st.integers(1, 3), seed=st.integers(0, 99))
def test_whatever_the_tree_nothing_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory,
    odd: list[tuple[int, int | None, int, int, str]],
    files: int,
    seed: int,
) -> None:
    """Loops, missing parents, span ids used twice, children that start before their parent."""
    dir = tmp_path_factory.mktemp("odd")
    spans = [span(i, p, at=at, lasts=d, status=how) for i, p, at, d, how in odd]
    chance = random.Random(seed)
    for one in spans:
        write(dir, [one], file=f"{chance.randrange(files)}-x.jsonl", at=100)
    found = store.trace(dir, "last")
    ids = [int(node.record.span_id, 16) for node in found.nodes]
    assert sorted(ids) == sorted({i for i, *_ in odd})
    assert found.summary.spans == len(ids) == store.traces(dir, limit=1)[0].spans
    assert found.nodes[0].depth == 0
    depths = [node.depth for node in found.nodes]
    assert all(b <= a + 1 for a, b in pairwise(depths))
    path: list[str] = []
    for node in found.nodes:
        del path[node.depth :]
        if node.depth:
            assert node.record.parent_id == path[-1]
        else:
            assert (node.record.parent_id is None) == (node.adrift is None)
        path.append(node.record.span_id)
    ended = {i for i, *_, how in odd if how != "pending"}
    assert {i for i, n in zip(ids, found.nodes, strict=True) if n.open is None} == ended
    assert found.summary.duration_ns >= 0
