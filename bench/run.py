"""What spanloom adds to a program, beside its peers and a hand-written floor, in one run.

python bench/run.py                    everything; minutes
python bench/run.py --quick --check    small; fails where a bound that no load can move is missed

Needs the environments of setup.sh under $BENCH_VENVS, and valgrind for the instructions. Each
measurement is a fresh process. The recorders take turns within a round, in rotated order.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import instructions
from adapters import ADAPTERS
from report import BARE, OURS, Raw, Report
from workloads import CALLS, VALGRIND_CALLS

HERE = Path(__file__).resolve().parent
DEFAULT = ["none", "floor", "openinference", "otelv2", "otelgenai", "langfuse", "ours"]
PINNED = {
    "PYTHONHASHSEED": "0",  # the same layout of dictionaries in every process
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONWARNINGS": "ignore",
    "OTEL_SDK_DISABLED": "false",
}


def one(
    venvs: Path, name: str, workload: str, calls: int, valgrind: bool = False
) -> dict[str, Any]:
    """One process; its result, or ``{"error": ...}``."""
    python = venvs / ADAPTERS[name].venv / "bin" / "python"
    if not python.exists():
        return {"error": f"no environment {ADAPTERS[name].venv}: run bench/setup.sh"}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANLOOM_"))}
    with tempfile.TemporaryDirectory(prefix="bench-") as tmp:
        environment = {**inherited, **PINNED, "TMPDIR": tmp}
        if valgrind:
            environment |= instructions.ENVIRONMENT
        command = [str(python), str(HERE / "worker.py"), name, workload, str(calls), "out.json"]
        if valgrind:
            command = [*instructions.COMMAND, *command]
        with Path(tmp, "log").open("w") as log:
            try:
                done = subprocess.run(
                    command,
                    cwd=tmp,
                    env=environment,
                    stdout=log,
                    stderr=log,
                    timeout=900 if valgrind else 180,
                )
            except subprocess.TimeoutExpired:
                return {"error": "killed: it took too long"}
        out = Path(tmp, "out.json")
        if not out.exists():
            said = Path(tmp, "log").read_text(errors="replace").strip().splitlines()
            return {"error": f"exit {done.returncode}: {said[-1][:200] if said else ''}"}
        result: dict[str, Any] = json.loads(out.read_text())
        if valgrind and "error" not in result:
            result |= instructions.read(Path(tmp), calls)
        return result


def versions(venvs: Path) -> dict[str, str]:
    """The distribution that each environment is about, with its version."""
    wanted = {
        "none": "openai",
        "openinference": "openinference-instrumentation-openai",
        "otelv2": "opentelemetry-instrumentation-openai-v2",
        "otelgenai": "opentelemetry-instrumentation-genai-openai",
        "langfuse": "langfuse",
        "ours": "spanloom",
    }
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    found = {}
    for venv, distribution in wanted.items():
        python = venvs / venv / "bin" / "python"
        if python.exists():
            done = subprocess.run(
                [python, "-c", code, distribution], capture_output=True, text=True, check=False
            )
            found[distribution] = done.stdout.strip()
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adapters", default=",".join(DEFAULT), help=f"of {', '.join(ADAPTERS)}")
    parser.add_argument("--workloads", default="import,W1,W2,stream,W9")
    parser.add_argument("--valgrind", default="W1,W2,W9", help="workloads to count instructions of")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="multiplies the calls of a process"
    )
    parser.add_argument("--quick", action="store_true", help="2 rounds, a fifth of the calls")
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
        args.workloads = args.workloads.replace("W2,", "")
    return args


def measure(args: argparse.Namespace, raw: Raw) -> None:
    names = list(dict.fromkeys([BARE, *filter(None, args.adapters.split(","))]))
    workloads = list(filter(None, args.workloads.split(",")))
    counted = list(filter(None, args.valgrind.split(",")))
    if counted and not shutil.which("valgrind"):
        print("valgrind is not installed: no instructions", file=sys.stderr)
        counted = []

    def step(name: str, workload: str, calls: int, valgrind: bool = False) -> None:
        started = time.monotonic()
        result = one(args.venvs, name, workload, calls, valgrind)
        key = ("cg:" if valgrind else "") + workload
        runs = raw.setdefault(name, {}).setdefault(key, [])
        if valgrind:
            runs.clear()  # counted once: the newest figure stands
        runs.append(result)
        took = time.monotonic() - started
        print(f"{key} {name} {took:.0f} s {result.get('error', '')}", file=sys.stderr, flush=True)
        if args.json:
            args.json.write_text(json.dumps({"about": about(args), "runs": raw}, indent=1))

    for name in names:  # the first import of an environment may compile bytecode: thrown away
        if name != BARE:
            one(args.venvs, name, "import", 1)
    if OURS in names:
        step(OURS, "clean", 1)
    for r in range(args.rounds):
        for workload in workloads:
            turn = r % len(names)
            for name in names[turn:] + names[:turn]:
                calls = max(20, int(CALLS.get(workload, 1) * args.scale))
                step(name, workload, calls)
    for workload in counted:
        for name in names:
            step(name, workload, VALGRIND_CALLS[workload], valgrind=True)


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
