"""Settings: one table, from which loading, validation and the reference page derive."""

from .manual import reference
from .sources import OTEL_CONTENT, RUN_PREFIX, load, variable
from .table import DEFAULTS, KEYS, Content, Group, Key, LogLevel, Settings, UserIds

__all__ = [
    "DEFAULTS", "KEYS", "OTEL_CONTENT", "RUN_PREFIX", "Content", "Group", "Key", "LogLevel",
    "Settings", "UserIds", "load", "reference", "variable",
]  # fmt: skip
