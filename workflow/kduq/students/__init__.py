"""Stage students."""
