"""The two settings that decide what is kept: ``content`` and ``redact``."""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from msgspec import Struct

from .readers import Reader, brief, near, refuse

Content = Literal["full", "redacted", "hash", "none"]
Area = Literal[
    "inputs", "outputs", "arguments", "results", "tools", "documents", "params", "media",
    "metadata", "attributes", "errors", "events", "labels",
]  # fmt: skip
"""Parts of a span whose content can be treated differently."""
Action = Literal["redact", "hash", "mask", "drop", "keep", "encrypt"]
Kind = Literal["secret", "card", "email", "phone", "ssn", "national_id", "iban", "ip", "name"]
"""What is looked for. ``name`` only where a recogniser is installed that finds names."""

Treatment: TypeAlias = Action | Callable[[str], str]
"""What becomes of a find: a word, or a function that gives what stands in its place."""
Recogniser: TypeAlias = Callable[[str], Any]
"""From a text to ``(start, end, kind)`` of everything it finds."""

AREAS: tuple[str, ...] = get_args(Area)
ACTIONS: tuple[str, ...] = get_args(Action)
KINDS: tuple[str, ...] = get_args(Kind)
_POLICIES: tuple[str, ...] = get_args(Content)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _quoted(words: tuple[str, ...]) -> str:
    return " | ".join(f'"{word}"' for word in words)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """``a=b, c=d`` of a variable; a word alone is for ``default``."""
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if item.strip():
            yield (key.strip().lower(), value.strip()) if equals else ("default", key.strip())


# --- content


def _policy(area: str, value: object) -> Content:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _POLICIES:
        refuse(f"{area} = {brief(value)}{near(word, _POLICIES)}")
    return word  # type: ignore[return-value]


def read_content(value: Any) -> "Content | Mapping[str, Content]":
    """One policy for all, or a mapping from areas to policies in which ``default`` is for the rest."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _POLICIES:
            return word  # type: ignore[return-value]
        if "=" not in value:
            refuse(near(word, _POLICIES)[2:])
        value = dict(_pairs(value))
    if not isinstance(value, Mapping):
        refuse()
    for area in value:
        if area not in AREAS and area != "default":
            refuse(f"no area is called {brief(str(area))}{near(str(area), AREAS)}")
    policies: dict[str, Content] = {"default": "redacted"}
    return policies | {area: _policy(area, word) for area, word in value.items()}


CONTENT = Reader(
    f"{_quoted(_POLICIES)}, or a table of these by area",
    read_content,
    choices=_POLICIES,
)


# --- redact


class Redact(Struct, frozen=True, kw_only=True):
    """What becomes of a find, the nearest first: its kind in its area, its area, its kind, ``default``."""

    default: Treatment = "redact"
    kinds: Mapping[str, Treatment] = {}
    areas: Mapping[str, Mapping[str, Treatment]] = {}
    """By area and kind; under ``default`` for every other kind in that area."""
    patterns: Mapping[str, re.Pattern[str]] = {}
    """Detectors of the user's own, by the kind that they find."""
    recognisers: tuple[str | Recogniser, ...] = ()
    broken: tuple[str, ...] = ()
    """Detectors that cannot be used: what they would have found cannot be told, so nothing is kept."""

    def shown(self) -> dict[str, object]:
        """As it may be printed: functions and patterns by their names."""

        def word(treatment: Treatment) -> str:
            return treatment if isinstance(treatment, str) else "a function"

        actions = {"": {"default": self.default, **self.kinds}, **self.areas}
        shown: dict[str, object] = {
            f"{area}.{kind}" if area else kind: word(treatment)
            for area, kinds in actions.items()
            for kind, treatment in kinds.items()
        }
        if self.patterns:
            shown["patterns"] = sorted(self.patterns)
        if self.recognisers:
            shown["recognisers"] = [
                r if isinstance(r, str) else "a function" for r in self.recognisers
            ]
        return shown

    def uses(self, action: Action) -> bool:
        """Whether anything is treated so."""
        every = (self.default, *self.kinds.values())
        return action in every or any(action in kinds.values() for kinds in self.areas.values())

    def treatment(self, area: str, kind: str) -> Treatment:
        here = self.areas.get(area, {})
        return here.get(kind) or here.get("default") or self.kinds.get(kind) or self.default


class Wrong(NamedTuple):
    """One entry of ``redact`` that cannot be used."""

    key: str
    shown: str
    reason: str
    allowed: str
    instead: str


class _Entries:
    """The entries of one source, checked one by one: a wrong one must not cost the others."""

    def __init__(self, value: Any) -> None:
        self.wrong: list[Wrong] = []
        self.actions: dict[tuple[str, str], Treatment] = {}
        self.patterns: dict[str, re.Pattern[str]] = {}
        self.recognisers: tuple[str | Recogniser, ...] | None = None
        self.broken: list[str] = []
        entries: Any = dict(_pairs(value)) if isinstance(value, str) else value
        if not isinstance(entries, Mapping):
            self._refuse("", value, "", REDACT.allowed)
            return
        # first what brings kinds of its own, so that the others may name them
        if "patterns" in entries:
            self._patterns(entries["patterns"])
        if "recognisers" in entries:
            self._recognisers(entries["recognisers"])
        for key, item in entries.items():
            if key not in ("patterns", "recognisers"):
                self._entry(str(key), item)

    def _entry(self, key: str, item: Any) -> None:
        area, dot, kind = key.partition(".")
        if dot:
            self._action(key, area, kind, item)
        elif key in AREAS and isinstance(item, Mapping):
            for each, action in item.items():
                self._action(f"{key}.{each}", key, str(each), action)
        elif key in AREAS:
            self._action(key, key, "default", item)
        else:
            self._action(key, "", key, item)

    def _action(self, key: str, area: str, kind: str, item: Any) -> None:
        known = (*KINDS, *self.patterns, *self.broken, "default")
        if area and area not in AREAS:
            self._refuse(
                key, item, f"no area is called {area!r}{near(area, AREAS)}", ", ".join(AREAS)
            )
        elif kind not in known and not (self.recognisers and _WORD.fullmatch(kind)):
            names = known if area else (*known, *AREAS, "patterns", "recognisers")
            reason = f"no kind is called {kind!r}{near(kind, names)}"
            self._refuse(key, item, reason, ", ".join(names))
        elif callable(item) and not isinstance(item, type):
            self.actions[area, kind] = item
        elif isinstance(item, str) and item.strip().lower() in ACTIONS:
            self.actions[area, kind] = item.strip().lower()  # type: ignore[assignment]
        else:
            self.actions[area, kind] = "redact"  # whatever was meant: not less than the default
            hint = near(item.strip().lower(), ACTIONS)[2:] if isinstance(item, str) else ""
            self._refuse(key, item, hint, _quoted(ACTIONS), "'redact' is used")

    def _patterns(self, patterns: Any) -> None:
        if not isinstance(patterns, Mapping):
            self._break("patterns", patterns, "", "a table from a kind to a pattern")
            return
        for kind, pattern in patterns.items():
            key, name = f"patterns.{kind}", str(kind)
            if not _WORD.fullmatch(name) or name in (*AREAS, *KINDS, "default", "user_id"):
                self._break(
                    key, pattern, "it needs a name of its own, of a-z, 0-9 and _", "a pattern"
                )
                continue
            try:
                self.patterns[name] = compiled(pattern)
            except (ValueError, re.error) as exc:
                self._break(key, pattern, str(exc), "a regular expression of Python's `re`")

    def _recognisers(self, value: Any) -> None:
        items = value.split(",") if isinstance(value, str) else value
        items = [items] if callable(items) or not isinstance(items, list | tuple) else items
        found = [item.strip() if isinstance(item, str) else item for item in items]
        if not all(isinstance(item, str) or callable(item) for item in found):
            self._break("recognisers", value, "", "names of installed recognisers, or functions")
            return
        self.recognisers = tuple(item for item in found if item)

    def _break(self, key: str, item: Any, reason: str, allowed: str) -> None:
        self.broken.append(key.rpartition(".")[2])
        self._refuse(key, item, reason, allowed, "no content is kept")

    def _refuse(
        self, key: str, item: Any, reason: str, allowed: str, instead: str = "it is ignored"
    ) -> None:
        self.wrong.append(Wrong(key, brief(item), reason, allowed, instead))


def read_redact(*values: Any) -> tuple[Redact, tuple[tuple[Wrong, ...], ...]]:
    """The settings of several sources, the strongest first, entry by entry; and what is wrong in each."""
    sources = [_Entries(value) for value in values]
    actions: dict[tuple[str, str], Treatment] = {}
    patterns: dict[str, re.Pattern[str]] = {}
    recognisers: tuple[str | Recogniser, ...] | None = None
    for source in sources:
        actions = source.actions | actions
        patterns = source.patterns | patterns
        recognisers = source.recognisers if recognisers is None else recognisers
    areas: dict[str, dict[str, Treatment]] = {}
    kinds: dict[str, Treatment] = {}
    for (area, kind), treatment in actions.items():
        (areas.setdefault(area, {}) if area else kinds)[kind] = treatment
    redact = Redact(
        default=kinds.pop("default", "redact"),
        kinds=kinds,
        areas=areas,
        patterns=patterns,
        recognisers=recognisers or (),
        broken=tuple(name for source in sources for name in source.broken),
    )
    return redact, tuple(tuple(source.wrong) for source in sources)


REDACT = Reader(
    "an action for all kinds, or a mapping from kinds and areas to actions: " + _quoted(ACTIONS),
    lambda value: read_redact(value)[0],
    choices=ACTIONS,
)


# --- patterns of the user's own

_MANY = 10
"""Repetitions from here on can be combined in too many ways."""


def compiled(pattern: Any) -> re.Pattern[str]:
    """A pattern that cannot take for ever.

    Raises:
        ValueError: it is none, matches nothing at all, or can take for ever.
        re.error: its syntax.

    """
    if isinstance(pattern, str):
        pattern = re.compile(pattern)
    if not isinstance(pattern, re.Pattern) or not isinstance(pattern.pattern, str):
        refuse()
    if pattern.match("") is not None:
        refuse("it also matches where nothing is")
    parser = importlib.import_module("re._parser")
    if _explosive(parser.parse(pattern.pattern, pattern.flags), parser, repeated=False):
        refuse(
            "a repetition or a choice within a repetition can take for ever; "
            "write `++`, `*+` or `(?>...)` for what need not be tried again"
        )
    return pattern


def _explosive(tree: Any, parser: Any, *, repeated: bool) -> bool:
    """Whether something is repeated whose parts can be divided among the repetitions in many ways."""
    for op, value in tree:
        if op in (parser.MAX_REPEAT, parser.MIN_REPEAT):
            least, most, inner = value
            varies = most - least >= _MANY
            if repeated and most != least:
                return True
            if _explosive(inner, parser, repeated=repeated or varies):
                return True
        elif op is parser.BRANCH:
            if repeated or any(_explosive(each, parser, repeated=False) for each in value[1]):
                return True
        elif op is parser.SUBPATTERN:
            if _explosive(value[-1], parser, repeated=repeated):
                return True
        elif op in (parser.ASSERT, parser.ASSERT_NOT):
            if _explosive(value[1], parser, repeated=repeated):
                return True
    return False
