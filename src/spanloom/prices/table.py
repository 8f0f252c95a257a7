"""What a model costs: rates by provider and model, and which of them hold at a time.

A table is data: rules as text, rates as decimals in US dollars. It is read from the file that ships
with spanloom, from a newer price library where one is installed, and from the user's own file.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

Unit = Literal[
    "input", "cached", "cache_write", "cache_write_1h", "output", "reasoning",
    "input_audio", "cached_audio", "output_audio", "input_image", "cached_image", "output_image",
    "audio_hour", "request", "search",
]  # fmt: skip
"""What is paid for: tokens, but for the last three."""

PER: Mapping[Unit, int] = {"audio_hour": 1, "request": 1000, "search": 1000}
"""How many of a unit a rate is for; of tokens a million."""
PER_TOKENS = 1_000_000


class Step(Struct, frozen=True, array_like=True):
    """``usd`` once the input has more than ``above`` tokens."""

    above: int
    usd: Decimal


class Stepped(Struct, frozen=True):
    """A rate that rises with the length of the whole input."""

    base: Decimal
    steps: tuple[Step, ...]

    def at(self, input_tokens: int) -> Decimal:
        rate = self.base
        for step in self.steps:
            if input_tokens > step.above:
                rate = step.usd
        return rate


Rate: TypeAlias = Decimal | Stepped
Rates: TypeAlias = Mapping[Unit, Rate]


class Period(Struct, frozen=True, omit_defaults=True):
    """Rates that hold from a day on, or in a span of each day (UTC), or always."""

    rates: Rates
    since: str | None = None
    """``YYYY-MM-DD``."""
    between: tuple[str, str] | None = None
    """``HH:MM``, the second not included; it may be the earlier one, over midnight."""

    def holds(self, when: datetime) -> bool:
        if self.since is not None and when.date().isoformat() < self.since:
            return False
        if self.between is None:
            return True
        start, end = self.between
        now = when.strftime("%H:%M")
        return start <= now < end if start <= end else now >= start or now < end


class Variant(Struct, frozen=True, omit_defaults=True):
    """Rates of a request that asked for something: a service tier, a batch."""

    when: Mapping[str, str]
    period: Period

    def holds(self, when: datetime, asked: Mapping[str, str]) -> bool:
        return self.when.items() <= asked.items() and self.period.holds(when)


class Model(Struct, frozen=True, omit_defaults=True):
    id: str
    periods: tuple[Period, ...]
    """Of several that hold the last one counts; of none, the first."""
    variants: tuple[Variant, ...] = ()
    names: tuple[str, ...] = ()
    """What it is called, in lower case."""
    match: str = ""
    """A regular expression, searched for in other lower-case names; empty: there are none."""

    def rates(self, when: datetime, asked: Mapping[str, str]) -> Rates:
        held = [period for period in self.periods if period.holds(when)]
        rates = dict((held or self.periods)[-1 if held else 0].rates)
        for variant in reversed(self.variants if asked else ()):  # the first one has the last word
            if variant.holds(when, asked):
                rates.update(variant.period.rates)
        return rates


class Provider(Struct, frozen=True, omit_defaults=True):
    id: str
    models: tuple[Model, ...] = ()
    borrows: tuple[str, ...] = ()
    """Providers whose models it offers too, at their rates where it has none of its own."""


class Table(Struct, frozen=True):
    """``date``: the day as of which the rates are known, or the version they came in."""

    date: str
    source: str
    providers: tuple[Provider, ...]


class Offer:
    """One provider of a table, ready to be asked for models."""

    def __init__(self, provider: Provider) -> None:
        self.borrows: tuple[str, ...] = provider.borrows
        self._models = provider.models
        self._by_name: dict[str, Model] | None = None

    def find(self, name: str) -> Model | None:
        if self._by_name is None:
            self._by_name = {}
            for model in self._models:
                for known in model.names:
                    self._by_name.setdefault(known, model)
        if (found := self._by_name.get(name)) is not None:
            return found
        return next((m for m in self._models if m.match and re.search(m.match, name)), None)


Asked: TypeAlias = tuple[tuple[str, str], ...]
"""What a request asked for that has rates of its own, such as a service tier, as pairs."""


class Found(NamedTuple):
    table: Table
    provider: str
    model: Model
    assumed: bool
    """Nobody knows who answered; the rates are those of the model's maker."""


class Prices:
    """Looks models up in tables, in their order: the user's own first."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = tuple(
            (table, {provider.id: Offer(provider) for provider in table.providers})
            for table in tables
        )
        self.find: Callable[[str | None, str], Found | None] = lru_cache(maxsize=4096)(self._find)
        self.rates: Callable[[str | None, str, Asked, int], tuple[Found, Rates] | None]
        self.rates = lru_cache(maxsize=256)(self._rates)

    @property
    def dates(self) -> tuple[str, ...]:
        return tuple(f"{table.source} of {table.date}" for table, _ in self._tables)

    def _find(self, provider: str | None, model: str) -> Found | None:
        """``provider``: as in ``ModelCall.provider``."""
        name = model.lower()
        known = ids(provider)
        for table, offers in self._tables:
            for id in (*(known or MAKERS), ANY):
                if id in offers and (found := _match(offers[id], offers, name)) is not None:
                    return Found(table, id, found, assumed=not known and id != ANY)
        return None

    def _rates(
        self, provider: str | None, model: str, asked: Asked, minute: int
    ) -> tuple[Found, Rates] | None:
        """``minute``: since the epoch; no rate changes within one."""
        found = self.find(provider, model)
        if found is None:
            return None
        return found, found.model.rates(moment(minute * MINUTE_NS), dict(asked))


ANY = "*"
"""The provider of the user's own rates that name none."""
MINUTE_NS = 60 * 10**9

_DASHED = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?=-|:|$)")


def _match(offer: Offer, offers: Mapping[str, Offer], name: str) -> Model | None:
    dashed = _DASHED.sub(r"-\1-\2-\3", name)  # gateways write a version's date without dashes
    for written in dict.fromkeys((name, dashed)):
        for one in (offer, *(offers[id] for id in offer.borrows if id in offers)):
            if (found := one.find(written)) is not None:
                return found
    return None


NAMES: Mapping[str, Sequence[str]] = {
    "azure.ai.openai": ("azure", "openai"), "azure.ai.inference": ("azure",),
    "aws.bedrock": ("aws",), "gcp.gemini": ("google",), "gcp.vertex_ai": ("google",),
    "gcp.gen_ai": ("google",), "x_ai": ("x-ai",), "mistral_ai": ("mistral",),
    "moonshot_ai": ("moonshotai",), "together_ai": ("together",), "fireworks_ai": ("fireworks",),
}  # fmt: skip
"""Our names of providers to those of price tables, where they differ."""


MAKERS = ("openai", "anthropic", "google", "x-ai")
"""Whose models nobody else runs for himself: behind a gateway they are still theirs to bill."""
_GATEWAYS = (None, "openai_compatible")


def ids(provider: str | None) -> Sequence[str]:
    """Of price tables; none for a server that nobody knows."""
    return () if provider in _GATEWAYS else NAMES.get(provider or "", (provider or "",))


def moment(start_ns: int) -> datetime:
    return datetime.fromtimestamp(start_ns / 1e9, UTC)
