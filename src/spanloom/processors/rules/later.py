"""Patterns that are compiled when they are first needed.

To compile all of them takes twice as long as all the rest of ``init``, and most programs hold no text
that any but a few may match.
"""

import re
from typing import Any, cast


class _Later:
    """Becomes its pattern: the first use of a method finds it, all later ones have it."""

    def __init__(self, text: str, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copies or pickles asks for is none of a pattern's
            raise AttributeError(name)
        text, flags = self._given
        found = getattr(re.compile(text, flags), name)
        setattr(self, name, found)
        return found


def later(text: str, flags: int = 0) -> re.Pattern[str]:
    """``re.compile(text, flags)``, at its first use. A wrong pattern raises there."""
    return cast("re.Pattern[str]", _Later(text, int(flags)))
