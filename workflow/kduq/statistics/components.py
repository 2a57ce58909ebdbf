"""Components of variance of a balanced factorial design with random levels.

Every combination of the levels of all factors occurs once. A value is the grand mean plus one
random effect per factor, per pair of factors, and so on up to all of them; the component of a term
is the variance of its effect. With three factors or more all higher terms are called residual: the
interactions of three and more factors, and the variance that the factors do not explain, which a
design without repeats cannot distinguish from the highest interaction. With two factors the
residual is part of their interaction, which keeps its name.

References: Searle, Casella & McCulloch (1992), Variance Components, ch. 4; Owen (2007), The
pigeonhole bootstrap, Annals of Applied Statistics 1, 386-411.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from kduq.statistics import Estimate, intervals

#: A term of the model: the numbers of its factors, ascending.
Term = tuple[int, ...]


def terms(n_factors: int) -> list[Term]:
    """Terms of the model: main effects, then interactions of two, and so on."""
    return [t for r in range(1, n_factors + 1) for t in itertools.combinations(range(n_factors), r)]


def names(factors: Sequence[str]) -> list[str]:
    """Names of the components: factors, pairs, and residual for all terms of more than two."""
    named = ["_".join(factors[f] for f in term) for term in terms(len(factors)) if len(term) < 3]
    return [*named, "residual"] if len(factors) > 2 else named


def mean_squares(values: np.ndarray) -> np.ndarray:
    """Mean square of every term, averaged over inputs.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        One value per combination of levels and input; every n_f is at least 2.

    Returns
    -------
    ndarray of shape (2^F - 1,)
        In the order of `terms`: sum of squares of the term over its degrees of freedom,
        Π (n_f - 1) over its factors.
    """
    levels = values.shape[:-1]
    every = range(len(levels))
    centred = values - values.mean(axis=tuple(every))
    # Squared norm of the means over all other factors, minus the sums of the terms within.
    sums: dict[Term, float] = {(): 0.0}
    squares = []
    for term in terms(len(levels)):
        others = tuple(f for f in every if f not in term)
        squared = (centred.mean(axis=others) ** 2).mean(axis=-1).sum()
        sums[term] = float(squared) * math.prod(levels[f] for f in others)
        sums[term] -= sum(value for inner, value in sums.items() if set(inner) < set(term))
        squares.append(sums[term] / math.prod(levels[f] - 1 for f in term))
    return np.array(squares)


def expected_mean_squares(levels: Sequence[int]) -> np.ndarray:
    """Coefficients of the components in the expected mean squares.

    Parameters
    ----------
    levels : sequence of int
        Number of levels of each factor.

    Returns
    -------
    ndarray of shape (2^F - 1, 2^F - 1)
        Row: mean square; column: component; both in the order of `terms`. A component contributes
        to the mean squares of the terms within it, times the numbers of levels of all other
        factors.
    """
    every = terms(len(levels))
    return np.array(
        [
            [
                math.prod(n for f, n in enumerate(levels) if f not in outer)
                if set(term) <= set(outer)
                else 0
                for outer in every
            ]
            for term in every
        ],
        dtype=float,
    )


def components(values: np.ndarray) -> np.ndarray:
    """Components of variance by the method of moments, averaged over inputs.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        As for `mean_squares`.

    Returns
    -------
    ndarray of shape (2^F - 1,)
        In the order of `terms`, in squared units of the values. They are unbiased for any
        distribution of the effects, so an estimate of a small component may be negative.
    """
    return np.linalg.solve(expected_mean_squares(values.shape[:-1]), mean_squares(values))


def nested_terms(n_factors: int, nested: int) -> list[list[Term]]:
    """Terms of each level of a hierarchy, and of the students below all of them.

    Parameters
    ----------
    n_factors : int
        Number of factors, of which the first are nested.
    nested : int
        How many are; 0 for no hierarchy.

    Returns
    -------
    list of list of Term
        Of each nested factor, itself and its interactions with those before it; last, all terms
        with some other factor. Every term is in one of them. Empty without a hierarchy.
    """
    if not nested:
        return []
    last = [min(max(term), nested) for term in terms(n_factors)]
    return [
        [term for term, at in zip(terms(n_factors), last, strict=True) if at == level]
        for level in range(nested + 1)
    ]


def _statistics(values: np.ndarray, nested: int) -> np.ndarray:
    """Components in the order of `decompose`, with the total last, then all shares of the total."""
    estimates = components(values)
    every = terms(values.ndim - 1)
    total = estimates.sum()
    n_named = sum(len(term) < 3 for term in every)
    parts = estimates[:n_named]
    if n_named < len(estimates):
        parts = np.append(parts, estimates[n_named:].sum())
    effects = [
        sum(value for value, term in zip(estimates, every, strict=True) if factor in term)
        for factor in range(values.ndim - 1)
    ]
    of_term = dict(zip(every, estimates, strict=True))
    levels = [sum(of_term[t] for t in level) for level in nested_terms(values.ndim - 1, nested)]
    parts = np.concatenate([parts, effects, total - np.array(effects), levels, [total]])
    return np.concatenate([parts, parts[:-1] / (total if total > 0 else np.nan)])


def decompose(
    values: np.ndarray, factors: Sequence[str], confidence: float, nested: int = 0
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Components of variance and their shares of the total, with intervals.

    The interval is a jackknife over levels. One level of one factor is left out in turn, and the
    variances (n - 1)/n · Σ (left_out - mean)² of all factors are added. Limits come from Student's
    t with the degrees of freedom of Welch and Satterthwaite for that sum. Like the pigeonhole
    bootstrap it assumes no distribution of the effects, and it counts the contribution of an
    interaction to the variance once per factor, so it is conservative for interactions. If every
    leave-one-out value is positive, the upper limit is the larger of this limit and of the limit on
    the scale of standard deviations, on which an estimate from a few levels is less skewed; near
    zero that scale is not smooth. The upper limit of a component, or of a sum of components, above
    1.5 standard errors is at least that on the logarithmic scale. Total effects, nested sums and
    the total have there the limits of `kduq.statistics.intervals.positive_limits`.

    Chi-square intervals from the mean squares are narrower, but invalid here: effects of bootstrap
    samples scale those of the noise, so mean squares are neither chi-square nor independent. With
    degrees of freedom from the jackknife, ν = 2 V²/se², they cover 86 to 97 % for main effects and
    sums, too little where inputs move together, and are no narrower for interactions.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        As for `mean_squares`.
    factors : sequence of str
        Names of the F factors.
    confidence : float
        Coverage of the intervals.
    nested : int, optional
        How many of the first factors are a hierarchy, the outermost first.

    Returns
    -------
    components : dict of str to Estimate
        By the names of `names`; then, per factor, ``total_effect_…``, the sum of all components in
        which it takes part (Homma & Saltelli, 1996, Reliability Engineering & System Safety 52,
        1-17), and ``without_…``, the sum of all others; and total. With a hierarchy also
        ``nested_…`` of its factors, and ``nested_students``, which add up to the total: by how much
        the means of the levels of a factor differ, given the factors before it, and the variance
        between students that have one level of each (Searle et al., section 3.6).
    shares : dict of str to Estimate
        Each of these over the total; NaN if the total is not positive.

    Notes
    -----
    An interval is NaN if a factor has fewer than three levels. Coverage of 95 % intervals, by
    simulation (docs/coverage.md has all numbers):

    - 8 × 8 × 8 students whose inputs vary in four independent ways: 96 to 98 % for components,
      total effects and total, 99 to 100 % for interactions.
    - 8 × 8 × 8 students in the worst case, in which the effects at all inputs are proportional: 93
      to 97 % for main effects, total effects and total, 93 to 100 % for all others.
    - Least squares on bootstrap samples, 12 × 12 students: 96 to 99 %.
    """
    levels = values.shape[:-1]
    sums = [f"{kind}_{factor}" for kind in ("total_effect", "without") for factor in factors]
    hierarchy = [f"nested_{name}" for name in (*factors[:nested], "students") if nested]
    labels = [*names(factors), *sums, *hierarchy]
    n = math.prod(levels)
    usable = min(levels, default=0) > 1
    point = _statistics(values, nested) if usable else np.full(2 * len(labels) + 1, np.nan)
    se = low = high = np.full_like(point, np.nan)
    if usable and min(levels) > 2:
        left_out = [
            np.array([_statistics(np.delete(values, i, axis=f), nested) for i in range(levels[f])])
            for f in range(len(levels))
        ]
        se = np.sqrt(np.sum([_jackknife_variance(v) for v in left_out], axis=0))
        plain = _half_width(left_out, confidence)
        low, high = point - plain, point + plain
        positive = np.min([v.min(axis=0) for v in left_out], axis=0) > 0
        roots = [np.sqrt(np.where(positive, v, 0)) for v in left_out]
        upper = (np.sqrt(np.where(positive, point, 0)) + _half_width(roots, confidence)) ** 2
        high = np.where(positive, np.fmax(high, upper), high)
        low, high = _on_log_scale(labels, point, left_out, low, high, confidence)
    rows = np.stack([point, se, low, high], axis=1).tolist()
    estimates = [Estimate(value, error, lower, upper, n) for value, error, lower, upper in rows]
    split = len(labels) + 1
    return (
        dict(zip([*labels, "total"], estimates[:split], strict=True)),
        dict(zip(labels, estimates[split:], strict=True)),
    )


def _on_log_scale(
    labels: Sequence[str],
    point: np.ndarray,
    left_out: list[np.ndarray],
    low: np.ndarray,
    high: np.ndarray,
    confidence: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of components and of their sums, of which those far from zero are replaced."""
    variances = np.array([_jackknife_variance(v) for v in left_out])
    variance = variances.sum(axis=0)
    absolute = np.arange(len(point)) <= len(labels)
    clear = absolute & (point > 1.5 * np.sqrt(variance)) & (variance > 0)
    value, variance = np.where(clear, point, 1.0), np.where(clear, variance, 1.0)
    freedom = np.where(clear, _freedom(left_out), 1.0)
    half = stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(variance) / value
    high = np.where(clear, np.fmax(high, value * np.exp(np.where(clear, half, 0.0))), high)
    is_sum = np.array([name.startswith(("total", "nested")) for name in (*labels, "total")])
    is_sum = np.append(is_sum, np.zeros(len(labels), bool)) & clear
    increases = np.array([intervals.inflation(v) for v in left_out])
    # Relative variance of a sum of independent variances.
    increase = np.where(clear, (variances**2 * increases).sum(axis=0), 0.0) / variance**2
    n = min(map(len, left_out))
    below, above = intervals.positive_limits(value, variance, increase, freedom, n, confidence)
    return np.where(is_sum, below, low), np.where(is_sum, above, high)


def _half_width(left_out: list[np.ndarray], confidence: float) -> np.ndarray:
    """Half the width of intervals from the leave-one-out values of every factor."""
    total = np.sum([_jackknife_variance(v) for v in left_out], axis=0)
    half: np.ndarray = stats.t.ppf(0.5 + confidence / 2, _freedom(left_out)) * np.sqrt(total)
    return half


def _freedom(left_out: list[np.ndarray]) -> np.ndarray:
    """Degrees of freedom of a sum of the jackknife variances of all factors."""
    variances = np.array([_jackknife_variance(v) for v in left_out])
    own = np.array([len(v) - 1 for v in left_out])[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom: np.ndarray = variances.sum(axis=0) ** 2 / (variances**2 / own).sum(axis=0)
    return freedom


def _jackknife_variance(left_out: np.ndarray) -> np.ndarray:
    n = len(left_out)
    variance: np.ndarray = (n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    return variance
