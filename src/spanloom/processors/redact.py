"""Take secrets, cards and addresses out of every text of a span, and say where.

Fails closed: what a rule could not check is withheld.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from spanloom.processors.fields import Area, Path, Walker, distinct, render
from spanloom.processors.rules import (
    ASSIGNED,
    RULES,
    Rule,
    RuleSet,
    find,
    password_name,
    placeholder,
    secret_name,
)
from spanloom.processors.survey import CARD_SIZED
from spanloom.types import Redaction, Span, Value

WITHHELD: Final = "[WITHHELD]"
SECRET: Final = placeholder("secret")

_SCREEN_CHARS: Final = 256
_FEW: Final = 12
"""Shorter texts are not worth a screen of their own against so few rules."""
_JSON_LEVELS: Final = 6
_TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/x-")
_JSON_STARTS: Final = ("{", "[", '"')


def suspects(texts: Iterable[str], rules: RuleSet = RULES) -> tuple[Rule, ...]:
    """The rules that may match somewhere in ``texts``; all of them if that cannot be told."""
    try:
        text = "=".join(texts)
        # an escape in JSON may hide any character
        if "\\" in text and "\\u00" in text:
            return rules.rules
        return rules.suspects(text)
    except Exception:
        return rules.rules


class Redactor(Walker):
    """For one span: applies ``rules`` to each text and remembers what went where."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = RuleSet(rules)
        self._unnamed = RuleSet(rule for rule in self._rules.rules if rule is not ASSIGNED)
        self._found: dict[tuple[str, str], int] = {}

    def __call__(self, span: Span) -> Span:
        new = self.struct(span, "inherit", None)
        truncated = self.texts(span.truncated, "truncated")
        faults = self.texts(span.faults, "faults")
        if not self._found:
            return new
        return replace(
            new,
            truncated=truncated,
            faults=faults,
            redactions=(*span.redactions, *self.redactions),
        )

    @property
    def redactions(self) -> tuple[Redaction, ...]:
        return tuple(
            Redaction(field=field, kind=kind, count=count)
            for (field, kind), count in self._found.items()
        )

    def text(self, text: str, area: Area, path: Path) -> str:
        try:
            return self._redact(text, path, _JSON_LEVELS)
        except Exception:
            self._note(path, "withheld")
            return WITHHELD

    def texts(self, texts: tuple[str, ...], name: str) -> tuple[str, ...]:
        return tuple(self.text(text, "names", ((None, name), i)) for i, text in enumerate(texts))

    def value(self, value: Value, area: Area, path: Path) -> Value:
        try:
            return self._value(value, path, _JSON_LEVELS)
        except Exception:
            self._note(path, "withheld")
            return WITHHELD

    def values(self, values: Mapping[str, Value], area: Area, path: Path) -> Mapping[str, Value]:
        try:
            return self._mapping(values, path, _JSON_LEVELS)
        except Exception:
            self._note(path, "withheld")
            return dict.fromkeys((f"field {i}" for i in range(len(values))), WITHHELD)

    def _value(self, value: Value, path: Path, levels: int) -> Value:
        kind = type(value)
        if kind is str:
            try:
                return self._redact(value, path, levels)
            except Exception:
                self._note(path, "withheld")
                return WITHHELD
        if kind is dict:
            return self._mapping(value, path, levels)
        if kind is list:
            return self._list(value, path, levels)
        if kind in (int, float) and not -CARD_SIZED < value < CARD_SIZED:
            # as the program would write it: 4111111111111111.0 is a card too
            text = str(int(value) if kind is float and value.is_integer() else value)
            redacted = self.text(text, "inherit", path)
            return value if redacted == text else redacted
        return value

    def _mapping(self, values: Mapping[str, Value], path: Path, levels: int) -> Mapping[str, Value]:
        new: dict[str, Value] = {}
        tried: dict[str, int] = {}
        changed = False
        properties = path is not None and path[1] == "properties"  # names of a JSON Schema
        named = values.get("name", values.get("key")) if "value" in values else None
        for key, value in values.items():
            name = distinct(self.text(key, "inherit", (path, "<key>")), new, tried)
            inner = (path, name)
            if secret_name(key) and not (properties and type(value) is dict):
                item = self._secret(key, value, inner)
            elif type(named) is str and key.partition("'")[0] == "value" and secret_name(named):
                item = self._secret(named, value, inner)
            else:
                item = self._value(value, inner, levels)
            changed = changed or item is not value or name != key
            new[name] = item
        return new if changed else values

    def _list(self, values: list[Value], path: Path, levels: int) -> list[Value]:
        new: list[Value] = []
        for index, value in enumerate(values):
            before = values[index - 1] if index else None
            if type(before) is str and _announces(before, pair=len(values) == 2):
                new.append(self._secret(before, value, (path, index)))
            else:
                new.append(self._value(value, (path, index), levels))
        return new if any(a is not b for a, b in zip(new, values, strict=True)) else values

    def _secret(self, name: str, value: Value, path: Path) -> Value:
        """What stands under a secret's name goes as a whole, but for what is only a count or flag."""
        number = type(value) in (int, float)
        if value is None or type(value) is bool or value in ("", SECRET, [], {}):
            return value
        if number and not password_name(name):
            return self._value(value, path, 0)
        self._note(path, "secret")
        return SECRET

    def _redact(self, text: str, path: Path, levels: int) -> str:
        if levels and text.lstrip(" \t\r\n")[:1] in _JSON_STARTS and len(text) > 2:
            document = self._json(text, path, levels)
            if document is not None:
                return document
        return self._scan(text, path, self._rules)

    def _scan(self, text: str, path: Path, among: RuleSet) -> str:
        rules = among.rules
        if len(text) > _SCREEN_CHARS or len(rules) > _FEW:
            rules = among.suspects(text)
        hits = find(text, rules) if rules else ()
        if not hits:
            return text
        pieces: list[str] = []
        at = 0
        for hit in hits:
            self._note(path, hit.kind)
            pieces += (text[at : hit.start], placeholder(hit.kind))
            at = hit.end
        return "".join((*pieces, text[at:]))

    def _json(self, text: str, path: Path, levels: int) -> str | None:
        """The redacted document, or ``None`` if ``text`` is none (or holds only a name or number)."""
        try:
            value = json.loads(text, object_pairs_hook=_pairs)
        except (ValueError, RecursionError):
            return None
        new = self._value(value, path, levels - 1)
        if new is value or new == value:
            # names were looked at with their values: an "api_key" that is a number is none
            return self._scan(text, path, self._unnamed) if levels == _JSON_LEVELS else text
        compact = '": ' not in text
        return json.dumps(new, ensure_ascii=False, separators=(",", ":") if compact else None)

    def _note(self, path: Path, kind: str, count: int = 1) -> None:
        key = (render(path), kind)
        self._found[key] = self._found.get(key, 0) + count


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of which nothing is lost: where a name is there twice, the last one keeps it."""
    new = dict(pairs)
    if len(new) == len(pairs):
        return new
    new = {}
    tried: dict[str, int] = {}
    for key, value in reversed(pairs):
        new[distinct(key, new, tried)] = value
    return dict(reversed(new.items()))


def without_found(span: Span, rules: RuleSet) -> Span:
    """Without the blobs that are text and in which a rule finds something; hash and size stay."""
    kept, found = [], []
    for blob in span.blobs:
        if (blob.mime_type or "").startswith(_TEXT_TYPES):
            text = blob.data.decode("utf-8", "replace")
            if Redactor(rules.rules).text(text, "media", None) != text:
                found.append(Redaction(field=f"blobs.{blob.sha256}", kind="content"))
                continue
        kept.append(blob)
    if not found:
        return span
    return replace(span, blobs=tuple(kept), redactions=(*span.redactions, *found))


def _announces(text: str, *, pair: bool) -> bool:
    """``["--token", "..."]`` of a command line, ``("x-api-key", "...")`` of headers."""
    short = len(text) <= 64 and " " not in text and "=" not in text
    return short and (pair or text.startswith("-")) and secret_name(text)
