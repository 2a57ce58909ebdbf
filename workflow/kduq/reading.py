"""Results of a study, for readers: tables, figures and their provenance."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from kduq import artifacts
from kduq.errors import ArtifactError, UserError


@dataclass(frozen=True)
class StudyResults:
    """The results in the folder of a study; see `open_study`.

    Attributes
    ----------
    root : pathlib.Path
        The folder, ``results/{study}``.
    """

    root: Path

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """All estimates, one per row; of an unfinished study those of the finished runs."""
        gathered = self.root / "estimates.parquet"
        files = [gathered] if gathered.is_file() else self._estimates_of_runs()
        if not files:
            raise ArtifactError(
                f"{gathered}: there are no estimates yet; run the study: snakemake reproduce-all"
            )
        return artifacts.read_all(files, "estimates").table.to_pandas()

    @cached_property
    def claims(self) -> pd.DataFrame:
        """The claims with their verdicts, one row per claim, data set and statistic."""
        return self.read("claims.parquet").table.to_pandas()

    @property
    def figures(self) -> dict[str, Path]:
        """Paths of the figures by name, as PNG; a PDF and an SVG are beside each."""
        return {path.stem: path for path in sorted((self.root / "figures").glob("*.png"))}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The complete configuration of the study, with all defaults, from its report."""
        config: dict[str, Any] = self.provenance("report.html")["config"]["study"]
        return config

    def runs(self) -> list[tuple[str, str, str]]:
        """List the runs that have estimates.

        Returns
        -------
        list of tuple of str
            Experiment, family and data set of each.
        """
        names = self.estimates[["experiment", "family", "dataset"]].drop_duplicates()
        return list(names.itertuples(index=False, name=None))

    def students(self, experiment: str, family: str, dataset: str) -> pd.DataFrame:
        """Read the students from which the estimates of a run were computed.

        Parameters
        ----------
        experiment, family, dataset : str
            The run; see `runs`.

        Returns
        -------
        pandas.DataFrame
            One row per student, with its condition, seed, errors and predictions.

        Raises
        ------
        UserError
            If the study has no such run.
        ArtifactError
            If a file is missing or damaged.
        """
        return self._of_run((experiment, family, dataset), "students")

    def answers(self, experiment: str, family: str, dataset: str) -> pd.DataFrame:
        """Read the answers of the language models of a run.

        Parameters
        ----------
        experiment, family, dataset : str
            The run; see `runs`.

        Returns
        -------
        pandas.DataFrame
            One row per student, prompt and draw; the draw -1 is the greedy answer.

        Raises
        ------
        UserError
            If the study has no such run, or it is not one of language models.
        ArtifactError
            If a file is missing or damaged.
        """
        return self._of_run((experiment, family, dataset), "answers")

    def _of_run(self, run: tuple[str, str, str], stage: str) -> pd.DataFrame:
        """Tables of a stage from which the estimates of a run were computed."""
        estimates = "/".join((*run, "estimates.parquet"))
        if not (self.root / estimates).is_file():
            raise UserError(
                f"{self.root}: has no run {run}; allowed: {', '.join(map(str, self.runs()))}"
            )
        # Not all files of the folder: it may hold students of a former, larger study.
        inputs = self.provenance(estimates)["inputs"]
        files = [self.root / name for name in inputs if f"/{stage}/" in name]
        if not files:
            raise UserError(f"{self.root}: run {run} has no {stage}")
        return artifacts.read_all(files, stage).table.to_pandas()

    def read(self, path: str) -> artifacts.Artifact:
        """Read any table of the study, and check it.

        Parameters
        ----------
        path : str
            Relative to the study's folder, for example ``"examples/digits.parquet"``.

        Returns
        -------
        kduq.artifacts.Artifact
            With the attributes table (of pyarrow; ``table.to_pandas()`` gives a DataFrame) and
            provenance.

        Raises
        ------
        ArtifactError
            If the file is missing, damaged or not a table of this project.
        """
        return artifacts.read(self.root / path, self.provenance(path)["stage"])

    def provenance(self, path: str = "estimates.parquet") -> dict[str, Any]:
        """Read the provenance of an artifact: settings, code, seed, inputs, versions of packages.

        Parameters
        ----------
        path : str
            A table, figure or page, relative to the study's folder.

        Returns
        -------
        dict
            See `kduq.artifacts.provenance`.

        Raises
        ------
        ArtifactError
            If the file is missing, damaged or was not written by this project.
        """
        return artifacts.read_provenance(self.root / path)

    def _estimates_of_runs(self) -> list[Path]:
        return sorted(self.root.glob("*/*/*/estimates.parquet"))


def open_study(folder: str | Path) -> StudyResults:
    """Open the results of a study for reading.

    Files are read on first use, and each is checked when it is read.

    Parameters
    ----------
    folder : path
        The study's folder, ``results/{study}``.

    Returns
    -------
    StudyResults
        With the tables `estimates` and `claims`, paths of `figures`, the study's `config`, and the
        methods `runs`, `students`, `answers`, `read` and `provenance`.

    Raises
    ------
    UserError
        If the folder is not that of a study.

    Examples
    --------
    >>> import kduq
    >>> study = kduq.open_study("results/default")
    >>> study.runs()
    [('teacher_noise', 'linear', 'boston_housing')]
    >>> variance = study.estimates.query("metric == 'inter_student_variance'")
    >>> variance[["alpha", "estimate", "ci_low", "ci_high"]].to_dict("records")
    [{'alpha': 0.5, 'estimate': 2.0, 'ci_low': 1.5, 'ci_high': 2.5}]
    >>> study.claims["verdict"].value_counts().to_dict()
    {'supported': 1}
    >>> students = study.students("teacher_noise", "linear", "boston_housing")
    >>> len(students), students["prediction"].iloc[0].shape
    (4, (3,))
    """
    root = Path(folder)
    if not any((root / "examples").glob("*.parquet")):
        studies = {str(path.parent) for path in root.parent.glob("*/examples")}
        siblings = ", ".join(sorted(studies - {str(root)})) or "none"
        raise UserError(
            f"{root}: not the folder of a study (it has no examples/*.parquet); studies beside it: "
            f"{siblings}; run one with: snakemake reproduce-all"
        )
    return StudyResults(root)
