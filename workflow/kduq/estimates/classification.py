"""Estimates of classification: what students keep of a teacher's distribution over classes."""

from collections.abc import Sequence
from typing import Any, cast

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

#: Groups of test inputs.
_GROUPS = ("all", "correct", "incorrect")


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
            value = exact(score.value, min(score.n, 1))
            table.add(table.unconditional, "teacher", metric.name, value)
    for group, members in _members(own, classes).items():
        n = int(members.sum())
        entropy = float(statistics.entropy(own)[members].mean()) if n else np.nan
        estimates = {"predictive_entropy": exact(entropy, min(n, 1)), "test_inputs": exact(n)}
        for name, value in estimates.items():
            table.add(table.unconditional, "teacher", name, value, group)
    for condition, rows in zip(settings.conditions, run.groups, strict=True):
        diverged = run.students["diverged"][rows].astype(bool)
        table.add(condition, "student", "diverged_count", exact(diverged.sum(), len(rows)))
        good = rows[~diverged]
        probabilities = _Students(run.students["prediction"], good, test_y.shape)
        for (name, group), value in _estimates(probabilities, classes, settings.confidence).items():
            table.add(condition, "student", name, value, group)
        students = TabularStudents(cast(np.ndarray, probabilities), test_y, run.teacher[1])
        for metric in of_task(settings.task):
            score = metric.estimate(students, all_inputs, settings.confidence)
            if score is not None:
                table.add(condition, "student", metric.name, score)
    return table.columns()


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities in double precision, whose rows sum to one as scikit-learn requires."""
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=-1, keepdims=True)


class _Students(Sequence[np.ndarray]):
    """Class probabilities of students (S, m, C), which are read one student at a time.

    All students of many test rows may not fit into memory. Metrics may use it as an array, which
    then is made.

    Parameters
    ----------
    stored : array_like of shape (rows, m · C)
        Column of the students' table, which is indexed by rows.
    rows : ndarray of shape (S,)
        Rows of the students.
    shape : tuple of int
        Numbers of test rows and classes.
    """

    def __init__(self, stored: Any, rows: np.ndarray, shape: tuple[int, ...]) -> None:
        self._stored, self._rows, self._of_one = stored, rows, shape
        self.shape = len(rows), *shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, int):
            return np.asarray(self)[key]
        if not -len(self) <= key < len(self):
            raise IndexError(key)
        row = self._rows[[key]]
        return _normalised(self._stored[row].reshape(self._of_one))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        del copy
        values = np.empty(self.shape, dtype)
        for s, own in enumerate(self):
            values[s] = own
        return values


def _members(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Test inputs in each group of a model with probabilities of shape (m, C), masks."""
    correct = probabilities.argmax(axis=1) == classes
    return dict(zip(_GROUPS, (np.ones_like(correct), correct, ~correct), strict=True))


def _estimates(
    probabilities: Sequence[np.ndarray], classes: np.ndarray, confidence: float
) -> dict[tuple[str, str], Estimate]:
    estimates: dict[tuple[str, str], Estimate] = {}
    found = statistics.information_by_group(
        probabilities, lambda _, own: _members(own, classes), confidence
    )
    nothing = statistics.mean(np.empty(0), confidence)
    none = statistics.Information(nothing, nothing, np.empty(0, np.intp))
    for group in _GROUPS:
        of_group = found.get(group, none)
        estimates["predictive_entropy", group] = of_group.entropy
        estimates["mutual_information", group] = of_group.mutual
        estimates["test_inputs", group] = statistics.mean(of_group.counts, confidence)
    return estimates
