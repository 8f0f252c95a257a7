"""From a request of the SDK to a span: what to keep on the caller's thread, what to read later."""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from spanloom.sdk import Active, Start, snapshot, watch_body, watch_chunks
from spanloom.types import AnyDetail, Attempt, LLMCall, Media, Session

from .call import Facts, merged
from .endpoints import Endpoint, find, response_id
from .errors import classify, note
from .media import uploads
from .providers import base_url, server
from .sse import decode_body, feed_events

if TYPE_CHECKING:  # the user imports the SDK; we never do
    from openai._models import FinalRequestOptions


class Request(Struct, kw_only=True):
    """What is kept of a call until the worker reads it."""

    endpoint: Endpoint
    body: dict[str, Any]
    url: str
    client: type
    base_url: Any
    files: tuple[Media, ...] = ()
    http_status: int | None = None
    request_id: str | None = None
    mime_type: str | None = None
    raw: bytes | None = None
    """The whole body of a raw response that the SDK had read already."""


def begin(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Start | None:
    """``request(cast_to, options, *, stream, stream_cls)``; None: not a call to a model."""
    options: FinalRequestOptions = args[1] if len(args) > 1 else kwargs["options"]
    url = options.url
    endpoint = find(options.method, url, bool(kwargs.get("stream")))
    if endpoint is None:
        return None
    given = options.json_data
    body, weight = snapshot(merged(given if isinstance(given, Mapping) else {}, options.extra_json))
    request = Request(
        endpoint=endpoint, body=body, url=url, client=type(client), base_url=base_url(client)
    )
    if options.files:
        request.files = uploads(options.files)
    return Start(
        name=endpoint.span_name(body),
        kind=endpoint.kind,
        extract=extract,
        request=request,
        weight=weight,
    )


_STREAM, _RAW, _BINARY, _VALUE = range(4)
_shapes: dict[type, int] = {}


def _shape(kind: type) -> int:
    """What the SDK returned, told once for each class: instances answer ``hasattr`` slowly."""
    if hasattr(kind, "__stream__"):
        shape = _STREAM
    elif hasattr(kind, "http_request"):
        shape = _RAW
    elif hasattr(kind, "iter_bytes"):
        shape = _BINARY
    else:
        shape = _VALUE
    _shapes[kind] = shape
    return shape


def finish(active: Active, result: Any) -> None:
    """End the span with the reply, or watch a reply that is still to be read."""
    # not type(): another tool's proxy around a stream has its own, and tells of the SDK's here
    kind = result.__class__
    shape = _shapes.get(kind)
    if shape is None:
        shape = _shape(kind)
    request: Request = active.request
    if shape == _VALUE:
        request.http_status = 200
        request.request_id = getattr(result, "_request_id", None)
        active.end(result)
        return
    response = result.http_response if shape == _RAW else result.response
    headers = response.headers
    request.http_status = response.status_code
    request.request_id = headers.get("x-request-id") or headers.get("apim-request-id")
    request.mime_type = headers.get("content-type")
    if shape == _STREAM:
        active.detach()
        if request.endpoint.tap is None:
            watch_body(active, response, note)
        else:
            watch_chunks(active, result, request.endpoint.tap(request.body), note)
    elif response.is_stream_consumed or response.is_closed:
        request.raw = response.content
        active.weight += len(request.raw or b"")
        active.end()
    else:
        active.detach()
        watch_body(active, response, note)


def see_retry(active: Active, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
    """The SDK waits before it tries again; the error that made it is being handled just now."""
    error = sys.exc_info()[1]
    if error is None:
        return
    status = getattr(getattr(error, "response", None), "status_code", None)
    if active.attempts is None:
        active.attempts = []
    active.attempts.append(
        Attempt(
            number=len(active.attempts) + 1,
            reason=classify({"status_code": status} if status else {}, _names(error)),
            http_status=status,
            time_ns=time.time_ns(),
        )
    )


def _names(error: BaseException) -> tuple[str, ...]:
    return tuple(kind.__name__ for kind in type(error).__mro__)


# -- on the worker ------------------------------------------------------------------------------


def extract(active: Active) -> AnyDetail:
    """The typed detail of one call, whatever way its reply was read."""
    request: Request = active.request
    endpoint = request.endpoint
    answering = server(request.client, request.base_url)
    known: dict[str, Any] = {
        "provider": answering.provider,
        "server_address": answering.address,
        "server_port": answering.port,
        "http_status": request.http_status,
        "request_id": request.request_id,
        "attempts": tuple(active.attempts or ()),
        "start_tick": active.tick,
        "stream": bool(request.body.get("stream")),
        "response_id": response_id(request.url) if endpoint.name == "responses.retrieve" else None,
        "files": request.files,
        "mime_type": request.mime_type,
    }
    reply = _reply(active, request, known)
    failure = active.failure
    if failure is not None and isinstance(failure.note, Mapping):
        known["http_status"] = failure.note.get("status_code") or known["http_status"]
        known["request_id"] = failure.note.get("request_id") or known["request_id"]
        if reply is None and (parsed := failure.note.get("completion")) is not None:
            reply = endpoint.reply(parsed)
    tap = active.tap
    if tap is not None:
        known.update(
            stream=True, first_tick=tap.first_tick, last_tick=tap.last_tick, chunks=tap.chunks
        )
    detail = endpoint.parse(request.body, reply, Facts(**known))
    if isinstance(detail, LLMCall) and (detail.previous_response_id or detail.response_id):
        _follow(active, detail)
    return detail


def _reply(active: Active, request: Request, known: dict[str, Any]) -> dict[str, Any] | None:
    endpoint = request.endpoint
    if active.tap is not None:
        reply: dict[str, Any] = active.tap.reply()
        return reply
    pieces: list[tuple[int, bytes]] | None = active.watch
    if pieces is None and request.raw is not None:
        pieces = [(active.tock, request.raw)]
    if pieces is None:
        return endpoint.reply(active.response) if active.response is not None else None
    mime = (request.mime_type or "").partition(";")[0].strip().lower()
    if mime == "text/event-stream" and endpoint.tap is not None:
        tap: Any = endpoint.tap(request.body)
        feed_events(tap, pieces)
        if active.closed:  # a span that is still open is read again
            active.tap = tap
            active.complete = tap.complete
        whole: dict[str, Any] = tap.reply()
        return whole
    body = b"".join([piece for _, piece in pieces])
    found = decode_body(body)
    if found is not None:
        active.complete = True  # whoever stopped reading had all there was
        return dict(found)
    known["body"] = body
    return None


_MOST_KNOWN = 10_000
_first_of: dict[str, str] = {}


def _follow(active: Active, detail: LLMCall) -> None:
    """A chain of responses is a conversation: its session is the first response's id.

    Only what this process saw is followed; otherwise the previous id is stored and no more.
    """
    previous, own = detail.previous_response_id, detail.response_id
    first = _first_of.get(previous) if previous else None
    if first is not None and active.session is None:
        active.session = Session(id=first, source="framework")
    if own and own.startswith("resp") and own not in _first_of:
        _first_of[own] = first or own
        if len(_first_of) > _MOST_KNOWN:
            del _first_of[next(iter(_first_of))]
