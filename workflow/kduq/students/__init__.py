"""Stage ``students``: distilled models and their predictions or answers."""
