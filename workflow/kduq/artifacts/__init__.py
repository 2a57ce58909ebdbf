"""Artifacts: tables, their schemas and provenance, and files that are written whole or not at all.

Use it as ``from kduq import artifacts``, then ``artifacts.read(path, stage)``. The function
`provenance` has the name of its module.
"""

from kduq.artifacts.canonical import canonical_json
from kduq.artifacts.provenance import (
    check_files,
    check_lineage,
    provenance,
    read_provenance,
    rebuild_command,
    versions,
)
from kduq.artifacts.tables import (
    Artifact,
    Rows,
    WideColumn,
    read,
    read_all,
    rows_of_condition,
    rows_where,
    write,
)

__all__ = [
    "Artifact",
    "Rows",
    "WideColumn",
    "canonical_json",
    "check_files",
    "check_lineage",
    "provenance",
    "read",
    "read_all",
    "read_provenance",
    "rebuild_command",
    "rows_of_condition",
    "rows_where",
    "versions",
    "write",
]
