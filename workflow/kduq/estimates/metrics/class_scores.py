"""Metrics of classifiers: scores of a model's probabilities over all test inputs."""

from collections.abc import Callable

import numpy as np

from kduq import statistics
from kduq.estimates.metrics.protocol import Metric, TabularStudents
from kduq.statistics import Estimate

#: Returns a score from probabilities of shape (m, C) and the numbers of the true classes.
_Score = Callable[[np.ndarray, np.ndarray], float]


def _metric(name: str, label: str, score: _Score) -> Metric:
    """Mean of a score over students; those without one, NaN, are left out."""

    def estimate(students: TabularStudents, inputs: np.ndarray, confidence: float) -> Estimate:
        classes = students.truth.argmax(axis=1)[inputs]
        values = np.array([score(p[inputs], classes) for p in students.predictions])
        return statistics.mean(values[np.isfinite(values)], confidence)

    return Metric(name, "classification", label, estimate, of_teacher=True)


def _accuracy(probabilities: np.ndarray, classes: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == classes).mean())


def _calibration(name: str) -> _Score:
    def score(probabilities: np.ndarray, classes: np.ndarray) -> float:
        from kduq.statistics import calibration  # noqa: PLC0415 (torch: a second of every job)

        function: _Score = getattr(calibration, name)
        return function(probabilities, classes)

    return score


ACCURACY = _metric("accuracy", "share of test inputs answered correctly", _accuracy)
CALIBRATION_ERROR = _metric(
    "expected_calibration_error",
    "expected calibration error, 15 bins, above a calibrated model's",
    _calibration("expected_calibration_error"),
)
TEMPERED_CALIBRATION_ERROR = _metric(
    "expected_calibration_error_after_temperature",
    "the same after one temperature, fitted on the other half of the rows",
    _calibration("expected_calibration_error_after_temperature"),
)
AURC = _metric("aurc", "area under the risk-coverage curve", _calibration("aurc"))
ERROR_AUROC = _metric(
    "error_auroc",
    "probability that a wrong answer has less confidence than a right one",
    _calibration("error_auroc"),
)
BRIER_SCORE = _metric("brier_score", "Brier score, from 0 to 2", _calibration("brier_score"))
NEGATIVE_LOG_LIKELIHOOD = _metric(
    "negative_log_likelihood",
    "negative log-likelihood (nats)",
    _calibration("negative_log_likelihood"),
)
