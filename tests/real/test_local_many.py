"""The local backend under load and on a full disk, with real processes and a real file system."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanloom.backends.local import LocalBackend
from spanloom.errors import Refused
from spanloom.record import decode
from spanloom.settings import Settings
from spanloom.types import Resource, Span, Task

PROCESSES = 8
SPANS = 100_000
BATCH = 512
RESOURCE = Resource(service="many", pid=os.getpid())


def made(writer: int, numbers: range, text: str = "") -> list[Span]:
    return [
        Span(
            trace_id=writer + 1,
            span_id=number + 1,
            name="step",
            detail=Task(input=number, output=text or None),
            integration="manual",
            start_ns=number,
            end_ns=number + 1,
            resource=RESOURCE,
        )
        for number in numbers
    ]


def write(folder: str, writer: int) -> None:
    """One process of the first test."""
    backend = LocalBackend(Settings(dir=folder), rotate_bytes=4 << 20)
    for first in range(0, SPANS, BATCH):
        backend.export(made(writer, range(first, min(first + BATCH, SPANS))))
    backend.close()


def fill(folder: str, writer: int, stop_after: int) -> dict[str, Any]:
    """Write until the disk has refused ``stop_after`` spans, and go on when there is room again."""
    backend = LocalBackend(Settings(dir=folder), rotate_bytes=256 << 10)
    attempted = refused = 0
    reasons: set[str] = set()

    def export(count: int, size: int) -> None:
        nonlocal attempted, refused
        batch = made(writer, range(attempted, attempted + count), "x" * size)
        attempted += count
        try:
            backend.export(batch)
        except Refused as exc:
            refused += exc.spans
            reasons.add(str(exc).split(":")[0])

    while refused < stop_after:
        export(100, 50 + 400 * (attempted % 7))
    print("full", flush=True)
    sys.stdin.readline()  # the test makes room
    before = refused
    export(100, 50)
    backend.close()
    return {
        "attempted": attempted,
        "refused": refused,
        "after": refused - before,
        "reasons": sorted(reasons),
    }


def lines(folder: Path) -> Iterator[bytes]:
    """Every line of every file, all of them whole."""
    for path in folder.glob("traces/*/*.jsonl"):
        data = path.read_bytes()
        assert data == b"" or data.endswith(b"\n"), path
        yield from data.split(b"\n")[:-1]


def child(*arguments: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(process: "subprocess.Popen[str]", text: str = "") -> str:
    output, _ = process.communicate(text)
    assert process.returncode == 0
    return output


def test_eight_processes_write_into_one_folder(tmp_path: Path) -> None:
    writers = [child("write", tmp_path, number) for number in range(PROCESSES)]
    for writer in writers:
        finish(writer)
    names = [path.name for path in tmp_path.glob("traces/*/*.jsonl")]
    assert len(names) > PROCESSES * 2, "rotated"
    assert len({name.split("-")[0] for name in names}) == PROCESSES
    seen: set[int] = set()
    for line in lines(tmp_path):
        read = decode(line)
        seen.add((int(read.trace_id) << 20) + int(read.span_id, 16))
        assert not read.faults
    total = sum(1 for _ in lines(tmp_path))
    assert (total, len(seen)) == (PROCESSES * SPANS, PROCESSES * SPANS)


def full_disk(folder: Path, room: Path | None) -> None:
    """Eight processes on one full disk, and after ``room`` (a file that takes place) is gone."""
    writers = [child("fill", folder, number, 500) for number in range(PROCESSES)]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == "full\n"
    for line in lines(folder):
        decode(line)
    if room is not None:
        room.unlink()
    reports = [json.loads(finish(writer, "\n")) for writer in writers]
    written: Counter[int] = Counter()
    ids: set[tuple[str, str]] = set()
    for line in lines(folder):
        read = decode(line)
        assert not read.faults
        written[int(read.trace_id) - 1] += 1
        ids.add((read.trace_id, read.span_id))
    assert len(ids) == written.total(), "each at most once"
    for number, report in enumerate(reports):
        assert report["refused"] >= 500
        assert written[number] + report["refused"] == report["attempted"], (number, report)
        if room is not None:
            assert report["after"] == 0, "it goes on when there is room again"
            assert report["reasons"] == ["No space left on device"]


IN_NAMESPACE = """
mount -t tmpfs -o size=8m,mode=700 tmpfs "$1" || exit 77
exec "$2" "$3" disk "$1"
"""


def test_full_disk(record_property: Any) -> None:
    """A tmpfs of 8 MiB where mounting works (as root or in a user namespace), else a file limit."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with tempfile.TemporaryDirectory() as folder:
        for unshare in (["unshare", "-m"], ["unshare", "-rm"]):
            try:
                done = subprocess.run(
                    [*unshare, "sh", "-c", IN_NAMESPACE, "sh", folder, sys.executable, __file__],
                    env=environment,
                    capture_output=True,
                    text=True,
                )
            except FileNotFoundError:
                break
            if done.returncode == 0:
                record_property("full disk", "tmpfs")
                return
            if "Traceback" in done.stderr:
                pytest.fail(done.stderr)
        record_property("full disk", "RLIMIT_FSIZE")
        limited(Path(folder))


def limited(folder: Path) -> None:
    """Without a mount: no file may be larger than one of the longer lines."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limit[1]))
    try:
        full_disk(folder, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def main(command: str, folder: str, *rest: str) -> None:
    if command == "write":
        write(folder, int(rest[0]))
    elif command == "fill":
        print(json.dumps(fill(folder, int(rest[0]), int(rest[1]))))
    elif command == "disk":
        room = Path(folder) / "room"
        room.write_bytes(b"\0" * (3 << 20))
        full_disk(Path(folder), room)


if __name__ == "__main__":
    main(*sys.argv[1:])
