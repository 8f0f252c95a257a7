"""One cheap look at a whole span: is it plain data within its bounds, and what texts does it hold?

Most spans need nothing done, and this walk is what those cost. It builds no paths, calls as little
as it can and stops at the first thing that is not plain: the stages that mend are for the few.
"""

import re
from collections.abc import Callable, Container, Mapping
from math import isfinite
from operator import attrgetter
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.json import Encoder

from spanloom.processors.fields import PLAIN, PLANS, Field, Shape
from spanloom.types import Span, Text

MAX_NODES: Final = 50_000
"""Values in the data of one span. Shared references make a small object endlessly wide."""

NUMBER_SIZED: Final = 10**7
"""Numbers from here on are scanned as text: a card or a telephone number may be an int."""

ENCODED_CHARS: Final = 1024
"""Texts from this length on may be base64."""

SPAN_VALUES: Final = 8
"""All texts of a span together may be that many times the cap of one."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{128}")
_encode: Final = Encoder().encode

_EMPTY: Final = ()
"""There is one empty tuple, and most fields of a span are it or absent."""

_WORD_CHARS: Final = 64

Getter = Callable[[Any], tuple[Any, ...]]
Seen = Shape | Literal["word"]
Look = tuple[tuple[Seen, ...], Getter, Getter]


def _look(kind: type[Struct], plan: tuple[Field, ...]) -> Look:
    """The shapes of the fields with words, how to get at all of those, and at all structure."""
    words = [field for field in plan if field.shape not in ("structure", "own")]
    rest = [field.name for field in plan if field.shape == "structure"]
    if kind is Span:  # its ids are wider than any encoder's integers
        rest = ["status"]
    shapes: tuple[Seen, ...] = tuple(
        "word" if field.shape == "text" and field.area == "names" else field.shape
        for field in words
    )
    return shapes, _getter([field.name for field in words]), _getter(rest)


def _getter(names: list[str]) -> Getter:
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda struct: (get(struct),)


_LOOKS: Final[Mapping[type[Struct], Look]] = {
    kind: _look(kind, plan) for kind, plan in PLANS.items()
}


class Odd(Exception):
    """Something that is not plain data within the bounds."""


def may_be_media(text: str) -> bool:
    """A ``data:`` URL or a long run of base64."""
    return text.startswith("data:") or (
        len(text) >= ENCODED_CHARS and _BASE64.match(text) is not None
    )


class Survey:
    """``texts`` of a span (keys of mappings before their values) and the length of the longest.

    Args:
        known: names that nothing is found in, which need no second look: most are the same in all
            spans. Those that are new are in ``words`` too.
        media: whether texts that may be media count as odd; not after the media stage.

    Raises:
        Odd: the span has to be normalised first. (Or anything else that a broken object raises.)
    """

    __slots__ = (
        "_depth", "_known", "_media", "_nodes", "_structure", "longest", "texts", "words",
    )  # fmt: skip

    def __init__(
        self,
        span: Span,
        *,
        max_depth: int,
        max_bytes: int,
        media: bool = True,
        known: Container[str] = (),
    ) -> None:
        self.texts: list[str] = []
        self.words: list[str] = []
        self._known = known
        self._depth = max_depth
        # what was normalised is within its bounds, and its notes of that are a few more values
        self._nodes = MAX_NODES if media else 2 * MAX_NODES
        self._media = media
        self._structure: list[Any] = []
        self._struct(span)
        _encode(self._structure)  # raises on whatever has no JSON
        lengths = [*map(len, self.texts)]
        self.longest: int = max(lengths, default=0)
        if media and (sum(lengths) > SPAN_VALUES * max_bytes or self._over(max_bytes)):
            raise Odd

    def _over(self, max_bytes: int) -> bool:
        return self.longest * 4 > max_bytes and any(
            len(text) * (1 if text.isascii() else 4) > max_bytes for text in self.texts
        )

    def _struct(self, struct: Struct) -> None:
        known = self._known
        shapes, words, structure = _LOOKS[type(struct)]
        self._structure += structure(struct)
        for index, value in enumerate(words(struct)):
            if value is None or value is _EMPTY:
                continue
            shape, kind = shapes[index], type(value)
            if shape in ("text", "word"):
                if kind is not str:
                    if kind not in PLAIN:
                        raise Odd
                    self._value(value, 0)
                elif shape == "text":
                    self._text(value)
                elif value not in known:
                    self._text(value)
                    if len(value) <= _WORD_CHARS:
                        self.words.append(value)
            elif shape == "values":
                if kind is not dict:
                    raise Odd
                if value:
                    self._value(value, self._depth)
            elif shape == "value":
                self._value(value, self._depth)
            elif shape == "struct":
                self._struct(value)
            elif kind is not tuple:
                raise Odd
            elif shape == "structs":
                for item in value:
                    if type(item) is Text and type(item.text) is str:
                        self._text(item.text)  # most of what messages consist of
                    else:
                        self._struct(item)
            else:
                for item in value:
                    if type(item) is not str:
                        raise Odd
                    self._text(item)

    def _text(self, text: str) -> None:
        if self._media and text.startswith("data:"):
            raise Odd
        self.texts.append(text)

    def _value(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind is str:
            if self._media and may_be_media(value):
                raise Odd
            self.texts.append(value)
        elif kind is dict:
            self._nodes -= len(value)
            if depth <= 0 or self._nodes < 0:
                raise Odd
            texts = self.texts
            for key, item in value.items():
                if type(key) is not str:
                    raise Odd
                texts.append(key)
                if type(item) is str and len(item) < 64 and item[:5] != "data:":
                    texts.append(item)
                elif item is not None:
                    self._value(item, depth - 1)
        elif kind is list:
            self._nodes -= len(value)
            if depth <= 0 or self._nodes < 0:
                raise Odd
            for item in value:
                self._value(item, depth - 1)
        elif kind is int:
            if not -NUMBER_SIZED < value < NUMBER_SIZED:
                if not -(2**63) <= value < 2**63:
                    raise Odd
                self.texts.append(str(value))
        elif kind is float:
            if not isfinite(value):
                raise Odd
            if not -NUMBER_SIZED < value < NUMBER_SIZED and value.is_integer():
                self.texts.append(str(int(value)))
        elif kind is not bool and value is not None:
            raise Odd
