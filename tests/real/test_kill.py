"""How processes end, with real processes: what was recorded must survive, and nobody must notice.

A program makes agents, tools, model calls and streams in threads and tasks, and keeps a log of its
own: one ``os.write`` for each begin and end. The test kills it and compares.
"""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest

from spanloom import cli
from spanloom.testing import Chat, FakeProvider

FLUSH_S = 0.2
GRACE_S = 0.1  # two loaded cores: the worker and the lane may get their turn late
MOMENTS = 20
RUN = [sys.executable, "-m", "spanloom", "run", "--quiet"]

PROGRAM = '''
import asyncio, os, sys, threading, time

import openai

import spanloom

url, log, how, way = sys.argv[1:5]
if way == "init":
    spanloom.init()
fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(what, span):
    """After a begin and after an end: what it claims has happened already."""
    os.write(fd, f"{what} {span.span_hex} {time.monotonic_ns()} {span.name}\\n".encode())


class watched:
    def __init__(self, make, name):
        self.span = make(name)

    def __enter__(self):
        self.span.__enter__()
        note("begin", self.span)
        return self.span

    def __exit__(self, *exc):
        self.span.__exit__(*exc)
        note("end", self.span)


def ask(client, text, stream):
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": text}], stream=stream
    )
    if stream:
        for _ in answer:
            pass


async def aask(client, text, stream):
    answer = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": text}], stream=stream
    )
    if stream:
        async for _ in answer:
            pass


def thread_loop(number):
    client = openai.OpenAI(base_url=url, api_key="k")
    turn = 0
    while True:
        turn += 1
        with watched(spanloom.agent, f"agent {number}.{turn}"):
            with watched(spanloom.tool, f"tool {number}.{turn}"):
                ask(client, "quick", False)
            with watched(spanloom.span, f"stream {number}.{turn}"):
                ask(client, "slow", True)


async def task_loop(client, number):
    turn = 0
    while True:
        turn += 1
        with watched(spanloom.agent, f"aagent {number}.{turn}"):
            with watched(spanloom.tool, f"atool {number}.{turn}"):
                await asyncio.sleep(0.003)
            await aask(client, "slow" if turn % 2 else "quick", bool(turn % 2))


async def tasks():
    async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
        await asyncio.gather(*(task_loop(client, n) for n in range(3)))


def forever():
    for number in range(2):
        threading.Thread(target=thread_loop, args=(number,), daemon=True).start()
    note("ready", root)
    asyncio.run(tasks())


def leave():
    client = openai.OpenAI(base_url=url, api_key="k")
    for turn in range(20):
        with watched(spanloom.agent, f"agent {turn}"), watched(spanloom.tool, f"tool {turn}"):
            pass
    ask(client, "quick", False)
    still = watched(spanloom.agent, "still open")
    still.__enter__()
    note("ready", root)
    if how == "_exit":
        os._exit(7)
    if how == "exec":
        os.execv(sys.executable, [sys.executable, "-S", "-c", "import sys; sys.exit(9)"])
    if how == "exception":
        raise RuntimeError("nobody catches this")
    if how == "sys.exit":
        sys.exit(3)
    if how == "fork":
        pid = os.fork()
        if pid == 0:
            with watched(spanloom.tool, "in the child"):
                pass
            os._exit(5)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.exit(status)
    if how == "thread":
        def late():
            time.sleep(0.05)
            with watched(spanloom.tool, "late thread"):
                pass
        threading.Thread(target=late).start()
        sys.exit(0)
    threading.Event().wait(30)


whole = watched(spanloom.workflow, "whole")
root = whole.__enter__()
forever() if how == "forever" else leave()
'''


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(seed=3) as fake:
        fake.on(lambda call: "slow" in call.text, Chat(chunks=12, chunk_delay_s=0.05))
        yield fake


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(PROGRAM)
    return path


class Run:
    """One program under way, and what it says of itself."""

    def __init__(self, program: Path, place: Path, url: str, how: str, way: str) -> None:
        place.mkdir()
        self.dir, self.log = place / "record", place / "truth"
        environ = {k: v for k, v in os.environ.items() if k != "SPANLOOM_STRICT"}
        environ["SPANLOOM_DIR"] = str(self.dir)
        environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        start = RUN if way == "run" else [sys.executable]
        self.process = subprocess.Popen(
            [*start, str(program), url, str(self.log), how, way],
            env=environ,
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_exc: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def truth(self) -> list[list[str]]:
        if not self.log.exists():
            return []
        lines = self.log.read_bytes().decode().split("\n")[:-1]
        return [line.split(" ", 3) for line in lines]

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 30
        while not any(event[0] == "ready" for event in self.truth()):
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def shown(self) -> tuple[dict[str, dict[str, Any]], str]:
        """What ``spanloom trace last`` says of each span, by id; and its text form."""
        text = self.command("trace", "last")
        rows = json.loads(self.command("trace", "last", "--json"))["spans"]
        assert len({row["span"]["span_id"] for row in rows}) == len(rows), "each span once"
        return {row["span"]["span_id"]: row for row in rows}, text

    def command(self, *words: str) -> str:
        """The output of the ``spanloom`` command, in this process: starting one takes longer."""
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPANLOOM_DIR", str(self.dir))
            patch.setenv("COLUMNS", "200")
            assert cli.main(list(words)) == 0, self.truth()
        out.flush()
        return out.buffer.getvalue().decode()  # type: ignore[attr-defined]


def spans_of(truth: list[list[str]]) -> Mapping[str, tuple[int, int | None, str]]:
    """Of each span by id: begin, end, name."""
    found: dict[str, tuple[int, int | None, str]] = {}
    for what, span_id, moment, name in truth:
        if what == "begin":
            found[span_id] = (int(moment), None, name)
        elif what == "end":
            found[span_id] = (found[span_id][0], int(moment), name)
    return found


@pytest.mark.parametrize("way", ["run", "init"])
def test_kill_9_at_random_moments(
    way: str, program: Path, provider: FakeProvider, tmp_path: Path, record_property: Any
) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    record_property("seed", seed)
    moments = random.Random(seed)
    at_once = 4  # the provider and all of them share the machine
    checked = opened = 0
    for first in range(0, MOMENTS, at_once):
        killed = []
        with ExitStack() as stack:
            runs = [
                stack.enter_context(
                    Run(program, tmp_path / f"{first + n}", provider.url, "forever", way)
                )
                for n in range(at_once)
            ]
            due = []
            for run in runs:
                run.wait_ready()
                due.append(time.monotonic() + moments.uniform(0.05, 1.5))
            for moment, run in sorted(zip(due, runs, strict=True), key=lambda pair: pair[0]):
                time.sleep(max(0.0, moment - time.monotonic()))
                os.killpg(run.process.pid, signal.SIGKILL)
                killed.append((run, time.monotonic_ns()))
        for run, killed_ns in killed:
            old = killed_ns - int((FLUSH_S + GRACE_S) * 1e9)
            truth = spans_of(run.truth())
            ended = {i: n for i, (_, e, n) in truth.items() if e is not None and e < old}
            still = {i: n for i, (b, e, n) in truth.items() if e is None and b < old}
            if not ended and not still:
                continue
            rows, text = run.shown()
            for span_id, name in ended.items():
                assert span_id in rows, (seed, "lost", name)
                row = rows[span_id]
                assert row["open"] is None and row["span"]["status"] == "ok", (seed, row)
                assert name in text
                checked += 1
            for span_id, name in still.items():
                assert span_id in rows, (seed, "an open one is not shown", name)
                row = rows[span_id]
                assert row["open"] == "never_ended", (seed, row["open"], name)
                assert row["span"]["status"] == "pending"
                assert row["span"]["end"] is None
                assert name in text
                opened += 1
            assert "never ended" in text
            for span_id, row in rows.items():
                if row["adrift"] is not None and row["span"]["parent_id"] in truth:
                    assert truth[row["span"]["parent_id"]][0] >= old, (seed, "too young to show")
                if span_id in truth:
                    assert row["span"]["name"] == truth[span_id][2]
    # how far the programs come in their time is the machine's affair
    assert checked > 0
    assert opened > 0


ENDS = {
    "SIGTERM": -signal.SIGTERM, "SIGINT": -signal.SIGINT, "SIGHUP": -signal.SIGHUP,
    "_exit": 7, "exec": 9, "exception": 1, "sys.exit": 3, "fork": 5, "thread": 0,
}  # fmt: skip


@pytest.mark.parametrize("way", ["run", "init"])
def test_every_other_end_loses_nothing(
    way: str, program: Path, provider: FakeProvider, tmp_path: Path
) -> None:
    for pair in (["SIGTERM", "SIGINT", "SIGHUP"], ["_exit", "exec", "exception"],
                 ["sys.exit", "fork", "thread"]):  # fmt: skip
        with ExitStack() as stack:
            runs = {
                how: stack.enter_context(Run(program, tmp_path / how, provider.url, how, way))
                for how in pair
            }
            for how, run in runs.items():
                if how.startswith("SIG"):
                    run.wait_ready()
                    os.kill(run.process.pid, getattr(signal, how))
            for how, run in runs.items():
                _, stderr = run.process.communicate(timeout=30)
                assert run.process.returncode == ENDS[how], (how, stderr)
                assert ("nobody catches this" in stderr) == (how == "exception"), stderr
                assert "spanloom" not in stderr.lower() or how in ("exception", "SIGINT"), stderr
                truth = spans_of(run.truth())
                rows, _ = run.shown()
                for span_id, (_, end, name) in truth.items():
                    assert span_id in rows, (how, "lost", name)
                    status = rows[span_id]["span"]["status"]
                    if end is not None:
                        assert status == "ok", (how, name, status)
                    else:
                        assert name in ("whole", "still open")
                kinds = [row["span"]["kind"] for row in rows.values()]
                assert kinds.count("llm") == 1, how
                ids = set(rows)
                for row in rows.values():
                    parent = row["span"]["parent_id"]
                    assert parent is None or parent in ids, (how, "orphan", row["span"]["name"])


CHILD_OPEN = """
import os, sys, time
import spanloom
spanloom.init()
with spanloom.workflow("parent"):
    pid = os.fork()
    if pid == 0:
        span = spanloom.tool("open in the child")
        span.__enter__()
        os.write(1, b"x")
        time.sleep(30)
    time.sleep(0.6)
    os.kill(pid, int(sys.argv[1]))
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_forked_child_shows_what_is_open(number: int, tmp_path: Path) -> None:
    """Also before the first span of it has ended."""
    script = tmp_path / "child.py"
    script.write_text(CHILD_OPEN)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    del environ["SPANLOOM_STRICT"]
    subprocess.run([sys.executable, script, str(int(number))], env=environ, check=True, timeout=30)
    lines = [
        json.loads(line)
        for path in Path(environ["SPANLOOM_DIR"]).glob("traces/*/*.jsonl")
        for line in path.read_text().splitlines()
    ]
    found = {(line["name"], line["status"]) for line in lines}
    assert ("open in the child", "pending") in found
    assert ("parent", "ok") in found
