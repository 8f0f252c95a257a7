"""Everything a plugin author imports. Stable; beside it only ``spanloom.types`` is."""

from .errors import Refused, Retry, guard, log, mistake
from .lane import Backend
from .patches import (
    Begin,
    Classify,
    Finish,
    Hook,
    Integration,
    Note,
    Observe,
    Patch,
    Start,
    snapshot,
)
from .pipeline import Processor
from .recorder import Active, Extract, Scope, Tap, ambient, around, current
from .runs import Run, Runs, handoff, paused_before
from .settings import Settings
from .streams import watch_body, watch_chunks

__all__ = [
    "Active", "Backend", "Begin", "Classify", "Extract", "Finish", "Hook", "Integration", "Note",
    "Observe", "Patch", "Processor", "Refused", "Retry", "Run", "Runs", "Scope", "Settings", "Start",
    "Tap", "ambient", "around", "current", "guard", "handoff", "log", "mistake", "paused_before",
    "snapshot", "watch_body", "watch_chunks",
]  # fmt: skip
