"""What a labelled text is, and how templates become one."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple, get_args

Kind = Literal["email", "phone", "ssn", "national_id", "card", "iban", "ip", "secret"]
Half = Literal["seen", "hidden"]
Shape = Literal[
    "prose",
    "json",
    "nested_json",
    "code",
    "log",
    "csv",
    "url",
    "headers",
    "shell",
    "yaml",
    "markdown",
    "chat",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHAPES: tuple[Shape, ...] = get_args(Shape)
# of a text that no people speak: JSON, code, logs
NO_LANGUAGE = "none"


@dataclass(frozen=True, slots=True)
class Label:
    start: int
    end: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Labelled:
    text: str
    labels: tuple[Label, ...]
    shape: Shape
    language: str


class Part(NamedTuple):
    """A run of text; with a kind, something that a detector has to find."""

    text: str
    kind: Kind | None = None


Parts = tuple[Part, ...]
Maker = Callable[[Random, str], Parts]
# templates by what they hold; under "plain" those that hold nothing to find
Pool = Mapping[str, Sequence[str]]

_MARKER = re.compile(r"⟦(.+?)⟧")
_SETS = {
    "d": "0123456789",
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "l": "abcdefghijklmnopqrstuvwxyz",
    "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "a": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "A": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "L": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "w": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
    "b": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/",
    "z": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
}


def chars(rng: Random, kind: str, count: int) -> str:
    """So many characters of a set: d digits, h hex, a alphanumeric, w those and _-, b base64..."""
    return "".join(rng.choices(_SETS[kind], k=count))


def plain(text: str) -> Parts:
    return (Part(text),)


def found(kind: Kind, text: str) -> Parts:
    return (Part(text, kind),)


def kind_of(kind: Kind, make: Callable[[Random, str], str]) -> Maker:
    return lambda rng, language: found(kind, make(rng, language))


def fill(template: str, makers: Mapping[str, Maker], rng: Random, language: str) -> Parts:
    """The template with each ⟦marker⟧ replaced by what its maker makes."""
    parts: list[Part] = []
    for index, piece in enumerate(_MARKER.split(template)):
        if index % 2:
            parts.extend(makers[piece](rng, language))
        elif piece:
            parts.append(Part(piece))
    return tuple(parts)


def join(between: str, many: Iterable[Parts]) -> Parts:
    parts: list[Part] = []
    for index, each in enumerate(many):
        if index and between:
            parts.append(Part(between))
        parts.extend(each)
    return tuple(parts)


def change(parts: Parts, how: Callable[[str], str]) -> Parts:
    """Escape part by part, which only suits what escapes each character by itself."""
    return tuple(Part(how(part.text), part.kind) for part in parts)


def finish(parts: Parts, shape: Shape, language: str) -> Labelled:
    labels: list[Label] = []
    at = 0
    for text, kind in parts:
        if kind:
            labels.append(Label(at, at + len(text), kind))
        at += len(text)
    return Labelled("".join(text for text, _ in parts), tuple(labels), shape, language)
