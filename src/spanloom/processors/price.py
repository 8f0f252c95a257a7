"""Money for every model call, from its token counts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from msgspec.structs import replace

from spanloom import budgets
from spanloom.errors import guard
from spanloom.prices import bill, library, own
from spanloom.prices.table import Prices, Table
from spanloom.types import Cost, Embedding, LLMCall, Rerank, Span

_BILLED: Final = (LLMCall, Embedding, Rerank)


class Settings(Protocol):
    """What this stage reads of the settings."""

    @property
    def prices(self) -> str | None: ...


def load(path: str | None) -> Prices:
    """The user's own file first, then the price library if it is installed, else what ships."""
    return Prices(_tables(path))


def _tables(path: str | None) -> Iterator[Table]:
    if path is not None and (table := own.read(Path(path))) is not None:
        yield table
    yield library.installed() or library.shipped()


def pricer(settings: Settings) -> Callable[[Span], Span]:
    """Fill ``cost`` where nobody nearer to the money has; unknown stays absent, with the reason.

    The tables are read when the first span needs them. A fault of ours costs the price alone.
    """
    prices: Prices | None = None

    def price(span: Span) -> Span:
        nonlocal prices
        call = span.detail
        if not isinstance(call, _BILLED) or span.status == "pending":
            return span
        cost = call.cost
        if not bill.said(call):
            if call.usage is None and span.status != "ok":
                return span
            try:
                if prices is None:
                    prices = load(settings.prices)
                cost = bill.price(call, span.start_ns, prices)
            except Exception as exc:
                guard.fault(exc)
                cost = Cost(reason=f"pricing failed: {type(exc).__qualname__}")
            span = replace(span, detail=replace(call, cost=cost))
        if cost is not None and cost.total_usd:
            budgets.spend(span.budgets, cost.total_usd, span.start_ns)
        return span

    return price
