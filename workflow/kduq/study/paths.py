"""The one grammar of paths below ``results/{study}/``."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

#: Files of which a study has one each.
ESTIMATES, CLAIMS, SAMPLE_SIZE, REPORT = (
    "estimates.parquet",
    "claims.parquet",
    "plan.parquet",
    "report.html",
)


#: Formats of a figure: for screens, for papers, and for the report.
FIGURE_SUFFIXES = ("png", "pdf", "svg")


class RunKey(NamedTuple):
    """A run: a family on a data set, or corpus, in an experiment."""

    experiment: str
    family: str
    dataset: str

    def file(self, stage: str, shard: tuple[int, int] | None = None, part: str = "") -> str:
        """Path of an artifact of the run, for one shard of replicates or for all of them.

        Parameters
        ----------
        stage : str
            Its stage.
        shard : tuple of int, optional
            First replicate of the shard, and the first one after it.
        part : str
            Name of a part of the run's conditions; empty for all of them.
        """
        ends = "" if shard is None else f"/{shard[0]:06d}-{shard[1]:06d}"
        return self._path(f"{stage}{ends}{f'-{part}' if part else ''}")

    @property
    def embeddings(self) -> str:
        """Path of the embeddings of a run on text, which are in one file."""
        return self._path("embeddings/all")

    def _path(self, name: str) -> str:
        return f"{self.experiment}/{self.family}/{self.dataset}/{name}.parquet"


def examples(dataset: str) -> str:
    """Path of the examples of a data set or corpus."""
    return f"examples/{dataset}.parquet"


def teacher(name: str, dataset: str, table: str = "teacher") -> str:
    """Path of a teacher's table: teacher or, for a language model, losses or answers."""
    return f"teachers/{name}/{dataset}/{table}.parquet"


def weights(students: str) -> str:
    """Path of the weights of the language models in a table of students."""
    return str(PurePosixPath(students).with_suffix(".safetensors"))


def figure(name: str, suffix: str = "png") -> str:
    """Path of a figure."""
    return f"figures/{name}.{suffix}"


def run_of(path: str) -> RunKey:
    """The run of an artifact, from its path with or without ``results/{study}/``."""
    parts = Path(path).parts
    below = parts[parts.index("results") + 2 :] if "results" in parts else parts
    return RunKey(*below[:3])


def study_root(path: str) -> str:
    """Folder ``results/{study}`` of a path below it."""
    parts = Path(path).parts
    return str(Path(*parts[: parts.index("results") + 2]))


def benchmark(path: str, stage: str) -> tuple[str, str] | None:
    """Benchmark file of the job that builds an artifact, below ``benchmarks``, and its family.

    Parameters
    ----------
    path : str
        Path of the artifact.
    stage : str
        Stage that builds it.

    Returns
    -------
    tuple of str, optional
        The file and the family, empty for a job without one; None for artifacts that a study has
        once.
    """
    parts = PurePosixPath(path).with_suffix("").parts
    if len(parts) == 1:
        return None
    if parts[0] == "teachers":
        return f"{stage}/{'_'.join(parts[1:-1])}.tsv", ""
    if parts[0] in ("examples", "figures"):
        return f"{stage}/{'_'.join(parts[1:])}.tsv", ""
    return f"{stage}/{'_'.join((*parts[:3], *parts[4:]))}.tsv", parts[1]
