"""Data sets and corpora, and how each is read."""
