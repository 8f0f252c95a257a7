"""What spanloom adds to a program, beside its peers and a hand-written floor, in one run.

python bench/run.py                    everything; minutes
python bench/run.py --quick --check    small; fails where a bound that no load can move is missed

Needs the environments of setup.sh under $BENCH_VENVS, and valgrind for the instructions. Each
measurement is a fresh process; those of one round take turns of some 20 ms each, and
run once more by themselves for what their other threads use.
"""

import argparse
import contextlib
import json
import os
import platform
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import instructions
from adapters import ADAPTERS, takes_part
from report import BARE, OURS, Raw, Report
from workloads import CALLS, VALGRIND_CALLS

HERE = Path(__file__).resolve().parent
DEFAULT = [
    "none", "floor", "openinference", "otelv2", "otelgenai", "langfuse", "langsmith", "ours"
]  # fmt: skip
ALONE = ("W1", "W1A", "W2", "W3", "W4", "W5", "W9")
"""Run once more without turns: threads that work by the clock would find their caches cold."""
PINNED = {
    "PYTHONHASHSEED": "0",  # the same layout of dictionaries in every process
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONWARNINGS": "ignore",
    "OTEL_SDK_DISABLED": "false",
}


class Worker:
    """A process that measures one recorder; by itself, or in turns with others."""

    def __init__(
        self,
        venvs: Path,
        name: str,
        workload: str,
        calls: int,
        *,
        turns: bool = False,
        valgrind: bool = False,
    ) -> None:
        venv = ADAPTERS[name].venv
        python = venvs / venv / "bin" / "python"
        self.calls, self.valgrind, self.error = calls, valgrind, ""
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.process: subprocess.Popen[bytes] | None = None
        if not python.exists():
            self.error = f"no environment {venv}: run bench/setup.sh"
            return
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANLOOM_"))
        }
        environment = {**inherited, **PINNED, "TMPDIR": str(self.folder)}
        command = [str(python), str(HERE / "worker.py"), name, workload, str(calls), "out.json"]
        if valgrind:
            environment |= instructions.ENVIRONMENT
            command = [*instructions.COMMAND, *command]
        self.over, answers = os.pipe()
        if turns:
            environment["BENCH_TURNS"] = str(answers)
        with Path(self.folder, "log").open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(answers,),
            )
        os.close(answers)

    def waits(self, limit_s: float = 120) -> bool:
        """Block until the process has had its turn; False: it is at its end, or stuck."""
        ready, _, _ = select.select([self.over], [], [], limit_s)
        return bool(ready and os.read(self.over, 1))

    def turn(self) -> None:
        if self.process and self.process.stdin:
            with contextlib.suppress(OSError):  # it has ended: waits() tells
                self.process.stdin.write(b"\n")
                self.process.stdin.flush()

    def result(self, limit_s: float = 120) -> dict[str, Any]:
        """What it measured, or ``{"error": ...}``; nothing of it is left behind."""
        try:
            return self._result(limit_s)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _result(self, limit_s: float) -> dict[str, Any]:
        if self.process is None:
            return {"error": self.error}
        try:
            self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return {"error": "killed: it took too long"}
        finally:
            os.close(self.over)
        out = self.folder / "out.json"
        if not out.exists():
            said = Path(self.folder, "log").read_text(errors="replace").strip().splitlines()
            return {"error": f"exit {self.process.returncode}: {said[-1][:200] if said else ''}"}
        result: dict[str, Any] = json.loads(out.read_text())
        if self.valgrind and "error" not in result:
            result |= instructions.read(self.folder, self.calls)
        return result


def together(venvs: Path, names: list[str], workload: str, calls: int) -> dict[str, dict[str, Any]]:
    """One process for each recorder; they take turns, so that one runs at a time."""
    workers = {}
    for name in names:
        workers[name] = Worker(venvs, name, workload, calls, turns=True)
        workers[name].waits()  # set up one after the other as well
    busy = [w for w in workers.values() if w.process]
    while busy:
        for worker in list(busy):
            worker.turn()
            if not worker.waits():
                busy.remove(worker)
    return {name: worker.result() for name, worker in workers.items()}


def versions(venvs: Path) -> dict[str, str]:
    """What each environment is about, by its distributions' names: their versions."""
    wanted = {
        "none": ("openai", "langchain-core", "langgraph"),
        "openinference": (
            "openinference-instrumentation-openai", "openinference-instrumentation-langchain"
        ),
        "otelv2": ("opentelemetry-instrumentation-openai-v2",),
        "otelgenai": ("opentelemetry-instrumentation-genai-openai",),
        "langfuse": ("langfuse",),
        "langsmith": ("langsmith",),
        "ours": ("spanloom",),
    }  # fmt: skip
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    found = {}
    for venv, distributions in wanted.items():
        python = venvs / venv / "bin" / "python"
        if python.exists():
            done = subprocess.run(
                [python, "-c", code, *distributions], capture_output=True, text=True, check=False
            )
            found.update(zip(distributions, done.stdout.split(), strict=False))
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adapters", default=",".join(DEFAULT), help=f"of {', '.join(ADAPTERS)}")
    parser.add_argument("--workloads", default="import,W1,W2,stream,W4,W5,W9")
    parser.add_argument(
        "--valgrind", default="W1,W2,W4,W5,W9", help="workloads to count instructions of"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="multiplies the calls of a process"
    )
    parser.add_argument(
        "--quick", action="store_true", help="2 rounds, a fifth of the calls, no W2"
    )
    parser.add_argument("--check", action="store_true", help="status 1 where a bound is missed")
    parser.add_argument("--json", type=Path, help="write the raw figures here")
    parser.add_argument("--merge", action="store_true", help="add to the figures in --json")
    parser.add_argument("--markdown", type=Path, help="write the tables here too")
    parser.add_argument("--venvs", type=Path, default=os.environ.get("BENCH_VENVS"))
    args = parser.parse_args()
    if args.venvs is None:
        parser.error("set BENCH_VENVS to the folder that bench/setup.sh filled")
    if args.quick:
        args.rounds, args.scale = min(args.rounds, 2), min(args.scale, 0.2)
        for option in ("workloads", "valgrind"):  # W2 alone takes as long as all the others
            kept = [w for w in getattr(args, option).split(",") if w != "W2"]
            setattr(args, option, ",".join(kept))
    return args


def measure(args: argparse.Namespace, raw: Raw) -> None:
    names = list(dict.fromkeys([BARE, *filter(None, args.adapters.split(","))]))
    workloads = list(filter(None, args.workloads.split(",")))
    counted = list(filter(None, args.valgrind.split(",")))
    if counted and not shutil.which("valgrind"):
        print("valgrind is not installed: no instructions", file=sys.stderr)
        counted = []

    def keep(name: str, key: str, result: dict[str, Any]) -> None:
        raw.setdefault(name, {}).setdefault(key, []).append(result)
        if error := result.get("error"):
            print(f"{key} {name}: {error}", file=sys.stderr)

    def done(what: str, started: float) -> None:
        took = time.monotonic() - started
        print(f"{what}: {took:.0f} s", file=sys.stderr, flush=True)
        if args.json:
            args.json.write_text(json.dumps({"about": about(args), "runs": raw}, indent=1))

    for name in names:  # the first import of an environment may compile bytecode: thrown away
        Worker(args.venvs, name, "import", 1).result()
    if OURS in names:
        keep(OURS, "clean", Worker(args.venvs, OURS, "clean", 1).result())
    for r in range(args.rounds):
        for workload in workloads:
            started = time.monotonic()
            order = names[r % len(names) :] + names[: r % len(names)]
            order = [name for name in order if takes_part(name, workload)]
            if workload == "import":
                for name in order:
                    keep(name, workload, Worker(args.venvs, name, workload, 1).result())
            else:
                calls = int(CALLS[workload] * args.scale)
                for name, result in together(args.venvs, order, workload, calls).items():
                    keep(name, workload, result)
                for name in order if workload in ALONE else ():
                    keep(
                        name,
                        "alone:" + workload,
                        Worker(args.venvs, name, workload, calls).result(),
                    )
            done(f"round {r + 1}, {workload}", started)
    for workload in counted:
        for name in (name for name in names if takes_part(name, workload)):
            started = time.monotonic()
            worker = Worker(args.venvs, name, workload, VALGRIND_CALLS[workload], valgrind=True)
            raw.setdefault(name, {}).pop("cg:" + workload, None)  # the newest count stands
            keep(name, "cg:" + workload, worker.result(limit_s=900))
            done(f"instructions, {workload} {name}", started)


def about(args: argparse.Namespace) -> dict[str, Any]:
    if not hasattr(args, "about"):
        args.about = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "rounds": args.rounds,
            "scale": args.scale,
            "versions": versions(args.venvs),
        }
    about: dict[str, Any] = args.about
    return about


def headline(about: dict[str, Any]) -> str:
    found = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    return (
        f"Measured on {about['date']}: CPython {about['python']}, {about['cores']} cores,"
        f" {about['rounds']} rounds at scale {about['scale']}. {found}."
    )


def main() -> int:
    args = arguments()
    raw: Raw = {}
    if args.merge and args.json and args.json.exists():
        raw = json.loads(args.json.read_text())["runs"]
    measure(args, raw)
    report = Report(raw)
    text = f"{headline(about(args))}\n\n{report.markdown()}"
    print(text)
    if args.markdown:
        args.markdown.write_text(text)
    missed = [b for b in report.bounds() if b.verdict == "MISS" and not (args.quick and b.timed)]
    return 1 if args.check and (missed or report.failed()) else 0


if __name__ == "__main__":
    sys.exit(main())
