"""What somebody else plugs into spanloom: an integration, a processor and a backend."""
