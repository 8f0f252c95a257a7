"""A recorder whose spans can be looked at, for the tests of the core."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.types import Kind, Span


class Recording:
    """What was recorded, as a user of the memory backend sees it."""

    def __init__(self, backend: MemoryBackend) -> None:
        self.backend = backend

    def spans(self, name: str | None = None, kind: Kind | None = None) -> list[Span]:
        """Everything that has ended, after a flush that vouches for it."""
        report = spanloom.flush(10)
        assert report.ok, report
        return self.backend.find(name=name, kind=kind)

    def one(self, name: str | None = None, kind: Kind | None = None) -> Span:
        found = self.spans(name, kind)
        assert len(found) == 1, found
        return found[0]

    def parent_of(self, name: str) -> str | None:
        """The name of the parent; None for a root. Fails for an orphan."""
        span = self.one(name)
        if span.parent_id is None:
            return None
        parents = [s for s in self.backend.spans if s.span_id == span.parent_id]
        assert len(parents) == 1, f"{name} is an orphan"
        assert parents[0].trace_id == span.trace_id
        return parents[0].name


@pytest.fixture
def start() -> Callable[..., Recording]:
    """``start(**settings)`` is ``spanloom.init`` with a memory backend and nothing hidden."""

    def begin(**settings: Any) -> Recording:
        backend = MemoryBackend()
        settings = {"integrations": [], "content": "full", "user_ids": "keep", **settings}
        spanloom.init(backends=[backend], **settings)
        return Recording(backend)

    return begin


@pytest.fixture
def rec(start: Callable[..., Recording]) -> Recording:
    return start()


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in production: faults and mistakes are said, not raised."""
    monkeypatch.delenv("SPANLOOM_STRICT")


@pytest.fixture
def tight() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
