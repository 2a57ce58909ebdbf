"""Stage ``estimates``: the students of a run summarised, a row per estimate with its interval."""
