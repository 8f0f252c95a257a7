"""One measurement in a fresh process: ``worker.py ADAPTER WORKLOAD CALLS OUT.json [PROFILE]``.

Started by ``run.py`` with the interpreter of the adapter's environment. By hand, with PROFILE, it
writes a profile of the loop for ``python -m pstats``.
"""

import asyncio
import gc
import http.client
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
COUNTING = bool(os.environ.get("BENCH_CALLGRIND"))
WARM, SPINS = 10, 100

NEVER = """
    anthropic langchain langchain_core langgraph llama_index litellm crewai dspy autogen_core
    pydantic_ai google.genai mistralai cohere boto3 mcp agents
    opentelemetry langfuse openinference duckdb pyarrow fastapi starlette requests
    prometheus_client grpc
""".split()  # noqa: SIM905
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


class Meter:
    """Wall and thread CPU time of every call, and of a fixed piece of work between the calls.

    The same call took 0.8 or 1.4 ms of CPU here, by what the machine's other tenants did. The
    fixed work goes up and down with it, so that ``report.py`` can take that out.
    """

    def __init__(self, count: int) -> None:
        self.wall: list[int] = []
        self.cpu: list[int] = []
        self.spins: list[int] = []
        self.every = max(1, count // SPINS)

    def add(self, wall: int, cpu: int) -> None:
        self.wall.append(wall)
        self.cpu.append(cpu)
        if len(self.cpu) % self.every == 0 and not COUNTING:
            a = THREAD()
            spin()
            self.spins.append(THREAD() - a)


def spin() -> int:
    """Objects, dictionaries, calls and strings, about 0.2 ms: what a client's work is made of."""
    total = 0
    for i in range(400):
        record = {"id": i, "name": f"call {i}", "parts": [i, i + 1]}
        total += len(record["name"].upper()) + sum(record["parts"])
    return total


def measure(call: Callable[[], Any], count: int, burst: int, flush: Callable[[], None]) -> Meter:
    """The flushes between bursts are in no call's time."""
    meter = Meter(count)
    for i in range(count):
        if i and i % burst == 0:
            flush()
        a, t = THREAD(), WALL()
        call()
        meter.add(WALL() - t, THREAD() - a)
    return meter


def measure_async(call: Callable[[], Any], count: int) -> Meter:
    async def loop() -> Meter:
        meter = Meter(count)
        for _ in range(count):
            a, t = THREAD(), WALL()
            await call()
            meter.add(WALL() - t, THREAD() - a)
        return meter

    return asyncio.run(loop())


def measure_stub(stub: workloads.Stub, count: int) -> Meter:
    """Time of iterating each prepared stream: a figure for the whole stream, its end included."""
    meter = Meter(count)
    for _ in range(count):
        stream = stub.prepare()
        a, t = THREAD(), WALL()
        for _ in stream:
            pass
        meter.add(WALL() - t, THREAD() - a)
    return meter


def spread(times_ns: list[int], parts: int = 1) -> dict[str, float]:
    """In microseconds, for one of ``parts`` equal parts of what was timed."""
    us = sorted(t / 1e3 / parts for t in times_ns)
    return {
        "mean": statistics.fmean(us),
        "p50": us[len(us) // 2],
        "p99": us[min(len(us) - 1, int(0.99 * len(us)))],
    }


def run(adapter: Adapter, workload: str, count: int, profile: str | None) -> dict[str, Any]:
    sink = Sink()
    if workloads.PRELOAD.get(workload, "openai"):
        import openai  # noqa: F401
    adapter.setup(sink.url, workload)
    out: dict[str, Any] = {}
    burst = workloads.BURST.get(workload, count)
    if workload == "stream":
        kept = workloads.kept_chunks(adapter)
        stub = workloads.Stub(adapter)
        out.update(kept_chunks=kept, parts=workloads.STUB_CHUNKS)

        def loop(n: int) -> Meter:
            return measure_stub(stub, n)
    else:
        call = workloads.BUILD[workload](adapter)

        def loop(n: int) -> Meter:
            if workload == "W1A":
                return measure_async(call, n)
            return measure(call, n, burst, adapter.flush)

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
    rss = rss_mb()
    profiler = None
    if profile:
        import cProfile

        profiler = cProfile.Profile(time.process_time)
        profiler.enable()
    callgrind("-i", "on")
    c0 = PROCESS()
    meter = loop(count)
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
    total_cpu = PROCESS() - c0 - sum(meter.spins)
    parts = out.get("parts", 1)
    grown = rss_mb() - rss
    spans3, bytes3 = adapter.received(sink)
    expected = round((spans1 - spans0) / warm) * count
    out.update(
        calls=count,
        wall_us=spread(meter.wall, parts),
        thread_us=spread(meter.cpu, parts),
        spin_us=statistics.median(meter.spins) / 1e3 if meter.spins else None,
        total_us=total_cpu / 1e3 / count,
        flush_ms=flush_ms,
        grown_mb=grown,
        spans=spans3 - spans2,
        expected=expected,
        bytes_per_call=(bytes3 - bytes2) / count,
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
