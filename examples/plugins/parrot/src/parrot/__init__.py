"""Client of Parrot, a model provider that does not exist: the library that the example plugs in.

It knows nothing of spanloom. Its wire format is that of OpenAI's chat completions, as of many
providers, so that a fake one can answer over real HTTP.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

Messages = list[dict[str, Any]]


class ParrotError(Exception):
    """The provider refused, or failed in the middle of a stream."""

    def __init__(self, message: str, *, status: int | None, code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    id: str
    model: str
    text: str
    finish: str | None
    usage: dict[str, Any] | None
    request_id: str | None


@dataclass(frozen=True)
class Piece:
    """A piece of a streamed answer: text first, the finish reason and the usage at the end."""

    id: str
    model: str
    text: str
    finish: str | None
    usage: dict[str, Any] | None


class Stream:
    """Pieces as they come. Close it, or use it in ``with``, where you do not read to the end."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._iterator = self._pieces()

    def _pieces(self) -> Iterator[Piece]:
        try:
            for line in self.response.iter_lines():
                if (piece := _piece(line)) is not None:
                    yield piece
        finally:
            self.response.close()

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        return next(self._iterator)

    def close(self) -> None:
        self.response.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class AsyncStream:
    """The same for ``async for`` and ``async with``."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._iterator = self._pieces()

    async def _pieces(self) -> AsyncIterator[Piece]:
        try:
            async for line in self.response.aiter_lines():
                if (piece := _piece(line)) is not None:
                    yield piece
        finally:
            await self.response.aclose()

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        return await anext(self._iterator)

    async def close(self) -> None:
        await self.response.aclose()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()


class Client:
    """Talks to Parrot. ``base_url`` is ``PARROT_BASE_URL`` unless given."""

    def __init__(self, base_url: str | None = None, *, http: httpx2.Client | None = None) -> None:
        self._url = _chat_url(base_url)
        self._http = http or httpx2.Client()

    def chat(
        self, model: str, messages: Messages, *, stream: bool = False, **options: Any
    ) -> Reply | Stream:
        """Ask ``model``. With ``stream=True`` the answer comes in pieces."""
        body = _body(model, messages, stream, options)
        request = self._http.build_request("POST", self._url, json=body)
        response = self._http.send(request, stream=stream)
        if response.is_error:
            response.read()
            raise _error(response)
        return Stream(response) if stream else _reply(response)

    def close(self) -> None:
        self._http.close()


class AsyncClient:
    """The same for ``await``."""

    def __init__(
        self, base_url: str | None = None, *, http: httpx2.AsyncClient | None = None
    ) -> None:
        self._url = _chat_url(base_url)
        self._http = http or httpx2.AsyncClient()

    async def chat(
        self, model: str, messages: Messages, *, stream: bool = False, **options: Any
    ) -> Reply | AsyncStream:
        """Ask ``model``. With ``stream=True`` the answer comes in pieces."""
        body = _body(model, messages, stream, options)
        request = self._http.build_request("POST", self._url, json=body)
        response = await self._http.send(request, stream=stream)
        if response.is_error:
            await response.aread()
            raise _error(response)
        return AsyncStream(response) if stream else _reply(response)

    async def close(self) -> None:
        await self._http.aclose()


def _chat_url(base_url: str | None) -> str:
    return (base_url or os.environ["PARROT_BASE_URL"]).rstrip("/") + "/chat/completions"


def _body(model: str, messages: Messages, stream: bool, options: dict[str, Any]) -> dict[str, Any]:
    body = {"model": model, "messages": messages, **options}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _reply(response: httpx2.Response) -> Reply:
    raw = response.json()
    choice = raw["choices"][0]
    return Reply(
        id=raw["id"],
        model=raw["model"],
        text=choice["message"].get("content") or "",
        finish=choice["finish_reason"],
        usage=raw.get("usage"),
        request_id=response.headers.get("x-request-id"),
    )


def _piece(line: str) -> Piece | None:
    """What a line of the event stream says; None for the lines between and for the end mark."""
    data = line.removeprefix("data: ")
    if data == line or data == "[DONE]":
        return None
    raw = json.loads(data)
    if "error" in raw:
        raise _refusal(raw, None)
    choice = raw["choices"][0] if raw["choices"] else {}
    return Piece(
        id=raw["id"],
        model=raw["model"],
        text=choice.get("delta", {}).get("content") or "",
        finish=choice.get("finish_reason"),
        usage=raw.get("usage"),
    )


def _error(response: httpx2.Response) -> ParrotError:
    try:
        return _refusal(response.json(), response.status_code)
    except ValueError:
        return ParrotError(response.text, status=response.status_code, code=None)


def _refusal(raw: dict[str, Any], status: int | None) -> ParrotError:
    error = raw["error"]
    return ParrotError(error["message"], status=status, code=error.get("code"))
