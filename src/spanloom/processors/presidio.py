"""Names of people, found by Microsoft's Presidio: the recogniser ``presidio`` of the setting ``redact``.

Needs ``presidio-analyzer``, which is no extra of ours: it brings hundreds of megabytes, and a language
model of its own choice (see its manual). It takes milliseconds for each text, on the worker thread.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from spanloom.settings import Recogniser

KINDS: Final[Mapping[str, str]] = {"PERSON": "name"}
"""What is asked for, in Presidio's words and in ours. The rest our own rules find, much faster."""


def recogniser(
    analyzer: Any = None,
    *,
    kinds: Mapping[str, str] = KINDS,
    language: str = "en",
    least_score: float = 0.5,
) -> Recogniser:
    """A function for ``init(redact={"recognisers": [...]})``.

    Args:
        analyzer: a ``presidio_analyzer.AnalyzerEngine``; its default one if not given, which loads, and
            at the first time downloads, a language model.
        kinds: the entities to find, and what each is called here.
        language: of the texts.
        least_score: how sure Presidio must be, from 0 to 1.

    """
    engine = analyzer or import_module("presidio_analyzer").AnalyzerEngine()

    def find(text: str) -> Iterator[tuple[int, int, str]]:
        found = engine.analyze(
            text=text, language=language, entities=[*kinds], score_threshold=least_score
        )
        for each in found:
            yield each.start, each.end, kinds[each.entity_type]

    return find
