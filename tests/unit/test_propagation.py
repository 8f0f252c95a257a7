"""W3C trace context and baggage: https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

import spanloom
from spanloom.middleware import ASGIMiddleware, WSGIMiddleware
from spanloom.propagation import MAX_BAGGAGE, inject, parse_baggage, parse_traceparent
from spanloom.types import Session

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
IDS = (int(TRACE, 16), int(SPAN, 16))


@pytest.mark.parametrize(
    "text",
    [GOOD, f" {GOOD}\t", f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-ff", f"01-{TRACE}-{SPAN}-01",
     f"cc-{TRACE}-{SPAN}-01-what-ever-comes"],
)  # fmt: skip
def test_a_valid_traceparent(text: str) -> None:
    assert parse_traceparent(text) == IDS


@pytest.mark.parametrize(
    "text",
    [None, "", "00", GOOD[:-1], GOOD + "-x", GOOD + "0", f"ff-{TRACE}-{SPAN}-01", GOOD.upper(),
     f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"0-{TRACE}-{SPAN}-01",
     f"00-{TRACE[:-1]}-{SPAN}-01", f"00-{TRACE}{SPAN}-01", GOOD.replace("4", "g"),
     f"01-{TRACE}-{SPAN}-01x", f"{GOOD},{GOOD}", "٠" * 55],
)  # fmt: skip
def test_an_invalid_traceparent(text: str | None) -> None:
    assert parse_traceparent(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1,b=2", {"a": "1", "b": "2"}),
        (" a = 1 ;p=x;q , b=%20%C3%A4", {"a": "1", "b": " ä"}),
        ("a=1,,=2,novalue,c=", {"a": "1", "c": ""}),
        ("k=a=b", {"k": "a=b"}),
        ("", {}), (None, {}), (";;;", {}), ("a=%zz", {"a": "%zz"}),
    ],
)  # fmt: skip
def test_baggage(text: str | None, found: dict[str, str]) -> None:
    assert parse_baggage(text) == found


def test_too_much_baggage_is_cut_between_members() -> None:
    text = "first=" + "x" * (MAX_BAGGAGE - 20) + ",session.id=abcdefghijklmnop,after=1"
    found = parse_baggage(text)
    assert list(found) == ["first"], "no value that is half of itself"
    assert parse_baggage("a=" + "x" * (MAX_BAGGAGE - 2))["a"] == "x" * (MAX_BAGGAGE - 2)


def test_inject_and_extract_join(rec: Any) -> None:
    headers = {"baggage": "theirs=1"}
    with spanloom.session("s 1"), spanloom.context(baggage={"tenant": "ä,b"}):
        with spanloom.span("caller") as caller:
            assert spanloom.inject(headers) is headers
    assert headers["traceparent"] == f"00-{caller.trace_hex}-{caller.span_hex}-01"
    assert parse_baggage(headers["baggage"]) == {
        "theirs": "1", "tenant": "ä,b", "session.id": "s 1",
    }  # fmt: skip
    with spanloom.extract(headers), spanloom.span("callee"):
        forward: dict[str, str] = {}
        spanloom.inject(forward)
    callee = rec.one("callee")
    assert (callee.trace_id, callee.parent_id) == (caller.trace_id, caller.span_id)
    assert callee.session == Session(id="s 1", source="baggage")
    assert parse_baggage(forward["baggage"])["tenant"] == "ä,b"


def test_inject_without_a_span_changes_nothing(rec: Any) -> None:
    assert spanloom.inject({"x": "1"}) == {"x": "1"}
    with spanloom.suppress(), spanloom.span("s"):
        assert spanloom.inject({}) == {}


def test_injected_baggage_stays_within_its_limit(rec: Any) -> None:
    with spanloom.context(baggage={f"k{n}": "x" * 100 for n in range(200)}), spanloom.span("s"):
        headers = inject({})
    assert len(headers["baggage"]) <= MAX_BAGGAGE
    assert parse_baggage(headers["baggage"])["k0"] == "x" * 100
    with spanloom.span("t"):
        assert "baggage" not in inject({}, baggage=False)


def test_tracestate_goes_with_its_parent_alone(rec: Any) -> None:
    with spanloom.extract({"traceparent": GOOD, "tracestate": "v=1"}), spanloom.span("a"):
        assert inject({})["tracestate"] == "v=1"
    with spanloom.extract({"traceparent": "bad", "tracestate": "v=1"}), spanloom.span("b"):
        assert "tracestate" not in inject({})
    assert (rec.one("a").trace_state, rec.one("b").trace_state) == ("v=1", None)


@pytest.mark.parametrize(
    "headers",
    [
        {"TraceParent": GOOD, "BAGGAGE": "user.id=u"},
        [("traceparent", GOOD), ("baggage", "user.id=u")],
        [(b"traceparent", GOOD.encode()), (b"Baggage", b"user.id=u")],
        {"traceparent": [GOOD], "baggage": ["x=1", "user.id=u"]},
        [("traceparent", GOOD), ("baggage", "x=1"), ("baggage", "user.id=u")],
    ],
)
def test_headers_of_any_shape(rec: Any, headers: Any) -> None:
    with spanloom.extract(headers), spanloom.span("s"):
        pass
    span = rec.one("s")
    assert (span.trace_id, span.parent_id) == IDS
    assert span.user_id == "u"


def test_two_traceparents_are_none(rec: Any) -> None:
    with spanloom.extract([("traceparent", GOOD), ("traceparent", GOOD)]), spanloom.span("s"):
        pass
    assert rec.one("s").parent_id is None


@pytest.mark.parametrize("headers", [{}, {"traceparent": "bad"}, {"baggage": "k=v"},
                                     {"x-request-id": "r"}])  # fmt: skip
def test_headers_that_name_no_parent_leave_the_local_one(rec: Any, headers: Any) -> None:
    with spanloom.span("local"), spanloom.extract(headers), spanloom.span("inner"):
        pass
    assert rec.parent_of("inner") == "local"


def test_an_explicit_session_is_nearer_than_baggage(rec: Any) -> None:
    headers = {"traceparent": GOOD, "baggage": "session.id=far,user.id=far"}
    with spanloom.session("near", user="me"), spanloom.extract(headers), spanloom.span("s"):
        pass
    span = rec.one("s")
    assert (span.session, span.user_id) == (Session(id="near"), "me")


def test_extract_ends_with_its_block(rec: Any) -> None:
    async def main() -> None:
        async with spanloom.extract({"traceparent": GOOD}), spanloom.span("in"):
            pass
        with spanloom.span("out"):
            pass

    asyncio.run(main())
    assert rec.one("in").parent_id == IDS[1]
    assert rec.one("out").parent_id is None


@pytest.mark.parametrize("headers", [None, 5, [1, 2], [("a",)], {"traceparent": 7, 3: None}])
def test_nonsense_is_no_ones_trouble(rec: Any, lenient: None, headers: Any) -> None:
    with spanloom.extract(headers), spanloom.span("s"):
        pass
    assert rec.one("s").parent_id is None
    with spanloom.span("t"):
        spanloom.inject(headers)


# -- middleware -----------------------------------------------------------------------------------


def http(path: str = "/x", headers: Iterable[tuple[bytes, bytes]] = ()) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "headers": list(headers)}


async def nothing() -> Any:
    return {"type": "http.request"}


def serve(app: Any, scope: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(ASGIMiddleware(app)(scope, nothing, send))
    return sent


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 503})
    for n in range(3):
        with spanloom.tool(f"part {n}"):
            await send({"type": "http.response.body", "body": b"x", "more_body": n < 2})


def test_asgi_streams_inside_the_request(rec: Any) -> None:
    headers = [(b"traceparent", GOOD.encode()), (b"x-request-id", b"r-1")]
    sent = serve(streaming, http(headers=headers))
    assert len(sent) == 4
    span = rec.one("GET", "workflow")
    assert (span.trace_id, span.parent_id, span.request_id) == (*IDS, "r-1")
    assert (span.status, span.attributes["http.response.status_code"]) == ("ok", 503)
    assert {s.parent_id for s in rec.spans(kind="tool")} == {span.span_id}
    assert spanloom.current_span() is None


def test_asgi_raises_what_the_app_raises(rec: Any) -> None:
    error = ValueError("app")

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with pytest.raises(ValueError, match="app") as caught:
        serve(broken, http())
    assert caught.value is error
    assert rec.one("GET").status == "error"


def test_asgi_passes_others_through(rec: Any) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    serve(app, {"type": "lifespan"})
    serve(app, http("/health"))
    serve(app, {"type": "websocket", "path": "/ws", "headers": []})
    assert seen == ["lifespan", "http", "websocket"]
    assert [s.name for s in rec.spans()] == ["WEBSOCKET"]


def test_asgi_requests_do_not_leak_into_each_other(rec: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with spanloom.span(scope["path"]):
            await asyncio.sleep(0.001)

    async def main() -> None:
        middle = ASGIMiddleware(app)

        async def send(message: Any) -> None: ...

        for n in range(3):  # one task serves a connection's requests one after another
            await middle(http(f"/{n}"), nothing, send)
            assert spanloom.current_span() is None

    asyncio.run(main())
    assert len({s.trace_id for s in rec.spans()}) == 3


def wsgi(app: Any, environ: dict[str, Any] | None = None) -> tuple[Any, list[Any]]:
    said: list[Any] = []
    body = WSGIMiddleware(app)(
        {"REQUEST_METHOD": "POST", "PATH_INFO": "/w", **(environ or {})},
        lambda status, headers, exc_info=None: said.append(status),
    )
    return body, said


def test_wsgi_streams_inside_the_request(rec: Any) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        with spanloom.tool("before"):
            pass
        return parts()

    def parts() -> Any:
        for n in range(2):
            with spanloom.tool(f"part {n}"):
                yield b"x"

    body, said = wsgi(app, {"HTTP_TRACEPARENT": GOOD})
    assert spanloom.current_span() is None
    out = []
    for part in body:
        assert spanloom.current_span() is None, "the server's own work is not the request's"
        out.append(part)
    body.close()
    assert (out, said) == ([b"x", b"x"], ["200 OK"])
    span = rec.one("POST")
    assert (span.trace_id, span.parent_id) == IDS
    assert {s.parent_id for s in rec.spans(kind="tool")} == {span.span_id}
    assert span.attributes["http.response.status_code"] == 200


def test_wsgi_closes_and_raises_like_the_app(rec: Any) -> None:
    closed: list[int] = []
    error = OSError("mid body")

    class Body:
        def __iter__(self) -> Any:
            yield b"x"
            raise error

        def close(self) -> None:
            closed.append(1)

    body, _ = wsgi(lambda environ, start: Body())
    with pytest.raises(OSError, match="mid body") as caught:
        list(body)
    body.close()
    assert caught.value is error
    assert closed == [1]
    assert rec.one("POST").status == "error"

    def broken(environ: Any, start: Any) -> Any:
        raise error

    with pytest.raises(OSError, match="mid body"):
        wsgi(broken)
    assert spanloom.current_span() is None
    assert len(rec.spans("POST")) == 2


def test_wsgi_leaves_whole_bodies_alone(rec: Any) -> None:
    """A server takes the length of a list of one, and sends a file wrapper by the kernel."""
    whole = [b"hello"]
    body, _ = wsgi(lambda environ, start: whole)
    assert body is whole

    class FileWrapper:
        pass

    wrapped = FileWrapper()
    body, _ = wsgi(lambda environ, start: wrapped, {"wsgi.file_wrapper": FileWrapper})
    assert body is wrapped
    assert len(rec.spans("POST")) == 2


def test_wsgi_a_server_that_does_not_close(rec: Any) -> None:
    body, _ = wsgi(lambda environ, start: iter([b"x"]))
    assert list(body) == [b"x"]
    del body
    assert rec.one("POST").status == "ok"


def test_wsgi_with_the_servers_own_validator(rec: Any) -> None:
    from wsgiref.util import setup_testing_defaults
    from wsgiref.validate import validator

    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [("Content-Type", "text/plain")])
        return iter([b"hello"])

    environ: dict[str, Any] = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    body = validator(WSGIMiddleware(validator(app)))(environ, lambda s, h, e=None: print)
    assert list(body) == [b"hello"]
    body.close()
    assert rec.one("GET").status == "ok"


def test_wsgi_suppressed_or_without_init(rec: Any) -> None:
    def parts() -> Any:
        with spanloom.tool("inside"):
            yield b"x"

    with spanloom.suppress():
        body, _ = wsgi(lambda environ, start: parts())
        assert list(body) == [b"x"]
        body.close()
    spanloom.shutdown()
    body, _ = wsgi(lambda environ, start: parts())
    assert list(body) == [b"x"]
    assert rec.backend.spans == []


def test_wsgi_and_opentelemetry(rec: Any) -> None:
    from opentelemetry import context

    seen: list[int] = []
    before = context.get_current()

    def parts() -> Any:
        for _ in range(2):
            seen.append(current_span().get_span_context().span_id)
            yield b"x"

    from opentelemetry.trace import get_current_span as current_span

    body, _ = wsgi(lambda environ, start: parts())
    assert context.get_current() is before
    for _part in body:
        assert context.get_current() == before
        assert not current_span().get_span_context().is_valid
    body.close()
    assert not current_span().get_span_context().is_valid
    assert set(seen) == {rec.one("POST").span_id}


def test_a_request_is_named_after_its_route_alone(rec: Any) -> None:
    class Route:
        path = "/users/{id}"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Route()

    serve(app, http("/users/ada@example.org"))
    span = rec.one("GET /users/{id}", "workflow")
    assert span.attributes["url.path"] == "/users/ada@example.org"


def test_inside_opentelemetrys_own_server_span(rec: Any) -> None:
    """Which continues the caller's trace already, and is nearer than the caller."""
    from opentelemetry import context, trace

    theirs = trace.SpanContext(IDS[0], 77, False, trace.TraceFlags(1))

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    headers = [(b"traceparent", GOOD.encode()), (b"baggage", b"session.id=far")]
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(theirs)))
    try:
        serve(app, http(headers=headers))
    finally:
        context.detach(token)
    span = rec.one("GET")
    assert (span.trace_id, span.parent_id) == (IDS[0], 77)
    assert span.session == Session(id="far", source="baggage")


def test_extract_is_for_one_use(rec: Any, lenient: None, caplog: Any) -> None:
    extracting = spanloom.extract({"traceparent": GOOD})
    with extracting:
        with extracting, spanloom.span("inner"):
            pass
        with spanloom.span("still"):
            pass
    with extracting, spanloom.span("after"):
        pass
    with spanloom.span("outside"):
        pass
    assert len(caplog.records) == 1
    assert rec.one("inner").parent_id == rec.one("still").parent_id == IDS[1]
    assert rec.one("after").parent_id is rec.one("outside").parent_id is None
