"""Integrations that come with spanloom, one package each, found by entry point."""
