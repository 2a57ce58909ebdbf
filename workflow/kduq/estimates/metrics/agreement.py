"""Metrics of classifiers: how often students agree with each other, and with their teacher."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kduq import statistics
from kduq.estimates.metrics.protocol import Metric, TabularStudents
from kduq.statistics import Estimate


class _Answers(Sequence[np.ndarray]):
    """Students that are sure of their most probable class, one of them at a time in memory."""

    def __init__(self, students: TabularStudents) -> None:
        self._classes = [p.argmax(axis=1).astype(np.int32) for p in students.predictions]
        self._n_classes = students.truth.shape[1]

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, key: Any) -> Any:
        return np.arange(self._n_classes) == self._classes[key][:, None]


def _with_students(students: TabularStudents, inputs: np.ndarray, confidence: float) -> Estimate:
    """Of two answers, the Gini impurity of sure students is the probability that they differ."""
    differ = statistics.gini(_Answers(students), inputs, confidence).inter
    return Estimate(1 - differ.value, differ.se, 1 - differ.high, 1 - differ.low, differ.n)


def _with_teacher(students: TabularStudents, inputs: np.ndarray, confidence: float) -> Estimate:
    answers = students.teacher.argmax(axis=1)
    shares = [(p.argmax(axis=1) == answers)[inputs].mean() for p in students.predictions]
    return statistics.mean(np.array(shares), confidence)


STUDENT_AGREEMENT = Metric(
    "student_agreement",
    "classification",
    "share of test inputs that two students answer equally",
    _with_students,
)
TEACHER_AGREEMENT = Metric(
    "teacher_agreement",
    "classification",
    "share of test inputs that a student answers like the teacher",
    _with_teacher,
)
