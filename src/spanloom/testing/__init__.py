"""For tests without a network: a fake model provider, recordings served again, spans in a list."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanloom.backends.memory import MemoryBackend
    from spanloom.testing.answers import (
        Answer,
        Body,
        Call,
        Chat,
        Error,
        ErrorInStream,
        Exchange,
        Facts,
        Garbage,
        Hang,
        Reset,
        Tokens,
        ToolCall,
        Truncate,
    )
    from spanloom.testing.provider import FakeProvider
    from spanloom.testing.replay import Interaction, Replay

_HOMES = {
    "spanloom.testing.answers": (
        "Answer Body Call Chat Error ErrorInStream Exchange Facts Garbage Hang Reset Tokens "
        "ToolCall Truncate"
    ),
    "spanloom.testing.provider": "FakeProvider",
    "spanloom.testing.replay": "Interaction Replay",
    "spanloom.backends.memory": "MemoryBackend",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Answer",
    "Body",
    "Call",
    "Chat",
    "Error",
    "ErrorInStream",
    "Exchange",
    "Facts",
    "FakeProvider",
    "Garbage",
    "Hang",
    "Interaction",
    "MemoryBackend",
    "Replay",
    "Reset",
    "Tokens",
    "ToolCall",
    "Truncate",
]


def __getattr__(name: str) -> Any:
    # On first use: `python -m spanloom.testing.provider` warns about a module that its package
    # has already imported.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
