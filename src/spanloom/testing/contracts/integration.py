"""What every integration promises, whoever wrote it. Subclass with ``scenarios``."""

from __future__ import annotations

from spanloom.testing.contracts.answers import AnswerCases
from spanloom.testing.contracts.context import ContextCases
from spanloom.testing.contracts.patching import PatchingCases
from spanloom.testing.contracts.privacy import PrivacyCases
from spanloom.testing.contracts.streams import StreamCases
from spanloom.testing.contracts.weight import WeightCases


class IntegrationContract(
    AnswerCases, StreamCases, ContextCases, PrivacyCases, PatchingCases, WeightCases
):
    """All cases. A test module needs a subclass whose name begins with ``Test``.

    class TestMine(IntegrationContract):
        scenarios = MyScenarios()
    """
