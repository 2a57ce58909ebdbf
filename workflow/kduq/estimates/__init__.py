"""Stage ``estimates``: estimates from the students of a run, one row each, with intervals."""
