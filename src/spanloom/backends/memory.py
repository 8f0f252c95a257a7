"""Spans kept in a list, for tests and notebooks."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spanloom.errors import Refused
from spanloom.types import Kind, Span

if TYPE_CHECKING:
    from spanloom.settings import Settings


class MemoryBackend:
    """Keep every span, in the order in which they ended.

    Args:
        settings: not read; there because every installed backend is made with them.
        max_spans: how many are kept. Those that come later are refused and counted.
        wants_pending: also keep spans that are still open, each until its end takes its place.
    """

    name = "memory"
    inline = True

    def __init__(
        self,
        settings: "Settings | None" = None,
        *,
        max_spans: int = 100_000,
        wants_pending: bool = False,
    ) -> None:
        self.max_spans = max_spans
        self.wants_pending = wants_pending
        self._spans: list[Span] = []
        self._open: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()

    @property
    def spans(self) -> list[Span]:
        """A copy: it does not grow while it is looked at."""
        with self._lock:
            return list(self._spans)

    def find(self, *, name: str | None = None, kind: Kind | None = None) -> list[Span]:
        """The spans of that name and kind, in order."""
        return [
            span
            for span in self.spans
            if (name is None or span.name == name) and (kind is None or span.kind == kind)
        ]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._spans.clear()
            self._open.clear()

    def export(self, batch: Sequence[Span], /) -> None:
        """Keep the batch.

        Raises:
            Refused: ``max_spans`` are kept already.
        """
        refused = 0
        with self._lock:
            for span in batch:
                refused += not self._keep(span)
        if refused:
            raise Refused(f"memory holds its {self.max_spans} spans already", spans=refused)

    def _keep(self, span: Span) -> bool:
        key = (span.trace_id, span.span_id)
        pending = span.status == "pending"
        index = self._open.get(key)
        if index is not None:
            self._spans[index] = span
            if not pending:
                del self._open[key]
            return True
        if len(self._spans) >= self.max_spans:
            return pending  # its end is what counts
        if pending:
            self._open[key] = len(self._spans)
        self._spans.append(span)
        return True

    def after_fork(self) -> None:
        self._lock = (
            threading.Lock()
        )  # the parent's may have been held by a thread that is gone here

    def close(self) -> None:
        """Nothing to let go of: the spans stay readable."""
