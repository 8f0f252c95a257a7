"""A small HTTP/1.1 server for tests: one thread per connection, plain sockets.

The standard library's HTTP server hides the socket behind buffered files and prints to
stderr. Tests of an observability library need the opposite: the bytes of a request exactly
as they came, a body that stops in the middle, a reset, and a close that leaves no thread.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

Headers = tuple[tuple[str, str], ...]

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received. ``raw`` holds head and body, byte for byte."""

    method: str
    target: str
    headers: Headers
    body: bytes
    json: Any
    raw: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The query as sorted pairs."""
        pairs = parse_qsl(self.target.partition("?")[2], keep_blank_values=True)
        return tuple(sorted(pairs))

    def header(self, name: str) -> str:
        """The first header of that name, in any case of letters; ``""`` when absent."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


class Connection:
    """One client's connection; reads requests, writes answers whole or in pieces."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self._sock = sock
        self._closing = closing
        self._unread = b""
        self.alive: bool = True
        self.started: bool = False

    def read(self) -> Request | None:
        """The next request, or ``None`` when the client has closed."""
        self.started = False
        head = self._until(b"\r\n\r\n")
        if not head:
            return None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = tuple(
            (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
        )
        low = {name.lower(): value for name, value in headers}
        if low.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw = head
        if low.get("transfer-encoding", "").lower() == "chunked":
            body, on_wire = self._chunks()
            raw += on_wire
        else:
            body = self._exactly(int(low.get("content-length", "0")))
            raw += body
        if low.get("connection", "").lower() == "close":
            self.alive = False
        return Request(method, target, headers, body, parsed(body), raw)

    def send(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """A whole answer, in one write."""
        head = self._head(status, (*headers, ("content-length", str(len(body)))))
        self._write(head + body)

    def send_part(
        self, status: int, headers: Iterable[tuple[str, str]], body: bytes, size: int
    ) -> None:
        """The first ``size`` bytes of a body whose announced length is the whole."""
        head = self._head(status, (*headers, ("content-length", str(len(body)))))
        self._write(head + body[:size])

    def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """The head of an answer whose body follows in chunks."""
        self._write(self._head(status, (*headers, ("transfer-encoding", "chunked"))))

    def chunk(self, data: bytes) -> None:
        """One chunk, in one write."""
        if data:
            self._write(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self, last: bytes = b"") -> None:
        """The last chunk and the end of the body, in one write."""
        tail = b"0\r\n\r\n"
        self._write((b"%x\r\n%b\r\n" % (len(last), last) if last else b"") + tail)

    def reset(self) -> None:
        """Break off with a TCP RST instead of a FIN."""
        self.alive = False
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def hang_up(self) -> None:
        """Close after this answer, whatever of it was sent."""
        self.alive = False

    def wait(self, seconds: float) -> None:
        """Sleep, but wake when the server closes.

        Raises:
            ConnectionAbortedError: the server is closing.
        """
        if seconds > 0 and self._closing.wait(seconds):
            raise ConnectionAbortedError("server is closing")

    def _head(self, status: int, headers: Iterable[tuple[str, str]]) -> bytes:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _write(self, data: bytes) -> None:
        self.started = True
        self._sock.sendall(data)

    def _until(self, mark: bytes) -> bytes:
        while (end := self._unread.find(mark)) < 0:
            more = self._sock.recv(65536)
            if not more:
                return b""
            self._unread += more
        end += len(mark)
        found, self._unread = self._unread[:end], self._unread[end:]
        return found

    def _exactly(self, size: int) -> bytes:
        parts = [self._unread]
        have = len(self._unread)
        while have < size:
            more = self._sock.recv(min(1 << 20, size - have))
            if not more:
                raise ConnectionResetError("the client closed within a body")
            parts.append(more)
            have += len(more)
        data = b"".join(parts)
        self._unread = data[size:]
        return data[:size]

    def _chunks(self) -> tuple[bytes, bytes]:
        body, on_wire = b"", b""
        while True:
            line = self._until(b"\r\n")
            data = self._exactly(int(line.split(b";")[0] or b"0", 16) + 2)
            on_wire += line + data
            if len(data) == 2:
                return body, on_wire
            body += data[:-2]


Handler = Callable[[Request, Connection], None]


class Server:
    """Listens on a loopback port from ``open`` to ``close``; calls ``handler`` per request.

    ``faults`` collects what ``handler`` raised (never the client's disconnects); the client
    was told with a status 500.
    """

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._handler = handler
        self._bind = (host, port)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.address: tuple[str, int] = ("", 0)
        self.faults: list[Exception] = []

    def open(self) -> None:
        """Bind, listen, and start the accepting thread."""
        listener = socket.create_server(self._bind, backlog=1024)
        self.address = listener.getsockname()[:2]
        self._closing.clear()
        self._listener = listener
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener,), name="spanloom-testing-accept", daemon=True
        )
        self._acceptor.start()

    def close(self) -> None:
        """Stop accepting, wake and end every connection, join every thread."""
        if self._listener is None or self._acceptor is None:
            return
        self._closing.set()
        # Closing a socket does not wake a thread blocked in accept(); a connection does.
        with contextlib.suppress(OSError):
            socket.create_connection(self.address, timeout=1).close()
        self._acceptor.join()
        self._listener.close()
        self._listener = self._acceptor = None
        with self._lock:
            running = dict(self._open)
        for sock in running:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in running.values():
            thread.join()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                # A client that reset before being accepted (or too many open files): go on.
                if self._closing.wait(0.01):
                    return
                continue
            if self._closing.is_set():
                sock.close()
                return
            thread = threading.Thread(
                target=self._serve, args=(sock,), name="spanloom-testing-serve", daemon=True
            )
            with self._lock:
                self._open[sock] = thread
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            # Without it, a small chunk waits for the acknowledgement of the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, self._closing)
            while connection.alive and not self._closing.is_set():
                try:
                    request = connection.read()
                except ValueError:  # not HTTP
                    return
                if request is None:
                    return
                try:
                    self._handler(request, connection)
                except OSError:
                    return
                except Exception as fault:
                    self.faults.append(fault)
                    if connection.started:
                        return
                    connection.send(500, FAULT_HEADERS, fault_body(fault))
        except OSError:
            return
        finally:
            sock.close()
            with self._lock:
                self._open.pop(sock, None)


# "x-should-retry: false" keeps the SDK from repeating a request that will fail again.
FAULT_HEADERS: Headers = (("content-type", "application/json"), ("x-should-retry", "false"))


def fault_body(fault: Exception) -> bytes:
    """The JSON error that reports a fault of the test server or of a script in it."""
    message = f"test server fault: {type(fault).__name__}: {fault}"
    error = {"message": message, "type": "test_server_fault", "code": None, "param": None}
    return json.dumps({"error": error}).encode()


def parsed(body: bytes) -> Any:
    """``body`` as JSON, or ``None`` when it is none."""
    if body[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def form(request: Request) -> tuple[tuple[str, str, bytes], ...]:
    """The fields of a ``multipart/form-data`` body: name, file name (or ``""``), content."""
    kind = request.header("content-type")
    if not kind.lower().startswith("multipart/"):
        return ()
    boundary = kind.partition("boundary=")[2].split(";")[0].strip('" ')
    fields = []
    for part in request.body.split(b"--" + boundary.encode())[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        named = (word.partition("=") for word in head.decode("utf-8", "replace").split(";"))
        words = {key.strip().lower(): value.strip().strip('"') for key, _, value in named}
        # The last parameter of the line is followed by further header lines.
        cleaned = {key: value.split("\r\n")[0].strip('"') for key, value in words.items()}
        if "name" in cleaned:
            fields.append((cleaned["name"], cleaned.get("filename", ""), content[:-2]))
    return tuple(fields)
