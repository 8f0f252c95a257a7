"""Recorded traffic, served again: a folder of VCR cassettes as a model provider.

    with Replay("cassettes/openai") as replay:
        for known in replay.interactions:
            base = replay.base_url(known)      # http://127.0.0.1:PORT/@7/api.openai.com

Reads VCR's first format (YAML, needs PyYAML). A request is matched by host, method, path,
query and the meaning of its body, so key order and white space do not matter.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from spanloom.testing.server import Connection, Headers, Request, Server, form, parsed

# Recordings are stored decoded and whole; how the bytes travelled is ours to say anew.
FRAMING = frozenset(
    {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}
)
EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


@dataclass(frozen=True, slots=True)
class Interaction:
    """One recorded request and its response.

    ``index`` counts within the file, from 0; ``number`` within the replay. ``path`` is as in
    ``uri``, without the query; ``query`` is sorted. ``json`` is the parsed request body or
    ``None``.
    """

    file: Path
    index: int
    number: int
    method: str
    uri: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Headers
    body: bytes
    json: Any
    status: int
    response_headers: Headers
    response_body: bytes

    @property
    def response_json(self) -> Any:
        """The parsed response body, or ``None``."""
        return parsed(self.response_body.lstrip())

    @property
    def stream(self) -> bool:
        """Whether the response is a stream of server-sent events."""
        kind = next((v for k, v in self.response_headers if k.lower() == "content-type"), "")
        return kind.startswith("text/event-stream")


@dataclass(frozen=True, slots=True)
class Miss:
    """A request that no recording answers, and the recording most like it."""

    method: str
    target: str
    body: bytes
    nearest: Interaction | None
    reason: str


class Replay:
    """Serves all ``*.yaml`` cassettes below the folders while used as a context manager.

    Equal requests recorded several times are answered in recorded order, then from the start.
    ``misses`` collects what was not found; the client was told with a status 599.

    Raises:
        FileNotFoundError: a folder has no cassette.
        ImportError: PyYAML is not installed.
    """

    def __init__(self, *folders: str | Path, port: int = 0) -> None:
        self.interactions: tuple[Interaction, ...] = tuple(read(Path(folder) for folder in folders))
        self.misses: list[Miss] = []
        self._server = Server(self._handle, port=port)
        self._lock = threading.Lock()
        self._served: Counter[Key] = Counter()
        self._known: dict[Key, list[Interaction]] = {}
        for known in self.interactions:
            self._known.setdefault(recorded_key(known), []).append(known)

    def __enter__(self) -> Replay:
        self._server.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.close()
        if error is None and self._server.faults:
            raise self._server.faults[0]

    @property
    def url(self) -> str:
        """The base URL; a request's path below it is ``/{host}{path}``."""
        host, port = self._server.address
        return f"http://{host}:{port}"

    def base_url(self, known: Interaction) -> str:
        """A base URL for the host of that interaction, below which only it is served."""
        return f"{self.url}/@{known.number}/{known.host}"

    def rewind(self) -> None:
        """Answer repeated requests from the first recorded answer again."""
        with self._lock:
            self._served.clear()

    def _handle(self, request: Request, connection: Connection) -> None:
        pinned, host, path = placed(request.path)
        wanted = key(host, request.method, path, request.query, request)
        found = self._known.get(wanted, [])
        if pinned is not None:
            found = [known for known in found if known.number == pinned]
        if not found:
            self._miss(request, wanted, pinned, connection)
            return
        with self._lock:
            turn = self._served[wanted]
            self._served[wanted] += 1
        serve(found[turn % len(found)], connection)

    def _miss(
        self, request: Request, wanted: Key, pinned: int | None, connection: Connection
    ) -> None:
        among = self.interactions if pinned is None else self.interactions[pinned : pinned + 1]
        nearest = max(among, key=lambda known: likeness(known, wanted, request), default=None)
        reason = difference(nearest, wanted, request) if nearest else "nothing is recorded"
        with self._lock:
            self.misses.append(Miss(request.method, request.target, request.body, nearest, reason))
        place = f"{nearest.file.name}#{nearest.index} {nearest.uri}" if nearest else None
        message = f"No recording answers {request.method} {request.target}: {reason}"
        told = {"message": message, "type": "replay_miss", "code": "no_recording", "param": None}
        body = json.dumps({"error": {**told, "nearest": place}}).encode()
        # The SDK would repeat a 5xx for seconds.
        headers = (("content-type", "application/json"), ("x-should-retry", "false"))
        connection.send(599, headers, body)


def serve(known: Interaction, connection: Connection) -> None:
    """Send the recorded response; a stream event by event."""
    headers = tuple(pair for pair in known.response_headers if pair[0].lower() not in FRAMING)
    if not known.stream:
        connection.send(known.status, headers, known.response_body)
    else:
        connection.start(known.status, headers)
        for event in EVENT_END.split(known.response_body):
            connection.chunk(event)
        connection.finish()


# -- reading cassettes ------------------------------------------------------------------------


def read(folders: Iterable[Path]) -> Iterator[Interaction]:
    """The interactions of all cassettes below the folders, in order of file name."""
    yaml = importlib.import_module("yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    number = 0
    for folder in folders:
        files = sorted(folder.rglob("*.yaml")) if folder.is_dir() else [folder]
        if not files:
            raise FileNotFoundError(f"no *.yaml cassette below {folder}")
        for file in files:
            cassette = yaml.load(file.read_bytes(), Loader=loader)
            for index, recorded in enumerate(cassette["interactions"]):
                yield interaction(file, index, number, recorded)
                number += 1


def interaction(file: Path, index: int, number: int, recorded: Mapping[str, Any]) -> Interaction:
    """One entry of a cassette."""
    request, response = recorded["request"], recorded["response"]
    parts = urlsplit(request["uri"])
    body = as_bytes(request.get("body"))
    return Interaction(
        file=file,
        index=index,
        number=number,
        method=request["method"],
        uri=request["uri"],
        host=parts.netloc,
        path=parts.path,
        query=tuple(sorted(parse_qsl(parts.query, keep_blank_values=True))),
        headers=pairs(request.get("headers")),
        body=body,
        json=parsed(body),
        status=int(response["status"]["code"]),
        response_headers=pairs(response.get("headers")),
        response_body=as_bytes((response.get("body") or {}).get("string")),
    )


def as_bytes(text: Any) -> bytes:
    """A body as bytes; YAML holds text, or bytes for what is none."""
    if isinstance(text, bytes):
        return text
    return str(text or "").encode("utf-8", "surrogatepass")


def pairs(headers: Mapping[str, Any] | None) -> Headers:
    """Headers as pairs; VCR keeps a list of values for each name."""
    return tuple(
        (str(name), str(value))
        for name, values in (headers or {}).items()
        for value in (values if isinstance(values, list) else [values])
    )


# -- matching ---------------------------------------------------------------------------------

Key = tuple[str, str, str, tuple[tuple[str, str], ...], str]


def placed(path: str) -> tuple[int | None, str, str]:
    """Pinned number (or ``None``), host and path of a request path ``[/@N]/{host}{path}``."""
    pinned = None
    if found := re.match(r"/@(\d+)(?=/)", path):
        pinned = int(found.group(1))
        path = path[found.end() :]
    host, slash, rest = path[1:].partition("/")
    return pinned, host, slash + rest


def key(
    host: str,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    request: Request,
) -> Key:
    """What two requests must share to be the same."""
    return host, method.upper(), path, tuple(query), meaning(request)


def recorded_key(known: Interaction) -> Key:
    """The key of a recorded request."""
    request = Request(known.method, "", known.headers, known.body, known.json, b"")
    return key(known.host, known.method, known.path, known.query, request)


def meaning(request: Request) -> str:
    """The body, independent of key order, white space and multipart boundaries."""
    if request.json is not None:
        return json.dumps(request.json, sort_keys=True, separators=(",", ":"))
    if fields := form(request):
        told = sorted((name, file, hashlib.sha256(data).hexdigest()) for name, file, data in fields)
        return json.dumps(told)
    if request.header("content-type").startswith("application/x-www-form-urlencoded"):
        return json.dumps(sorted(parse_qsl(request.body.decode("latin-1"))))
    return request.body.strip().decode("latin-1")


def likeness(known: Interaction, wanted: Key, request: Request) -> tuple[int, ...]:
    """How near a recording is: more is nearer, compared from left to right."""
    theirs = recorded_key(known)
    alike = [int(a == b) for a, b in zip(theirs, wanted, strict=True)]
    shared = 0
    if isinstance(known.json, dict) and isinstance(request.json, dict):
        names = known.json.keys() | request.json.keys()
        shared = sum(known.json.get(name) == request.json.get(name) for name in names) - len(names)
    host, method, path, query, body = alike
    return path, method, host, body, query, shared


def difference(known: Interaction, wanted: Key, request: Request) -> str:
    """In words, what sets the request apart from the nearest recording."""
    theirs = recorded_key(known)
    parts = ("host", "method", "path", "query")
    told = [
        f"{part} is {ours!r}, recorded {other!r}"
        for part, ours, other in zip(parts, wanted, theirs, strict=False)
        if ours != other
    ]
    if wanted[-1] != theirs[-1]:
        if isinstance(known.json, dict) and isinstance(request.json, dict):
            names = sorted(known.json.keys() | request.json.keys())
            apart = [name for name in names if known.json.get(name) != request.json.get(name)]
            told.append(f"body differs in {', '.join(apart)}")
        else:
            told.append("body differs")
    place = f"{known.file.name}#{known.index}"
    return f"nearest is {place}: {'; '.join(told) or 'the same, but another is pinned'}"
