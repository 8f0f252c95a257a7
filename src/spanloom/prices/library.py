"""The kept price library ``genai-prices`` in our form.

Read where it is installed, and at release: ``python -m spanloom.prices.library --date YYYY-MM-DD``
writes the file that ships. ``--date`` is the day on which that version of the library was published.
"""

import argparse
import importlib
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from .table import Model, Period, Provider, Rate, Rates, Step, Stepped, Table, Unit, Variant

PACKAGE = "genai-prices"
SHIPPED = Path(__file__).with_name("data.json")

_UNITS: Mapping[str, Unit] = {
    "input_mtok": "input", "cache_read_mtok": "cached", "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h", "output_mtok": "output",
    "output_reasoning_mtok": "reasoning", "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cached_audio", "output_audio_mtok": "output_audio",
    "input_image_mtok": "input_image", "cache_image_read_mtok": "cached_image",
    "output_image_mtok": "output_image", "audio_hours": "audio_hour",
    "input_audio_hours": "audio_hour", "requests_kcount": "request",
    "web_searches_kcount": "search",
}  # fmt: skip
"""Its names to ours. What it prices beside (pages, characters, video) no span tells of."""


def installed() -> Table | None:
    """The library of this environment, or None. Its import takes a quarter of a second."""
    if importlib.util.find_spec("genai_prices") is None:
        return None
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        found = "an unknown version"
    data: Any = importlib.import_module("genai_prices.data")
    return converted(data.providers, f"version {found}")


def shipped() -> Table:
    return msgspec.json.decode(SHIPPED.read_bytes(), type=Table)


def converted(providers: Iterable[Any], date: str) -> Table:
    """``providers``: those of ``genai_prices.data``."""
    return Table(
        date=date,
        source=PACKAGE,
        providers=tuple(
            Provider(
                id=provider.id,
                models=tuple(model for one in provider.models if (model := _model(one))),
                borrows=tuple(provider.fallback_model_providers or ()),
            )
            for provider in providers
        ),
    )


def _model(model: Any) -> Model | None:
    given = model.prices if isinstance(model.prices, list) else [model]
    periods = [_period(one.prices, getattr(one, "constraint", None)) for one in given]
    if not any(period.rates for period in periods):
        if not model.id.endswith(":free"):
            return None  # the library knows the model and no price: that is no price of zero
        periods = [Period(rates={"input": Decimal(0), "output": Decimal(0)})]
    return Model(
        id=model.id,
        names=tuple(dict.fromkeys(_names(model.match))),
        match=_pattern(model.match),
        periods=tuple(periods),
        variants=tuple(
            Variant(when=dict(one.when), period=_period(one.prices, one.constraint))
            for one in model.price_variants or ()
        ),
    )


def _period(prices: Any, constraint: Any) -> Period:
    since = getattr(constraint, "start_date", None)
    start = getattr(constraint, "start_time", None)
    return Period(
        rates=_rates(prices),
        since=since.isoformat() if since is not None else None,
        # the library means UTC where it names no zone, and names no other one
        between=(f"{start:%H:%M}", f"{constraint.end_time:%H:%M}") if start is not None else None,
    )


def _rates(prices: Any) -> Rates:
    return {
        _UNITS[name]: _rate(value)
        for name, value in vars(prices).items()
        if value is not None and name in _UNITS
    }


def _rate(value: Any) -> Rate:
    if not hasattr(value, "tiers"):
        return value  # type: ignore[no-any-return]
    steps = sorted((tier.start, tier.price) for tier in value.tiers)
    return Stepped(base=value.base, steps=tuple(Step(above, usd) for above, usd in steps))


def _names(clause: Any) -> Iterator[str]:
    """Of a clause, or of its alternatives, those that are whole names."""
    if hasattr(clause, "equals"):
        yield clause.equals.lower()
    for one in getattr(clause, "or_", None) or ():
        yield from _names(one)


def _pattern(clause: Any) -> str:
    """The other clauses as one regular expression over a lower-case name; empty where there are none."""
    found: str
    match type(clause).__name__.removeprefix("Clause"):
        case "Equals":
            found = ""
        case "StartsWith":
            found = "^" + re.escape(clause.starts_with.lower())
        case "EndsWith":
            found = re.escape(clause.ends_with.lower()) + "$"
        case "Contains":
            found = re.escape(clause.contains.lower())
        case "Regex":
            found = clause.regex
        case "Or":
            parts = [f"(?:{pattern})" for one in clause.or_ if (pattern := _pattern(one))]
            found = "|".join(parts)
        case "And":
            found = "^" + "".join(f"(?=.*(?:{_pattern(one)}))" for one in clause.and_)
        case other:
            raise ValueError(f"a clause {other} is not known")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", required=True, help="when the library was published")
    args = parser.parse_args()
    table = installed()
    if table is None:
        parser.error(f"install {PACKAGE} first")
    table = msgspec.structs.replace(
        table, date=args.date, source=f"{table.source} {table.date.removeprefix('version ')}"
    )
    encoder = msgspec.json.Encoder(decimal_format="number")
    # a line for each model, so that a change of prices can be read
    SHIPPED.write_bytes(encoder.encode(table).replace(b'{"id":', b'\n{"id":') + b"\n")


if __name__ == "__main__":
    main()
