"""One thing that ``spanloom doctor`` looked at, and what it means."""

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "note", "problem", "absent"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    area: Literal[
        "python", "settings", "processors", "backends", "integrations", "others", "startup"
    ]
    name: str
    level: Level
    text: str
    fix: str | None = None
