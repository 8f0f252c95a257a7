"""Ids, parents, what is inherited, and time."""

import asyncio
import contextvars
import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import spanloom
from spanloom import recorder
from spanloom.recorder import Active, Remote, Scope, carried
from spanloom.types import Session


def test_ids_have_the_sizes_of_w3c_and_are_never_zero(rec: Any) -> None:
    for _ in range(500):
        with spanloom.span("outer"), spanloom.span("inner"):
            pass
    spans = rec.spans()
    assert len({s.span_id for s in spans}) == 1000
    assert len({s.trace_id for s in spans}) == 500
    assert all(0 < s.span_id < 2**64 and 0 < s.trace_id < 2**128 for s in spans)
    assert max(s.trace_id for s in spans) > 2**120


def test_a_child_is_in_its_parents_trace(rec: Any) -> None:
    with spanloom.span("a") as a:
        assert spanloom.current_span() is a
        with spanloom.span("b") as b:
            assert spanloom.current_span() is b
            assert (b.trace_id, b.parent) == (a.trace_id, a)
        assert spanloom.current_span() is a
    assert spanloom.current_span() is None
    assert rec.parent_of("b") == "a"
    assert rec.parent_of("a") is None


def test_siblings_and_separate_roots(rec: Any) -> None:
    with spanloom.span("root"):
        with spanloom.span("one"):
            pass
        with spanloom.span("two"):
            pass
    with spanloom.span("other"):
        pass
    assert [rec.parent_of(n) for n in ("one", "two", "other")] == ["root", "root", None]
    assert rec.one("other").trace_id != rec.one("root").trace_id


def test_times_nest_although_the_wall_clock_jumps(
    rec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time_ns
    jumps = iter(range(1000))
    monkeypatch.setattr(recorder, "time_ns", lambda: real() - next(jumps) * 10**9)
    with spanloom.span("a"), spanloom.span("b"), spanloom.span("c"):
        time.sleep(0.002)
    a, b, c = rec.one("a"), rec.one("b"), rec.one("c")
    assert a.start_ns <= b.start_ns <= c.start_ns
    assert c.start_ns < c.end_ns <= b.end_ns <= a.end_ns
    assert c.duration_ns >= 2_000_000


def test_a_tree_over_threads_shares_one_clock(rec: Any) -> None:
    def work(number: int) -> None:
        with spanloom.span(f"t{number}"):
            time.sleep(0.001)

    with spanloom.span("root"):
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    root = rec.one("root")
    for number in range(8):
        child = rec.one(f"t{number}")
        assert child.parent_id == root.span_id
        assert root.start_ns <= child.start_ns <= child.end_ns <= root.end_ns


def test_only_the_first_end_counts(rec: Any) -> None:
    active = Active("once")
    active.start()
    active.end("first")
    active.end("second", ValueError("late"))
    span = rec.one("once")
    assert (span.status, span.error) == ("ok", None)
    assert active.response is None or active.response == "first"


def test_racing_ends_deliver_one_span(start: Callable[..., Any], tight: None) -> None:
    rec = start()
    for number in range(150):
        active = Active(f"r{number}")
        active.start()
        barrier = threading.Barrier(4)

        def finish(active: Active = active, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            active.end()

        threads = [threading.Thread(target=finish) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        active.detach()
    assert len(rec.spans()) == 150


def test_ending_out_of_order_heals(rec: Any) -> None:
    outer, inner = Active("outer"), Active("inner")
    outer.start()
    inner.start()
    outer.end()
    assert spanloom.current_span() is inner
    inner.end()
    assert spanloom.current_span() is None
    with spanloom.span("next"):
        pass
    assert rec.parent_of("inner") == "outer"
    assert rec.parent_of("next") is None


def test_a_span_that_ended_elsewhere_is_no_parent(rec: Any) -> None:
    """A callback began it in this context and ended it in another."""
    with spanloom.span("root"):
        leaked = Active("leaked")
        leaked.start()
        contextvars.copy_context().run(leaked.end)
        assert recorder.raw_frame() is leaked, "the context itself still points there"
        assert spanloom.current_span() is not None
        assert spanloom.current_span().name == "root"
        with spanloom.span("child"):
            pass
    assert rec.parent_of("child") == "root"
    assert rec.parent_of("leaked") == "root"


def test_leaked_contexts_do_not_pile_up(rec: Any) -> None:
    dead: list[weakref.ref[Active]] = []
    gc.disable()
    try:
        for number in range(50):
            active = Active(f"n{number}")
            active.start()
            dead.append(weakref.ref(active))
            contextvars.copy_context().run(active.end)
            del active
        rec.spans()
        alive = [ref for ref in dead if ref() is not None]
    finally:
        gc.enable()
    assert len(alive) <= 1, "at most the one that the context still names"


def test_an_ended_parent_passes_its_late_children_on(rec: Any) -> None:
    with spanloom.span("root"):
        with spanloom.span("short"):
            context = contextvars.copy_context()
        with context.run(lambda: spanloom.span("late")) as late:
            pass

        def inside() -> None:
            with spanloom.span("later"):
                pass

        context.run(inside)
    del late
    assert rec.parent_of("later") == "root"


def test_scopes_nest_and_the_nearest_wins(rec: Any) -> None:
    with spanloom.session("s1", user="u1", tags=["a"], plan="free"):
        with spanloom.context(user="u2", tags=["a", "b"], region="eu"):
            with spanloom.session("s2", plan="pro"), spanloom.span("deep"):
                pass
        with spanloom.span("shallow"):
            pass
    with spanloom.span("outside"):
        pass
    deep, shallow, outside = rec.one("deep"), rec.one("shallow"), rec.one("outside")
    assert deep.session == Session(id="s2")
    assert (deep.user_id, deep.tags) == ("u2", ("a", "b"))
    assert dict(deep.metadata) == {"plan": "pro", "region": "eu"}
    assert shallow.session == Session(id="s1")
    assert (shallow.user_id, shallow.tags) == ("u1", ("a",))
    assert dict(shallow.metadata) == {"plan": "free"}
    assert (outside.session, outside.user_id, outside.tags) == (None, None, ())


def test_a_child_inherits_through_spans_and_scopes_alike(rec: Any) -> None:
    with spanloom.span("a"), spanloom.session("s"), spanloom.span("b"), spanloom.span("c"):
        pass
    assert rec.one("a").session is None, "it began before the session"
    assert rec.one("b").session == rec.one("c").session == Session(id="s")
    assert rec.parent_of("b") == "a"


def test_a_scope_that_leaked_is_over(rec: Any) -> None:
    scope = Scope(session=Session(id="s"))
    scope.__enter__()
    contextvars.copy_context().run(scope.__exit__, None, None, None)
    with spanloom.span("after"):
        pass
    assert rec.one("after").session is None


def test_scopes_over_async_with(rec: Any) -> None:
    async def main() -> None:
        async with spanloom.session("s"), spanloom.span("in"):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert rec.one("in").session == Session(id="s")


def test_tasks_inherit_and_do_not_disturb_each_other(rec: Any) -> None:
    async def work(number: int) -> None:
        with spanloom.session(f"s{number}"), spanloom.span(f"outer{number}"):
            for _ in range(3):
                await asyncio.sleep(0)
                with spanloom.span(f"inner{number}"):
                    await asyncio.sleep(0)

    async def main() -> None:
        with spanloom.span("root"):
            await asyncio.gather(*(work(n) for n in range(20)))

    asyncio.run(main())
    root = rec.one("root")
    for number in range(20):
        outer = rec.one(f"outer{number}")
        inners = rec.spans(f"inner{number}")
        assert outer.parent_id == root.span_id
        assert {s.parent_id for s in inners} == {outer.span_id}
        assert {s.session.id for s in [outer, *inners]} == {f"s{number}"}


def test_suppress_silences_everything_inside(rec: Any) -> None:
    @spanloom.tool
    def work() -> int:
        with spanloom.span("inner"):
            return 1

    with spanloom.span("root"):
        with spanloom.suppress():
            assert work() == 1
            with spanloom.span("x") as x, spanloom.session("s"), spanloom.span("y") as y:
                assert (x.recording, y.recording) == (False, False)
                x.set_attributes(a=1)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        with spanloom.span("seen"):
            pass
    assert sorted(s.name for s in rec.spans()) == ["root", "seen"]
    assert not rec.one("root").attributes


def test_an_explicit_parent_overrides_the_current_one(rec: Any) -> None:
    with spanloom.span("a") as a, spanloom.span("b"):
        child = Active("child")
        child.start(a)
        child.end()
        assert spanloom.current_span().name == "b"
    assert rec.parent_of("child") == "a"


def test_a_remote_parent(rec: Any) -> None:
    with carried(Remote(7, 9)):
        assert spanloom.current_span() is None
        with spanloom.span("in"):
            pass
    span = rec.one("in")
    assert (span.trace_id, span.parent_id) == (7, 9)


def test_after_the_end_nothing_is_added(rec: Any) -> None:
    with spanloom.span("s") as s:
        s.set_attributes(a=1)
    s.set_attributes(b=2)
    s.record(output="late")
    s.add_link(1, 2)
    span = rec.one("s")
    assert dict(span.attributes) == {"a": 1}
    assert not span.links


@pytest.mark.parametrize(
    ("error", "status", "kind", "ended_by"),
    [
        (ValueError("no"), "error", "other", None),
        (TimeoutError("slow"), "timeout", "timeout", None),
        (ConnectionResetError("x"), "error", "connection", None),
        (asyncio.CancelledError(), "cancelled", None, "CancelledError"),
        (KeyboardInterrupt(), "cancelled", None, "KeyboardInterrupt"),
        (GeneratorExit(), "ok", None, "GeneratorExit"),
        (StopIteration(), "ok", None, "StopIteration"),
        (SystemExit(0), "ok", None, "SystemExit"),
        (SystemExit(3), "error", "other", "SystemExit"),
    ],
)
def test_what_an_exception_makes_of_a_span(
    rec: Any, error: BaseException, status: str, kind: str | None, ended_by: str | None
) -> None:
    with pytest.raises(type(error)) as caught, spanloom.span("s"):
        raise error
    assert caught.value is error
    span = rec.one("s")
    assert (span.status, span.ended_by) == (status, ended_by)
    assert (span.error.type if span.error else None) == kind


def test_an_exception_that_cannot_be_printed(rec: Any) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with pytest.raises(Mute), spanloom.span("s"):
        raise Mute
    assert rec.one("s").error.message == "<unprintable>"


def test_an_error_keeps_no_frames_alive(rec: Any) -> None:
    class Big:
        pass

    def fail() -> weakref.ref[Big]:
        big = Big()
        ref = weakref.ref(big)
        try:
            with spanloom.span("s") as s:
                raise ValueError("x")
        except ValueError:
            pass
        held.append(s)
        return ref

    held: list[Any] = []
    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()
    assert rec.one("s").error.stack[-1].endswith("in fail")


def test_a_second_use_of_a_context_manager_is_a_mistake(
    rec: Any, lenient: None, caplog: Any
) -> None:
    manager = spanloom.span("twice")
    for _ in range(3):
        with manager:
            pass
    said = [r.message for r in caplog.records]
    assert len(said) == 1
    assert "twice" in said[0]
    scope = spanloom.session("s")
    for _ in range(3):
        with scope:
            pass
    assert len(caplog.records) == 2
    assert len(rec.spans()) == 1


def test_without_init_nothing_happens() -> None:
    with spanloom.span("a") as a, spanloom.session("s"):
        assert not a.recording
        assert spanloom.current_span() is None
        spanloom.set_attributes(x=1)
        spanloom.event("e")
    assert spanloom.stats() == {}
    assert spanloom.flush().ok


def test_a_span_over_init(start: Callable[..., Any]) -> None:
    """A span begun before ``init`` stays unrecorded and does not disturb."""
    with spanloom.span("early"):
        rec = start()
        with spanloom.span("late"):
            pass
    assert [s.name for s in rec.spans()] == ["late"]
    assert rec.parent_of("late") is None


def test_a_scope_entered_while_it_is_open(rec: Any, lenient: None, caplog: Any) -> None:
    scope = spanloom.session("s")

    def work() -> None:
        with scope, spanloom.span("thread"):
            pass

    with scope:
        with scope, spanloom.span("inner"):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        with spanloom.span("still"):
            pass
    with spanloom.span("after"):
        pass
    assert len(caplog.records) == 1
    for name in ("inner", "thread", "still"):
        assert rec.one(name).session == Session(id="s")
    assert rec.one("after").session is None


def test_what_started_inside_a_scope_stays_inside(rec: Any) -> None:
    async def work(name: str, go: asyncio.Event) -> None:
        await go.wait()
        with spanloom.span(name):
            pass

    async def main() -> None:
        go = asyncio.Event()
        with spanloom.session("s"):
            one = asyncio.create_task(work("task", go))
        with spanloom.suppress():
            two = asyncio.create_task(work("never", go))
        go.set()
        await asyncio.gather(one, two)
        with spanloom.span("after"):
            pass

    asyncio.run(main())
    assert sorted(s.name for s in rec.spans()) == ["after", "task"]
    assert rec.one("task").session == Session(id="s")
    assert rec.one("after").session is None


def test_links_of_numbers_and_of_hex(rec: Any, lenient: None, caplog: Any) -> None:
    with spanloom.span("a") as a:
        pass
    with spanloom.span("b") as b:
        b.add_link(a.trace_hex, a.span_hex.upper(), "why")
        b.add_link(a.trace_id, a.span_id)
        for bad in ("x", a.span_hex, 0, -1, 2**128, None, True, 1.5):
            b.add_link(bad, a.span_id)
    assert [(k.trace_id, k.span_id) for k in rec.one("b").links] == [(a.trace_id, a.span_id)] * 2
    assert len(caplog.records) == 1


def test_events_without_end(rec: Any) -> None:
    with spanloom.span("s"):
        for number in range(3000):
            spanloom.event(f"e{number}")
    span = rec.one("s")
    names = [event.name for event in span.events]
    assert names == [f"e{n}" for n in (*range(128), *range(2872, 3000))]
    assert span.faults == ("events: 2744 between the first and the last are left out",)


def test_a_deep_stack_keeps_both_ends(rec: Any) -> None:
    def fall(depth: int) -> None:
        if not depth:
            raise ValueError("deep")
        fall(depth - 1)

    with pytest.raises(ValueError, match="deep"), spanloom.span("s"):
        fall(200)
    stack = rec.one("s").error.stack
    assert len(stack) == 65
    assert stack[0].endswith("in test_a_deep_stack_keeps_both_ends")
    assert stack[32] == "... 138 more"
    assert stack[-1].endswith("in fall")


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([TimeoutError(), TimeoutError()], "timeout"),
        ([TimeoutError(), ExceptionGroup("g", [TimeoutError()])], "timeout"),
        ([TimeoutError(), ValueError()], "error"),
        ([asyncio.CancelledError()], "cancelled"),
    ],
)
def test_a_group_is_what_all_in_it_are(rec: Any, errors: list[Any], status: str) -> None:
    with pytest.raises(BaseExceptionGroup), spanloom.span("s"):
        raise BaseExceptionGroup("g", errors)
    assert rec.one("s").status == status


def test_frames_of_callbacks_do_not_chain_up(rec: Any) -> None:
    def runs() -> int:
        for number in range(50):
            active = Active(f"n{number}")
            active.start(attach=False)
            within = recorder.Within(active, lambda: True)
            contextvars.copy_context().run(within.detach)
            contextvars.copy_context().run(active.end)
        depth, frame = 0, recorder.raw_frame()
        while frame is not None:
            depth, frame = depth + 1, frame.above
        return depth

    assert contextvars.Context().run(runs) == 1
