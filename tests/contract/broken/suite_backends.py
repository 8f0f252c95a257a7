"""The backend's contract over one plain backend and broken variants. Run by ``test_broken``."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spanloom import build
from spanloom.errors import log
from spanloom.sdk import Backend
from spanloom.testing.contracts import BackendContract, Received, Written
from spanloom.types import Span


class Plain:
    """Lines of JSON in one file. Keeps all promises."""

    name = "plain"

    def __init__(self, path: Path) -> None:
        self.path = path

    def export(self, batch: Sequence[Span], /) -> None:
        text = "".join(self.line(span) + "\n" for span in batch)
        if text:
            self.write(text)

    def line(self, span: Span) -> str:
        return json.dumps(msgspec.to_builtins(span, enc_hook=str))

    def write(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)

    def close(self) -> None:
        pass


class TestPlain(BackendContract):
    backend: type[Plain] = Plain
    close_s = 0.3

    def make(self, place: Path) -> Backend:
        return self.backend(place / "spans")

    def read_back(self, backend: Any, place: Path) -> Written:
        path = place / "spans"
        raw = path.read_bytes() if path.exists() else b""
        spans = [json.loads(line) for line in raw.splitlines()]
        return Written(
            [
                Received(s["trace_id"], s["span_id"], s["parent_id"], s["name"], s["start_ns"],
                         s["end_ns"])
                for s in spans
            ],
            raw,
        )  # fmt: skip

    def fail(self, backend: Any, place: Path) -> None:
        path = place / "spans"
        path.rename(place / "moved")
        path.mkdir()


class Drops(Plain):
    """Says that it took what it dropped: every second span."""

    count = 0

    def export(self, batch: Sequence[Span], /) -> None:
        kept = []
        for span in batch:
            self.count += 1
            if self.count % 2:
                kept.append(span)
        super().export(kept)


class TestDrops(TestPlain):
    backend = Drops


class Finite(Plain):
    """Knows only the floats of JSON."""

    def line(self, span: Span) -> str:
        return json.dumps(msgspec.to_builtins(span, enc_hook=str), allow_nan=False)


class TestFinite(TestPlain):
    backend = Finite


class Latin(Plain):
    """Writes text as it is, and fails where it is no Unicode."""

    def line(self, span: Span) -> str:
        return json.dumps(msgspec.to_builtins(span, enc_hook=str), ensure_ascii=False)


class TestLatin(TestPlain):
    backend = Latin


class Hangs(Plain):
    """Waits, when it is closed, for an answer that does not come."""

    def close(self) -> None:
        threading.Event().wait(0.4)


class TestHangs(TestPlain):
    backend = Hangs


class Raw(Plain):
    """Writes spans as they were before the pipeline took out what must not leave."""

    def write(self, text: str) -> None:
        while _raw:
            text += self.line(_raw.pop()) + "\n"
        super().write(text)


_raw: list[Span] = []


class TestRaw(TestPlain):
    backend = Raw

    @pytest.fixture(autouse=True)
    def before_the_pipeline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = build.span

        def span(*args: Any, **kwargs: Any) -> Span:
            found = made(*args, **kwargs)
            _raw.append(found)
            return found

        _raw.clear()
        monkeypatch.setattr(build, "span", span)

    def read_back(self, backend: Any, place: Path) -> Written:
        """Each span once; the raw bytes are all there."""
        written = super().read_back(backend, place)
        once = {span.span_id: span for span in reversed(written.spans)}
        return Written(list(once.values()), written.raw)


class Early(Plain):
    """Opens its file when it is made."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        path.touch()


class TestEarly(TestPlain):
    backend = Early


class Lies(Plain):
    """Logs a failure and goes on as if there were none."""

    def write(self, text: str) -> None:
        try:
            super().write(text)
        except OSError as error:
            log.info("not written: %r", error)


class TestLies(TestPlain):
    backend = Lies


class Buffers(Plain):
    """Keeps what a forked child then has too."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.kept = ""

    def write(self, text: str) -> None:
        self.kept += text

    def close(self) -> None:
        kept, self.kept = self.kept, ""
        if kept:
            super().write(kept)


class TestBuffers(TestPlain):
    backend = Buffers

    def read_back(self, backend: Any, place: Path) -> Written:
        backend.close()
        return super().read_back(backend, place)
