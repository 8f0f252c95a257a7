"""What model calls cost, by whatever one asks: model, agent, feature, session, day, ..."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple, get_args

from msgspec import Struct

from ..record import Record
from ..types import Agent, ModelCall
from .files import Reading, list_files, records_backwards
from .tree import Fact, Sum, Totals, fact_of, is_call

By = Literal[
    "model", "provider", "agent", "feature", "user_tier", "user", "session", "service", "name",
    "day", "component",
]  # fmt: skip
GROUPS: tuple[By, ...] = get_args(By)
NOBODY = ""
"""The key of calls of which nobody told what was asked for."""


class Share(Struct, frozen=True, kw_only=True):
    """One row. ``key`` is empty for calls of which nobody told."""

    key: str
    totals: Totals
    errors: int = 0


class Costs(Struct, frozen=True, kw_only=True):
    by: By
    shares: tuple[Share, ...]
    """The dearest first; days in their order."""
    total: Totals
    prices: tuple[str, ...] = ()
    """Dates of the tables that priced the calls; the providers' own word has none."""
    reasons: Mapping[str, int] = {}
    """Why calls that used tokens have no price, with their counts."""


class _Call(NamedTuple):
    fact: Fact
    key: str
    components: Mapping[str, float]


def costs(
    dir: str | os.PathLike[str],
    *,
    by: By = "model",
    since_ns: int | None = None,
    reading: Reading | None = None,
) -> Costs:
    """Sums over all model calls in the record, or those that began at or after ``since_ns``.

    Args:
        dir: the directory of the local record.
        by: what to group by; ``component`` splits the money of each call, and repeats its tokens.
        since_ns: ns since the epoch.
        reading: gets the files and lines that could not be read.
    """
    reading = reading if reading is not None else Reading()
    calls: dict[tuple[str, str], _Call] = {}
    parents: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    dates: dict[str, None] = {}
    reasons: dict[str, int] = {}
    for record in _ended(dir, reading):
        id = record.trace_id, record.span_id
        if by == "agent":
            agent = record.detail
            name = (agent.agent or record.name) if isinstance(agent, Agent) else None
            parents.setdefault(id, (record.parent_id, name))
        detail = record.detail
        if id in calls or not isinstance(detail, ModelCall):
            continue
        if since_ns is not None and record.start_ns < since_ns:
            continue
        cost = detail.cost
        calls[id] = _Call(fact_of(record), _KEYS[by](record), cost.components_usd if cost else {})
        if cost is not None and cost.total_usd is not None:
            if cost.prices_date:
                dates[cost.prices_date] = None
        elif detail.usage is not None:
            reason = (cost.reason if cost else None) or "it was never priced"
            reasons[reason] = reasons.get(reason, 0) + 1
    sums: dict[str, Sum] = {}
    errors: dict[str, int] = {}
    total = Sum()
    for (trace, _), call in calls.items():
        if not is_call(call.fact):
            continue
        total.add(call.fact)
        for key, fact in _shares(call, by, trace, parents):
            sums.setdefault(key, Sum()).add(fact)
            errors[key] = errors.get(key, 0) + (fact.status in ("error", "timeout"))
    rows = [Share(key=k, totals=s.totals(), errors=errors[k]) for k, s in sums.items()]
    if by == "day":
        rows.sort(key=lambda row: row.key)
    else:
        rows.sort(key=lambda row: (-(row.totals.cost_usd or 0), -row.totals.model_calls, row.key))
    return Costs(
        by=by, shares=tuple(rows), total=total.totals(), prices=tuple(sorted(dates)),
        reasons=reasons,
    )  # fmt: skip


def _ended(dir: str | os.PathLike[str], reading: Reading) -> Iterator[Record]:
    """Every span that has ended, the last line of each first."""
    for _, path in list_files(dir, reading):
        for record in records_backwards(path, reading):
            if record.status != "pending":
                yield record


def _shares(
    call: _Call,
    by: By,
    trace: str,
    parents: Mapping[tuple[str, str], tuple[str | None, str | None]],
) -> Iterator[tuple[str, Fact]]:
    if by == "agent":
        yield _agent(trace, call.fact.parent_id, parents), call.fact
    elif by == "component" and call.components and call.fact.cost is not None:
        for name, usd in call.components.items():
            cost = type(call.fact.cost)(total_usd=usd)
            yield name, call.fact._replace(cost=cost)
    else:
        yield call.key, call.fact


def _agent(
    trace: str,
    parent: str | None,
    parents: Mapping[tuple[str, str], tuple[str | None, str | None]],
) -> str:
    """The nearest agent above a call."""
    seen: set[str] = set()
    while parent is not None and parent not in seen:
        seen.add(parent)
        parent, name = parents.get((trace, parent), (None, None))
        if name is not None:
            return name
    return NOBODY


def _model(record: Record) -> str:
    detail = record.detail
    assert isinstance(detail, ModelCall)
    return detail.response_model or detail.model or NOBODY


def _provider(record: Record) -> str:
    detail = record.detail
    assert isinstance(detail, ModelCall)
    return detail.provider or NOBODY


def _day(record: Record) -> str:
    return datetime.fromtimestamp(record.start_ns / 1e9, UTC).strftime("%Y-%m-%d")


_KEYS: Mapping[By, Callable[[Record], str]] = {
    "model": _model,
    "provider": _provider,
    "agent": lambda record: NOBODY,
    "feature": lambda record: record.feature or NOBODY,
    "user_tier": lambda record: record.user_tier or NOBODY,
    "user": lambda record: record.user_id or NOBODY,
    "session": lambda record: record.session_id or NOBODY,
    "service": lambda record: record.resource.service or NOBODY,
    "name": lambda record: record.name,
    "day": _day,
    "component": lambda record: NOBODY,
}
