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
    """All cases. Subclass it with ``scenarios``, an object of your own ``Scenarios``.

    The name of the subclass begins with ``Test``, for pytest to find it.
    """
