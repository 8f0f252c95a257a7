"""Take secrets, cards and addresses out of every text of a span, and say where.

Fails closed: what a rule could not check is withheld.
"""

import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from spanloom.processors.actions import MARK, PLACEHOLDERS, Actions
from spanloom.processors.content import KEPT
from spanloom.processors.encoded import encoded, hidden, layers
from spanloom.processors.fields import Area, Path, Shape, Walker, distinct, render
from spanloom.processors.rules import (
    ASSIGNED,
    RULES,
    Hit,
    Rule,
    RuleSet,
    empty,
    find,
    merged,
    password_name,
    random_name,
    secret_name,
)
from spanloom.processors.rules.cues import LEAD, telling
from spanloom.processors.survey import NUMBER_SIZED
from spanloom.settings import Recogniser
from spanloom.types import Redaction, Span, Value

WITHHELD: Final = "[WITHHELD]"

_FEW: Final = 12
_OURS: Final = frozenset(RULES.rules)
_JSON_LEVELS: Final = 6
_LONG: Final = 256
_TOO_LONG: Final = 8192
"""Clean texts of this length are not remembered: all that are shall take no more than 2 MB or so."""
_MOST_CLEAN: Final = 256
_HEAD: Final = 128
"""What leads to a number, and the number."""
_NO_TEXT: Final = ("image", "audio", "video")
_ESCAPED: Final = re.compile(r"\\u[0-9A-Fa-f]{4}")
_JSON_STARTS: Final = ("{", "[", '"')
_PRIVATE_JWK: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})
"""Of a JSON Web Key what must not be known."""


def suspects(texts: Iterable[str], rules: RuleSet = RULES) -> tuple[Rule, ...]:
    """The rules that may match somewhere in ``texts``; all of them if that cannot be told."""
    try:
        text = layers("=\n".join(texts))
        # an escape in JSON may hide any character
        if "\\" in text and _ESCAPED.search(text):
            return rules.rules
        return rules.suspects(text)
    except Exception:
        return rules.rules


class Screen:
    """``suspects`` of one span after the other, in which the same long texts come again and again.

    A conversation repeats all that was said with each call, a graph its state with each node. Of a long
    text in which nothing was suspected only the head is looked at again: what stands before a text
    decides about no more of it, unless it is JSON.
    """

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._clean: set[str] = set()

    def __call__(self, texts: Sequence[str], longest: int) -> tuple[Rule, ...]:
        long = {text for text in texts if len(text) >= _LONG} if longest >= _LONG else set()
        clean = self._clean
        if known := long & clean:
            texts = [text[:_HEAD] if text in known else text for text in texts]
        rules = suspects(texts, self._rules)
        if not rules and len(known) < len(long):
            if len(clean) >= _MOST_CLEAN:
                clean.clear()
            clean.update(t for t in long if len(t) < _TOO_LONG and not _may_be_json(t))
        return rules


def _may_be_json(text: str) -> bool:
    return text.lstrip(" \t\r\n")[:1] in _JSON_STARTS


def _possible(text: str, rules: Sequence[Rule]) -> Sequence[Rule]:
    """Those that may match: where they are many, to screen the text costs less than to search it."""
    if len(rules) <= _FEW:
        return rules
    suspected = {*RULES.suspects(text)}
    return [rule for rule in rules if rule in suspected or rule not in _OURS]


class Redactor(Walker):
    """For one span: applies ``rules`` to each text and remembers what went where.

    Args:
        rules: those that may match.
        actions: what becomes of a find; a placeholder where not given.
        unscanned: areas that are left alone.
        recognisers: functions that find more, in areas that hold content.

    """

    def __init__(
        self,
        rules: Iterable[Rule],
        actions: Actions = PLACEHOLDERS,
        unscanned: Container[str] = (),
        recognisers: Sequence[Recogniser] = (),
    ) -> None:
        self._rules = tuple(rules)
        self._unnamed = tuple(rule for rule in self._rules if rule is not ASSIGNED)
        self._actions = actions
        self._unscanned = unscanned
        self._recognisers = recognisers
        self._found: dict[tuple[str, str, str], int] = {}

    def __call__(self, span: Span) -> Span:
        new = self.struct(span, "inherit", None)
        truncated = self.texts(span.truncated, "truncated")
        faults = self.texts(span.faults, "faults")
        # paths hold the program's keys
        fields = self.texts(tuple(one.field for one in span.redactions), "redactions")
        if not self._found:
            return new
        earlier = map(_moved, span.redactions, fields)
        return replace(
            new, truncated=truncated, faults=faults, redactions=(*earlier, *self.redactions)
        )

    @property
    def redactions(self) -> tuple[Redaction, ...]:
        return tuple(
            Redaction(
                field=field,
                kind=kind,
                count=count,
                action=action,  # type: ignore[arg-type]
                key_id=self._actions.key_id(action),
            )
            for (field, kind, action), count in self._found.items()
        )

    def field(self, value: Any, shape: Shape, area: Area, path: Path) -> Any:
        if shape == "text" and type(value) in (int, float):
            return self.value(value, area, path)
        return super().field(value, shape, area, path)

    def text(self, text: str, area: Area, path: Path) -> str:
        if area in self._unscanned:
            return text
        try:
            return self._redact(text, _At(area, path))
        except Exception:
            return self._withheld(path)

    def texts(self, texts: tuple[str, ...], name: str) -> tuple[str, ...]:
        return tuple(self.text(text, "names", ((None, name), i)) for i, text in enumerate(texts))

    def value(self, value: Value, area: Area, path: Path) -> Value:
        if area in self._unscanned:
            return value
        try:
            return self._value(value, _At(area, path))
        except Exception:
            return self._withheld(path)

    def values(self, values: Mapping[str, Value], area: Area, path: Path) -> Mapping[str, Value]:
        if area in self._unscanned:
            return values
        try:
            return self._mapping(values, _At(area, path))
        except Exception:
            self._withheld(path)
            return dict.fromkeys((f"field {i}" for i in range(len(values))), WITHHELD)

    def _withheld(self, path: Path) -> str:
        self._note(path, "withheld", "redact")
        return WITHHELD

    def _value(self, value: Value, at: "_At") -> Value:
        kind = type(value)
        if kind is str:
            try:
                return self._redact(value, at)
            except Exception:
                return self._withheld(at.path)
        if kind is dict:
            return self._mapping(value, at)
        if kind is list:
            return self._list(value, at)
        if kind in (int, float) and not -NUMBER_SIZED < value < NUMBER_SIZED:
            # as the program would write it: 4111111111111111.0 is a card too
            text = str(int(value) if kind is float and value.is_integer() else value)
            redacted = self._value(text, at)
            return value if redacted == text else redacted
        return value

    def _mapping(self, values: Mapping[str, Value], at: "_At") -> Mapping[str, Value]:
        new: dict[str, Value] = {}
        tried: dict[str, int] = {}
        changed = False
        path = at.path
        properties = path is not None and path[1] == "properties"  # names of a JSON Schema
        named = values.get("name", values.get("key")) if "value" in values else None
        private = _PRIVATE_JWK if "kty" in values else frozenset()
        for key, value in values.items():
            name = distinct(self._value(key, _At(at.area, (path, "<key>"), at.levels)), new, tried)
            said = key
            if type(named) is str and key.partition("'")[0] == "value":
                said = named if secret_name(named) or not secret_name(key) else key
            inner = at.under(name, said)
            secret = secret_name(said) or random_name(said, value)
            if key in private or (secret and not (properties and type(value) is dict)):
                item = self._secret(said, value, inner)
            else:
                item = self._value(value, inner)
            changed = changed or item is not value or name != key
            new[name] = item
        return new if changed else values

    def _list(self, values: list[Value], at: "_At") -> list[Value]:
        new: list[Value] = []
        for index, value in enumerate(values):
            before = values[index - 1] if index else None
            if type(before) is str and _announces(before, pair=len(values) == 2):
                new.append(self._secret(before, value, at.under(index)))
            else:
                new.append(self._value(value, at.under(index)))
        return new if any(a is not b for a, b in zip(new, values, strict=True)) else values

    def _secret(self, name: str, value: Value, at: "_At") -> Value:
        """What stands under a secret's name goes as a whole, but for what is only a count or flag."""
        number = type(value) in (int, float)
        if value is None or type(value) is bool or value in ("", [], {}):
            return value
        if type(value) is str and (MARK.fullmatch(value) or empty(name, value)):
            return self._value(value, at)
        if number and not password_name(name):
            return self._value(value, at._replace(levels=0))
        action = self._actions.of(at.area, "secret")
        if action == "keep":
            return self._value(value, at)
        self._note(at.path, "secret", action)
        text = value if type(value) is str else json.dumps(value, sort_keys=True)
        return self._actions.apply(at.area, "secret", text)

    def _redact(self, text: str, at: "_At") -> str:
        if at.levels and _may_be_json(text) and len(text) > 2:
            document = self._json(text, at)
            if document is not None:
                return document
        return self._scan(text, at, self._rules)

    def _scan(self, text: str, at: "_At", rules: Sequence[Rule]) -> str:
        lead = at.lead
        whole = lead + text
        hits = find(whole, _possible(whole, rules))
        if encoded(whole):
            # sentences are read through their escapes, by rules that also see where a parameter ends
            found = hidden(
                whole,
                lambda plain: find(plain, [r for r in _possible(plain, rules) if not r.frequent]),
            )
            hits = merged([*hits, *found])
        if self._recognisers and at.area not in KEPT:
            hits = merged([*hits, *self._recognised(text, len(lead))])
        if hits and ("_HASH_" in text or "_ENCRYPTED_" in text):
            marks = [mark.span() for mark in MARK.finditer(whole)]
            hits = [hit for hit in hits if not any(a < hit.end and hit.start < b for a, b in marks)]
        pieces: list[str] = []
        done = len(lead)
        for hit in hits:
            action = self._actions.of(at.area, hit.kind)
            if hit.start < len(lead) or action == "keep":
                continue
            self._note(at.path, hit.kind, action)
            stands = self._actions.apply(at.area, hit.kind, whole[hit.start : hit.end])
            pieces += (whole[done : hit.start], stands)
            done = hit.end
        return "".join((*pieces, whole[done:])) if pieces else text

    def _recognised(self, text: str, shift: int) -> Iterator[Hit]:
        for recogniser in self._recognisers:
            for start, end, kind in recogniser(text):
                start, end = max(0, int(start)), min(len(text), int(end))
                if start < end:
                    yield Hit(start + shift, end + shift, str(kind).lower())

    def _json(self, text: str, at: "_At") -> str | None:
        """The redacted document, or ``None`` if ``text`` is none (or holds only a name or number)."""
        try:
            value = json.loads(text, object_pairs_hook=_pairs)
        except (ValueError, RecursionError):
            return None
        new = self._value(value, at._replace(levels=at.levels - 1))
        if new is value or new == value:
            # names were looked at with their values: an "api_key" that is a number is none
            return self._scan(text, at, self._unnamed) if at.levels == _JSON_LEVELS else text
        compact = '": ' not in text
        return json.dumps(new, ensure_ascii=False, separators=(",", ":") if compact else None)

    def _note(self, path: Path, kind: str, action: str) -> None:
        key = (render(path), kind, action)
        self._found[key] = self._found.get(key, 0) + 1


class _At(NamedTuple):
    """Where a value stands."""

    area: Area
    path: Path
    levels: int = _JSON_LEVELS
    """How many levels of JSON in JSON may still be opened."""
    lead: str = ""
    """The name of the nearest field around it that says what a number in it is."""

    def under(self, key: str | int, name: str | None = None) -> "_At":
        """What is inside of it, in a field that is called ``name``."""
        lead = f"{name[-LEAD:]}: " if name is not None and telling(name) else self.lead
        return _At(self.area, (self.path, key), self.levels, lead)


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


def _moved(redaction: Redaction, field: str) -> Redaction:
    return redaction if redaction.field == field else replace(redaction, field=field)


def without_found(span: Span, rules: RuleSet) -> Span:
    """Without the blobs that are text and in which a rule finds something; hash and size stay."""
    kept, found = [], []
    for blob in span.blobs:
        texts = (_words(blob.data, blob.mime_type or ""), blob.mime_type or "")
        if any(Redactor(rules.rules).text(text, "media", None) != text for text in texts):
            found.append(Redaction(field=f"blobs.{blob.sha256}", kind="content"))
        else:
            kept.append(blob)
    if not found:
        return span
    return replace(span, blobs=tuple(kept), redactions=(*span.redactions, *found))


def _words(data: bytes, mime_type: str) -> str:
    """What is said in a file, whatever it was called; nothing where it is no text."""
    try:
        return data.decode("utf-16" if data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8")
    except UnicodeDecodeError:
        binary = b"\0" in data or mime_type.partition("/")[0] in _NO_TEXT
        return "" if binary else data.decode("latin-1")


def _announces(text: str, *, pair: bool) -> bool:
    """``["--token", "..."]`` of a command line, ``("x-api-key", "...")`` of headers."""
    short = len(text) <= 64 and " " not in text and "=" not in text
    return short and (pair or text.startswith("-")) and secret_name(text)
