"""Statistics of students with their leave-one-out values, which can be combined by arithmetic.

An array of S + 1 numbers holds a statistic of all S students, and then the statistic without each
of them. Ratios and differences of such arrays are again of that form, so that conditions that share
their replicates are compared replicate by replicate.
"""

import numpy as np

from kduq.statistics.intervals import Estimate

#: A variance below this share of the mean square is rounding of predictions in single precision.
_ROUNDING = 1e-13


def mean_of(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Mean over students.

    Parameters
    ----------
    values : ndarray of shape (S,)
        One value per student.
    good : ndarray of bool of shape (S,)
        Students that count; without another the mean is that of all.

    Returns
    -------
    ndarray of shape (S + 1,)
        The mean, and the mean without each student.
    """
    total, n = values[good].sum(), int(good.sum())
    found = np.full(len(values) + 1, total / n if n else np.nan)
    found[1:][good] = (total - values[good]) / (n - 1) if n > 1 else np.nan
    return found


def variance_of(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Unbiased variance over students, averaged over inputs.

    Parameters
    ----------
    values : ndarray of shape (S, X)
        Predictions of student s at input x.
    good : ndarray of bool of shape (S,)
        Students that count.

    Returns
    -------
    ndarray of shape (S + 1,)
        The variance, and the variance without each student; NaN for fewer than three. Zero if it is
        no larger than the rounding of predictions.
    """
    own = values[good].astype(np.float64)
    n = len(own)
    if n < 3:
        return np.full(len(values) + 1, np.nan)
    squared = ((own - own.mean(axis=0)) ** 2).mean(axis=1)
    found = np.full(len(values) + 1, squared.sum() / (n - 1))
    # Leaving a student out of a sum of squares around the mean reduces it by n/(n - 1) times the
    # student's squared deviation from the full mean.
    found[1:][good] = (squared.sum() - n / (n - 1) * squared) / (n - 2)
    return np.zeros_like(found) if found[0] <= _ROUNDING * (own**2).mean() else found


def corrected(statistic: np.ndarray) -> Estimate:
    """Estimate without the bias of order 1/S.

    Parameters
    ----------
    statistic : ndarray of shape (S + 1,)
        A statistic, and its leave-one-out values.

    Returns
    -------
    Estimate
        S·θ - (S - 1) times the mean of the leave-one-out values (Quenouille 1956, Biometrika 43,
        353-360), with the jackknife standard error and no limits; NaN if a value is not finite.
        The logarithm of a variance of few students is too low. This bias is the same on every
        split, so that a mean over splits would keep it.
    """
    n = len(statistic) - 1
    if n < 2 or not np.isfinite(statistic).all():
        return Estimate(np.nan, np.nan, np.nan, np.nan, n)
    whole, left_out = float(statistic[0]), statistic[1:]
    value = n * whole - (n - 1) * float(left_out.mean())
    error = float(np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()))
    return Estimate(value, error, np.nan, np.nan, n)
