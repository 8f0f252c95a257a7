"""The table of the cases: read from the tests' own marks, with the results of a run.

``./check -e field -- -p no:randomly tests/field tests/integrations/langchain --field-table=docs/reference/field-cases.md``
writes it.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDERS = (HERE, HERE.parent / "integrations" / "langchain")

_CORE = (
    "A5 A7 B1 B2 B3 B4 B5 B6 C1 C2 C3 C4 C5 D1 D2 D3 D4 D5 D6 D7 E1 E2 E3 F5 G2 G4 G5 G6 G7 "
    "H1 H2 H3 H4 H5 I1 I2 I3 I4 I5 J1 J2 J3"
).split()
_LANGCHAIN = (
    "A1 A4 A8 B2 B3 B4 C1 C2 C3 C4 C6 D1 D2 D4 D7 E1 E2 E3 F1 F2 F3 F4 F5 F6 H1 H5"
).split()
REQUIRED: Mapping[str, Sequence[str]] = {
    "openai": ["A8", *_CORE], "manual": _CORE, "langchain": _LANGCHAIN
}  # fmt: skip
SIDES = tuple(REQUIRED)

NOT_APPLICABLE: Mapping[tuple[str, str], str] = {
    ("B1", "openai"): "Anthropic's usage comes with Anthropic's SDK",
    ("B3", "openai"): "the SDK keeps no answers",
    ("D1", "manual"): "recording by hand replaces no stream of anybody's",
    ("D3", "manual"): "raw responses are the SDK's",
    ("E1", "manual"): "no framework is involved",
    ("I2", "manual"): "nothing goes over the wire",
}

HEAD = """\
# Field cases

What breaks in tools of this kind, and the test that holds it here. Made by
`./check -e field -- -p no:randomly tests/field tests/integrations/langchain --field-table=docs/reference/field-cases.md`; do not edit.
A test of a row holds for the columns that say so; the other cells of a case are held by its other rows.

| id | what must hold | test | OpenAI | by hand | LangChain |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Case:
    """One test of one case."""

    id: str
    text: str
    test: str
    """``file::function``."""
    by: tuple[str, ...]


def cases() -> list[Case]:
    """Every test's cases, by id. Read from the source, so that a partial run knows them all."""
    found: list[Case] = []
    paths = [path for folder in FOLDERS for path in folder.rglob("test_*.py")]
    for path in sorted(paths):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.extend(_of(node, path.stem))
    return sorted(found, key=lambda case: (case.id, case.test))


def _of(function: ast.FunctionDef | ast.AsyncFunctionDef, module: str) -> Iterable[Case]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.field":
            id, text = (ast.literal_eval(arg) for arg in mark.args)
            given = {k.arg: ast.literal_eval(k.value) for k in mark.keywords}
            by = given.get("by", ("openai", "manual"))
            test = f"{module}::{function.name}"
            yield Case(id, text, test, (by,) if isinstance(by, str) else tuple(by))


def rows(results: Mapping[str, str]) -> list[str]:
    """Lines of the table. ``results``: of each test, ``passed`` or what else became of it."""
    known = cases()
    covered = {(case.id, side) for case in known for side in case.by}
    lines = []
    for case in known:
        said = [_cell(case, side, results, covered) for side in SIDES]
        lines.append(f"| {case.id} | {case.text} | `{case.test}` | {' | '.join(said)} |")
    return lines


def _cell(case: Case, side: str, results: Mapping[str, str], covered: set[tuple[str, str]]) -> str:
    if side in case.by:
        return results.get(case.test, "not run")
    if (case.id, side) in covered or case.id not in REQUIRED[side]:
        return ""
    return f"not applicable: {NOT_APPLICABLE.get((case.id, side), 'no reason given')}"


def stable(text: str) -> list[tuple[str, ...]]:
    """Ids, texts and tests of a written table: what does not depend on the run."""
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    return [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in lines]


class Results:
    """Collects what became of each test, and writes the table at the end of the run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file, _, name = report.nodeid.partition("::")
        test = f"{Path(file).stem}::{name.partition('[')[0]}"
        if report.failed:
            self._found[test] = "**failed**"
        elif report.skipped:
            self._found.setdefault(test, "skipped")
        elif report.when == "call":
            self._found.setdefault(test, "passed")

    def pytest_sessionstart(self) -> None:
        self._write()  # one of the tests asks whether the table knows them all

    def pytest_sessionfinish(self) -> None:
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(HEAD + "\n".join(rows(self._found)) + "\n")
