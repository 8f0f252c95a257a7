"""Texts as they were before a URL or JSON escaped them, so that ``%2B44%2020`` reads as ``+44 20``."""

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes

_ESCAPE: Final = re.compile(
    r"%[2-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f])+|\\{1,8}u[0-9A-Fa-f]{4}|(?<=[0-9])\+(?=[(0-9])"
)


def _character(written: str) -> str:
    if written[0] == "\\":
        return chr(int(written[-4:], 16))
    return " " if written == "+" else unquote_to_bytes(written).decode("utf-8", "replace")


def unescaped(text: str) -> tuple[str, Callable[[int], int] | None]:
    """The text, and where in the escaped one a place in it was; ``None`` if nothing was escaped."""
    if "%" not in text and "\\u" not in text and not ("+" in text and "=" in text):
        return text, None
    pieces, ends, shifts = [], [0], [0]
    at = size = 0
    for found in _ESCAPE.finditer(text):
        start, end = found.span()
        character = _character(found[0])
        pieces += (text[at:start], character)
        size += start - at + len(character)
        ends.append(size)
        shifts.append(end - size)
        at = end
    if not pieces:
        return text, None
    pieces.append(text[at:])
    return "".join(pieces), lambda place: place + shifts[bisect_right(ends, place) - 1]
