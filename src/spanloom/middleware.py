"""ASGI and WSGI middleware: a request continues its caller's trace and is one workflow span.

A span is named after its method, and after its route where the framework tells it by
``scope["route"]``: a path may hold the user's data, and is an attribute alone.

``app = ASGIMiddleware(app)`` or ``app = WSGIMiddleware(app)``, whatever the framework. Health checks
and scrapes are passed through unseen.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, MutableMapping
from typing import Any, TypeAlias

from . import propagation, recorder
from .errors import guard
from .recorder import Active

ASGIApp: TypeAlias = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]
WSGIApp: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]

IGNORED = ("/health", "/healthz", "/livez", "/readyz", "/metrics")


def _begin(name: str, headers: Any, attributes: dict[str, Any]) -> tuple[Active, Any]:
    """The request's span, started under what its headers name, and the frame to go back to."""
    before = recorder.raw_frame()
    active = Active(name, "workflow", attributes)
    active.integration = "http"
    with guard:
        active.start(propagation.frame_from(headers, inside=recorder.foreign()))
    return active, before


def _answered(active: Active, status: int) -> None:
    """The status is an attribute; a 5xx is not an exception of the program, and stays ``ok``."""
    active.set_attributes({"http.response.status_code": status})


class ASGIMiddleware:
    """
    Args:
        app: the ASGI application.
        ignore: paths that are passed through unseen.
    """

    def __init__(self, app: ASGIApp, *, ignore: Collection[str] = IGNORED) -> None:
        self.app: ASGIApp = app
        self.ignore: frozenset[str] = frozenset(ignore)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope.get("type") not in ("http", "websocket") or scope.get("path") in self.ignore:
            await self.app(scope, receive, send)
            return
        method = str(scope.get("method") or "WEBSOCKET")
        path = str(scope.get("path", ""))
        active, before = _begin(
            method,
            scope.get("headers") or (),
            {"http.request.method": method, "url.path": path},
        )

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message.get("type") == "http.response.start":
                with guard:
                    _answered(active, int(message.get("status", 0)))
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except BaseException as error:
            _routed(active, scope)
            _end(active, error)
            raise
        finally:
            _routed(active, scope)
            _end(active)
            recorder.set_raw_frame(before)


def _routed(active: Active, scope: MutableMapping[str, Any]) -> None:
    """Starlette and FastAPI write the route into the scope once they have found it."""
    with guard:
        route = getattr(scope.get("route"), "path", None)
        if isinstance(route, str) and route and active.recording:
            active.name = f"{scope.get('method') or 'WEBSOCKET'} {route}"


def _end(active: Active, error: BaseException | None = None) -> None:
    try:
        active.end(None, error)
    except Exception as exc:
        guard.fault(exc)


class WSGIMiddleware:
    """
    Args:
        app: the WSGI application.
        ignore: paths that are passed through unseen.
    """

    def __init__(self, app: WSGIApp, *, ignore: Collection[str] = IGNORED) -> None:
        self.app: WSGIApp = app
        self.ignore: frozenset[str] = frozenset(ignore)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if path in self.ignore:
            return self.app(environ, start_response)
        method = str(environ.get("REQUEST_METHOD", "GET"))
        headers = [
            (key[5:].replace("_", "-"), value)
            for key, value in environ.items()
            if key.startswith("HTTP_") and isinstance(value, str)
        ]
        active, before = _begin(method, headers, {"http.request.method": method, "url.path": path})

        def answered(status: str, *args: Any, **kwargs: Any) -> Any:
            with guard:
                _answered(active, int(status.split(" ", 1)[0]))
            return start_response(status, *args, **kwargs)

        try:
            body = self.app(environ, answered)
        except BaseException as error:
            _end(active, error)
            raise
        finally:
            active.detach()
            recorder.set_raw_frame(before)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, list | tuple) or (
            isinstance(wrapper, type) and isinstance(body, wrapper)
        ):
            # nothing of the program runs any more; servers look at the length of the one and send
            # the other by the kernel
            _end(active)
            return body
        return _Body(body, active)


class _under:
    """The request's span is current while its body is made, and not while the server sends it."""

    def __init__(self, active: Active) -> None:
        self._active = active if active.recording else None

    def __enter__(self) -> None:
        self._before = recorder.raw_frame()
        if self._active is not None:
            self._active.attach()

    def __exit__(self, *_exc: object) -> None:
        if self._active is not None:
            self._active.detach()
            recorder.set_raw_frame(self._before)


class _Body:
    """The response: its span lasts until the server has read or closed it."""

    def __init__(self, body: Iterable[bytes], active: Active) -> None:
        self._body, self._active = body, active

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(self._body)
        try:
            while True:
                with _under(self._active):
                    try:
                        part = next(parts)
                    except StopIteration:
                        break
                yield part
        except GeneratorExit:
            raise
        except BaseException as error:
            _end(self._active, error)
            raise

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                with _under(self._active):
                    close()
        finally:
            _end(self._active)

    def __del__(self) -> None:
        _end(self._active)  # a server that does not close
