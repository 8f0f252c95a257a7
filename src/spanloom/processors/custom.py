"""Detectors of the user's own: patterns and functions from the setting ``redact``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final

from spanloom.errors import describe, mistake
from spanloom.processors.rules import Rule
from spanloom.settings import Recogniser

GROUP: Final = "spanloom.recognisers"

REACH: Final = 1024
"""The longest match of a pattern of the user's own. It runs over pieces of a text, so that one that takes
the square of its text still takes a multiple of the text."""


def from_patterns(patterns: Mapping[str, re.Pattern[str]]) -> Iterator[Rule]:
    for kind, pattern in patterns.items():
        # an empty hint is in every text: what must be there is not ours to guess
        yield Rule(
            name=f"custom_{kind}", kind=kind, pattern=pattern, hints=("",), view="text", reach=REACH
        )


def load_recognisers(
    wanted: Sequence[str | Recogniser],
) -> tuple[tuple[Recogniser, ...], tuple[str, ...]]:
    """The functions, and the names of those that cannot be had."""
    points = {point.name: point for point in entry_points(group=GROUP)} if wanted else {}
    found: list[Recogniser] = []
    missing: list[str] = []
    for item in wanted:
        if not isinstance(item, str):
            found.append(item)
            continue
        try:
            found.append(points[item].load()())
        except Exception as exc:
            missing.append(item)
            reason = (
                "is not installed" if item not in points else f"cannot be used: {describe(exc)}"
            )
            mistake(
                f"redact.recognisers: {item!r} {reason}; known: {', '.join(sorted(points)) or 'none'}. "
                "Install what it needs, or take it out; until then no content is kept."
            )
    return tuple(found), tuple(missing)
