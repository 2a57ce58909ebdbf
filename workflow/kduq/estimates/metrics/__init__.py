"""Metrics: the registry, one file per metric or group of metrics.

Metrics that are not a function of one condition's students and a mask of inputs alone (variances
with their theory, groups of test inputs) are in the task's own module:
`kduq.estimates.regression`, `classification` and `text`.
"""

from kduq.estimates.metrics import class_scores
from kduq.estimates.metrics.protocol import Metric
from kduq.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    (
        class_scores.ACCURACY,
        class_scores.CALIBRATION_ERROR,
        class_scores.BRIER_SCORE,
        class_scores.NEGATIVE_LOG_LIKELIHOOD,
    ),
)


def of_task(task: str) -> list[Metric]:
    """Metrics of a task, in the order of the registry."""
    return [metric for metric in METRICS.values() if metric.task == task]
