"""The interface of a metric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kduq.statistics import Estimate


@dataclass(frozen=True)
class TabularStudents:
    """Students of one condition that did not diverge.

    Attributes
    ----------
    predictions : ndarray of shape (S, m, ...)
        On the test rows, in the unit of the data. In classification class probabilities: a loop
        over them has one student at a time in memory, any other use makes the whole array.
    truth : ndarray of shape (m, ...)
        True targets of the test rows; one-hot in classification.
    teacher : ndarray of shape (m, ...)
        The teacher's predictions.
    variances : ndarray of shape (S, m), optional
        Variances of the students' predictive distributions, whose means are the predictions, in
        squared units of the data; None for students that predict one number.
    noise_variance : float, optional
        Variance of the noise of one response of the teacher; None for responses without noise.
    """

    predictions: np.ndarray
    truth: np.ndarray
    teacher: np.ndarray
    variances: np.ndarray | None = None
    noise_variance: float | None = None


@dataclass(frozen=True)
class Metric:
    """A number that is estimated from the students of a condition.

    Attributes
    ----------
    name : str
        Value of the column metric of the estimates.
    task : str
        regression, classification or text.
    label : str
        Name in figures and pages.
    estimate : callable
        Returns the estimate from `TabularStudents`, or on text
        `kduq.estimates.answer_scores.ModelScores`, a mask of the test inputs (or prompts) of a
        group, and the coverage of intervals; None if there is nothing to estimate.
    of_teacher : bool
        Whether it is also computed for the teacher (classification and text).
    of_distribution : bool
        Whether it is for students with a predictive distribution alone (regression only).

    Examples
    --------
    The mean absolute error of students of a regression, averaged over test rows:

    >>> from kduq import statistics
    >>> def estimate(students, inputs, confidence):
    ...     errors = np.abs(students.predictions - students.truth)[:, inputs]
    ...     return statistics.mean(errors.mean(axis=1), confidence)
    >>> metric = Metric("test_mae", "regression", "mean absolute error", estimate)
    >>> students = TabularStudents(np.array([[1.0, 2.0], [3.0, 2.0]]), np.ones(2), np.ones(2))
    >>> metric.estimate(students, np.ones(2, bool), 0.95).value
    1.0
    """

    name: str
    task: str
    label: str
    estimate: Callable[[Any, np.ndarray, float], Estimate | None]
    of_teacher: bool = False
    of_distribution: bool = False
