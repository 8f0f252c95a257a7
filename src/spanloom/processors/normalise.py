"""Make whatever a program passed into plain JSON-like data within bounds. Never raises.

Code of the user runs only where nothing else tells what an object is (``model_dump``, the items of
a mapping; never ``repr``, which may ask a database), and what it raises costs that one value.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from math import isfinite
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from spanloom import types as t
from spanloom.processors.cut import cut
from spanloom.processors.fields import PLAIN, PLANS, Area, Path, Shape, Walker, distinct, render
from spanloom.processors.media import BINARY_KEYS, Blobs, decode, decode_url
from spanloom.processors.survey import MAX_NODES, SPAN_VALUES, may_be_media

SMALL_BYTES: Final = 64
"""Shorter binary values are only counted; longer ones become blobs."""
ARRAY_ITEMS: Final = 128
TABLE_ROWS: Final = 10

_PLAIN_TEXT: tuple[type, ...] = (
    datetime, date, time, timedelta, Decimal, UUID, PurePath, Fraction, complex,
)  # fmt: skip
_SPEAKING: tuple[type, ...] = (
    IPv4Address, IPv6Address, IPv4Network, IPv6Network, tzinfo, type(...), type(NotImplemented),
)  # fmt: skip
"""Classes whose ``repr`` runs no other's code and tells more than their name."""
_SPEAKING_MODULES: Final = frozenset({"builtins", "datetime", "ipaddress", "types", "zoneinfo"})
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_CODE: tuple[type, ...] = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType)


class Normaliser(Walker):
    """For one span: mends its data, puts binary content into ``blobs``, notes what was cut."""

    def __init__(self, *, max_bytes: int, max_depth: int, blobs: Blobs) -> None:
        self.truncated: list[str] = []
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._blobs = blobs
        self._nodes = MAX_NODES
        self._budget = SPAN_VALUES * max_bytes
        self._open: set[int] = set()

    def __call__(self, span: t.Span) -> t.Span:
        span = self.struct(span, "inherit", None)
        truncated = (*span.truncated, *dict.fromkeys(self.truncated))
        return replace(span, truncated=truncated, blobs=tuple(self._blobs))

    # the typed model: an extractor may have put anything anywhere

    def field(self, value: Any, shape: Shape, area: Area, path: Path) -> Any:
        match shape:
            case "text":
                return value if type(value) in PLAIN - {str} else self._words(value, path)
            case "texts":
                return tuple(self._words(v, (path, i)) for i, v in enumerate(_items(value)))
            case "struct" if type(value) not in PLANS:
                return None
            case "structs":
                found = [self._part(v, area, (path, i)) for i, v in enumerate(_items(value))]
                return tuple(v for v in found if v is not None)
            case _:
                return super().field(value, shape, area, path)

    def struct(self, struct: Any, area: Area, path: Path) -> Any:
        if type(struct) is t.Media:
            struct, kept = self._blobs.part(struct)
            if not kept:
                self._cut(path)
        return super().struct(struct, area, path)

    def _part(self, value: Any, area: Area, path: Path) -> Any:
        if type(value) in PLANS:
            return self.struct(value, area, path)
        if path is not None and path[0] is not None and path[0][1] == "parts":
            return t.Opaque(name=type(value).__name__, value=self.value(value, area, path))
        self._cut(path)
        return None

    def _words(self, value: Any, path: Path) -> str:
        if isinstance(value, str):
            return _said(self._text(str.__str__(value), path))
        return _said(self.value(value, "inherit", path))

    def structure(self, value: Any, path: Path) -> Any:
        if type(value) in PLAIN:
            return _encodable(value) if type(value) is str else value
        if type(value) is tuple:
            return tuple(self.structure(v, path) for v in value)
        if isinstance(value, Struct) and type(value).__module__ == t.__name__:
            changes = {
                name: self.structure(getattr(value, name), path) for name in value.__struct_fields__
            }
            return replace(value, **changes)
        plain = self.value(value, "inherit", path)
        if type(plain) is list:
            return tuple(map(_said, plain))
        return plain if type(plain) in PLAIN or type(plain) is dict else _said(plain)

    # data of the program

    def values(self, values: Any, area: Area, path: Path) -> dict[str, t.Value]:
        plain = self.value(values, area, path)
        return plain if type(plain) is dict else {"value": plain}

    def value(self, value: t.Value, area: Area, path: Path) -> t.Value:
        return self._any(value, path, self._max_depth)

    def _any(self, value: Any, path: Path, depth: int) -> t.Value:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._text(value, path)
        if kind is int:
            return value if -(2**63) <= value < 2**63 else self._big(value)
        if kind is float:
            return value if isfinite(value) else str(value)
        if (kind is dict or kind is list) and not value:
            return value
        self._nodes -= 1
        if self._nodes < 0:
            self._cut(path)
            return "<dropped: too many values>"
        if depth <= 0:
            self._cut(path)
            return f"<{_name(value)}: too deep>"
        if id(value) in self._open:
            return f"<{_name(value)}: cycle>"
        self._open.add(id(value))
        try:
            if kind is dict:
                return self._mapping(value, path, depth)
            if kind is list or kind is tuple:
                return self._sequence(value, path, depth)
            return self._object(value, path, depth)
        except Exception as exc:  # the user's object is broken
            self._cut(path)
            return f"<{_name(value)}: {type(exc).__name__}>"
        finally:
            self._open.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], path: Path, depth: int) -> dict[str, t.Value]:
        new: dict[str, t.Value] = {}
        tried: dict[str, int] = {}
        for key, item in list(value.items()):
            if self._nodes <= 0:
                self._cut(path)
                break
            self._nodes -= 1
            name = distinct(self._key(key, path), new, tried)
            inner = (path, name)
            if type(item) is str and name in BINARY_KEYS and may_be_media(item):
                new[name] = self._media(item, value, inner)
            else:
                new[name] = self._any(item, inner, depth - 1)
        return new

    def _sequence(self, value: Any, path: Path, depth: int) -> list[t.Value]:
        new: list[t.Value] = []
        for index, item in enumerate(list(value)):
            if self._nodes <= 0:
                self._cut(path)
                break
            self._nodes -= 1
            new.append(self._any(item, (path, index), depth - 1))
        return new

    def _key(self, key: Any, path: Path) -> str:
        match key:
            case None:
                text = "null"
            case bool():
                text = "true" if key else "false"
            case Enum():
                text = str(key.value)
            case str():
                text = str.__str__(key)
            case _:
                text = _said(self._any(key, (path, "key"), 4))
        return self._string(text, path)

    def _big(self, value: int) -> str:
        # str() of a huge int is quadratic, and refused beyond 4,300 digits
        return str(value) if value.bit_length() < 4096 else f"<int of {value.bit_length()} bits>"

    def _object(self, value: Any, path: Path, depth: int) -> t.Value:
        def again(plainer: Any) -> t.Value:
            return self._any(plainer, path, depth - 1)

        kind = type(value)
        if any("__class__" in base.__dict__ for base in kind.__mro__[:-1]):
            # a proxy: to ask what it is would load what it stands for
            return f"<{_name(value)}>"
        match value:
            case Enum():
                return again(value.value)
            case str():
                return self._text(str.__str__(value), path)
            case int():
                return again(int.__add__(value, 0))
            case float():
                return again(float.__add__(value, 0.0))
            case bytes() | bytearray() | memoryview():
                return self._bytes(bytes(value), None, path)
            case _ if isinstance(value, _PLAIN_TEXT):
                return self._text(str(value), path)
            case _ if isinstance(value, _CODE):
                return f"<{getattr(value, '__qualname__', None) or _name(value)}>"
            case re.Pattern():
                return again(value.pattern)
            case BaseException():
                return self._text(f"{_name(value)}: {value}", path)
            case t.Media():
                part, _ = self._blobs.part(value)
                return self._fields(part, part.__struct_fields__, path, depth)
            case Struct():
                return self._fields(value, value.__struct_fields__, path, depth)
            case Mapping():
                return self._mapping(value, path, depth)
            case set() | frozenset():
                return sorted(self._sequence(value, path, depth), key=str)
            case list() | tuple() | deque() | range():
                return self._sequence(value, path, depth)
            case _ if kind in _VIEWS:
                return self._sequence(value, path, depth)
        if kind.__module__.partition(".")[0] in (
            "numpy",
            "pandas",
            "torch",
            "polars",
            "jax",
            "jaxlib",
        ):
            return again(_array(value))
        if hasattr(kind, "get_secret_value"):  # pydantic's: the value must not be asked for
            return "[SECRET_REDACTED]"
        if is_dataclass(value):
            return self._fields(value, tuple(f.name for f in dataclass_fields(value)), path, depth)
        if hasattr(kind, "__attrs_attrs__"):
            return self._fields(value, tuple(a.name for a in kind.__attrs_attrs__), path, depth)
        if callable(getattr(kind, "model_dump", None)):
            return again(_model(value))
        if hasattr(kind, "__fields__") and isinstance(getattr(value, "__dict__", None), dict):
            return again(dict(value.__dict__))
        if hasattr(kind, "__next__") or hasattr(kind, "__anext__") or hasattr(kind, "__await__"):
            return f"<{kind.__name__}>"  # never consumed: it is the program's
        if isinstance(value, _SPEAKING) and kind.__module__ in _SPEAKING_MODULES:
            return self._text(repr(value), path)
        named = f"<{_name(value)}>"
        held = self._mapping(_attributes(value), path, depth)
        return {"type": named, **held} if held else named

    def _fields(
        self, value: Any, names: tuple[str, ...], path: Path, depth: int
    ) -> dict[str, t.Value]:
        found = {name: getattr(value, name) for name in names if hasattr(value, name)}
        return self._mapping(found, path, depth)

    # texts and binary content

    def _text(self, text: str, path: Path) -> t.Value:
        if text.startswith("data:"):
            decoded = decode_url(text)
            if decoded is not None:
                return self._bytes(*decoded, path)
        return self._string(text, path)

    def _media(self, text: str, around: Mapping[Any, Any], path: Path) -> t.Value:
        """A long text of base64 whose key says that it may be binary."""
        data = None if text.startswith("data:") else decode(text)
        if data is None:
            return self._text(text, path)
        said = around.get("media_type") or around.get("mime_type") or around.get("mimeType")
        mime_type = said if type(said) is str else None
        if mime_type is None and type(around.get("format")) is str:
            mime_type = f"audio/{around['format']}"
        return self._bytes(data, mime_type, path)

    def _bytes(self, data: bytes, mime_type: str | None, path: Path) -> t.Value:
        if len(data) < SMALL_BYTES and mime_type is None:
            return f"<bytes {len(data)}>"
        value, kept = self._blobs.value(data, mime_type)
        if not kept:
            self._cut(path)
        return value

    def _string(self, text: str, path: Path) -> str:
        """Encodable, and within the cap: what is beyond is dropped here and never scanned."""
        room = max(0, min(self._max_bytes, self._budget))
        size = len(text)
        if size > room:
            text = text[:room]
        if not text.isascii():
            text = _encodable(text)
            raw = text.encode()
            if len(raw) > room:
                text = raw[:room].decode(errors="ignore")
        self._budget -= len(text)
        if len(text) >= size:
            return text
        self._cut(path)
        return cut(text, size)

    def _cut(self, path: Path) -> None:
        if len(self.truncated) < 100:
            self.truncated.append(render(path))


def _encodable(text: str) -> str:
    """Lone surrogates, which have no UTF-8, as visible escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _name(value: Any) -> str:
    return str(type(value).__name__)[:100]


def _said(plain: t.Value) -> str:
    """Plain data as a text in which names still stand before what they name."""
    if type(plain) is str:
        return plain
    return json.dumps(plain, ensure_ascii=False) if type(plain) in (dict, list) else str(plain)


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        return iter(value)
    return iter(() if isinstance(value, Iterator) else (value,))


def _attributes(value: Any) -> dict[str, Any]:
    """The plain ones that are public, read without code of the class."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    if type(held) is not dict:
        return {}
    return {
        key: item
        for key, item in list(held.items())
        if type(key) is str and key[:1] != "_" and type(item) in PLAIN
    }


def _model(value: Any) -> Any:
    try:
        return value.model_dump(warnings=False)
    except Exception:  # a serializer of the user raised, or a cycle
        return dict(vars(value))


def _array(value: Any) -> Any:
    """Numbers and tables of libraries that we must not import, seen by their shape."""
    kind, shape = _name(value), getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    if shape == () and callable(getattr(value, "item", None)):
        item = value.item()
        return item if type(item) is not type(value) else str(item)
    columns = getattr(value, "columns", None)
    if columns is not None:
        head = value.head(TABLE_ROWS)
        rows: Callable[..., Any] = getattr(head, "to_dicts", None) or (
            lambda: head.to_dict("records")
        )
        return {"type": kind, "shape": list(shape or ()), "columns": list(columns), "head": rows()}
    if shape is not None:
        size = 1
        for axis in shape:
            size *= int(axis)
        if size <= ARRAY_ITEMS and callable(getattr(value, "tolist", None)):
            return value.tolist()
        return f"<{kind} {dtype} {tuple(shape)}>"
    return str(value)
