"""A run of a study, that is a family on a data set in an experiment, and its shards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kduq.conditions import LEVEL_COLUMNS, SHARDED_FACTOR, Condition, tabular_combinations
from kduq.config.study import Config
from kduq.data.datasets import DATASETS
from kduq.data.tables import shape_of_file
from kduq.experiments.protocol import (
    Design,
    Experiment,
    ExperimentSettings,
    FactorialRun,
    FamilyRun,
    SplitRun,
    trainings,
)
from kduq.families.protocol import Family, Workload
from kduq.study.paths import RunKey

#: Classes assumed for a file of the user, whose values are not read to plan a study.
_CLASSES = 10
#: Memory of a job's students and responses in bytes, and bytes at its peak: per student, per number
#: that it predicts, and per number of a response.
_MEMORY, _STUDENT, _PREDICTED, _NOISE = 1e9, 5000, 24, 8
#: Bytes per number of a user's table at the peak of a job that learns from it: the table, both
#: splits, and what least squares keeps in double precision.
_TABLE = 80


@dataclass(frozen=True)
class Run:
    """A family on a data set, or corpus, in an experiment.

    Attributes
    ----------
    key : RunKey
        Its names.
    experiment : Experiment
        Its experiment.
    family : Family
        Family of its teacher and students.
    task : str
        regression, classification or text.
    settings : FamilyRun
        Its table of the configuration.
    conditions : list of Condition
        What varies between students, the slowest key first.
    shards : list of tuple of int
        First replicate of each job, and the first one after it.
    """

    key: RunKey
    experiment: Experiment
    family: Family
    task: str
    settings: FamilyRun
    conditions: list[Condition]
    shards: list[tuple[int, int]]

    @property
    def lane(self) -> str:
        """Tabular or text."""
        return self.family.lane

    @property
    def design(self) -> Design:
        """How its students differ."""
        return self.experiment.design

    @property
    def has_own_teachers(self) -> bool:
        """Whether its students' job trains their teachers, which no other run shares."""
        return self.design in ("splits", "studies")

    @property
    def students_per_split(self) -> int:
        """Students per condition and split; 0 for a design without splits."""
        return self.settings.students_per_split if isinstance(self.settings, SplitRun) else 0

    @property
    def questions(self) -> int | None:
        """Questions of the corpus of a split; None for as many as the corpus has."""
        questions: int | None = getattr(self.settings, "questions", None)
        return questions

    @property
    def levels(self) -> dict[str, int]:
        """Number of levels by factor, in the order of the layout; empty if not factorial."""
        return self.settings.levels_by_factor if isinstance(self.settings, FactorialRun) else {}

    @property
    def inner_levels(self) -> dict[str, int]:
        """Number of levels of all factors except the sharded one."""
        return {factor: n for factor, n in self.levels.items() if factor != SHARDED_FACTOR}

    @property
    def estimates(self) -> str:
        """Path of its estimates."""
        return self.key.file("estimates")

    @property
    def parts(self) -> dict[str, list[Condition]]:
        """Conditions whose students have files of their own, by the name of the part.

        Methods on text that the configuration lists are parts, so that a further method leaves the
        students of the others as they are. In all other runs, and in a design of splits, all
        conditions are one part without a name.
        """
        if self.lane != "text" or self.has_own_teachers or not hasattr(self.settings, "method"):
            return {"": self.conditions}
        parts: dict[str, list[Condition]] = {}
        for condition in self.conditions:
            parts.setdefault(str(condition.method), []).append(condition)
        return parts

    def files(self, stage: str, shards: Sequence[tuple[int, int]] | None = None) -> list[str]:
        """Paths of its artifacts of a stage of students, one per shard and part.

        Parameters
        ----------
        stage : str
            The stage.
        shards : sequence of tuple of int, optional
            Shards of replicates; None for all.
        """
        return [
            self.key.file(stage, shard, part)
            for shard in (self.shards if shards is None else shards)
            for part in self.parts
        ]


def plan_run(
    config: Config,
    experiment: Experiment,
    table: ExperimentSettings,
    family: Family,
    dataset: str,
    settings: FamilyRun,
) -> Run:
    """Determine the conditions and the shards of a run.

    Parameters
    ----------
    config : Config
        Configuration of the study.
    experiment : Experiment
        Experiment of the run.
    table : ExperimentSettings
        Table of the experiment.
    family : Family
        Family of the run.
    dataset : str
        Name of its data set or corpus.
    settings : FamilyRun
        The family's table in the experiment.

    Returns
    -------
    Run
        With all its conditions and shards.
    """
    settings = settings.of_dataset(dataset)
    conditions = experiment.cells(table, settings)
    students, responses = trainings(conditions), max(c.k or 1 for c in conditions)
    if isinstance(settings, FactorialRun):
        # Levels of decoding are draws of one student.
        levels = settings.levels_by_factor.items()
        inner = {f: n for f, n in levels if f in LEVEL_COLUMNS and f != SHARDED_FACTOR}
        on_text = family.lane == "text"
        students = math.prod(inner.values()) if on_text else tabular_combinations(inner)
        responses = 1
    if isinstance(settings, SplitRun):
        each = settings.students_per_split
        students, responses = students * each + 1, responses * each
    key, task = RunKey(experiment.name, family.name, dataset), config.task_of(dataset)
    run = Run(key, experiment, family, task, settings, conditions, [])
    if len(run.parts) > 1:
        # The largest part, so that a further one does not change the shards of the others.
        students = max(map(len, run.parts.values()))
    size = settings.shard_size or _shard(
        config, experiment, family, dataset, settings, students, responses
    )
    starts = range(0, settings.total, size)
    shards = [(start, min(start + size, settings.total)) for start in starts]
    return replace(run, shards=shards)


def _shard(
    config: Config,
    experiment: Experiment,
    family: Family,
    dataset: str,
    settings: FamilyRun,
    students: int,
    responses: int = 1,
) -> int:
    """Replicates per job, one of a few round sizes.

    The largest size whose jobs take at most job_minutes and whose predictions and responses need at
    most one gigabyte, or else the smallest size. It does not depend on the number of replicates, so
    that further replicates do not change existing shards.
    """
    on_text = family.lane == "text"
    rows, columns, predicted = (0, 0, 0) if on_text else _shape(config, dataset)
    workload = Workload(rows, columns, predicted, config.language.prompts, config.language.draws)
    seconds = family.seconds(config.students[settings.student], workload)
    fitting = 60 * config.job_minutes / (students * seconds)
    largest = experiment.largest_text_shard if on_text else experiment.largest_shard
    if not on_text:
        each = students * (_STUDENT + _PREDICTED * predicted) + _NOISE * responses * rows
        fitting = min(fitting, _MEMORY / each)
    if largest is not None:
        fitting = min(fitting, largest)
    return max((size for size in family.sizes if size <= fitting), default=family.sizes[0])


def _shape(config: Config, dataset: str) -> tuple[int, int, int]:
    """Training rows, columns with that of the intercept, and numbers that one student predicts."""
    settings = config.datasets[dataset]
    if settings.path is None:
        return DATASETS[dataset].shape
    rows, columns = shape_of_file(Path(settings.path), settings.separator)
    rows = min(rows, settings.rows or rows)
    test = round(rows * settings.test_fraction)
    classes = 1 if config.task_of(dataset) == "regression" else _CLASSES
    features = len(settings.features) if settings.features else max(columns - 1, 1)
    return max(rows - test, 1), features + 1, max(test * classes, 1)


def table_megabytes(config: Config, dataset: str) -> int:
    """Memory for the examples of a user's table in a job that learns from them, in megabytes.

    Parameters
    ----------
    config : Config
        Configuration of the study.
    dataset : str
        Name of a data set, or of a corpus.

    Returns
    -------
    int
        In hundreds; 0 for a small table, and for a built-in data set or a corpus, for which the
        rules' own numbers hold.
    """
    if dataset in config.corpora or config.datasets[dataset].path is None:
        return 0
    rows, columns, _ = _shape(config, dataset)
    return int(_TABLE * rows * columns / 1e8) * 100
