"""One backend behind its own bounded queue and thread; its troubles stay here."""

import random
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from .errors import Refused, Retry, describe, log
from .recorder import Scope
from .types import DETAILS, Span


@runtime_checkable
class Backend(Protocol):
    """Where finished spans go. Every method runs on one thread of the backend's own.

    May also have: ``wants_pending`` (also gets spans that are still open, status ``pending``, which a
    later span of the same id supersedes), ``inline`` (takes no time: runs on the worker itself),
    ``after_fork()`` (called in a forked child before its first export), ``where`` (a file or an
    address, which ``spanloom doctor`` shows).
    """

    name: str
    """In ``stats()`` and in messages; a second one of the same name gets a number."""

    def export(self, batch: Sequence[Span], /) -> None:
        """Deliver the batch. It may take its time: only this backend waits.

        Raises:
            Retry: call again with the same batch.
            Refused: some spans are lost, the others delivered.
            Exception: any other loses the whole batch; it is counted and said.
        """

    def close(self) -> None:
        """Let go of everything. May be called twice."""


class BackendReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the spans given to one backend since the last flush."""

    sent: int = 0
    """The backend took them, on its own word."""
    spooled: int = 0
    """Kept on disk for a later try."""
    dropped: int = 0
    pending: int = 0
    """Still on the way when the time was up."""


TRIES = 8
BACKOFF_MAX_S = 10.0
REMEMBERED = 65536
SAY_S = 30.0
"""One line for each class of trouble in this time; the counters tell how often."""


class Lane:
    """Queue, thread, batching, retries and counters of one backend."""

    def __init__(
        self, backend: Backend, *, max_spans: int, max_bytes: int, batch_spans: int
    ) -> None:
        self.backend = backend
        self.name: str = backend.name
        self.wants_pending: bool = bool(getattr(backend, "wants_pending", False))
        self.inline: bool = bool(getattr(backend, "inline", False))
        self._max_spans, self._max_bytes, self._batch = max_spans, max_bytes, batch_spans
        self._forked = False
        self.reset()

    def reset(self) -> None:
        """Empty, without a thread: at the beginning, and in a forked child."""
        self._changed = threading.Condition()
        self._queue: deque[tuple[Span, int]] = deque()
        self._bytes = 0
        self._sending = self._in_hand = self._written_off = 0
        # spans of any kind, also those still open, that came into the queue and that left it
        self._taken = self._done = 0
        self._closing_at: float | None = None
        self._closed = self._paused = False
        self._thread: threading.Thread | None = None
        self.accepted: int = 0
        self.sent: int = 0
        self.retries: int = 0
        self.dropped: dict[str, int] = {}
        self._reported = BackendReport()
        self._last_error: str | None = None
        self._said: dict[str, float] = {}
        # Parents end after their children: whoever kept a child must keep the parent too.
        self._parents_of_kept: dict[int, None] = {}
        self._dropped_ids: dict[int, None] = {}
        self._shown: dict[int, None] = {}

    def forked(self) -> None:
        self.reset()
        self._forked = True

    def start(self) -> None:
        """Start the thread now: at the end of the process the interpreter refuses new ones."""
        with self._changed:
            if self._thread is None and not self.inline and not self._closed:
                self._spawn()

    def pause(self, deadline: float) -> None:
        """Deliver what is queued and let the thread end; the backend stays open."""
        with self._changed:
            self._paused = True
            self._changed.notify_all()
        if self._thread is not None and not self.own_thread:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def resume(self) -> None:
        """Go on, with primitives of the kind that ``threading`` has by now."""
        self._paused = False
        if self._thread is not None and self._thread.is_alive():  # its backend held it up
            return
        self._changed = threading.Condition()
        self._thread = None
        self.start()

    def _spawn(self) -> None:
        thread = threading.Thread(target=self._run, name=f"spanloom-{self.name}", daemon=True)
        thread.start()  # may fail; then the next batch tries again
        self._thread = thread

    def adopt(self) -> None:
        """An inline backend is closed where it was called: on the worker, which does so last."""
        if self.inline and self._thread is None:
            self._thread = threading.current_thread()

    def finish(self) -> None:
        if self.inline and not self._closed and self.own_thread:
            self.begin_close(0.0)
            self._run()

    @property
    def own_thread(self) -> bool:
        """Whether the caller runs on this lane's thread."""
        return self._thread is threading.current_thread()

    # -- on the worker -------------------------------------------------------------------------

    def put(self, spans: Sequence[tuple[Span, int]]) -> None:
        """Take finished and pending spans with their sizes in bytes."""
        if self.inline and not self._closed:
            self._send([span for span, _ in spans if self._counted(span) or self.wants_pending])
            return
        with self._changed:
            if self._closed:
                if late := sum(self._counted(span) for span, _ in spans):
                    self._drop("closed", late)
                return
            for span, size in spans:
                if span.status == "pending":
                    if (
                        self.wants_pending
                        and len(self._queue) < self._max_spans
                        and self._bytes + size <= self._max_bytes
                    ):
                        self._queue.append((span, size))
                        self._bytes += size
                        _remember(self._shown, span.span_id)
                    continue
                shown = self._shown.pop(span.span_id, self) is None
                if not self._fits(span, size):
                    if not shown:
                        continue
                    # It was shown as open: without an end it would stay so for ever.
                    span, size = _bare(span), 512
                self.accepted += 1
                self._queue.append((span, size))
                self._bytes += size
            self._taken = self._done + self._in_hand + len(self._queue)
            if self._thread is None and self._queue:
                self._spawn()
            self._changed.notify_all()

    def _counted(self, span: Span) -> bool:
        if span.status == "pending":
            return False
        self.accepted += 1
        return True

    def _fits(self, span: Span, size: int) -> bool:
        full = len(self._queue) >= self._max_spans or self._bytes + size > self._max_bytes
        lost = span.parent_id in self._dropped_ids
        if (full and span.span_id not in self._parents_of_kept) or lost:
            self._drop("parent_dropped" if lost else "lane_full", 1)
            _remember(self._dropped_ids, span.span_id)
            return False
        if full or self._bytes * 2 > self._max_bytes or len(self._queue) * 2 > self._max_spans:
            if span.parent_id is not None:
                _remember(self._parents_of_kept, span.parent_id)
        return True

    def _drop(self, reason: str, spans: int) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + spans

    # -- on the lane's own thread ----------------------------------------------------------------

    def _run(self) -> None:
        with Scope(suppressed=True):  # the backend's own HTTP calls are not recorded
            while True:
                with self._changed:
                    while not self._queue and self._closing_at is None and not self._paused:
                        self._changed.wait()
                    if not self._queue:
                        if self._paused:
                            return
                        break
                    batch = [
                        self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))
                    ]
                    self._bytes -= sum(size for _, size in batch)
                    self._in_hand = len(batch)
                    self._sending = sum(1 for span, _ in batch if span.status != "pending")
                try:
                    self._send([span for span, _ in batch])
                finally:
                    del batch
                    with self._changed:
                        self._done += self._in_hand
                        self._sending = self._in_hand = 0
                        self._changed.notify_all()
                if self._given_up():
                    break
            self._close_backend()
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _send(self, spans: list[Span]) -> None:
        if not spans:
            return
        count = sum(1 for span in spans if span.status != "pending")
        for attempt in range(TRIES):
            try:
                if self._forked:
                    self._forked = False
                    if (after_fork := getattr(self.backend, "after_fork", None)) is not None:
                        after_fork()
                self.backend.export(spans)
                self._answered(count)
                return
            except Retry as retry:
                self._say(retry)
                self.retries += 1
                wait = retry.after_s
                if wait is None:
                    wait = min(BACKOFF_MAX_S, 0.25 * 2**attempt) * random.uniform(0.5, 1.0)
                if self.inline or not self._pause(wait):
                    self._answered(0, "closed", count)
                    return
            except Refused as refused:
                lost = max(0, min(count, refused.spans))
                self._say(refused)
                self._answered(count - lost, "refused", lost)
                return
            except BaseException as exc:  # a third party's code: whatever it raises stays here
                self._say(exc)
                self._answered(0, "backend_error", count)
                return
        self._answered(0, "retries", count)

    def _answered(self, sent: int, reason: str = "", lost: int = 0) -> None:
        """Count what became of the batch in hand, instead of what ``close`` thought when it left."""
        with self._changed:
            if self._written_off:
                self.dropped["closed"] -= self._written_off
                if not self.dropped["closed"]:
                    del self.dropped["closed"]
                self._written_off = 0
            self._sending = 0
            self.sent += sent
            if lost:
                self._drop(reason, lost)

    def _pause(self, seconds: float) -> bool:
        """Wait before a retry; False when the lane is closing and the time is up."""
        end = time.monotonic() + seconds
        with self._changed:
            while (left := end - time.monotonic()) > 0:
                if self._closing_at is not None:
                    if time.monotonic() >= self._closing_at:
                        return False
                    left = min(left, self._closing_at - time.monotonic())
                self._changed.wait(max(left, 0.001))
        return not self._given_up()

    def _given_up(self) -> bool:
        return self._closing_at is not None and time.monotonic() >= self._closing_at

    def _close_backend(self) -> None:
        try:
            self.backend.close()
        except BaseException as exc:
            self._say(exc, "close: ")

    def _say(self, exc: BaseException, where: str = "") -> None:
        self._last_error = said = where + describe(exc)
        kind, now = where + type(exc).__qualname__, time.monotonic()
        if now - self._said.get(kind, -SAY_S) >= SAY_S and len(self._said) < 100:
            self._said[kind] = now
            log.warning("spanloom backend %s: %s", self.name, said)

    # -- on any thread ---------------------------------------------------------------------------

    def wait_answered(self, deadline: float) -> int:
        """How much of what was accepted before has no answer by ``deadline`` (monotonic).

        What comes in meanwhile is not waited for: a busy program must be able to flush.
        """
        with self._changed:
            asked = self._taken
            while asked > self._done:
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    break
                self._changed.wait(left)
            return max(0, min(self.pending, asked - self._done))

    def begin_close(self, deadline: float) -> None:
        """Tell the lane to deliver what it has by ``deadline`` and to stop; does not wait."""
        with self._changed:
            self._closing_at = deadline
            self._changed.notify_all()

    def close(self, deadline: float) -> None:
        """Deliver what is queued, close the backend and stop, by ``deadline`` at the latest."""
        if self._closed:
            return
        self.begin_close(deadline)
        if self._thread is None:
            # What a backend does when it closes may take any time, so it does it on a thread. Where
            # none can be started any more, on this one: better late than lost.
            try:
                self._spawn()
            except RuntimeError:
                self._run()
        with self._changed:
            while (left := deadline - time.monotonic()) > 0 and not self._closed:
                self._changed.wait(left)
            lost = sum(1 for span, _ in self._queue if span.status != "pending")
            lost += self._sending - self._written_off
            self._written_off = self._sending
            self._queue.clear()
            self._bytes = 0
            self._closed = True
            if lost:
                self._drop("closed", lost)
        if lost:
            log.warning(
                "spanloom backend %s: %d spans were not delivered in time and are lost",
                self.name,
                lost,
            )

    @property
    def pending(self) -> int:
        return max(
            0, self.accepted - self.sent - sum(self.dropped.values()) + self._refused_early()
        )

    def _refused_early(self) -> int:
        """Drops that were never accepted: they must not count against what was."""
        return self.dropped.get("lane_full", 0) + self.dropped.get("parent_dropped", 0)

    def report(self, pending: int, upstream_dropped: int) -> BackendReport:
        """Since the last report.

        Args:
            pending: spans that were asked about and have no answer.
            upstream_dropped: what it dropped since the last report, and we never saw.
        """
        now = BackendReport(sent=self.sent, dropped=sum(self.dropped.values()))
        last, self._reported = self._reported, now
        return BackendReport(
            sent=now.sent - last.sent,
            dropped=now.dropped - last.dropped + upstream_dropped,
            pending=pending,
        )

    def stats(self) -> Mapping[str, object]:
        return {
            "sent": self.sent, "dropped": dict(self.dropped), "pending": self.pending,
            "retries": self.retries, "queued_bytes": self._bytes, "last_error": self._last_error,
        }  # fmt: skip


def _bare(span: Span) -> Span:
    """How a span ended, and nothing of what it held."""
    return Span(
        trace_id=span.trace_id, span_id=span.span_id, parent_id=span.parent_id, name=span.kind,
        detail=DETAILS[span.kind](), integration=span.integration, start_ns=span.start_ns,
        end_ns=span.end_ns, status=span.status, ended_by=span.ended_by, complete=span.complete,
        resource=span.resource, faults=("dropped: lane_full",),
    )  # fmt: skip


def _remember(ids: dict[int, None], span_id: int) -> None:
    ids[span_id] = None
    if len(ids) > REMEMBERED:
        del ids[next(iter(ids))]
