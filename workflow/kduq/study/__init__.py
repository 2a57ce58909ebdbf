"""The plan of a study: its paths, its runs, and all its artifacts."""
