"""The story of a trace: agents in order, handoffs, loops, pauses and what other traces say of it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spanloom
from spanloom import record, store
from spanloom.types import (
    Agent,
    AnyDetail,
    Cost,
    Error,
    Handoff,
    Link,
    LLMCall,
    McpCall,
    Session,
    Span,
    Task,
    Tool,
    Usage,
    Workflow,
)

MS = 1_000_000
NOW = time.time_ns() - 3_600_000 * MS
ONE, TWO = 0x1111 << 112 | 1, 0x2222 << 112 | 2


def span(
    id: int, parent: int | None, name: str, detail: AnyDetail, at: int, lasts: int | None = 10, *,
    trace: int = ONE, **facts: Any,
) -> Span:  # fmt: skip
    facts.setdefault("status", "ok" if lasts is not None else "pending")
    return Span(
        trace_id=trace, span_id=id, parent_id=parent, name=name, detail=detail,
        integration="manual", start_ns=NOW + at * MS,
        end_ns=None if lasts is None else NOW + (at + lasts) * MS, **facts,
    )  # fmt: skip


def agent(
    id: int, parent: int | None, name: str, at: int, lasts: int | None = 10, **facts: Any
) -> Span:
    return span(id, parent, f"run {name}", Agent(agent=name), at, lasts, **facts)


def handoff(id: int, parent: int, source: str, target: str, at: int, **facts: Any) -> Span:
    facts.setdefault("outcome", "accepted")
    return span(id, parent, "handoff", Handoff(source=source, target=target, **facts), at, 0)


def call(id: int, parent: int, at: int, *, cost: float = 0.5, **facts: Any) -> Span:
    detail = LLMCall(model="m", usage=Usage(input=100, output=10), cost=Cost(total_usd=cost))
    return span(id, parent, "chat", detail, at, 5, **facts)


def write(folder: Path, spans: Sequence[Span], *, file: str = "1-a.jsonl") -> Path:
    path = folder / "traces" / "2026-01-31" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as out:
        out.writelines(record.encode(one) + b"\n" for one in spans)
    return folder


def told(folder: Path, spans: Sequence[Span], id: str = "1111") -> store.Story:
    write(folder, spans)
    return store.story(folder, store.trace(folder, id))


def shown(folder: Path, *words: str) -> str:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SPANLOOM_")}
    done = subprocess.run(
        [sys.executable, "-m", "spanloom", *words, "--dir", str(folder)],
        env={**environ, "COLUMNS": "80", "NO_COLOR": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    long = [line for line in done.stdout.splitlines() if len(line) > 80 and line[:6] != "record"]
    assert not long
    return done.stdout


def test_agents_in_order_with_what_each_used_itself(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        [
            span(1, None, "w", Workflow(), 0, 900),
            agent(2, 1, "boss", 10, 500), call(3, 2, 20),
            agent(4, 2, "worker", 100, 200), call(5, 4, 110, cost=0.25), call(6, 4, 120, cost=0.25),
            span(7, 4, "t", Tool(tool="t"), 130),
            agent(8, 1, "closer", 600, None),
        ],
    )  # fmt: skip
    assert [(s.agent, s.depth, s.totals.model_calls, s.totals.cost_usd, s.tools) for s in story.steps] == [
        ("boss", 0, 1, 0.5, 0), ("worker", 1, 2, 0.5, 1), ("closer", 0, 0, None, 0),
    ]  # fmt: skip
    assert story.steps[1].duration_ns == 200 * MS
    assert story.steps[2].open is not None


def test_an_error_is_counted_where_it_began(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        [
            agent(1, None, "boss", 0, 100, status="error"),
            agent(2, 1, "worker", 10, 50, status="error"),
            span(
                3,
                2,
                "t",
                Tool(tool="t"),
                20,
                status="error",
                error=Error(type="tool", message="no"),
            ),
        ],
    )
    assert [(s.agent, s.errors) for s in story.steps] == [("boss", 0), ("worker", 1)]


def test_handoffs_by_hand_know_giver_receiver_and_whether_control_came_back(tmp_path: Path) -> None:
    """F1: as the public functions record it, through the pipeline and the local record."""
    spanloom.init(backends=["local"], integrations=[], dir=str(tmp_path))
    with spanloom.workflow("support"):
        with spanloom.agent("triage"):
            spanloom.handoff(
                "triage", "fraud", mechanism="tool_call", outcome="refused", reason="off duty"
            )
            spanloom.handoff(
                "triage", "billing", mechanism="command", reason="refund", payload={"order": 7}
            )
        with spanloom.agent("billing"):
            spanloom.handoff("billing", "triage", outcome="failed")
    spanloom.shutdown(5)
    story = store.story(tmp_path, store.trace(tmp_path, "last"))
    triage, billing = story.steps
    refused, passed, failed = story.handoffs
    assert (refused.outcome, refused.receiver, refused.returned) == ("refused", None, None)
    assert (passed.giver, passed.receiver, passed.returned) == (
        triage.span_id,
        billing.span_id,
        False,
    )
    assert (passed.mechanism, passed.reason, passed.payload) == ("command", "refund", {"order": 7})
    assert billing.handoff == passed.span_id
    assert (failed.outcome, failed.source, failed.target) == ("failed", "billing", "triage")
    text = " ".join(shown(tmp_path, "trace", "last").split())
    assert (
        'handoff triage → fraud REFUSED by tool call, "off duty"; control stayed with triage'
        in text
    )
    assert (
        'handoff triage → billing by command, "refund", passed on: order=7; control stayed with billing'
        in text
    )
    assert "handoff billing → triage FAILED; control stayed with billing" in text


def test_a_supervisor_gets_control_back(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        [
            agent(1, None, "boss", 0, 900), handoff(2, 1, "boss", "worker", 50, returns_control=True),
            agent(3, 1, "worker", 60, 100), call(4, 1, 300),
        ],
    )  # fmt: skip
    [passed] = story.handoffs
    assert (passed.receiver, passed.returned, passed.returns_control) == (f"{3:016x}", True, True)
    assert "control returned to boss" in shown(tmp_path, "trace", "1111")


def test_the_link_of_the_receiver_wins_over_its_name(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        [
            agent(1, None, "a", 0, 50), handoff(2, 1, "a", "b", 20),
            agent(3, None, "b", 60, 10),
            agent(4, None, "b", 80, 10, links=(Link(trace_id=ONE, span_id=2, reason="handoff"),)),
        ],
    )  # fmt: skip
    assert story.handoffs[0].receiver == f"{4:016x}"
    assert [step.handoff for step in story.steps] == [None, None, f"{2:016x}"]


def bounce(times: int) -> list[Span]:
    spans = [span(1, None, "w", Workflow(), 0, 9000)]
    for n in range(times):
        spans += [
            agent(10 + n * 4, 1, "writer", n * 100 + 1), handoff(11 + n * 4, 1, "writer", "editor", n * 100 + 12),
            agent(12 + n * 4, 1, "editor", n * 100 + 50), handoff(13 + n * 4, 1, "editor", "writer", n * 100 + 62),
        ]  # fmt: skip
    return spans


def test_agents_that_go_round_are_noticed(tmp_path: Path) -> None:
    story = told(tmp_path, bounce(4))
    [loop] = story.loops
    assert (loop.kind, loop.names, loop.times) == ("agents", ("writer", "editor"), 4)
    text = shown(tmp_path, "trace", "1111")
    assert "LOOP    writer → editor → ... went round 4 times" in text
    assert "in all  writer: 4 runs" in text


def test_twice_is_no_loop(tmp_path: Path) -> None:
    assert told(tmp_path, bounce(2)).loops == ()


def test_handoffs_go_round_also_without_agent_spans(tmp_path: Path) -> None:
    spans = [one for one in bounce(3) if not isinstance(one.detail, Agent)]
    [loop] = told(tmp_path, spans).loops
    assert (loop.names, loop.times) == (("writer", "editor"), 3)


def test_the_same_tool_with_the_same_arguments_is_noticed(tmp_path: Path) -> None:
    def find(id: int, arguments: Any, **facts: Any) -> Span:
        return span(id, 2, "find", Tool(tool="find", input=arguments, **facts), id)

    story = told(
        tmp_path,
        [
            agent(2, None, "clerk", 0, 900),
            *(find(10 + n, {"id": 7, "deep": [n // 9]}) for n in range(5)),
            *(find(30 + n, {"id": n}) for n in range(5)),
            *(find(50 + n, {}) for n in range(5)),
            *(span(70 + n, 10 + n, "call", McpCall(tool="find", input={"deep": [0], "id": 7}), 10) for n in range(5)),
        ],
    )  # fmt: skip
    [loop] = story.loops
    assert (loop.kind, loop.names, loop.times, loop.agent) == ("tool", ("find",), 5, "clerk")
    assert "was called 5 times with the same arguments by clerk" in " ".join(
        shown(tmp_path, "trace", "1111").split()
    )


def paused_and_resumed(folder: Path) -> None:
    write(
        folder,
        [
            span(1, None, "order", Workflow(), 0, 100, ended_by="GraphInterrupt"),
            agent(2, 1, "buyer", 10, 80, ended_by="GraphInterrupt"),
            span(3, 2, "approve", Task(), 50, 40, ended_by="GraphInterrupt"),
        ],
    )
    resume = (Link(trace_id=ONE, span_id=3, reason="resume"),)
    write(
        folder,
        [span(1, None, "order again", Workflow(), 5000, 100, trace=TWO, links=resume)],
        file="2-b.jsonl",
    )


def test_a_pause_is_joined_with_its_resume(tmp_path: Path) -> None:
    """F2, over two processes."""
    paused_and_resumed(tmp_path)
    first = store.story(tmp_path, store.trace(tmp_path, "1111"))
    [pause] = first.pauses
    assert (pause.at, pause.resumed_in) == ("approve", (f"{TWO:032x}",))
    second = store.story(tmp_path, store.trace(tmp_path, "2222"))
    [link] = second.linked
    assert (link.trace_id, link.reason, link.backward) == (f"{ONE:032x}", "resume", True)
    assert (link.name, link.at) == ("order", "approve")
    text = shown(tmp_path, "trace", "1111")
    assert text.startswith("order  paused\n")
    assert "PAUSED  at approve, resumed in trace 222200000000" in text
    assert "resumes trace 111100000000 (order), paused at approve" in shown(
        tmp_path, "trace", "2222"
    )
    assert " paused" in shown(tmp_path, "traces")


def test_a_resume_that_names_the_whole_run_counts_too(tmp_path: Path) -> None:
    paused_and_resumed(tmp_path)
    top = (Link(trace_id=ONE, span_id=1, reason="resume"),)
    write(tmp_path, [span(1, None, "third", Workflow(), 9000, trace=3, links=top)])
    [pause] = store.story(tmp_path, store.trace(tmp_path, "1111")).pauses
    assert pause.resumed_in == (f"{TWO:032x}", f"{3:032x}")


def test_a_pause_that_nobody_resumed(tmp_path: Path) -> None:
    story = told(tmp_path, [span(1, None, "w", Workflow(), 0, ended_by="interrupt")])
    assert story.pauses[0].resumed_in == ()
    assert "at w, not resumed so far" in shown(tmp_path, "trace", "1111")


def test_control_c_is_no_pause(tmp_path: Path) -> None:
    spans = [span(1, None, "w", Workflow(), 0, status="cancelled", ended_by="KeyboardInterrupt")]
    assert told(tmp_path, spans).pauses == ()


def test_other_linked_traces_are_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        [span(9, None, "review", Task(), 50, trace=TWO, links=(Link(trace_id=ONE, span_id=1),))],
    )
    gone = (Link(trace_id=77, span_id=7, reason="origin"),)
    story = told(tmp_path, [span(1, None, "w", Workflow(), 0, links=gone)])
    assert [(link.name, link.backward, link.reason) for link in story.linked] == [
        (None, True, "origin"), ("review", False, None),
    ]  # fmt: skip
    text = shown(tmp_path, "trace", "1111")
    assert "linked  to trace 000000000000 (not in this record): origin" in text
    assert "linked  from trace 222200000000 (review)" in text


def test_a_trace_of_one_agent_needs_no_story(tmp_path: Path) -> None:
    told(tmp_path, [agent(1, None, "solo", 0, session=Session(id="s"))])
    text = shown(tmp_path, "trace", "1111")
    assert not re.search(r"^(agents|LOOP|PAUSED|linked|in all)", text, re.MULTILINE)


def test_a_long_story_is_cut_and_whole_on_request(tmp_path: Path) -> None:
    write(tmp_path, bounce(40))
    text = shown(tmp_path, "trace", "1111")
    assert "(120 more; all of them: --content or --json)" in text
    assert "more; all" not in shown(tmp_path, "trace", "1111", "--content")
    document = json.loads(shown_json(tmp_path, "trace", "1111"))
    assert len(document["story"]["steps"]) == len(document["story"]["handoffs"]) == 80


def shown_json(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spanloom", *words, "--json", "--dir", str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_story_as_json(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            agent(1, None, "a", 0, 50), handoff(2, 1, "a", "b", 20, payload={"x": 1}),
            agent(3, None, "b", 60, 10),
            span(4, None, "wait", Task(), 80, ended_by="interrupt"),
        ],
    )  # fmt: skip
    story = json.loads(shown_json(tmp_path, "trace", "1111"))["story"]
    assert list(story) == ["steps", "handoffs", "loops", "pauses", "linked"]
    first, second = story["steps"]
    assert (first["agent"], first["start"][-1], second["handoff"]) == ("a", "Z", f"{2:016x}")
    [passed] = story["handoffs"]
    assert (passed["source"], passed["target"], passed["payload"]) == ("a", "b", {"x": 1})
    assert passed["returned"] is False
    assert story["pauses"] == [{"span_id": f"{4:016x}", "at": "wait", "resumed_in": []}]
