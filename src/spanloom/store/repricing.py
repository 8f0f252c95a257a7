"""New prices for calls that are recorded already."""

import os
import platform
import tempfile
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from ..record import Record
from ..types import Cost, ModelCall
from .files import Reading, decode, list_files, read_lines
from .tree import Processes, fact_of

Price = Callable[[ModelCall, int], Cost]
"""The cost of a call that began at a time, in ns since the epoch."""


class Change(Struct, kw_only=True):
    """Of the calls of one model: how many there are, and what they cost before and now."""

    calls: int = 0
    changed: int = 0
    before_usd: float | None = None
    now_usd: float | None = None


class Repricing(Struct, kw_only=True):
    changes: dict[str, Change] = {}
    """By model."""
    files_written: int = 0
    files_in_use: list[str] = []
    """Files with changes whose process still runs: they are left as they are."""


def reprice(
    dir: str | os.PathLike[str],
    price: Price,
    *,
    since_ns: int | None = None,
    write: bool = False,
    reading: Reading | None = None,
) -> Repricing:
    """Price every call again whose cost nobody nearer to the money told.

    With ``write`` a file is replaced as a whole by one that differs in nothing but costs.

    Raises:
        OSError: a file could not be replaced; it is then as it was.
    """
    reading = reading if reading is not None else Reading()
    done, processes = Repricing(), Processes()
    for _, path in list_files(dir, reading):
        lines: list[bytes] = []
        changed = alive = False
        for line in read_lines(path, reading):
            new = line
            if b'"kind":' in line:
                record = decode(line, path, reading, torn=not line.endswith(b"\n"))
                if record is not None:
                    alive = alive or _in_use(record, processes)
                    new = _line(record, line, price, since_ns, done)
            changed = changed or new is not line
            if write:
                lines.append(new)
        if changed and write:
            if alive:
                done.files_in_use.append(path)
            else:
                _replace(path, lines)
                done.files_written += 1
    return done


def _in_use(record: Record, processes: Processes) -> bool:
    """Whether the process that wrote the line may still write to its file."""
    if record.resource.host != platform.node():
        return True
    fact = fact_of(record)._replace(status="pending")
    return processes.open(fact) != "never_ended"


def _line(
    record: Record, line: bytes, price: Price, since_ns: int | None, done: Repricing
) -> bytes:
    call = record.detail
    if not isinstance(call, ModelCall) or record.status == "pending":
        return line
    if since_ns is not None and record.start_ns < since_ns:
        return line
    before = call.cost
    change = done.changes.setdefault(call.response_model or call.model or "", Change())
    change.calls += 1
    now = before
    told = before is not None and before.source in ("provider", "gateway")
    if not told and call.usage is not None:
        now = price(call, record.start_ns)
    change.before_usd = _plus(change.before_usd, before)
    change.now_usd = _plus(change.now_usd, now)
    if now == before:
        return line
    change.changed += 1
    document: dict[str, Any] = msgspec.json.decode(line)
    document["detail"]["cost"] = msgspec.to_builtins(now)
    return msgspec.json.encode(document) + b"\n"


def _plus(sum: float | None, cost: Cost | None) -> float | None:
    if cost is None or cost.total_usd is None:
        return sum
    return (sum or 0.0) + cost.total_usd


def _replace(path: str, lines: list[bytes]) -> None:
    """Whole or not at all. The time of the last write stays: readers go by it."""
    stat = os.stat(path)
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".tmp")
    try:
        with open(handle, "wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, stat.st_mode & 0o777)
        os.utime(draft, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
