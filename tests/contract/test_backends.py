"""Every backend, and any OpenTelemetry exporter as one, keeps what every backend promises."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanloom.backends.console import ConsoleBackend
from spanloom.backends.local import LocalBackend
from spanloom.backends.memory import MemoryBackend
from spanloom.backends.otel import OTelExporterBackend
from spanloom.record import decode, from_span
from spanloom.settings import Settings
from spanloom.testing.contracts import (
    BackendContract,
    InstalledBackendContract,
    Received,
    Written,
)
from spanloom.types import Span
from spanloom.words.facts import label


def received(span: Span) -> Received:
    return Received(
        span.trace_id, span.span_id, span.parent_id, span.name, span.start_ns, span.end_ns or 0
    )


class TestMemory(InstalledBackendContract):
    entry_point = "memory"

    def make(self, place: Path) -> MemoryBackend:
        return MemoryBackend()

    def read_back(self, backend: Any, place: Path) -> Written:
        spans = backend.spans
        return Written([received(span) for span in spans], repr(spans).encode())

    def fail(self, backend: Any, place: Path) -> None:
        backend.max_spans = len(backend.spans)


class TestLocal(InstalledBackendContract):
    entry_point = "local"

    def make(self, place: Path) -> LocalBackend:
        return LocalBackend(Settings(), dir=place / "record")

    def options(self, place: Path) -> dict[str, Any]:
        return {"dir": str(place / "record")}

    def read_back(self, backend: Any, place: Path) -> Written:
        files = [p for p in sorted((place / "record").rglob("*")) if p.is_file()]
        raw = b"\n".join(path.read_bytes() for path in files)
        lines = [
            line for p in files if p.suffix == ".jsonl" for line in p.read_bytes().splitlines()
        ]
        return Written([span for line in lines if (span := finished(line))], raw)

    def fail(self, backend: Any, place: Path) -> None:
        """The directory goes away and its name is taken; a full disk cannot be had in a test."""
        record = place / "record"
        record.rename(place / "moved")
        record.write_bytes(b"")


def finished(line: bytes) -> Received | None:
    found = json.loads(line)
    decode(line)
    if found["status"] == "pending":
        return None
    start = nanoseconds(found["start"])
    parent = found["parent_id"]
    return Received(
        int(found["trace_id"], 16),
        int(found["span_id"], 16),
        int(parent, 16) if parent else None,
        found["name"],
        start,
        start + found["duration_ns"],
    )


def nanoseconds(text: str) -> int:
    from datetime import UTC, datetime

    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1_000_000_000 + int(fraction)


class Printed(ConsoleBackend):
    """On a stream of its own, with the spans that it was given."""

    def __init__(self) -> None:
        super().__init__(hold_s=0)
        self.out = io.StringIO()
        self.given: list[Span] = []

    def _stream(self) -> Any:
        return self.out

    def export(self, batch: Sequence[Span], /) -> None:
        super().export(batch)
        self.given.extend(batch)


class TestConsole(InstalledBackendContract):
    """It prints no ids: a span has arrived where its trace and its name stand on a line of its end."""

    entry_point = "console"

    def make(self, place: Path) -> Printed:
        return Printed()

    def read_back(self, backend: Any, place: Path) -> Written:
        text = backend.out.getvalue()
        ends = Counter(
            (line[9:15], re.sub(r"^[| ]*(\[\d+\] )?[-`] ", "", line[16:]))
            for line in text.splitlines()
            if re.match(r"[\d:]{8} \w{6} [| ]*(\[\d+\] )?[-`] \w", line)
        )
        found = []
        for span in backend.given:
            if span.status == "pending":
                continue
            shown = f"{span.kind} {label(from_span(span), '->')}"[:100]
            for end in ends:
                if end[0] == f"{span.trace_id:032x}"[:6] and end[1].startswith(shown) and ends[end]:
                    ends[end] -= 1
                    found.append(received(span))
                    break
        assert not +ends, "printed twice, or something that was not recorded"
        return Written(found, text.encode())

    def fail(self, backend: Any, place: Path) -> None:
        class Closed(io.StringIO):
            def write(self, text: str, /) -> int:
                raise BrokenPipeError("closed")

        backend.out = Closed()


class TestOTelInMemory(BackendContract):
    def make(self, place: Path) -> OTelExporterBackend:
        return OTelExporterBackend(InMemorySpanExporter())

    def read_back(self, backend: Any, place: Path) -> Written:
        spans = backend.exporter.get_finished_spans()
        raw = "\n".join(span.to_json() for span in spans)
        return Written([of_otel(span) for span in spans], raw.encode("utf-8", "surrogatepass"))

    def fail(self, backend: Any, place: Path) -> None:
        backend.exporter.shutdown()


def of_otel(span: ReadableSpan) -> Received:
    assert span.context is not None
    return Received(
        span.context.trace_id,
        span.context.span_id,
        span.parent.span_id if span.parent else None,
        span.name,
        span.start_time or 0,
        span.end_time or 0,
    )


class TestOTelConsole(BackendContract):
    """An exporter that writes: ours are spans it can write."""

    def make(self, place: Path) -> OTelExporterBackend:
        return OTelExporterBackend(ConsoleSpanExporter(out=io.StringIO()), name="console")

    def read_back(self, backend: Any, place: Path) -> Written:
        text = backend.exporter.out.getvalue()
        return Written(
            [of_console(span) for span in documents(text)],
            json.dumps(list(documents(text)), ensure_ascii=False).encode("utf-8", "replace"),
        )

    def fail(self, backend: Any, place: Path) -> None:
        class Closed(io.StringIO):
            def write(self, text: str, /) -> int:
                raise BrokenPipeError("closed")

        backend.exporter.out = Closed()


def documents(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found, at = decoder.raw_decode(text, at)
        yield found


def of_console(span: dict[str, Any]) -> Received:
    context, parent = span["context"], span["parent_id"]
    return Received(
        int(context["trace_id"], 16),
        int(context["span_id"], 16),
        int(parent, 16) if parent else None,
        span["name"],
        nanoseconds(padded(span["start_time"])),
        nanoseconds(padded(span["end_time"])),
    )


def padded(text: str) -> str:
    """The console shows microseconds."""
    return text.replace("Z", "000Z")
