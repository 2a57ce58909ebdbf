"""Estimates of regression: errors, and variances of predictions across students."""

from typing import Any

import numpy as np

from kduq import families
from kduq.estimates import Table, exact
from kduq import statistics
from kduq.statistics import Estimate


def summarise(
    settings: dict[str, Any],
    problem: families.Problem,
    test_y: np.ndarray,
    teacher: tuple[np.ndarray, np.ndarray],
    students: dict[str, np.ndarray],
    groups: list[np.ndarray],
) -> dict[str, list[Any]]:
    """Estimate everything that one run measures.

    Intervals are conditional on the data split and the teacher: the jackknife runs over
    students. Diverged students take no part in means and variances; their number is an estimate
    of its own, ``diverged_count``.

    Parameters
    ----------
    settings : dict
        experiment, family, dataset, task, confidence and conditions.
    problem : Problem
        Inputs and truth.
    test_y : ndarray of shape (m,)
        True targets of the test rows.
    teacher : tuple of ndarray
        The teacher's predictions on training and test rows.
    students : dict of str to ndarray
        Columns of the students' table.
    groups : list of ndarray
        For each condition, the numbers of its rows.

    Returns
    -------
    dict of str to list
        The columns of the artifact.
    """
    table = Table(settings)
    for split, prediction, truth in (
        ("train", teacher[0], problem.train_y),
        ("test", teacher[1], test_y),
    ):
        error = float(((prediction - truth) ** 2).mean())
        table.add(table.unconditional, "teacher", f"{split}_mse_mean", exact(error))
    model = families.family(settings["family"], settings["task"])
    for condition, members in zip(settings["conditions"], groups, strict=True):
        part = {name: values[members] for name, values in students.items()}
        for metric, found in _measured(part, settings["confidence"]).items():
            table.add(condition, "student", metric, found)
        theory = _theory(model, condition, problem, part)
        if theory is not None:
            found = exact(theory, len(members))
            table.add(condition, "student", "theory_inter_student_variance", found)
    return table.columns()


def _measured(part: dict[str, np.ndarray], confidence: float) -> dict[str, Estimate]:
    good = ~part["diverged"].astype(bool)
    found: dict[str, Estimate] = {}
    for split in ("train", "test"):
        error = part[f"{split}_mse"][good]
        found[f"{split}_mse_mean"] = statistics.mean(error, confidence)
        found[f"{split}_mse_var"] = statistics.variance(error, confidence)
    draws = part["prediction"][good].astype(np.float64)[:, None]
    found["inter_student_variance"] = statistics.inter_student_variance(draws, confidence)
    found |= _parameter_variances(part, good, confidence)
    counts = {"diverged_count": ~good}
    deficient = part["rank_deficient"]
    if not _all_null(deficient):
        counts["rank_deficient_count"] = deficient.astype(bool)
    for metric, flags in counts.items():
        found[metric] = exact(float(flags.sum()), len(flags))
    return found


def _parameter_variances(
    part: dict[str, np.ndarray], good: np.ndarray, confidence: float
) -> dict[str, Estimate]:
    """Mean parameter variance from the distances of pairs, each pair once.

    Half the mean squared difference of two independent students is an unbiased estimate of the
    variance averaged over parameters, and pairs are independent of each other.
    """
    found = {}
    for moment in ("before", "after"):
        distance = part[f"parameter_distance_{moment}"]
        usable = np.isfinite(distance)
        partner_good = good.copy()
        order = part["replicate"]
        place = {int(replicate): i for i, replicate in enumerate(order)}
        for i, replicate in enumerate(order):
            partner = place.get(int(replicate) ^ 1)
            partner_good[i] &= partner is not None and bool(good[partner])
        pairs = distance[usable & partner_good & (order % 2 == 0)]
        if len(pairs):
            measured = statistics.mean(pairs, confidence)
            found[f"parameter_variance_{moment}"] = Estimate(
                measured.value, measured.se, measured.low, measured.high, 2 * len(pairs)
            )
    return found


def _all_null(values: np.ndarray) -> bool:
    return all(value is None for value in values.tolist())


def _theory(
    model: type[families.Family],
    condition: dict[str, Any],
    problem: families.Problem,
    part: dict[str, np.ndarray],
) -> float | None:
    """Closed-form inter-student variance where the family has one for the condition."""
    if condition["alpha"] is not None:
        variance = condition["alpha"] * float(problem.train_y.var())
        return model.theory_inter_student_variance(
            problem, condition["method"], variance, condition["k"]
        )
    noiseless = model.theory_inter_student_variance(problem, "single", 0.0, 1)
    deficient = part["rank_deficient"]
    known = condition["label_source"] == "teacher" and not _all_null(deficient)
    # Labels without noise leave a closed form nothing but noise of variance 0 at full rank.
    return noiseless if known and not deficient.astype(bool).any() else None
