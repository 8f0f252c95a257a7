"""What every backend promises, whoever wrote it. Subclass with ``make`` and ``read_back``."""

from __future__ import annotations

import os
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom.errors import Refused, Retry
from spanloom.lane import Backend
from spanloom.testing.contracts.golden import ODD, a_span, golden_batch
from spanloom.types import Span, Task

# Put together here, so that no scanner takes the source for a leak.
SECRET = "-".join(("sk", "proj", "Zx81kQpL0vN2mB7cT5yR3wJ9aHd4Gs6E"))
MARK = "vermilion marmalade"


@dataclass(frozen=True)
class Received:
    """A span as it is found again where the backend put it. Ids are numbers, times since the epoch."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Written:
    """All that a backend let out: its finished spans, and every byte."""

    spans: Sequence[Received]
    raw: bytes


class Other:
    """Another backend beside the one under test, that behaves as it is told."""

    name = "other"

    def __init__(self, trouble: Exception | float | None = None) -> None:
        self.trouble = trouble
        self.spans: list[Span] = []
        self.over: threading.Event = threading.Event()

    def export(self, batch: Sequence[Span], /) -> None:
        """Take, raise, or hang for so many seconds."""
        if isinstance(self.trouble, Exception):
            raise self.trouble
        if self.trouble is not None:
            self.over.wait(self.trouble)
        self.spans.extend(batch)

    def close(self) -> None:
        """Hang likewise."""
        if isinstance(self.trouble, float):
            self.over.wait(self.trouble)


class BackendContract:
    """All cases. ``place`` is a directory of the test's own."""

    close_s: float = 2.0
    """How long closing may take when nothing is in the way."""

    def make(self, place: Path) -> Backend:
        """A new backend, as ``init`` would make it; it delivers to somewhere in ``place``."""
        raise NotImplementedError

    def read_back(self, backend: Backend, place: Path) -> Written:
        """What ``backend`` has delivered so far, read from where it delivers to. Before or after ``close``."""
        raise NotImplementedError

    def fail(self, backend: Backend, place: Path) -> None:
        """From now on whatever is behind the backend takes nothing more."""
        raise NotImplementedError

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """Spanloom is off before and after; strict."""
        for name in [name for name in os.environ if name.startswith(("SPANLOOM_", "OTEL_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("SPANLOOM_STRICT", "1")
        monkeypatch.chdir(tmp_path)
        place = tmp_path / "place"
        place.mkdir()
        try:
            yield place
        finally:
            spanloom.shutdown(1)

    def start(self, place: Path, *backends: object, **settings: Any) -> None:
        """``init`` with these backends, by hand only."""
        given: dict[str, Any] = {
            "backends": backends, "integrations": [], "signals": False, "dir": str(place),
        }  # fmt: skip
        spanloom.init(**(given | settings))

    # -- by itself -------------------------------------------------------------------------------

    def test_it_is_a_backend_that_opens_nothing_at_first(self, place: Path) -> None:
        threads, before = threading.active_count(), sorted(place.rglob("*"))
        backend = self.make(place)
        assert isinstance(backend, Backend)
        assert backend.name
        assert sorted(place.rglob("*")) == before
        assert threading.active_count() == threads
        backend.close()

    def test_every_kind_and_event_arrives(self, place: Path) -> None:
        backend, batch = self.make(place), golden_batch()
        backend.export(batch)
        self.arrived(backend, place, batch)
        backend.close()
        self.arrived(backend, place, batch)

    def arrived(self, backend: Backend, place: Path, batch: Sequence[Span]) -> None:
        found = self.read_back(backend, place).spans
        wanted = [
            Received(s.trace_id, s.span_id, s.parent_id, s.name, s.start_ns, s.end_ns or 0)
            for s in batch
        ]
        assert sorted(found, key=by_id) == sorted(wanted, key=by_id)

    def test_an_empty_batch_is_nothing(self, place: Path) -> None:
        backend = self.make(place)
        backend.export([])
        assert self.read_back(backend, place).spans == []
        backend.export([a_span(1)])
        backend.export([])
        self.arrived(backend, place, [a_span(1)])
        backend.close()

    def test_several_batches_arrive(self, place: Path) -> None:
        backend = self.make(place)
        spans = [a_span(number) for number in range(3000)]
        for start in range(0, 3000, 700):
            backend.export(tuple(spans[start : start + 700]))
        self.arrived(backend, place, spans)
        backend.close()

    @pytest.mark.parametrize("oddity", ODD)
    def test_odd_values_arrive(self, place: Path, oddity: str) -> None:
        """In attributes, in data and in texts, with a usual span before and behind."""
        value = ODD[oddity]
        text = next((v for v in value.values() if isinstance(v, str)), "text")
        spans = [
            a_span(0),
            a_span(1, attributes=value, metadata=value),
            a_span(2, detail=Task(input=value, output=list(value.values()))),
            a_span(3, name=f"odd {text[:100]}".encode("utf-8", "replace").decode(), tags=(text,)),
            a_span(4),
        ]
        backend = self.make(place)
        backend.export(spans)
        found = self.read_back(backend, place).spans
        assert sorted(s.span_id for s in found) == sorted(s.span_id for s in spans)
        backend.close()

    def test_closing_is_idempotent_and_quick(self, place: Path) -> None:
        for used in (False, True):
            backend = self.make(place)
            if used:
                backend.export([a_span(1)])
            for _ in range(3):
                assert within(self.close_s, backend.close), "close() hangs"

    def test_a_forked_child_delivers_its_own(self, place: Path) -> None:
        """And the parent its own, with nothing twice."""
        backend = self.make(place)
        backend.export([a_span(1)])

        def child() -> bool:
            if (after_fork := getattr(backend, "after_fork", None)) is not None:
                after_fork()
            backend.export([a_span(2)])
            backend.close()
            return [s.span_id for s in self.read_back(backend, place).spans].count(
                a_span(2).span_id
            ) == 1

        assert forked(child)
        backend.export([a_span(3)])
        found = [s.span_id for s in self.read_back(backend, place).spans]
        assert found.count(a_span(1).span_id) == found.count(a_span(3).span_id) == 1
        assert found.count(a_span(2).span_id) <= 1
        backend.close()

    # -- behind the pipeline ---------------------------------------------------------------------

    def test_what_is_recorded_arrives(self, place: Path) -> None:
        """Given to ``init`` as an object; a span that is open for long arrives once."""
        backend = self.make(place)
        self.start(place, backend, flush_interval_s=0.02)
        with spanloom.workflow("whole"):
            with spanloom.span("slow"):
                time.sleep(0.1)
            for number in range(20):
                with spanloom.span(f"step {number}"):
                    spanloom.event("passed", number=number)
        report = spanloom.flush(10)
        assert report.ok
        assert report.backends[backend.name].sent == 22
        found = self.read_back(backend, place).spans
        assert sorted(s.name for s in found) == sorted(
            ["whole", "slow", *(f"step {number}" for number in range(20))]
        )
        (whole,) = (s for s in found if s.name == "whole")
        assert {s.parent_id for s in found if s is not whole} == {whole.span_id}

    def test_the_tail_arrives_at_shutdown(self, place: Path) -> None:
        backend = self.make(place)
        self.start(place, backend)
        for number in range(50):
            with spanloom.span(f"step {number}"):
                pass
        spanloom.shutdown(5)
        assert len(self.read_back(backend, place).spans) == 50

    @pytest.mark.parametrize("content", ["redacted", "none", "hash"])
    def test_a_planted_secret_is_in_none_of_its_bytes(self, place: Path, content: str) -> None:
        backend = self.make(place)
        self.start(place, backend, content=content)
        self.plant(SECRET)
        assert spanloom.flush(10).ok
        written = self.read_back(backend, place)
        assert len(written.spans) >= 4
        spanloom.shutdown(5)
        for raw in (written.raw, self.read_back(backend, place).raw):
            assert SECRET.encode() not in raw

    @pytest.mark.parametrize("content", ["none", "hash"])
    def test_withheld_content_is_in_none_of_its_bytes(self, place: Path, content: str) -> None:
        backend = self.make(place)
        self.start(place, backend, content=content)
        self.plant(MARK, names=False)
        assert spanloom.flush(10).ok
        written = self.read_back(backend, place)
        assert len(written.spans) >= 4
        assert MARK.encode() not in written.raw

    def plant(self, text: str, *, names: bool = True) -> None:
        """Wherever a program can say something. ``names``: also where no content belongs."""
        label = text if names else "label"
        with (
            spanloom.session("s-1", plan=text),
            spanloom.context(feature=label, metadata={"deep": [text]}),
            spanloom.span(f"named {label}", attribute=text, nested={"a": [{"b": text}]}),
        ):
            with spanloom.llm_call(model="m", input=f"ask {text}") as call:
                call.record(output=f"told {text}")
            with spanloom.tool("look", input={"key": text}) as tool:
                tool.record(output=f'{{"json": "{text}"}}')
                spanloom.event("seen", value=text)
                spanloom.score("good", text, comment=text)
            with pytest.raises(ValueError, match="planted"), spanloom.span("failing"):
                raise ValueError(f"planted {text}")
            with spanloom.retrieval("found", query=text) as found:
                found.set_attributes({"where": f"https://example.org/?api_key={text}"})

    # -- when it cannot ------------------------------------------------------------------------------

    def test_flush_never_calls_sent_what_was_lost(self, place: Path) -> None:
        backend = self.make(place)
        self.start(place, backend)
        for number in range(5):
            with spanloom.span(f"good {number}"):
                pass
        first = spanloom.flush(10).backends[backend.name]
        assert (first.sent, first.dropped, first.pending) == (5, 0, 0)
        self.fail(backend, place)
        for number in range(5):
            with spanloom.span(f"lost {number}"):
                pass
        second = spanloom.flush(0.3).backends[backend.name]
        assert (second.sent, second.dropped + second.pending) == (0, 5)

    @pytest.mark.parametrize("trouble", ["retry", "refused", "error", "hang"])
    def test_anothers_trouble_is_not_its_own(self, place: Path, trouble: str) -> None:
        """And ``flush`` says of each what is true of it, in time."""
        backend = self.make(place)
        troubles: dict[str, Exception | float] = {
            "retry": Retry("later", after_s=60.0),
            "refused": Refused("no", spans=2),
            "error": OSError("gone"),
            "hang": 30.0,
        }
        other = Other(troubles[trouble])
        self.start(place, backend, other)
        for number in range(5):
            with spanloom.span(f"step {number}"):
                pass
        began = time.monotonic()
        report = spanloom.flush(timeout=0.5)
        assert time.monotonic() - began < 1.0
        mine, its = report.backends[backend.name], report.backends["other"]
        assert (mine.sent, mine.dropped, mine.pending) == (5, 0, 0)
        assert (its.sent, its.dropped, its.pending) == {
            "retry": (0, 0, 5), "refused": (3, 2, 0), "error": (0, 5, 0), "hang": (0, 0, 5),
        }[trouble]  # fmt: skip
        assert not report.ok
        assert len(self.read_back(backend, place).spans) == 5
        if trouble != "hang":
            spanloom.shutdown(0.1)
            return
        began = time.monotonic()
        spanloom.shutdown(1)
        assert time.monotonic() - began < 1.6
        other.over.set()


class InstalledBackendContract(BackendContract):
    """For a backend with an entry point: also made by its name."""

    entry_point: str
    """What users write in ``backends=[...]``."""

    def options(self, place: Path) -> dict[str, Any]:
        """Settings that make it deliver to ``place``, as a user would write them."""
        return {}

    def test_it_is_made_by_its_name(self, place: Path) -> None:
        self.start(place, self.entry_point, **self.options(place))
        with spanloom.span("one"):
            pass
        report = spanloom.flush(10)
        assert report.ok
        assert report.backends[self.entry_point].sent == 1


def by_id(span: Received) -> tuple[int, int]:
    return span.trace_id, span.span_id


def within(seconds: float, work: Any) -> bool:
    """Whether it comes back in time; what it raises is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    return not thread.is_alive()


def forked(work: Any) -> bool:
    """What ``work`` says in a forked child; False if it raises or hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads: the case is about them
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() else 1
        except BaseException:
            traceback.print_exc()
        finally:
            leave(status)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return False


def leave(status: int) -> None:
    """At once, whatever hooks there are."""
    os._exit(status)
