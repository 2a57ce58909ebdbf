"""Entropy, and mutual information between students."""

import numpy as np
import scipy

from kduq.statistics.intervals import Estimate, from_leave_one_out


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
    return scipy.special.entr(probabilities).sum(axis=-1)


def mutual_information(
    probabilities: np.ndarray, members: np.ndarray, confidence: float
) -> Estimate:
    """Inter-student mutual information H(mean p) - mean H(p), in nats.

    For one input it is the mean over students of KL(p_s || mean p) (Houlsby et al. 2011). It can
    therefore be averaged over any group of pairs of student and input; mean p is over all students.

    Parameters
    ----------
    probabilities : ndarray of shape (S, X, C)
        Class probabilities of student s at input x.
    members : ndarray of bool of shape (S, X)
        Pairs over which the mean is taken.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        Jackknife-corrected for its downward bias of order 1/S (Quenouille 1956): S·θ - (S - 1)
        times the mean of the leave-one-out values. n is the number of students with a member.
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
        return float((-scipy.special.xlogy(weights, mean).sum() - entropies) / pairs)

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
    interval = from_leave_one_out(corrected, left_out, confidence)
    return Estimate(corrected, interval.se, interval.low, interval.high, present)
