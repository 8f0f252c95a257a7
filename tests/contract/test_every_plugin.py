"""No installed integration or backend is without its contract."""

import importlib.util
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from spanloom.testing.contracts import InstalledBackendContract, IntegrationContract


def subclasses(kind: type[Any]) -> list[type[Any]]:
    return [found for sub in kind.__subclasses__() for found in (sub, *subclasses(sub))]


def collected(kind: type[Any]) -> list[type[Any]]:
    """The classes that a test run collects, of all modules here."""
    for path in Path(__file__).parent.glob("test_*.py"):
        name = f"contract_of_{path.stem}"
        if name in sys.modules or path.stem in ("test_every_plugin", "test_broken"):
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return [found for found in subclasses(kind) if found.__name__.startswith("Test")]


def ours(group: str) -> set[str]:
    return {
        p.module.rpartition(".")[2] if group.endswith("integrations") else p.name
        for p in entry_points(group=group)
        if p.dist is not None and p.dist.name == "spanloom"
    }


def test_every_integration_has_its_contract() -> None:
    names = ours("spanloom.integrations")
    assert names
    here = {found.scenarios.integration for found in collected(IntegrationContract)}
    assert names <= here | {name for name in names if contract_beside(name)}


def contract_beside(name: str) -> bool:
    """A contract in the integration's own folder, which only runs where its framework is."""
    folder = Path(__file__).parents[1] / "integrations" / name
    return any(
        re.search(r"^class Test\w+\(IntegrationContract\)", path.read_text("utf-8"), re.MULTILINE)
        for path in folder.glob("test_*contract*.py")
    )


def test_every_backend_has_its_contract() -> None:
    names = ours("spanloom.backends")
    assert names
    assert names <= {found.entry_point for found in collected(InstalledBackendContract)}
