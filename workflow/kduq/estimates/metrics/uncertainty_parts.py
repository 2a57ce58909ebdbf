"""Metrics of classifiers: total uncertainty, and its parts within and between students."""

import numpy as np

from kduq import statistics
from kduq.estimates.metrics.protocol import Metric, TabularStudents
from kduq.statistics import Estimate


def _total(students: TabularStudents, inputs: np.ndarray, confidence: float) -> Estimate:
    return statistics.total_entropy(students.predictions, inputs, confidence)


def _intra(students: TabularStudents, inputs: np.ndarray, confidence: float) -> Estimate:
    return statistics.gini(students.predictions, inputs, confidence).intra


def _inter(students: TabularStudents, inputs: np.ndarray, confidence: float) -> Estimate:
    return statistics.gini(students.predictions, inputs, confidence).inter


TOTAL_ENTROPY = Metric(
    "total_entropy", "classification", "entropy of the mixture of students (nats)", _total
)
GINI_INTRA = Metric("gini_intra", "classification", "Gini impurity within students", _intra)
GINI_INTER = Metric("gini_inter", "classification", "Gini impurity between students", _inter)
