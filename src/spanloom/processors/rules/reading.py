"""Texts as people would read them aloud: ``%2B44%2020`` as ``+44 20``, and cells with the name of their column."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from spanloom.processors.rules.cues import telling
from spanloom.processors.rules.later import later
from spanloom.processors.rules.tables import cells

_ESCAPE: Final = re.compile(
    r"%[2-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f])+|\\{1,8}u[0-9A-Fa-f]{4}|(?<=[0-9])\+(?=[(0-9])(?![0-9]{2}:[0-9]{2}(?![0-9])|0[0-9]00(?![0-9]))"
)
_TABLE = later(
    r"\n[ \t]*(?:\|[ \t]*)?[\"'`*]{0,2}[^\W\d][\w .()/#-]{0,63}+[\"'`*]{0,2}[ \t]*[,;\t|][^\n]{0,2000}\n(?:[ \t|:+-]{3,256}\n)?[^\n]{0,2000}[0-9]{2}"
)
_NUMBER = later("[0-9][^,;\t|]{0,3}[0-9][^,;\t|]{0,3}[0-9]")

Edit = tuple[int, int, str]


def _character(written: str) -> str:
    if written[0] == "\\":
        return chr(int(written[-4:], 16))
    return " " if written == "+" else unquote_to_bytes(written).decode("utf-8", "replace")


def _escapes(text: str) -> Iterator[Edit]:
    if "%" in text or "\\u" in text or ("+" in text and "=" in text):
        for found in _ESCAPE.finditer(text):
            yield (*found.span(), _character(found[0]))


def _numbered(names: Sequence[str]) -> bool:
    """Whether one of these columns says what numbers in it are, or that they are harmless."""
    return any(map(telling, names))


def _columns(text: str) -> Iterator[Edit]:
    # a pattern that begins with one character is found much faster than one with a choice
    if "\n" in text and _TABLE.search(f"\n{text}"):
        last = -1
        for cell in cells(text, _numbered):
            if cell.start > last and _NUMBER.search(text, cell.start, cell.end):
                last = cell.start
                # as in a URL's query, so that no other cell's name counts
                yield cell.start, cell.start, f"&{cell.name}: "


@lru_cache(maxsize=1)  # the screen and each search ask for the same text
def as_read(text: str) -> tuple[str, Callable[[int], int] | None]:
    """The text that is read, and where in the written one a place in it is; ``None`` if both are the same."""
    edits = sorted({*_escapes(text), *_columns(text)})
    if not edits:
        return text, None
    pieces: list[str] = []
    ends, shifts = [0], [0]
    at = size = 0
    for start, end, instead in edits:
        pieces += (text[at:start], instead)
        size += start - at + len(instead)
        ends.append(size)
        shifts.append(end - size)
        at = end
    pieces.append(text[at:])
    return "".join(pieces), lambda place: place + shifts[bisect_right(ends, place) - 1]
