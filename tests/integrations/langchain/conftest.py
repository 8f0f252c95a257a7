"""A provider that LangChain's own OpenAI classes call over HTTP, and what was recorded."""

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.testing import FakeProvider
from spanloom.types import Kind, Span

from .programs import Example, Run, show

os.environ.setdefault("LANGSMITH_TRACING", "false")
HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LangChain's own: what it or pydantic deprecates, and OpenAI clients that it never closes."""
    for item in items:
        if HERE in item.path.parents:
            for kind in (
                "DeprecationWarning",
                "ResourceWarning",
                "pytest.PytestUnraisableExceptionWarning",
            ):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """The same clients where no test's own filter holds any more: after the last one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Recorded:
    def __init__(self, backend: MemoryBackend) -> None:
        self.backend = backend

    def spans(self, *, name: str | None = None, kind: Kind | None = None) -> list[Span]:
        """Everything that has ended, in the order of its start."""
        report = spanloom.flush(10)
        assert report.ok, report
        return sorted(self.backend.find(name=name, kind=kind), key=lambda span: span.start_ns)

    def one(self, *, name: str | None = None, kind: Kind | None = None) -> Span:
        found = self.spans(name=name, kind=kind)
        assert len(found) == 1, [(s.kind, s.name) for s in found or self.spans()]
        return found[0]

    def clear(self) -> None:
        self.spans()
        self.backend.clear()

    def tree(self) -> list[str]:
        """``kind name`` of every span, indented below its parent."""
        spans = self.spans()
        below: dict[int | None, list[Span]] = {}
        known = {span.span_id for span in spans}
        for span in spans:
            over = span.parent_id if span.parent_id in known else None
            below.setdefault(over, []).append(span)
        lines: list[str] = []

        def walk(span: Span, depth: int) -> None:
            lines.append("  " * depth + f"{span.kind} {span.name}")
            for inner in below.get(span.span_id, ()):
                walk(inner, depth + 1)

        for root in below.get(None, ()):
            walk(root, 0)
        assert len(lines) == len(spans)
        return lines

    def parent_of(self, span: Span) -> Span | None:
        return next((s for s in self.spans() if s.span_id == span.parent_id), None)

    def nothing_open(self) -> None:
        self.spans()
        assert spanloom.stats()["open"] == 0


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(seed=7) as fake:
        yield fake


@pytest.fixture
def start() -> Callable[..., Recorded]:
    def begin(**settings: Any) -> Recorded:
        backend = MemoryBackend()
        given = {"content": "full", "signals": False, "integrations": ["langchain", "openai"]}
        spanloom.init(backends=[backend], **{**given, **settings})
        return Recorded(backend)

    return begin


@pytest.fixture
def rec(start: Callable[..., Recorded]) -> Recorded:
    return start()


@pytest.fixture
def chat(provider: FakeProvider) -> Any:
    """``ChatOpenAI`` with other options; the newer ones ask for a stream's usage by themselves."""
    from langchain_openai import ChatOpenAI

    made = 0

    def make(**options: Any) -> Any:
        nonlocal made
        made += 1
        # models of the same timeout share a client, whose connections belong to the first event loop
        given = {"model": "gpt-4o-mini", "base_url": provider.url, "api_key": "any",
                 "max_retries": 0, "stream_usage": True, "timeout": 10 + made / 1000}  # fmt: skip
        return ChatOpenAI(**{**given, **options})

    return make


@pytest.fixture
def environ(tmp_path: Path, provider: FakeProvider) -> dict[str, str]:
    return os.environ | {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "none",
        "SPANLOOM_DIR": str(tmp_path / "record"),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "PYTHONIOENCODING": "utf-8",
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    def go(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "spanloom", *words],
            env=environ, capture_output=True, encoding="utf-8", timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for word in ("spanloom", "warning", "traceback"):
            assert word not in done.stderr.lower(), done.stderr
        return done.stdout

    return go


@pytest.fixture
def example(run: Run) -> Example:
    """Run one, as its document of ``spanloom trace``."""

    def go(name: str, *arguments: str) -> dict[str, Any]:
        program = str(ROOT / "examples" / f"{name}.py")
        assert run("run", "--", sys.executable, program, *arguments).strip()
        return show(run)

    return go
