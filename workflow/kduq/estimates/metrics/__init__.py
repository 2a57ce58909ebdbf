"""Metrics beyond those that every run of a task has: the registry, one file per metric."""

from kduq.estimates.metrics.protocol import Metric
from kduq.registry import Registry

METRICS: Registry[Metric] = Registry("metric", ())


def of_task(task: str) -> list[Metric]:
    """Metrics of a task, in the order of the registry."""
    return [metric for metric in METRICS.values() if metric.task == task]
