"""What breaks in tools of this kind, as scenarios: each test names the field case it covers."""
