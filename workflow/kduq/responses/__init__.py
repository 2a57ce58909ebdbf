"""Stage responses."""
