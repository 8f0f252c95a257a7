"""What a fake provider can be told to answer, and the record of what it answered.

Counts are tokens; times are seconds (``_s``). Every type is frozen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from spanloom.testing.server import Headers

Flavour = Literal["openai", "azure", "deepseek", "groq", "openrouter", "together"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts. ``prompt`` includes ``cached``; ``completion`` includes ``reasoning``.

    ``cost_usd`` is told only by the flavours that tell costs.
    """

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0
    cache_write: int | None = None
    cost_usd: float | None = None

    @property
    def total(self) -> int:
        """Prompt and completion together."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call. ``arguments`` is JSON text (any text, to test bad JSON) or an object.

    An empty ``id`` is made up.
    """

    name: str
    arguments: str | Mapping[str, Any] = "{}"
    id: str = ""

    @property
    def arguments_json(self) -> str:
        """The arguments as they go over the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Chat:
    """An answer of a chat, responses or legacy completions endpoint.

    Args:
        text: the answer; a tuple gives one per choice (``n > 1``); ``None`` is random, unless
            there are tool calls or a refusal.
        tool_calls: function calls of the first choice; more than one are parallel calls.
        refusal: refusal text instead of an answer.
        reasoning: the reasoning summary (responses) or ``reasoning_content`` (DeepSeek).
        usage: token counts; ``None`` means that no usage is told.
        finish_reason: ``stop`` or ``tool_calls`` if not given. ``length`` and
            ``content_filter`` make a responses answer incomplete, ``failed`` makes it fail.
        model: the answering model; empty means the snapshot of the requested one.
        chunks: number of pieces a streamed text comes in, or the pieces; 0 is random.
        delay_s: wait before the first byte.
        chunk_delay_s: wait before each further streamed event.
        id: response id; empty means a random one.
    """

    text: str | tuple[str, ...] | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    usage: Tokens | Literal["random"] | None = "random"
    finish_reason: str = ""
    model: str = ""
    chunks: int | Sequence[str] = 0
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """Any JSON object (or bytes) as the whole body: for the endpoints that have no own type.

    ``delay_s`` is the wait before the first byte.
    """

    body: Mapping[str, Any] | bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Error:
    """An error status with the provider's JSON error. Empty fields are filled by status.

    ``delay_s`` is the wait before the first byte.
    """

    status: int
    code: str | None = ""
    type: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    param: str | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection with a TCP RST.

    With neither count nothing is sent at all, not even a status line. ``after_bytes`` counts
    bytes of the body, ``after_chunks`` events of a stream; 0 means after the headers.
    """

    after_bytes: int | None = None
    after_chunks: int | None = None
    answer: Chat | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing for ``seconds``, then close. ``after_chunks`` events of a stream come before."""

    seconds: float
    after_chunks: int | None = None
    answer: Chat | None = None


@dataclass(frozen=True, slots=True)
class ErrorInStream:
    """A 200, some events, then an ``error`` object in the data. Not streamed: a status 500."""

    after_chunks: int = 1
    message: str = "The server had an error while processing your request."
    code: str | None = "server_error"
    type: str = "server_error"
    answer: Chat | None = None


@dataclass(frozen=True, slots=True)
class Truncate:
    """End a stream in the middle: no finish reason, no usage, no end mark.

    ``clean`` ends the HTTP body properly, as a proxy does; otherwise the connection is closed
    within the body. Not streamed: the first half of the body.
    """

    after_chunks: int = 1
    clean: bool = True
    answer: Chat | None = None


@dataclass(frozen=True, slots=True)
class Garbage:
    """A 200 that says JSON (or an event stream) and is neither."""

    body: bytes = b"<html><body>upstream went for lunch</body></html>"


Failure = Reset | Hang | ErrorInStream | Truncate
Answer = Chat | Body | Error | Failure | Garbage
"""Whatever a provider may be told to say. ``answer`` of a failure is what it breaks off; None: random."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the client was told, read from the very payloads that were sent.

    ``usage`` is the provider's own object. ``texts`` has one entry per choice, ``text`` is the
    first. ``complete`` is false where a stream broke off before its end. ``None`` and empty
    mean that the client was not told.
    """

    id: str | None = None
    model: str | None = None
    text: str = ""
    texts: tuple[str, ...] = ()
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    usage: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    events: int = 0
    complete: bool = True


Outcome = Literal["answered", "reset", "hung", "failed", "truncated", "disconnected"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what was answered.

    ``number`` counts requests in the order they arrived, from 1. ``path`` includes the query.
    ``status`` is 0 where no status line was sent. ``endpoint`` is the path without its prefix,
    such as ``/chat/completions``; empty when unknown. ``raw`` is the whole request, ``json`` its parsed
    body or None, ``answer`` what the client was told. ``start_ns`` and ``end_ns`` are times since the epoch.
    """

    number: int
    method: str
    path: str
    endpoint: str
    headers: Headers
    body: bytes
    json: Any
    raw: bytes
    status: int
    response_headers: Headers
    answer: Facts
    outcome: Outcome
    stream: bool
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a script sees it.

    ``params`` is the JSON body or, for a multipart body, its text fields. ``text`` is all the
    text of the last user message (or the input, or the prompt).
    """

    method: str
    path: str
    endpoint: str
    flavour: Flavour
    headers: Headers
    params: Mapping[str, Any]
    body: bytes
    query: Mapping[str, str]
    text: str

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        if self.method == "GET":
            return self.query.get("stream") == "true"
        return self.params.get("stream") in (True, "true")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a body and the payload that a client reads in them (if any)."""

    data: bytes
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, ready to send: one piece, or one for each streamed event."""

    pieces: tuple[Piece, ...]
    stream: bool = False
    status: int = 200
    content_type: str = "application/json"
    headers: Headers = ()
