"""Cells of tables in a text, each with the name of its column: CSV with a header, and Markdown's."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from spanloom.processors.rules.later import later

_DELIMITERS: Final = "|\t;,"
_WIDEST: Final = 256
_LINE_CHARS: Final = 8192
_NAME = later(r"[^\W\d][\w .()/#-]{0,63}")
_RULED = later(r"[ \t|:+-]{3,}")
"""``|---|:-:|``, between the head and the rows of a table in Markdown."""
_FIRST = later(r"[ \t]*(?:\|[ \t]*)?[\"'`*]{0,2}[^\W\d][\w .()/#-]{0,63}+[\"'`*]{0,2}[ \t]*[,;\t|]")
"""How a line begins that names columns, or a value."""
_CELL: Final = {
    mark: later(
        rf"[ ]*(?:\"((?:[^\"\n]|\"\")*)\"|'([^'\n]*)'|`([^`\n]*)`|([^{re.escape(mark)}\n]*?))[ ]*(?:{re.escape(mark)}|\Z)"
    )
    for mark in _DELIMITERS
}


class Cell(NamedTuple):
    start: int
    end: int
    name: str
    """What its column is called; of a row such as ``| password | ... |`` what stands before it."""
    headed: bool = True


def _split(text: str, start: int, end: int, mark: str) -> list[tuple[int, int]]:
    """Where the cells of a line are, without quotes and the space around."""
    cells: list[tuple[int, int]] = []
    if mark == "|":
        while start < end and text[start] in " \t|":
            start += 1
            if text[start - 1] == "|":
                break
        while end > start and text[end - 1] in " \t":
            end -= 1
        if end > start and text[end - 1] == "|":
            end -= 1
    while start <= end and len(cells) <= _WIDEST:
        found = _CELL[mark].match(text, start, end)
        if found is None:  # a quote that closes too early
            return []
        cells.append(found.span(found.lastindex or 4))
        if found.end() >= end and text[end - 1 : end] != mark:
            break
        start = found.end()
        if start >= end:
            cells.append((end, end))
            break
    return cells


def _header(text: str, start: int, end: int) -> tuple[str, list[str]] | None:
    for mark in _DELIMITERS:
        if text.find(mark, start, end) < 0:
            continue
        names = [text[a:b].strip(" *_`") for a, b in _split(text, start, end, mark)]
        if len(names) > 1 and all(map(_NAME.fullmatch, names)):
            return mark, names
    return None


def cells(text: str, wanted: Callable[[Sequence[str]], bool]) -> Iterator[Cell]:
    """Of every table in ``text`` whose names of columns are ``wanted``, row by row; in linear time."""
    head: tuple[str, list[str]] | None = None
    passed = ("", 0)
    """The delimiter of a table that is not wanted, and how many a line of it has."""
    begin, size = 0, len(text)
    while begin < size:
        end = text.find("\n", begin)
        end = size if end < 0 else end
        stop = end - 1 if text[end - 1 : end] == "\r" and end > begin else end
        if stop - begin > _LINE_CHARS or _RULED.fullmatch(text, begin, stop):
            head = head if stop - begin <= _LINE_CHARS else None
        else:
            if passed[1] and text.count(passed[0], begin, stop) == passed[1]:
                begin = end + 1
                continue
            passed = ("", 0)
            row = _split(text, begin, stop, head[0]) if head else []
            if head and len(row) == len(head[1]):
                yield from (Cell(*place, name) for place, name in zip(row, head[1], strict=True))
            elif _FIRST.match(text, begin, stop) is None:
                head = None
            else:
                head = found = _header(text, begin, stop)
                if head and text.startswith("|", begin) and not _RULED.match(text, end + 1):
                    head = None  # the first of the pairs of a name and a value
                if head is None:
                    yield from _pairs(text, begin, stop)
                elif found and not wanted(found[1]):
                    head, passed = None, (found[0], len(found[1]) - 1)
        begin = end + 1


def _pairs(text: str, start: int, end: int) -> Iterator[Cell]:
    """``| password | ... |``, and ``password,...`` in a line of its own."""
    for mark in _DELIMITERS:
        if text.find(mark, start, end) < 0:
            continue
        row = _split(text, start, end, mark)
        if len(row) == 2 or (mark == "|" and len(row) > 2):
            (a, b), value = row[:2]
            name = text[a:b].strip(" *_`")
            if _NAME.fullmatch(name) and (mark == "|" or not text[slice(*value)].isidentifier()):
                yield Cell(*value, name, headed=False)
        return
