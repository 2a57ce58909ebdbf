"""Artifacts: tables, their schemas and provenance, and files that appear whole or not at all."""
