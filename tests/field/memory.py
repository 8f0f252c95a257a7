"""What calls leave behind in memory, once all is delivered."""

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import spanloom


class Nowhere:
    """A backend that keeps nothing."""

    name = "nowhere"
    seen = 0

    def export(self, batch: Any, /) -> None:
        self.seen += len(batch)

    def close(self) -> None:
        pass


def delivered() -> None:
    assert spanloom.flush(60).pending == 0
    gc.collect()


def growth(work: Callable[[int], Any], rounds: int, warm: int) -> int:
    """Bytes of Python memory that ``rounds`` of work leave behind."""
    work(warm)
    delivered()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work(rounds)
        delivered()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def blocks(work: Callable[[int], Any], rounds: int, warm: int) -> int:
    """Blocks of memory, small and large, that ``rounds`` of work leave behind.

    The interpreter counts them anyway, while ``tracemalloc`` makes a call three times as slow.
    """
    work(warm)
    delivered()
    before = sys.getallocatedblocks()
    work(rounds)
    delivered()
    return sys.getallocatedblocks() - before
