"""A target: an artifact to be built, with its inputs, settings and code."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kduq.artifacts.canonical import canonical_json
from kduq.artifacts.fingerprint import fingerprint
from kduq.artifacts.schemas import SCHEMA_VERSION
from kduq.stage import StageSettings


@dataclass(frozen=True)
class Target:
    """An artifact to be built.

    Attributes
    ----------
    path : str
        Path below ``results/{study}/``.
    stage : str
        The stage that builds it.
    settings : StageSettings
        Exactly the settings that change its content.
    modules : tuple of str
        The module that the stage's script calls, and those of the family. With the script and all
        that these import they are the code that builds the artifact.
    inputs : dict of str to list of str
        Artifacts from which it is built, by role.
    rows : int, optional
        Number of its rows; None if the configuration does not determine it.
    script : str
        Name of the entry script; the stage's name if left out.
    """

    path: str
    stage: str
    settings: StageSettings
    modules: tuple[str, ...]
    inputs: dict[str, list[str]] = field(default_factory=dict)
    rows: int | None = None
    script: str = ""

    @property
    def sources(self) -> list[str]:
        """Paths of all artifacts from which it is built."""
        return [path for paths in self.inputs.values() for path in paths]

    @property
    def entry(self) -> str:
        """Dotted name of its entry script."""
        return f"scripts.{self.script or self.stage}"

    @property
    def code(self) -> str:
        """Fingerprint of the code that builds the artifact."""
        return fingerprint(self.entry, *self.modules)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its settings as JSON values; they are serialised here alone."""
        return self.settings.model_dump(mode="json")

    def parameters(self, code: str, lineage: Mapping[str, str]) -> str:
        """Everything that changes the artifact and is not a file, as one text.

        Parameters
        ----------
        code : str
            Fingerprint of its code.
        lineage : mapping of str to str
            See `lineage`. The lineage of the inputs is a parameter too, so that an input built with
            different settings or code is not used, although it has the right name.

        Returns
        -------
        str
            What `kduq.runtime.script.Parameters` reads.
        """
        return canonical_json(
            {
                "schema_version": SCHEMA_VERSION,
                "stage": self.stage,
                "config": self.config,
                "code": code,
                "entry": self.entry,
                "modules": self.modules,
                "lineage": lineage[self.path],
                "inputs": {path: lineage[path] for path in self.sources},
            }
        )


def lineage(
    targets: Mapping[str, Target],
    code: Callable[[Target], str],
    user_files: Callable[[Target], Mapping[str, str]],
) -> dict[str, str]:
    """Digest per target of its settings and code and those of all its inputs, direct or indirect.

    Parameters
    ----------
    targets : mapping of str to Target
        All targets of a study by their paths.
    code : callable
        Returns the fingerprint of a target's code.
    user_files : callable
        Returns the digests of the user's files that are inputs of a target, by their paths.

    Returns
    -------
    dict of str to str
        16 hexadecimal digits by path.
    """
    digests: dict[str, str] = {}

    def digest(path: str) -> str:
        if path not in digests:
            target = targets[path]
            values = {
                "config": target.config,
                "code": code(target),
                "inputs": {source: digest(source) for source in sorted(set(target.sources))},
                "files": dict(user_files(target)),
            }
            text = canonical_json(values)
            digests[path] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return digests[path]

    for path in targets:
        digest(path)
    return digests
