"""Cut long texts and long collections, visibly, and never JSON into broken JSON."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from msgspec.structs import replace

from spanloom.processors.fields import Area, Path, Walker, distinct, render
from spanloom.types import Span, Value

_JSON_LEVELS: Final = 4
_CUT_PATHS: Final = 100


class Limiter(Walker):
    """For one span. ``max_bytes`` counts UTF-8."""

    def __init__(self, *, max_bytes: int, max_attributes: int, max_events: int) -> None:
        self._max_bytes = max_bytes
        self._max_attributes = max_attributes
        self._max_events = max_events
        self._cut: dict[str, None] = {}

    def __call__(self, span: Span) -> Span:
        new = self.struct(span, "inherit", None)
        if len(new.events) > self._max_events:
            # the first tell how it began, the last how it ended
            head = self._max_events // 2
            tail = self._max_events - head
            dropped = len(new.events) - self._max_events
            kept = (*new.events[:head], *new.events[len(new.events) - tail :])
            new = replace(new, events=kept)
            self._note(f"events [{dropped} dropped]")
        new = replace(
            new,
            attributes=self._bounded(new.attributes, "attributes"),
            metadata=self._bounded(new.metadata, "metadata"),
        )
        if not self._cut:
            return new
        return replace(new, truncated=tuple(dict.fromkeys((*new.truncated, *self._cut))))

    def text(self, text: str, area: Area, path: Path) -> str:
        new = self._limit(text, self._max_bytes)
        if new is not text:
            self._note(render(path))
        return new

    def value(self, value: Value, area: Area, path: Path) -> Value:
        kind = type(value)
        if kind is str:
            return self.text(value, area, path)
        if kind is dict:
            return self.values(value, area, path)
        if kind is list:
            new = [self.value(item, area, (path, i)) for i, item in enumerate(value)]
            return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
        return value

    def values(self, values: Mapping[str, Value], area: Area, path: Path) -> Mapping[str, Value]:
        values = super().values(values, area, path)
        room = self._max_bytes // 4
        if all(len(key) <= room for key in values):
            return values
        self._note(render(path))
        new: dict[str, Value] = {}
        tried: dict[str, int] = {}
        for key, value in values.items():
            name = key if len(key) <= room else _shorten(key, room)
            new[distinct(name, new, tried)] = value
        return new

    def _limit(self, text: str, room: int, levels: int = _JSON_LEVELS) -> str:
        size = len(text) if text.isascii() else len(text.encode())
        if size <= room:
            return text
        if levels and text.lstrip()[:1] in ("{", "["):
            try:
                document = json.loads(text)
            except (ValueError, RecursionError):
                return _shorten(text, room)
            share = room // 4
            for _ in range(6):  # one long text is cut alone; many must each give more
                short = json.dumps(self._shrink(document, share, levels - 1), ensure_ascii=False)
                if len(short.encode()) <= room:
                    return short
                share //= 4
            return json.dumps(_shorten(text, room // 2), ensure_ascii=False)
        return _shorten(text, room)

    def _shrink(self, value: Any, room: int, levels: int) -> Any:
        if isinstance(value, str):
            return self._limit(value, max(room, 64), levels)
        if isinstance(value, dict):
            return {key[:256]: self._shrink(item, room, levels) for key, item in value.items()}
        if isinstance(value, list):
            return [self._shrink(item, room, levels) for item in value]
        return value

    def _bounded(self, values: Mapping[str, Value], name: str) -> Mapping[str, Value]:
        if len(values) <= self._max_attributes:
            return values
        self._note(f"{name} [{len(values) - self._max_attributes} dropped]")
        return dict(islice(values.items(), self._max_attributes))

    def _note(self, path: str) -> None:
        if len(self._cut) < _CUT_PATHS:
            self._cut[path] = None


def _shorten(text: str, room: int) -> str:
    head = text[:room] if text.isascii() else text.encode()[:room].decode(errors="ignore")
    return f"{head}... [TRUNCATED {len(text) - len(head)} chars]"
