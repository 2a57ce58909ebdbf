"""What estimates of factorial designs share: components of variance of a complete design."""

from collections.abc import Sequence

import numpy as np

from kduq.statistics import Estimate, components


def components_by_metric(
    values: np.ndarray, factors: Sequence[str], confidence: float, nested: int = 0
) -> dict[str, Estimate]:
    """Components of variance and their shares, by metric.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        Values of every combination of levels.
    factors : sequence of str
        Names of the F factors.
    confidence : float
        Coverage of the intervals.
    nested : int, optional
        How many of the first factors are a hierarchy.

    Returns
    -------
    dict of str to Estimate
        See `kduq.statistics.components.decompose`.
    """
    absolute, shares = components.decompose(values, factors, confidence, nested)
    return {
        f"variance_{kind}_{name}": estimate
        for kind, estimates in (("component", absolute), ("share", shares))
        for name, estimate in estimates.items()
    }


def complete(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Balanced part of a design, without levels that have diverged students.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        Values of every combination.
    good : ndarray of bool of shape (n_1, ..., n_F)
        Whether the student has not diverged.

    Returns
    -------
    ndarray of shape (m_1, ..., m_F, X)
        Levels are removed one by one, that with the largest share of diverged students first, until
        no diverged student is left.
    """
    while good.size and not good.all():
        shares = [
            (~good).mean(axis=tuple(f for f in range(good.ndim) if f != factor))
            for factor in range(good.ndim)
        ]
        factor = int(np.argmax([share.max() for share in shares]))
        level = int(shares[factor].argmax())
        good, values = np.delete(good, level, factor), np.delete(values, level, factor)
    return values
