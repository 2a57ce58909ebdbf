"""Estimates of a design of studies on a table: the sources of the variance between studies."""

from typing import Any

import numpy as np

from kduq.conditions import LEVEL_COLUMNS
from kduq.estimates.factorial import complete, components_by_metric
from kduq.estimates.settings import TabularFactorialSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "estimate", "run"]

#: Factors that all students of a study share, which come first in the layout.
_OF_A_STUDY = ("split", "teacher")
_STUDENT = ("diverged", "rank_deficient", "prediction")


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    students = inputs.read_all("students").columns((*LEVEL_COLUMNS.values(), *_STUDENT))
    outputs.write("estimates", estimate(settings, students))


def estimate(settings: Settings, students: dict[str, np.ndarray]) -> dict[str, list[Any]]:
    """Estimate the components of variance of one run, averaged over test rows.

    Levels of every factor are random, so intervals are valid for other training rows, teachers,
    noise and initial parameters. They are conditional on the test rows.

    Parameters
    ----------
    settings : Settings
        Of the run.
    students : dict of str to ndarray
        Levels, diverged, rank_deficient and prediction of every student.

    Returns
    -------
    dict of str to list
        The columns of the artifact: variance_component_* in squared units of the target, and
        variance_share_* of their total.
    """
    table = Table(settings)
    (condition,) = settings.conditions
    levels = settings.levels_in_order
    keys = [students[LEVEL_COLUMNS[factor]] for factor in reversed(levels)]
    order = np.lexsort(keys)
    shape = tuple(levels.values())
    diverged = students["diverged"].astype(bool)
    values = students["prediction"][order].astype(np.float64).reshape(*shape, -1)
    values = complete(values, ~diverged[order].reshape(shape))
    nested = [factor for factor in levels if factor in _OF_A_STUDY]
    found = components_by_metric(values, list(levels), settings.confidence, len(nested))
    for metric, value in found.items():
        table.add(condition, "student", metric, value)
    table.add(condition, "student", "diverged_count", exact(float(diverged.sum()), len(diverged)))
    deficient = students["rank_deficient"]
    if any(value is not None for value in deficient.tolist()):
        count = float(deficient.astype(bool).sum())
        table.add(condition, "student", "rank_deficient_count", exact(count, len(deficient)))
    return table.columns()
