"""``spanloom cost``: what model calls cost, and what they would at today's prices."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from spanloom import store
from spanloom.words import plural, since

from .traces import complain, where, write_json


class ShareRow(Struct, frozen=True, kw_only=True):
    """One row of ``spanloom cost --json``. ``key`` is null for calls of which nobody told."""

    key: str | None
    model_calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int


class CostDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom cost --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    dir: str
    by: store.By
    rows: tuple[ShareRow, ...]
    total: ShareRow
    prices: tuple[str, ...]
    """Dates of the tables that priced the calls."""
    unpriced: Mapping[str, int]
    """Why calls that used tokens have no price, with their counts."""
    unreadable_lines: int


def row(key: str, totals: store.Totals, errors: int) -> ShareRow:
    sums = {name: getattr(totals, name) for name in totals.__struct_fields__}
    return ShareRow(key=key or None, errors=errors, **sums)


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("reprice",),
        help="compare with today's prices; with --write store them")  # fmt: skip
    add("--by", choices=store.GROUPS, default="model", help="what to group by (model)")
    add("--since", metavar="WHEN", help="only later calls: 30m, 1h, 2d, 2026-01-31T09:00")
    add("--prices", metavar="FILE", help="with reprice: your own prices, instead of the setting")
    add("--write", action="store_true", help="with reprice: write the new prices into the record")
    add("--json", action="store_true", help="print one JSON document")
    add("--dir", metavar="DIR", help="directory of the local record")


def main(args: Namespace) -> int:
    since_ns = None
    if args.since is not None:
        try:
            since_ns = int(since(args.since, datetime.now().astimezone()).timestamp() * 1e9)
        except ValueError as exc:
            print(f"spanloom cost: --since {exc}", file=sys.stderr)
            return 2
    if args.action == "reprice":
        from .reprice import reprice

        return reprice(args, since_ns)
    if args.write or args.prices:
        print("spanloom cost: --write and --prices belong to `cost reprice`", file=sys.stderr)
        return 2
    directory = where(args)
    reading = store.Reading()
    found = store.costs(directory, by=args.by, since_ns=since_ns, reading=reading)
    complain(reading)
    if args.json:
        document = CostDocument(
            dir=directory,
            by=found.by,
            rows=tuple(row(share.key, share.totals, share.errors) for share in found.shares),
            total=row("", found.total, sum(s.errors for s in found.shares)),
            prices=found.prices,
            unpriced=found.reasons,
            unreadable_lines=sum(reading.unreadable.values()),
        )
        write_json(document)
    elif found.shares:
        show(found)
    elif reading.files:
        print("No model call was recorded in the time asked for.", file=sys.stderr)
    else:
        print(store.nothing(directory), file=sys.stderr)
    return 0


def show(found: store.Costs) -> None:
    from .page import Column, Page, grid, in_out, known_cost

    page = Page()
    whole = found.total.cost_usd or 0.0
    columns = [
        Column(found.by.replace("_", " "), style="bold", flexible=True), Column("calls", right=True),
        Column("tokens in→out" if page.glyphs.arrow == "→" else "tokens in->out", right=True),
        Column("cached", right=True), Column("cost", right=True), Column("share", right=True),
    ]  # fmt: skip
    rows = []
    for share in (*found.shares, store.Share(key="total", totals=found.total)):
        cost = share.totals.cost_usd
        rows.append(
            [
                share.key or "(not told)",
                str(share.totals.model_calls),
                in_out(share.totals, page.glyphs),
                tokens_of(share.totals.cached_tokens),
                known_cost(share.totals),
                f"{cost / whole:.0%}" if cost is not None and whole else "",
            ]
        )
    for line in grid(page, columns, rows):
        page.line(line)
    page.line()
    if found.prices:
        page.labelled("prices", found.prices, ", ", "dim")
    for reason, count in sorted(found.reasons.items(), key=lambda item: -item[1])[:5]:
        page.labelled("+", [f"{plural(count, 'call')} without a price: {reason}"], "", "dim")


def tokens_of(count: int | None) -> str:
    from spanloom.words import tokens

    return tokens(count) if count else ""
