"""Estimates of a factorial design on a table: the sources of the variance between students."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kduq import statistics
from kduq.conditions import LEVEL_COLUMNS, RESAMPLED_FACTOR, SHARDED_FACTOR
from kduq.estimates.factorial import complete, components_by_metric
from kduq.estimates.settings import TabularFactorialSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.estimates.tabular import TabularRun, read_run
from kduq.families import FAMILIES
from kduq.stage import Inputs, Outputs
from kduq.statistics import Estimate, components

__all__ = ["Settings", "estimate", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    outputs.write("estimates", estimate(settings, read_run(settings, inputs)))


def estimate(settings: Settings, run: TabularRun) -> dict[str, list[Any]]:
    """Estimate the components of variance of one run, averaged over test rows.

    Levels of every factor are random, so intervals are valid for other noise, initial parameters
    and bootstrap samples. They are conditional on the split, the test rows and the teacher.

    Parameters
    ----------
    settings : Settings
        Of the run.
    run : TabularRun
        Its students.

    Returns
    -------
    dict of str to list
        The columns of the artifact: variance_component_* in squared units of the target, and
        variance_share_* of their total. Further the total variance of students of labels without
        noise (noiseless_variance), of those on all rows in place of a bootstrap sample
        (full_sample_variance), and of both (noiseless_full_sample_variance); in closed form where
        the family has one, and samples have full rank, with an interval of no width.
    """
    table = Table(settings)
    condition = settings.conditions[0]
    levels = settings.levels_in_order
    factors = list(levels)
    values = _Slice(settings, run, 0).values(factors, sampled=True)
    for metric, value in components_by_metric(values, factors, settings.confidence).items():
        table.add(condition, "student", metric, value)
    for metric, value in _variances(settings, run).items():
        table.add(condition, "student", metric, value)
    students = np.concatenate(run.groups)
    diverged = run.students["diverged"][students].astype(bool)
    table.add(condition, "student", "diverged_count", exact(float(diverged.sum()), len(diverged)))
    deficient = run.students["rank_deficient"][students]
    if any(value is not None for value in deficient.tolist()):
        count = float(deficient.astype(bool).sum())
        table.add(condition, "student", "rank_deficient_count", exact(count, len(deficient)))
    return table.columns()


class _Slice:
    """Students of one condition, in the layout of some factors."""

    def __init__(self, settings: Settings, run: TabularRun, number: int) -> None:
        self._levels = settings.levels_in_order
        self._part = run.of_condition(number)

    def values(self, factors: Sequence[str], sampled: bool) -> np.ndarray:
        """Predictions of a complete design.

        Parameters
        ----------
        factors : sequence of str
            The factors that act, in the order of the layout.
        sampled : bool
            Whether students are on bootstrap samples; otherwise they are on all rows.

        Returns
        -------
        ndarray of shape (n_1, ..., n_F, X)
            Without levels that have diverged students.
        """
        absent = np.isnan(self._part[LEVEL_COLUMNS[RESAMPLED_FACTOR]].astype(np.float64))
        (rows,) = np.nonzero(absent != sampled)
        keys = [self._part[LEVEL_COLUMNS[f]][rows] for f in reversed(factors)]
        rows = rows[np.lexsort(keys)] if keys else rows
        shape = tuple(self._levels[f] for f in factors)
        good = ~self._part["diverged"][rows].astype(bool).reshape(shape)
        values = self._part["prediction"][rows].astype(np.float64).reshape(*shape, -1)
        return complete(values, good)


def _variances(settings: Settings, run: TabularRun) -> dict[str, Estimate]:
    """Variance between students without noise on the labels, and of students on all rows."""
    condition, *noiseless = settings.conditions
    others = [f for f in settings.levels_in_order if f not in (SHARDED_FACTOR, RESAMPLED_FACTOR)]
    cells = [("full_sample_variance", 0, [SHARDED_FACTOR, *others], condition.alpha or 0.0)]
    if noiseless:
        cells.append(("noiseless_full_sample_variance", 1, others, 0.0))
    found = {}
    model = FAMILIES[settings.family].model(settings.task)
    for name, number, factors, alpha in cells:
        noise = alpha * float(run.problem.train_y.var())
        theory = model.theoretical_variance(run.problem, "single", noise, 1)
        if theory is None and not factors:
            theory = 0.0  # nothing is left by which students could differ
        if theory is None:
            values = _Slice(settings, run, number).values(factors, sampled=False)
            found[name] = _variance(values, factors, settings.confidence)
        else:
            found[name] = Estimate(theory, 0.0, theory, theory, 0)
    if noiseless:
        factors = [*others, RESAMPLED_FACTOR]
        values = _Slice(settings, run, 1).values(factors, sampled=True)
        found["noiseless_variance"] = _variance(values, factors, settings.confidence)
        deficient = run.of_condition(1)["rank_deficient"]
        exact_fit = model.theoretical_variance(run.problem, "single", 0.0, 1)
        # On bootstrap samples the closed form of labels without noise holds at full rank only.
        if exact_fit is not None and not deficient.astype(bool).any():
            found["noiseless_variance"] = Estimate(exact_fit, 0.0, exact_fit, exact_fit, 0)
    return found


def _variance(values: np.ndarray, factors: Sequence[str], confidence: float) -> Estimate:
    """Variance between students that differ by all levels of the factors."""
    if len(factors) == 1:
        return statistics.inter_student_variance(values[:, None], confidence)
    return components.decompose(values, factors, confidence)[0]["total"]
