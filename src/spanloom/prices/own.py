"""The user's own prices: a TOML file with one table ``[[model]]`` for each."""

import fnmatch
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_args

from ..errors import mistake
from .bill import OWN
from .table import ANY, Model, Period, Provider, Rate, Table, Unit, ids

UNITS: tuple[Unit, ...] = get_args(Unit)
_OTHERS = ("name", "provider", "since")


def read(path: Path) -> Table | None:
    """What is wrong is said with its key, value and fix; the other models of the file hold."""
    try:
        with path.open("rb") as file:
            changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
            document = tomllib.load(file, parse_float=Decimal)
    except OSError as exc:
        mistake(f"prices: {str(path)!r} cannot be read ({exc.strerror}); the shipped prices hold.")
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, InvalidOperation) as exc:
        mistake(f"prices: {str(path)!r} is no TOML ({exc}); the shipped prices hold.")
        return None
    entries = document.get("model")
    if not isinstance(entries, list) or set(document) != {"model"}:
        mistake(
            f"prices: {str(path)!r} has {', '.join(map(repr, document)) or 'nothing'}; give one table "
            "[[model]] for each model, with name and rates such as input = 2.5."
        )
        entries = entries if isinstance(entries, list) else []
    found: dict[str, list[Model]] = {}
    for entry in entries:
        if isinstance(entry, Mapping) and (made := _model(entry)) is not None:
            provider, model = made
            found.setdefault(provider, []).append(model)
    providers = tuple(Provider(id=id, models=tuple(models)) for id, models in found.items())
    return Table(date=changed.isoformat(), source=OWN, providers=providers)


def _model(entry: Mapping[str, Any]) -> tuple[str, Model] | None:
    name, provider, since = (entry.get(key) for key in _OTHERS)
    if not isinstance(name, str) or not name:
        mistake(f'prices: name {name!r} of a [[model]] is no text; write name = "gpt-4o".')
        return None
    if provider is not None and not isinstance(provider, str):
        mistake(f"prices: provider {provider!r} of {name!r} is no text; it is left out of account.")
        return None
    if since is not None and not isinstance(since, date):
        mistake(f"prices: since {since!r} of {name!r} is no date; write since = 2026-01-31.")
        return None
    rates: dict[Unit, Rate] = {}
    for key, value in entry.items():
        if key in _OTHERS:
            continue
        unit = next((u for u in UNITS if u == key), None)
        if unit is None:
            mistake(f"prices: {key!r} of {name!r} is not known; known: {', '.join(UNITS)}.")
        elif isinstance(value, bool) or not isinstance(value, int | Decimal) or not value >= 0:
            mistake(
                f"prices: {key} {value!r} of {name!r} is no price; give US dollars for a million "
                "tokens, as in 2.5."
            )
        else:
            rates[unit] = Decimal(value)
    if not rates:
        mistake(f"prices: {name!r} has no rate; give at least one of {', '.join(UNITS)}.")
        return None
    return (ids(provider) or (ANY,))[0], Model(
        id=name,
        periods=(Period(rates=rates, since=since.isoformat() if since is not None else None),),
        match="^" + fnmatch.translate(name.lower()),
    )
