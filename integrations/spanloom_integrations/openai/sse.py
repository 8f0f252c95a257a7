"""Bytes of a reply, where the caller reads them raw: server-sent events, or one JSON document.

All of it runs on the worker, over bytes that were noted with their ticks as the caller read them.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Protocol

import msgspec
from msgspec import json

from .values import Loose, Raw


class Tap(Protocol):
    """Watches a stream on the caller's thread; ``reply`` is for the worker."""

    first_tick: int
    """``perf_counter_ns`` of the first chunk with content; 0: none came. Never the role's chunk."""
    last_tick: int
    chunks: int
    """Chunks with content."""
    failure: dict[str, Any] | None
    """What the server reported inside the stream, in the shape of ``errors.note``."""

    @property
    def complete(self) -> bool: ...
    @property
    def weight(self) -> int: ...
    def feed(self, chunk: Any, tick: int = 0, /) -> None: ...
    def end(self) -> None: ...
    def reply(self) -> dict[str, Any]: ...


# lines may end in any of the three ways, also in turns; an empty line ends an event
_GAP = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2,}")
_LINE = re.compile(rb"\r\n|\n|\r")


def feed_events(tap: Tap, body: Sequence[tuple[int, bytes]]) -> None:
    """Let ``tap`` see what the SDK would have shown it, had the caller let the SDK parse."""
    for tick, raw in events(body):
        if raw is None:
            tap.end()
            return
        if type(raw.get("choices")) is list:
            raw["choices"] = loose(raw["choices"])
        tap.feed(Loose(raw), tick)


def events(body: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each event's tick and JSON object; ``None`` is ``[DONE]``. What is no object is left out."""
    data = b"".join([piece for _, piece in body])
    ends = list(accumulate(len(piece) for _, piece in body))
    start = 0
    while start < len(data):
        gap = _GAP.search(data, start)
        # of an event cut off by the end of the body nothing is left that decodes
        stop, after = gap.span() if gap is not None else (len(data), len(data))
        found = _event(data[start:stop])
        if found is not _NOTHING:
            # the event was there with the end of its own line; a pause may follow before the gap
            at = bisect_left(ends, min(stop + 1, len(data)))
            yield body[min(at, len(body) - 1)][0], found
        start = after


_NOTHING: dict[str, Any] = {}


def _event(block: bytes) -> dict[str, Any] | None:
    name, lines = None, []
    for line in _LINE.split(block):
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            name = line[6:].strip()
    payload = b"\n".join(lines)
    if payload.startswith(b"[DONE]"):
        return None
    raw = _decoded(payload)
    if not isinstance(raw, dict):
        return _NOTHING
    if name and "type" not in raw:
        raw["type"] = name.decode("utf-8", "replace")
    return raw


def loose(value: Any) -> Any:
    """The same with every object as a ``Loose``; ``value`` is freshly decoded and given away."""
    if type(value) is dict:
        for key, held in value.items():
            if type(held) is dict or type(held) is list:
                value[key] = loose(held)
        return Loose(value)
    if type(value) is list:
        return [loose(v) if type(v) is dict or type(v) is list else v for v in value]
    return value


def decode_body(body: bytes) -> Raw | None:
    """The object of a JSON reply; ``None`` for anything else."""
    raw = _decoded(body)
    return raw if isinstance(raw, dict) else None


def _decoded(data: bytes) -> Any:
    if not data:
        return None
    try:
        return json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
