"""Reading data that nobody checked: typed getters, and SDK objects as plain data.

A getter gives ``None`` (or an empty tuple or mapping) where the value is absent or of another
type, so that a parser needs no ``except``: a compatible server may send anything.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import json

Raw = Mapping[str, Any]
"""A JSON object as it is on the wire."""

NOTHING: Raw = {}
_SCALARS = frozenset({str, int, float, bool, type(None), bytes})
LISTS: Final = (list, tuple)
"""For ``isinstance``: a union written there would be made anew each time."""
_NUMBERS: Final = (int, float)
_DEPTH = 64
_SECRETS = frozenset({
    "api_key", "apikey", "api-key", "key", "authorization", "x-api-key", "access_token", "password",
    "secret", "client_secret", "headers", "extra_headers", "connection_string", "connector_token",
})  # fmt: skip
WITHHELD = "[withheld]"


def text(raw: Raw, key: str) -> str | None:
    value = raw.get(key)
    if type(value) is str:
        return value
    # an enum of strings: its text is the value, where str() would give "Model.FAST"
    return str.__str__(value) if isinstance(value, str) else None


def words(raw: Raw, key: str) -> str | None:
    """A text that says something."""
    return text(raw, key) or None


def integer(raw: Raw, key: str) -> int | None:
    return whole(raw.get(key))


def whole(value: Any) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def number(raw: Raw, key: str) -> float | None:
    value = raw.get(key)
    return value if isinstance(value, _NUMBERS) and not isinstance(value, bool) else None


def boolean(raw: Raw, key: str) -> bool | None:
    value = raw.get(key)
    return value if isinstance(value, bool) else None


def mapping(raw: Raw, key: str) -> Raw:
    value = raw.get(key)
    return value if isinstance(value, dict) else as_mapping(value)


def as_mapping(value: Any) -> Raw:
    if type(value) is dict:
        return value
    if value is None:
        return NOTHING
    if isinstance(value, Mapping):  # slow: it asks the abstract class
        return value
    if hasattr(value, "__dict__"):
        value = plain(value)
        if isinstance(value, dict):
            return value
    return NOTHING


def items(raw: Raw, key: str) -> Sequence[Any]:
    value = raw.get(key)
    return value if isinstance(value, LISTS) else ()


def objects(raw: Raw, key: str) -> Iterator[Raw]:
    """The objects of a list; what is not an object is passed over."""
    for item in items(raw, key):
        if isinstance(item, dict):
            yield item
        elif found := as_mapping(item):
            yield found


def parsed(value: Any) -> Any:
    """JSON of the text, or the text itself: a model may write broken JSON."""
    if not isinstance(value, str) or not value:
        return value
    if value[0] not in '{["-0123456789tfn':
        return value
    try:
        return json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return value


def without_secrets(value: Any, depth: int = 0) -> Any:
    """The same data where nothing is secret; else a copy, as Azure's data sources hold keys."""
    if isinstance(value, Mapping) and depth < _DEPTH:
        return {
            k: WITHHELD
            if isinstance(k, str) and k.lower() in _SECRETS and v is not None
            else without_secrets(v, depth + 1)
            for k, v in value.items()
        }
    if isinstance(value, LISTS) and depth < _DEPTH:
        return [without_secrets(v, depth + 1) for v in value]
    return value


def secret(name: str) -> bool:
    return name.lower() in _SECRETS


class Loose:
    """A JSON object read by attribute, as the SDK's chunk objects are; absent is ``None``."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.__dict__ = raw

    def __getattr__(self, name: str) -> Any:
        return None

    @property
    def __pydantic_fields_set__(self) -> Collection[str]:
        return self.__dict__

    @property
    def __pydantic_extra__(self) -> dict[str, Any]:
        return self.__dict__


_aliases: dict[type, Mapping[str, str] | None] = {}
_LOCAL = frozenset({"parsed", "parsed_arguments"})  # made for the caller, not on the wire


def plain(value: Any, depth: int = 0) -> Any:
    """An SDK object as the dict that came over the wire: also a part of one, or a chunk.

    Not ``model_dump``: it would run the serializers of the user's own classes (``message.parsed``)
    on our thread, compile a schema first on openai 1.66, and has other arguments under pydantic 1.
    For a chat completion this costs 7 us, and that 4.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth > _DEPTH:
        return None
    if kind is list or kind is tuple:
        return [v if type(v) in _SCALARS else plain(v, depth + 1) for v in value]
    if kind is dict:
        return {
            k: v if type(v) in _SCALARS else plain(v, depth + 1) for k, v in list(value.items())
        }
    if kind is Loose:
        return plain(value.__dict__, depth + 1)
    given = getattr(value, "__pydantic_fields_set__", None)
    if given is None:
        given = getattr(value, "__fields_set__", None)  # pydantic 1
    if given is None:
        return value
    known = _aliases[kind] if kind in _aliases else _learn(kind)
    out: dict[str, Any] = {}
    for name, v in value.__dict__.copy().items():  # the program may be changing it
        if name in given:
            if known is not None and not (name := known.get(name, name)):
                continue
            out[name] = v if type(v) in _SCALARS else plain(v, depth + 1)
    extra = getattr(value, "__pydantic_extra__", None)
    if extra:
        for name, v in list(extra.items()):
            out[name] = v if type(v) in _SCALARS else plain(v, depth + 1)
    return out


def _learn(kind: type) -> Mapping[str, str] | None:
    """Names on the wire that are no Python names, such as ``self-harm/intent``; empty: it is not there."""
    declared = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__fields__", None) or {}
    found = {
        name: alias
        for name, about in declared.items()
        if isinstance(alias := getattr(about, "alias", None), str) and alias != name
    }
    found |= dict.fromkeys(_LOCAL & declared.keys(), "")
    if len(_aliases) < 10_000:  # generic classes are made without end
        _aliases[kind] = found or None
    return found or None
