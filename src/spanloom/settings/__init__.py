"""Settings: one table, from which loading, validation and the reference page derive."""

from .manual import reference
from .policies import AREAS, Action, Area, Content, Recogniser, Redact
from .sources import OTEL_CONTENT, RUN_PREFIX, load, variable
from .table import DEFAULTS, KEYS, Group, Key, LogLevel, Settings, UserIds

__all__ = [
    "AREAS", "DEFAULTS", "KEYS", "OTEL_CONTENT", "RUN_PREFIX", "Action", "Area", "Content", "Group", "Key", "LogLevel",
    "Recogniser", "Redact", "Settings", "UserIds", "load", "reference", "variable",
]  # fmt: skip
