"""The content policy: what of the user's words is kept at all.

``full`` keeps them, ``redacted`` too but for what the rules find, ``hash`` leaves a keyed hash of
each, ``none`` only a placeholder. Structure stays: counts, roles, types, ids, usage, tool names.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from spanloom.processors.fields import PLANS, Area, Path, Walker, render
from spanloom.settings import AREAS, Content
from spanloom.types import Blob, Media, Redaction, Span, Value

REMOVED: Final = "[CONTENT_REMOVED]"

KEPT: Final[frozenset[Area]] = frozenset({"names", "servers", "inherit"})
"""Areas that no policy withholds: only the rules go over them."""

StandIn = Callable[[str], str]


class Policies:
    """The setting ``content``, by area."""

    def __init__(self, content: Content | Mapping[str, Content]) -> None:
        areas: Mapping[str, Content] = {"default": content} if isinstance(content, str) else content
        self._areas = areas
        self._default = areas.get("default", "redacted")
        used = {self._default, *areas.values()}
        self.withholds: bool = bool(used & {"hash", "none"})
        self.scans: bool = used != {"full"}
        self.unscanned: frozenset[str] = frozenset(
            area for area in (*AREAS, *KEPT) if self.of(area) == "full"
        )

    def of(self, area: str) -> Content:
        return self._areas.get(area, self._default)


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
    """For one span: what is under ``hash`` or ``none`` is replaced as a whole.

    Args:
        policies: which areas that are.
        hasher: for ``hash``.
        key_id: of its key.

    """

    def __init__(self, policies: Policies, hasher: StandIn, key_id: Callable[[], str]) -> None:
        self._policies = policies
        self._stand_ins: dict[Content, StandIn] = {"hash": hasher, "none": removed}
        self._key_id = key_id
        self._found: dict[tuple[str, Content], int] = {}

    def _stand_in(self, area: Area) -> StandIn | None:
        return None if area in KEPT else self._stand_ins.get(self._policies.of(area))

    def __call__(self, span: Span) -> Span:
        new = self.struct(span, "inherit", None)
        done: Span = replace(
            new,
            blobs=self._blobs(new),
            truncated=tuple(dict.fromkeys(map(_outline, span.truncated))),
            faults=tuple(fault if _FAULT.fullmatch(fault) else REMOVED for fault in span.faults),
            redactions=(
                *span.redactions,
                *(self._redaction(*found, count) for found, count in self._found.items()),
            ),
        )
        return done

    def _redaction(self, field: str, policy: Content, count: int) -> Redaction:
        if policy == "hash":
            return Redaction(
                field=field, kind="content", count=count, action="hash", key_id=self._key_id()
            )
        return Redaction(field=field, kind="content", count=count)

    def _blobs(self, span: Span) -> tuple[Blob, ...]:
        """Those that a part which is kept still names."""
        if not span.blobs or self._stand_in("media"):
            return ()
        named = _Hashes()
        named.struct(span, "inherit", None)
        return tuple(blob for blob in span.blobs if blob.sha256 in named.found)

    def text(self, text: str, area: Area, path: Path) -> str:
        if not text or self._stand_in(area) is None:
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
        return self._withhold(text, area, path)

    def value(self, value: Value, area: Area, path: Path) -> Value:
        if value is None or value == [] or value == {} or value == "":
            return value
        if self._stand_in(area) is None:
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
            rest = self._withhold(_text(value), area, path)
            labelled = type(kind) is str and _LABEL.fullmatch(kind)
            return {"type": kind, "content": rest} if labelled else rest
        return self._withhold(_text(value), area, path)

    def values(self, values: Mapping[str, Value], area: Area, path: Path) -> Mapping[str, Value]:
        return {key: self.value(value, area, (path, key)) for key, value in values.items()}

    def struct(self, struct: Any, area: Area, path: Path) -> Any:
        new = super().struct(struct, area, path)
        if type(new) is Media and new.sha256 and (self._stand_in(area) or self._stand_in("media")):
            # a hash without a key would still tell which of two known pictures it was
            return replace(new, sha256=None)
        return new

    def _withhold(self, text: str, area: Area, path: Path) -> str:
        policy = self._policies.of(area)
        found = render(path), policy
        self._found[found] = self._found.get(found, 0) + 1
        return self._stand_ins[policy](text)


class _Hashes(Walker):
    """The hashes of all blobs that a span names."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def value(self, value: Value, area: Area, path: Path) -> Value:
        if type(value) is dict:
            if type(value.get("sha256")) is str:
                self.found.add(value["sha256"])
            for item in value.values():
                self.value(item, area, path)
        elif type(value) is list:
            for item in value:
                self.value(item, area, path)
        return value

    def struct(self, struct: Any, area: Area, path: Path) -> Any:
        if type(struct) is Media and struct.sha256:
            self.found.add(struct.sha256)
        return super().struct(struct, area, path)


def removed(_: str) -> str:
    return REMOVED


def _text(value: Value) -> str:
    """One text for equal data, so that equal data has equal hashes."""
    return value if type(value) is str else json.dumps(value, sort_keys=True)


def _outline(path: str) -> str:
    """A path without the keys of the program's own data."""
    found = _OUTLINE.match(path)
    return found[0] if found else REMOVED
