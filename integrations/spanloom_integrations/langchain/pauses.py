"""Interrupts: where a thread of conversation paused, so that its resume can be linked to it."""

from collections.abc import Mapping
from typing import Any

from spanloom.sdk import Active
from spanloom.types import Link

MOST = 10_000
_paused: dict[str, dict[str, Link]] = {}
"""Of each thread: the paused nodes, by checkpoint namespace."""


def remember(thread: str, ns: str, active: Active) -> None:
    found = _paused.get(thread)
    if found is None:
        found = _paused[thread] = {}
        if len(_paused) > MOST:
            _paused.pop(next(iter(_paused)), None)
    link = Link(trace_id=active.trace_id, span_id=active.span_id, reason="resume")
    if ns:
        found[ns] = link
    elif not found:  # paused before or after a node: no node's run tells of it
        found[""] = link


def is_resume(inputs: Any) -> bool:
    if inputs is None:
        return True
    return type(inputs).__name__ == "Command" and getattr(inputs, "resume", None) is not None


def resumed(thread: str) -> Mapping[str, Link] | None:
    """What the thread paused at in this process; it does no more."""
    return _paused.pop(thread, None)
