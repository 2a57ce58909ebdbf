"""A planned artifact: where, from what, with which settings and code."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kduq.artifacts import files
from kduq.artifacts.canonical import canonical_json
from kduq.artifacts.fingerprint import fingerprint
from kduq.artifacts.schemas import SCHEMA_VERSION


@dataclass(frozen=True)
class Job:
    """An artifact to be made.

    Attributes
    ----------
    path : str
        Where, under ``results/{study}/``.
    stage : str
        Its stage.
    settings : dict
        Exactly the settings that change its content.
    modules : tuple of str
        Library modules whose code makes it.
    inputs : dict of str to list of str
        Artifacts it is made from, by role.
    rows : int, optional
        Rows that it must have; None where the configuration does not fix them.
    """

    path: str
    stage: str
    settings: dict[str, Any]
    modules: tuple[str, ...]
    inputs: dict[str, list[str]] = field(default_factory=dict)
    rows: int | None = None

    @property
    def code(self) -> str:
        """Fingerprint of the code that makes the artifact."""
        return fingerprint(*self.modules)

    @property
    def parameters(self) -> str:
        """All that is not a file and changes the artifact, as one text."""
        return canonical_json(
            {
                "schema_version": SCHEMA_VERSION,
                "stage": self.stage,
                "config": self.settings,
                "code": self.code,
                "modules": self.modules,
            }
        )


def lineages(
    jobs: Mapping[str, Job], code: Callable[[Job], str], users: Callable[[Job], Mapping[str, str]]
) -> dict[str, str]:
    """Of every job, a digest of the settings and code of all that it is made from, and its own.

    Parameters
    ----------
    jobs : mapping of str to Job
        All jobs of a study by their paths.
    code : callable
        Fingerprint of a job's code.
    users : callable
        Digests of the user's files that a job reads, by their paths.

    Returns
    -------
    dict of str to str
        16 hexadecimal digits by path.
    """
    found: dict[str, str] = {}

    def of(path: str) -> str:
        if path not in found:
            job = jobs[path]
            sources = sorted({source for paths in job.inputs.values() for source in paths})
            values = {
                "config": job.settings,
                "code": code(job),
                "inputs": {source: of(source) for source in sources},
                "files": dict(users(job)),
            }
            text = canonical_json(values)
            found[path] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return found[path]

    for path in jobs:
        of(path)
    return found


@cache
def _source_digest(source: str | None, _stamp: tuple[tuple[str, int, int], ...]) -> str | None:
    digest = hashlib.sha256()
    for name, _, _ in _stamp:
        digest.update(f"{name}\0{files.digest(Path(str(source)) / name)}\0".encode())
    return digest.hexdigest() if _stamp else None


def source_digest(source: str | None) -> str | None:
    """Digest of what is in the folder of a model that is loaded, None for no folder."""
    folder = Path(source).expanduser() if source else None
    if folder is None or not folder.is_dir():
        return None
    found = sorted(path for path in folder.iterdir() if path.is_file())
    stamp = tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in found)
    return _source_digest(str(folder), stamp)
