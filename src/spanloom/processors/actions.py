"""What stands in the place of a find: a placeholder, a hash, a mask, a sealed value, or nothing."""

import re
from collections.abc import Callable
from typing import Final, Protocol

from spanloom.processors.rules import placeholder
from spanloom.settings import Redact

MARK: Final = re.compile(
    r"\[[A-Z][A-Z0-9_]{0,63}_(?:REDACTED|HASH_[0-9a-f]{32}|ENCRYPTED_[0-9a-f]{8}_[A-Za-z0-9_-]{38,16384})\]"
)
"""What this module puts into texts."""

_REDACTED: Final = "_REDACTED]"


class Keyed(Protocol):
    """Of a hash or a cipher."""

    @property
    def key_id(self) -> str: ...

    def __call__(self, text: str, /) -> str: ...


class Actions:
    """The policy for what is found, and its tools.

    Args:
        redact: which kind is treated how in which area.
        hasher: for ``hash``.
        sealer: for ``encrypt``; without it (no key, or nothing to encrypt with) a placeholder stands.

    """

    def __init__(self, redact: Redact, hasher: Keyed, sealer: Keyed | None = None) -> None:
        self._redact = redact
        self._hasher = hasher
        self.sealer = sealer
        self._known: dict[tuple[str, str], tuple[str, Callable[[str], str] | None]] = {}

    def of(self, area: str, kind: str) -> str:
        """The name of what is done: an action, or ``custom`` for a function of the user's."""
        return self._treatment(area, kind)[0]

    def apply(self, area: str, kind: str, text: str) -> str:
        """What stands for ``text``."""
        action, function = self._treatment(area, kind)
        match action:
            case "keep":
                return text
            case "drop":
                return ""
            case "hash":
                return f"{_stem(kind)}_HASH_{self._hasher(text)}]"
            case "mask" if kind != "secret":
                return _mask(text)
            case "encrypt" if self.sealer is not None:
                return f"{_stem(kind)}_ENCRYPTED_{self.sealer.key_id}_{self.sealer(text)}]"
            case "custom" if function is not None:
                return str(function(text))
            case _:
                return placeholder(kind)

    def key_id(self, action: str) -> str | None:
        """Which key was used, where one was."""
        if action == "hash":
            return self._hasher.key_id
        return self.sealer.key_id if action == "encrypt" and self.sealer is not None else None

    def _treatment(self, area: str, kind: str) -> tuple[str, Callable[[str], str] | None]:
        known = self._known.get((area, kind))
        if known is None:
            known = self._known[area, kind] = self._decide(area, kind)
        return known

    def _decide(self, area: str, kind: str) -> tuple[str, Callable[[str], str] | None]:
        if kind == "ip" and area == "servers":
            return "keep", None  # where a program connects to tells of nobody
        treatment = self._redact.treatment(area, kind)
        if not isinstance(treatment, str):
            return "custom", treatment
        no_means = treatment == "encrypt" and self.sealer is None
        shown = treatment == "mask" and kind == "secret"
        return ("redact" if no_means or shown else treatment), None


class _NoKey:
    key_id = ""

    def __call__(self, text: str, /) -> str:
        raise LookupError("no key")


PLACEHOLDERS: Final = Actions(Redact(), _NoKey())
"""A placeholder for everything."""


def _stem(kind: str) -> str:
    return placeholder(kind).removesuffix(_REDACTED)


def _mask(text: str) -> str:
    """The shape alone: no letter and no digit of it, also not the last four."""
    return "".join("*" if char.isalnum() else char for char in text)
