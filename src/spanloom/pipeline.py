"""From the application's thread to the backends: one queue, one worker, one lane per backend."""

import threading
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from . import build
from .errors import log, place
from .lane import Backend, BackendReport, Lane
from .recorder import Active, Scope
from .settings import Settings
from .types import Resource, Span

Processor: TypeAlias = Callable[[Span], Span | None]
"""A pure function of a finished span, run on the worker; ``None`` drops the span."""


TURN_S = 0.001
"""How long the worker keeps the interpreter to itself."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``flush`` can vouch for: for each backend, since the flush before."""

    backends: Mapping[str, BackendReport] = {}

    @property
    def ok(self) -> bool:
        """Nothing was dropped and nothing is still on the way."""
        return not any(b.dropped or b.pending for b in self.backends.values())

    @property
    def sent(self) -> int:
        """Spans that every backend took."""
        return min((b.sent for b in self.backends.values()), default=0)

    @property
    def spooled(self) -> int:
        return sum(b.spooled for b in self.backends.values())

    @property
    def dropped(self) -> int:
        return max((b.dropped for b in self.backends.values()), default=0)

    @property
    def pending(self) -> int:
        return max((b.pending for b in self.backends.values()), default=0)


_IMPORTS_S = 2.0
"""How long a fork waits for imports of the worker: a forking import of the user's may block them."""


class _Marker:
    """Travels through the queue: whoever waits for it knows that all before it was handled."""

    def __init__(self, with_open: bool) -> None:
        self.passed = threading.Event()
        self.with_open = with_open


class Pipeline:
    """What is between ``Active.end`` and the backends. ``put`` and ``started`` take no lock."""

    def __init__(
        self,
        backends: Sequence[Backend],
        processors: Callable[[], Sequence[Processor]] | Sequence[Processor] = (),
        *,
        settings: Settings | None = None,
        resource: Resource | None = None,
    ) -> None:
        self.settings = settings = settings or Settings()
        self.resource = resource or Resource()
        self._processors = processors
        self._chain: tuple[Processor, ...] | None = None
        self.lanes = [
            Lane(
                backend,
                max_spans=settings.lane_spans,
                max_bytes=settings.lane_bytes,
                batch_spans=settings.batch_spans,
            )
            for backend in backends
        ]
        self._max_spans, self._max_bytes = settings.queue_spans, settings.queue_bytes
        self._half = settings.queue_spans // 2
        # An open span is shown at half the interval, looked for at each quarter, so that by the
        # end of the interval it is written: what is older than that survives any kill.
        self._tick_s = settings.flush_interval_s / 4
        self._pend_ns = int(settings.flush_interval_s * 5e8)
        self._reset()

    def _reset(self) -> None:
        self._queue: deque[Active | _Marker] = deque()
        # The starts that the worker has not looked at yet. Bounded: with a stuck worker only the
        # sight of open spans is lost, never a span.
        self._starts: deque[Active] = deque(maxlen=self._max_spans)
        self.started: Callable[[Active], None] = self._starts.append
        self._open: list[weakref.ref[Active]] = []
        self._bytes_in = self._bytes_out = 0
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._setting_up = threading.Lock()
        self._stopping = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.recorded = 0
        self.dropped: defaultdict[str, int] = defaultdict(int)
        self._dropped_reported = 0

    def start(self) -> None:
        """Start the worker. Called by ``init``, and in a forked child by its first span."""
        self._thread = threading.Thread(target=self._run, name="spanloom-worker", daemon=True)
        self._thread.start()

    # -- on the application's thread ---------------------------------------------------------------

    def put(self, active: Active) -> None:
        """Take a span that has ended. Re-entrant, takes no lock, wakes nobody unless the queue fills."""
        queue = self._queue
        waiting = len(queue)
        if active.dropped or (
            (waiting >= self._max_spans or self._bytes_in - self._bytes_out > self._max_bytes)
            and not active.has_children
        ):
            # Never the parent of a span that may be kept: a leaf, or a trace that never began to be.
            self._drop("trace_refused" if active.dropped else "queue_full")
            active.dropped = True
            active.inner = None  # they name it too, and only the cyclic collector would free both
            return
        self._bytes_in += active.weight
        queue.append(active)
        if waiting == self._half:
            self._wake()

    def admits(self) -> bool:
        return (
            len(self._queue) < self._max_spans
            and self._bytes_in - self._bytes_out <= self._max_bytes
        )

    def _put_first(self, active: Active) -> None:
        """``put`` in a forked child until its first span: only then is a worker worth its thread."""
        self._revive()
        self.put(active)

    def _started_first(self, active: Active) -> None:
        """Also a span that has only begun needs the worker, which shows that it is open."""
        self._revive()
        self.started(active)

    def _revive(self) -> None:
        self.started = self._starts.append
        if self.__dict__.pop("put", None) is not None:  # one thread of several
            self.start()

    def _drop(self, reason: str) -> None:
        self.dropped[reason] += 1  # without a call in between: threads may drop at once

    def _wake(self) -> None:
        try:
            self._alarm.release()
        except RuntimeError:  # already ringing
            pass

    # -- any thread --------------------------------------------------------------------------------

    def flush(self, timeout: float | None, *, with_open: bool = False) -> Report:
        """Wait until all that was recorded before is answered for, at most ``timeout`` seconds.

        ``with_open``: spans that are still open are shown too, however young.
        """
        deadline = time.monotonic() + (
            self.settings.flush_timeout_s if timeout is None else timeout
        )
        late: dict[str, int] = {}
        marker = _Marker(with_open)
        if self._thread is not None and not self._stopped.is_set():
            self._queue.append(marker)
            self._wake()
            if marker.passed.wait(max(0.0, deadline - time.monotonic())):
                for lane in self.lanes:
                    late[lane.name] = lane.wait_answered(deadline)
        upstream = 0
        for item in list(self._queue):
            if item is marker or marker.passed.is_set():
                break  # what came later is not asked about
            upstream += isinstance(item, Active)
        total = sum(self.dropped.values())
        since, self._dropped_reported = total - self._dropped_reported, total
        return Report(
            backends={
                lane.name: lane.report(late.get(lane.name, lane.pending + upstream), since)
                for lane in self.lanes
            }
        )

    def undelivered(self) -> bool:
        """Whether anything waits that the end of the process would lose."""
        return bool(
            self._queue or self._open or self._starts or any(lane.pending for lane in self.lanes)
        )

    def close(self, timeout: float) -> None:
        """Deliver, show what is still open, close the backends: within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        thread = self._thread
        if thread is None:
            if "put" in self.__dict__ or self._stopped.is_set():  # a child that recorded nothing
                return
            self._drain()
            self._stopped.set()
        else:
            self._stopping = True
            self._wake()
            if not self._stopped.wait(max(0.0, deadline - time.monotonic())):
                left = sum(1 for item in list(self._queue) if isinstance(item, Active))
                if left:
                    log.warning("spanloom: %d spans were not handled in time and are lost", left)
        for lane in self.lanes:  # all begin to close at once; the slowest sets the time
            lane.begin_close(deadline)
        for lane in self.lanes:
            lane.close(deadline)

    def hand_over(self, successor: "Pipeline | None") -> None:
        """From now on what ends goes to ``successor``; without one it is not recorded."""
        if successor is None:
            self.__dict__["put"] = self._put_late
            return
        self.__dict__["put"] = successor.put
        open_spans = [ref() for ref in self._open]
        open_spans.extend(self._starts)
        for active in open_spans:
            if active is not None and not active.closed:
                active.sink = successor
                successor.started(active)

    def _put_late(self, active: Active) -> None:
        self._drop("after_shutdown")

    def before_fork(self) -> None:
        """Let the worker finish its imports: half imported modules stay so in a child."""
        self._setting_up.acquire(timeout=_IMPORTS_S)

    def after_fork_in_parent(self) -> None:
        try:
            self._setting_up.release()
        except RuntimeError:  # the time was up, and the worker has released it since
            pass

    def forked(self) -> None:
        """In a forked child: what was queued is the parent's to deliver, and its open spans too."""
        inherited = [ref() for ref in self._open]
        inherited.extend(self._starts)
        for active in inherited:
            if active is not None and not active.closed:
                active.sink = _NOWHERE
        self._reset()
        for lane in self.lanes:
            lane.forked()
        self.__dict__["put"] = self._put_first
        self.started = self._started_first
        self.resource = msgspec.structs.replace(self.resource, pid=build.pid())

    def stats(self) -> Mapping[str, object]:
        return {
            "recorded": self.recorded,
            "queued": len(self._queue),
            "open": sum(1 for ref in self._open if (a := ref()) is not None and not a.closed),
            "dropped": dict(self.dropped),
            "backends": {lane.name: lane.stats() for lane in self.lanes},
        }

    # -- on the worker -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with Scope(suppressed=True):
                while not self._stopping:
                    self._alarm.acquire(timeout=self._tick_s)
                    if not self._stopping:
                        self.processors()  # before a span waits for them: a kill may come any time
                    self._safely_drain()
                self._safely_drain(closing=True)
        finally:
            self._stopped.set()

    def _safely_drain(self, closing: bool = False) -> None:
        """The worker outlives any fault of its own: a dead worker would be silence."""
        try:
            self._drain(closing)
        except BaseException as exc:
            self._drop("worker_fault")
            log.warning(
                "spanloom worker: %s at %s", type(exc).__qualname__, place(exc.__traceback__)
            )

    def _drain(self, closing: bool = False) -> None:
        """Handle what is queued, then show what is open."""
        queue = self._queue
        batch: list[tuple[Span, int]] = []
        turn_ends = time.perf_counter() + TURN_S
        late = turn_ends + self._tick_s
        while True:
            try:
                item = queue.popleft()
            except IndexError:
                break
            if isinstance(item, _Marker):
                if item.with_open:
                    batch.extend(self._pending(True))
                self._deliver(batch)
                batch = []
                item.passed.set()
                continue
            self._bytes_out += item.weight
            self.recorded += 1
            if (span := self._process(item)) is not None:
                batch.append((span, _size(item, span)))
            item.request = item.response = item.attributes = item.tap = item.inner = None
            item.fields = item.input = item.watch = None
            del item
            if len(batch) >= self.settings.batch_spans:
                self._deliver(batch)
                batch = []
            if (now := time.perf_counter()) > turn_ends:
                # Give the interpreter to the application's threads: they would else wait for a
                # whole switch interval, ten times as long. But a queue that fills is worse.
                if len(queue) < self._half:
                    time.sleep(0)
                turn_ends = now + TURN_S
                if now > late:  # under a program that never pauses the queue is never empty
                    batch.extend(self._pending(closing))
                    self._deliver(batch)
                    batch = []
                    late = now + self._tick_s
        batch.extend(self._pending(closing))
        self._deliver(batch)

    def _deliver(self, batch: list[tuple[Span, int]]) -> None:
        if batch:
            for lane in self.lanes:
                try:
                    lane.put(batch)
                except Exception as exc:  # no thread can be started: the lane tries again
                    log.warning("spanloom backend %s: %r", lane.name, exc)

    def _pending(self, closing: bool) -> list[tuple[Span, int]]:
        """Spans open for longer than a flush interval, once each."""
        for _ in range(len(self._starts)):  # and not until there are none: a busy program adds more
            active = self._starts.popleft()
            if not active.closed or (active.inner and active.awaits_inner()):
                self._open.append(weakref.ref(active))
            del active
        if not self._open:
            return []
        oldest = time.perf_counter_ns() - self._pend_ns
        shown: list[tuple[Span, int]] = []
        still: list[weakref.ref[Active]] = []
        for ref in self._open:
            seen = ref()
            if seen is None or (seen.closed and not (seen.inner and seen.awaits_inner())):
                continue
            still.append(ref)
            if (
                not seen.pended
                and not seen.dropped
                and seen.claimant is None
                and (closing or seen.tick < oldest)
            ):
                seen.pended = True
                if (span := self._process(seen, pending=True)) is not None:
                    shown.append((span, _size(seen, span)))
            del seen
        self._open = still
        return shown

    def processors(self) -> tuple[Processor, ...]:
        """The chain, made when the first span needs it."""
        if self._chain is None:
            with self._setting_up:
                try:
                    made = self._processors() if callable(self._processors) else self._processors
                    self._chain = tuple(made)
                except Exception as exc:  # nothing can be checked, so nothing but skeletons leaves
                    log.warning("spanloom: processors cannot be set up: %r; all content is withheld", exc)
                    self._chain = (_unchecked,)
        return self._chain

    def _process(self, active: Active, pending: bool = False) -> Span | None:
        try:
            span: Span | None = build.span(active, self.resource, pending=pending)
        except BaseException as exc:
            log.warning(
                "spanloom: a span of %s could not be built: %s at %s; its content is withheld",
                active.integration, type(exc).__qualname__, place(exc.__traceback__),
            )  # fmt: skip
            return build.skeleton(active, self.resource, f"build failed: {type(exc).__qualname__}")
        for process in self.processors():
            try:
                span = process(span)  # type: ignore[arg-type]
            except BaseException as exc:  # also what a library raises to end its own thread
                # A processor that fails as a whole has checked nothing: what is left of the span
                # is its skeleton, so that its children have a parent.
                log.warning(
                    "spanloom: processor %s failed: %s; the span's content is withheld",
                    getattr(process, "__name__", type(process).__name__), type(exc).__name__,
                )  # fmt: skip
                span = build.skeleton(
                    active, self.resource, f"processor failed: {type(exc).__name__}"
                )
                return span
            if span is None:
                if not pending:
                    self._drop("processor")
                return None
        return span


def _unchecked(span: Span) -> Span:
    raise RuntimeError("processors cannot be set up")


def _size(active: Active, span: Span) -> int:
    return active.weight + 512 + sum(len(blob.data) for blob in span.blobs)


class _Nowhere:
    """Sink of spans that a forked child inherited open: their parent process ends them."""

    def started(self, active: Active, /) -> None:
        pass

    def put(self, active: Active, /) -> None:
        pass

    def admits(self) -> bool:
        return False


_NOWHERE = _Nowhere()
