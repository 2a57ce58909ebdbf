"""Metrics: the registry, one file per metric or family of metrics.

What takes several quantities at once (variances and their theory, groups of test inputs) stands in
the task's own module: `kduq.estimates.regression`, `classification` and `text`.
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
