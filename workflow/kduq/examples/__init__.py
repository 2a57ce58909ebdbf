"""Stage examples."""
