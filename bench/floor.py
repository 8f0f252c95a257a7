"""Not a product: the least a recorder can do and still deliver full content as OTLP.

The caller's thread reads two clocks, draws ids, keeps references and appends to a deque. A
thread turns the records into OTLP protobuf by hand and posts them uncompressed. No redaction, no
limits, no errors caught; it trusts that nobody changes a recorded message within 0.2 s. It shows
what is attainable.
"""

import collections
import contextvars
import http.client
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

CURRENT: contextvars.ContextVar["Span | None"] = contextvars.ContextVar("floor", default=None)
BITS, NOW = random.Random().getrandbits, time.time_ns
RECORDS: collections.deque["Span"] = collections.deque(maxlen=100_000)
KEYS: dict[str, bytes] = {}
FIXED64, DOUBLE = struct.Struct("<Q").pack, struct.Struct("<d").pack


class Span:
    __slots__ = ("attrs", "end", "id", "kwargs", "name", "out", "parent", "start", "token", "trace")

    def __init__(self, name: str, attrs: dict[str, Any] | None = None) -> None:
        self.name, self.attrs, self.kwargs, self.out = name, attrs, None, None
        parent = CURRENT.get()
        if parent is None:
            self.trace, self.parent = BITS(128), 0
        else:
            self.trace, self.parent = parent.trace, parent.id
        self.id = BITS(64)

    def __enter__(self) -> "Span":
        self.token = CURRENT.set(self)
        self.start = NOW()
        return self

    def __exit__(self, kind: Any, error: Any, tb: Any) -> None:
        self.end = NOW()
        CURRENT.reset(self.token)
        RECORDS.append(self)


def begin(kwargs: dict[str, Any]) -> Span:
    span = Span("chat")
    span.kwargs = kwargs
    span.start = NOW()
    return span


def finish(span: Span, out: Any) -> None:
    span.end, span.out = NOW(), out
    RECORDS.append(span)


class Tap:
    """Passes chunks through and keeps their text, not the chunks: those die young."""

    def __init__(self, stream: Any, span: Span) -> None:
        self._stream, self._span = stream, span

    def __iter__(self) -> Iterator[Any]:
        text: list[str] = []
        usage, model, keep = None, None, text.append
        try:
            for chunk in self._stream:
                choices = chunk.choices
                if choices:
                    delta = choices[0].delta.content
                    if delta:
                        keep(delta)
                else:
                    usage, model = chunk.usage, chunk.model
                yield chunk
        finally:
            finish(self._span, (text, usage, model))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def patch() -> None:
    from openai.resources.chat.completions import AsyncCompletions, Completions

    create, acreate = Completions.create, AsyncCompletions.create

    def sync(self: Any, **kwargs: Any) -> Any:
        span = begin(kwargs)
        out = create(self, **kwargs)
        if kwargs.get("stream"):
            return Tap(out, span)
        finish(span, out)
        return out

    async def async_(self: Any, **kwargs: Any) -> Any:
        span = begin(kwargs)
        out = await acreate(self, **kwargs)
        finish(span, out)
        return out

    Completions.create, AsyncCompletions.create = sync, async_  # type: ignore[method-assign]


def varint(n: int) -> bytes:
    if n < 128:
        return bytes((n,))
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def attribute(key: str, value: Any) -> bytes:
    head = KEYS.get(key)
    if head is None:
        raw = key.encode()
        head = KEYS[key] = b"\x0a" + varint(len(raw)) + raw
    kind = type(value)
    if kind is bytes or kind is str:
        data = value if kind is bytes else value.encode()
        value = b"\x0a" + varint(len(data)) + data
    elif kind is bool:
        value = b"\x10\x01" if value else b"\x10\x00"
    elif kind is int:
        value = b"\x18" + varint(value & 0xFFFFFFFFFFFFFFFF)
    else:
        value = b"\x21" + DOUBLE(value)
    size = varint(len(value))
    inside = len(head) + 1 + len(size) + len(value)
    return b"\x4a" + varint(inside) + head + b"\x12" + size + value


def content(span: Span, encode: Callable[[Any], bytes]) -> Iterator[tuple[str, Any]]:
    request, out = span.kwargs, span.out
    yield "gen_ai.request.model", request["model"]
    yield "gen_ai.input.messages", encode(request["messages"])
    if isinstance(out, tuple):  # what a stream left
        text, usage, model = out
        answer = "".join(text)
    else:
        usage, model, answer = out.usage, out.model, out.choices[0].message.content or ""
        yield "gen_ai.response.id", out.id
    yield "gen_ai.output.messages", answer
    if model:
        yield "gen_ai.response.model", model
    if usage:
        yield "gen_ai.usage.input_tokens", usage.prompt_tokens
        yield "gen_ai.usage.output_tokens", usage.completion_tokens


def encoded(span: Span, encode: Callable[[Any], bytes]) -> bytes:
    name = span.name.encode()
    parts = [b"\x0a\x10", span.trace.to_bytes(16, "big"), b"\x12\x08", span.id.to_bytes(8, "big")]
    if span.parent:
        parts += (b"\x22\x08", span.parent.to_bytes(8, "big"))
    parts += (b"\x2a", varint(len(name)), name)
    parts += (b"\x30\x03\x39", FIXED64(span.start), b"\x41", FIXED64(span.end))
    if span.attrs:
        parts += [attribute(k, v) for k, v in span.attrs.items()]
    if span.kwargs is not None:
        parts += [attribute(k, v) for k, v in content(span, encode)]
    data = b"".join(parts)
    return b"\x12" + varint(len(data)) + data


class Recorder:
    def __init__(self, address: str) -> None:
        import msgspec

        self.encode = msgspec.json.Encoder().encode
        self.connection = http.client.HTTPConnection(address, timeout=5)
        self.lock, self.stop = threading.Lock(), threading.Event()
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self) -> None:
        while not self.stop.wait(0.2):
            self.drain()

    def drain(self) -> None:
        with self.lock:
            while RECORDS:
                take = [RECORDS.popleft() for _ in range(min(256, len(RECORDS)))]
                spans = b"".join([encoded(s, self.encode) for s in take])
                scope = b"\x12" + varint(len(spans)) + spans
                body = b"\x0a" + varint(len(scope)) + scope
                headers = {"Content-Type": "application/x-protobuf"}
                self.connection.request("POST", "/v1/traces", body, headers)
                self.connection.getresponse().read()

    def close(self) -> None:
        self.stop.set()
        self.drain()
