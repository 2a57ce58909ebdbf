"""Entropy, mutual information between students, and the division of Gini impurity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from kduq.statistics.intervals import (
    Estimate,
    from_leave_one_out,
    mean,
    positive_from_leave_one_out,
    ratio_of_sums,
)
from kduq.statistics.random_effects import variance_of_means

#: Students below which mutual information has no interval.
FEWEST_FOR_INFORMATION = 50
#: Largest share of the students' probability that may rest on single students.
_MOST_SINGLE = 0.02
#: Information, in nats, that is rounding.
_ROUNDING = 1e-12


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

    Notes
    -----
    Limits are those of `kduq.statistics.intervals.positive_from_leave_one_out`. The correction
    removes most of the bias, but not that of answers which no student has given yet. It does not
    show in the jackknife, and with many inputs it exceeds the standard error. There are no limits,
    therefore, for fewer than `FEWEST_FOR_INFORMATION` students, or if more than 2 % of all
    probability is of classes that one student gives more probability than all others together: it
    estimates, like the share of singletons of Good (1953, Biometrika 40, 237-264), the probability
    of a further student's new answers. `kduq.statistics.gini` measures the same disagreement
    without bias, and has limits for few students.
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
    largest: Any = 0.0
    inside: dict[str, Any] = {}
    entropies: dict[str, list[float]] = {}
    counts: dict[str, list[int]] = {}
    for s in range(n):
        own = probabilities[s]
        each = entropy(own)
        total = total + own
        largest = np.maximum(largest, own)
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
    seen = is_seen(total, largest)
    for group, (own, number) in sums.items():
        present = int((number > 0).sum())
        mutual = Estimate(np.nan, np.nan, np.nan, np.nan, present)
        if present and n > 1:
            value = _divergence(inside[group], _log(total / n), own.sum(), number.sum())
            corrected = n * value - (n - 1) * float(left_out[group].mean())
            interval = (
                positive_from_leave_one_out if corrected > _ROUNDING else from_leave_one_out
            )(corrected, left_out[group], confidence)
            limits = interval.low, interval.high
            if present < FEWEST_FOR_INFORMATION or not seen:
                limits = np.nan, np.nan
            mutual = Estimate(corrected, interval.se, *limits, present)
        found[group] = Information(ratio_of_sums(own, number, confidence), mutual, number)
    return found


def total_entropy(
    probabilities: np.ndarray | Sequence[np.ndarray], inputs: np.ndarray, confidence: float
) -> Estimate:
    """Entropy of the mixture of students, in nats: of the answers of further students, one each.

    Parameters
    ----------
    probabilities : sequence of ndarray of shape (X, C)
        Class probabilities, student by student, of which one at a time is in memory.
    inputs : ndarray of bool of shape (X,)
        Inputs over which it is averaged.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate
        H(mean p), jackknife-corrected as `mutual_information`: the sum of that and of the mean
        entropy of a student, which is unbiased. It has no limits where `mutual_information` has
        none. NaN for fewer than two students.
    """
    n = len(probabilities)
    if n < 2 or not inputs.any():
        return Estimate(np.nan, np.nan, np.nan, np.nan, n if inputs.any() else 0)
    total: Any = 0.0
    largest: Any = 0.0
    for s in range(n):
        own = probabilities[s][inputs]
        total, largest = total + own, np.maximum(largest, own)
    left_out = np.empty(n)
    for s in range(n):
        rest = np.maximum(total - probabilities[s][inputs], 0) / (n - 1)
        left_out[s] = entropy(rest).mean()
    value = n * float(entropy(total / n).mean()) - (n - 1) * float(left_out.mean())
    found = from_leave_one_out(value, left_out, confidence)
    if n < FEWEST_FOR_INFORMATION or not is_seen(total, largest):
        return Estimate(value, found.se, np.nan, np.nan, n)
    return found


def is_seen(total: np.ndarray, largest: np.ndarray) -> bool:
    """Whether little of the probability is of single students alone.

    Parameters
    ----------
    total, largest : ndarray of equal shapes
        Sum and maximum over students of their probabilities.

    Returns
    -------
    bool
        Whether at most 2 % of all probability is of answers that one student gives more probability
        than all others together; see `mutual_information`.
    """
    return float(np.sum(total * (2 * largest > total))) <= _MOST_SINGLE * float(np.sum(total))


@dataclass(frozen=True)
class Gini:
    """Gini impurity 1 - Σ_c p_c² of the mixture of students, divided like its entropy.

    Attributes
    ----------
    intra : Estimate
        Within students: E Σ_c p_c (1 - p_c).
    inter : Estimate
        Between students: Σ_c Var p_c.
    """

    intra: Estimate
    inter: Estimate


def gini(
    probabilities: np.ndarray | Sequence[np.ndarray], inputs: np.ndarray, confidence: float
) -> Gini:
    """Unbiased division of the Gini impurity into parts within and between students.

    Parameters
    ----------
    probabilities : sequence of ndarray of shape (X, C)
        Class probabilities, student by student, of which one at a time is in memory.
    inputs : ndarray of bool of shape (X,)
        Inputs over which the parts are averaged.
    confidence : float
        Coverage of intervals.

    Returns
    -------
    Gini
        NaN without a student or an input.

    Notes
    -----
    The impurity is the probability that two independent draws differ (Gini 1912). Let π be the
    expectation of p over students: the answers of further students, one each, have the impurity
    1 - Σ π_c² = E Σ p_c (1 - p_c) + Σ Var p_c, by E p² = (E p)² + Var p. The mean over students
    of Σ p_c (1 - p_c) and the variance of p over students with ddof = 1 are unbiased for the two
    terms, for any number of students, and so is their sum for the impurity. It is not the impurity
    of the mean of the S students, which is too small by Σ Var p_c / S. Entropies, whose expansion
    has further terms, allow no unbiased estimate. Limits within are those of a mean, between those
    of a variance.
    """
    n = len(probabilities)
    if n == 0 or not inputs.any():
        nothing = Estimate(np.nan, np.nan, np.nan, np.nan, 0)
        return Gini(nothing, nothing)
    total: Any = 0.0
    within = np.empty(n)
    for s in range(n):
        own = probabilities[s][inputs]
        total = total + own
        within[s] = (own * (1 - own)).sum(axis=1).mean()
    centre = total / n
    squared = np.array(
        [((probabilities[s][inputs] - centre) ** 2).sum(axis=1).mean() for s in range(n)]
    )
    scale = float((centre**2).sum(axis=1).mean())
    return Gini(mean(within, confidence), variance_of_means(squared, scale, confidence))


def _log(average: np.ndarray) -> np.ndarray:
    """Logarithms; 0 for 0, whose weight is 0 too."""
    return scipy.special.xlogy(1, np.where(average == 0, 1, average))


def _divergence(weights: np.ndarray, logs: np.ndarray, entropies: float, pairs: int) -> float:
    return float((-(weights * logs).sum() - entropies) / pairs) if pairs else np.nan
