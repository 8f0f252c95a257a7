"""Random programs of spans, scopes, threads, tasks and generators, against a simple model of parents.

The model passes (parent's name, session) down as arguments, which is what the context must equal.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spanloom
from spanloom.backends.memory import MemoryBackend

Step = tuple[Any, ...]

STEPS = st.recursive(
    st.just(("span", [])),
    lambda inner: st.tuples(
        st.sampled_from(
            [
                "span",
                "session",
                "suppress",
                "thread",
                "pool",
                "task",
                "generator",
                "fails",
                "gather",
            ]
        ),
        st.lists(inner, max_size=3),
    ),
    max_leaves=14,
)


class Program:
    """Runs steps and notes, for each span, what the model says of it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.expected: dict[str, tuple[str | None, str | None]] = {}
        self.lock = threading.Lock()
        self.count = 0

    def new(self, word: str) -> str:
        with self.lock:
            self.count += 1
            return f"{word} {self.count}"

    def note(self, parent: str | None, session: str | None, quiet: bool) -> str:
        name = self.new("span")
        if not quiet:
            with self.lock:
                self.expected[name] = (parent, session)
        return name

    async def run(self, step: Step, parent: str | None, session: str | None, quiet: bool) -> None:
        what, inner = step
        if what == "span":
            name = self.note(parent, session, quiet)
            async with spanloom.span(name):
                await self.all(inner, parent if quiet else name, session, quiet)
        elif what == "fails":
            name = self.note(parent, session, quiet)
            try:
                with spanloom.span(name):
                    await self.all(inner, parent if quiet else name, session, quiet)
                    raise LookupError
            except LookupError:
                pass
        elif what == "session":
            own = self.new("session")
            with spanloom.session(own):
                await self.all(inner, parent, own, quiet)
        elif what == "suppress":
            with spanloom.suppress():
                await self.all(inner, parent, session, True)
        elif what == "thread":
            thread = threading.Thread(target=self.sync, args=(inner, parent, session, quiet))
            thread.start()
            thread.join()
        elif what == "pool":
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self.pool, self.sync, inner, parent, session, quiet)
        elif what == "task":
            await asyncio.create_task(self.all(inner, parent, session, quiet))
        elif what == "gather":
            await asyncio.gather(*(self.run(s, parent, session, quiet) for s in inner))
        elif what == "generator":
            await self.generator(inner, parent, session, quiet)

    async def generator(
        self, inner: list[Step], parent: str | None, session: str | None, quiet: bool
    ) -> None:
        name = self.note(parent, session, quiet)
        below = parent if quiet else name

        @spanloom.span(name)
        async def turns() -> Any:
            for step in inner:
                await self.run(step, below, session, quiet)
                yield step
                await self.run(step, below, session, quiet)

        async for step in turns():
            await self.run(step, parent, session, quiet)  # the consumer, between the turns

    async def all(
        self, steps: list[Step], parent: str | None, session: str | None, quiet: bool
    ) -> None:
        for step in steps:
            await self.run(step, parent, session, quiet)
            await asyncio.sleep(0)

    def sync(self, steps: list[Step], parent: str | None, session: str | None, quiet: bool) -> None:
        asyncio.run(self.all(steps, parent, session, quiet))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=4))
def test_every_span_has_the_parent_and_session_of_the_model(steps: list[Step]) -> None:
    backend = MemoryBackend()
    spanloom.init(backends=[backend], integrations=[], content="full")
    with ThreadPoolExecutor(3) as pool:
        program = Program(pool)
        asyncio.run(program.all(steps, None, None, False))
    assert spanloom.current_span() is None
    assert spanloom.flush(20).ok
    spans = {s.name: s for s in backend.spans}
    assert len(spans) == len(backend.spans)
    by_id = {s.span_id: s for s in backend.spans}
    found = {
        name: (
            by_id[s.parent_id].name if s.parent_id is not None else None,
            s.session.id if s.session is not None else None,
        )
        for name, s in spans.items()
    }
    assert found == program.expected
    for span in backend.spans:
        if span.parent_id is not None:
            above = by_id[span.parent_id]
            assert above.trace_id == span.trace_id
            assert above.start_ns <= span.start_ns <= span.end_ns <= above.end_ns
