"""``spanloom cost reprice``: recorded calls at today's prices."""

import sys
from argparse import Namespace

from msgspec import Struct

from spanloom import store
from spanloom.prices import bill
from spanloom.processors.price import load
from spanloom.store.repricing import Change, Repricing
from spanloom.store.repricing import reprice as price_again
from spanloom.words import clean, money, plural

from .traces import complain, where, write_json


class ChangeRow(Struct, frozen=True, kw_only=True):
    """The calls of one model in ``spanloom cost reprice --json``."""

    model: str | None
    calls: int
    changed: int
    before_usd: float | None
    now_usd: float | None


class RepriceDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom cost reprice --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    dir: str
    prices: tuple[str, ...]
    """The tables, the first that knows a model counts."""
    rows: tuple[ChangeRow, ...]
    written: bool
    files_written: int
    files_in_use: tuple[str, ...]


def reprice(args: Namespace, since_ns: int | None) -> int:
    directory = where(args)
    path = args.prices
    if path is None:
        from spanloom import settings

        path = settings.load().prices
    prices = load(path)
    reading = store.Reading()
    try:
        done = price_again(
            directory,
            lambda call, start_ns: bill.price(call, start_ns, prices),
            since_ns=since_ns,
            write=args.write,
            reading=reading,
        )
    except OSError as exc:
        print(f"spanloom cost: {exc.filename}: {exc.strerror}; it is as it was", file=sys.stderr)
        return 1
    complain(reading)
    rows = sorted(done.changes.items(), key=lambda item: -(item[1].now_usd or 0))
    if args.json:
        write_json(
            RepriceDocument(
                dir=directory,
                prices=prices.dates,
                rows=tuple(_row(model, change) for model, change in rows),
                written=args.write,
                files_written=done.files_written,
                files_in_use=tuple(done.files_in_use),
            )
        )
        return 0
    if not rows:
        print(store.nothing(directory) if not reading.files else "No model call.", file=sys.stderr)
        return 0
    _show(rows, prices.dates, done, wrote=args.write)
    return 0


def _row(model: str, change: Change) -> ChangeRow:
    return ChangeRow(
        model=model or None, calls=change.calls, changed=change.changed,
        before_usd=change.before_usd, now_usd=change.now_usd,
    )  # fmt: skip


def _show(
    rows: list[tuple[str, Change]], dates: tuple[str, ...], done: Repricing, *, wrote: bool
) -> None:
    from .page import Column, Page, grid

    page = Page()
    columns = [
        Column("model", style="bold", flexible=True), Column("calls", right=True),
        Column("changed", right=True), Column("before", right=True), Column("now", right=True),
    ]  # fmt: skip
    cells = [
        [clean(model) or "(not told)", str(c.calls), str(c.changed), money(c.before_usd) or "?",
         money(c.now_usd) or "?"]
        for model, c in rows
    ]  # fmt: skip
    for line in grid(page, columns, cells):
        page.line(line)
    page.line()
    page.labelled("prices", dates, ", ", "dim")
    if done.files_in_use:
        used = plural(len(done.files_in_use), "file")
        print(f"spanloom: {used} left as they are: their programs still run", file=sys.stderr)
    if wrote:
        page.line(f"written to {plural(done.files_written, 'file')}")
    elif any(change.changed for _, change in rows):
        page.line("nothing is written; add --write to store the new prices")
