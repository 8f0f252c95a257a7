"""One measurement in a fresh process: ``worker.py ADAPTER WORKLOAD CALLS OUT.json [PROFILE]``.

Started by ``run.py`` with the interpreter of the adapter's environment, and told there when it
has its turn. By hand, with PROFILE, it writes profiles for ``python -m pstats``: of the loop, and
beside it one of each other thread from its start to its end (PROFILE.1, PROFILE.2 and so on).
"""

import asyncio
import gc
import http.client
import importlib
import itertools
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import workloads
from adapters import ADAPTERS, Adapter

HERE = Path(__file__).parent
WALL, THREAD, PROCESS = time.perf_counter_ns, time.thread_time_ns, time.process_time_ns
THREAD_S = time.thread_time
COUNTING = bool(os.environ.get("BENCH_CALLGRIND"))
TURNS = int(os.environ.get("BENCH_TURNS", "-1"))
"""File descriptor on which to answer each line of standard input; -1: nobody gives turns."""
WARM = 10

NEVER = """
    anthropic langchain langchain_core langgraph llama_index litellm crewai dspy autogen_core
    pydantic_ai google.genai mistralai cohere boto3 mcp agents
    opentelemetry langfuse openinference duckdb pyarrow fastapi starlette requests
    prometheus_client grpc
""".split()
"""Frameworks and exporters: switching the recorder on imports none of them, installed or not."""

LAZY = ("spanloom.backends.otlp", "spanloom.backends.langfuse", "spanloom.cli", "spanloom.viewer")
"""Our own exporters and tools: imported by who asks for them."""


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Sink:
    def __init__(self) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, str(HERE / "sink.py"), str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)
        for _ in range(500):
            try:
                self.ask("/stats")
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the sink did not start")

    def ask(self, path: str, body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET" if body is None else "POST", path, body)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def settled(self, quiet_s: float = 0.3, limit_s: float = 8.0) -> Any:
        """The counts once nothing has come for ``quiet_s``."""
        last, since, end = None, time.monotonic(), time.monotonic() + limit_s
        while time.monotonic() < end:
            now = self.ask("/stats")
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since >= quiet_s:
                break
            time.sleep(0.05)
        return last


def callgrind(*switch: str) -> None:
    """Under valgrind (see ``instructions.py``): count and dump only what is measured."""
    if COUNTING:
        command = ["callgrind_control", *switch, str(os.getpid())]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def profile_threads(path: str) -> None:
    """A profiler sees its own thread only, so every thread gets one."""
    import cProfile

    serial, run_thread = itertools.count(1), threading.Thread.run

    def run_profiled(self: threading.Thread) -> None:
        profiler = cProfile.Profile(THREAD_S)
        try:
            profiler.runcall(run_thread, self)
        finally:
            profiler.dump_stats(f"{path}.{next(serial)}")

    threading.Thread.run = run_profiled  # type: ignore[method-assign]


def turn() -> None:
    """Wait for our turn, having said that the last one is over."""
    if TURNS >= 0:
        os.write(TURNS, b"x")
        sys.stdin.readline()


Times = tuple[list[int], list[int]]
"""Wall and thread CPU time of each call, in ns."""


def measure(call: Callable[[], Any], count: int) -> Times:
    wall, cpu = [0] * count, [0] * count
    for i in range(count):
        a, t = THREAD(), WALL()
        call()
        wall[i], cpu[i] = WALL() - t, THREAD() - a
    return wall, cpu


async def measure_async(call: Callable[[], Any], count: int) -> Times:
    wall, cpu = [0] * count, [0] * count
    for i in range(count):
        a, t = THREAD(), WALL()
        await call()
        wall[i], cpu[i] = WALL() - t, THREAD() - a
    return wall, cpu


def measure_stub(stub: workloads.Stub, count: int) -> Times:
    """Time of iterating each prepared stream: a figure for the whole stream, its end included."""
    wall, cpu = [0] * count, [0] * count
    for i in range(count):
        stream = stub.prepare()
        a, t = THREAD(), WALL()
        for _ in stream:
            pass
        wall[i], cpu[i] = WALL() - t, THREAD() - a
    return wall, cpu


def middle_us(times_ns: list[int], parts: int) -> float:
    return statistics.median(times_ns) / 1e3 / parts


def mean_us(times_ns: list[int], parts: int) -> float:
    return statistics.fmean(times_ns) / 1e3 / parts


def looper(adapter: Adapter, workload: str) -> Callable[[int], Times]:
    if workload == "stream":
        stub = workloads.Stub(adapter)
        return lambda n: measure_stub(stub, n)
    call = workloads.BUILD[workload](adapter)
    if workload == "W1A":
        events = asyncio.new_event_loop()
        return lambda n: events.run_until_complete(measure_async(call, n))
    return lambda n: measure(call, n)


def run(adapter: Adapter, workload: str, count: int, profile: str | None) -> dict[str, Any]:
    sink = Sink()
    for name in workloads.PRELOAD.get(workload, ("openai",)):
        importlib.import_module(name)
    if profile:
        profile_threads(profile)
    adapter.setup(sink.url, workload)
    out: dict[str, Any] = {}
    if workload == "stream":
        out["kept_chunks"] = workloads.kept_chunks(adapter)
    loop = looper(adapter, workload)
    adapter.flush()
    spans0, _ = adapter.received(sink)
    warm = 2 if workload == "stream" else WARM
    loop(warm)
    adapter.flush()
    spans1, _ = adapter.received(sink)
    loop(warm * 2)  # caches reach their steady state before the clock starts
    adapter.flush()
    spans2, bytes2 = adapter.received(sink)
    gc.collect()
    gc.freeze()  # a full collection falling into the loop or not would decide the result
    size = count if COUNTING else workloads.SLICE[workload]
    slices = [size] * max(1, count // size)
    calls = sum(slices)
    parts = workloads.STUB_CHUNKS if workload == "stream" else 1
    profiler = None
    if profile:
        import cProfile

        profiler = cProfile.Profile(THREAD_S)
        profiler.enable()
    turn()
    rss = rss_mb()
    out.update(thread_us=[], thread_mean_us=[], wall_us=[])
    in_calls = 0
    callgrind("-i", "on")
    c0 = PROCESS()
    for i in slices:
        wall, cpu = loop(i)
        in_calls += sum(cpu)
        out["thread_us"].append(middle_us(cpu, parts))
        out["thread_mean_us"].append(mean_us(cpu, parts))
        out["wall_us"].append(middle_us(wall, parts))
        if workload in workloads.PAUSE and not COUNTING:
            adapter.flush()
        turn()
    callgrind("-d")  # dump 1: the loop
    if profiler:
        profiler.disable()
        profiler.dump_stats(str(profile))
    t = WALL()
    adapter.flush()
    flush_ms = (WALL() - t) / 1e6
    adapter.shutdown()
    callgrind("-d")  # dump 2: flush and shutdown
    callgrind("-i", "off")
    rest = PROCESS() - c0 - in_calls
    grown = rss_mb() - rss
    spans3, bytes3 = adapter.received(sink)
    expected = round((spans1 - spans0) / warm) * calls
    out.update(
        calls=calls,
        rest_us=rest / 1e3 / calls,
        flush_ms=flush_ms,
        grown_mb=grown,
        spans=spans3 - spans2,
        expected=expected,
        bytes_per_call=(bytes3 - bytes2) / calls,
        content=bool(expected) and adapter.holds(sink, wanted(workload)),
    )
    return out


def wanted(workload: str) -> str:
    return "user-1234" if workload == "W9" else workloads.last_prompt[:200]


def run_import(adapter: Adapter) -> dict[str, Any]:
    """Cost of importing and switching on, in a process that has imported openai."""
    import openai  # noqa: F401

    modules, rss, t, c = len(sys.modules), rss_mb(), WALL(), PROCESS()
    adapter.setup("http://127.0.0.1:9", "W1")
    cpu, wall = PROCESS() - c, WALL() - t
    return {
        "cpu_ms": cpu / 1e6,
        "wall_ms": wall / 1e6,
        "rss_mb": rss_mb() - rss,
        "modules": len(sys.modules) - modules,
        "threads": threading.active_count() - 1,
    }


def run_clean(adapter: Adapter) -> dict[str, Any]:
    """Which frameworks and exporters switching on imports, all of them being installed.

    Those that are not installed are there as empty packages with the metadata of a release, so
    that code which looks for them finds them and code which imports them can.
    """
    import importlib.util
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="frameworks-"))
    for name in NEVER:
        top = name.split(".")[0]
        if importlib.util.find_spec(top) is None:
            package = folder.joinpath(*name.split("."))
            package.mkdir(parents=True)
            package.joinpath("__init__.py").write_text("")
            info = folder / f"{top}-99.0.dist-info"
            info.mkdir(exist_ok=True)
            version = f"Metadata-Version: 2.1\nName: {top.replace('_', '-')}\nVersion: 99.0\n"
            info.joinpath("METADATA").write_text(version)
    sys.path.append(str(folder))
    import openai  # noqa: F401

    before = set(sys.modules)
    adapter.setup("http://127.0.0.1:9", "W1")
    added = set(sys.modules) - before
    unwanted = (*NEVER, *LAZY)
    found = {u for u in unwanted for m in added if m == u or m.startswith(u + ".")}
    return {"unwanted": sorted(found), "modules": len(added)}


def main(name: str, workload: str, count: int, path: str, profile: str | None = None) -> None:
    result: dict[str, Any]
    adapter = ADAPTERS[name]()
    try:
        if workload == "import":
            result = run_import(adapter)
        elif workload == "clean":
            result = run_clean(adapter)
        else:
            result = run(adapter, workload, count, profile)
    except BaseException as exc:
        result = {"error": repr(exc)[:300]}
        traceback.print_exc()
    Path(path).write_text(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:6])
