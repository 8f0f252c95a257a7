"""The backend keeps what every backend promises, and its columns say what the span says."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from spanloom_parrot.sqlite import COLUMNS, SqliteBackend

from spanloom.sdk import Settings
from spanloom.testing.contracts import InstalledBackendContract, Received, Written, golden_batch


def rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        return [dict(zip(COLUMNS, row, strict=True)) for row in db.execute("SELECT * FROM spans")]


class TestSqlite(InstalledBackendContract):
    entry_point = "sqlite"

    def make(self, place: Path) -> SqliteBackend:
        return SqliteBackend(Settings(dir=str(place)))

    def read_back(self, backend: Any, place: Path) -> Written:
        path = place / "spans.sqlite"
        spans = [
            Received(
                int(row["trace_id"], 16),
                int(row["span_id"], 16),
                int(row["parent_id"], 16) if row["parent_id"] else None,
                row["name"],
                row["start_ns"],
                row["end_ns"],
            )
            for row in rows(path)
        ]
        return Written(spans, path.read_bytes() if path.exists() else b"")

    def fail(self, backend: Any, place: Path) -> None:
        """The file goes away and its name is taken."""
        (place / "spans.sqlite").rename(place / "moved")
        (place / "spans.sqlite").mkdir()


def test_columns_and_what_comes_twice(tmp_path: Path) -> None:
    batch = golden_batch()
    backend = SqliteBackend(Settings(), path=str(tmp_path / "deep" / "mine.sqlite"))
    backend.export(batch)
    backend.export(batch)
    found = rows(tmp_path / "deep" / "mine.sqlite")
    assert len(found) == len(batch)
    (call,) = [row for row in found if row["kind"] == "llm"]
    assert (call["model"], call["input_tokens"], call["cost_usd"]) == ("m-1-2026", 10, 0.0125)
    (failed,) = [row for row in found if row["status"] == "error"]
    assert (failed["error"], failed["session"], failed["tags"]) == (
        "rate_limit",
        "s-1",
        '["a", "b"]',
    )
