"""Estimates of a factorial design on a table: the sources of the variance between students."""

from typing import Any

import numpy as np

from kduq.conditions import LEVEL_COLUMNS
from kduq.estimates.factorial import complete, components_by_metric
from kduq.estimates.settings import TabularFactorialSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.estimates.tabular import TabularRun, read_run
from kduq.stage import Inputs, Outputs

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
        variance_share_* of their total.
    """
    table = Table(settings)
    (condition,) = settings.conditions
    levels = settings.levels_in_order
    factors, shape = list(levels), tuple(levels.values())
    part = run.of_condition(0)
    order = np.lexsort([part[LEVEL_COLUMNS[f]] for f in reversed(factors)])
    good = ~part["diverged"][order].astype(bool)
    values = part["prediction"][order].astype(np.float64).reshape(*shape, -1)
    values = complete(values, good.reshape(shape))
    for metric, value in components_by_metric(values, factors, settings.confidence).items():
        table.add(condition, "student", metric, value)
    table.add(condition, "student", "diverged_count", exact(float((~good).sum()), len(good)))
    deficient = part["rank_deficient"]
    if any(value is not None for value in deficient.tolist()):
        count = float(deficient.astype(bool).sum())
        table.add(condition, "student", "rank_deficient_count", exact(count, len(deficient)))
    return table.columns()
