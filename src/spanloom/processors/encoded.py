r"""Percent-encoding and ``\u0041``: what a text says once decoded, and where in the text that stands."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Final

from spanloom.processors.rules import Hit

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|\\{1,8}u00([0-9A-Fa-f]{2})")
_LEVELS: Final = 3
"""A query in a query in a query."""


def encoded(text: str) -> bool:
    return ("%" in text or "\\u00" in text) and _ESCAPE.search(text) is not None


def layers(text: str) -> str:
    """The text as it is, and as it is once decoded, as often as it can be."""
    found = [text]
    while len(found) <= _LEVELS and encoded(found[-1]):
        found.append(_ESCAPE.sub(_char, found[-1]))
    return "=".join(found)


def hidden(text: str, find: Callable[[str], Iterable[Hit]], levels: int = _LEVELS) -> Iterable[Hit]:
    """What ``find`` finds in the decoded text, where it stands in the encoded one."""
    if not levels or not encoded(text):
        return
    plain = _ESCAPE.sub(_char, text)
    # how much longer the text is than what is decoded of it, from each decoded character on
    starts, lengths = zip(
        *((m.start(), len(m[0]) - 1) for m in _ESCAPE.finditer(text)), strict=True
    )
    shifts = [0, *accumulate(lengths)]
    marks = [start - shift for start, shift in zip(starts, shifts, strict=False)]
    for hit in (*find(plain), *hidden(plain, find, levels - 1)):
        start, end = (at + shifts[bisect_left(marks, at)] for at in (hit.start, hit.end))
        yield Hit(start, end, hit.kind)


def _char(match: re.Match[str]) -> str:
    """Byte by byte, for what rules look for is ASCII."""
    return chr(int(match[1] or match[2], 16))
