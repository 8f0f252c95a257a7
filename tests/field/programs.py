"""Programs of users in processes of their own, and what they left in the local record."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanloom.record import Record, decode

TIMEOUT_S = 40.0


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


class Kept:
    """The lines of a local record. Every line is whole, and no span ends twice."""

    def __init__(self, folder: Path) -> None:
        self.ended: dict[str, Record] = {}
        self.open: dict[str, Record] = {}
        endings: Counter[str] = Counter()
        for path in sorted(folder.glob("traces/*/*.jsonl")):
            for line in path.read_bytes().splitlines(keepends=True):
                assert line.endswith(b"\n"), f"{path} has a torn line: {line!r}"
                record = decode(line, source=str(path))
                if record.status == "pending":
                    self.open[record.span_id] = record
                else:
                    endings[record.span_id] += 1
                    self.ended[record.span_id] = record
        doubled = [id for id, count in endings.items() if count > 1]
        assert not doubled, [self.ended[id] for id in doubled]
        for id in self.ended:
            self.open.pop(id, None)

    def named(self, name: str) -> list[Record]:
        """Ended spans of that name, by start."""
        return sorted((r for r in self.ended.values() if r.name == name), key=lambda r: r.start)

    def one(self, name: str) -> Record:
        found = self.named(name)
        assert len(found) == 1, (name, [(r.name, r.status) for r in self.ended.values()])
        return found[0]

    def names(self) -> list[str]:
        return sorted(r.name for r in self.ended.values())

    def calls(self) -> list[Record]:
        return [r for r in self.ended.values() if r.kind == "llm"]


class Programs:
    """Starts programs under one environment, and ends what is left of them."""

    def __init__(self, folder: Path, /, **environ: str) -> None:
        self.folder, self.environ = folder, environ
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in self._started:
            if process.poll() is None:
                # each leads a group of its own, with the workers it made
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    @property
    def record(self) -> Path:
        return Path(self.environ["SPANLOOM_DIR"])

    def kept(self) -> Kept:
        return Kept(self.record)

    def write(self, source: str, name: str = "app.py") -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(source))
        return path

    def command(self, *command: object, **environ: Any) -> "subprocess.Popen[str]":
        """Start any command; ``None`` takes a variable away."""
        around = {**self.environ, **environ}
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=self.folder,
            env={k: str(v) for k, v in around.items() if v is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def start(self, source: str, *args: object, **environ: Any) -> "subprocess.Popen[str]":
        """Start a program of this source, with warnings as errors."""
        path = self.write(source)
        return self.command(sys.executable, "-W", "error", path, *args, **environ)

    def run(self, source: str, *args: object, status: int = 0, **environ: Any) -> Ran:
        """Run a program to its end: with that exit status, and not a word on stderr unless it failed."""
        ran = self.wait(self.start(source, *args, **environ))
        assert ran.status == status, ran
        if status == 0:
            assert not ran.err, ran.err
        return ran

    def wait(self, process: "subprocess.Popen[str]") -> Ran:
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)
            out, err = process.communicate()
            raise AssertionError(f"it hangs: {out}\n{err}") from None
        return Ran(process.returncode, out, err)


def line(process: "subprocess.Popen[str]") -> str:
    """The next line that the program says."""
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, process.communicate()[1]
    return text.strip()


def until(holds: Any, timeout_s: float = 15.0) -> None:
    """Wait until ``holds()``."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.02)
