"""The content policy: what of the user's words is kept at all.

``full`` keeps them, ``redacted`` too but for what the rules find, ``hash`` leaves a keyed hash of
each, ``none`` only a placeholder. Structure stays: counts, roles, types, ids, usage, tool names.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec.structs import replace

from spanloom.processors.fields import PLANS, Area, Path, Walker, render
from spanloom.types import Media, Redaction, Span, Value

Policy = Literal["full", "redacted", "hash", "none"]

REMOVED: Final = "[CONTENT_REMOVED]"

KEPT: Final[frozenset[Area]] = frozenset({"names", "inherit"})
"""Areas that no policy withholds: only the rules go over them."""

_LABEL = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_FRAME = re.compile(r"[^\n:]{1,512}:\d{1,9} in [\w<>.]{1,256}")
_FIELDS = "|".join({field.name for plan in PLANS.values() for field in plan})
_DATA = "|".join(
    {f.name for plan in PLANS.values() for f in plan if f.shape in ("value", "values")}
)
_OUTLINE = re.compile(
    rf"(?:(?:^|\.)(?!(?:{_DATA})\b)(?:{_FIELDS})\b(?:\[\d+\])?)*(?:(?:^|\.)(?:{_DATA})\b)?"
)
_FAULT = re.compile(
    r"[a-z_ ]{1,40}: \w{0,100}(?:Error|Exception|Warning|Timeout|Interrupt|Cancelled)"
)


class Withholder(Walker):
    """For one span under ``hash`` or ``none``: puts ``stand_in(text)`` in place of every content."""

    def __init__(self, stand_in: Callable[[str], str]) -> None:
        self._stand_in = stand_in
        self._found: dict[str, int] = {}

    def __call__(self, span: Span) -> Span:
        new = self.struct(span, "inherit", None)
        done: Span = replace(
            new,
            blobs=(),
            truncated=tuple(dict.fromkeys(map(_outline, span.truncated))),
            faults=tuple(fault if _FAULT.fullmatch(fault) else REMOVED for fault in span.faults),
            redactions=(
                *span.redactions,
                *(Redaction(field=f, kind="content", count=n) for f, n in self._found.items()),
            ),
        )
        return done

    def text(self, text: str, area: Area, path: Path) -> str:
        if area in KEPT or not text:
            return text
        if area == "labels" and _LABEL.fullmatch(text):
            return text
        if (
            area == "errors"
            and path
            and path[0]
            and path[0][1] == "stack"
            and _FRAME.fullmatch(text)
        ):
            return text
        return self._withhold(text, path)

    def value(self, value: Value, area: Area, path: Path) -> Value:
        if value is None or value == [] or value == {} or value == "":
            return value
        if area == "labels" and type(value) is str:
            return self.text(value, area, path)
        if area == "params" and type(value) in (int, float, bool):
            return value
        if area == "attributes" and type(value) in (int, float, bool) and path:
            key = path[1]
            if type(key) is str and key.startswith("http."):  # status, sizes, ports: structure
                return value
        if area == "tools" and path and path[1] == "response_format" and type(value) is dict:
            kind = value.get("type")
            rest = self._withhold(_text(value), path)
            labelled = type(kind) is str and _LABEL.fullmatch(kind)
            return {"type": kind, "content": rest} if labelled else rest
        return self._withhold(_text(value), path)

    def values(self, values: Mapping[str, Value], area: Area, path: Path) -> Mapping[str, Value]:
        return {key: self.value(value, area, (path, key)) for key, value in values.items()}

    def struct(self, struct: Any, area: Area, path: Path) -> Any:
        new = super().struct(struct, area, path)
        # a hash without a key would still tell which of two known pictures it was
        return replace(new, sha256=None) if type(new) is Media and new.sha256 else new

    def _withhold(self, text: str, path: Path) -> str:
        field = render(path)
        self._found[field] = self._found.get(field, 0) + 1
        return self._stand_in(text)


def removed(_: str) -> str:
    return REMOVED


def _text(value: Value) -> str:
    """One text for equal data, so that equal data has equal hashes."""
    return value if type(value) is str else json.dumps(value, sort_keys=True)


def _outline(path: str) -> str:
    """A path without the keys of the program's own data."""
    found = _OUTLINE.match(path)
    return found[0] if found else REMOVED
