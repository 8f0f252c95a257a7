"""The console as somebody sees it who watches a program run."""

import io
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import spanloom
from spanloom.backends import console
from spanloom.backends.console import ConsoleBackend
from spanloom.types import (
    Agent,
    AnyDetail,
    Cost,
    Error,
    Handoff,
    LLMCall,
    Message,
    Span,
    Task,
    Text,
    Tool,
    Usage,
    Workflow,
)

MS = 1_000_000
NOW = time.time_ns()
A, B = 0xAAAAAA << 104, 0xBBBBBB << 104


def span(
    id: int, parent: int | None, name: str, detail: AnyDetail | None = None, *, trace: int = A, at: int = 0,
    lasts: int | None = 5, **facts: Any,
) -> Span:  # fmt: skip
    facts.setdefault("status", "ok" if lasts is not None else "pending")
    return Span(
        trace_id=trace, span_id=id, parent_id=parent, name=name, detail=detail or Task(),
        integration="manual", start_ns=NOW + at * MS,
        end_ns=None if lasts is None else NOW + (at + lasts) * MS, **facts,
    )  # fmt: skip


@pytest.fixture
def err(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    # not sys.stderr itself, which pytest puts back between a fixture and its test
    monkeypatch.setattr(ConsoleBackend, "_stream", lambda self: stream)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    yield stream


def shown(err: io.StringIO) -> list[str]:
    """The lines without their time of day."""
    return [line[9:] for line in err.getvalue().splitlines()]


def test_a_quick_trace_is_a_tree_though_it_ends_from_the_inside(err: io.StringIO) -> None:
    backend = ConsoleBackend()
    backend.export(
        [span(3, 2, "c", at=1), span(4, 2, "d", at=3), span(2, 1, "b"), span(1, None, "a")]
    )
    assert shown(err) == [
        "aaaaaa - task a  5ms", "aaaaaa | - task b  5ms", "aaaaaa | | - task c  5ms",
        "aaaaaa | | - task d  5ms",
    ]  # fmt: skip
    backend.close()
    assert len(shown(err)) == 4


def test_a_slow_span_is_shown_when_it_starts_and_when_it_ends(err: io.StringIO) -> None:
    backend = ConsoleBackend()
    backend.export(
        [span(1, None, "a", Workflow(), lasts=None), span(2, 1, "b", Agent(agent="b"), lasts=None)]
    )
    backend.export([span(3, 2, "c")])
    backend.export(
        [span(2, 1, "b", Agent(agent="b"), lasts=900), span(1, None, "a", Workflow(), lasts=1200)]
    )
    assert shown(err) == [
        "aaaaaa + workflow a started", "aaaaaa | + agent b started", "aaaaaa | | - task c  5ms",
        "aaaaaa | ` agent b  900ms", "aaaaaa ` workflow a  1.20s",
    ]  # fmt: skip


def test_two_traces_at_once_are_told_apart(err: io.StringIO) -> None:
    backend = ConsoleBackend()
    backend.export([span(1, None, "a", lasts=None), span(1, None, "b", trace=B, lasts=None)])
    backend.export([span(2, 1, "in b", trace=B), span(2, 1, "in a")])
    assert shown(err)[2:] == ["bbbbbb | - task in b  5ms", "aaaaaa | - task in a  5ms"]


def test_what_a_line_says(err: io.StringIO) -> None:
    call = LLMCall(
        model="gpt-x", usage=Usage(input=1200, output=30), cost=Cost(total_usd=0.0123),
        finish=("stop",), input=(Message(role="user", parts=(Text(text="a secret plan"),)),),
    )  # fmt: skip
    failed = Error(
        type="rate_limit", message="slow\ndown\x1b[2J", class_name="RateLimitError", code="429"
    )
    ConsoleBackend().export(
        [
            span(1, None, "chat", call),
            span(2, None, "h", Handoff(source="triage", target="billing", mechanism="tool_call")),
            span(3, None, "chat", LLMCall(model="gpt-x"), status="error", error=failed),
            span(
                4,
                None,
                "find",
                Tool(tool="find", input={"id": "a secret plan"}),
                status="cancelled",
            ),
        ]
    )
    assert shown(err) == [
        "aaaaaa - llm chat gpt-x  5ms 1.2k->30 tokens $0.0123  stop",
        "aaaaaa - handoff triage -> billing  tool call",
        "aaaaaa - llm chat gpt-x ERROR  5ms",
        r"aaaaaa     rate limit (RateLimitError 429): slow down\x1b[2J",
        "aaaaaa - tool find CANCELLED  5ms",
    ]
    assert "\x1b" not in err.getvalue()


def test_content_is_an_option(err: io.StringIO) -> None:
    ConsoleBackend(content=True).export(
        [span(1, None, "find", Tool(tool="find", input={"id": 7}, output="x\ny" * 9000))]
    )
    lines = shown(err)
    assert 'aaaaaa     input: {"id":7}' in lines
    assert "aaaaaa     output: x" in lines
    assert len(err.getvalue()) < 60_000


def test_a_parent_in_another_process_is_not_waited_for_long(err: io.StringIO) -> None:
    backend = ConsoleBackend(hold_s=0.05)
    backend.export([span(3, 2, "c"), span(2, 99, "b")])  # b is the parent of c, and 99 never comes
    assert shown(err) == []
    until = time.monotonic() + 5
    while not shown(err) and time.monotonic() < until:
        time.sleep(0.01)
    assert shown(err) == ["aaaaaa - task b  5ms", "aaaaaa | - task c  5ms"]
    backend.close()
    assert len(shown(err)) == 2


def test_closing_prints_what_waits_also_a_loop(err: io.StringIO) -> None:
    backend = ConsoleBackend(hold_s=60)
    backend.export([span(2, 99, "b"), span(5, 6, "e"), span(6, 5, "f")])
    backend.close()
    backend.close()
    assert [line[7:] for line in shown(err)] == [
        "- task b  5ms",
        "- task e  5ms",
        "| - task f  5ms",
    ]
    assert not [
        t
        for t in threading.enumerate()
        if t.name == "spanloom-console-hold" and t.is_alive() and not t.finished.is_set()
    ]  # type: ignore[attr-defined]


def test_memory_is_bounded(err: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_KNOWN", 50)
    monkeypatch.setattr(console, "_HELD", 20)
    backend = ConsoleBackend(hold_s=60)
    for n in range(10):
        backend.export([span(n * 100 + i, 5_000_000 + i, "orphan") for i in range(1, 60)])
    assert len(backend._held) <= 20
    assert len(backend._known) <= 50
    backend.close()
    assert len(shown(err)) == 590


def test_deep_trees_stay_readable(err: io.StringIO) -> None:
    ConsoleBackend().export([span(n, n - 1 or None, f"s{n}", lasts=None) for n in range(1, 30)])
    assert shown(err)[-1] == f"aaaaaa {'| ' * 12}[28] + task s29 started"


def test_without_stderr_it_is_said_as_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(OSError, match="no stderr"):
        ConsoleBackend().export([span(1, None, "a")])


def test_plain_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    ConsoleBackend().export([span(1, None, "Größe")])
    assert rb"task Gr\xf6\xdfe" in raw.getvalue()


def test_threads_and_stdout_untouched(err: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    spanloom.init(backends=["console"], integrations=[])

    def work(n: int) -> None:
        with spanloom.agent(f"agent {n}"), spanloom.tool("find"):
            pass

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spanloom.flush(5).ok
    spanloom.shutdown()
    lines = shown(err)
    assert len(lines) == 16
    for head, below in zip(lines[::2], lines[1::2], strict=True):
        assert head[:6] == below[:6]
        assert " - agent " in head
        assert " | - tool find" in below
    assert capsys.readouterr().out == ""


def test_loads_nothing_on_the_programs_thread() -> None:
    code = (
        "import sys, spanloom; spanloom.init(backends=['console'], integrations=[]);"
        "print([m for m in ('rich', 'rich.console') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_on_a_terminal_lines_fit_and_have_colour() -> None:
    code = (
        "import spanloom; spanloom.init(backends=['console'], integrations=[])\n"
        "with spanloom.workflow('w' * 110): pass"
    )
    ours, theirs = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environ |= {"TERM": "xterm-256color", "COLUMNS": "60"}
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=theirs, stdout=subprocess.PIPE, env=environ, check=True
    )
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.stdout == b""
    assert "\x1b[" in text
    import re

    [line] = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert len(line) == 60
    assert line.endswith("…")


def test_a_reader_that_goes_away_does_not_end_the_program() -> None:
    # unbuffered, because Python itself drops what stdout still holds when stderr breaks at the end
    code = (
        "import spanloom, sys; spanloom.init(backends=['console'], integrations=[])\n"
        "import os, time\n"
        "for n in range(3):\n"
        "    with spanloom.workflow('w'): pass\n"
        "    spanloom.flush(1)\n"
        "print('survived', flush=True)"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-u", "-c", code], stderr=write, stdout=subprocess.PIPE, check=False
    )
    os.close(write)
    assert done.stdout == b"survived\n"
