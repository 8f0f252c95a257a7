"""G5, G7: however a program ends, the tail of its record is there."""

import os
import signal
import sys
import time
from typing import Any

import pytest

from spanloom import store
from spanloom.testing import Chat, FakeProvider, Hang

from .programs import Kept, Programs, line, until

# An agent's run, up to where each test ends it; {end} is the program's last line.
RUN = """
    import os, signal, sys, threading, time
    import openai, spanloom

    spanloom.init()
    client = openai.OpenAI()

    def ask(**options):
        return client.chat.completions.create(
            model="gpt-4o", messages=[{{"role": "user", "content": "hi"}}], **options
        )

    with spanloom.workflow("done"), spanloom.tool("lookup"):
        ask()
    {end}
"""


def program(end: str) -> str:
    return RUN.format(end=end.replace("\n", "\n    "))


def complete(kept: Kept, *more: str) -> None:
    assert kept.names() == sorted(["chat gpt-4o", "lookup", "done", *more])
    assert not kept.open


@pytest.mark.field("G5", "kill -9: what had ended and what was open is in the record")
def test_kill(programs: Programs, provider: FakeProvider) -> None:
    provider.on("/chat/completions", Chat(text="ok"))
    words = Chat(text="a b", chunks=("a ", "b"))
    provider.on(lambda call: call.stream, Hang(60, after_chunks=2, answer=words))
    process = programs.start(
        program("""
with spanloom.workflow("run"), spanloom.agent("planner"):
    ask()
    for chunk in ask(stream=True):
        if chunk.choices[0].delta.content:
            print("streaming", flush=True)
    """)
    )
    assert line(process) == "streaming"
    # what the promise allows to be lost is the last flush interval, 0.2 s
    time.sleep(1)
    process.kill()
    process.wait()
    kept = programs.kept()
    assert kept.names() == ["chat gpt-4o", "chat gpt-4o", "done", "lookup"]
    assert {r.name: r.kind for r in kept.open.values()} == {
        "run": "workflow", "planner": "agent", "chat gpt-4o": "llm",
    }  # fmt: skip
    last = store.traces(programs.record, limit=1)[0]
    assert (last.name, last.open, last.open_spans, last.spans) == ("run", "never_ended", 3, 4)


@pytest.mark.field("G5", "kill -9 again and again: every line of the record is whole", by="manual")
def test_kill_at_any_moment(programs: Programs) -> None:
    processes = []
    for number in range(6):
        process = programs.start("""
            import itertools
            import spanloom
            spanloom.init()
            print("on", flush=True)
            for number in itertools.count():
                with spanloom.workflow("run"), spanloom.agent("a"), spanloom.tool("t", number=number):
                    pass
        """)
        assert line(process) == "on"
        until = time.monotonic() + 30  # a loaded machine may take long to its first write
        while not list(programs.record.glob("traces/*/*.jsonl")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.35 + number * 0.037)
        process.kill()
        processes.append(process)
    for process in processes:
        process.wait()
    reading = store.Reading()
    assert store.traces(programs.record, limit=10, reading=reading)
    for path in programs.record.glob("traces/*/*.jsonl"):
        whole, _, torn = path.read_bytes().rpartition(b"\n")
        assert b"\0" not in whole + torn
        if torn:  # the kill came within a write
            path.write_bytes(whole + b"\n")
    assert len(programs.kept().ended) > 100


NORMAL = {
    "script": "",
    "sys.exit": "sys.exit(3)",
    "SystemExit": "raise SystemExit",
    "os._exit": "os._exit(4)",
    "quit within spans": "with spanloom.task('open'): sys.exit(3)",
    "exception": "raise LookupError('nobody catches it')",
    "exception within spans": "with spanloom.task('open'): raise LookupError('nobody')",
    "daemon thread": "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "threads": "threading.Thread(target=lambda: (time.sleep(.2), ask())).start()",
    "stream left open": "stream = ask(stream=True); next(stream)",
    "stream abandoned": "import gc; next(ask(stream=True)); gc.collect()",
    "exec": "os.execv(sys.executable, [sys.executable, '-c', 'print(\"next\")'])",
    "shutdown": "spanloom.shutdown()",
    "flush and os._exit": "spanloom.flush(); os._exit(0)",
}
STATUS = {"sys.exit": 3, "os._exit": 4, "quit within spans": 3, "exception": 1,
          "exception within spans": 1}  # fmt: skip
MORE = {"quit within spans": ["open"], "exception within spans": ["open"],
        "threads": ["chat gpt-4o"], "stream abandoned": ["chat gpt-4o"]}  # fmt: skip


@pytest.mark.field("G7", "however a short program ends of itself, its tail is delivered")
@pytest.mark.parametrize("end", NORMAL)
def test_ends_of_itself(programs: Programs, provider: FakeProvider, end: str) -> None:
    provider.on(lambda call: call.stream, Chat(text="one two", chunks=("one ", "two")))
    # the client is left to the interpreter, as in most scripts
    process = programs.start(program(NORMAL[end]), PYTHONWARNINGS="ignore")
    ran = programs.wait(process)
    assert ran.status == STATUS.get(end, 0), ran
    assert "spanloom/" not in ran.err, "no frame and no word of ours"
    assert ran.out == ("next\n" if end == "exec" else "")
    kept = programs.kept()
    if end == "stream left open":  # nobody ended it: it stays open, without its half output
        (left,) = kept.open.values()
        assert left.detail.output == ()
        kept.open.clear()
    complete(kept, *MORE.get(end, []))
    if end == "exception within spans":
        failed = kept.one("open")
        assert failed.error is not None
        assert (failed.status, failed.error.class_name) == ("error", "LookupError")
    if end == "stream abandoned":
        assert [r.complete for r in kept.named("chat gpt-4o")] == [True, False]


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.field("G7", "a signal ends the program as it would without us, and the tail is there")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
@pytest.mark.parametrize("own", [False, True], ids=["default", "own handler"])
def test_signals(
    programs: Programs, provider: FakeProvider, number: signal.Signals, own: bool
) -> None:
    handler = f"signal.signal({int(number)}, lambda *_: sys.exit(9))"
    process = programs.start(
        program(f"""
{handler if own else ""}
with spanloom.agent("busy"):
    ask()
    print("ready", flush=True)
    while True:
        time.sleep(0.05)
    """)
    )
    assert line(process) == "ready"
    process.send_signal(number)
    ran = programs.wait(process)
    assert ran.status == (9 if own else -number), ran
    kept = programs.kept()
    assert {"chat gpt-4o", "lookup", "done"} <= set(kept.names())
    assert len(kept.calls()) == 2
    busy = next(r for r in [*kept.ended.values(), *kept.open.values()] if r.name == "busy")
    if own or number == signal.SIGINT:  # these unwind the stack
        assert busy.status == ("error" if own else "cancelled")
    else:
        assert busy.status == "pending"


@pytest.mark.field("G7", "a handler installed before init is still called", by="manual")
def test_handler_from_before(programs: Programs) -> None:
    # os.write, as the signal may come within print, which must not be entered twice
    process = programs.start("""
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"bye\\n"), sys.exit(5)))
        import spanloom
        spanloom.init()
        with spanloom.task("step"):
            os.write(1, b"ready\\n")
            while True:
                time.sleep(0.05)
    """)
    assert line(process) == "ready"
    process.terminate()
    ran = programs.wait(process)
    assert (ran.status, ran.out) == (5, "bye\n"), ran.err
    assert programs.kept().one("step").status == "error"


@pytest.mark.field("G7", "a handler of serverless kind that flushes: all is there when it answers")
def test_serverless_handler(programs: Programs) -> None:
    process = programs.start("""
        import os, sys, time
        import openai, spanloom
        spanloom.init()
        client = openai.OpenAI()

        def handle(event):
            with spanloom.workflow("handle", number=event):
                client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
                )
            report = spanloom.flush(2)
            assert report.ok and report.sent == 2, report

        for number in range(3):
            handle(number)
        print("answered", flush=True)
        while True:  # frozen between two events, then killed
            time.sleep(0.05)
    """)
    assert line(process) == "answered"
    process.kill()
    process.wait()
    assert programs.kept().names() == ["chat gpt-4o"] * 3 + ["handle"] * 3


@pytest.mark.field(
    "G7", "a program without a line of ours under `spanloom run`, and its children", by="openai"
)
def test_run_with_subprocesses(programs: Programs, provider: FakeProvider) -> None:
    programs.write(
        """
        import openai
        with openai.OpenAI() as client:
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "child"}]
            )
    """,
        "child.py",
    )
    path = programs.write("""
        import subprocess, sys
        import openai
        with openai.OpenAI() as client:
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "parent"}]
            )
        subprocess.run([sys.executable, "child.py"], check=True)
        sys.exit(7)
    """)
    ran = programs.wait(programs.command(sys.executable, "-m", "spanloom", "run", path))
    assert (ran.status, ran.out, ran.err) == (7, "", "")
    kept = programs.kept()
    root = kept.one("app.py")
    assert root.kind == "workflow"
    assert len(kept.calls()) == 2
    assert {r.trace_id for r in kept.ended.values()} == {root.trace_id}
    assert all(call.parent_id == root.span_id for call in kept.calls())
    assert len({call.resource.pid for call in kept.calls()}) == 2


@pytest.mark.field("G7", "cells of a notebook's kernel: each is in the record without an exit")
def test_notebook_kernel(programs: Programs) -> None:
    ipython = [sys.executable, "-m", "IPython", "--no-banner", "--quick", "--colors=NoColor"]
    path = programs.write(
        """
        import asyncio, openai, spanloom, time
        spanloom.init()
        aclient = openai.AsyncOpenAI()
        with spanloom.workflow("cell"):
            async def ask():
                return await aclient.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
                )
            await asyncio.gather(ask(), ask())
        await aclient.close()
        spanloom.flush().ok
        print("cell done", flush=True)
        while True:
            time.sleep(0.05)
    """,
        "cell.ipy",
    )
    process = programs.command(*ipython, path, IPYTHONDIR=programs.folder / "ipython")
    assert line(process) == "cell done"
    process.kill()
    process.wait()
    kept = programs.kept()
    assert kept.names() == ["cell", "chat gpt-4o", "chat gpt-4o"]
    assert {c.parent_id for c in kept.calls()} == {kept.one("cell").span_id}


@pytest.mark.field("G7", "a hanging backend holds the exit up no longer than its time", by="manual")
def test_exit_with_hanging_backend(programs: Programs) -> None:
    begun = time.monotonic()
    process = programs.start("""
        import time
        import spanloom

        class Hangs:
            name = "hangs"
            def export(self, batch, /):
                while True:
                    time.sleep(0.05)
            def close(self):
                pass

        spanloom.init(backends=["local", Hangs()], shutdown_timeout_s=1)
        with spanloom.task("step"):
            pass
    """)
    ran = programs.wait(process)
    assert ran.status == 0
    assert "hangs" in ran.err
    assert "1 spans were not delivered" in ran.err
    assert time.monotonic() - begun < 8
    complete_local: Any = programs.kept()
    assert complete_local.names() == ["step"]


@pytest.mark.field(
    "G7", "a process group that is told to stop: parent and child deliver", by="manual"
)
def test_process_group(programs: Programs) -> None:
    programs.write(
        """
        import time
        import spanloom
        spanloom.init()
        with spanloom.task("child"):
            pass
        print("child ready", flush=True)
        while True:
            time.sleep(0.05)
    """,
        "child.py",
    )
    process = programs.start("""
        import subprocess, sys, time
        import spanloom
        spanloom.init()
        with spanloom.task("parent"):
            pass
        subprocess.Popen([sys.executable, "child.py"])
        while True:
            time.sleep(0.05)
    """)
    assert line(process) == "child ready"
    os.killpg(process.pid, signal.SIGTERM)
    programs.wait(process)
    until(lambda: programs.kept().names() == ["child", "parent"])
