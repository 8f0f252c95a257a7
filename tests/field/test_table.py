"""No case is forgotten, and the published table tells of the tests that there are."""

from pathlib import Path

from . import table

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "field-cases.md"


def test_every_case_has_a_test_or_a_reason() -> None:
    covered = {(case.id, side) for case in table.cases() for side in case.by}
    for side, required in table.REQUIRED.items():
        for id in required:
            reason = table.NOT_APPLICABLE.get((id, side))
            assert ((id, side) in covered) != bool(reason), (id, side, reason)


def test_no_case_is_made_up() -> None:
    for case in table.cases():
        assert any(case.id in table.REQUIRED[side] for side in case.by), case


def test_the_published_table_is_current() -> None:
    made = table.stable(table.HEAD + "\n".join(table.rows({})))
    assert table.stable(PUBLISHED.read_text()) == made, (
        "run: ./check -e field -- -p no:randomly tests/field tests/integrations/langchain "
        "--field-table=docs/reference/field-cases.md"
    )
