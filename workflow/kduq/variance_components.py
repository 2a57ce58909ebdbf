"""Components of variance of a balanced crossed design with random levels.

Every combination of the levels of all factors is there once. A value is the grand mean plus one
random effect for each factor, each pair of factors, and so on up to all of them; the component of
a term is the variance of its effect. With three factors everything beyond the pairs is called
residual: the three-way interaction and whatever the factors do not explain, which a design without
repeats cannot tell apart. With two factors the interaction of both takes that place under its own
name.

References: Searle, Casella & McCulloch (1992), Variance Components, ch. 4; Owen (2007), The
pigeonhole bootstrap, Annals of Applied Statistics 1, 386-411.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from kduq.statistics import Estimate

#: A term of the model: the numbers of its factors, ascending.
Term = tuple[int, ...]


def terms(n_factors: int) -> list[Term]:
    """Terms of the model: main effects, then interactions of two, and so on."""
    return [t for r in range(1, n_factors + 1) for t in itertools.combinations(range(n_factors), r)]


def names(factors: Sequence[str]) -> list[str]:
    """What the terms are called: factors joined, and residual for more than two of them."""
    return [
        "_".join(factors[f] for f in term) if len(term) < 3 else "residual"
        for term in terms(len(factors))
    ]


def mean_squares(values: np.ndarray) -> np.ndarray:
    """Mean square of every term, averaged over inputs.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        One value a combination of levels and an input; every n_f at least 2.

    Returns
    -------
    ndarray of shape (2^F - 1,)
        In the order of `terms`: sum of squares of the term over its degrees of freedom,
        Π (n_f - 1) over its factors.
    """
    levels = values.shape[:-1]
    every = range(len(levels))
    centred = values - values.mean(axis=tuple(every))
    # Squared norm of the means over all other factors; less those of the terms within.
    sums: dict[Term, float] = {(): 0.0}
    found = []
    for term in terms(len(levels)):
        others = tuple(f for f in every if f not in term)
        squared = (centred.mean(axis=others) ** 2).mean(axis=-1).sum()
        sums[term] = float(squared) * math.prod(levels[f] for f in others)
        sums[term] -= sum(value for inner, value in sums.items() if set(inner) < set(term))
        found.append(sums[term] / math.prod(levels[f] - 1 for f in term))
    return np.array(found)


def expected_mean_squares(levels: Sequence[int]) -> np.ndarray:
    """What each component adds to each expected mean square.

    Parameters
    ----------
    levels : sequence of int
        Number of levels of each factor.

    Returns
    -------
    ndarray of shape (2^F - 1, 2^F - 1)
        Row: mean square; column: component; both in the order of `terms`. A component counts in
        the mean squares of the terms within it, as often as the levels of all other factors say.
    """
    found = terms(len(levels))
    return np.array(
        [
            [
                math.prod(n for f, n in enumerate(levels) if f not in outer)
                if set(term) <= set(outer)
                else 0
                for outer in found
            ]
            for term in found
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
        In the order of `terms`, in squared units of the values. Unbiased whatever the
        distribution of the effects, so one near zero may come out negative.
    """
    return np.linalg.solve(expected_mean_squares(values.shape[:-1]), mean_squares(values))


def _statistics(values: np.ndarray) -> np.ndarray:
    """Components and their total, then their shares of the total."""
    found = components(values)
    total = found.sum()
    return np.concatenate([found, [total], found / (total if total > 0 else np.nan)])


def decompose(
    values: np.ndarray, factors: Sequence[str], confidence: float
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Components of variance and their shares of the total, with intervals.

    The interval is a jackknife over levels: one level of one factor is left out in turn, the
    variances of all factors add up, (n - 1)/n · Σ (left_out - mean)² for each, and limits come
    from Student's t with the degrees of freedom of Welch and Satterthwaite for that sum. Like the
    pigeonhole bootstrap it needs no distribution of the effects and counts what an interaction
    adds to the variance once a factor, so it is conservative for interactions. Chi-square
    intervals from the mean squares are narrower, but wrong here: effects of bootstrap samples
    scale those of the noise, and mean squares are then neither chi-square nor independent.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        As for `mean_squares`.
    factors : sequence of str
        Names of the F factors.
    confidence : float
        Coverage of the intervals.

    Returns
    -------
    components : dict of str to Estimate
        By the names of `names`, and total: the variance between independent students.
    shares : dict of str to Estimate
        Each component over the total; NaN without a total above zero.

    Notes
    -----
    Over 500 simulated studies, 95 % intervals of main effects cover in 94 to 97 % of them where
    some four patterns of inputs vary independently, and in 86 to 92 % in the worst case, in which
    all inputs move together and 8 levels are a sample of 8; those of interactions in 95 % or more.
    An interval is NaN where a factor has fewer than three levels.
    """
    levels = values.shape[:-1]
    labels = names(factors)
    n = math.prod(levels)
    if min(levels, default=0) < 2:
        point = np.full(2 * len(labels) + 1, np.nan)
    else:
        point = _statistics(values)
    half = se = np.full_like(point, np.nan)
    if min(levels, default=0) > 2:
        variances = np.array([_left_out_variance(values, f) for f in range(len(levels))])
        total = variances.sum(axis=0)
        weights = 1 / (np.array(levels)[:, None] - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = total**2 / (variances**2 * weights).sum(axis=0)
        se = np.sqrt(total)
        half = stats.t.ppf(0.5 + confidence / 2, freedom) * se
    found = [
        Estimate(float(v), float(s), float(v - h), float(v + h), n)
        for v, s, h in zip(point, se, half, strict=True)
    ]
    split = len(labels) + 1
    return (
        dict(zip([*labels, "total"], found[:split], strict=True)),
        dict(zip(labels, found[split:], strict=True)),
    )


def _left_out_variance(values: np.ndarray, factor: int) -> np.ndarray:
    """Jackknife variance of all statistics over the levels of one factor."""
    n = values.shape[factor]
    left_out = np.array([_statistics(np.delete(values, i, axis=factor)) for i in range(n)])
    return (n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
