"""Estimates of classification: what students keep of a teacher's distribution over classes."""

from typing import Any

import numpy as np

from kduq import statistics
from kduq.estimates.metrics import of_task
from kduq.estimates.metrics.protocol import TabularStudents
from kduq.estimates.settings import TabularSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.estimates.tabular import TabularRun, read_run
from kduq.stage import Inputs, Outputs
from kduq.statistics import Estimate

__all__ = ["Settings", "estimate", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    outputs.write("estimates", estimate(settings, read_run(settings, inputs)))


def estimate(settings: Settings, run: TabularRun) -> dict[str, list[Any]]:
    """Compute all estimates of one run.

    The groups all, correct and incorrect differ between models: a test input belongs to a student's
    incorrect group if that student answers it wrongly, and to the teacher's if the teacher does.
    ``test_inputs`` is the size of a group, for students its mean. Intervals are conditional on the
    data split and the teacher, whose own numbers therefore have no interval. Diverged students are
    counted and excluded.

    Parameters
    ----------
    settings : Settings
        Of the run.
    run : TabularRun
        Its students and truth; predictions are ordered by test row and, fastest, class.

    Returns
    -------
    dict of str to list
        The columns of the artifact.
    """
    table = Table(settings)
    test_y = run.test_y
    classes = test_y.argmax(axis=1)
    own = _normalised(run.teacher[1])
    all_inputs = np.ones(len(test_y), bool)
    teacher = TabularStudents(own[None], test_y, own)
    for metric in of_task(settings.task):
        score = metric.estimate(teacher, all_inputs, settings.confidence)
        if metric.of_teacher and score is not None:
            table.add(table.unconditional, "teacher", metric.name, exact(score.value))
    for group, members in _members(own[None], classes).items():
        n = int(members.sum())
        entropy = float(statistics.entropy(own)[members[0]].mean()) if n else np.nan
        estimates = {"predictive_entropy": exact(entropy, min(n, 1)), "test_inputs": exact(n)}
        for name, value in estimates.items():
            table.add(table.unconditional, "teacher", name, value, group)
    for condition, rows in zip(settings.conditions, run.groups, strict=True):
        diverged = run.students["diverged"][rows].astype(bool)
        table.add(condition, "student", "diverged_count", exact(diverged.sum(), len(rows)))
        good = rows[~diverged]
        probabilities = _normalised(
            run.students["prediction"][good].reshape(len(good), *test_y.shape)
        )
        for (name, group), value in _estimates(probabilities, classes, settings.confidence).items():
            table.add(condition, "student", name, value, group)
        students = TabularStudents(probabilities, test_y, run.teacher[1])
        for metric in of_task(settings.task):
            score = metric.estimate(students, all_inputs, settings.confidence)
            if score is not None:
                table.add(condition, "student", metric.name, score)
    return table.columns()


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities in double precision, whose rows sum to one as scikit-learn requires."""
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=-1, keepdims=True)


def _members(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Pairs of student and test input in each group, shape (S, m)."""
    correct = probabilities.argmax(axis=2) == classes
    return {"all": np.ones_like(correct), "correct": correct, "incorrect": ~correct}


def _estimates(
    probabilities: np.ndarray, classes: np.ndarray, confidence: float
) -> dict[tuple[str, str], Estimate]:
    estimates: dict[tuple[str, str], Estimate] = {}
    entropies = statistics.entropy(probabilities)
    for group, members in _members(probabilities, classes).items():
        estimates["predictive_entropy", group] = statistics.pooled_mean(
            entropies, members, confidence
        )
        estimates["mutual_information", group] = statistics.mutual_information(
            probabilities, members, confidence
        )
        estimates["test_inputs", group] = statistics.mean(members.sum(axis=1), confidence)
    return estimates
