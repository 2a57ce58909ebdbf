"""Data sets and corpora: how each is read."""
