"""The workloads. A builder takes the adapter and returns a function of no arguments: one call.

Model calls are answered inside the process, so that nothing but the client and the recorder is
measured. Prompts and answers differ from call to call: a recorder may not win by caching.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

CALLS = {"W1": 600, "W1A": 600, "W2": 60, "W3": 150, "W4": 600, "W5": 60, "W9": 4000, "stream": 30}
"""Calls of one process at scale 1."""

VALGRIND_CALLS = {
    "W1": 60, "W1A": 60, "W2": 6, "W3": 12, "W4": 60, "W5": 6, "W9": 200, "stream": 2
}  # fmt: skip
"""Calls of one process under valgrind, which is about fifty times slower."""

SLICE = {"W1": 20, "W1A": 20, "W2": 2, "W3": 5, "W4": 40, "W5": 4, "W9": 200, "stream": 1}
"""Calls of one turn, after which the next process has its own; some 20 ms."""

PAUSE = {"W9"}
"""Flush after every slice. OpenTelemetry's queue holds 2,048 spans; without the pause it would
drop most of W9's, and dropping is cheap: the peers would look better than they are."""

PRELOAD = {"W9": (), "W4": ("langchain_core.prompts",), "W5": ("langchain.agents",)}
"""What the application has imported before it sets up its recorder; elsewhere ``openai``."""

CHUNKS = 200
"""Chunks in one streamed answer of W2: 198 with text, one with the finish reason, one usage."""

STUB_CHUNKS = 2000
"""Chunks in one answer of the ``stream`` workload."""


def _prose(size: int) -> str:
    """Pseudo-English, words drawn by Zipf's law: compresses about as prose does."""
    rng = random.Random(7)
    syllables = [
        c + v + e for c in "bcdfghklmnprstw" for v in "aeiou" for e in ("", "n", "r", "st")
    ]
    words = ["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3)))) for _ in range(2000)]
    picks = rng.choices(words, weights=[1 / (i + 2) for i in range(len(words))], k=size // 4)
    return " ".join(picks)[:size]


PROSE = _prose(400_000)
_serial = itertools.count(1)
last_prompt = ""
"""The newest prompt: what the delivery check looks for in what was delivered."""


def text(size: int) -> str:
    """Another stretch of the prose for every call."""
    start = next(_serial) * 1_299_709 % (len(PROSE) - size)
    return PROSE[start : start + size]


def prompt(size: int) -> str:
    global last_prompt
    last_prompt = text(size)
    return last_prompt


def messages(size: int) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "You are a support agent. Answer briefly."},
        {"role": "user", "content": prompt(size)},
    ]


USAGE = {
    "prompt_tokens": 512,
    "completion_tokens": 256,
    "total_tokens": 768,
    "prompt_tokens_details": {"cached_tokens": 128, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
}
HEAD = {
    "id": "chatcmpl-BxYz0123456789abcdefghij",
    "created": 1763600000,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "system_fingerprint": "fp_0123456789",
}
REQUEST: dict[str, Any] = {"model": "gpt-4o-mini", "temperature": 0.7, "max_tokens": 512}
STREAMED: dict[str, Any] = {**REQUEST, "stream": True, "stream_options": {"include_usage": True}}


def _completion(answer: str) -> bytes:
    message = {"role": "assistant", "content": answer, "refusal": None, "annotations": []}
    choice = {"index": 0, "logprobs": None, "finish_reason": "stop", "message": message}
    body = {**HEAD, "object": "chat.completion", "usage": USAGE, "choices": [choice]}
    return json.dumps(body).encode()


def chunk(
    delta: dict[str, Any] | None, finish: str | None = None, usage: dict[str, Any] | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    choices = [] if delta is None else [choice]
    return {**HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}


def _stream(answer: str) -> bytes:
    chunks = [
        chunk({"role": "assistant", "content": "", "refusal": None}),
        *(chunk({"content": answer[i * 5 : i * 5 + 5]}) for i in range(CHUNKS - 2)),
        chunk({}, "stop"),
        chunk(None, usage=USAGE),
    ]
    events = [b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks]
    return b"".join([*events, b"data: [DONE]\n\n"])


def _bodies(stream: bool) -> Iterator[bytes]:
    if stream:
        return itertools.cycle([_stream(text(1024)) for _ in range(16)])
    return itertools.cycle([_completion(text(1024)) for _ in range(64)])


def _client(make: Any, http: str, stream: bool) -> Any:
    import httpx2

    bodies = _bodies(stream)
    headers = {
        "content-type": "text/event-stream" if stream else "application/json",
        "x-request-id": "req_0123456789abcdef",
        "openai-processing-ms": "412",
    }

    def answer(request: Any) -> Any:
        return httpx2.Response(200, headers=headers, content=next(bodies))

    async def answer_async(request: Any) -> Any:
        return answer(request)

    transport = httpx2.MockTransport(answer if http == "Client" else answer_async)
    client = getattr(httpx2, http)(transport=transport)
    return make(api_key="sk-test", base_url="http://llm.test/v1", http_client=client)


def _chat(adapter: Any, size: int) -> Callable[[], Any]:
    create = _client(adapter.openai, "Client", stream=False).chat.completions.create
    return lambda: create(messages=messages(size), **REQUEST)


def w1(adapter: Any) -> Callable[[], Any]:
    """One chat completion: 2 KB prompt, 1 KB answer."""
    return _chat(adapter, 2048)


def w1a(adapter: Any) -> Callable[[], Any]:
    """W1 with the async client, one call after the other in one event loop."""
    client = _client(adapter.async_openai, "AsyncClient", stream=False)
    create = client.chat.completions.create

    async def call() -> None:
        await create(messages=messages(2048), **REQUEST)

    return call


def w2(adapter: Any) -> Callable[[], Any]:
    """W1 streamed, in 200 chunks."""
    create = _client(adapter.openai, "Client", stream=True).chat.completions.create

    def call() -> None:
        parts = []
        for item in create(messages=messages(2048), **STREAMED):
            if item.choices and item.choices[0].delta.content:
                parts.append(item.choices[0].delta.content)
        if len("".join(parts)) != (CHUNKS - 2) * 5:
            raise AssertionError("the recorder changed the stream")

    return call


def w3(adapter: Any) -> Callable[[], Any]:
    """W1 with a 100 KB prompt."""
    return _chat(adapter, 102_400)


def w9(adapter: Any) -> Callable[[], Any]:
    """Manual API: three nested spans with ten attributes each."""
    nested: Callable[[], Any] = adapter.nested()
    return nested


def w4(adapter: Any) -> Callable[[], Any]:
    """LangChain: prompt, model, parser."""
    import chains

    return chains.w4(adapter)


def w5(adapter: Any) -> Callable[[], Any]:
    """LangGraph: an agent with three tool calls."""
    import chains

    return chains.w5(adapter)


BUILD = {"W1": w1, "W1A": w1a, "W2": w2, "W3": w3, "W4": w4, "W5": w5, "W9": w9}


class Stub:
    """The ``stream`` workload: iterate answers whose chunk objects were made beforehand.

    Receiving and parsing a chunk costs the client about 80 us, which drowns the microsecond a
    recorder may add. Here the client's own loop is replaced by one that hands out ready objects;
    whatever sits on top of it (the recorder) stays as it is.
    """

    def __init__(self, adapter: Any) -> None:
        from openai import Stream
        from openai.types.chat import ChatCompletionChunk

        self.ready: list[Any] = []
        self.model = ChatCompletionChunk

        def hand_out(_: Any) -> Iterator[Any]:
            while self.ready:
                yield self.ready.pop()

        Stream.__stream__ = hand_out  # type: ignore[method-assign]
        self.create = _client(adapter.openai, "Client", stream=True).chat.completions.create

    def prepare(self) -> Any:
        words = [chunk({"content": PROSE[i * 5 : i * 5 + 5]}) for i in range(STUB_CHUNKS - 2)]
        chunks = [*words, chunk({}, "stop"), chunk(None, usage=USAGE)]
        self.ready.extend(self.model.model_validate(c) for c in reversed(chunks))
        return self.create(messages=messages(2048), **STREAMED)


def kept_chunks(adapter: Any, streams: int = 3) -> float:
    """Chunk objects still alive right after a stream has been read to its end, for each stream."""
    import weakref

    create = _client(adapter.openai, "Client", stream=True).chat.completions.create
    alive = 0
    for _ in range(streams):
        seen = []
        for item in create(messages=messages(2048), **STREAMED):
            seen.append(weakref.ref(item))
        del item
        alive += sum(1 for ref in seen if ref() is not None)
    return alive / streams
