"""Estimates of the crossed design: where the variance between students comes from."""

from typing import Any

import numpy as np

from kduq import families, variance_components
from kduq.conditions import LEVEL_COLUMNS, in_order
from kduq.estimates import Table, exact


def summarise(
    settings: dict[str, Any],
    problem: families.Problem,
    test_y: np.ndarray,
    teacher: tuple[np.ndarray, np.ndarray],
    students: dict[str, np.ndarray],
    groups: list[np.ndarray],
) -> dict[str, list[Any]]:
    """Estimate the components of variance of one run, averaged over test rows.

    Levels of every factor are draws, so intervals hold for other noise, initial parameters and
    bootstrap samples; they are conditional on the split, the test rows and the teacher.

    Parameters
    ----------
    settings : dict
        experiment, family, dataset, confidence, alpha, levels and conditions (one, of nulls).
    problem, test_y, teacher
        Not needed: components are of predictions alone.
    students : dict of str to ndarray
        Columns of the students' table.
    groups : list of ndarray
        Numbers of the rows of the condition.

    Returns
    -------
    dict of str to list
        The columns of the artifact: variance_component_* in squared units of the target, and
        variance_share_* of their total.
    """
    del problem, test_y, teacher
    table = Table(settings)
    condition = settings["conditions"][0] | {"alpha": settings["alpha"]}
    levels = in_order(settings["levels"])
    factors = list(levels)
    part = {name: values[groups[0]] for name, values in students.items()}
    shape = tuple(levels.values())
    order = np.lexsort([part[LEVEL_COLUMNS[f]] for f in reversed(factors)])
    good = ~part["diverged"][order].astype(bool)
    values = part["prediction"][order].astype(np.float64).reshape(*shape, -1)
    values = complete(values, good.reshape(shape))
    components, shares = variance_components.decompose(values, factors, settings["confidence"])
    for kind, found in (("component", components), ("share", shares)):
        for name, estimate in found.items():
            table.add(condition, "student", f"variance_{kind}_{name}", estimate)
    table.add(condition, "student", "diverged_count", exact(float((~good).sum()), len(good)))
    deficient = part["rank_deficient"]
    if any(value is not None for value in deficient.tolist()):
        number = float(deficient.astype(bool).sum())
        table.add(condition, "student", "rank_deficient_count", exact(number, len(deficient)))
    return table.columns()


def complete(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Largest part of a design that is found by leaving out levels with diverged students.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        Values of every combination.
    good : ndarray of bool of shape (n_1, ..., n_F)
        Whether they may be used.

    Returns
    -------
    ndarray of shape (m_1, ..., m_F, X)
        Balanced: level by level, the one with the largest share of diverged students goes.
    """
    while good.size and not good.all():
        shares = [
            (~good).mean(axis=tuple(f for f in range(good.ndim) if f != factor))
            for factor in range(good.ndim)
        ]
        factor = int(np.argmax([share.max() for share in shares]))
        level = int(shares[factor].argmax())
        good, values = np.delete(good, level, factor), np.delete(values, level, factor)
    return values
