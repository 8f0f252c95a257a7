"""Sending an answer, whole, streamed, or broken off as a script demands.

Every path records the exchange before its last bytes leave, so that a client that has read
its answer finds the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from spanloom.testing import facts, wire
from spanloom.testing.answers import (
    Answer,
    Body,
    Chat,
    Error,
    ErrorInStream,
    Facts,
    Garbage,
    Hang,
    Outcome,
    Piece,
    Reply,
    Reset,
    Truncate,
)
from spanloom.testing.server import Connection, Headers

Record = Callable[[int, Facts, Outcome], None]


class Sending:
    """One answer on its way. ``record`` is called exactly once."""

    def __init__(
        self, connection: Connection, reply: Reply, headers: Headers, record: Record
    ) -> None:
        self._connection = connection
        self._reply = reply
        self._headers = headers
        self._note = record
        self._recorded = False
        self._sent: list[Piece] = []
        self._status = 0

    def answer(self, answer: Answer | None) -> None:
        """Send it, failing where ``answer`` says so.

        Raises:
            OSError: the client left, or the server is closing.
        """
        try:
            self._connection.wait(delay(answer))
            match answer:
                case Hang(after_chunks=None):
                    self._record("hung")
                    self._connection.wait(answer.seconds)
                    self._connection.hang_up()
                case Reset(after_bytes=None, after_chunks=None):
                    self._record("reset")
                    self._connection.reset()
                case _:
                    self._status = self._reply.status
                    send = self._stream if self._reply.stream else self._whole
                    send(answer)
        finally:
            # Only a client that left, or a server that closes, gets here unrecorded.
            self._record("disconnected")

    def _record(self, outcome: Outcome) -> None:
        if self._recorded:
            return
        self._recorded = True
        told = facts.told((piece.payload for piece in self._sent), complete=outcome == "answered")
        self._note(self._status, told, outcome)

    def _whole(self, answer: Answer | None) -> None:
        body = b"".join(piece.data for piece in self._reply.pieces)
        link, status, headers = self._connection, self._reply.status, self._headers
        match answer:
            case Reset():
                self._record("reset")
                link.send_part(status, headers, body, answer.after_bytes or 0)
                link.reset()
            case Hang():
                self._record("hung")
                link.send_part(status, headers, body, 0)
                link.wait(answer.seconds)
                link.hang_up()
            case Truncate(clean=True):
                self._record("truncated")
                link.send(status, headers, body[: len(body) // 2])
            case Truncate():
                self._record("truncated")
                link.send_part(status, headers, body, len(body) // 2)
                link.hang_up()
            case _:
                self._sent = list(self._reply.pieces)
                self._record("answered")
                link.send(status, headers, body)

    def _stream(self, answer: Answer | None) -> None:
        link = self._connection
        link.start(self._reply.status, self._headers)
        if not isinstance(answer, Reset | Hang | ErrorInStream | Truncate):
            *most, last = self._reply.pieces
            self._send(most, pause(answer))
            link.wait(pause(answer) if most else 0)
            self._sent.append(last)
            self._record("answered")
            link.finish(last.data)
            return
        if isinstance(answer, Reset) and answer.after_bytes is not None:
            kept = first_bytes(self._reply.pieces, answer.after_bytes)
        else:
            kept = first_events(self._reply.pieces, answer.after_chunks or 0)
        self._send(kept, pause(answer))
        match answer:
            case Reset():
                self._record("reset")
                link.reset()
            case Hang():
                self._record("hung")
                link.wait(answer.seconds)
                link.hang_up()
            case Truncate():
                self._record("truncated")
                if answer.clean:
                    link.finish()
                link.hang_up()
            case ErrorInStream():
                failure = stream_error(answer, self._sent)
                self._sent.append(failure)
                self._record("failed")
                link.finish(failure.data)

    def _send(self, pieces: Iterable[Piece], pause_s: float) -> None:
        for number, piece in enumerate(pieces):
            self._connection.wait(pause_s if number else 0)
            self._connection.chunk(piece.data)
            self._sent.append(piece)


def delay(answer: Answer | None) -> float:
    """Seconds to wait before the first byte."""
    if isinstance(answer, Chat | Body | Error):
        return answer.delay_s
    if answer is None or isinstance(answer, Garbage):
        return 0.0
    return answer.answer.delay_s if answer.answer else 0.0


def pause(answer: Answer | None) -> float:
    """Seconds to wait between streamed events."""
    if isinstance(answer, Reset | Hang | ErrorInStream | Truncate):
        answer = answer.answer
    return answer.chunk_delay_s if isinstance(answer, Chat) else 0.0


def first_events(pieces: Iterable[Piece], count: int) -> list[Piece]:
    """The pieces up to that many events; comments do not count."""
    kept: list[Piece] = []
    for piece in pieces:
        if not piece.data.startswith(b":"):
            count -= 1
            if count < 0:
                break
        kept.append(piece)
    return kept


def first_bytes(pieces: Iterable[Piece], count: int) -> list[Piece]:
    """The pieces up to that many bytes; a piece that is cut tells nothing."""
    kept: list[Piece] = []
    for piece in pieces:
        if len(piece.data) > count:
            return [*kept, Piece(piece.data[:count])]
        kept.append(piece)
        count -= len(piece.data)
    return kept


def stream_error(answer: ErrorInStream, sent: list[Piece]) -> Piece:
    """The event with an ``error`` object, in the shape of the stream it breaks off."""
    payload = wire.error(500, answer.code, answer.type, answer.message)
    if sent and isinstance(sent[0].payload, dict) and "sequence_number" in sent[0].payload:
        payload = {"type": "error", "sequence_number": len(sent), **payload}
        return wire.event(payload, "error")
    return wire.event(payload)
