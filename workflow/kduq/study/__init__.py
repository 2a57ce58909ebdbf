"""The plan of a study: its paths, its runs, and every artifact that it makes."""
