"""Estimates per split and over splits, whatever the lane."""

from collections.abc import Sequence

import numpy as np

from kduq.conditions import Condition
from kduq.estimates.groups import of_split
from kduq.estimates.table import Table
from kduq.statistics import Estimate, meta_analysis


def add(
    table: Table,
    confidence: float,
    condition: Condition,
    metric: str,
    values: Sequence[Estimate],
    ratio: bool,
    group: str = "all",
) -> None:
    """Add a statistic of students on every split, and what its values say together.

    Parameters
    ----------
    table : Table
        Where the estimates are added.
    confidence : float
        Coverage of the intervals.
    condition : Condition
        Of the students.
    metric : str
        Name of the statistic.
    values : sequence of Estimate
        Per split, with limits given the split and its teacher; n is the number of students.
    ratio : bool
        Whether they are logarithms of ratios, which are reported without it.
    group : str
        Group of test inputs.

    Notes
    -----
    The mean over splits and its interval are those of `kduq.statistics.meta_analysis.pool_alike`.
    Under the name with the suffix between_split_sd is the standard deviation of the true values,
    and with the suffix prediction the interval of the estimate on a further split. Nothing is added
    for a statistic without a value on any split; one without a value on some has no mean.
    """
    points = np.array([value.value for value in values])
    errors = np.array([value.se for value in values])
    if np.isnan(points).all():
        return
    for number, value in enumerate(values):
        shown = _reported(value, ratio, value.n)
        table.add(condition, "student", metric, shown, of_split(number, group))
    pooled = meta_analysis.pool_alike(points, errors, confidence)
    total = sum(value.n for value in values)
    for suffix, part, is_ratio in (
        ("", pooled.mean, ratio),
        ("_between_split_sd", pooled.spread, False),
        ("_prediction", pooled.prediction, ratio),
    ):
        shown = _reported(part, is_ratio, total)
        table.add(condition, "student", f"{metric}{suffix}", shown, group)


def _reported(value: Estimate, ratio: bool, students: int) -> Estimate:
    """An estimate on its scale in the table, with the number of students.

    Of a ratio, se is that of its logarithm times the ratio (delta method), and the limits are those
    of the logarithm.
    """
    if not ratio:
        return Estimate(value.value, value.se, value.low, value.high, students)
    point, low, high = (float(np.exp(v)) for v in (value.value, value.low, value.high))
    return Estimate(point, point * value.se, low, high, students)
