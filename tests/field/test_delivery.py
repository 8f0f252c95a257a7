"""G2, G4: what is said of delivery is true, and what a full queue drops leaves whole trees."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import openai
import pytest

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.sdk import Refused, Retry
from spanloom.types import Span

from .conftest import Watched

ASK: list[Any] = [{"role": "user", "content": "hi"}]


class Closed:
    """A backend whose door stays shut until ``opens`` is set."""

    name = "closed"

    def __init__(self) -> None:
        self.opens = threading.Event()
        self.taken: list[Span] = []

    def export(self, batch: Sequence[Span], /) -> None:
        self.opens.wait(30)
        self.taken.extend(batch)

    def close(self) -> None:
        pass


class Failing:
    """A backend that answers each batch with what it was told."""

    def __init__(self, name: str, *answers: BaseException | None) -> None:
        self.name, self._answers = name, list(answers)
        self.taken: list[Span] = []

    def export(self, batch: Sequence[Span], /) -> None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is not None:
            raise answer
        self.taken.extend(batch)

    def close(self) -> None:
        pass


@pytest.fixture
def closed() -> Iterator[Closed]:
    backend = Closed()
    yield backend
    backend.opens.set()


@pytest.mark.field("G2", "with a hanging backend flush keeps to its time and tells the truth")
def test_flush_with_a_hanging_backend(client: openai.OpenAI, closed: Closed) -> None:
    memory = MemoryBackend()
    spanloom.init(backends=[closed, memory], batch_spans=2)
    with spanloom.workflow("work"):
        client.chat.completions.create(model="gpt-4o", messages=ASK)
        list(client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True))
    begun = time.monotonic()
    report = spanloom.flush(0.5)
    assert 0.4 < time.monotonic() - begun < 1.5
    assert not report.ok
    shut, open_ = report.backends["closed"], report.backends["memory"]
    assert (shut.sent, shut.dropped, shut.pending) == (0, 0, 3)
    assert (open_.sent, open_.dropped, open_.pending) == (3, 0, 0)
    closed.opens.set()
    report = spanloom.flush(10)
    assert report.ok
    assert report.backends["closed"].sent == len(closed.taken) == 3
    assert report.backends["memory"].sent == 0, "since the last flush"


@pytest.mark.field("G2", "a lost span is never reported as sent; each backend is told of alone")
def test_flush_with_failing_backends(client: openai.OpenAI, caplog: Any) -> None:
    broken = Failing("broken", RuntimeError("no"))
    partial = Failing("partial", Refused("one is bad", spans=1))
    slow = Failing("slow", Retry("busy", after_s=0.05), Retry("busy", after_s=0.05), None)
    memory = MemoryBackend(max_spans=2)
    spanloom.init(backends=[broken, partial, slow, memory])
    with spanloom.workflow("work"):
        client.chat.completions.create(model="gpt-4o", messages=ASK)
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    with caplog.at_level(logging.CRITICAL, "spanloom"):
        report = spanloom.flush(10)
    found = {name: (b.sent, b.dropped, b.pending) for name, b in report.backends.items()}
    assert found == {
        "broken": (0, 3, 0), "partial": (2, 1, 0), "slow": (3, 0, 0), "memory": (2, 1, 0),
    }  # fmt: skip
    assert not report.ok
    assert len(slow.taken) == 3
    assert spanloom.flush(10).ok, "nothing since"
    stats = spanloom.stats()["backends"]
    assert stats["broken"]["dropped"] == {"backend_error": 3}
    assert stats["partial"]["dropped"] == {"refused": 1}
    assert stats["slow"]["retries"] == 2


@pytest.mark.field("G2", "flush without init, twice, and with no time at all")
def test_flush_at_odd_times(watched: Watched, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4o", messages=ASK)
    with spanloom.task("open"):
        spanloom.flush(0)
        assert spanloom.flush(10).ok
        assert [s.kind for s in watched.backend.spans] == ["llm"], "what is open is not sent"
    assert spanloom.flush(10).sent == 1
    spanloom.shutdown()
    assert spanloom.flush() == spanloom.flush()
    assert spanloom.flush().ok


# -- G4 -------------------------------------------------------------------------------------------


def orphans(spans: Sequence[Span]) -> list[Span]:
    """Spans whose parent is missing."""
    known = {(s.trace_id, s.span_id) for s in spans}
    return [s for s in spans if s.parent_id and (s.trace_id, s.parent_id) not in known]


def agent_run(leaves: int) -> int:
    """One trace; how many spans it has."""
    with spanloom.workflow("run"):
        for step in range(2):
            with spanloom.agent(f"agent {step}"):
                for _ in range(leaves):
                    with spanloom.tool("tool"), spanloom.task("detail"):
                        pass
    return 1 + 2 * (1 + 2 * leaves)


def dropped(stats: Any) -> dict[str, int]:
    """Spans dropped by reason, before the lanes and in them."""
    found = dict(stats["dropped"])
    for lane in stats["backends"].values():
        for reason, count in lane["dropped"].items():
            found[reason] = found.get(reason, 0) + count
    return found


@pytest.mark.field("G4", "an overflowing queue keeps no span without its parent", by="manual")
@pytest.mark.parametrize("leaves", [0, 3, 40])
def test_overflow_before_the_worker(leaves: int, caplog: Any) -> None:
    held = threading.Event()
    memory = MemoryBackend()
    waits = iter([True])

    def hold(span: Span) -> Span:
        if next(waits, False):
            held.wait(20)
        return span

    spanloom.init(backends=[memory], processors=[hold], queue_spans=64)
    with spanloom.task("first"):
        pass
    time.sleep(0.3)  # the worker holds it now
    made = 1 + sum(agent_run(leaves) for _ in range(30))
    held.set()
    report = spanloom.flush(10)
    kept = memory.spans
    assert not orphans(kept)
    lost = dropped(spanloom.stats())
    assert set(lost) <= {"queue_full", "trace_refused"}
    assert len(kept) + sum(lost.values()) == made
    assert 0 < len(kept) < made
    assert report.dropped == sum(lost.values())
    made = agent_run(0)
    assert spanloom.flush(10).sent == made, "and it goes on"


@pytest.mark.field("G4", "a lane that overflows keeps no span without its parent")
@pytest.mark.parametrize("leaves", [0, 3, 40])
def test_overflow_in_a_lane(closed: Closed, client: openai.OpenAI, leaves: int) -> None:
    memory = MemoryBackend()
    spanloom.init(backends=[closed, memory], lane_spans=64, batch_spans=8)
    made = 0
    for _ in range(20):
        made += agent_run(leaves)
        with spanloom.agent("asks"):
            client.chat.completions.create(model="gpt-4o", messages=ASK)
        made += 2
        spanloom.flush(0.01)
    spanloom.flush(0.5)
    closed.opens.set()
    spanloom.flush(10)
    assert len(memory.spans) == made, "the other lane is not concerned"
    assert not orphans(closed.taken)
    lost = spanloom.stats()["backends"]["closed"]["dropped"]
    assert set(lost) <= {"lane_full", "parent_dropped"}
    assert len(closed.taken) + sum(lost.values()) == made
    assert 0 < len(closed.taken) < made
    # bounded, but for the parents of what was kept already
    assert len(closed.taken) <= 64 + 8 + 3 * 20


@pytest.mark.field("G4", "streams that end while the queue is full leave no orphan", by="openai")
def test_overflow_with_streams(client: openai.OpenAI) -> None:
    held = threading.Event()
    memory = MemoryBackend()

    def hold(span: Span) -> Span:
        held.wait(20)
        return span

    spanloom.init(backends=[memory], processors=[hold], queue_spans=16)
    streams = []
    for _ in range(12):
        with spanloom.agent("opens"), spanloom.task("asks"):
            streams.append(
                client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
            )
    for stream in streams:
        list(stream)
    held.set()
    spanloom.flush(10)
    lost = dropped(spanloom.stats())
    assert not orphans(memory.spans)
    assert len(memory.spans) + sum(lost.values()) == 36
    assert lost


@pytest.mark.field("G4", "a queue full of bytes drops, and says so", by="openai")
def test_overflow_of_bytes(client: openai.OpenAI, start: Callable[..., Watched]) -> None:
    closed = Closed()
    spanloom.init(backends=[closed], lane_bytes=1_000_000, batch_spans=1)
    text = "x" * 200_000
    for _ in range(20):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
        spanloom.flush(0.01)
    stats = spanloom.stats()["backends"]["closed"]
    assert stats["queued_bytes"] <= 1_000_000
    closed.opens.set()
    report = spanloom.flush(10)
    assert stats["dropped"]["lane_full"] + len(closed.taken) == 20
    assert report.pending == 0
