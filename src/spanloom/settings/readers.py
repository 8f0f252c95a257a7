"""How the value of a setting is read: from an argument, a variable or a file alike."""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn, get_args

Options = Mapping[str, Mapping[str, Any]]
"""Options by the name of a plugin."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Reader(NamedTuple):
    """Turns what a source gave into the value of a setting, or raises ``ValueError``."""

    allowed: str
    """In words, for the message and the reference page."""
    read: Callable[[Any], Any]
    unit: str | None = None
    choices: tuple[str, ...] = ()


def refuse(reason: str = "") -> NoReturn:
    raise ValueError(reason)


def brief(value: object) -> str:
    """``value`` for a message; of a long text only its length, for half a secret is not known as one."""
    # a container may hold anything, also a key, so only text and numbers are quoted
    if not isinstance(value, str | int | float):
        return f"a value of type {type(value).__name__}"
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
    return text if len(text) <= 80 else f"a text of {len(text)} characters"


def near(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'redact'?`` where one of ``known`` is like ``word``."""
    import difflib  # only where something is wrong already

    found = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def read_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    refuse("numbers and dates need quotes" if isinstance(value, (int, float)) else "")


def read_path(value: Any) -> str | None:
    return read_text(os.fspath(value) if isinstance(value, os.PathLike) else value)


_FLAGS = {"true": True, "1": True, "yes": True, "on": True}
_FLAGS |= {"false": False, "0": False, "no": False, "off": False}


def read_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = _FLAGS.get(str(value).strip().lower()) if isinstance(value, (str, int)) else None
    return refuse() if found is None else found


def _number(value: Any, units: Mapping[str, float]) -> float:
    """``units`` maps the suffixes, in lower case, to their factors; ``""`` is a bare number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)", str(value).strip())
    if not isinstance(value, str) or match is None:
        refuse()
    factor = units.get(match[2].lower())
    if factor is None:
        refuse(f"unknown unit {match[2]!r}")
    # rounded so that "200ms" is 0.2 and "1.1kB" is 1100, and not their neighbours
    return round(float(match[1]) * factor, 9)


def _within(value: float, minimum: float, maximum: float) -> float:
    # in this form NaN, which compares false with everything, is refused too
    return value if minimum <= value <= maximum else refuse("out of range")


def _whole(value: float, minimum: int, maximum: int) -> int:
    if _within(value, minimum, maximum) != math.floor(value):
        refuse("not a whole number")
    return int(value)


def count(minimum: int, maximum: int, unit: str = "spans") -> Reader:
    return Reader(
        f"a whole number from {minimum:,} to {maximum:,}",
        lambda value: _whole(_number(value, {"": 1}), minimum, maximum),
        unit,
    )


_SECONDS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds(minimum: float, maximum: float) -> Reader:
    return Reader(
        f'a number of seconds, or text such as "200ms", "2s", "5m"; from {minimum:g} to {maximum:g} s',
        lambda value: float(_within(_number(value, _SECONDS), minimum, maximum)),
        "seconds",
    )


_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": KIB, "mib": MIB, "gib": GIB}


def size(minimum: int, maximum: int) -> Reader:
    return Reader(
        'a number of bytes, or text such as "64MiB", "500kB"; '
        f"from {bytes_text(minimum)} to {bytes_text(maximum)}",
        lambda value: _whole(_number(value, _BYTES), minimum, maximum),
        "bytes",
    )


def bytes_text(value: int) -> str:
    """``67108864`` as ``64 MiB``."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if value >= factor and value % factor == 0:
            return f"{value // factor} {unit}"
    return f"{value:,} bytes"


def choice(literal: Any, **aliases: str) -> Reader:
    """One of the words of a ``Literal``; ``aliases`` are accepted and not advertised."""
    choices: tuple[str, ...] = get_args(literal)

    def read(value: Any) -> str:
        word = value.strip().lower() if isinstance(value, str) else refuse()
        word = aliases.get(word, word)
        return word if word in choices else refuse()

    return Reader(" | ".join(f'"{word}"' for word in choices), read, choices=choices)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def names(allowed: str, words: Mapping[str, Any], attribute: str = "") -> Reader:
    """A list, a comma list or a single one of: names; objects that have ``attribute``.

    ``words`` are answers that stand alone, such as ``none``.
    """

    def read(value: Any) -> Any:
        if isinstance(value, str):
            if value.strip().lower() in words:
                return words[value.strip().lower()]
            value = value.split(",")
        elif hasattr(value, attribute) if attribute else not isinstance(value, Iterable):
            value = (value,)
        found: list[Any] = []
        for item in value:
            if not isinstance(item, str) and not (attribute and hasattr(item, attribute)):
                refuse(f"a {type(item).__name__} is none of these")
            if isinstance(item, str):
                item = item.strip()
            # objects are not compared: what their equality means is theirs to define
            if not isinstance(item, str) or (item and item not in filter(_is_text, found)):
                found.append(item)
        return tuple(found)

    return Reader(allowed, read)


def read_options(value: Any) -> Options:
    if not isinstance(value, Mapping):
        refuse()
    if not all(isinstance(options, Mapping) for options in value.values()):
        refuse("every name needs a table of its own")
    return {str(name): dict(options) for name, options in value.items()}


TEXT = Reader("text", read_text)
PATH = Reader("a path", read_path)
FLAG = Reader("true | false", read_flag)
OPTIONS = Reader("a mapping from a name to a mapping of its options", read_options)
BACKENDS = names(
    'names of installed backends or backend objects; "none"', {"none": ()}, attribute="export"
)
PROCESSORS = names(
    'names of installed processors or functions; "none"', {"none": ()}, attribute="__call__"
)
INTEGRATIONS = names('names of installed integrations; "none", "all"', {"none": (), "all": None})
