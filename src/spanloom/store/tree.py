"""Spans in their places: the tree of a trace, its sums, and whether an open span can still end."""

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct, structs

from ..record import LinkTo, Record
from ..types import Agent, Cost, Kind, ModelCall, SessionSource, Status, Tool, Usage

Open = Literal["open", "never_ended", "unknown"]
"""Of a span without an end: its process runs, is gone, or ran on another host."""
Adrift = Literal["missing", "loop"]
"""Why a span stands at the top though it names a parent: that one is missing, or below it."""


def paused(status: Status, ended_by: str | None) -> bool:
    """Whether a span ended to wait for somebody, and not for good."""
    word = (ended_by or "").lower()
    return status == "ok" and "interrupt" in word and "keyboard" not in word


class Totals(Struct, frozen=True, kw_only=True):
    """Sums over the model calls of some spans. ``None``: no call said."""

    model_calls: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    """Of the calls whose cost is known."""
    unpriced_calls: int = 0
    """Calls that used tokens and have no known cost."""


class TraceSummary(Struct, frozen=True, kw_only=True):
    """One trace in a list. Times in ns since the epoch."""

    trace_id: str
    name: str
    status: Status
    """Of the root; without one in the record, ``error`` if anything failed."""
    open: Open | None = None
    """Set while the root has no end."""
    ended_by: str | None = None
    """Of the root: control flow that ended it, such as an interrupt, which is a pause."""
    start_ns: int
    duration_ns: int
    """From the first start to the last end that is known."""
    spans: int
    open_spans: int = 0
    errors: int = 0
    """Failures at their origin: a span that failed because its child did is not counted again."""
    totals: Totals = Totals()
    session_id: str | None = None
    service: str | None = None


class Node(Struct, frozen=True, kw_only=True):
    """A span in its place in the tree."""

    record: Record
    depth: int
    open: Open | None = None
    adrift: Adrift | None = None
    subtotals: Totals | None = None
    """Of all model calls below, for a span that is no model call itself and has any."""


class AgentShare(Struct, frozen=True, kw_only=True):
    """What one agent used itself, without the agents below it."""

    agent: str
    totals: Totals


class Trace(Struct, frozen=True, kw_only=True):
    summary: TraceSummary
    nodes: tuple[Node, ...]
    """Depth first, children by start time."""
    agents: tuple[AgentShare, ...] = ()
    """In the order in which they first started."""
    files: tuple[str, ...] = ()


class Fact(NamedTuple):
    """What a list needs of a span; its content can go."""

    span_id: str
    parent_id: str | None
    name: str
    kind: Kind
    status: Status
    start_ns: int
    end_ns: int | None
    usage: Usage | None
    cost: Cost | None
    session_id: str | None
    service: str | None
    host: str | None
    pid: int | None
    trace_id: str = ""
    ended_by: str | None = None
    agent: str | None = None
    session_source: SessionSource | None = None
    user_id: str | None = None
    links: tuple[LinkTo, ...] = ()


def build_tree(id: str, spans: dict[str, Record], files: Sequence[str]) -> Trace:
    ordered = sorted(spans.values(), key=lambda span: (span.start_ns, span.span_id))
    children: dict[str | None, list[Record]] = {}
    tops: list[tuple[Record, Adrift | None]] = []
    for span in ordered:
        if span.parent_id is None:
            tops.append((span, None))
        elif span.parent_id not in spans:
            tops.append((span, "missing"))
        else:
            children.setdefault(span.parent_id, []).append(span)
    # those with the same missing parent stand together, behind the true roots
    first: dict[str | None, int] = {}
    for span, adrift in tops:
        if adrift:
            first.setdefault(span.parent_id, span.start_ns)
    tops.sort(key=lambda t: (t[1] is not None, first.get(t[0].parent_id, 0), t[0].parent_id or ""))

    processes = Processes()
    placed: set[str] = set()
    nodes: list[Node] = []

    def place(top: Record, adrift: Adrift | None) -> None:
        # no recursion: a chain of spans may be longer than Python's stack
        stack = [(top, 0, adrift)]
        while stack:
            span, depth, why = stack.pop()
            if span.span_id in placed:
                continue
            placed.add(span.span_id)
            nodes.append(
                Node(record=span, depth=depth, open=processes.open(fact_of(span)), adrift=why)
            )
            stack.extend((c, depth + 1, None) for c in reversed(children.get(span.span_id, ())))

    for top, adrift in tops:
        place(top, adrift)
    for span in ordered:  # what is left are loops: each is cut at its earliest span
        if span.span_id not in placed:
            place(span, "loop")

    facts = {span.span_id: fact_of(span) for span in ordered}
    return Trace(
        summary=summarise(id, list(facts.values()), processes),
        nodes=tuple(_with_subtotals(nodes, facts)),
        agents=_agents(nodes, facts),
        files=tuple(files),
    )


def _with_subtotals(nodes: Sequence[Node], facts: dict[str, Fact]) -> Iterator[Node]:
    sums: dict[int, Sum] = {}
    result = []
    for node in reversed(nodes):  # children come before their parent this way
        fact = facts[node.record.span_id]
        below = sums.pop(node.depth + 1, None)
        if is_call(fact):
            own = Sum().add(fact)
            result.append(node)
        else:
            own = Sum()
            totals = below.totals() if below else None
            result.append(
                structs.replace(node, subtotals=totals) if totals and totals.model_calls else node
            )
        if below:
            own.merge(below)
        if node.depth in sums:
            sums[node.depth].merge(own)
        else:
            sums[node.depth] = own
    return reversed(result)


def _agents(nodes: Sequence[Node], facts: dict[str, Fact]) -> tuple[AgentShare, ...]:
    sums: dict[str, Sum] = {}
    starts: dict[str, int] = {}
    path: list[str | None] = []
    for node in nodes:
        del path[node.depth :]
        name = path[-1] if path else None
        detail = node.record.detail
        if isinstance(detail, Agent):
            name = detail.agent or node.record.name
            sums.setdefault(name, Sum())
            starts[name] = min(starts.get(name, node.record.start_ns), node.record.start_ns)
        path.append(name)
        fact = facts[node.record.span_id]
        if name is not None and is_call(fact):
            sums[name].add(fact)
    in_order = sorted(sums, key=starts.__getitem__)
    return tuple(AgentShare(agent=name, totals=sums[name].totals()) for name in in_order)


def fact_of(span: Record) -> Fact:
    detail = span.detail
    call = detail if isinstance(detail, ModelCall) else None
    resource = span.resource
    return Fact(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        kind=span.kind,
        status=span.status,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        usage=call.usage if call else None,
        cost=call.cost if call else None,
        session_id=span.session_id,
        service=resource.service,
        host=resource.host,
        pid=resource.pid,
        trace_id=span.trace_id,
        ended_by=span.ended_by,
        agent=(detail.agent or span.name) if isinstance(detail, Agent) else None,
        session_source=span.session_source,
        user_id=span.user_id,
        links=span.links,
    )


def called(record: Record) -> str:
    """The name by which a reader knows a span."""
    match record.detail:
        case Agent(agent=str(name)) | Tool(tool=str(name)):
            return name
    return record.name


def is_call(fact: Fact) -> bool:
    return fact.kind in ("llm", "embedding", "rerank")


def add_up(parts: Iterable[Totals]) -> Totals:
    """The sum of sums."""
    sums = Sum()
    for part in parts:
        sums.add_totals(part)
    return sums.totals()


class Sum:
    """Adds up model calls; a figure that nobody gave stays ``None``."""

    __slots__ = ("calls", "cost", "counts", "unpriced")

    def __init__(self) -> None:
        self.calls: int = 0
        self.unpriced: int = 0
        self.counts: list[int | None] = [None, None, None, None]
        self.cost: float | None = None

    def add(self, fact: Fact) -> "Sum":
        self.calls += 1
        cost = fact.cost.total_usd if fact.cost else None
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost
        elif fact.usage and (fact.usage.input or fact.usage.output or fact.usage.total):
            self.unpriced += 1
        if fact.usage:
            used = fact.usage
            self._count((used.input, used.output, used.cached, used.reasoning))
        return self

    def merge(self, other: "Sum") -> None:
        self.calls += other.calls
        self.unpriced += other.unpriced
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost
        self._count(other.counts)

    def add_totals(self, part: Totals) -> None:
        self.calls += part.model_calls
        self.unpriced += part.unpriced_calls
        if part.cost_usd is not None:
            self.cost = (self.cost or 0.0) + part.cost_usd
        self._count(
            (part.input_tokens, part.output_tokens, part.cached_tokens, part.reasoning_tokens)
        )

    def _count(self, values: Iterable[int | None]) -> None:
        for place, value in enumerate(values):
            if value is not None:
                self.counts[place] = (self.counts[place] or 0) + value

    def totals(self) -> Totals:
        input, output, cached, reasoning = self.counts
        return Totals(
            model_calls=self.calls,
            input_tokens=input,
            output_tokens=output,
            cached_tokens=cached,
            reasoning_tokens=reasoning,
            cost_usd=None if self.cost is None else round(self.cost, 12),  # not 0.30000000000000004
            unpriced_calls=self.unpriced,
        )


def summarise(id: str, facts: Sequence[Fact], processes: "Processes") -> TraceSummary:
    facts = sorted(facts, key=lambda fact: (fact.start_ns, fact.span_id))
    ids = {fact.span_id for fact in facts}
    root = next((fact for fact in facts if fact.parent_id is None), None)
    top = root or next((fact for fact in facts if fact.parent_id not in ids), facts[0])
    sum_ = Sum()
    for fact in facts:
        if is_call(fact):
            sum_.add(fact)
    failed = [fact for fact in facts if fact.status in ("error", "timeout")]
    passed_on = {fact.parent_id for fact in failed if fact.parent_id != fact.span_id}
    start_ns = facts[0].start_ns
    end_ns = max((fact.end_ns or fact.start_ns for fact in facts), default=start_ns)
    if root is not None:
        status = root.status
    else:
        status = "error" if failed else "pending" if top.end_ns is None else top.status
    return TraceSummary(
        trace_id=id,
        name=top.name,
        status=status,
        open=processes.open(top),
        ended_by=top.ended_by,
        start_ns=start_ns,
        duration_ns=max(end_ns - start_ns, 0),
        spans=len(facts),
        open_spans=sum(fact.status == "pending" for fact in facts),
        # a loop of failing spans has no origin, and is a failure all the same
        errors=sum(fact.span_id not in passed_on for fact in failed) or min(len(failed), 1),
        totals=sum_.totals(),
        session_id=next((fact.session_id for fact in facts if fact.session_id is not None), None),
        service=next((fact.service for fact in facts if fact.service is not None), None),
    )


class Processes:
    """Which of the processes that recorded still run. Each is looked up once."""

    def __init__(self) -> None:
        self._host = platform.node()
        self._known: dict[int, float | None] = {}

    def open(self, fact: Fact) -> Open | None:
        if fact.status != "pending":
            return None
        if fact.pid is None or fact.host != self._host or os.name != "posix":
            return "unknown"
        if fact.pid not in self._known:
            self._known[fact.pid] = _started(fact.pid)
        started = self._known[fact.pid]
        # A process that began after the span is another one with the same number: in containers,
        # where numbers start from 1, that is the rule.
        if started is None or started > fact.start_ns / 1e9 + 2:
            return "never_ended"
        return "open"


def _started(pid: int) -> float | None:
    """When the process began, seconds since the epoch: 0 where unknown, ``None`` if it is gone."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open("/proc/stat", "rb") as system:
            fields = stat.read().rpartition(b")")[2].split()
            if fields[0] in (b"Z", b"X"):
                return None
            boot = next(int(line.split()[1]) for line in system if line.startswith(b"btime"))
        return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return 0.0
