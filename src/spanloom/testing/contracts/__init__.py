"""The promises of every integration and every backend, as test suites to inherit.

    class TestMine(IntegrationContract):          class TestMine(BackendContract):
        scenarios = MyScenarios()                     def make(self, place): ...
                                                      def read_back(self, backend, place): ...

A plugin's test module needs one such class. The suites use ``pytest`` and, for the cases about
OpenTelemetry, ``opentelemetry-sdk``; every case works against the fake provider, on loopback.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanloom.testing.contracts.backend import (
        BackendContract,
        InstalledBackendContract,
        Received,
        Written,
    )
    from spanloom.testing.contracts.golden import golden_batch
    from spanloom.testing.contracts.integration import IntegrationContract
    from spanloom.testing.contracts.scenarios import Call, Scenarios, Stream, Way

_HOMES = {
    "backend": "BackendContract InstalledBackendContract Received Written",
    "golden": "golden_batch",
    "integration": "IntegrationContract",
    "scenarios": "Call Scenarios Stream Way",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_CASES = ("answers", "backend", "context", "patching", "privacy", "rig", "streams", "weight")

__all__ = [
    "BackendContract",
    "Call",
    "InstalledBackendContract",
    "IntegrationContract",
    "Received",
    "Scenarios",
    "Stream",
    "Way",
    "Written",
    "golden_batch",
]


def __getattr__(name: str) -> Any:
    # On first use: the programs of `child` import this package and must stay without pytest.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name.endswith("Contract"):
        import pytest

        pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _CASES))
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
