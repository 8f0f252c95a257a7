"""G6: parent and child both deliver, nothing twice, and nobody hangs."""

import sys

import pytest

from spanloom.testing import FakeProvider

from .programs import Kept, Programs

HEAD = """
    import multiprocessing, os, signal, sys, threading, time
    import openai, spanloom

    def ask(text="hi"):
        with spanloom.tool("asks"), openai.OpenAI() as client:
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": text}]
            )

    def reap(pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def one_tree(kept: Kept, root: str, calls: int, pids: int) -> None:
    """All below one root: ``calls`` calls, each under a tool, made by so many processes."""
    top = kept.one(root)
    assert len(kept.calls()) == calls
    tools = {r.span_id: r for r in kept.named("asks")}
    assert len(tools) == calls
    for call in kept.calls():
        assert call.resource.pid == tools[call.parent_id or ""].resource.pid
    assert {r.trace_id for r in kept.ended.values()} == {top.trace_id}
    assert all(tool.parent_id == top.span_id for tool in tools.values())
    assert len({call.resource.pid for call in kept.calls()}) == pids
    assert not kept.open


@pytest.mark.field("G6", "os.fork within an open span: the parent ends it, the child has it above")
@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(0)", "os.kill(os.getpid(), 15)"])
def test_fork_within_a_span(programs: Programs, leave: str) -> None:
    programs.run(
        HEAD
        + f"""
    spanloom.init()
    with spanloom.workflow("outer") as outer:
        ask()
        pid = os.fork()
        if pid == 0:
            ask()
            outer.set_attributes(by="child")
            {leave}
        status = reap(pid)
        assert status in (0, -15), status
        ask()
    """
    )
    kept = programs.kept()
    one_tree(kept, "outer", 3, 2)
    assert not kept.one("outer").attributes


@pytest.mark.field("G6", "a child that leaves its parent's block ends nothing of its parent")
def test_child_unwinds_the_parents_span(programs: Programs) -> None:
    programs.run(
        HEAD
        + """
    spanloom.init()
    with spanloom.workflow("outer"):
        time.sleep(0.5)  # it is in the record as open
        pid = os.fork()
        ask()
        if pid:
            assert reap(pid) == 0
    with spanloom.task("after"):
        pass
    """
    )
    kept = programs.kept()
    top = kept.one("outer")
    assert [r.parent_id for r in kept.named("asks")] == [top.span_id] * 2
    after = kept.named("after")
    assert len(after) == 2
    assert [r.parent_id for r in after] == [None, None]
    assert len({r.trace_id for r in after}) == 2, "ids are not drawn twice"
    assert {r.resource.pid for r in after} == {r.resource.pid for r in kept.named("asks")}


@pytest.mark.field(
    "G6", "fork in the middle of everything, from a thread, again and again", by="manual"
)
def test_fork_under_load(programs: Programs) -> None:
    programs.run(
        HEAD
        + """
    spanloom.init(flush_interval_s=0.01)
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            with spanloom.task("busy"):
                pass
            time.sleep(0.0005)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(25):
        pid = os.fork()
        if pid == 0:
            with spanloom.task(f"child {number}"):
                pass
            assert spanloom.flush(5).ok
            os._exit(0)
        assert reap(pid) == 0
        with spanloom.task(f"parent {number}"):
            pass
    stop.set()
    for thread in threads:
        thread.join()
    """
    )
    kept = programs.kept()
    for number in range(25):
        child, parent = kept.one(f"child {number}"), kept.one(f"parent {number}")
        assert child.resource.pid != parent.resource.pid
    assert {r.resource.pid for r in kept.named("busy")} == {kept.one("parent 0").resource.pid}


@pytest.mark.field(
    "G6", "a fork right after init, while the worker still imports, loses nothing", by="manual"
)
def test_fork_while_setting_up(programs: Programs) -> None:
    for number in range(8):
        programs.run(
            HEAD
            + f"""
    spanloom.init()
    time.sleep({number} * 0.012)
    pid = os.fork()
    with spanloom.task("both", input="words"):
        pass
    if pid:
        assert reap(pid) == 0
    """
        )
    both = programs.kept().named("both")
    assert len(both) == 16
    assert all(r.detail.input == "words" and not r.faults for r in both)


@pytest.mark.field("G6", "a grandchild and a child that does nothing")
def test_grandchildren(programs: Programs) -> None:
    programs.run(
        HEAD
        + """
    spanloom.init()
    with spanloom.workflow("outer"):
        if os.fork() == 0:
            if os.fork() == 0:
                ask()
                os._exit(0)
            os.wait()
            os._exit(0)
        os.wait()
        if os.fork() == 0:
            os._exit(0)
        os.wait()
    """
    )
    one_tree(programs.kept(), "outer", 1, 1)


@pytest.mark.field("G6", "a stream that the parent opened is the parent's to end", by="openai")
def test_fork_within_a_stream(programs: Programs) -> None:
    programs.run("""
    import os
    import openai, spanloom
    spanloom.init()
    with openai.OpenAI() as client:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        next(stream)
        pid = os.fork()
        if pid == 0:
            del stream
            import gc
            gc.collect()
            os._exit(0)
        os.waitpid(pid, 0)
        assert list(stream)
    """)
    kept = programs.kept()
    assert len(kept.calls()) == 1
    assert kept.calls()[0].complete
    assert not kept.open


@pytest.mark.field("G6", "multiprocessing: every worker delivers, once")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["Process", "Pool", "Executor"])
def test_multiprocessing(
    programs: Programs, provider: FakeProvider, method: str, kind: str
) -> None:
    ways = {
        "Process": """
            workers = [context.Process(target=ask) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0
        """,
        "Pool": """
            with context.Pool(2) as pool:
                pool.map(ask, ["a", "b", "c", "d"], chunksize=1)
                pool.close()
                pool.join()
        """,
        "Executor": """
            from concurrent.futures import ProcessPoolExecutor
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                list(pool.map(ask, ["a", "b", "c", "d"]))
        """,
    }
    programs.run(
        HEAD
        + f"""
    spanloom.init()

    def main():
        context = multiprocessing.get_context("{method}")
        with spanloom.workflow("outer"):
            ask()
            {ways[kind].strip()}

    if __name__ == "__main__":
        main()
    """
    )
    kept = programs.kept()
    expected = 3 if kind == "Process" else 5
    assert len(kept.calls()) == expected == len(provider.exchanges)
    assert {c.parent_id for c in kept.calls()} == {r.span_id for r in kept.named("asks")}
    assert not kept.open
    top = kept.one("outer")
    if method == "fork":
        assert all(r.trace_id == top.trace_id for r in kept.ended.values())
    own = [c for c in kept.calls() if c.resource.pid == top.resource.pid]
    assert len(own) == 1


@pytest.mark.field("G6", "a pool that is terminated has delivered what its workers had flushed")
def test_terminated_pool(programs: Programs) -> None:
    programs.run(
        HEAD
        + """
    spanloom.init()
    if __name__ == "__main__":
        with spanloom.workflow("outer"):
            # leaving the block terminates the workers by SIGTERM
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.map(ask, ["a", "b", "c", "d"], chunksize=1)
    """
    )
    one_tree(programs.kept(), "outer", 4, len({c.resource.pid for c in programs.kept().calls()}))


@pytest.mark.field("G6", "subprocess, popen and exec after use do not hang or lose")
def test_subprocess_and_exec(programs: Programs) -> None:
    programs.run(
        HEAD
        + f"""
    import subprocess
    spanloom.init()
    with spanloom.workflow("outer"):
        ask()
        subprocess.run([{sys.executable!r}, "-c", ""], check=True, preexec_fn=lambda: None)
        os.system("true")
        pid = os.fork()
        if pid == 0:
            ask()
            os.execvp("true", ["true"])
        assert reap(pid) == 0
    """
    )
    one_tree(programs.kept(), "outer", 2, 2)
