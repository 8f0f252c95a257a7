"""Keys and cards to plant, each once: wherever a piece of one turns up, it tells where it was planted.

And all backends at once, to look for them in every byte that is written.
"""

import base64
import json
import logging
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from msgspec import Struct
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import spanloom
from spanloom import types as t
from spanloom.backends.console import ConsoleBackend
from spanloom.backends.memory import MemoryBackend
from spanloom.backends.otel import OTelExporterBackend
from spanloom.processors.rules import luhn

Shape = Callable[[str], Any]

SHAPES: Mapping[str, Shape] = {
    "alone": lambda v: v,
    "prose": lambda v: f"They wrote: {v}, and I said no.",
    "json": lambda v: json.dumps({"note": v, "n": 1}),
    "json in json": lambda v: json.dumps({"a": json.dumps({"b": json.dumps([v])})}),
    "escapes": lambda v: '{"note": "' + "".join(f"\\u{ord(c):04x}" for c in v) + '"}',
    "query": lambda v: f"https://api.example/v1?q=1&x={quote(v)}&y=2",
    "form": lambda v: f"a=1&note={quote_plus(v)}&b=2",
    "query in query": lambda v: "https://x.example/?next=" + quote(f"/a?x={quote(v)}", safe=""),
    "userinfo": lambda v: f"https://me:{quote(v, safe='')}@db.example/x",
    "header": lambda v: f"GET / HTTP/1.1\r\nX-Note: {v}\r\nAccept: */*",
    "basic": lambda v: "Authorization: Basic " + base64.b64encode(f"me:{v}".encode()).decode(),
    "repr": lambda v: repr({"value": v, "n": (1, None)}),
    "traceback": lambda v: f'  File "a.py", line 3, in pay\n    pay("{v}")\nValueError: bad {v!r}',
    "csv": lambda v: f'id,note\n7,"{v}"\n8,{v}',
    "markdown": lambda v: f"```sh\nexport X={v}\n```\n**{v}** [x](https://x.example/{quote(v)})",
    "xml": lambda v: f"<note a='{v}'>{v}</note>",
    "data url": lambda v: "data:text/plain;base64," + base64.b64encode(v.encode()).decode(),
    "bytes": lambda v: (f"They wrote: {v}, and I said no. " * 3).encode(),
    "few bytes": str.encode,
    "exception": ValueError,
}  # fmt: skip
TEXTS: Mapping[str, Shape] = {
    name: shape
    for name, shape in SHAPES.items()
    if name not in ("bytes", "few bytes", "exception", "data url")
}
"""Those that can be said to a model, or by one."""

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
_THIRD = re.compile(r"Zq[A-Za-z0-9]{6}7")
_DIGITS = 13
"""Of a card so many in a row are too many."""
_BETWEEN = re.compile(r"[ \-._+]|%20|%2B|%25|\\xa0")
_ESCAPED = re.compile(r"\\{1,8}u00([0-7][0-9a-f])")
_BASE64 = re.compile(r"(?![0-9a-f]{24})[A-Za-z0-9+/]{24,}={0,2}")


class Plants:
    """Makes what is to be planted, and knows it again, whole or in part."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self._parts: dict[str, str] = {}
        self.places: list[str] = []

    def key(self, where: str) -> str:
        """As one vendor makes them; each third of it is known."""
        thirds = [f"Zq{''.join(self._random.choices(_LETTERS, k=6))}7" for _ in range(3)]
        self._parts.update(dict.fromkeys(thirds, where))
        return "-".join(("sk", "proj", "".join(thirds)))

    def card(self, where: str) -> str:
        """Written in one of three ways; most of its digits are known."""
        while True:
            digits = "4" + "".join(self._random.choices("0123456789", k=15))
            if luhn(digits):
                break
        for at in range(len(digits) - _DIGITS + 1):
            self._parts[digits[at : at + _DIGITS]] = where
        between = self._random.choice(("", " ", "-"))
        return between.join(digits[at : at + 4] for at in (0, 4, 8, 12))

    def both(self, where: str, shape: Shape = SHAPES["alone"]) -> Any:
        """A key and a card in one value, in that shape."""
        self.places.append(where)
        return shape(f"{self.key(where)} and {self.card(where)}")

    def text(self, where: str) -> str:
        """The same in one of the shapes that texts have: the next one each time."""
        shapes = [*TEXTS.values()]
        said: str = self.both(where, shapes[(self.seed + len(self.places)) % len(shapes)])
        return said

    def found_in(self, record: str | bytes) -> set[str]:
        """Where what is in ``record`` was planted. Escapes, base64 and separators hide nothing."""
        text = record.decode("utf-8", "replace") if isinstance(record, bytes) else record
        text = _ESCAPED.sub(lambda m: chr(int(m[1], 16)), text)
        text = " ".join((text, *map(_decoded, _BASE64.findall(text))))
        rows = re.findall(rf"[0-9]{{{_DIGITS},}}", _BETWEEN.sub("", text))
        pieces = {row[at : at + _DIGITS] for row in rows for at in range(len(row) - _DIGITS + 1)}
        pieces.update(_THIRD.findall(text))
        return {self._parts[piece] for piece in pieces & self._parts.keys()}


def _decoded(text: str) -> str:
    return base64.b64decode(text[: len(text) // 4 * 4]).decode("latin-1")


# --- every place in the model


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


@cache
def _hints(kind: type[Struct]) -> Mapping[str, Any]:
    """The types of its fields, and of nothing else: class variables are none."""
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.__struct_fields__}


@cache
def _required(kind: type[Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.required)


def places(kind: type[Struct]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """The path of every place below ``kind`` that can hold a text, and what makes one that does."""
    for name, hint in _hints(kind).items():
        for path, make in _places(hint):
            yield name + path, lambda v, n=name, m=make: least(kind, **{n: m(v)})


def _places(hint: Any) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    for option in _options(hint):
        origin, inner = get_origin(option), get_args(option)
        if option is Any:
            yield "", lambda v: v
            yield ".k", lambda v: {"k": v}
            yield "[0].k[0]", lambda v: [{"k": [v]}]
            yield ".<key>", lambda v: {"k": {v: 1}}
        elif option is str:
            yield "", lambda v: v
        elif option is bytes:
            yield "", lambda v: v if isinstance(v, bytes) else str(v).encode()
        elif origin is Mapping and inner[1] is Any:
            yield ".k", lambda v: {"k": v}
            yield ".k.k[0]", lambda v: {"k": {"k": [v]}}
            yield ".<key>", lambda v: {v: "x"}
        elif origin is Mapping:
            yield ".<key>", lambda v: {v: 0.5}
        elif origin is tuple:
            for path, make in _places(inner[0]):
                yield f"[0]{path}", lambda v, m=make: (m(v),)
        elif isinstance(option, type) and issubclass(option, Struct):
            for path, make in places(option):
                yield f"<{option.__name__}>.{path}", make
        elif option not in (int, float, bool, NoneType) and origin is not Literal:
            raise AssertionError(f"{option} is new: say where it can hold a text")


def least(kind: type[Struct], /, **given: Any) -> Any:
    """One of that kind with as little in it as there can be."""
    for name in _required(kind):
        if name not in given:
            given[name] = _least(_hints(kind)[name])
    return kind(**given)


def _least(hint: Any) -> Any:
    option = _options(hint)[-1]  # a task is the plainest detail
    if get_origin(option) is Literal:
        return get_args(option)[0]
    if isinstance(option, type) and issubclass(option, Struct):
        return least(option)
    return {str: "x", int: 1, float: 1.0, bool: True, bytes: b"x"}[option]


def filled(hint: Any, make: Callable[[str], Any], path: str = "") -> Any:
    """One with everything in it that there can be: ``make`` gives what stands at a path."""
    options = [option for option in _options(hint) if option is not NoneType]
    option = str if str in options else options[0]
    origin, inner = get_origin(option), get_args(option)
    if option is str:
        return make(path)
    if option is Any or origin is Mapping:
        if origin is Mapping and inner[1] is float:
            return {str(make(f"{path}.<key>")): 0.5}
        deep = [{"k": [make(f"{path}[0].k[0]")]}]
        return {"k": make(f"{path}.k"), "deep": deep, str(make(f"{path}.<key>")): 1}
    if origin is tuple:
        return tuple(filled(one, make, f"{path}[{i}]") for i, one in enumerate(_options(inner[0])))
    if isinstance(option, type) and issubclass(option, Struct):
        return option(**{n: filled(h, make, f"{path}.{n}") for n, h in _hints(option).items()})
    return _least(option)


def spans(make: Callable[[str], Any]) -> Iterator[t.Span]:
    """One of every kind, with everything in it."""
    for number, (kind, detail) in enumerate(t.DETAILS.items(), 1):
        around = {
            name: filled(hint, make, f"{kind}: {name}")
            for name, hint in _hints(t.Span).items()
            if name not in ("detail", "blobs", "redactions")
        }
        around |= {"trace_id": number, "span_id": number, "end_ns": 2, "status": "error"}
        yield t.Span(detail=filled(detail, make, f"{kind}: detail"), **around)


# --- every byte that is written


def written(place: Path) -> bytes:
    """Of a local record, names of files included."""
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


class Kept(SpanExporter):
    """What OpenTelemetry's own exporters would write."""

    def __init__(self) -> None:
        self.written = ""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.written += "".join(span.to_json() for span in spans)
        return SpanExportResult.SUCCESS


class Watch:
    """Records to all backends, and has all that they, the log and both streams then hold."""

    def __init__(
        self,
        folder: Path,
        streams: pytest.CaptureFixture[str],
        log: pytest.LogCaptureFixture,
        **settings: Any,
    ) -> None:
        self._folder, self._streams, self._log = folder, streams, log
        self.memory, self._exporter = MemoryBackend(wants_pending=True), Kept()
        log.set_level(logging.DEBUG, "spanloom")
        console = ConsoleBackend(content=True, hold_s=0)
        spanloom.init(
            backends=["local", console, self.memory, OTelExporterBackend(self._exporter)],
            dir=str(folder), log_level="debug", **settings,
        )  # fmt: skip

    def written(self) -> dict[str, str]:
        assert spanloom.flush(10).ok
        spanloom.shutdown()
        ours = [record for record in self._log.records if record.name.startswith("spanloom")]
        out, err = self._streams.readouterr()
        return {
            "local": written(self._folder).decode("utf-8", "replace"), "memory": repr(self.memory.spans),
            "otel": self._exporter.written, "streams": out + err,
            "log": "\n".join(map(logging.Formatter().format, ours)),
        }  # fmt: skip
