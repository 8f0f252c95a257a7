"""Names of people by the real Presidio; its engine works on a list of names, so that no model is needed."""

from typing import Any

import pytest
import spacy
from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine

from spanloom import types as t
from spanloom.processors import default_chain
from spanloom.processors.presidio import recogniser
from spanloom.settings import load


class Blank(SpacyNlpEngine):
    """spaCy without a trained model."""

    def __init__(self) -> None:
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}

    def load(self) -> None:
        pass


@pytest.fixture(scope="module")
def analyzer() -> AnalyzerEngine:
    registry = RecognizerRegistry(supported_languages=["en"])
    for entity, words in (("PERSON", ["Jane Doe", "Zoë Öz"]), ("LOCATION", ["Berlin"])):
        registry.add_recognizer(PatternRecognizer(supported_entity=entity, deny_list=words))
    return AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])


def redacted(value: Any, **redact: Any) -> Any:
    chain = default_chain(load({"redact": redact, "hash_key": "k"}, environ={}))[0]
    span = t.Span(
        trace_id=1, span_id=2, name="n", integration="m", start_ns=1, detail=t.Task(input=value)
    )
    detail = chain(span).detail
    assert isinstance(detail, t.Task)
    return detail.input


def test_names_go(analyzer: AnalyzerEngine) -> None:
    said = {"ask": "Ask Zoë Öz, then Jane Doe of Berlin: 415-555-0132", "n": 3}
    expected = "Ask [NAME_REDACTED], then [NAME_REDACTED] of Berlin: [PHONE_REDACTED]"
    assert redacted(said, recognisers=[recogniser(analyzer)]) == {"ask": expected, "n": 3}


def test_other_kinds_and_actions(analyzer: AnalyzerEngine) -> None:
    find = recogniser(analyzer, kinds={"PERSON": "name", "LOCATION": "location"})
    said = "Jane Doe of Berlin"
    assert redacted(said, recognisers=[find], name="mask") == "**** *** of [LOCATION_REDACTED]"
    assert redacted(said, recognisers=[find], location="keep") == "[NAME_REDACTED] of Berlin"
