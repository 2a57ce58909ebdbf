"""Entropy, and mutual information between students."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from kduq.statistics.intervals import Estimate, from_leave_one_out, ratio_of_sums


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
    found = information_by_group(list(probabilities), lambda s, _: {"": members[s]}, confidence)
    return found[""].mutual if found else Estimate(np.nan, np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True)
class Information:
    """What the distributions of students say about a group of pairs of student and input.

    Attributes
    ----------
    entropy : Estimate
        Mean entropy over the pairs; see `kduq.statistics.pooled_mean`.
    mutual : Estimate
        See `mutual_information`.
    counts : ndarray of int of shape (S,)
        Number of pairs of each student.
    """

    entropy: Estimate
    mutual: Estimate
    counts: np.ndarray


def information_by_group(
    probabilities: Sequence[np.ndarray],
    groups: Callable[[int, np.ndarray], Mapping[str, np.ndarray]],
    confidence: float,
) -> dict[str, Information]:
    """Entropy of students and mutual information between them, by group.

    Parameters
    ----------
    probabilities : sequence of ndarray of shape (X, C)
        Class probabilities, student by student, of which one at a time is in memory. They are used
        twice: to sum over students, and to leave each of them out.
    groups : callable
        Returns from the number of a student and its probabilities which inputs belong to each
        group, masks of shape (X,).
    confidence : float
        Coverage of intervals.

    Returns
    -------
    dict of str to Information
        Empty if there is no student.
    """
    n = len(probabilities)
    total: Any = 0.0
    inside: dict[str, Any] = {}
    entropies: dict[str, list[float]] = {}
    counts: dict[str, list[int]] = {}
    for s in range(n):
        own = probabilities[s]
        each = entropy(own)
        total = total + own
        for group, members in groups(s, own).items():
            inside[group] = inside.get(group, 0.0) + np.where(members[:, None], own, 0)
            entropies.setdefault(group, []).append(float(np.where(members, each, 0).sum()))
            counts.setdefault(group, []).append(int(members.sum()))
    sums = {group: (np.array(entropies[group]), np.array(counts[group])) for group in inside}
    left_out = {group: np.full(n, np.nan) for group in inside}
    for s in range(n if n > 1 else 0):
        own = probabilities[s]
        logs = _log(np.maximum(total - own, 0) / (n - 1))
        for group, members in groups(s, own).items():
            rest = np.maximum(inside[group] - np.where(members[:, None], own, 0), 0)
            entropy_of, pairs = (values.sum() - values[s] for values in sums[group])
            left_out[group][s] = _divergence(rest, logs, entropy_of, pairs)
    found = {}
    for group, (own, number) in sums.items():
        present = int((number > 0).sum())
        mutual = Estimate(np.nan, np.nan, np.nan, np.nan, present)
        if present and n > 1:
            value = _divergence(inside[group], _log(total / n), own.sum(), number.sum())
            corrected = n * value - (n - 1) * float(left_out[group].mean())
            interval = from_leave_one_out(corrected, left_out[group], confidence)
            mutual = Estimate(corrected, interval.se, interval.low, interval.high, present)
        found[group] = Information(ratio_of_sums(own, number, confidence), mutual, number)
    return found


def _log(mean: np.ndarray) -> np.ndarray:
    """Logarithms; 0 for 0, whose weight is 0 too."""
    return scipy.special.xlogy(1, np.where(mean == 0, 1, mean))


def _divergence(weights: np.ndarray, logs: np.ndarray, entropies: float, pairs: int) -> float:
    return float((-(weights * logs).sum() - entropies) / pairs) if pairs else np.nan
