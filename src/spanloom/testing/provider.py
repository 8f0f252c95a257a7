"""A model provider on a loopback port that speaks the OpenAI wire protocol for real.

    with FakeProvider(seed=7) as provider:
        provider.script([Chat(text="Hello"), Error(429, headers={"retry-after": "1"})])
        client = openai.OpenAI(base_url=provider.url, api_key="any")
        ...
        assert provider.exchanges[0].answer.text == "Hello"

Also a program: ``python -m spanloom.testing.provider --port 0 --seed 7``; it serves until stdin closes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Any, get_args

import msgspec

from spanloom.testing import media, responses, wire
from spanloom.testing.answers import (
    Answer,
    Body,
    Call,
    Chat,
    Error,
    ErrorInStream,
    Exchange,
    Facts,
    Flavour,
    Garbage,
    Outcome,
    Piece,
    Reply,
)
from spanloom.testing.invention import Draft, draft, key, user_text
from spanloom.testing.sending import Sending
from spanloom.testing.server import Connection, Request, Server, form

ENDPOINT = re.compile(
    r"(/chat/completions|/completions|/responses|/embeddings|/images/generations|/images/edits"
    r"|/audio/transcriptions|/audio/translations|/audio/speech|/moderations|/models)(/[^/]+)?/?$"
)
SPOKEN = frozenset({"/chat/completions", "/completions", "/responses"})

Where = str | Callable[[Call], bool]
Said = Answer | Callable[[Call], Answer]


class FakeProvider:
    """Listens while used as a context manager; answers by script, by rule, or at random.

    Args:
        seed: what random answers are drawn from; ``None`` draws one. Requests with the same
            path and body get the same answer under the same seed, whatever runs beside them.
        flavour: whose dialect to speak. Azure is also recognised by its paths.
        port: 0 takes a free one.
        log: a file to which each exchange's facts are appended as a line of JSON.

    On leaving the block, an exception raised by a script's own function is raised again.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        flavour: Flavour = "openai",
        port: int = 0,
        log: str | Path | None = None,
    ) -> None:
        self.seed: int = SystemRandom().randrange(1 << 31) if seed is None else seed
        self.flavour: Flavour = flavour
        self._server = Server(self._handle, port=port)
        self._log = Path(log) if log else None
        self._changed = threading.Condition()
        self._exchanges: list[Exchange] = []
        self._queues: dict[str, deque[Answer]] = {}
        self._rules: list[tuple[Where, Said]] = []
        self._asked: Counter[str] = Counter()
        self._number = 0
        self._responses: dict[str, tuple[dict[str, Any], Draft]] = {}

    def __repr__(self) -> str:
        return f"FakeProvider(seed={self.seed}, flavour={self.flavour!r}, url={self.url!r})"

    def __enter__(self) -> FakeProvider:
        self._server.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.close()
        if error is None and self._server.faults:
            raise self._server.faults[0]

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a path: an Azure endpoint."""
        host, port = self._server.address
        return f"http://{host}:{port}"

    @property
    def url(self) -> str:
        """The base URL to give to an SDK."""
        return f"{self.origin}/v1"

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """What happened so far, in the order in which it ended.

        An exchange is here before its last byte is sent. See ``wait`` for a client that left.
        """
        with self._changed:
            return tuple(self._exchanges)

    @property
    def raw_requests(self) -> tuple[bytes, ...]:
        """The bytes of each request, head and body, in the order of arrival."""
        return tuple(e.raw for e in sorted(self.exchanges, key=lambda e: e.number))

    def wait(self, count: int, timeout_s: float = 5.0) -> tuple[Exchange, ...]:
        """Wait until that many exchanges have ended.

        Raises:
            TimeoutError: there were fewer.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._exchanges) >= count, timeout_s):
                raise TimeoutError(f"{len(self._exchanges)} of {count} exchanges ended")
            return tuple(self._exchanges)

    def script(self, answers: Iterable[Answer], *, path: str = "") -> None:
        """Queue answers, each used once and in order.

        Args:
            answers: what to say.
            path: the endpoint they are for, such as ``/chat/completions``. Without it they are
                for whichever chat, completions or responses request comes next.
        """
        with self._changed:
            self._queues.setdefault(path.rstrip("/"), deque()).extend(answers)

    def on(self, where: Where, answer: Said) -> None:
        """Answer every request that fits, after scripted answers; the newest rule wins.

        Args:
            where: an endpoint, or a predicate of the call.
            answer: what to say, or a function of the call that returns it.
        """
        with self._changed:
            self._rules.insert(0, (where, answer))

    def clear(self) -> None:
        """Forget exchanges, scripts, rules and repeated requests; keep seed and flavour."""
        with self._changed:
            self._exchanges.clear()
            self._queues.clear()
            self._rules.clear()
            self._asked.clear()
            self._responses.clear()
            self._number = 0

    # -- one request, on the thread of its connection -----------------------------------------

    def _handle(self, request: Request, connection: Connection) -> None:
        start_ns = time.time_ns()
        call = self._call(request)
        with self._changed:
            self._number += 1
            number = self._number
            rng = self._rng(request)
        answer = self._next(call)
        reply = self._reply(call, answer, rng)
        headers = (
            ("content-type", reply.content_type),
            ("x-request-id", f"req_{key(rng, 32).lower()}"),
            ("openai-processing-ms", str(rng.randint(5, 900))),
            *reply.headers,
        )

        def record(status: int, facts: Facts, outcome: Outcome) -> None:
            self._record(
                Exchange(
                    number=number,
                    method=request.method,
                    path=request.target,
                    endpoint=call.endpoint,
                    headers=request.headers,
                    body=request.body,
                    json=request.json,
                    raw=request.raw,
                    status=status,
                    response_headers=headers if status else (),
                    answer=facts,
                    outcome=outcome,
                    stream=reply.stream,
                    start_ns=start_ns,
                    end_ns=time.time_ns(),
                )
            )

        Sending(connection, reply, headers, record).answer(answer)

    def _call(self, request: Request) -> Call:
        found = ENDPOINT.search(request.path)
        endpoint = found.group(1) if found else ""
        # Only these two have something below them, and it is only read.
        if found and found.group(2):
            readable = request.method == "GET" and endpoint in ("/responses", "/models")
            endpoint = endpoint if readable else ""
        params = request.json if isinstance(request.json, dict) else {}
        if not params:
            params = {
                name: value.decode("utf-8", "replace")
                for name, file, value in form(request)
                if not file
            }
        return Call(
            method=request.method,
            path=request.target,
            endpoint=endpoint,
            flavour=wire.flavour_of(request.path, self.flavour),
            headers=request.headers,
            params=params,
            body=request.body,
            query=dict(request.query),
            text=user_text(params),
        )

    def _rng(self, request: Request) -> Random:
        """Drawn from seed, request and how often it came, so that threads do not matter."""
        body = request.body
        boundary = request.header("content-type").partition("boundary=")[2]
        if boundary:
            body = body.replace(boundary.encode(), b"")
        digest = hashlib.sha256(request.target.encode() + b"\0" + body).hexdigest()
        self._asked[digest] += 1
        return Random(f"{self.seed}|{digest}|{self._asked[digest]}")

    def _next(self, call: Call) -> Answer | None:
        with self._changed:
            for path in (call.endpoint, ""):
                queue = self._queues.get(path)
                if queue and (path or (call.endpoint in SPOKEN and call.method == "POST")):
                    return queue.popleft()
            rules = list(self._rules)
        for where, answer in rules:
            if where.rstrip("/") == call.endpoint if isinstance(where, str) else where(call):
                return answer(call) if callable(answer) else answer
        return None

    def _reply(self, call: Call, answer: Answer | None, rng: Random) -> Reply:
        """The whole answer, before any failure cuts it."""
        created = int(time.time())
        match answer:
            case Error():
                body = wire.error(
                    answer.status, answer.code, answer.type, answer.message, answer.param
                )
                return wire.whole(body, answer.status, tuple(answer.headers.items()))
            case Body(body=bytes() as data):
                headers = tuple(answer.headers.items())
                return Reply((Piece(data),), status=answer.status, headers=headers)
            case Body(body=payload):
                return wire.whole(payload, answer.status, tuple(answer.headers.items()))
            case Garbage():
                data = b"data: " + answer.body + b"\n\n" if call.stream else answer.body
                kind = wire.EVENT_STREAM if call.stream else "application/json"
                return Reply((Piece(data),), stream=call.stream, content_type=kind)
            case ErrorInStream() if not call.stream:
                body = wire.error(500, answer.code, answer.type, answer.message)
                return wire.whole(body, 500)
        chat = answer if isinstance(answer, Chat) or answer is None else answer.answer
        reply = self._say(call, chat, rng, created)
        return replace(reply, headers=tuple(chat.headers.items())) if chat else reply

    def _say(self, call: Call, chat: Chat | None, rng: Random, created: int) -> Reply:
        if chat is not None and call.endpoint not in SPOKEN:
            raise TypeError(f"a Chat was scripted for {call.method} {call.path}; use Body")
        match call.endpoint:
            case "/chat/completions":
                return wire.chat(draft(chat, call, rng, created), call)
            case "/completions":
                return wire.completion(draft(chat, call, rng, created), call)
            case "/responses":
                return self._response(call, chat, rng, created)
            case "/embeddings":
                return media.embeddings(call, rng, self.seed)
            case "/images/generations" | "/images/edits":
                return media.images(call, rng, created)
            case "/audio/transcriptions" | "/audio/translations":
                return media.transcript(call, rng)
            case "/audio/speech":
                return media.speech(call, rng)
            case "/moderations":
                return media.moderations(call, rng)
            case "/models":
                return media.models(call, created)
        message = f"Invalid URL ({call.method} {call.path})"
        return wire.whole(wire.error(404, "unknown_url", message=message), 404)

    def _response(self, call: Call, chat: Chat | None, rng: Random, created: int) -> Reply:
        if call.method != "GET":
            made = draft(chat, call, rng, created)
            told = responses.response_object(made, call)
            with self._changed:
                self._responses[told["id"]] = (told, made)
            if call.stream:
                return responses.stream(told, made.choices[0], made)
            return wire.whole(told)
        wanted = call.path.partition("?")[0].rstrip("/").rpartition("/")[2]
        with self._changed:
            known = self._responses.get(wanted)
        if known is None:
            message = f"Response with id '{wanted}' not found."
            return wire.whole(wire.error(404, None, message=message), 404)
        return responses.stored(known[0], call, known[1])

    def _record(self, exchange: Exchange) -> None:
        with self._changed:
            self._exchanges.append(exchange)
            if self._log is not None:
                with self._log.open("ab") as file:
                    file.write(msgspec.json.encode(line(exchange)) + b"\n")
            self._changed.notify_all()


def line(exchange: Exchange) -> dict[str, Any]:
    """What the log tells of an exchange: the request in short, the answer's facts in full."""
    asked = exchange.json if isinstance(exchange.json, dict) else {}
    return {
        "number": exchange.number,
        "method": exchange.method,
        "path": exchange.path,
        "endpoint": exchange.endpoint,
        "requested_model": asked.get("model"),
        "stream": exchange.stream,
        "status": exchange.status,
        "outcome": exchange.outcome,
        "start_ns": exchange.start_ns,
        "end_ns": exchange.end_ns,
        "request_id": dict(exchange.response_headers).get("x-request-id"),
        "answer": exchange.answer,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stdin closes or SIGTERM; the first line on stdout is the base URL."""
    parser = argparse.ArgumentParser(
        prog="python -m spanloom.testing.provider",
        description="A fake model provider that speaks the OpenAI wire protocol. Its first line is its "
        "base URL; it serves until stdin closes or SIGTERM. In the background: "
        "sleep infinity | python -m spanloom.testing.provider &",
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--seed", type=int, help="what random answers are drawn from")
    parser.add_argument("--flavour", choices=get_args(Flavour), default="openai")
    parser.add_argument("--log", type=Path, help="append each answer's facts as a line of JSON")
    given = parser.parse_args(arguments)
    stop = threading.Event()

    def until_stdin_closes() -> None:
        # os.read, as a thread blocked inside sys.stdin's lock would break the exit.
        while os.read(0, 65536):
            pass
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with FakeProvider(
        seed=given.seed, flavour=given.flavour, port=given.port, log=given.log
    ) as provider:
        print(provider.url, flush=True)
        threading.Thread(target=until_stdin_closes, daemon=True).start()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
