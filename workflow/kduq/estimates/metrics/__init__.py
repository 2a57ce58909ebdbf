"""Metrics: the registry, one file per metric or group of metrics.

Metrics that are not a function of one condition's students and a mask of inputs alone (variances
with their theory, groups of test inputs) are in the task's own module:
`kduq.estimates.regression`, `classification` and `text`.
"""

from kduq.estimates.metrics import (
    answer_information,
    class_scores,
    error_detection,
    reflection,
    sequence_entropy,
)
from kduq.estimates.metrics.protocol import Metric
from kduq.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    (
        class_scores.ACCURACY,
        class_scores.CALIBRATION_ERROR,
        class_scores.BRIER_SCORE,
        class_scores.NEGATIVE_LOG_LIKELIHOOD,
        sequence_entropy.SEQUENCE_ENTROPY,
        sequence_entropy.SEQUENCE_ENTROPY_RATIO,
        sequence_entropy.SEMANTIC_ENTROPY,
        reflection.RANK_CORRELATION,
        reflection.KENDALL,
        reflection.SLOPE,
        reflection.ENSEMBLE_RANK_CORRELATION,
        reflection.CEILING,
        reflection.TOTAL_VARIATION,
        reflection.JENSEN_SHANNON,
        reflection.ENSEMBLE_TOTAL_VARIATION,
        answer_information.MUTUAL_INFORMATION,
        answer_information.TOTAL_ENTROPY,
        answer_information.GINI_INTRA,
        answer_information.GINI_INTER,
        error_detection.ERROR_AUROC,
        error_detection.PREDICTION_REJECTION_RATIO,
    ),
)


def of_task(task: str) -> list[Metric]:
    """Metrics of a task, in the order of the registry."""
    return [metric for metric in METRICS.values() if metric.task == task]
