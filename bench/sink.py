"""Loopback sink: takes OTLP over HTTP, counts spans and bytes, forgets all but the newest bodies.

``python sink.py PORT`` as a process of its own, so that its work is nobody's CPU.
``GET /stats`` gives the counts; ``POST /find`` says whether the posted text was delivered lately.
Protobuf is counted by walking the wire format, so that no environment needs a library for it.
"""

import collections
import gzip
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOCK = threading.Lock()
STATS = {"spans": 0, "bytes": 0, "requests": 0, "unread": 0}
NEWEST: collections.deque[bytes] = collections.deque(maxlen=32)

LANGSMITH = {
    "version": "0.12.0",
    "batch_ingest_config": {
        "use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_971_520,
        "scale_up_nthreads_limit": 16, "scale_up_qsize_trigger": 1000, "scale_down_nempty_trigger": 4,
    },
}  # fmt: skip
RUN = re.compile(rb'name="post\.[0-9a-f-]{36}"')
"""The part of a LangSmith body that is a run itself."""


def varint(buf: bytes, i: int) -> tuple[int, int]:
    shift = value = 0
    while True:
        byte = buf[i]
        i += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, i
        shift += 7


def fields(buf: bytes, i: int, end: int, want: int) -> Iterator[tuple[int, int]]:
    """Start and end of every length-delimited field numbered ``want`` between ``i`` and ``end``."""
    while i < end:
        key, i = varint(buf, i)
        kind = key & 7
        if kind == 2:
            size, i = varint(buf, i)
            if key >> 3 == want:
                yield i, i + size
            i += size
        elif kind == 0:
            _, i = varint(buf, i)
        else:
            i += 8 if kind == 1 else 4


def spans_of(kind: str, body: bytes) -> int:
    """resource_spans = 1, scope_spans = 2, spans = 2."""
    if "json" in kind:
        return sum(
            len(scope.get("spans", ()))
            for resource in json.loads(body).get("resourceSpans", ())
            for scope in resource.get("scopeSpans", ())
        )
    return sum(
        1
        for a, b in fields(body, 0, len(body), 1)
        for c, d in fields(body, a, b, 2)
        for _ in fields(body, c, d, 2)
    )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self) -> None:
        sent = self.read()
        path, kind = self.path.split("?")[0], self.headers.get("Content-Type", "")
        with LOCK:
            if path == "/stats":
                return self.answer(json.dumps(STATS).encode())
            if path == "/find":
                return self.answer(json.dumps(any(sent in body for body in NEWEST)).encode())
            STATS["requests"] += 1
            STATS["bytes"] += len(sent)
            if path == "/info":  # LangSmith asks how to send
                return self.answer(json.dumps(LANGSMITH).encode())
            if "/runs/multipart" in path:
                STATS["spans"] += len(RUN.findall(sent))
                NEWEST.append(sent)
            if path.endswith("/traces"):
                try:
                    gzipped = self.headers.get("Content-Encoding") == "gzip"
                    body = gzip.decompress(sent) if gzipped else sent
                    STATS["spans"] += spans_of(kind, body)
                    NEWEST.append(body)
                except (ValueError, IndexError, OSError, EOFError):
                    STATS["unread"] += 1
        return self.answer(b"", kind) if "protobuf" in kind else self.answer(b"{}")

    do_GET = do_POST = do_PUT = serve


def end_with_parent() -> None:
    """The parent holds our standard input open; end when it is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
