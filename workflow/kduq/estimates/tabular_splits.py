"""Estimates of a design of splits on tables: means over splits, and how much splits differ."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy

from kduq import seeds, statistics
from kduq.artifacts import Artifact, WideColumn
from kduq.conditions import TEACHER, Condition
from kduq.estimates import over_splits
from kduq.estimates.groups import of_split
from kduq.estimates.settings import TabularSplitSettings as Settings
from kduq.estimates.split_statistics import Cell, SplitStatistic, of_classification, of_regression
from kduq.estimates.table import Table, exact
from kduq.examples import splits
from kduq.stage import Inputs, Outputs
from kduq.statistics import Estimate, jackknifed
from kduq.teacher import tabular as teacher

__all__ = ["Settings", "estimate", "run"]

#: Columns of the students that estimates are computed from, besides their predictions.
_COLUMNS = ("split_number", "diverged", "test_mse")


@dataclass(frozen=True)
class SplitRun:
    """Students of a run on several splits.

    Attributes
    ----------
    students : Artifact
        Their table.
    predictions : array_like
        Their predictions, which are read when they are indexed.
    split : ndarray of shape (rows,)
        Column of the examples.
    y : ndarray of shape (rows,)
        Targets of the examples.
    """

    students: Artifact
    predictions: Any
    split: np.ndarray
    y: np.ndarray

    def cells(self, settings: Settings) -> Iterator[dict[Condition, Cell]]:
        """Cells of each split in ascending order, by condition; the teacher's has labels of truth.

        Parameters
        ----------
        settings : Settings
            Of the run.

        Yields
        ------
        dict of Condition to Cell
            Of one split.
        """
        columns = {name: self.students.column(name) for name in _COLUMNS}
        conditions = [*settings.conditions, Condition(label_source=TEACHER)]
        rows_of = dict(zip(conditions, self.students.rows_of(conditions), strict=True))
        for number in range(settings.splits):
            drawn = seeds.split_seed(settings.seed, settings.experiment, settings.dataset, number)
            truth = self.y[splits.test_rows(self.split, drawn)]
            cells = {}
            for condition, every in rows_of.items():
                rows = every[columns["split_number"][every] == number]
                classes = (-1,) if settings.task == "classification" else ()
                shape = (len(rows), len(truth), *classes)
                cells[condition] = Cell(
                    self.predictions[rows].reshape(shape),
                    ~columns["diverged"][rows].astype(bool),
                    columns["test_mse"][rows],
                    truth,
                )
            yield cells


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    examples = teacher.arrays(inputs.read("examples"))
    found = SplitRun(
        inputs.read_all("students", without="prediction"),
        WideColumn(inputs.paths["students"], "prediction"),
        examples["split"],
        examples["y"],
    )
    outputs.write("estimates", estimate(settings, found))


def estimate(settings: Settings, run: SplitRun) -> dict[str, list[Any]]:
    """Compute all estimates of one run.

    On each split a statistic has a jackknife standard error over its students, given the split and
    its teacher, and is corrected for the bias of few students. The mean over splits and its
    interval are those of a random-effects meta-analysis, so that rows, teacher and students are all
    random. All splits are of one data set: nothing is said about another one.

    Parameters
    ----------
    settings : Settings
        Of the run.
    run : SplitRun
        Its students.

    Returns
    -------
    dict of str to list
        The columns of the artifact. Of each statistic: in groups split_00 and so on its estimates
        per split; in group all its mean over splits, under a name with the suffix between_split_sd
        the standard deviation of its true values (of ratios, of their logarithms), and with the
        suffix prediction the interval of its estimate on a further split. A statistic without a
        value on some split has no mean; one without a value on any is left out.
    """
    table = Table(settings)
    cells = list(run.cells(settings))
    _add_teachers(table, settings, cells)
    for condition in settings.conditions:
        good = np.concatenate([cell[condition].good for cell in cells])
        table.add(condition, "student", "diverged_count", exact(float((~good).sum()), len(good)))
    listed = of_regression if settings.task == "regression" else of_classification
    for statistic in listed(settings.conditions):
        _add(table, settings, statistic, cells)
    return table.columns()


def _add_teachers(table: Table, settings: Settings, cells: list[dict[Condition, Cell]]) -> None:
    """Add the quality of the teachers, on their own splits and on average."""
    own = [cell[Condition(label_source=TEACHER)] for cell in cells]
    scores = {"test_mse_mean": [float(cell.test_mse[0]) for cell in own]}
    if settings.task == "classification":
        scores = {
            "accuracy": [float(cell.accuracies[0]) for cell in own],
            "predictive_entropy": [float(cell.entropies[0]) for cell in own],
        }
    for metric, values in scores.items():
        for number, value in enumerate(values):
            table.add(table.unconditional, "teacher", metric, exact(value), of_split(number))
        mean = statistics.mean(np.array(values), settings.confidence)
        table.add(table.unconditional, "teacher", metric, mean)


def _add(
    table: Table,
    settings: Settings,
    statistic: SplitStatistic,
    cells: list[dict[Condition, Cell]],
) -> None:
    """Add the estimates of a statistic per split and over splits."""
    found = []
    for on_split in cells:
        own = [on_split[condition] for condition in statistic.conditions]
        with np.errstate(invalid="ignore", divide="ignore"):
            values = statistic.compute(own, on_split[Condition(label_source=TEACHER)])
        value = _with_limits(jackknifed.corrected(values), settings.confidence)
        found.append(replace(value, n=sum(int(cell.good.sum()) for cell in own)))
    over_splits.add(
        table,
        settings.confidence,
        statistic.conditions[0],
        statistic.metric,
        found,
        statistic.ratio,
    )


def _with_limits(value: Estimate, confidence: float) -> Estimate:
    """An estimate on one split with the limits of Student's t over its replicates."""
    half = float(scipy.stats.t.ppf(0.5 + confidence / 2, max(value.n - 1, 1))) * value.se
    return Estimate(value.value, value.se, value.value - half, value.value + half, value.n)
