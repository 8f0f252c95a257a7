"""From the application's thread to the backends: one queue, one worker, one lane per backend."""

import threading
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from . import build, imports
from .errors import describe, log, mistake, place
from .lane import Backend, BackendReport, Lane
from .recorder import Active, Scope
from .settings import Settings
from .types import Resource, Span

Processor: TypeAlias = Callable[[Span], Span | None]
"""A pure function of a finished span, run on the worker after redaction; ``None`` drops the span.

What it raises withholds the span's content."""


TURN_S = 0.001
"""How long the worker keeps the interpreter to itself."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``flush`` can vouch for: for each backend, since the flush before."""

    backends: Mapping[str, BackendReport] = {}
    answered: bool = True
    """False: it could not be found out in time what became of the spans."""

    @property
    def ok(self) -> bool:
        """Nothing was dropped and nothing is still on the way."""
        return self.answered and not any(b.dropped or b.pending for b in self.backends.values())

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
        self.settings: Settings = settings or Settings()
        settings = self.settings
        self.resource: Resource = resource or Resource()
        self._processors = processors
        self._chain: tuple[Processor, ...] | None = None
        self.lanes: list[Lane] = [
            Lane(
                backend,
                max_spans=settings.lane_spans,
                max_bytes=settings.lane_bytes,
                batch_spans=settings.batch_spans,
            )
            for backend in backends
        ]
        names: set[str] = set()
        for lane in self.lanes:  # each is counted by its name
            name, number = lane.name, 1
            while lane.name in names:
                number += 1
                lane.name = f"{name}-{number}"
            names.add(lane.name)
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
        # Shown as open, then refused: their end is told all the same.
        self._unended: deque[Active] = deque(maxlen=self._max_spans)
        self._bytes_in = self._bytes_out = 0
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._setting_up = threading.Lock()
        self._stopping = self._pausing = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.recorded: int = 0
        self.dropped: defaultdict[str, int] = defaultdict(int)
        self._dropped_reported = 0
        self.faults: dict[str, int] = {}

    def start(self) -> None:
        """Start the worker. Called by ``init``, and in a forked child by its first span.

        The lanes' threads too: Python 3.12 starts none any more once the program has ended, which is
        when a short one delivers its first spans.
        """
        thread = threading.Thread(target=self._run, name="spanloom-worker", daemon=True)
        thread.start()
        self._thread = thread
        for lane in self.lanes:
            try:
                lane.start()
            except RuntimeError:  # the lane tries again
                pass

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
            if active.pended:
                active.request = active.response = active.input = active.tap = None
                self._unended.append(active)
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
        Pipeline.put(self, active)

    def _started_first(self, active: Active) -> None:
        """Also a span that has only begun needs the worker, which shows that it is open."""
        self._revive()
        self.started(active)

    def _revive(self) -> None:
        self.started = self._starts.append
        if self.__dict__.pop("put", None) is not None:  # one thread of several
            try:
                self.start()
            except RuntimeError as exc:  # no more threads: then the end of the process delivers
                log.warning("spanloom: the worker cannot be started: %s", exc)

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
        if self._thread is threading.current_thread() or any(
            lane.own_thread for lane in self.lanes
        ):  # a backend or a processor asks: it would wait for itself
            return Report(answered=False)
        marker = _Marker(with_open)
        running = self._thread is not None and not self._stopped.is_set()
        if running:
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
        # what a processor dropped was to be dropped: nothing was lost
        total = sum(self.dropped.values()) - self.dropped.get("processor", 0)
        since, self._dropped_reported = total - self._dropped_reported, total
        return Report(
            backends={
                lane.name: lane.report(late.get(lane.name, lane.pending + upstream), since)
                for lane in self.lanes
            },
            answered=marker.passed.is_set() if running else not upstream,
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
            if self._stopped.is_set() or not (self._queue or self._starts):
                if "put" in self.__dict__:  # a child that recorded nothing
                    return
            else:
                with Scope(suppressed=True):
                    self._safely_drain(closing=True)
            self._end()
        else:
            self._stopping = True
            self._wake()
            if not self._stopped.wait(max(0.0, deadline - time.monotonic())):
                self.__dict__.setdefault("put", self._put_late)
                if left := self._forget("not_handled"):
                    log.warning("spanloom: %d spans were not handled in time and are lost", left)
        for lane in self.lanes:  # all begin to close at once; the slowest sets the time
            lane.begin_close(deadline)
        for lane in self.lanes:
            lane.close(deadline)
        self._forget("after_shutdown")  # threads that had looked at ``put`` before it was late

    def _end(self) -> None:
        """From now on spans come too late, and are counted as that."""
        self.__dict__.setdefault("put", self._put_late)
        self._forget("after_shutdown")
        self._stopped.set()

    def _forget(self, reason: str) -> int:
        """Count what is queued as lost; nobody waits for it any longer."""
        left = 0
        while True:
            try:
                item = self._queue.popleft()
            except IndexError:
                return left
            if isinstance(item, _Marker):
                item.passed.set()
            else:
                left += 1
                self._drop(reason)

    def hand_over(self, successor: "Pipeline | None") -> None:
        """From now on what ends goes to ``successor``; without one it is not recorded."""
        if successor is None:
            self.__dict__["put"] = self._put_late
            self._forget("after_shutdown")
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

    def pause(self, timeout: float) -> None:
        """Deliver, and let every thread of ours end: somebody is about to exchange what they run on."""
        deadline = time.monotonic() + timeout
        self._pausing = True
        self._wake()
        if self._thread is not None:
            self._thread.join(timeout)
        for lane in self.lanes:
            lane.pause(deadline)

    def resume(self) -> None:
        """Go on after ``pause``, with threads and locks as they are made now."""
        self._pausing = False
        for lane in self.lanes:
            lane.resume()
        if self._thread is None or self._thread.is_alive():
            return
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._setting_up = threading.Lock()
        self._stopped = threading.Event()
        self.start()

    def stats(self) -> Mapping[str, object]:
        return {
            "recorded": self.recorded,
            "queued": len(self._queue),
            "open": sum(1 for ref in self._open if (a := ref()) is not None and not a.closed),
            "dropped": dict(self.dropped),
            "worker_faults": dict(self.faults),
            "backends": {lane.name: lane.stats() for lane in self.lanes},
        }

    # -- on the worker -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with Scope(suppressed=True):
                while not self._stopping:
                    self._alarm.acquire(timeout=self._tick_s)
                    if not self._stopping:
                        imports.recheck()
                        self.processors()  # before a span waits for them: a kill may come any time
                    self._safely_drain()
                    if self._pausing:
                        return
                self._safely_drain(closing=True)
        finally:
            if not self._pausing:
                self._finish()

    def _finish(self) -> None:
        for lane in self.lanes:
            lane.adopt()
        self._end()
        for lane in self.lanes:
            lane.finish()

    def _safely_drain(self, closing: bool = False) -> None:
        """The worker outlives any fault of its own: a dead worker would be silence."""
        while True:
            before = len(self._queue)
            try:
                self._drain(closing)
                return
            except BaseException as exc:
                self._drop("worker_fault")
                if self._fault("worker", exc):
                    log.warning(
                        "spanloom worker: %s at %s",
                        type(exc).__qualname__,
                        place(exc.__traceback__),
                    )
            if not closing or len(self._queue) >= before:  # else what is left is tried once more
                return

    def _fault(self, where: str, exc: BaseException) -> bool:
        """Count it. True: the first of its kind, which is worth a line."""
        what = f"{where}: {type(exc).__qualname__}"
        if what not in self.faults and len(self.faults) >= 100:
            what = "others"
        self.faults[what] = count = self.faults.get(what, 0) + 1
        return count == 1

    def _drain(self, closing: bool = False) -> None:
        """Handle what is queued, then show what is open."""
        batch: list[tuple[Span, int]] = []
        try:
            self._take(batch, closing)
        finally:  # also what was ready before a fault
            self._deliver(batch)

    def _take(self, batch: list[tuple[Span, int]], closing: bool) -> None:
        queue = self._queue
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
                item.passed.set()
                continue
            self._bytes_out += item.weight
            self.recorded += 1
            if (span := self._process(item)) is not None:
                batch.append((span, _size(item, span)))
            item.request = item.response = item.attributes = item.tap = item.inner = None
            item.fields = item.input = item.watch = item.failure = None
            item.events = item.links = item.together = None
            del item
            if len(batch) >= self.settings.batch_spans:
                self._deliver(batch)
            if (now := time.perf_counter()) > turn_ends:
                # Give the interpreter to the application's threads: they would else wait for a
                # whole switch interval, ten times as long. But a queue that fills is worse.
                if len(queue) < self._half:
                    time.sleep(0)
                turn_ends = now + TURN_S
                if now > late:  # under a program that never pauses the queue is never empty
                    batch.extend(self._pending(closing))
                    self._deliver(batch)
                    late = now + self._tick_s
        batch.extend(self._pending(closing))
        while self._unended:
            self._show_ended(self._unended.popleft(), "dropped: queue_full")

    def _deliver(self, batch: list[tuple[Span, int]], only_shown: bool = False) -> None:
        """Give ``batch`` to the lanes and empty it."""
        ready = batch[:]
        batch.clear()
        if ready:
            for lane in self.lanes:
                if only_shown and not lane.wants_pending:
                    continue
                try:
                    lane.put(ready)
                except Exception as exc:  # no thread can be started: the lane tries again
                    if self._fault(f"backend {lane.name}", exc):
                        log.warning("spanloom backend %s: %s", lane.name, describe(exc))

    def _show_ended(self, active: Active, why: str) -> None:
        """A span that was shown as open and then dropped must not look as if it had never ended."""
        try:
            self._deliver([(build.skeleton(active, self.resource, why), 512)], only_shown=True)
        except Exception as exc:
            self._fault("skeleton", exc)

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
                    log.warning(
                        "spanloom: processors cannot be set up: %s; all content is withheld",
                        describe(exc),
                    )
                    self._chain = (_unchecked,)
        return self._chain

    def _process(self, active: Active, pending: bool = False) -> Span | None:
        try:
            span = build.span(active, self.resource, pending=pending)
        except BaseException as exc:
            if self._fault(f"build {active.integration}", exc):
                log.warning(
                    "spanloom: a span of %s could not be built: %s at %s; its content is withheld",
                    active.integration, type(exc).__qualname__, place(exc.__traceback__),
                )  # fmt: skip
            return build.skeleton(active, self.resource, f"build failed: {type(exc).__qualname__}")
        for process in self.processors():
            try:
                done: Any = process(span)
                if done is not None and not isinstance(done, Span):
                    mistake(
                        f"processors: {_name(process)} returned a {type(done).__name__}; return the "
                        "span, another Span, or None to drop it. The span's content is withheld."
                    )
                    raise TypeError("no Span")
            except BaseException as exc:  # also what a library raises to end its own thread
                # A processor that fails as a whole has checked nothing: what is left of the span
                # is its skeleton, so that its children have a parent.
                if self._fault(f"processor {_name(process)}", exc):
                    log.warning(
                        "spanloom: processor %s failed: %s at %s; the span's content is withheld",
                        _name(process), type(exc).__name__, place(exc.__traceback__),
                    )  # fmt: skip
                return build.skeleton(
                    active, self.resource, f"processor failed: {type(exc).__name__}"
                )
            if done is None:
                if not pending:
                    self._drop("processor")
                    if active.pended:
                        self._show_ended(active, "dropped: processor")
                return None
            span = done
        return span


def _name(processor: Processor) -> str:
    return str(getattr(processor, "__name__", type(processor).__name__))


def _unchecked(span: Span) -> Span:
    raise RuntimeError("processors cannot be set up")


_encode = msgspec.msgpack.Encoder().encode


def _size(active: Active, span: Span) -> int:
    """Bytes that the span holds on its way, roughly: it bounds what a slow backend may pile up."""
    held = (span.detail, span.events, span.attributes, span.metadata, span.error)
    try:
        texts = len(_encode(held))  # done in C, a tenth of what it takes to walk through it
    except Exception:  # a processor of the program's own put in what cannot be encoded
        texts = _length(held, 6)
    return 512 + max(active.weight, texts) + sum([len(blob.data) for blob in span.blobs])


def _length(value: Any, levels: int) -> int:
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value)
    if value is None or kind is bool or kind is int or kind is float or not levels:
        return 8
    if kind is tuple or kind is list:
        return 8 + sum([_length(item, levels - 1) for item in value])
    if isinstance(value, Mapping):
        return 64 + sum([len(key) + _length(item, levels - 1) for key, item in value.items()])
    if isinstance(value, msgspec.Struct):
        return 64 + sum([_length(getattr(value, n), levels - 1) for n in value.__struct_fields__])
    return 8


class _Nowhere:
    """Sink of spans that a forked child inherited open: their parent process ends them."""

    def started(self, active: Active, /) -> None:
        pass

    def put(self, active: Active, /) -> None:
        pass

    def admits(self) -> bool:
        return False


_NOWHERE = _Nowhere()
