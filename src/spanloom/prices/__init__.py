"""Money: what model calls cost, from dated price tables that need no network."""
