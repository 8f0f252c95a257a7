"""Sessions over traces, days and processes; every record is made by `record.encode` or by the API."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom import record, store
from spanloom.types import (
    Agent,
    Cost,
    Evaluation,
    Link,
    LLMCall,
    Resource,
    Session,
    Span,
    Task,
    Usage,
    Workflow,
)

S = 1_000_000_000
DAY = 86_400
NOW = time.time_ns() // S * S - 3 * DAY * S


def span(
    id: int, parent: int | None, *, trace: int, at: float, session: str | None = "s", lasts: float = 1,
    **facts: Any,
) -> Span:  # fmt: skip
    facts.setdefault("status", "ok")
    facts.setdefault("name", f"span {id}")
    facts.setdefault("detail", Task())
    start = NOW + int(at * S)
    return Span(
        trace_id=trace, span_id=id, parent_id=parent, integration="manual", start_ns=start,
        end_ns=None if facts["status"] == "pending" else start + int(lasts * S),
        session=None if session is None else Session(id=session), **facts,
    )  # fmt: skip


def write(folder: Path, spans: Sequence[Span], file: str = "1-a.jsonl") -> Path:
    path = folder / "traces" / "2026-01-31" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as out:
        out.writelines(record.encode(one) + b"\n" for one in spans)
    last = max(one.end_ns or one.start_ns for one in spans)
    os.utime(path, ns=(last, last))
    return path


def call(cost: float | None = 0.5) -> LLMCall:
    return LLMCall(model="m", usage=Usage(input=100, output=10), cost=Cost(total_usd=cost))


def test_a_session_over_days_and_processes(tmp_path: Path) -> None:
    write(tmp_path, [
        span(2, 1, trace=1, at=1, detail=call(), user_id="u"),
        span(1, None, trace=1, at=0, lasts=5, name="ask", detail=Agent(agent="front"), user_id="u"),
    ])  # fmt: skip
    write(tmp_path, [span(1, None, trace=9, at=DAY, session="other")], "2-b.jsonl")
    write(tmp_path, [
        span(2, 1, trace=2, at=2 * DAY + 1, detail=call(None)),
        span(3, 1, trace=2, at=2 * DAY + 2, detail=Agent(agent="back"), status="error"),
        span(1, None, trace=2, at=2 * DAY, lasts=9, name="again", detail=Agent(agent="front")),
    ], "3-c.jsonl")  # fmt: skip
    found = store.session(tmp_path, "s")
    assert [(t.summary.name, t.end, t.agents) for t in found.turns] == [
        ("ask", "ok", ("front",)), ("again", "ok", ("front", "back")),
    ]  # fmt: skip
    one = found.summary
    assert (one.turns, one.spans, one.errors, one.end, one.user_id) == (2, 5, 1, "ok", "u")
    assert one.agents == ("front", "back")
    assert (one.start_ns, one.last_ns) == (NOW, NOW + (2 * DAY + 9) * S)
    assert one.totals == store.Totals(
        model_calls=2, input_tokens=200, output_tokens=20, cost_usd=0.5, unpriced_calls=1
    )
    assert [os.path.basename(path) for path in found.files] == ["1-a.jsonl", "3-c.jsonl"]
    assert store.sessions(tmp_path, limit=5)[0] == one
    assert [s.session_id for s in store.sessions(tmp_path, limit=None)] == ["s", "other"]


def test_only_its_own_spans_of_a_shared_trace_count(tmp_path: Path) -> None:
    """As under `spanloom run`: one root around many sessions."""
    spans = [
        span(1, None, trace=1, at=0, lasts=100, session=None, status="error", detail=Workflow())
    ]
    for n in range(4):
        spans += [
            span(10 + n, 1, trace=1, at=n, session=f"s{n % 2}", name=f"turn {n}", detail=call())
        ]
    write(tmp_path, spans)
    both = store.sessions(tmp_path, limit=9)
    assert [(s.session_id, s.turns, s.spans, s.end, s.totals.model_calls) for s in both] == [
        ("s1", 1, 2, "ok", 2), ("s0", 1, 2, "ok", 2),
    ]  # fmt: skip
    assert store.session(tmp_path, "s1").turns[0].summary.name == "turn 1"


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ({}, "ok"), ({"status": "error"}, "error"), ({"status": "timeout"}, "timeout"),
        ({"status": "cancelled", "ended_by": "KeyboardInterrupt"}, "cancelled"),
        ({"ended_by": "GraphInterrupt"}, "paused"), ({"ended_by": "StopIteration"}, "ok"),
        ({"status": "pending"}, "unknown"),
        ({"status": "pending", "resource": Resource(host=platform.node(), pid=2**30)}, "never_ended"),
    ],
)  # fmt: skip
def test_how_it_ended(tmp_path: Path, facts: dict[str, Any], end: str) -> None:
    write(tmp_path, [span(1, None, trace=1, at=0), span(1, None, trace=2, at=10, **facts)])
    assert store.session(tmp_path, "s").summary.end == end


def test_a_score_given_later_is_not_how_it_ended(tmp_path: Path) -> None:
    write(tmp_path, [
        span(1, None, trace=1, at=0, status="error"),
        span(2, None, trace=1, at=50, detail=Evaluation(evaluator="user")),
    ])  # fmt: skip
    assert store.session(tmp_path, "s").summary.end == "error"


def test_pause_and_resume(tmp_path: Path) -> None:
    """F2: two traces, one session, and the second says where it goes on."""
    write(tmp_path, [
        span(3, 2, trace=1, at=2, name="approve", ended_by="interrupt"),
        span(2, 1, trace=1, at=1, lasts=2, ended_by="interrupt"),
        span(1, None, trace=1, at=0, lasts=3, ended_by="interrupt"),
    ])  # fmt: skip
    waiting = store.session(tmp_path, "s")
    assert (waiting.summary.end, waiting.turns[0].paused_at) == ("paused", ("approve",))
    link = (Link(trace_id=1, span_id=3, reason="resume"),)
    write(tmp_path, [span(1, None, trace=2, at=DAY, links=link)], "2-b.jsonl")
    found = store.session(tmp_path, "s")
    assert (found.summary.end, found.summary.pauses, found.summary.resumes) == ("ok", 1, 1)
    assert found.turns[0].resumed_by == (f"{2:032x}",)
    assert found.turns[1].resumes == (f"{1:032x}",)


def test_the_last_line_of_a_span_counts(tmp_path: Path) -> None:
    write(tmp_path, [span(1, None, trace=1, at=0, status="pending"), span(1, None, trace=1, at=0)])
    assert (
        store.session(tmp_path, "s").summary.spans,
        store.session(tmp_path, "s").summary.end,
    ) == (1, "ok")


def test_a_list_reads_only_what_it_needs(tmp_path: Path) -> None:
    """Old files are searched for the ids of the newest sessions, and not decoded."""
    write(
        tmp_path,
        [span(1, None, trace=n + 1, at=n, session=f"old {n}") for n in range(50)],
        "0-old.jsonl",
    )
    old = tmp_path / "traces" / "2026-01-31" / "0-old.jsonl"
    times = old.stat().st_mtime_ns
    with old.open("ab") as out:
        out.write(b'{"v":1,"session_id":"old 3","garbage"\n')
        out.write(record.encode(span(1, None, trace=77, at=3, session="new")) + b"\n")
    os.utime(old, ns=(times, times))
    write(tmp_path, [span(1, None, trace=99, at=2 * DAY, session="new")], "9-new.jsonl")
    reading = store.Reading()
    [one] = store.sessions(tmp_path, limit=1, reading=reading)
    assert (one.session_id, one.turns) == ("new", 2)
    assert reading.unreadable == {}
    assert len(store.sessions(tmp_path, limit=None, reading=reading)) == 51
    assert sum(reading.unreadable.values()) == 1


def test_ids_of_any_kind(tmp_path: Path) -> None:
    ids = ['a "quoted" \\ one', "grüße 🌍", "a\nb", "", "x" * 500]
    for n, id in enumerate(ids):
        write(tmp_path, [span(1, None, trace=n + 1, at=n, session=id)])
    assert {one.session_id for one in store.sessions(tmp_path, limit=9)} == set(ids)
    for id in ids:
        assert store.session(tmp_path, id).summary.turns == 1


def test_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    for n, id in enumerate(["chat-1", "chat-10", "chat-11", "talk"]):
        write(tmp_path, [span(1, None, trace=n + 1, at=n, session=id)])
    assert store.session(tmp_path, "chat-1").summary.session_id == "chat-1"
    assert store.session(tmp_path, "ta").summary.session_id == "talk"
    assert store.session(tmp_path, "last").summary.session_id == "talk"
    with pytest.raises(store.UnknownSession, match=r"3 sessions begin with 'chat'(.|\n)*chat-10"):
        store.session(tmp_path, "chat")
    with pytest.raises(store.UnknownSession, match="spanloom sessions"):
        store.session(tmp_path, "none")


def test_a_large_line_and_a_torn_one(tmp_path: Path) -> None:
    huge = span(1, None, trace=1, at=0, detail=Task(input="x" * 9_000_000))
    path = write(
        tmp_path, [huge, span(2, 1, trace=1, at=0, session="t"), span(3, 1, trace=1, at=1)]
    )
    with path.open("ab") as out:
        out.write(record.encode(span(4, 1, trace=1, at=2))[:-40])
    reading = store.Reading()
    assert store.session(tmp_path, "s", reading=reading).summary.spans == 2
    assert reading.unreadable == {}


def cli(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SPANLOOM_")}
    return subprocess.run(
        [sys.executable, "-m", "spanloom", *words, "--dir", str(folder)],
        env={**environ, "COLUMNS": "80", "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_commands(tmp_path: Path) -> None:
    spanloom.init(backends=["local"], integrations=[], dir=str(tmp_path), user_ids="keep")
    for question in ("where is it", "and now"):
        with spanloom.session("chat-42", user="ada"), spanloom.agent("support"):
            with spanloom.llm_call(model="m", input=question) as made:
                made.record(output="soon", usage={"input": 1200, "output": 30})
    spanloom.shutdown(5)
    listed = cli("sessions", folder=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    head, row = listed.stdout.splitlines()
    assert head.split() == ["session", "last", "turns", "calls", "tokens", "cost", "ended"]
    assert row.startswith("chat-42 ")
    assert "2.4k→60" in row
    shown = cli("session", "chat-42", folder=tmp_path)
    for words in (
        "session chat-42  ok", "user ada", "   1 ", "   2 ", "support", "1.2k→30",
        "2 turns · 4 spans · 2 model calls", "agents  support", "spanloom trace TRACE",
    ):  # fmt: skip
        assert words in shown.stdout, words
    assert all(len(line) <= 80 for line in (listed.stdout + shown.stdout).splitlines())
    document = json.loads(cli("sessions", "--json", folder=tmp_path).stdout)
    assert document["v"] == 1
    assert document["sessions"][0]["input_tokens"] == 2400
    document = json.loads(cli("session", "last", "--json", folder=tmp_path).stdout)
    assert [turn["agents"] for turn in document["turns"]] == [["support"], ["support"]]
    assert document["session"]["user_id"] == "ada"


def test_when_there_is_none(tmp_path: Path) -> None:
    done = cli("sessions", folder=tmp_path / "no")
    assert (done.returncode, done.stdout) == (0, "")
    assert "There is no record" in done.stderr
    write(tmp_path, [span(1, None, trace=1, at=0, session=None)])
    assert "belongs to a session" in cli("sessions", folder=tmp_path).stderr
    done = cli("session", "x", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(cli("sessions", "--json", folder=tmp_path).stdout)["sessions"] == []
