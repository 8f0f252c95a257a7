"""The OpenAI integration keeps what every integration promises."""

from tests.integrations.openai.scenarios import OpenAIScenarios

from spanloom.testing.contracts import IntegrationContract


class TestOpenAI(IntegrationContract):
    scenarios = OpenAIScenarios()
