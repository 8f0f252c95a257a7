"""Instructions of one workload under valgrind's callgrind, by thread.

Times move with whatever else the machine does; the instructions of the calling thread hardly do
(0.1 % between two runs of the bare call). They are what the project holds itself to.
"""

import re
from collections.abc import Iterable
from pathlib import Path

COMMAND = [
    "valgrind",
    "-q",
    "--tool=callgrind",
    "--instr-atstart=no",
    "--separate-threads=yes",
    "--callgrind-out-file=cg.%p",
]
ENVIRONMENT = {"BENCH_CALLGRIND": "1"}

DUMP = re.compile(r"cg\.\d+\.(?P<dump>\d+)-(?P<thread>\d+)$")
TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def read(folder: Path, calls: int) -> dict[str, float]:
    """Thousands of instructions per call.

    ``caller``: the calling thread in the loop. ``process``: every thread, loop, flush and
    shutdown together. Dump 1 is the loop, dump 2 flush and shutdown; thread 1 is the caller.
    """
    return summed(((p.name, p.read_text(errors="replace")) for p in folder.glob("cg.*")), calls)


def summed(files: Iterable[tuple[str, str]], calls: int) -> dict[str, float]:
    caller = process = 0
    for name, text in files:
        found, total = DUMP.search(name), TOTAL.search(text)
        if not found or not total or found["dump"] not in ("1", "2"):
            continue
        count = int(total[1])
        process += count
        if found["dump"] == "1" and int(found["thread"]) == 1:
            caller += count
    return {"caller": caller / calls / 1e3, "process": process / calls / 1e3}
