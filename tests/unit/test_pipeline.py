"""From the end of a span to the backends: nothing lost unsaid, nothing orphaned, nothing held."""

import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import spanloom
from spanloom import api, recorder
from spanloom.backends.memory import MemoryBackend
from spanloom.errors import Refused
from spanloom.pipeline import Pipeline
from spanloom.recorder import Active
from spanloom.settings import Settings
from spanloom.types import Span


class Slow:
    """Takes what it gets when told to."""

    name = "slow"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()
        self.spans: list[Span] = []

    def export(self, batch: Sequence[Span], /) -> None:
        self.entered.set()
        assert self.go.wait(20)
        self.spans.extend(batch)

    def close(self) -> None: ...


class Stopped:
    """A pipeline whose worker does not run: the queue fills, and the test drains it."""

    def __init__(self, **settings: Any) -> None:
        self.backend = MemoryBackend()
        self.pipeline = Pipeline([self.backend], settings=Settings(**settings))
        recorder.use_sink(self.pipeline)

    def drain(self) -> list[Span]:
        self.pipeline._drain()
        return self.backend.spans


@pytest.fixture
def stopped() -> Iterator[Callable[..., Stopped]]:
    yield Stopped
    recorder.use_sink(None)


def no_orphans(spans: Sequence[Span]) -> None:
    ids = {s.span_id for s in spans}
    assert [s.name for s in spans if s.parent_id is not None and s.parent_id not in ids] == []


# -- flush ----------------------------------------------------------------------------------------


def test_flush_says_sent_only_on_the_backends_word() -> None:
    slow = Slow()
    spanloom.init(backends=[slow], integrations=[])
    for _ in range(3):
        with spanloom.span("s"):
            pass
    report = spanloom.flush(0.3)
    assert (report.ok, report.sent, report.pending) == (False, 0, 3)
    slow.go.set()
    report = spanloom.flush(10)
    assert (report.ok, report.sent, report.pending) == (True, 3, 0)
    assert spanloom.flush(10).sent == 0, "since the flush before"


def test_flush_counts_each_backend_by_itself() -> None:
    class Half:
        name = "half"

        def export(self, batch: Sequence[Span], /) -> None:
            raise Refused("one is bad", spans=1)

        def close(self) -> None: ...

    class Broken:
        name = "broken"

        def export(self, batch: Sequence[Span], /) -> None:
            raise OSError("gone")

        def close(self) -> None: ...

    memory = MemoryBackend()
    spanloom.init(backends=[Half(), Broken(), memory], integrations=[])
    for _ in range(2):
        with spanloom.span("s"):
            pass
    report = spanloom.flush(10)
    assert not report.ok
    found = {name: (b.sent, b.dropped, b.pending) for name, b in report.backends.items()}
    assert found["memory"] == (2, 0, 0)
    assert found["broken"] == (0, 2, 0)
    assert sum(found["half"][:2]) == 2
    assert found["half"][1] >= 1
    assert len(memory.spans) == 2


def test_flush_ends_although_the_program_goes_on(start: Callable[..., Any]) -> None:
    rec = start()
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            with spanloom.span("busy"):
                time.sleep(0.0001)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with spanloom.span("asked"):
            pass
        begun = time.monotonic()
        report = spanloom.flush(20)
        took = time.monotonic() - begun
        assert report.ok, report
        assert took < 10
        assert rec.backend.find(name="asked")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_flush_through_a_lane_ends_although_the_program_goes_on() -> None:
    class Lazy:
        name = "lazy"

        def export(self, batch: Sequence[Span], /) -> None:
            time.sleep(0.05)

        def close(self) -> None: ...

    spanloom.init(backends=[Lazy()], integrations=[])
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            with spanloom.span("busy"):
                time.sleep(0.001)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        begun = time.monotonic()
        for _ in range(3):
            assert spanloom.flush(10).ok
        assert time.monotonic() - begun < 8
    finally:
        stop.set()
        thread.join()


def test_flush_of_a_suppressed_or_empty_recorder(rec: Any) -> None:
    assert spanloom.flush(5).ok
    assert spanloom.flush(0).backends.keys() == {"memory"}


# -- overflow -------------------------------------------------------------------------------------


def test_overflow_by_count_drops_leaves_and_whole_traces(stopped: Any) -> None:
    s = stopped(queue_spans=16)
    for _ in range(20):
        with spanloom.span("root"):
            for _ in range(3):
                with spanloom.span("leaf"):
                    pass
    spans = s.drain()
    assert 16 <= len(spans) <= 20
    no_orphans(spans)
    dropped = s.pipeline.stats()["dropped"]
    assert set(dropped) <= {"queue_full", "trace_refused", "parent_dropped"}
    assert len(spans) + sum(dropped.values()) == 80


def test_overflow_by_bytes(stopped: Any) -> None:
    s = stopped(queue_spans=10_000, queue_bytes=1 << 20)
    for _ in range(100):
        active = Active("big")
        active.weight = 100_000
        active.start()
        active.end()
    spans = s.drain()
    assert 10 <= len(spans) <= 12
    assert sum(s.pipeline.stats()["dropped"].values()) == 100 - len(spans)
    with spanloom.span("room again"):
        pass
    assert s.drain()[-1].name == "room again"


def test_a_parent_that_ends_first_is_no_reason_for_an_orphan(stopped: Any) -> None:
    s = stopped(queue_spans=4)
    top, mid, low, leaf = (Active(n) for n in ("top", "mid", "low", "leaf"))
    top.start()
    mid.start(top)
    low.start(mid)
    leaf.start(low)
    leaf.end()  # kept, and so must be all that is above it
    for _ in range(10):
        with spanloom.span("filler"):
            pass
    top.end()
    mid.end()
    low.end()
    names = [span.name for span in s.drain()]
    assert {"top", "mid", "low", "leaf"} <= set(names)
    no_orphans(s.backend.spans)


def test_what_has_children_stays_however_full_it_is(stopped: Any) -> None:
    s = stopped(queue_spans=4)
    top, mid, low = (Active(n) for n in ("top", "mid", "low"))
    top.start()
    mid.start(top)
    low.start(mid)
    for active in (low, mid, top):
        active.detach()
    for _ in range(10):
        with spanloom.span("filler"):
            pass
    top.end()  # no room, but those below have begun and may be kept
    s.drain()
    low.end()
    mid.end()
    late = Active("late")
    late.start(top)
    late.end()
    s.drain()
    no_orphans(s.backend.spans)
    assert {"top", "mid", "low"} <= {x.name for x in s.backend.spans}


@pytest.mark.parametrize("seed", range(5))
def test_never_an_orphan_in_a_random_order(stopped: Any, seed: int) -> None:
    import random

    rng = random.Random(seed)
    s = stopped(queue_spans=8)
    running: list[Active] = []
    ended = 0
    for number in range(600):
        if running and rng.random() < 0.5:
            running.pop(rng.randrange(len(running))).end()
            ended += 1
        else:
            active = Active(f"n{number}")
            parent = rng.choice(running) if running and rng.random() < 0.8 else None
            active.start(parent or recorder.Frame())
            active.detach()
            running.append(active)
        if rng.random() < 0.02:
            s.drain()
    for active in running:
        active.end()
        ended += 1
    spans = s.drain()
    no_orphans(spans)
    dropped = sum(s.pipeline.stats()["dropped"].values())
    assert dropped > 50
    assert len(spans) + dropped == ended


def test_counts_are_right_over_threads(stopped: Any, tight: None) -> None:
    s = stopped(queue_spans=64)

    def work() -> None:
        for _ in range(500):
            with spanloom.span("s"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans = s.drain()
    assert len(spans) + sum(s.pipeline.stats()["dropped"].values()) == 4000


def test_a_lane_that_is_full_keeps_parents_of_what_it_kept() -> None:
    slow = Slow()
    spanloom.init(backends=[slow], integrations=[], lane_spans=20, batch_spans=1)
    for _ in range(30):
        with spanloom.span("root"):
            for _ in range(4):
                with spanloom.span("leaf"):
                    pass
    time.sleep(0.3)
    slow.go.set()
    report = spanloom.flush(10)
    assert report.pending == 0
    assert report.sent + report.dropped == 150
    assert report.dropped > 50
    assert report.sent == len(slow.spans)
    no_orphans(slow.spans)


# -- faults ---------------------------------------------------------------------------------------


class Abort(BaseException):
    """What a library may raise to end its own thread."""


@pytest.mark.parametrize("error", [ValueError("secret"), Abort("secret"), SystemExit("secret")])
def test_a_failing_processor_withholds_the_content(
    start: Callable[..., Any], caplog: Any, error: BaseException
) -> None:
    def broken(span: Span) -> Span:
        if span.name == "bad":
            raise error
        return span

    rec = start(processors=[broken])
    with spanloom.span("root"):
        with spanloom.span("bad", mine="secret", input="secret"), spanloom.span("child"):
            pass
        with spanloom.span("good"):
            pass
    spans = rec.spans()
    no_orphans(spans)
    (bad,) = (s for s in spans if s.faults)
    assert "secret" not in repr(bad)
    assert bad.kind == "task" and bad.end_ns > bad.start_ns
    assert "secret" not in caplog.text
    assert {s.name for s in spans} == {"root", "task", "child", "good"}


def test_a_failing_builder_withholds_the_content(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from spanloom import build

    real = build.span

    def broken(active: Active, *args: Any, **kwargs: Any) -> Span:
        if active.name == "bad":
            raise ValueError("secret")
        return real(active, *args, **kwargs)

    rec = start()
    monkeypatch.setattr(build, "span", broken)
    with spanloom.span("bad", mine="secret"), spanloom.span("child"):
        pass
    spans = rec.spans()
    assert len(spans) == 2
    no_orphans(spans)
    assert "secret" not in repr(spans) + caplog.text


def test_processors_that_cannot_be_set_up_withhold_everything(caplog: Any) -> None:
    def broken() -> Any:
        raise RuntimeError("no")

    memory = MemoryBackend()
    pipeline = Pipeline([memory], broken)
    pipeline.start()
    recorder.use_sink(pipeline)
    try:
        with spanloom.span("secret"):
            pass
        assert pipeline.flush(5).ok
    finally:
        recorder.use_sink(None)
        pipeline.close(2)
    (span,) = memory.spans
    assert (span.name, len(span.faults)) == ("task", 1)


def test_a_processor_may_drop(start: Callable[..., Any]) -> None:
    rec = start(processors=[lambda span: None if span.name == "no" else span])
    for name in ("yes", "no"):
        with spanloom.span(name):
            pass
    report = spanloom.flush(5)
    assert [s.name for s in rec.backend.spans] == ["yes"]
    assert spanloom.stats()["dropped"] == {"processor": 1}
    assert report.ok  # what was to go is not lost


def test_a_backend_that_raises_anything_harms_no_other() -> None:
    class Rude:
        name = "rude"
        inline = True

        def export(self, batch: Sequence[Span], /) -> None:
            raise Abort("out")

        def close(self) -> None:
            raise Abort("out")

    memory = MemoryBackend()
    spanloom.init(backends=[Rude(), memory], integrations=[])
    for _ in range(3):
        with spanloom.span("s"):
            pass
        assert spanloom.flush(5).pending == 0
    assert len(memory.spans) == 3


# -- life -----------------------------------------------------------------------------------------


def test_a_second_init_drains_the_first_and_takes_its_open_spans(
    start: Callable[..., Any],
) -> None:
    first = start()
    outer = spanloom.span("outer")
    outer.__enter__()
    with spanloom.span("early"):
        pass
    second = start()
    with spanloom.span("late"):
        pass
    outer.__exit__(None, None, None)
    assert [s.name for s in first.backend.spans] == ["early"]
    assert [s.name for s in second.spans()] == ["late", "outer"]
    assert second.parent_of("late") == "outer"


def test_spans_that_end_while_init_replaces(tight: None) -> None:
    """Whichever of the two gets a span, one of them does; only a full queue refuses, and says so."""
    backends = [MemoryBackend(max_spans=10_000_000) for _ in range(6)]
    pipelines: list[Pipeline] = []

    def init(backend: MemoryBackend) -> None:
        spanloom.init(backends=[backend], integrations=[], shutdown_timeout_s=60)
        assert api._pipeline is not None
        pipelines.append(api._pipeline)

    init(backends[0])
    stop = threading.Event()
    counts: list[int] = []

    def busy() -> None:
        n = 0
        while not stop.is_set():
            with spanloom.span("s"):
                time.sleep(0)
            n += 1
        counts.append(n)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    for backend in backends[1:]:
        time.sleep(0.05)
        init(backend)
    stop.set()
    for thread in threads:
        thread.join()
    spanloom.flush(60)
    arrived = sum(len(b.spans) for b in backends)
    refused: Counter[str] = Counter()
    for pipeline in pipelines:
        refused.update(pipeline.dropped)
        for lane in pipeline.lanes:
            refused.update(lane.dropped)
    assert set(refused) <= {"queue_full", "trace_refused", "lane_full"}
    assert arrived + refused.total() == sum(counts)


def test_after_shutdown_nothing_is_recorded(rec: Any) -> None:
    with spanloom.span("before"):
        pass
    open_span = spanloom.span("open")
    open_span.__enter__()
    spanloom.shutdown()
    open_span.__exit__(None, None, None)
    with spanloom.span("after") as after:
        assert not after.recording
    assert [s.name for s in rec.backend.spans] == ["before"]
    spanloom.shutdown()
    assert spanloom.stats()["backends"]["memory"]["sent"] == 1, "readable afterwards"
    assert spanloom.stats()["dropped"] == {"after_shutdown": 1}


def test_open_spans_are_shown_once_and_superseded() -> None:
    memory = MemoryBackend(wants_pending=True)
    seen: list[str] = []
    real = memory.export

    def export(batch: Sequence[Span], /) -> None:
        seen.extend(f"{s.name} {s.status}" for s in batch)
        real(batch)

    memory.export = export  # type: ignore[method-assign]
    spanloom.init(backends=[memory], integrations=[], flush_interval_s=0.05)
    with spanloom.span("slow", a=1), spanloom.span("slower"):
        with spanloom.span("quick"):
            pass
        time.sleep(0.3)
        assert {s.name: s.status for s in memory.spans} == {
            "slow": "pending", "slower": "pending", "quick": "ok",
        }  # fmt: skip
        assert all(s.end_ns is None for s in memory.spans if s.status == "pending")
    spanloom.flush(5)
    assert sorted(seen) == ["quick ok", "slow ok", "slow pending", "slower ok", "slower pending"]
    assert {s.status for s in memory.spans} == {"ok"}


def test_what_was_delivered_is_freed_without_the_collector(rec: Any) -> None:
    class Payload:
        pass

    dead: list[weakref.ref[Any]] = []

    def once() -> None:
        payload = Payload()
        dead.append(weakref.ref(payload))

        @spanloom.tool
        def work(x: Any) -> None: ...

        with spanloom.session("s"), spanloom.agent("a") as agent, spanloom.span("b", big=payload):
            dead.append(weakref.ref(agent))
            with spanloom.llm_call(model="m") as call:
                dead.append(weakref.ref(call))
                inner = Active("inner", "llm")
                inner.extract = lambda active: spanloom.types.LLMCall(model="n")
                inner.start()
                dead.append(weakref.ref(inner))
                inner.end()
            work(payload)
            try:
                with spanloom.span("fails"):
                    raise ValueError("x")
            except ValueError:
                pass

    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            once()
        spanloom.flush(5)
        rec.backend.clear()
        time.sleep(0.25)  # the worker looks at what is open
        spanloom.flush(5)
        assert [ref() for ref in dead if ref() is not None] == []
    finally:
        gc.enable()


def test_what_was_dropped_is_freed_without_the_collector(stopped: Any) -> None:
    s = stopped(queue_spans=1)
    with spanloom.span("filler"):
        pass
    dead: list[weakref.ref[Any]] = []

    def once() -> None:
        outer = Active("outer", "llm")
        outer.start()
        inner = Active("inner", "llm")
        inner.extract = lambda active: None  # type: ignore[assignment,return-value]
        inner.start()
        inner.end()
        outer.end()
        dead.extend((weakref.ref(outer), weakref.ref(inner)))

    gc.disable()
    try:
        once()
        s.pipeline._starts.clear()
        assert [ref for ref in dead if ref() is not None] == []
    finally:
        gc.enable()


def test_a_hanging_backend_does_not_hold_init_or_shutdown() -> None:
    slow = Slow()
    spanloom.init(backends=[slow], integrations=[])
    with spanloom.span("s"):
        pass
    assert slow.entered.wait(5)
    begun = time.monotonic()
    spanloom.init(backends=[MemoryBackend()], integrations=[], shutdown_timeout_s=0.3)
    assert 0.2 < time.monotonic() - begun < 1.5
    slow.go.set()


def test_recording_inside_the_pipeline_is_suppressed() -> None:
    """A backend or processor that uses an instrumented library must not feed itself."""

    class Own(MemoryBackend):
        inline = False

        def export(self, batch: Sequence[Span], /) -> None:
            with spanloom.span("own work"):
                super().export(batch)

    own = Own()

    def process(span: Span) -> Span:
        with spanloom.span("processing"):
            return span

    spanloom.init(backends=[own], integrations=[], processors=[process])
    with spanloom.span("s"):
        pass
    assert spanloom.flush(5).ok
    time.sleep(0.15)
    spanloom.flush(5)
    assert [s.name for s in own.spans] == ["s"]


# -- what a user's code may do ----------------------------------------------------------------------


def test_a_processor_that_returns_no_span(start: Callable[..., Any], lenient: None) -> None:
    rec = start(processors=[lambda span: "secret" if span.name == "bad" else span])
    for name in ("one", "bad", "two"):
        with spanloom.span(name):
            pass
    spans = rec.spans()
    assert [s.name for s in spans] == ["one", "task", "two"]
    assert "secret" not in repr(spans)
    assert spanloom.stats()["dropped"] == {}
    assert list(spanloom.stats()["worker_faults"].values()) == [1]


def test_a_failing_processor_is_said_once_and_counted(
    start: Callable[..., Any], caplog: Any
) -> None:
    def broken(span: Span) -> Span:
        raise ValueError

    rec = start(processors=[broken])
    for _ in range(5):
        with spanloom.span("s"):
            pass
    assert len(rec.spans()) == 5
    assert len(caplog.records) == 1
    assert spanloom.stats()["worker_faults"] == {"processor broken: ValueError": 5}


def test_a_fault_of_the_worker_loses_no_more_than_its_span(
    stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spanloom import pipeline

    s = stopped()
    real = pipeline._size

    def size(active: Active, span: Span) -> int:
        if span.name == "bad":
            raise RuntimeError
        return real(active, span)

    monkeypatch.setattr(pipeline, "_size", size)
    for name in ("one", "bad", "two"):
        with spanloom.span(name):
            pass
    s.pipeline._safely_drain(closing=True)
    assert [x.name for x in s.backend.spans] == ["one", "two"]
    assert s.pipeline.dropped == {"worker_fault": 1}


@pytest.mark.parametrize("content", ["redacted", "hash", "none"])
def test_what_processors_add_is_redacted_too(start: Callable[..., Any], content: str) -> None:
    import msgspec

    def enrich(span: Span) -> Span:
        if span.name != "changed":
            return span
        return msgspec.structs.replace(
            span, attributes={**span.attributes, "mail": "ada@example.org"}
        )

    rec = start(processors=[enrich], content=content, user_ids="hash", hash_key="k" * 32)
    for name in ("same", "changed"):
        with spanloom.context(user_id="u1"), spanloom.span(name, note="x ada@example.org"):
            pass
    same, changed = rec.spans()
    assert "example.org" not in repr(changed)
    assert changed.user_id == same.user_id != "u1"
    assert changed.attributes["note"] == same.attributes["note"], "not twice"


def test_backends_of_one_name_are_counted_apart() -> None:
    spanloom.init(backends=[MemoryBackend(), MemoryBackend()], integrations=[])
    with spanloom.span("s"):
        pass
    report = spanloom.flush(5)
    assert {n: b.sent for n, b in report.backends.items()} == {"memory": 1, "memory-2": 1}


def test_a_flush_without_an_answer_is_not_ok(start: Callable[..., Any]) -> None:
    gate, inside = threading.Event(), threading.Event()

    def slow(span: Span) -> Span:
        inside.set()
        gate.wait(20)
        return span

    start(processors=[slow])
    with spanloom.span("in hand"):
        pass
    assert inside.wait(5)
    report = spanloom.flush(0.05)
    gate.set()
    assert not report.ok and not report.answered
    assert spanloom.flush(5).ok


def test_flush_on_our_own_threads_returns_at_once() -> None:
    took: list[float] = []

    class Asking:
        name = "asking"

        def export(self, batch: Sequence[Span], /) -> None:
            begun = time.monotonic()
            assert not spanloom.flush(20).ok
            took.append(time.monotonic() - begun)

        def close(self) -> None: ...

    spanloom.init(backends=[Asking()], integrations=[])
    with spanloom.span("s"):
        pass
    assert spanloom.flush(10).ok
    assert took and took[0] < 2


def test_spans_that_end_during_shutdown_are_counted() -> None:
    class Lazy:
        name = "lazy"

        def export(self, batch: Sequence[Span], /) -> None:
            time.sleep(0.4)

        def close(self) -> None: ...

    spanloom.init(backends=[Lazy()], integrations=[])
    late = spanloom.span("late").__enter__()
    with spanloom.span("first"):
        pass
    stopping = threading.Thread(target=spanloom.shutdown, args=(5,))
    stopping.start()
    time.sleep(0.2)
    late.__exit__(None, None, None)
    stopping.join()
    stats = spanloom.stats()
    assert stats["recorded"] + stats["dropped"].get("after_shutdown", 0) == 2
    assert stats["queued"] == 0


def test_a_shown_span_that_is_dropped_has_an_end() -> None:
    memory = MemoryBackend(wants_pending=True)
    spanloom.init(
        backends=[memory], integrations=[], flush_interval_s=0.04,
        processors=[lambda s: None if s.end_ns is not None else s],
    )  # fmt: skip
    with spanloom.span("dropped"):
        time.sleep(0.3)
        assert [s.status for s in memory.spans] == ["pending"]
    spanloom.flush(5)
    assert [(s.status, s.name) for s in memory.spans] == [("ok", "task")]
    assert spanloom.stats()["dropped"] == {"processor": 1}


def test_the_size_of_a_span_is_that_of_its_texts() -> None:
    seen: list[int] = []
    pipeline = Pipeline([MemoryBackend()])
    pipeline._deliver = lambda batch, **_: seen.extend(n for _, n in batch)  # type: ignore[assignment,method-assign,misc]
    recorder.use_sink(pipeline)
    try:
        with spanloom.span("big", note="x" * 100_000):
            pass
        pipeline._drain()
    finally:
        recorder.use_sink(None)
    assert sum(seen) > 100_000


def test_a_class_is_no_backend(lenient: None, caplog: Any) -> None:
    spanloom.init(backends=[MemoryBackend], integrations=[])
    assert "MemoryBackend(...)" in caplog.text


def test_init_that_cannot_start_keeps_what_runs(
    start: Callable[..., Any], lenient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rec = start()

    def refuse(self: Pipeline) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "start", refuse)
        start()
    with spanloom.span("kept"):
        pass
    assert [s.name for s in rec.spans()] == ["kept"]
