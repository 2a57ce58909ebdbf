"""Metrics: the registry, one file per metric or group of metrics.

Metrics that are not a function of one condition's students and a mask of inputs alone (variances
with their theory, groups of test inputs) are in the task's own module:
`kduq.estimates.regression`, `classification` and `text`.
"""

from kduq.estimates.metrics import agreement, class_scores, uncertainty_parts
from kduq.estimates.metrics.protocol import Metric
from kduq.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    (
        class_scores.ACCURACY,
        class_scores.CALIBRATION_ERROR,
        class_scores.TEMPERED_CALIBRATION_ERROR,
        class_scores.BRIER_SCORE,
        class_scores.NEGATIVE_LOG_LIKELIHOOD,
        class_scores.AURC,
        class_scores.ERROR_AUROC,
        uncertainty_parts.TOTAL_ENTROPY,
        uncertainty_parts.GINI_INTRA,
        uncertainty_parts.GINI_INTER,
        agreement.STUDENT_AGREEMENT,
        agreement.TEACHER_AGREEMENT,
    ),
)


def of_task(task: str) -> list[Metric]:
    """Metrics of a task, in the order of the registry."""
    return [metric for metric in METRICS.values() if metric.task == task]
