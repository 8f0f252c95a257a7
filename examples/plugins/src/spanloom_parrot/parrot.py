"""Calls of the Parrot client: whole and streamed, synchronous and asynchronous.

Here is what runs on the program's thread: it keeps references, and copies of what may change. What
they mean is read later, on spanloom's own thread, in ``facts``. Checked with parrot-client 1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from spanloom.sdk import Active, Integration, Patch, Start, snapshot, watch_chunks

from .facts import classify, extract

if TYPE_CHECKING:  # the program imports parrot; we never do
    from parrot import Piece


def begin(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Start | None:
    """``chat(model, messages, *, stream, **options)``, of either client."""
    body, weight = snapshot(dict(zip(("model", "messages"), args, strict=False)) | kwargs)
    name = f"chat {body.get('model')}"
    return Start(name=name, kind="llm", extract=extract, request=body, weight=weight)


def finish(active: Active, result: Any) -> None:
    """End the span with a whole answer, or watch the pieces of one that is still to come."""
    if active.request.get("stream"):
        active.detach()  # what the program does between two pieces is not inside the call
        watch_chunks(active, result, Said(result.response.headers.get("x-request-id")), note)
    else:
        active.end(result)


def note(error: BaseException) -> Mapping[str, Any]:
    """What is kept of an exception beside its class and message."""
    return {"status_code": getattr(error, "status", None), "code": getattr(error, "code", None)}


class Said:
    """What the pieces of a stream said, under the names of ``parrot.Reply``. Each piece is let go."""

    def __init__(self, request_id: str | None) -> None:
        self.request_id = request_id
        self.id: str | None = None
        self.model: str | None = None
        self.finish: str | None = None
        self.usage: dict[str, Any] | None = None
        self.texts: list[str] = []
        self.first_tick = self.last_tick = self.chunks = 0
        self.complete = False

    def feed(self, piece: Piece, /) -> None:
        """One piece, the moment it comes."""
        self.id, self.model = piece.id, piece.model
        self.finish = piece.finish or self.finish
        self.usage = piece.usage or self.usage
        self.complete = self.finish is not None
        if piece.text:
            self.last_tick = perf_counter_ns()
            self.first_tick = self.first_tick or self.last_tick
            self.chunks += 1
            self.texts.append(piece.text)

    def reply(self) -> Said:
        """On spanloom's thread: what ``extract`` reads in the place of a ``parrot.Reply``."""
        return self

    @property
    def text(self) -> str:
        return "".join(self.texts)


INTEGRATION = Integration(
    name="parrot",
    package="parrot-client",
    supports=">=1.2",
    rows=tuple(
        Patch(
            target=f"parrot:{client}.chat",
            begin=begin,
            finish=finish,
            note=note,
            classify=classify,
        )
        for client in ("Client", "AsyncClient")
    ),
)
