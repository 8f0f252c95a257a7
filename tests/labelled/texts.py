"""Texts of each shape and language with their labels, the same for the same seed."""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple
from urllib.parse import quote

from .carriers import SEEN, Carriers
from .hidden import HIDDEN
from .model import (
    KINDS,
    NO_LANGUAGE,
    SHAPES,
    Half,
    Kind,
    Label,
    Labelled,
    Part,
    Parts,
    Pool,
    Shape,
    change,
    fill,
    finish,
    join,
)

__all__ = ["KINDS", "SHAPES", "Half", "Kind", "Label", "Labelled", "Shape", "make"]

_HALVES: Mapping[Half, Carriers] = {"seen": SEEN, "hidden": HIDDEN}
_WEIGHTS: Mapping[Kind, int] = {
    "email": 11, "phone": 13, "ssn": 7, "national_id": 13, "card": 10, "iban": 9, "ip": 11, "secret": 32,
}  # fmt: skip
_UNLABELLED = 0.42
# values with these fit into no cell and no query
_LONG = ("⟦pem⟧", "⟦azure⟧", "⟦dsn⟧", "⟦key⟧", "⟦image⟧")
_TALK: tuple[Shape, ...] = ("prose", "chat")
_FIELDS: tuple[Shape, ...] = ("json", "nested_json", "csv", "url", "yaml")
# of these some hold sentences, most only fields and lines
_MIXED: tuple[Shape, ...] = ("json", "nested_json", "yaml", "markdown")
# the file that Google Cloud hands out
_SERVICE_ACCOUNT = (
    ("type", "service_account"),
    ("project_id", "acme-data-⟦number⟧"),
    ("private_key", "⟦pem⟧"),
    ("client_email", "⟦gcpemail⟧"),
    ("client_id", "1⟦number⟧⟦unix⟧"),
    ("token_uri", "https://oauth2.googleapis.com/token"),
)


class Field(NamedTuple):
    key: str
    value: Parts
    bare: bool = False


def _offers(half: Carriers, shape: Shape, kind: Kind) -> bool:
    return shape in (*_TALK, *_FIELDS) or any(kind in pool for pool in _pools(half, shape))


def _pools(half: Carriers, shape: Shape) -> list[Pool]:
    return [pool for name, pool in half.lines.items() if name.split(".")[0] == shape]


class Draw:
    """One text in the making: what it has to hold, and the language it is in."""

    def __init__(self, rng: Random, half: Carriers, wanted: list[Kind], shape: Shape) -> None:
        self.rng, self.half, self.wanted, self.style = rng, half, wanted, half.style
        self.shape = shape
        self.language = NO_LANGUAGE
        if shape in _TALK or (shape in _MIXED and rng.random() < 0.4):
            first = wanted[0] if wanted else "plain"
            self.language = rng.choice([name for name, pool in half.prose.items() if first in pool])

    def filled(self, template: str) -> Parts:
        return fill(template, self.half.makers, self.rng, self.language)

    def _templates(self, pool: Pool, most: int) -> list[str]:
        chosen = [self.rng.choice(pool[kind]) for kind in self.wanted if kind in pool]
        others = self.rng.randint(0 if chosen else 1, most)
        chosen += self.rng.sample(pool["plain"], min(others, len(pool["plain"])))
        self.rng.shuffle(chosen)
        return chosen

    def sentences(self) -> list[Parts]:
        pool = self.half.prose[self.language]
        return [self.filled(template) for template in self._templates(pool, 3)]

    def lines(self) -> list[Parts]:
        pools = _pools(self.half, self.shape)
        if self.wanted:
            pools = [pool for pool in pools if self.wanted[0] in pool]
        return [self.filled(each) for each in self._templates(self.rng.choice(pools), 5)]

    def text(self) -> Parts:
        return join(self.rng.choice(self.style.between_sentences), self.sentences())

    def keys(self, flat: bool = False) -> list[tuple[str, str]]:
        """Keys and templates, each key once; the "plain" ones fill up."""
        fields = self.half.fields
        kinds: list[str] = [] if self.language != NO_LANGUAGE else list(self.wanted)
        chosen: dict[str, str] = {}
        for kind in [*kinds, *["plain"] * self.rng.randint(1, 5)]:
            free = [
                (key, template)
                for key, template in fields[kind]
                if key not in chosen and not (flat and any(long in template for long in _LONG))
            ]
            key, template = self.rng.choice(free)
            chosen[key] = template
        shuffled = list(chosen.items())
        self.rng.shuffle(shuffled)
        return shuffled

    def fields(self, flat: bool = False) -> list[Field]:
        made = [
            Field(key, self.filled(template.removeprefix("=")), template.startswith("="))
            for key, template in self.keys(flat)
        ]
        if self.language != NO_LANGUAGE:
            made.append(Field(self.rng.choice(self.style.content), self.text()))
        return made


def _escape(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _escape_all(text: str) -> str:
    return json.dumps(text)[1:-1]


def _object(draw: Draw, fields: list[Field], indent: int | None, level: int = 0) -> Parts:
    comma, colon = draw.style.separators[0 if indent else draw.rng.randrange(2)]
    escape = _escape_all if draw.rng.random() < 0.1 else _escape
    items: list[Parts] = []
    for key, value, bare in fields:
        mark = "" if bare else '"'
        items.append((Part(f'"{key}"{colon}{mark}'), *change(value, escape), Part(mark)))
    if level == 0 and len(fields) > 2 and draw.rng.random() < 0.5:
        at = draw.rng.randint(1, len(fields) - 1)
        inner = _object(draw, fields[at:], indent, 1)
        group = draw.rng.choice(draw.style.groups)
        items = [*items[:at], (Part(f'"{group}"{colon}'), *inner)]
    if indent is None:
        return (Part("{"), *join(comma, items), Part("}"))
    margin = "\n" + " " * indent * level
    between = margin + " " * indent
    return (Part("{" + between), *join("," + between, items), Part(margin + "}"))


def _json(draw: Draw) -> Parts:
    fields = draw.fields()
    if draw.wanted == ["secret"] and draw.rng.random() < 0.2:
        fields = [Field(key, draw.filled(template)) for key, template in _SERVICE_ACCOUNT]
    return _object(draw, fields, draw.rng.choice(draw.style.indents))


def _nested_json(draw: Draw) -> Parts:
    made = _object(draw, draw.fields(), None)
    for _ in range(draw.rng.choice((1, 1, 1, 2))):
        key = draw.rng.choice(draw.style.outer)
        start = f'{{"id":"{draw.filled("⟦response⟧")[0].text}","{key}":"'
        made = (Part(start), *change(made, _escape), Part('"}'))
    return made


def _csv(draw: Draw) -> Parts:
    columns = draw.keys(flat=True)
    delimiter = draw.rng.choice(draw.style.delimiters)
    quote_all = draw.style.quoted_csv and draw.rng.random() < 0.5
    rows: list[Parts] = [(Part(delimiter.join(key for key, _ in columns)),)]
    for _ in range(draw.rng.randint(1, 3)):
        cells: list[Parts] = []
        for _, template in columns:
            cell = draw.filled(template.removeprefix("="))
            if quote_all or any(delimiter in part.text for part in cell):
                cell = (Part('"'), *cell, Part('"'))
            cells.append(cell)
        rows.append(join(delimiter, cells))
    return join("\n", rows)


def _url(draw: Draw) -> Parts:
    if "secret" in draw.wanted and draw.rng.random() < 0.35:
        return draw.filled(draw.rng.choice(("⟦dsn⟧", "⟦dsn⟧", "⟦key⟧")))
    safe = draw.rng.choice(("", "@:+/"))
    query = [
        (Part(field.key + "="), *change(field.value, lambda text: quote(text, safe)))
        for field in draw.fields(flat=True)
    ]
    return (*draw.filled(draw.rng.choice(draw.style.bases)), *join("&", query))


def _indented(value: Parts, margin: str) -> Parts:
    return change(value, lambda text: text.replace("\n", margin))


def _yaml(draw: Draw) -> Parts:
    lines: list[Parts] = []
    group = draw.rng.random() < 0.4
    start = "  " if group else ""
    if group:
        lines.append((Part(draw.rng.choice(draw.style.groups) + ":"),))
    for index, (key, value, bare) in enumerate(draw.fields()):
        if any("\n" in part.text for part in value):
            margin = "\n" + start + "    "
            block = _indented(value, margin)
            lines.append((Part(f"{start}{key}: |{margin}"), *block))
            continue
        mark = "" if bare else draw.rng.choice(draw.style.yaml_quotes)
        dash = "- " if draw.style.yaml_list and group and index == 0 else ""
        lines.append((Part(f"{start}{dash}{key}: {mark}"), *value, Part(mark)))
        if dash:
            start += "  "
    return join("\n", lines)


def _log(draw: Draw) -> Parts:
    stamp = draw.rng.choice(draw.style.stamps)
    return join("\n", [(*draw.filled(stamp), *line) for line in draw.lines()])


def _headers(draw: Draw) -> Parts:
    start: Parts = (Part(draw.rng.choice(draw.style.starts)),)
    return join(draw.rng.choice(("\r\n", "\n")), [start, *draw.lines()])


def _shell(draw: Draw) -> Parts:
    prompt = draw.rng.choice(("", "$ "))
    return join("\n", [(Part(prompt), *line) for line in draw.lines()])


def _markdown(draw: Draw) -> Parts:
    title: Parts = (Part(draw.rng.choice(draw.style.titles) + "\n"),)
    if draw.language == NO_LANGUAGE:
        return join("\n", [title, *draw.lines()])
    return join("\n", [title, *((Part("- "), *each) for each in draw.sentences())])


def _chat(draw: Draw) -> Parts:
    names = draw.rng.choice(draw.style.turns)
    turns = [(Part(names[index % 2]), *each) for index, each in enumerate(draw.sentences())]
    return join(draw.style.between_turns, turns)


def _code(draw: Draw) -> Parts:
    return join("\n", draw.lines())


_LAYOUTS: Mapping[Shape, Callable[[Draw], Parts]] = {
    "prose": Draw.text,
    "json": _json,
    "nested_json": _nested_json,
    "code": _code,
    "log": _log,
    "csv": _csv,
    "url": _url,
    "headers": _headers,
    "shell": _shell,
    "yaml": _yaml,
    "markdown": _markdown,
    "chat": _chat,
}
# prose is where the languages are
_SHARES: Mapping[Shape, int] = dict.fromkeys(SHAPES, 2) | {"prose": 6, "chat": 4, "json": 3}


def make(seed: int, half: Half, count: int) -> list[Labelled]:
    """So many texts; about two in five hold nothing to find, the others one value or several."""
    rng = Random(f"{half} {seed}")
    carriers = _HALVES[half]
    made = []
    for _ in range(count):
        wanted: list[Kind] = []
        if rng.random() > _UNLABELLED:
            many = rng.choice((1, 1, 1, 2, 2, 3))
            wanted = rng.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()), k=many)
        shapes = [each for each in SHAPES if not wanted or _offers(carriers, each, wanted[0])]
        shape = rng.choices(shapes, [_SHARES[each] for each in shapes])[0]
        draw = Draw(rng, carriers, wanted, shape)
        made.append(finish(_LAYOUTS[shape](draw), shape, draw.language))
    return made
