"""Variance between and within students: one-way random effects, unbiased for few draws."""

import numpy as np

from kduq.statistics.intervals import (
    FEWEST_FOR_VARIANCE,
    Estimate,
    from_leave_one_out,
    mean,
    positive_from_leave_one_out,
)

#: Numbers of all students together above which they are handled student by student.
_MANY = 1 << 22
#: A variance below this share of the mean square is rounding: a least-squares solution in double
#: precision has relative errors of 1e-16 times the condition number, here up to 1e6.
_ROUNDING = 1e-20


def variance(values: np.ndarray, confidence: float) -> Estimate:
    """Unbiased variance over students.

    Parameters
    ----------
    values : ndarray of shape (S,)
        One value per student.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        The variance with ddof = 1, with the interval of `inter_student_variance`.
    """
    return inter_student_variance(values[:, None, None], confidence)


def inter_student_variance(draws: np.ndarray, confidence: float) -> Estimate:
    """Inter-student variance, corrected for the finite number of draws per student.

    Parameters
    ----------
    draws : ndarray of shape (S, J, X)
        Draw j of student s at input x; J = 1 for students without randomness. In either precision;
        all sums are in double precision.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        (between - within) / J averaged over inputs, in squared units of the predictions. It is
        unbiased, so it may be negative if students do not differ. No limits for fewer than
        `kduq.statistics.intervals.FEWEST_FOR_VARIANCE` students.

    Notes
    -----
    The variance of students' means, between / J, is positive, and has the limits of
    `kduq.statistics.intervals.positive_limits`. The variance of their own draws over J, which is
    subtracted, is a mean over students and has those of Student's t. The limits of the difference
    follow from both (modified large-sample method: Ting, Burdick, Graybill, Jeyaratnam & Lu 1990,
    Journal of Statistical Computation and Simulation 35, 135-143): the distances of their limits
    from the estimates, in the direction of each limit of the difference, are added in squares.
    Therefore the lower limit is negative where students may be equal. Variances below 1e-20 times
    the mean square of the predictions are rounding errors, whose limits are on the plain scale.
    """
    n, n_draws, n_inputs = draws.shape
    if n < 2:
        return Estimate(np.nan, np.nan, np.nan, np.nan, n)
    size = 1 if draws.size > _MANY else n
    parts = [draws[start : start + size] for start in range(0, n, size)]
    # In double precision only part by part, since all draws may not fit into memory.
    total = sum(part.sum(axis=(0, 1), dtype=np.float64) for part in parts)
    mean_of_all = total / (n * n_draws)
    squared, within = np.zeros((2, n))
    for i, part in enumerate(parts):
        own = slice(i * size, (i + 1) * size)
        centred = part - mean_of_all
        squared[own] = (centred.mean(axis=1) ** 2).mean(axis=1)
        if n_draws > 1:
            within[own] = centred.var(axis=1, ddof=1).mean(axis=1)
    scale = float((mean_of_all**2).sum() / n_inputs) if n_inputs else 0.0
    return _between_less_within(squared, within, n_draws, scale, confidence)


def variance_of_means(squared: np.ndarray, scale: float, confidence: float) -> Estimate:
    """Variance over students, from each student's squared distance from the mean.

    Parameters
    ----------
    squared : ndarray of shape (S,)
        Squared distance of a student from the mean over students, averaged over inputs.
    scale : float
        Mean square of the mean over students, relative to which variances may be rounding.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        Σ squared / (S-1); see `inter_student_variance`.
    """
    if len(squared) < 2:
        return Estimate(np.nan, np.nan, np.nan, np.nan, len(squared))
    return _between_less_within(squared, np.zeros(len(squared)), 1, scale, confidence)


def _between_less_within(
    squared: np.ndarray, within: np.ndarray, n_draws: int, scale: float, confidence: float
) -> Estimate:
    """Inter-student variance from each student's contribution.

    Parameters
    ----------
    squared, within : ndarray of shape (S,)
        Squared deviation of a student's mean from the mean over students, and the variance of its
        own draws; S is at least 2.
    n_draws : int
        Draws per student.
    scale : float
        Mean square of the mean over students.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        Σ squared / (S-1) - mean(within) / J.
    """
    n = len(squared)
    total = float(squared.sum() / (n - 1))
    value = total - float(within.mean()) / n_draws
    if n < 3:
        return Estimate(value, np.nan, np.nan, np.nan, n)
    # Leaving student s out of a sum of squares around the mean reduces it by n/(n-1) times the
    # student's squared deviation from the full mean.
    left_out = (squared.sum() - n / (n - 1) * squared) / (n - 2)
    plain = from_leave_one_out(
        value, left_out - (within.sum() - within) / (n - 1) / n_draws, confidence
    )
    if n < FEWEST_FOR_VARIANCE:
        return Estimate(value, plain.se, np.nan, np.nan, n)
    if total <= _ROUNDING * scale:
        return plain
    between = positive_from_leave_one_out(total, left_out, confidence)
    own = mean(within / n_draws, confidence)
    low = value - np.hypot(total - between.low, own.high - own.value)
    high = value + np.hypot(between.high - total, own.value - own.low)
    return Estimate(value, plain.se, float(low), float(high), n)


def moments(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and total variance of each student's draws of a vector.

    Parameters
    ----------
    draws : ndarray of shape (S, X, J, D)
        Draw j of student s at input x, a vector.

    Returns
    -------
    means : ndarray of float64 of shape (S, X, D)
        Mean over draws.
    within : ndarray of float64 of shape (S, X)
        Trace of the covariance of the draws, with ddof = 1; NaN for J < 2.
    """
    n_draws = draws.shape[2]
    means = draws.sum(axis=2, dtype=np.float64) / max(n_draws, 1)
    within = np.full(draws.shape[:2], np.nan)
    if n_draws > 1:
        # Student by student, since all draws in double precision may not fit into memory.
        for s, centre in enumerate(means):
            within[s] = ((draws[s] - centre[:, None]) ** 2).sum(axis=(1, 2)) / (n_draws - 1)
    return means, within


def inter_student_trace(
    means: np.ndarray, within: np.ndarray, n_draws: int, confidence: float
) -> Estimate:
    """Inter-student variance of vectors: the trace of the covariance, averaged over inputs.

    Parameters
    ----------
    means, within : ndarray of shape (S, X, D) and (S, X)
        From `moments`.
    n_draws : int
        Draws J per mean.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        `inter_student_variance` with squared distances instead of squares. For J = 1 the variance
        within students is unknown and is part of the estimate.
    """
    n, n_inputs, _ = means.shape
    if n < 2 or n_inputs == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, n if n_inputs else 0)
    squared = ((means - means.mean(axis=0)) ** 2).sum(axis=2).mean(axis=1)
    own = within.mean(axis=1) if n_draws > 1 else np.zeros(n)
    scale = float((means.mean(axis=0) ** 2).sum(axis=1).mean())
    return _between_less_within(squared, own, n_draws, scale, confidence)


def systematic_noise(means: np.ndarray, target: np.ndarray, confidence: float) -> Estimate:
    """Squared distance of the students' expectation from a target, without sampling variance.

    Parameters
    ----------
    means : ndarray of shape (S, X, D)
        Mean over draws of student s at input x, a vector.
    target : ndarray of shape (X, D)
        Fixed target with which the mean over students is compared.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        |mean_s d_s|² - MS_between / (S·J), averaged over inputs, with d = means - target. The
        variance of a mean of S students is estimated by the variance of their means, MS_between /
        J, over S. Since MS_between / J = Σ |d_s - mean d|² / (S-1), this is the mean of d_s·d_t
        over pairs of different students, a U-statistic (Hoeffding 1948). It is unbiased, so it may
        be negative where students are right on average; there its jackknife interval is too wide.
    """
    n, n_inputs, _ = means.shape
    if n < 2 or n_inputs == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, n if n_inputs else 0)
    away = means - target
    total = away.sum(axis=0)
    own = (away**2).sum(axis=2).mean(axis=1)
    across = float((total**2).sum(axis=1).mean())
    value = (across - own.sum()) / (n * (n - 1))
    if n < 3:
        return Estimate(float(value), np.nan, np.nan, np.nan, n)
    rest = ((total - away) ** 2).sum(axis=2).mean(axis=1)
    left_out = (rest - (own.sum() - own)) / ((n - 1) * (n - 2))
    return from_leave_one_out(float(value), left_out, confidence)
