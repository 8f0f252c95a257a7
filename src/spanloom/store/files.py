"""The files of the local record and their lines, read while they are written."""

import os
import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from .. import record
from ..record import Record

_BLOCK = 1 << 16
_LARGE_BLOCK = 1 << 22


class Reading(Struct):
    """What happened while reading, for the one who asked."""

    files: int = 0
    unreadable: dict[str, int] = {}
    """Lines that are no record, by file."""
    problems: list[str] = []
    """The first message of each file that could not be read or has unreadable lines."""

    def problem(self, path: str, message: str, *, lines: int = 0) -> None:
        if path not in self.unreadable:
            self.problems.append(message)
        self.unreadable[path] = self.unreadable.get(path, 0) + lines


def near(path: str | os.PathLike[str]) -> str:
    """The shorter of the absolute path and the one from here."""
    absolute = os.path.abspath(path)
    try:
        relative = os.path.relpath(absolute)
    except (OSError, ValueError):  # no working directory, or another drive
        return absolute
    return relative if len(relative) < len(absolute) else absolute


def list_files(dir: str | os.PathLike[str], reading: Reading) -> list[tuple[int, str]]:
    """Time of the last write and path of every file, newest first."""
    found = []
    for folder, _, names in os.walk(os.path.join(dir, "traces")):
        for name in names:
            if name.endswith(".jsonl"):
                path = os.path.join(folder, name)
                try:
                    found.append((os.stat(path).st_mtime_ns, path))
                except OSError:  # retention deleted it meanwhile
                    continue
    found.sort(reverse=True)
    reading.files = len(found)
    return found


def backwards(path: str) -> Iterator[bytes]:
    """The lines of a file from its end; the first is what follows the last line break."""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
    rest, size = b"", _BLOCK
    while position > 0:
        size = min(size, position)
        position -= size
        # Opened for each block: a record of a thousand processes must not need as many handles.
        with open(path, "rb") as file:
            file.seek(position)
            block = file.read(size) + rest
        rest, *lines = block.split(b"\n")
        # One line of 30 MB would otherwise be put together from hundreds of ever longer pieces.
        size = size if lines else size * 2
        yield from reversed(lines)
    yield rest


def records_backwards(path: str, reading: Reading) -> Iterator[Record]:
    try:
        for number, line in enumerate(backwards(path)):
            decoded = decode(line, path, reading, torn=number == 0)
            if decoded is not None:
                yield decoded
    except FileNotFoundError:
        return
    except OSError as exc:
        reading.problem(path, f"{near(path)}: {exc.strerror}; its traces are not shown")


def read_lines(path: str, reading: Reading) -> Iterator[bytes]:
    """The lines of a file with their line breaks: the last may lack its own."""
    try:
        with open(path, "rb", buffering=1 << 20) as file:
            yield from file
    except FileNotFoundError:
        return
    except OSError as exc:
        reading.problem(path, f"{near(path)}: {exc.strerror}; its traces are not shown")


def lines_with(path: str, needles: Sequence[bytes], reading: Reading) -> Iterator[bytes]:
    """The lines that hold any of ``needles``; the others are not even split.

    A file of gigabytes that has none is passed over as fast as it can be read.
    """
    find = _finder(needles)
    try:
        with open(path, "rb", buffering=0) as file:
            rest = b""
            while block := file.read(_LARGE_BLOCK):
                block = rest + block
                end = block.rfind(b"\n") + 1
                rest = block[end:]
                at = 0
                while (hit := find(block, at, end)) >= 0:
                    start = max(block.rfind(b"\n", at, hit) + 1, at)
                    at = block.index(b"\n", hit) + 1
                    yield block[start:at]
            if find(rest, 0, len(rest)) >= 0:
                yield rest
    except FileNotFoundError:
        return
    except OSError as exc:
        reading.problem(path, f"{near(path)}: {exc.strerror}; its traces are not shown")


def _finder(needles: Sequence[bytes]) -> Callable[[bytes, int, int], int]:
    if len(needles) == 1:
        [needle] = needles
        return lambda block, start, end: block.find(needle, start, end)
    search = re.compile(b"|".join(map(re.escape, needles))).search

    def find(block: bytes, start: int, end: int) -> int:
        found = search(block, start, end)
        return found.start() if found else -1

    return find


def decode(line: bytes, path: str, reading: Reading, *, torn: bool) -> Record | None:
    line = line.strip()
    if not line:
        return None
    try:
        return record.decode(line, source=near(path))
    except record.RecordError as exc:
        if not torn:  # a last line without its line break is being written, or its process died
            reading.problem(path, str(exc), lines=1)
        return None
