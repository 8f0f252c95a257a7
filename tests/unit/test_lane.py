"""One backend behind its own queue: its troubles stay there, and its time is bounded."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from spanloom.errors import Refused, Retry
from spanloom.lane import Lane
from spanloom.types import Span, Task


def span(number: int = 1, parent: int | None = None, status: Any = "ok") -> Span:
    return Span(
        trace_id=1, span_id=number, parent_id=parent, name=f"n{number}", detail=Task(),
        integration="manual", start_ns=1, end_ns=2, status=status,
    )  # fmt: skip


class Scripted:
    """Raises what it is told to, in order; then takes everything."""

    name = "scripted"

    def __init__(self, *errors: BaseException | None) -> None:
        self.errors = list(errors)
        self.times: list[float] = []
        self.taken: list[Span] = []
        self.closed = 0
        self.forks = 0

    def export(self, batch: Sequence[Span], /) -> None:
        self.times.append(time.monotonic())
        error = self.errors.pop(0) if self.errors else None
        if isinstance(error, Retry):
            raise error
        self.taken.extend(batch)
        if error is not None:
            raise error

    def close(self) -> None:
        self.closed += 1

    def after_fork(self) -> None:
        self.forks += 1


made: list[Lane] = []


@pytest.fixture(autouse=True)
def closed_after() -> Iterator[None]:
    yield
    while made:
        made.pop().close(time.monotonic() + 0.2)


def lane(backend: Any, spans: int = 1000, size: int = 1 << 20, batch: int = 100) -> Lane:
    made.append(Lane(backend, max_spans=spans, max_bytes=size, batch_spans=batch))
    return made[-1]


def put(to: Lane, *spans: Span, size: int = 100) -> None:
    to.put([(s, size) for s in spans])


def settle(to: Lane, seconds: float = 10) -> None:
    assert to.wait_answered(time.monotonic() + seconds) == 0


def test_batches_in_order() -> None:
    backend = Scripted()
    to = lane(backend, batch=3)
    put(to, *(span(n) for n in range(1, 11)))
    settle(to)
    assert [s.span_id for s in backend.taken] == list(range(1, 11))
    assert len(backend.times) == 4
    assert (to.sent, to.pending) == (10, 0)


def test_retry_waits_longer_each_time_and_then_delivers() -> None:
    backend = Scripted(Retry("busy"), Retry("busy"), Retry("busy"))
    to = lane(backend)
    put(to, span())
    settle(to)
    gaps = [b - a for a, b in zip(backend.times, backend.times[1:], strict=False)]
    for number, gap in enumerate(gaps):
        assert 0.125 * 2**number <= gap < 0.25 * 2**number + 0.5
    assert (to.sent, to.retries, sum(to.dropped.values())) == (1, 3, 0)
    assert backend.taken == [span()]


def test_retry_after_is_obeyed() -> None:
    backend = Scripted(Retry("busy", after_s=0.4))
    to = lane(backend)
    put(to, span())
    settle(to)
    assert 0.4 <= backend.times[1] - backend.times[0] < 1.0


def test_retries_end(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Scripted(*(Retry("busy", after_s=0.0) for _ in range(50)))
    to = lane(backend)
    put(to, span())
    settle(to)
    assert to.dropped == {"retries": 1}
    assert len(backend.times) < 50
    backend.errors.clear()
    put(to, span(2))
    settle(to)
    assert to.sent == 1


def test_refused_counts_what_it_names() -> None:
    to = lane(Scripted(Refused("bad", spans=2)))
    put(to, *(span(n) for n in range(1, 6)))
    settle(to)
    assert (to.sent, to.dropped, to.pending) == (3, {"refused": 2}, 0)


def test_refused_more_than_there_were() -> None:
    to = lane(Scripted(Refused("bad", spans=99)))
    put(to, span())
    settle(to)
    assert (to.sent, to.dropped) == (0, {"refused": 1})


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Abort(BaseException):
    pass


@pytest.mark.parametrize(
    "error", [OSError("x"), Mute(), Abort(), SystemExit(1), KeyboardInterrupt()]
)
def test_any_other_error_loses_the_batch_and_no_more(error: BaseException) -> None:
    backend = Scripted(error)
    to = lane(backend)
    put(to, span(1))
    settle(to)
    put(to, span(2))
    settle(to)
    assert (to.sent, to.dropped) == (1, {"backend_error": 1})


def test_one_line_for_one_trouble(caplog: Any) -> None:
    to = lane(Scripted(*(OSError("gone") for _ in range(5))))
    for number in range(1, 6):
        put(to, span(number))
        settle(to)
    assert len(caplog.records) == 1


def test_a_hanging_backend_is_left_in_time() -> None:
    gate = threading.Event()

    class Hanging(Scripted):
        def export(self, batch: Sequence[Span], /) -> None:
            gate.wait(20)

    to = lane(Hanging())
    put(to, span(1))
    time.sleep(0.05)
    put(to, span(2), span(3))
    begun = time.monotonic()
    assert to.wait_answered(begun + 0.2) == 3
    to.close(time.monotonic() + 0.3)
    assert time.monotonic() - begun < 1.5
    assert to.dropped == {"closed": 3}
    assert to.pending == 0
    gate.set()
    made.clear()


def test_closing_in_a_back_off_tries_no_longer_than_it_may() -> None:
    backend = Scripted(*(Retry("busy", after_s=30) for _ in range(9)))
    to = lane(backend)
    put(to, span())
    time.sleep(0.1)
    begun = time.monotonic()
    to.close(begun + 0.3)
    assert 0.2 < time.monotonic() - begun < 1.5
    assert sum(to.dropped.values()) == 1
    made.clear()


def test_close_delivers_first_and_twice_is_once() -> None:
    backend = Scripted()
    to = lane(backend)
    put(to, *(span(n) for n in range(1, 500)))
    to.close(time.monotonic() + 5)
    to.close(time.monotonic() + 5)
    assert (len(backend.taken), backend.closed) == (499, 1)
    unused = Scripted()
    lane(unused).close(time.monotonic() + 1)
    assert unused.closed == 1


def test_lanes_are_independent() -> None:
    gate = threading.Event()

    class Hanging(Scripted):
        def export(self, batch: Sequence[Span], /) -> None:
            gate.wait(20)

    good = Scripted()
    lanes = [lane(Hanging()), lane(Scripted(Retry("x", after_s=30))), lane(good)]
    for each in lanes:
        put(each, span())
    settle(lanes[2], 2)
    assert good.taken
    gate.set()


def test_full_by_count_and_by_bytes() -> None:
    gate = threading.Event()

    class Gated(Scripted):
        def export(self, batch: Sequence[Span], /) -> None:
            gate.wait(20)
            super().export(batch)

    by_count, by_bytes = Gated(), Gated()
    one, two = lane(by_count, spans=10, batch=1), lane(by_bytes, size=1000, batch=1)
    for number in range(1, 101):
        put(one, span(number))
        put(two, span(number), size=300)
    assert one.dropped["lane_full"] >= 88
    assert two.dropped["lane_full"] >= 95
    gate.set()
    settle(one)
    settle(two)
    assert one.sent + one.dropped["lane_full"] == 100
    assert two.sent + two.dropped["lane_full"] == 100
    assert (one.pending, two.pending) == (0, 0)


def test_pending_spans_only_for_who_wants_them() -> None:
    plain, eager = Scripted(), Scripted()
    eager.wants_pending = True  # type: ignore[attr-defined]
    one, two = lane(plain), lane(eager)
    for each in (one, two):
        put(each, span(1, status="pending"), span(2))
        settle(each)
    assert [s.span_id for s in plain.taken] == [2]
    assert [s.span_id for s in eager.taken] == [1, 2]
    assert (one.sent, two.sent) == (1, 1)


def test_after_a_fork_the_backend_is_told_once() -> None:
    backend = Scripted()
    to = lane(backend)
    to.forked()
    put(to, span(1))
    settle(to)
    put(to, span(2))
    settle(to)
    assert (backend.forks, len(backend.taken)) == (1, 2)


def test_a_failing_after_fork_stays_in_the_lane() -> None:
    class Bad(Scripted):
        def after_fork(self) -> None:
            raise OSError("no")

    backend = Bad()
    to = lane(backend)
    to.forked()
    put(to, span(1))
    settle(to)
    put(to, span(2))
    settle(to)
    assert to.dropped == {"backend_error": 1}
    assert [s.span_id for s in backend.taken] == [2]


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a limit of processes: nothing is lost once there is one."""
    backend = Scripted()
    to = lane(backend)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            put(to, span(1))
    put(to, span(2))
    settle(to)
    assert [s.span_id for s in backend.taken] == [1, 2]


def test_a_thread_that_can_never_be_started_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.12 starts none once the program has ended: the caller's then delivers."""
    backend = Scripted()
    to = lane(backend)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        put(to, span(1))
    to.close(time.monotonic() + 5)
    assert ([s.span_id for s in backend.taken], backend.closed, to.dropped) == ([1], 1, {})


def test_a_slow_close_is_left_in_time_also_where_nothing_was_sent() -> None:
    gate = threading.Event()

    class Slow(Scripted):
        def close(self) -> None:
            gate.wait(20)

    begun = time.monotonic()
    lane(Slow()).close(begun + 0.2)
    assert time.monotonic() - begun < 2
    gate.set()


@pytest.mark.parametrize("error", [None, OSError("gone")])
def test_an_answer_after_the_deadline_is_counted_once(error: BaseException | None) -> None:
    gate = threading.Event()

    class Late(Scripted):
        def export(self, batch: Sequence[Span], /) -> None:
            gate.wait(20)
            if error is not None:
                raise error

    to = lane(Late())
    put(to, span(1))
    time.sleep(0.05)
    to.close(time.monotonic() + 0.1)
    assert to.dropped == {"closed": 1}
    gate.set()
    assert to._thread is not None
    to._thread.join(5)
    expected = (1, {}) if error is None else (0, {"backend_error": 1})
    assert (to.sent, to.dropped, to.pending) == (*expected, 0)
    put(to, span(2))
    assert to.dropped["closed"] == 1 and to.pending == 0, "too late, and counted"


def test_messages_of_exceptions_are_not_logged_raw(caplog: Any) -> None:
    to = lane(Scripted(ValueError("Authorization: Bearer sk-abcdefghijklmnopqrstuvwx0123456789")))
    put(to, span())
    settle(to)
    assert "ValueError" in caplog.text
    assert "abcdefghijkl" not in caplog.text + str(to.stats())


def test_what_was_shown_as_open_ends_although_the_lane_is_full() -> None:
    gate = threading.Event()

    class Gated(Scripted):
        wants_pending = True

        def export(self, batch: Sequence[Span], /) -> None:
            gate.wait(20)
            super().export(batch)

    backend = Gated()
    to = lane(backend, size=1000, batch=1)
    put(to, span(1, status="pending"))
    for number in range(2, 9):
        put(to, span(number), size=400)
    put(to, span(1), size=400)
    gate.set()
    settle(to)
    ends = [s for s in backend.taken if s.span_id == 1]
    assert [(s.status, s.name) for s in ends] == [("pending", "n1"), ("ok", "task")]
    assert to.pending == 0
