"""Reading the local record: the traces that were written, and one trace as a tree.

A record is append-only and may be in use: files grow while they are read, the last line may be
half written, and a process may have died with spans open. Nothing here raises for that; what
could not be read is counted in ``Reading``.

Sums of tokens and money are over model calls alone (``llm``, ``embedding``, ``rerank``): agents and
workflows repeat what the calls below them used.
"""

import heapq
import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

import msgspec
from msgspec import Struct

from ..record import Record
from .costs import GROUPS, By, Costs, Share, costs
from .files import Reading, decode, lines_with, list_files, near, read_lines, records_backwards
from .loops import Loop
from .sessions import End, Session, SessionSummary, Turn, UnknownSession, session, sessions
from .sessions import nothing as no_session
from .story import Linked, Passing, Pause, Step, Story, links_to, tell
from .tree import (
    Adrift,
    AgentShare,
    Fact,
    Node,
    Open,
    Processes,
    Totals,
    Trace,
    TraceSummary,
    build_tree,
    fact_of,
    paused,
    summarise,
)

__all__ = [
    "GROUPS", "Adrift", "AgentShare", "By", "Costs", "End", "Linked", "Loop", "Node", "Open", "Passing", "Pause", "Reading",
    "Session", "SessionSummary", "Share", "Step", "Story", "Totals", "Trace", "TraceSummary", "Turn",
    "Unknown", "UnknownSession", "costs", "near", "no_session", "nothing", "paused", "session", "sessions", "story",
    "trace", "traces",
]  # fmt: skip

_SLACK_NS = 10_000_000_000
"""A line may be written this long after its span ended: queue, flush interval, a busy disk."""
_LOOKBACK_NS = 3600_000_000_000
"""How far back a parent that is still missing is looked for before it counts as somebody else's."""


class Unknown(LookupError):
    """No trace, or more than one, goes by that id. The message is for the user."""


class _Found:
    """A trace while its lines come in."""

    __slots__ = ("facts", "missing", "start_ns")

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}
        self.missing: set[str] = set()
        self.start_ns = 1 << 63

    def add_earlier(self, fact: Fact) -> None:
        """Take a line that stands before all those taken so far."""
        known = self.facts.get(fact.span_id)
        if known is not None and (known.status != "pending" or fact.status == "pending"):
            return
        self.facts[fact.span_id] = fact
        self.missing.discard(fact.span_id)
        if fact.parent_id is not None and fact.parent_id not in self.facts:
            self.missing.add(fact.parent_id)
        self.start_ns = min(self.start_ns, fact.start_ns)

    def whole(self, horizon_ns: int) -> bool:
        """Whether no line written before ``horizon_ns`` can be part of it."""
        if self.missing:
            return self.start_ns - _LOOKBACK_NS > horizon_ns
        return self.start_ns > horizon_ns


def traces(
    dir: str | os.PathLike[str],
    *,
    limit: int | None,
    since_ns: int | None = None,
    reading: Reading | None = None,
) -> list[TraceSummary]:
    """The newest traces, newest first. Reads from the ends of the files and no further than needed.

    Args:
        dir: the directory of the local record.
        limit: how many at most; ``None`` is all.
        since_ns: only those that started at or after this time.
        reading: gets the files and lines that could not be read.
    """
    reading = reading if reading is not None else Reading()
    found: dict[str, _Found] = {}
    # Each file is read backwards. Its horizon is a time after which nothing unread in it can
    # have been written: at first when it was last written, later the end of the last span read.
    heap = [(-mtime_ns - _SLACK_NS, path) for mtime_ns, path in list_files(dir, reading)]
    heapq.heapify(heap)
    readers: dict[str, Iterator[Record]] = {}
    lines = checked = 0
    while heap:
        negative, path = heap[0]
        if lines >= checked and _enough(found, limit, since_ns, -negative):
            break
        checked = lines + lines // 4
        if path not in readers:
            readers[path] = records_backwards(path, reading)
        chunk = list(islice(readers[path], 256))
        lines += len(chunk)
        if not chunk:
            heapq.heappop(heap)
            del readers[path]
            continue
        horizon = -negative
        for line in chunk:
            found.setdefault(line.trace_id, _Found()).add_earlier(fact_of(line))
            if line.end_ns is not None:
                horizon = min(horizon, line.end_ns + _SLACK_NS)
        heapq.heapreplace(heap, (-horizon, path))
    since_ns = since_ns if since_ns is not None else -(1 << 63)
    kept = [(f.start_ns, id) for id, f in found.items() if f.start_ns >= since_ns]
    newest = sorted(kept, reverse=True)[:limit]
    processes = Processes()
    return [summarise(id, list(found[id].facts.values()), processes) for _, id in newest]


def _enough(
    found: dict[str, _Found], limit: int | None, since_ns: int | None, horizon_ns: int
) -> bool:
    bound = since_ns if since_ns is not None and horizon_ns < since_ns else None
    if limit is not None and len(found) >= limit:
        newest = heapq.nlargest(limit, (f.start_ns for f in found.values()))
        oldest = newest[-1] if newest else horizon_ns + 1
        bound = oldest if bound is None else max(bound, oldest)
    if bound is None:
        return False
    return all(f.whole(horizon_ns) for f in found.values() if f.start_ns >= bound)


def trace(dir: str | os.PathLike[str], wanted: str, /, *, reading: Reading | None = None) -> Trace:
    """One trace as a tree.

    Args:
        dir: the directory of the local record.
        wanted: a trace id, the beginning of one, or ``last``: the one that started last.
        reading: gets the files and lines that could not be read.

    Raises:
        Unknown: there is no such trace, or several begin like that.
    """
    reading = reading if reading is not None else Reading()
    files = list_files(dir, reading)
    wanted = wanted.strip().lower()
    if wanted == "last":
        newest = traces(dir, limit=1)
        if not newest:
            raise Unknown(nothing(dir))
        wanted = newest[0].trace_id
    if not re.fullmatch("[0-9a-f]{1,32}", wanted):
        raise Unknown(
            f"{wanted!r} is no trace id: give up to 32 hex digits, as `spanloom traces` lists "
            "them, or `last`."
        )
    if len(wanted) < 32:
        wanted, files = _resolve(dir, wanted, files, reading)
    records, used = _collect(wanted, files, reading)
    if not records:
        raise Unknown(_no_such(dir, wanted, files))
    return build_tree(wanted, records, used)


_LOOKED_UP = 16
"""Linked traces whose names are looked up; the rest is known by its id."""


def story(dir: str | os.PathLike[str], found: Trace, /, *, reading: Reading | None = None) -> Story:
    """The story of a trace: its agents, handoffs, loops, pauses, and the traces it is linked with.

    Args:
        dir: the directory of the local record.
        found: as ``trace`` gave it.
        reading: gets the files and lines that could not be read.
    """
    reading = reading if reading is not None else Reading()
    id = found.summary.trace_id
    files = list_files(dir, Reading())
    pointing = []
    for mtime_ns, path in files:
        if mtime_ns + _SLACK_NS < found.summary.start_ns:
            break  # written before this trace began: nothing in it can link here
        for line in lines_with(path, [id.encode()], reading):
            if id.encode() in line[:64]:  # a line of the trace itself: its id stands at the front
                continue
            record = decode(line, path, reading, torn=not line.endswith(b"\n"))
            if record is not None and record.trace_id != id and any(links_to(record, id)):
                pointing.append(record)
    pointing.sort(key=lambda record: record.start_ns)
    told = tell(found, pointing)
    if not told.linked:
        return told
    return msgspec.structs.replace(told, linked=_named(told.linked, files, reading))


def _named(
    linked: Sequence[Linked], files: Sequence[tuple[int, str]], reading: Reading
) -> tuple[Linked, ...]:
    """The same, with names and times from the record."""
    wanted = list(dict.fromkeys(link.trace_id for link in linked))[:_LOOKED_UP]
    facts: dict[str, dict[str, Fact]] = {id: {} for id in wanted}
    for _, path in reversed(files):
        for line in lines_with(path, [id.encode() for id in wanted], reading):
            record = decode(line, path, reading, torn=not line.endswith(b"\n"))
            if record is not None and record.trace_id in facts:
                spans = facts[record.trace_id]
                known = spans.get(record.span_id)
                if known is None or record.status != "pending" or known.status == "pending":
                    spans[record.span_id] = fact_of(record)
    processes = Processes()
    done = []
    for link in linked:
        spans = facts.get(link.trace_id, {})
        if spans:
            summary = summarise(link.trace_id, list(spans.values()), processes)
            there = spans.get(link.other_span_id)
            link = msgspec.structs.replace(
                link, name=summary.name, start_ns=summary.start_ns,
                at=(there.agent or there.name) if there else None,
            )  # fmt: skip
        done.append(link)
    return tuple(done)


def nothing(dir: str | os.PathLike[str]) -> str:
    """Tell that there is no trace in ``dir``, and what to do."""
    if os.path.isdir(dir):
        return f"No trace is recorded in {near(dir)} yet. Record some: spanloom run app.py"
    text = f"There is no record at {near(dir)}."
    name = os.path.basename(os.path.abspath(dir))
    above = os.path.dirname(os.path.dirname(os.path.abspath(dir)))
    while True:
        other = os.path.join(above, name)
        if os.path.isdir(os.path.join(other, "traces")):
            return f"{text} There is one at {near(other)}: add --dir {near(other)}"
        parent = os.path.dirname(above)
        if parent == above:
            return f"{text} Record some: spanloom run app.py; or name it: --dir or SPANLOOM_DIR"
        above = parent


def _no_such(dir: str | os.PathLike[str], wanted: str, files: Sequence[tuple[int, str]]) -> str:
    if not files:
        return nothing(dir)
    return (
        f"No trace {wanted} in {near(dir)} ({len(files)} file{'s' * (len(files) != 1)} read). "
        "See what there is: spanloom traces; or look elsewhere: --dir or SPANLOOM_DIR"
    )


class _Head(Struct):
    trace_id: str


_head = msgspec.json.Decoder(_Head)


def _resolve(
    dir: str | os.PathLike[str], prefix: str, files: Sequence[tuple[int, str]], reading: Reading
) -> tuple[str, list[tuple[int, str]]]:
    """The one full id that begins with ``prefix``, and the files that have it."""
    needle = prefix.encode()
    hits: dict[str, dict[tuple[int, str], None]] = {}
    for file in files:
        for line in read_lines(file[1], reading):
            if needle not in line:
                continue
            try:
                full = _head.decode(line).trace_id
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            if full.startswith(prefix):
                hits.setdefault(full, {})[file] = None
    if not hits:
        raise Unknown(_no_such(dir, f"that begins with {prefix}", files))
    if len(hits) > 1:
        shown = [_candidate(id, list(hits[id]), reading) for id in islice(hits, 10)]
        if len(hits) > 10:
            shown.append(f"  and {len(hits) - 10} more")
        raise Unknown(
            "\n".join([f"{len(hits)} traces begin with {prefix}; give more of the id:", *shown])
        )
    [(id, having)] = hits.items()
    return id, list(having)


def _candidate(id: str, files: Sequence[tuple[int, str]], reading: Reading) -> str:
    found = _Found()
    for _, path in files:
        for line in records_backwards(path, reading):
            if line.trace_id == id:
                found.add_earlier(fact_of(line))
    if not found.facts:
        return f"  {id}"
    summary = summarise(id, list(found.facts.values()), Processes())
    start = datetime.fromtimestamp(summary.start_ns / 1e9)
    return f"  {id}  {start:%Y-%m-%d %H:%M:%S}  {summary.name[:60]}"


def _collect(
    id: str, files: Sequence[tuple[int, str]], reading: Reading
) -> tuple[dict[str, Record], list[str]]:
    """The last word on each span of a trace, and the files that have any, oldest first."""
    needle = id.encode()
    by_file: list[tuple[str, list[Record]]] = []
    found = _Found()
    for mtime_ns, path in files:
        if found.facts and found.whole(mtime_ns + _SLACK_NS):
            break
        here = []
        for line in read_lines(path, reading):
            if needle in line:
                decoded = decode(line, path, reading, torn=not line.endswith(b"\n"))
                if decoded is not None and decoded.trace_id == id:
                    here.append(decoded)
        for span in reversed(here):
            found.add_earlier(fact_of(span))
        if here:
            by_file.append((path, here))
    by_file.reverse()
    spans: dict[str, Record] = {}
    for _, here in by_file:
        for span in here:
            known = spans.get(span.span_id)
            if known is None or span.status != "pending" or known.status == "pending":
                spans[span.span_id] = span
    return spans, [path for path, _ in by_file]
