"""A backend: one row for each span in an SQLite file, for those who would rather ask in SQL."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from spanloom.sdk import Retry, Settings
from spanloom.types import ModelCall, Span, Usage

COLUMNS = (
    "trace_id", "span_id", "parent_id", "name", "kind", "status", "start_ns", "end_ns",
    "error", "session", "model", "input_tokens", "output_tokens", "cost_usd", "tags", "attributes",
)  # fmt: skip
TABLE = f"CREATE TABLE IF NOT EXISTS spans ({', '.join(COLUMNS)}, PRIMARY KEY (trace_id, span_id))"
# delivery is at least once: a span that comes a second time takes its own place
INSERT = f"INSERT OR REPLACE INTO spans VALUES ({', '.join('?' * len(COLUMNS))})"


class SqliteBackend:
    """Appends to the table ``spans``.

    A connection for each batch: nothing is open between two of them, so that nothing has to be
    closed, and a forked child shares nothing with its parent.

    Args:
        settings: those of spanloom; they name the directory.
        path: of the file; ``spans.sqlite`` in that directory unless given.
    """

    name = "sqlite"

    def __init__(self, settings: Settings, *, path: str | None = None) -> None:
        self.where = path or os.path.join(settings.dir, "spans.sqlite")

    def export(self, batch: Sequence[Span], /) -> None:
        rows = [row(span) for span in batch]
        os.makedirs(os.path.dirname(os.path.abspath(self.where)), exist_ok=True)
        try:
            with closing(sqlite3.connect(self.where)) as db, db:
                db.execute(TABLE)
                db.executemany(INSERT, rows)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:  # another process writes just now
                raise Retry(str(error)) from error
            raise

    def close(self) -> None:
        """Nothing is open."""


def row(span: Span) -> tuple[object, ...]:
    """Ids as hex, as everywhere outside; what is no number or text as JSON."""
    call = span.detail if isinstance(span.detail, ModelCall) else ModelCall()
    used, cost = call.usage or Usage(), call.cost
    return (
        f"{span.trace_id:032x}",
        f"{span.span_id:016x}",
        f"{span.parent_id:016x}" if span.parent_id is not None else None,
        span.name,
        span.kind,
        span.status,
        span.start_ns,
        span.end_ns,
        span.error.type if span.error is not None else None,
        span.session.id if span.session is not None else None,
        call.response_model or call.model,
        used.input,
        used.output,
        cost.total_usd if cost is not None else None,
        json.dumps(span.tags),
        json.dumps(span.attributes),
    )
