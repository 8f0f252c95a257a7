"""Fork, signals and exits: what we put in place, and that it goes again."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import spanloom
from spanloom import lifecycle

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def test_everything_is_put_back(start: Callable[..., Any]) -> None:
    before = [signal.getsignal(s) for s in SIGNALS], os._exit, os.execv, os.execve
    start()
    assert os._exit is not before[1]
    assert os._exit.__name__ == "_exit"
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before[0][2], "it raises KeyboardInterrupt by itself"
    start()
    spanloom.shutdown()
    assert ([signal.getsignal(s) for s in SIGNALS], os._exit, os.execv, os.execve) == before


def test_handlers_of_the_program_stay(start: Callable[..., Any]) -> None:
    def mine(number: int, frame: Any) -> None: ...

    signal.signal(signal.SIGTERM, mine)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        start()
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        spanloom.shutdown()
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_handler_installed_after_ours_stays(start: Callable[..., Any]) -> None:
    start()

    def mine(number: int, frame: Any) -> None: ...

    signal.signal(signal.SIGTERM, mine)
    try:
        spanloom.shutdown()
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_switched_off(start: Callable[..., Any]) -> None:
    start(signals=False)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_init_off_the_main_thread(start: Callable[..., Any]) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(start()))
    thread.start()
    thread.join()
    assert found
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with spanloom.span("s"):
        pass
    assert len(found[0].spans()) == 1


def test_a_foreign_exit_stays(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    ours = os._exit

    def foreign(status: int) -> None:
        ours(status)

    monkeypatch.setattr(os, "_exit", foreign)
    spanloom.shutdown()
    assert os._exit is foreign
    monkeypatch.undo()
    os._exit = getattr(ours, "__wrapped__", ours)


def test_deliver_without_init() -> None:
    lifecycle.deliver()


PRELUDE = """
import os, signal, sys, threading, time
import spanloom
spanloom.init(integrations=[])
"""

SHOW = """
import json, os, glob
for path in glob.glob(os.environ["SPANLOOM_DIR"] + "/traces/*/*.jsonl"):
    pid = int(os.path.basename(path).split("-")[0])
    for line in open(path):
        line = json.loads(line)
        print(line["name"], line["status"], line["parent_id"], line["span_id"])
"""


def run(body: str) -> tuple[int, list[list[str]], str]:
    """Exit status, records and standard error of a program."""
    environ = {k: v for k, v in os.environ.items() if k != "SPANLOOM_STRICT"}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + body],
        env=environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], env=environ, capture_output=True, text=True, check=True
    )
    return done.returncode, [line.rsplit(" ", 3) for line in shown.stdout.splitlines()], done.stderr


def names(records: list[list[str]]) -> list[str]:
    return sorted(f"{name} {status}" for name, status, _, _ in records)


def test_forked_children_record_their_own_under_the_parents_span() -> None:
    status, records, stderr = run("""
with spanloom.span("parent"):
    with spanloom.span("queued"):
        pass
    pids = []
    for n in range(3):
        pid = os.fork()
        if pid == 0:
            with spanloom.span(f"child {n}"), spanloom.span(f"inner {n}"):
                pass
            os._exit(n)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in pids]
sys.exit(codes != [0, 1, 2])
""")
    assert (status, stderr) == (0, "")
    # on a slow machine the parent is shown as open before it ends
    records = [r for r in records if r[:2] != ["parent", "pending"]]
    assert names(records) == sorted(
        ["parent ok", "queued ok", *(f"{w} {n} ok" for w in ("child", "inner") for n in range(3))]
    )
    ids = {name: (parent, own) for name, _, parent, own in records}
    assert len({own for _, own in ids.values()}) == 8, "no child draws its parent's ids"
    for n in range(3):
        assert ids[f"child {n}"][0] == ids["parent"][1]
        assert ids[f"inner {n}"][0] == ids[f"child {n}"][1]


def test_multiprocessing_and_threads_at_the_fork() -> None:
    status, records, stderr = run("""
import multiprocessing
def work(n):
    with spanloom.span(f"job {n}"):
        return n
stop = threading.Event()
def busy():
    while not stop.is_set():
        with spanloom.span("busy"):
            time.sleep(0.001)
threading.Thread(target=busy).start()
context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    assert pool.map(work, range(6)) == list(range(6))
    pool.close()
    pool.join()
process = context.Process(target=work, args=(9,))
process.start()
process.join()
stop.set()
""")
    assert (status, stderr) == (0, "")
    jobs = [n for n in names(records) if n.startswith("job")]
    assert jobs == [f"job {n} ok" for n in (0, 1, 2, 3, 4, 5, 9)]


def test_a_child_that_records_nothing_costs_nothing() -> None:
    status, records, stderr = run("""
before = threading.active_count()
pid = os.fork()
if pid == 0:
    os._exit(threading.active_count())
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
""")
    assert (status, records, stderr) == (0, [], "")


def test_a_span_that_the_child_ends_is_the_parents() -> None:
    status, records, _ = run("""
span = spanloom.span("shared").__enter__()
pid = os.fork()
span.__exit__(None, None, None)
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
""")
    assert status == 0
    assert names(records) == ["shared ok"]


def test_a_failing_exec_comes_back_and_recording_goes_on() -> None:
    status, records, _ = run("""
with spanloom.span("open"):
    with spanloom.span("before"):
        pass
    try:
        os.execv("/nowhere/at/all", ["x"])
    except FileNotFoundError:
        pass
    with spanloom.span("after"):
        pass
""")
    assert status == 0
    assert {"before ok", "after ok", "open ok"} <= set(names(records))


def test_a_handler_of_the_program_that_exits() -> None:
    status, records, _ = run("""
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
with spanloom.span("done"):
    pass
open_span = spanloom.span("open").__enter__()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(10)
""")
    assert status == 4
    assert names(records) == ["done ok", "open pending"]


def test_an_ignored_signal_stays_ignored() -> None:
    status, records, _ = run("""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
spanloom.init(integrations=[])
with spanloom.span("s"):
    os.kill(os.getpid(), signal.SIGTERM)
""")
    assert (status, names(records)) == (0, ["s ok"])


def test_the_first_process_of_a_container_goes_on() -> None:
    """The kernel ignores the default action of a signal there."""
    status, records, stderr = run("""
from spanloom import lifecycle
import types
kills = []
lifecycle.os = types.SimpleNamespace(getpid=lambda: 1, kill=lambda *a: kills.append(a))
span = spanloom.span("open").__enter__()
for _ in range(2):
    signal.raise_signal(signal.SIGTERM)
assert kills == [(1, signal.SIGTERM)] * 2
with spanloom.span("later"):
    pass
span.__exit__(None, None, None)
lifecycle.os = os
""")
    assert (status, stderr) == (0, "")
    assert {"open pending", "open ok", "later ok"} == set(names(records))
