"""Sessions: what belongs together over any number of traces, days and processes."""

import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

import msgspec
from msgspec import Struct

from ..record import nanoseconds
from ..types import SessionSource
from .files import Reading, backwards, decode, lines_with, list_files, near
from .tree import Fact, Processes, Totals, TraceSummary, add_up, fact_of, paused, summarise

End = Literal["ok", "error", "timeout", "cancelled", "paused", "open", "never_ended", "unknown"]
"""How a session or one turn of it ended. ``paused``: it waits for somebody. The last three are as
``Open`` says: no end is recorded."""

_SLACK_NS = 10_000_000_000
_ANY = b'"session_id":"'


class Turn(Struct, frozen=True, kw_only=True):
    """What one trace has of a session: its spans that carry the session's id, and no others."""

    summary: TraceSummary
    end: End
    agents: tuple[str, ...] = ()
    """In the order in which they first started."""
    user_id: str | None = None
    source: SessionSource | None = None
    paused_at: tuple[str, ...] = ()
    """Names of the spans that stopped to wait for somebody."""
    resumes: tuple[str, ...] = ()
    """Ids of the traces that it goes on with."""
    resumed_by: tuple[str, ...] = ()
    """Ids of the traces that went on from here."""


class SessionSummary(Struct, frozen=True, kw_only=True):
    """One session in a list. Times in ns since the epoch."""

    session_id: str
    source: SessionSource | None = None
    user_id: str | None = None
    end: End
    """Of its last turn."""
    start_ns: int
    last_ns: int
    """The last start or end that is known."""
    turns: int
    spans: int
    open_spans: int = 0
    errors: int = 0
    pauses: int = 0
    resumes: int = 0
    agents: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    totals: Totals = Totals()


class Session(Struct, frozen=True, kw_only=True):
    summary: SessionSummary
    turns: tuple[Turn, ...]
    """By their start."""
    files: tuple[str, ...] = ()


class UnknownSession(LookupError):
    """No session, or more than one, goes by that id. The message is for the user."""


class _Head(Struct):
    """What the search for the newest sessions needs of a line."""

    v: int
    start: str
    session_id: str | None = None
    end: str | None = None


_head = msgspec.json.Decoder(_Head)

_Spans = dict[tuple[str, str], Fact]


def sessions(
    dir: str | os.PathLike[str], *, limit: int | None, reading: Reading | None = None
) -> list[SessionSummary]:
    """The sessions in which something happened last, newest first.

    Which ones these are is read from the ends of the files; their earlier turns may lie anywhere, so
    the other files are searched for their ids, and nothing else in them is decoded.

    Args:
        dir: the directory of the local record.
        limit: how many at most; ``None`` is all.
        reading: gets the files and lines that could not be read.
    """
    reading = reading if reading is not None else Reading()
    files = list_files(dir, reading)
    if limit is None:
        needles = [_ANY]
    else:
        newest = _newest(files, limit, reading)
        if not newest:
            return []
        needles = [_needle(id) for id in newest]
    found, _ = _gather(files, needles, reading)
    processes = Processes()
    wanted = found if limit is None else [id for id in found if id in newest]
    summaries = [_summary(id, _turns(found[id], processes)) for id in wanted]
    summaries.sort(key=lambda one: (-one.last_ns, one.session_id))
    return summaries[:limit]


def session(
    dir: str | os.PathLike[str], wanted: str, /, *, reading: Reading | None = None
) -> Session:
    """One session with its turns.

    Args:
        dir: the directory of the local record.
        wanted: the id, the beginning of one, or ``last``: where something happened last.
        reading: gets the files and lines that could not be read.

    Raises:
        UnknownSession: there is no such session, or several begin like that.
    """
    reading = reading if reading is not None else Reading()
    files = list_files(dir, reading)
    found, used = _gather(files, [_needle(wanted)], reading)
    if wanted not in found:
        wanted = _resolve(dir, files, wanted, reading)
        found, used = _gather(files, [_needle(wanted)], reading)
    turns = _turns(found[wanted], Processes())
    return Session(summary=_summary(wanted, turns), turns=turns, files=tuple(used))


def _needle(id: str) -> bytes:
    """As the record writes it, so that a line can be told without reading it."""
    return b'"session_id":' + msgspec.json.encode(id)


def _resolve(
    dir: str | os.PathLike[str], files: Sequence[tuple[int, str]], wanted: str, reading: Reading
) -> str:
    if wanted == "last":
        newest = _newest(files, 1, reading)
        if not newest:
            raise UnknownSession(nothing(dir, len(files)))
        return next(iter(newest))
    begins: dict[str, None] = {}
    for _, path in files:
        for line in lines_with(path, [_needle(wanted)[:-1]], reading):
            try:
                id = _head.decode(line).session_id
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            if id is not None and id.startswith(wanted):
                begins[id] = None
    if not begins:
        raise UnknownSession(
            f"No session {wanted!r} in {near(dir)} ({len(files)} file{'s' * (len(files) != 1)} "
            "read). See what there is: spanloom sessions; or look elsewhere: --dir or SPANLOOM_DIR"
        )
    if len(begins) > 1:
        shown = [f"  {id}" for id in islice(begins, 10)]
        if len(begins) > 10:
            shown.append(f"  and {len(begins) - 10} more")
        raise UnknownSession(
            "\n".join([f"{len(begins)} sessions begin with {wanted!r}; give more:", *shown])
        )
    return next(iter(begins))


def nothing(dir: str | os.PathLike[str], files: int) -> str:
    """Tell that there is no session, and what to do."""
    if not files:
        from . import nothing as no_trace

        return no_trace(dir)
    return (
        f"No span in {near(dir)} belongs to a session. Name one around a conversation: "
        'with spanloom.session("its id"):'
    )


def _newest(files: Sequence[tuple[int, str]], limit: int, reading: Reading) -> dict[str, int]:
    """The ids of the sessions with the latest activity, and when that was."""
    last: dict[str, int] = {}
    # as in `traces`: each file backwards, with a time after which nothing unread in it can lie
    heap = [(-mtime_ns - _SLACK_NS, path) for mtime_ns, path in files]
    heapq.heapify(heap)
    readers: dict[str, Iterator[bytes]] = {}
    while heap:
        negative, path = heap[0]
        if len(last) >= limit and heapq.nlargest(limit, last.values())[-1] >= -negative:
            break
        if path not in readers:
            readers[path] = _lines(path, reading)
        chunk = list(islice(readers[path], 512))
        if not chunk:
            heapq.heappop(heap)
            del readers[path]
            continue
        horizon = -negative
        for line in chunk:
            try:
                head = _head.decode(line)
                at = nanoseconds(head.end or head.start)
            except (msgspec.MsgspecError, ValueError):
                continue  # said, with its reason, by whoever reads the line for good
            if head.end is not None:
                horizon = min(horizon, at + _SLACK_NS)
            if head.session_id is not None:
                last[head.session_id] = max(last.get(head.session_id, at), at)
        heapq.heapreplace(heap, (-horizon, path))
    return dict(heapq.nlargest(limit, last.items(), key=lambda item: (item[1], item[0])))


def _lines(path: str, reading: Reading) -> Iterator[bytes]:
    try:
        yield from (line for line in backwards(path) if line)
    except FileNotFoundError:
        return
    except OSError as exc:
        reading.problem(path, f"{near(path)}: {exc.strerror}; its traces are not shown")


def _gather(
    files: Sequence[tuple[int, str]], needles: Sequence[bytes], reading: Reading
) -> tuple[dict[str, _Spans], list[str]]:
    """The last word on each span of the sessions, and the files that have any, oldest first."""
    found: dict[str, _Spans] = {}
    used = []
    for _, path in reversed(files):
        hit = False
        for line in lines_with(path, needles, reading):
            record = decode(line, path, reading, torn=not line.endswith(b"\n"))
            if record is None or record.session_id is None:
                continue
            hit = True
            spans = found.setdefault(record.session_id, {})
            key = (record.trace_id, record.span_id)
            known = spans.get(key)
            if known is None or record.status != "pending" or known.status == "pending":
                spans[key] = fact_of(record)
        if hit:
            used.append(path)
    return found, used


# -- turns ----------------------------------------------------------------------------------------


def _turns(spans: Mapping[tuple[str, str], Fact], processes: Processes) -> tuple[Turn, ...]:
    traces: dict[str, list[Fact]] = {}
    for fact in spans.values():
        traces.setdefault(fact.trace_id, []).append(fact)
    resumed: dict[str, list[str]] = {}
    for id, facts in traces.items():
        for other in _resumes(id, facts):
            resumed.setdefault(other, []).append(id)
    turns = [_turn(id, facts, resumed.get(id, ()), processes) for id, facts in traces.items()]
    turns.sort(key=lambda turn: (turn.summary.start_ns, turn.summary.trace_id))
    return tuple(turns)


def _turn(id: str, facts: list[Fact], resumed_by: Sequence[str], processes: Processes) -> Turn:
    facts.sort(key=lambda fact: (fact.start_ns, fact.span_id))
    by_id = {fact.span_id: fact for fact in facts}
    tops = [f for f in facts if f.parent_id not in by_id and f.kind != "evaluation"]
    # a late score is a span of its own beside what it is about, and is not how that ended
    tops = tops or [f for f in facts if f.parent_id not in by_id] or facts
    last = max(tops, key=lambda fact: (fact.end_ns is None, fact.end_ns or 0, fact.start_ns))
    summary = msgspec.structs.replace(
        summarise(id, facts, processes), name=tops[0].name, status=last.status, ended_by=last.ended_by,
        open=processes.open(last),
    )  # fmt: skip
    stopped = _paused(facts, by_id)
    end: End
    if summary.open is not None:
        end = summary.open
    elif last.status == "ok" and stopped and _ends_paused(last, stopped, by_id):
        end = "paused"
    else:
        end = "unknown" if last.status == "pending" else last.status
    return Turn(
        summary=summary,
        end=end,
        agents=tuple(dict.fromkeys(fact.agent for fact in facts if fact.agent is not None)),
        user_id=next((fact.user_id for fact in facts if fact.user_id is not None), None),
        source=next((f.session_source for f in facts if f.session_source is not None), None),
        paused_at=tuple(fact.agent or fact.name for fact in stopped),
        resumes=tuple(_resumes(id, facts)),
        resumed_by=tuple(dict.fromkeys(resumed_by)),
    )


def _paused(facts: Sequence[Fact], by_id: Mapping[str, Fact]) -> list[Fact]:
    """The innermost spans that stopped: the interrupt ends all that is around them, too."""
    stopped = [fact for fact in facts if paused(fact.status, fact.ended_by)]
    passed_on: set[str] = set()
    for fact in stopped:
        passed_on.update(_above(fact, by_id))
    return [fact for fact in stopped if fact.span_id not in passed_on]


def _ends_paused(last: Fact, stopped: Sequence[Fact], by_id: Mapping[str, Fact]) -> bool:
    """Whether nothing below the same top went on after the pause."""
    end_ns = max(fact.end_ns or fact.start_ns for fact in stopped)
    around = {id for fact in stopped for id in (fact.span_id, *_above(fact, by_id))}
    if last.span_id not in around:
        return False
    return not any(f.start_ns > end_ns for f in by_id.values() if f.kind != "evaluation")


def _above(fact: Fact, by_id: Mapping[str, Fact]) -> Iterator[str]:
    seen = {fact.span_id}
    at = by_id.get(fact.parent_id or "")
    while at is not None and at.span_id not in seen:
        seen.add(at.span_id)
        yield at.span_id
        at = by_id.get(at.parent_id or "")


def _resumes(id: str, facts: Iterable[Fact]) -> Iterator[str]:
    found = (
        link.trace_id
        for fact in facts
        for link in fact.links
        if link.reason == "resume" and link.trace_id != id
    )
    return iter(dict.fromkeys(found))


def _summary(id: str, turns: Sequence[Turn]) -> SessionSummary:
    return SessionSummary(
        session_id=id,
        source=next((turn.source for turn in turns if turn.source is not None), None),
        user_id=next((turn.user_id for turn in turns if turn.user_id is not None), None),
        end=turns[-1].end,
        start_ns=turns[0].summary.start_ns,
        last_ns=max(turn.summary.start_ns + turn.summary.duration_ns for turn in turns),
        turns=len(turns),
        spans=sum(turn.summary.spans for turn in turns),
        open_spans=sum(turn.summary.open_spans for turn in turns),
        errors=sum(turn.summary.errors for turn in turns),
        pauses=sum(bool(turn.paused_at) for turn in turns),
        resumes=sum(bool(turn.resumes) for turn in turns),
        agents=tuple(dict.fromkeys(name for turn in turns for name in turn.agents)),
        services=tuple(dict.fromkeys(t.summary.service for t in turns if t.summary.service)),
        totals=add_up(turn.summary.totals for turn in turns),
    )
