"""Only our own variable goes into threads and pools; threads themselves stay as they were."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import spanloom


def work(name: str) -> None:
    with spanloom.span(name):
        pass


def test_a_thread_goes_on_in_its_starters_span(rec: Any) -> None:
    other: contextvars.ContextVar[int] = contextvars.ContextVar("other", default=0)
    other.set(1)
    seen: list[int] = []

    class Mine(threading.Thread):
        def run(self) -> None:
            seen.append(other.get())
            work("subclass")

    with spanloom.span("root"), spanloom.session("s"):
        plain = threading.Thread(target=work, args=("plain",))
        timer = threading.Timer(0.001, work, ("timer",))
        threads: list[threading.Thread] = [plain, Mine(), timer]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
            assert "run" not in thread.__dict__, "as if we had never been there"
    assert seen == [0], "the program's variables are not ours to carry"
    for name in ("plain", "subclass", "timer"):
        assert rec.parent_of(name) == "root"
        assert rec.one(name).session.id == "s"


def test_a_threads_own_run_stays(rec: Any) -> None:
    thread = threading.Thread()
    own = lambda: work("own")  # noqa: E731
    thread.run = own  # type: ignore[method-assign]
    with spanloom.span("root"):
        thread.start()
        thread.join()
    assert thread.run is own
    assert rec.parent_of("own") == "root"


def test_a_thread_cannot_start_twice(rec: Any) -> None:
    with spanloom.span("root"):
        thread = threading.Thread(target=work, args=("once",))
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    assert "run" not in thread.__dict__


def test_a_pool_runs_each_job_under_its_submitter(rec: Any) -> None:
    with ThreadPoolExecutor(2) as pool:

        def submit(number: int) -> None:
            with spanloom.span(f"root{number}"):
                list(pool.map(work, [f"job{number}.{n}" for n in range(5)]))

        threads = [threading.Thread(target=submit, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(4):
        assert {rec.parent_of(f"job{number}.{n}") for n in range(5)} == {f"root{number}"}


def test_a_pools_thread_belongs_to_nobody(rec: Any) -> None:
    """The span in which a pool happened to make its thread is not the parent of others' jobs."""
    with ThreadPoolExecutor(1) as pool:
        with spanloom.span("first"):
            pool.submit(work, "mine").result()
            outside = contextvars.Context()
            outside.run(pool.submit, work, "others").result()
        pool.submit(work, "later").result()
    assert rec.parent_of("mine") == "first"
    assert rec.parent_of("others") is None
    assert rec.parent_of("later") is None


def test_pool_results_and_errors_are_unchanged(rec: Any) -> None:
    error = ValueError("x")

    def fail() -> None:
        raise error

    with ThreadPoolExecutor(1) as pool, spanloom.span("root"):
        assert pool.submit(pow, 2, exp=3).result() == 8
        assert pool.submit(fail).exception() is error
        with pytest.raises(TypeError):
            pool.submit()  # type: ignore[call-arg]


def test_asyncio_to_thread_and_executors(rec: Any) -> None:
    async def main() -> None:
        with spanloom.span("root"):
            await asyncio.to_thread(work, "to_thread")
            await asyncio.get_running_loop().run_in_executor(None, work, "executor")

    asyncio.run(main())
    assert rec.parent_of("to_thread") == rec.parent_of("executor") == "root"


def test_a_thread_that_outlives_its_span_heals(rec: Any) -> None:
    go = threading.Event()

    def late() -> None:
        go.wait(5)
        work("late")

    with spanloom.span("root"):
        with spanloom.span("short"):
            thread = threading.Thread(target=late)
            thread.start()
        go.set()
        thread.join()
    assert rec.parent_of("late") == "root"


def test_switched_off(start: Callable[..., Any]) -> None:
    start_method, submit = threading.Thread.start, ThreadPoolExecutor.submit
    start()
    assert threading.Thread.start is not start_method
    rec = start(threads=False)
    assert threading.Thread.start is start_method
    assert ThreadPoolExecutor.submit is submit
    with spanloom.span("root"):
        thread = threading.Thread(target=work, args=("free",))
        thread.start()
        thread.join()
    assert rec.parent_of("free") is None


def test_undone_by_shutdown_and_under_a_foreign_wrapper(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = threading.Thread.start
    start()
    ours = threading.Thread.start
    calls: list[int] = []

    def foreign(self: threading.Thread) -> None:
        calls.append(1)
        ours(self)

    monkeypatch.setattr(threading.Thread, "start", foreign)
    spanloom.shutdown()
    assert threading.Thread.start is foreign
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert calls == [1]
    rec = start()
    with spanloom.span("root"):
        thread = threading.Thread(target=work, args=("child",))
        thread.start()
        thread.join()
    assert rec.parent_of("child") == "root"
    spanloom.shutdown()
    monkeypatch.undo()
    threading.Thread.start = original  # type: ignore[method-assign]


def test_a_thread_that_cannot_start_keeps_its_own_run(
    rec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = threading.Thread(target=work, args=("no",))
    mine = lambda: None  # noqa: E731
    thread.run = mine  # type: ignore[method-assign]
    thread._started.set()  # type: ignore[attr-defined]
    with spanloom.span("root"), pytest.raises(RuntimeError):
        thread.start()
    assert thread.__dict__["run"] is mine
