"""Random-effects meta-analysis: what estimates of independent repetitions say together.

Each repetition has its own true value. An estimate varies by that value's distance from the mean of
all repetitions, with variance τ², and by its own sampling error, whose standard error is known.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from kduq.statistics.intervals import Estimate

#: Repetitions below which there are no limits.
FEWEST = 3
#: Squared standard errors below this share of the variance of the values count as this share: a
#: repetition without sampling error would otherwise have all the weight.
_LEAST_ERROR = 1e-8


@dataclass(frozen=True)
class Pooled:
    """Estimates of several repetitions of equal size, pooled.

    Attributes
    ----------
    mean : Estimate
        Mean of the true values of all possible repetitions; n is the number of repetitions.
    spread : Estimate
        Standard deviation τ of the true values; its se is NaN.
    prediction : Estimate
        The mean, with the limits of the estimate of a further repetition of this size; its se is
        that of such a prediction.
    """

    mean: Estimate
    spread: Estimate
    prediction: Estimate


def pool(values: np.ndarray, errors: np.ndarray, confidence: float) -> tuple[Estimate, Estimate]:
    """Pool the estimates of independent repetitions, the more certain ones with more weight.

    Parameters
    ----------
    values : ndarray of shape (K,)
        One estimate per repetition.
    errors : ndarray of shape (K,)
        Their standard errors.
    confidence : float
        Coverage of the intervals, for example 0.95.

    Returns
    -------
    mean, spread : Estimate
        See `Pooled`. NaN if an estimate or an error is not finite. No limits for fewer than
        `FEWEST` repetitions.

    Notes
    -----
    τ² solves Q(τ²) = Σ w (y - μ)² = K - 1 with w = 1/(v + τ²) and μ = Σ w y / Σ w; it is zero if
    Q(0) is below K - 1 (Paule & Mandel 1982, Journal of Research of the National Bureau of
    Standards 87, 377-385). The mean is μ. Its squared standard error is Q(τ²)/((K - 1) Σ w), and
    its limits are those of Student's t with K - 1 degrees of freedom (Hartung & Knapp 2001,
    Statistics in Medicine 20, 3875-3889). Limits of τ² are the values at which Q is a quantile of
    χ² with K - 1 degrees of freedom (Viechtbauer 2007, Statistics in Medicine 26, 37-52).
    """
    n = len(values)
    if n < 2 or not (np.isfinite(values).all() and np.isfinite(errors).all()):
        nothing = Estimate(np.nan, np.nan, np.nan, np.nan, n)
        return nothing, nothing
    values = values.astype(np.float64)
    scatter = float(np.var(values, ddof=1))
    if scatter == 0 and not errors.any():
        # All repetitions agree without error.
        same = Estimate(float(values[0]), 0.0, float(values[0]), float(values[0]), n)
        return same, Estimate(0.0, np.nan, 0.0, 0.0, n)
    squares = np.maximum(errors.astype(np.float64) ** 2, _LEAST_ERROR * scatter)
    between = _variance_at(values, squares, n - 1)
    weights = 1 / (squares + between)
    mean = float(weights @ values / weights.sum())
    error = float(np.sqrt(_q(between, values, squares) / ((n - 1) * weights.sum())))
    low = high = half = np.nan
    if n >= FEWEST:
        upper = 0.5 + confidence / 2
        half = float(scipy.stats.t.ppf(upper, n - 1)) * error
        low, high = (
            float(np.sqrt(_variance_at(values, squares, quantile)))
            for quantile in scipy.stats.chi2.ppf([upper, 1 - upper], n - 1)
        )
    return (
        Estimate(mean, error, mean - half, mean + half, n),
        Estimate(float(np.sqrt(between)), np.nan, low, high, n),
    )


def pool_alike(values: np.ndarray, errors: np.ndarray, confidence: float) -> Pooled:
    """Pool repetitions of equal size, all of which count the same.

    Parameters
    ----------
    values, errors : ndarray of shape (K,)
        Estimates and their standard errors.
    confidence : float
        Coverage of the intervals.

    Returns
    -------
    Pooled
        See `pool`, with the root mean square of the errors for each of them.

    Notes
    -----
    Estimated errors of repetitions of equal size differ by chance, and often with the estimate: a
    ratio of two variances that are equal by accident has none. Weights that follow from them would
    bias the mean (Shuster 2010, Statistics in Medicine 29, 1259-1265). With equal weights the mean
    is that of the values, with the ordinary interval of Student's t, whatever the errors. The
    estimate of a further repetition is within mean ± t s √(1 + 1/K), for the standard deviation s
    of the values. Neither interval depends on the errors, nor on an estimate of τ, which is zero
    for many studies in which τ is as large as the errors.
    """
    n = len(values)
    common = np.full(n, np.sqrt((errors.astype(np.float64) ** 2).mean()))
    mean, spread = pool(values, common, confidence)
    ahead = mean.se * np.sqrt(n + 1)
    reach = ahead * (mean.high - mean.value) / mean.se if mean.se else 0.0
    prediction = Estimate(mean.value, ahead, mean.value - reach, mean.value + reach, n)
    return Pooled(mean, spread, prediction)


def _q(between: float, values: np.ndarray, squares: np.ndarray) -> float:
    """Q: squared distances of the values from their weighted mean, in units of their variances."""
    weights = 1 / (squares + between)
    mean = weights @ values / weights.sum()
    return float(weights @ (values - mean) ** 2)


def _variance_at(values: np.ndarray, squares: np.ndarray, wanted: float) -> float:
    """The variance between repetitions at which Q, which falls with it, has a value; at least 0."""
    if _q(0.0, values, squares) <= wanted:
        return 0.0
    # Q(τ²) is at most the sum of squared distances over τ².
    most = float(((values - values.mean()) ** 2).sum()) / wanted
    root = scipy.optimize.brentq(
        lambda between: _q(between, values, squares) - wanted, 0.0, most, rtol=1e-12, xtol=1e-300
    )
    return float(root)
