"""What a run hands down to its jobs: configuration and code as they were when it started.

A job is a process that reads the Snakefile, config.yaml and the library again, on a cluster perhaps
hours later. What it finds there may have been edited since. The run therefore hands them down
in an environment variable: jobs take the configuration from it, and stop where the library has
become another.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kduq.artifacts.files import digest
from kduq.artifacts.tables import canonical_json
from kduq.study import Job, Study
from kduq.study.planned import recipes

#: The environment variable.
VARIABLE = "KDUQ_HANDOVER"


@dataclass(frozen=True)
class Handover:
    """What a run was started with.

    Attributes
    ----------
    config : mapping
        The configuration, as read from config.yaml and its overlays.
    code : mapping of str to str
        Fingerprint of the code by the modules that it is in, joined by commas.
    files : mapping of str to str
        SHA-256 of the user's files by path.
    """

    config: Mapping[str, Any]
    code: Mapping[str, str]
    files: Mapping[str, str]

    @classmethod
    def of(cls, config: Mapping[str, Any], study: Study) -> "Handover":
        """Of a run that starts now.

        Parameters
        ----------
        config : mapping
            The configuration.
        study : Study
            Its study.
        """
        jobs = study.jobs.values()
        paths = {path for job in jobs for path in study.data_files(job) if Path(path).is_file()}
        code = {",".join(job.modules): job.code for job in jobs}
        return cls(config, code, {path: digest(path) for path in sorted(paths)})

    @classmethod
    def parse(cls, text: str) -> "Handover":
        """Read what `text` wrote."""
        return cls(**json.loads(zlib.decompress(base64.b64decode(text))))

    def text(self) -> str:
        """Letters and digits that stand for it, few enough for a variable."""
        values = json.dumps({"config": self.config, "code": self.code, "files": self.files})
        return base64.b64encode(zlib.compress(values.encode(), 9)).decode()

    def recipes(self, study: Study) -> dict[str, str]:
        """As `kduq.study.planned.recipes`, with the code and the user's files of the run."""

        def users(job: Job) -> dict[str, str]:
            paths = study.data_files(job)
            return {path: self.files[path] for path in paths if path in self.files}

        return recipes(study.jobs, self._code_of, users)

    def parameters(self, job: Job, made: Mapping[str, str]) -> str:
        """Parameters of a job, as `kduq.study.Job.parameters`, with the code of the run.

        Parameters
        ----------
        job : Job
            The job.
        made : mapping of str to str
            Recipes of its artifact and of its inputs, by path. They are parameters too: an input
            that another recipe made is none of this run's, though it bears the name.
        """
        values = json.loads(job.parameters)
        values["code"] = self._code_of(job)
        values["recipe"] = made[job.path]
        sources = [path for paths in job.inputs.values() for path in paths]
        values["inputs"] = {path: made[path] for path in sources}
        return canonical_json(values)

    def _code_of(self, job: Job) -> str:
        return self.code[",".join(job.modules)]
