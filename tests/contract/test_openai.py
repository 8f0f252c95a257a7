"""The OpenAI integration keeps what every integration promises."""

from spanloom.testing.contracts import IntegrationContract
from tests.integrations.openai.scenarios import OpenAIScenarios


class TestOpenAI(IntegrationContract):
    scenarios = OpenAIScenarios()
