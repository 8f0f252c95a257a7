"""The integration's contract over every broken plugin. Run by ``test_broken``."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from plugins import ALL
from tests.integrations.openai.scenarios import OpenAIScenarios

from spanloom import patches
from spanloom.testing.contracts import IntegrationContract

CALLS = ("chat", "raw", "streaming-response-stream")
STREAMS = ("chat-stream-async",)


class Few(OpenAIScenarios):
    """Enough ways to break a promise in, so that all plugins together take seconds."""

    failures = ("bad_request",)
    repeats = 100
    beside_others = False

    def ways(self) -> Any:
        return [way for way in super().ways() if way.family == "chat"]

    def streams(self) -> Any:
        return [way for way in super().streams() if way.name in STREAMS]

    def calls(self) -> Any:
        return [call for call in super().calls() if call.name in CALLS]


class Isolated(IntegrationContract):
    @pytest.fixture(autouse=True)
    def unspoilt(self) -> Iterator[None]:
        """What one case could not undo must not spoil the next."""
        from openai._base_client import AsyncAPIClient, SyncAPIClient

        owners = (SyncAPIClient, AsyncAPIClient)
        before = [vars(owner)["request"] for owner in owners]
        yield
        for owner, original in zip(owners, before, strict=True):
            owner.request = original
        patches._live.clear()


# the runner shares the plugins out among processes
for _name in os.environ.get("BROKEN", " ".join(ALL)).split():
    # at the top level by name, as a fresh process looks them up
    _scenarios = type(f"Scenarios_{_name}", (Few,), {"integration": _name, "__module__": __name__})
    globals()[_scenarios.__name__] = _scenarios
    globals()[f"Test_{_name}"] = type(f"Test_{_name}", (Isolated,), {"scenarios": _scenarios()})
