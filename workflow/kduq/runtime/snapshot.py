"""Snapshot of a run: its configuration and code as they were when it started.

A job is a process that reads the Snakefile, config.yaml and the library again, on a cluster perhaps
hours later, when any of them may have been edited. The run therefore passes a snapshot to its jobs
in an environment variable. Jobs take the configuration from the snapshot, and stop if the library
differs from it.
"""

import base64
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kduq.artifacts.canonical import canonical_json
from kduq.artifacts.files import digest
from kduq.study import Job, Study
from kduq.study.planned import lineages

#: The environment variable.
VARIABLE = "KDUQ_RUN_SNAPSHOT"


@dataclass(frozen=True)
class RunSnapshot:
    """What a run was started with.

    Attributes
    ----------
    config : mapping
        The configuration, as read from config.yaml and its overlays.
    code : mapping of str to str
        Fingerprint of the code by its modules, joined by commas.
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
            With the digests of the library and of the user's files that exist.
        """
        jobs = study.jobs.values()
        paths = {path for job in jobs for path in study.data_files(job) if Path(path).is_file()}
        code = {
            ",".join(modules): job.code for modules, job in {j.modules: j for j in jobs}.items()
        }
        return cls(config, code, {path: digest(path) for path in sorted(paths)})

    @classmethod
    def from_environment(cls) -> "RunSnapshot | None":
        """Read the snapshot that a run has passed to this job, None if there is none."""
        return cls.parse(os.environ[VARIABLE]) if VARIABLE in os.environ else None

    @classmethod
    def parse(cls, text: str) -> "RunSnapshot":
        """Read what `text` wrote."""
        return cls(**json.loads(zlib.decompress(base64.b64decode(text))))

    def text(self) -> str:
        """Return the snapshot as ASCII text, compressed to fit into an environment variable."""
        values = json.dumps({"config": self.config, "code": self.code, "files": self.files})
        return base64.b64encode(zlib.compress(values.encode(), 9)).decode()

    def lineages(self, study: Study) -> dict[str, str]:
        """Return `kduq.study.planned.lineages` with the code and the user's files of the run."""

        def users(job: Job) -> dict[str, str]:
            paths = study.data_files(job)
            return {path: self.files[path] for path in paths if path in self.files}

        return lineages(study.jobs, self._code_of, users)

    def parameters(self, job: Job, lineage: Mapping[str, str]) -> str:
        """Return the parameters of a job, as `kduq.study.Job.parameters`, with the code of the run.

        Parameters
        ----------
        job : Job
            The job.
        lineage : mapping of str to str
            Lineages of its artifact and of its inputs, by path. They are parameters too: an input
            that was built in another way has the same name and is not an input of this run.

        Returns
        -------
        str
            Canonical JSON.
        """
        values = json.loads(job.parameters)
        values["code"] = self._code_of(job)
        values["lineage"] = lineage[job.path]
        sources = [path for paths in job.inputs.values() for path in paths]
        values["inputs"] = {path: lineage[path] for path in sources}
        return canonical_json(values)

    def _code_of(self, job: Job) -> str:
        return self.code[",".join(job.modules)]
