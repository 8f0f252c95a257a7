"""Where finished spans go. Each is found by its entry point, as a third party's is."""
