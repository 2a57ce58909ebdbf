"""Estimators of variance and their intervals.

Notation: f(s, j, x) is draw j of student s at input x. Inter-student variance is Var_s E_j f,
intra-student variance E_s Var_j f, both averaged over inputs. Students are the independent unit,
so every interval is a jackknife over students, and a bootstrap over replicates where several
cells that share random numbers enter one statistic.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special, stats


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval; NaN stands for "cannot be had from so few students".

    Attributes
    ----------
    value, se, low, high : float
        Point estimate, standard error and confidence limits, in the unit of the statistic.
    n : int
        Number of independent students behind it.
    """

    value: float
    se: float
    low: float
    high: float
    n: int


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
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * se
    return Estimate(value, se, value - half, value + half, n)


def jackknife(statistic: Callable[[np.ndarray], float], n: int, confidence: float) -> Estimate:
    """Any statistic of n students, with its jackknife interval.

    Parameters
    ----------
    statistic : callable
        Gives the statistic of the students whose numbers it is told.
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
        One value a student.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        The jackknife of a mean is its ordinary standard error.
    """
    n = len(values)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    total = values.sum()
    left_out = (total - values) / (n - 1) if n > 1 else np.full(1, np.nan)
    return from_leave_one_out(float(total / n), left_out, confidence)


def variance(values: np.ndarray, confidence: float) -> Estimate:
    """Unbiased variance over students of one value each.

    Parameters
    ----------
    values : ndarray of shape (S,)
        One value a student.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        The variance with ddof = 1.
    """
    return inter_student_variance(values[:, None, None], confidence)


def anova(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean squares between and within students of the one-way random-effects layout.

    Parameters
    ----------
    draws : ndarray of shape (S, J, X)
        Draw j of student s at input x.

    Returns
    -------
    between, within : ndarray of shape (X,)
        J · Var_s(mean_j f) with ddof = 1, and the mean over students of Var_j f with ddof = 1
        (zero for J = 1, where there is nothing within). E[between] = J·inter + intra and
        E[within] = intra (Searle, Casella & McCulloch 1992, ch. 3).
    """
    _, n_draws, _ = draws.shape
    between = n_draws * draws.mean(axis=1).var(axis=0, ddof=1)
    if n_draws == 1:
        return between, np.zeros_like(between)
    return between, draws.var(axis=1, ddof=1).mean(axis=0)


def inter_student_variance(draws: np.ndarray, confidence: float) -> Estimate:
    """Inter-student variance, corrected for the finite number of draws a student.

    Parameters
    ----------
    draws : ndarray of shape (S, J, X)
        Draw j of student s at input x; J = 1 for a student that answers without randomness.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        (between - within) / J averaged over inputs, in squared units of f. Unbiased, so it may
        come out negative when students do not differ.
    """
    n, n_draws, _ = draws.shape
    if n < 2:
        return Estimate(np.nan, np.nan, np.nan, np.nan, n)
    centred = draws - draws.mean(axis=(0, 1))
    squared = (centred.mean(axis=1) ** 2).mean(axis=1)
    within = centred.var(axis=1, ddof=1).mean(axis=1) if n_draws > 1 else np.zeros(n)
    return _between_less_within(squared, within, n_draws, confidence)


def _between_less_within(
    squared: np.ndarray, within: np.ndarray, n_draws: int, confidence: float
) -> Estimate:
    """Inter-student variance from each student's share of it.

    Parameters
    ----------
    squared, within : ndarray of shape (S,)
        Squared deviation of a student's mean from the mean over students, and the variance of its
        own draws; S at least 2.
    n_draws : int
        Draws a student.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        Σ squared / (S-1) - mean(within) / J.
    """
    n = len(squared)
    value = squared.sum() / (n - 1) - within.mean() / n_draws
    if n < 3:
        return Estimate(float(value), np.nan, np.nan, np.nan, n)
    # Leaving student s out of a sum of squares around the mean takes n/(n-1) times its own
    # squared deviation from the full mean with it.
    left_out = (squared.sum() - n / (n - 1) * squared) / (n - 2)
    left_out -= (within.sum() - within) / (n - 1) / n_draws
    return from_leave_one_out(float(value), left_out, confidence)


def intra_student_variance(draws: np.ndarray, confidence: float) -> Estimate:
    """Intra-student variance: mean over students of the variance of their own draws.

    Parameters
    ----------
    draws : ndarray of shape (S, J, X)
        Draw j of student s at input x, J at least 2.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        In squared units of f.

    Raises
    ------
    ValueError
        If there is one draw a student only.
    """
    if draws.shape[1] < 2:
        raise ValueError("intra-student variance needs at least two draws a student")
    return mean(draws.var(axis=1, ddof=1).mean(axis=1), confidence)


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
        # Student by student: in double precision all draws at once may not fit into memory.
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
        Draws J behind each mean.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        `inter_student_variance` with squared distances in place of squares. For J = 1 the
        variance within is unknown and stays part of it.
    """
    n, n_inputs, _ = means.shape
    if n < 2 or n_inputs == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, n if n_inputs else 0)
    squared = ((means - means.mean(axis=0)) ** 2).sum(axis=2).mean(axis=1)
    own = within.mean(axis=1) if n_draws > 1 else np.zeros(n)
    return _between_less_within(squared, own, n_draws, confidence)


def systematic_noise(means: np.ndarray, target: np.ndarray, confidence: float) -> Estimate:
    """Squared distance of what students expect from a fixed target, free of sampling variance.

    Parameters
    ----------
    means : ndarray of shape (S, X, D)
        Mean over draws of student s at input x, a vector.
    target : ndarray of shape (X, D)
        What the mean over students is held against.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        |mean_s d_s|² - MS_between / (S·J), averaged over inputs, with d = means - target: the
        variance of a mean of S students is estimated by that of their means, MS_between / J, over
        S. As MS_between / J = Σ |d_s - mean d|² / (S-1), this is the mean of d_s·d_t over pairs of
        different students, a U-statistic (Hoeffding 1948). Unbiased, so it may come out negative
        where students are right on average; there its jackknife interval is too wide.
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


def replicate_weights(n_replicates: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Weights of a bootstrap over replicates.

    Parameters
    ----------
    n_replicates : int
        Number of replicates of a run.
    draws : int
        Number of bootstrap samples.
    generator : numpy.random.Generator
        Source of the resampling.

    Returns
    -------
    ndarray of shape (draws, n_replicates)
        How often each replicate is in each sample. One set of weights serves all cells of a run,
        so that what replicates share across cells stays together.
    """
    share = np.full(n_replicates, 1 / n_replicates)
    return generator.multinomial(n_replicates, share, size=draws).astype(np.float64)


def weighted_variance(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Variance across replicates in each bootstrap sample, averaged over inputs.

    Parameters
    ----------
    values : ndarray of shape (R, X)
        One row a replicate. A row that is not finite takes no part.
    weights : ndarray of shape (D, R)
        From `replicate_weights`.

    Returns
    -------
    ndarray of shape (D,)
        mean_x Σ_r w_r (f_rx - f̄_x)² / (Σ_r w_r - 1), times m/(m - 1) with m replicates: a
        bootstrap sample of m rows is drawn from m, and its expected variance is (m-1)/m of the
        sample's own.
    """
    good = np.isfinite(values).all(axis=1)
    values, weights = values[good], weights[:, good]
    values = values - values.mean(axis=0)
    total = weights.sum(axis=1)
    second = weights @ (values**2).mean(axis=1)
    first = ((weights @ values) ** 2).mean(axis=1)
    n = good.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return (second - first / total) / (total - 1) * n / (n - 1)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over replicates in each bootstrap sample.

    Parameters
    ----------
    values : ndarray of shape (R,)
        One value a replicate; one that is not finite takes no part.
    weights : ndarray of shape (D, R)
        From `replicate_weights`.

    Returns
    -------
    ndarray of shape (D,)
        The means.
    """
    good = np.isfinite(values)
    return weights[:, good] @ values[good] / weights[:, good].sum(axis=1)


def log_log_slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of log y on log x.

    Parameters
    ----------
    x : ndarray of shape (C,)
        Positive abscissae.
    y : ndarray of shape (..., C)
        Positive ordinates; where one is not positive the slope is NaN.

    Returns
    -------
    ndarray of shape (...)
        The slopes.
    """
    log_x = np.log(x)
    centred = log_x - log_x.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(y) @ centred / (centred @ centred)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon entropy in nats.

    Parameters
    ----------
    probabilities : ndarray of shape (..., C)
        Distributions over the last axis.

    Returns
    -------
    ndarray of shape (...)
        -Σ p log p, with 0 log 0 = 0.
    """
    return special.entr(probabilities).sum(axis=-1)


def pooled_mean(values: np.ndarray, members: np.ndarray, confidence: float) -> Estimate:
    """Mean over the pairs of student and input that belong to a group.

    Parameters
    ----------
    values : ndarray of shape (S, X)
        One value a student and input.
    members : ndarray of bool of shape (S, X)
        Which of them belong; students may have different numbers, or none.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        A ratio of sums, with the jackknife over students; n counts the students with a member.
        NaN with n = 0 for an empty group.
    """
    totals = np.where(members, values, 0).sum(axis=1)
    counts = members.sum(axis=1)
    present = int((counts > 0).sum())
    if present == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    value = float(totals.sum() / counts.sum())
    rest = counts.sum() - counts
    left_out = np.divide(
        totals.sum() - totals, rest, out=np.full(len(totals), np.nan), where=rest > 0
    )
    found = from_leave_one_out(value, left_out, confidence)
    return Estimate(value, found.se, found.low, found.high, present)


def mutual_information(
    probabilities: np.ndarray, members: np.ndarray, confidence: float
) -> Estimate:
    """Inter-student mutual information H(mean p) - mean H(p), in nats.

    At an input it is the mean over students of KL(p_s || mean p) (Houlsby et al. 2011), so it can
    be averaged over any group of pairs of student and input; mean p is over all students.

    Parameters
    ----------
    probabilities : ndarray of shape (S, X, C)
        Class probabilities of student s at input x.
    members : ndarray of bool of shape (S, X)
        Pairs that are averaged over.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        Jackknife-corrected for its downward bias of order 1/S (Quenouille 1956): S·θ - (S - 1)
        times the mean of the leave-one-out values. n counts the students with a member.
    """
    n = len(probabilities)
    counts = members.sum(axis=1)
    present = int((counts > 0).sum())
    if present == 0 or n < 2:
        return Estimate(np.nan, np.nan, np.nan, np.nan, present)
    total = probabilities.sum(axis=0)
    inside = np.where(members[..., None], probabilities, 0)
    inside_total = inside.sum(axis=0)
    own = np.where(members, entropy(probabilities), 0).sum(axis=1)

    def divergence(mean: np.ndarray, weights: np.ndarray, entropies: float, pairs: int) -> float:
        if pairs == 0:
            return np.nan
        return float((-special.xlogy(weights, mean).sum() - entropies) / pairs)

    value = divergence(total / n, inside_total, own.sum(), counts.sum())
    left_out = np.array(
        [
            divergence(
                np.maximum(total - probabilities[s], 0) / (n - 1),
                np.maximum(inside_total - inside[s], 0),
                own.sum() - own[s],
                counts.sum() - counts[s],
            )
            for s in range(n)
        ]
    )
    corrected = n * value - (n - 1) * float(left_out.mean())
    found = from_leave_one_out(corrected, left_out, confidence)
    return Estimate(corrected, found.se, found.low, found.high, present)
