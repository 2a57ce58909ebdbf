"""What a run hands down to its jobs: configuration and code as they were when it started.

A job is a process that reads the Snakefile, config.yaml and the library again, on a cluster perhaps
hours later. What it finds there may have been edited since. The run therefore hands them down
in an environment variable: jobs take the configuration from it, and stop where the library has
become another.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kduq.artifacts import canonical_json, recipe
from kduq.study import Job

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
    """

    config: Mapping[str, Any]
    code: Mapping[str, str]

    @classmethod
    def of(cls, config: Mapping[str, Any], jobs: Iterable[Job]) -> "Handover":
        """Of a run that starts now.

        Parameters
        ----------
        config : mapping
            The configuration.
        jobs : iterable of Job
            All jobs of its study.
        """
        return cls(config, {",".join(job.modules): job.code for job in jobs})

    @classmethod
    def parse(cls, text: str) -> "Handover":
        """Read what `text` wrote."""
        return cls(**json.loads(zlib.decompress(base64.b64decode(text))))

    def text(self) -> str:
        """Letters and digits that stand for it, few enough for a variable."""
        values = json.dumps({"config": self.config, "code": self.code})
        return base64.b64encode(zlib.compress(values.encode(), 9)).decode()

    def parameters(self, job: Job, sources: Iterable[Job] = ()) -> str:
        """Parameters of a job, as `kduq.study.Job.parameters`, with the code of the run.

        Parameters
        ----------
        job : Job
            The job.
        sources : iterable of Job
            Jobs that make its inputs. Their recipes are parameters too: an input that another
            recipe made is none of this run's, though it bears the name.
        """
        values = json.loads(job.parameters)
        values["code"] = self._code_of(job)
        values["inputs"] = {
            source.path: recipe(source.settings, self._code_of(source)) for source in sources
        }
        return canonical_json(values)

    def _code_of(self, job: Job) -> str:
        return self.code[",".join(job.modules)]
