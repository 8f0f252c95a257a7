"""The runs of what is broken start first, beside all other cases: they take as long."""

from collections.abc import Iterator

import pytest
from tests.contract.broken.runs import Runs, start_all


@pytest.fixture(scope="session", autouse=True)
def broken_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    wanted = any(item.path.name == "test_broken.py" for item in request.session.items)
    runs = start_all(tmp_path_factory.mktemp("broken")) if wanted else []
    yield runs
    for _report, process in runs:
        process.kill()
        process.wait()
