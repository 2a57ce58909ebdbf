"""Snapshot of a run: its configuration and code as they were when it started.

A job is a process that reads the Snakefile, config.yaml and the library again, on a cluster perhaps
hours later, when any of them may have been edited. The run therefore passes a snapshot to its jobs
in an environment variable. Jobs take the configuration from the snapshot, and stop if the code of
the library has changed.
"""

import base64
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kduq.artifacts.files import digest
from kduq.study.study import Study
from kduq.study.target import Target, lineage

#: The environment variable.
VARIABLE = "KDUQ_RUN_SNAPSHOT"


def variable_of(module: str | None) -> str:
    """Return the name of the environment variable of a use of this workflow.

    Parameters
    ----------
    module : str or None
        Name under which another workflow uses this one, perhaps twice with different settings;
        None if Snakemake was started with this workflow.

    Returns
    -------
    str
        Name of the variable.
    """
    return VARIABLE if module is None else f"{VARIABLE}_{module}"


@dataclass(frozen=True)
class RunSnapshot:
    """Configuration, code and user's files of a run when it started.

    Attributes
    ----------
    config : mapping
        The configuration, as read from config.yaml and its overlays.
    code : mapping of str to str
        Fingerprint of the code by its entry script and modules, joined by commas.
    files : mapping of str to str
        SHA-256 of the user's files by path.
    """

    config: Mapping[str, Any]
    code: Mapping[str, str]
    files: Mapping[str, str]

    @classmethod
    def from_study(cls, config: Mapping[str, Any], study: Study) -> "RunSnapshot":
        """Take the snapshot of a run that starts now.

        Parameters
        ----------
        config : mapping
            The configuration.
        study : Study
            Its study.

        Returns
        -------
        RunSnapshot
            With the fingerprints of the library's code and the digests of existing user's files.
        """
        targets = study.targets.values()
        paths = {path for t in targets for path in study.user_files(t) if Path(path).is_file()}
        code = {_code_key(target): target for target in targets}
        return cls(
            config,
            {key: target.code for key, target in code.items()},
            {path: digest(path) for path in sorted(paths)},
        )

    @classmethod
    def from_environment(cls, variable: str = VARIABLE) -> "RunSnapshot | None":
        """Read the snapshot of this job's run; None if there is none."""
        return cls.parse(os.environ[variable]) if variable in os.environ else None

    @classmethod
    def parse(cls, text: str) -> "RunSnapshot":
        """Read the result of `text`."""
        return cls(**json.loads(zlib.decompress(base64.b64decode(text))))

    def text(self) -> str:
        """Return the snapshot as ASCII text, compressed to fit into an environment variable."""
        values = json.dumps({"config": self.config, "code": self.code, "files": self.files})
        return base64.b64encode(zlib.compress(values.encode(), 9)).decode()

    def lineage(self, study: Study) -> dict[str, str]:
        """Return `kduq.study.target.lineage` with the code and the user's files of the run."""

        def user_files(target: Target) -> dict[str, str]:
            paths = study.user_files(target)
            return {path: self.files[path] for path in paths if path in self.files}

        return lineage(study.targets, self._code_of, user_files)

    def parameters(self, target: Target, lineage_by_path: Mapping[str, str]) -> str:
        """Return the parameters of a target, with the code of the run.

        Parameters
        ----------
        target : Target
            The artifact.
        lineage_by_path : mapping of str to str
            From `lineage`.

        Returns
        -------
        str
            See `kduq.study.target.Target.parameters`.
        """
        return target.parameters(self._code_of(target), lineage_by_path)

    def _code_of(self, target: Target) -> str:
        return self.code[_code_key(target)]


def _code_key(target: Target) -> str:
    return ",".join((target.entry, *target.modules))
