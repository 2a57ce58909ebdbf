"""Estimates of classification: what is left of a teacher's distribution over classes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kduq import families
from kduq.estimates import Table, exact
from kduq.statistics import calibration
from kduq import statistics
from kduq.statistics import Estimate

#: Groups of test inputs, by whether whoever answers them answers the true class.
GROUPS = ("all", "correct", "incorrect")
#: Of one model's probabilities over all test inputs.
_SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda p, classes: float((p.argmax(axis=1) == classes).mean()),
    "expected_calibration_error": calibration.expected_calibration_error,
    "brier_score": calibration.brier_score,
    "negative_log_likelihood": calibration.negative_log_likelihood,
}


def summarise(
    settings: dict[str, Any],
    problem: families.Problem,
    test_y: np.ndarray,
    teacher: tuple[np.ndarray, np.ndarray],
    students: dict[str, np.ndarray],
    groups: list[np.ndarray],
) -> dict[str, list[Any]]:
    """Estimate everything that one run measures.

    Groups are each model's own: a test input is among a student's incorrect ones if that student
    answers it wrongly, and among the teacher's if the teacher does. ``test_inputs`` counts them,
    for students by their mean. Intervals are conditional on the data split and the teacher, whose
    own numbers therefore have none. Diverged students are counted and take no part.

    Parameters
    ----------
    settings : dict
        experiment, family, dataset, confidence and conditions.
    problem : Problem
        Inputs and truth.
    test_y : ndarray of shape (m, C)
        One-hot classes of the test rows.
    teacher : tuple of ndarray
        The teacher's probabilities on training and test rows, shape (m, C) for the latter.
    students : dict of str to ndarray
        Columns of the students' table; predictions run over test rows and, fastest, classes.
    groups : list of ndarray
        For each condition, the numbers of its rows.

    Returns
    -------
    dict of str to list
        The columns of the artifact.
    """
    del problem
    table = Table(settings)
    classes = test_y.argmax(axis=1)
    own = _normalised(teacher[1])
    for metric, score in _SCORES.items():
        table.add(table.unconditional, "teacher", metric, exact(score(own, classes)))
    for group, chosen in _members(own[None], classes).items():
        n = int(chosen.sum())
        entropy = float(statistics.entropy(own)[chosen[0]].mean()) if n else np.nan
        found = {"predictive_entropy": exact(entropy, min(n, 1)), "test_inputs": exact(n)}
        for metric, estimate in found.items():
            table.add(table.unconditional, "teacher", metric, estimate, group)
    for condition, rows in zip(settings["conditions"], groups, strict=True):
        diverged = students["diverged"][rows].astype(bool)
        table.add(condition, "student", "diverged_count", exact(diverged.sum(), len(rows)))
        good = rows[~diverged]
        probabilities = _normalised(students["prediction"][good].reshape(len(good), *test_y.shape))
        for (metric, group), estimate in _measured(
            probabilities, classes, settings["confidence"]
        ).items():
            table.add(condition, "student", metric, estimate, group)
    return table.columns()


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """Double precision, rows that sum to one exactly enough for others' checks."""
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=-1, keepdims=True)


def _members(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Pairs of student and test input in each group, shape (S, m)."""
    correct = probabilities.argmax(axis=2) == classes
    return {"all": np.ones_like(correct), "correct": correct, "incorrect": ~correct}


def _measured(
    probabilities: np.ndarray, classes: np.ndarray, confidence: float
) -> dict[tuple[str, str], Estimate]:
    found: dict[tuple[str, str], Estimate] = {}
    for metric, score in _SCORES.items():
        values = np.array([score(p, classes) for p in probabilities])
        found[metric, "all"] = statistics.mean(values, confidence)
    entropies = statistics.entropy(probabilities)
    for group, members in _members(probabilities, classes).items():
        found["predictive_entropy", group] = statistics.pooled_mean(entropies, members, confidence)
        found["mutual_information", group] = statistics.mutual_information(
            probabilities, members, confidence
        )
        found["test_inputs", group] = statistics.mean(members.sum(axis=1), confidence)
    return found
