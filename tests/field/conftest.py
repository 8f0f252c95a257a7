"""A provider to call, a record to look at, programs to run; and the table of the cases."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.testing import FakeProvider
from spanloom.types import Kind, Span

from . import table
from .programs import Programs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--field-table", metavar="PATH", help="write the table of field cases there")


def pytest_configure(config: pytest.Config) -> None:
    if path := config.getoption("--field-table", default=None):
        config.pluginmanager.register(table.Results(Path(path)), "field-table")


class Watched:
    """What a program recorded, as a user of the memory backend sees it."""

    def __init__(self, backend: MemoryBackend) -> None:
        self.backend = backend

    def spans(self, *, name: str | None = None, kind: Kind | None = None) -> list[Span]:
        """Everything recorded so far, after a flush that vouches for it."""
        report = spanloom.flush(10)
        assert report.ok, report
        return self.backend.find(name=name, kind=kind)

    def one(self, *, name: str | None = None, kind: Kind | None = None) -> Span:
        found = self.spans(name=name, kind=kind)
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(seed=7) as fake:
        yield fake


@pytest.fixture
def start() -> Callable[..., Watched]:
    """``start(**settings)`` is ``spanloom.init`` with a memory backend."""

    def begin(**settings: Any) -> Watched:
        backend = MemoryBackend()
        spanloom.init(backends=[backend], **settings)
        return Watched(backend)

    return begin


@pytest.fixture
def watched(start: Callable[..., Watched]) -> Watched:
    return start()


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Any]:
    import openai

    with openai.OpenAI(base_url=provider.url, api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(provider: FakeProvider) -> Any:
    import openai

    async with openai.AsyncOpenAI(base_url=provider.url, api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def programs(tmp_path: Path, provider: FakeProvider) -> Iterator[Programs]:
    """Runs programs that write to one record and can call the provider."""
    with Programs(
        tmp_path,
        PATH=os.environ["PATH"],
        HOME=str(tmp_path),
        PYTHONFAULTHANDLER="1",  # tells where, when we end it because it hangs
        SPANLOOM_STRICT="1",
        SPANLOOM_DIR=str(tmp_path / ".spanloom"),
        OPENAI_BASE_URL=provider.url,
        OPENAI_API_KEY="any",
    ) as made:
        yield made


@pytest.fixture
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing worse than ``info`` is logged during the test, by anybody."""
    with caplog.at_level(logging.INFO):
        yield
    told = [r for r in caplog.records if r.levelno > logging.INFO]
    assert not told, told
