"""Percent-encoding: what a text says once it is decoded, and where in the text that stands."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Final

from spanloom.processors.rules import Hit

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_LEVELS: Final = 3
"""A query in a query in a query."""


def decoded(text: str) -> str | None:
    """Byte by byte, for what rules look for is ASCII; ``None`` where nothing is encoded."""
    if "%" not in text or _ESCAPE.search(text) is None:
        return None
    return _ESCAPE.sub(_char, text)


def layers(text: str) -> str:
    """The text as it is, and as it is once decoded, as often as it can be."""
    found = [text]
    for _ in range(_LEVELS):
        plain = decoded(found[-1])
        if plain is None:
            break
        found.append(plain)
    return "=".join(found)


def hidden(text: str, find: Callable[[str], Iterable[Hit]], levels: int = _LEVELS) -> Iterable[Hit]:
    """What ``find`` finds in the decoded text, where it stands in the encoded one."""
    plain = decoded(text) if levels else None
    if plain is None:
        return
    # where the decoded characters are: each stood two characters farther off than those before it
    marks = [match.start() - 2 * i for i, match in enumerate(_ESCAPE.finditer(text))]
    for hit in (*find(plain), *hidden(plain, find, levels - 1)):
        start, end = (at + 2 * bisect_left(marks, at) for at in (hit.start, hit.end))
        yield Hit(start, end, hit.kind)


def _char(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))
