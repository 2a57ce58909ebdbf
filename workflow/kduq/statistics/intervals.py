"""Estimates with intervals: the jackknife over students, which are independent."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval; NaN means not available from so few students.

    Attributes
    ----------
    value, se, low, high : float
        Point estimate, standard error and confidence limits, in the unit of the statistic.
    n : int
        Number of independent students.
    se_students, se_prompts : float
        Standard errors over students alone and over prompts alone, where both are drawn; NaN
        elsewhere.
    n_prompts : int
        Number of questions that prompts were drawn from; 0 where no prompts are drawn.
    """

    value: float
    se: float
    low: float
    high: float
    n: int
    se_students: float = np.nan
    se_prompts: float = np.nan
    n_prompts: int = 0


def from_leave_one_out(value: float, left_out: np.ndarray, confidence: float) -> Estimate:
    """Interval from the leave-one-out values of a statistic.

    Parameters
    ----------
    value : float
        The statistic on all students.
    left_out : ndarray of shape (S,)
        The statistic without student s.
    confidence : float
        Coverage of the interval, for example 0.95.

    Returns
    -------
    Estimate
        With se² = (S-1)/S · Σ (left_out - mean)², the jackknife (Efron & Stein 1981), and limits
        from Student's t with S - 1 degrees of freedom.
    """
    n = len(left_out)
    if n < 2 or not np.isfinite(left_out).all():
        return Estimate(value, np.nan, np.nan, np.nan, n)
    se = float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))
    half = float(scipy.stats.t.ppf(0.5 + confidence / 2, n - 1)) * se
    return Estimate(value, se, value - half, value + half, n)


def jackknife(statistic: Callable[[np.ndarray], float], n: int, confidence: float) -> Estimate:
    """Any statistic of n students, with its jackknife interval.

    Parameters
    ----------
    statistic : callable
        Returns the statistic of some students from an array of their numbers.
    n : int
        Number of students.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        NaN for fewer than two students; see `from_leave_one_out`.
    """
    if n < 2:
        return Estimate(np.nan, np.nan, np.nan, np.nan, n)
    everyone = np.arange(n)
    left_out = np.array([statistic(np.delete(everyone, s)) for s in everyone])
    return from_leave_one_out(statistic(everyone), left_out, confidence)


def mean(values: np.ndarray, confidence: float) -> Estimate:
    """Mean over students.

    Parameters
    ----------
    values : ndarray of shape (S,)
        One value per student.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        The jackknife of a mean gives its ordinary standard error.
    """
    n = len(values)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    total = values.sum()
    left_out = (total - values) / (n - 1) if n > 1 else np.full(1, np.nan)
    return from_leave_one_out(float(total / n), left_out, confidence)


def pooled_mean(values: np.ndarray, members: np.ndarray, confidence: float) -> Estimate:
    """Mean over the pairs of student and input that belong to a group.

    Parameters
    ----------
    values : ndarray of shape (S, X)
        One value per student and input.
    members : ndarray of bool of shape (S, X)
        Whether a pair belongs to the group; students may have different numbers of pairs, or none.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        A ratio of sums, with the jackknife over students; n is the number of students with a pair
        in the group. NaN with n = 0 for an empty group.
    """
    return ratio_of_sums(np.where(members, values, 0).sum(axis=1), members.sum(axis=1), confidence)


def ratio_of_sums(totals: np.ndarray, counts: np.ndarray, confidence: float) -> Estimate:
    """As `pooled_mean`, from each student's sum over its pairs and their number.

    Parameters
    ----------
    totals, counts : ndarray of shape (S,)
        Sums and numbers of pairs.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        See `pooled_mean`.
    """
    present = int((counts > 0).sum())
    if present == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    value = float(totals.sum() / counts.sum())
    rest = counts.sum() - counts
    left_out = np.divide(
        totals.sum() - totals, rest, out=np.full(len(totals), np.nan), where=rest > 0
    )
    interval = from_leave_one_out(value, left_out, confidence)
    return Estimate(value, interval.se, interval.low, interval.high, present)
