"""What is found in the half of the labelled texts that no detector was written by."""

import pytest

from .score import Tally, count, spanloom
from .texts import make

BOUNDS = [
    ("secret", 0.99, 0.98), ("card", 0.99, 0.98), ("iban", 0.99, 0.98), ("ssn", 0.99, 0.98),
    ("national_id", 0.99, 0.98), ("email", 0.99, 0.98), ("ip", 0.99, 0.98), ("phone", 0.98, 0.92),
]  # fmt: skip
"""Of each kind the least precision and recall."""


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return count(spanloom(), make(11, "hidden", 2000))[0]


@pytest.mark.parametrize(("kind", "precision", "recall"), BOUNDS)
def test_what_is_labelled_is_found_and_little_else(
    tallies: dict[str, Tally], kind: str, precision: float, recall: float
) -> None:
    tally = tallies[kind]
    assert tally.labels > 50
    assert tally.precision >= precision
    assert tally.recall >= recall
