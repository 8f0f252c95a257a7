"""The integration keeps what every integration promises."""

from scenarios import ParrotScenarios

from spanloom.testing.contracts import IntegrationContract


class TestParrot(IntegrationContract):
    scenarios = ParrotScenarios()
