"""Estimates that compare conditions of one run on a table, replicate by replicate.

Conditions share the random numbers of a replicate. A ratio of two of their variances is therefore
known much better than either of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from kduq.conditions import Condition
from kduq.statistics import Estimate, jackknifed
from kduq.statistics.intervals import FEWEST_FOR_VARIANCE

#: Source of labels that those of the teacher are compared with.
_TRUTH = "truth"


@dataclass(frozen=True)
class Cell:
    """Students of one condition, in the order of their replicates.

    Attributes
    ----------
    good : ndarray of bool of shape (S,)
        Students that did not diverge and, on bootstrap samples, have full rank.
    variance, error : ndarray of shape (S + 1,)
        Inter-student variance and mean test error, with their leave-one-out values; see
        `kduq.statistics.jackknifed`.
    group : str
        Group of these students: full_rank on bootstrap samples that may lack it, else all.
    """

    good: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    group: str

    @classmethod
    def of_students(cls, condition: Condition, part: Mapping[str, np.ndarray]) -> "Cell":
        """A cell from the columns of its students.

        Parameters
        ----------
        condition : Condition
            Their condition.
        part : mapping of str to ndarray
            Columns replicate, diverged, rank_deficient, prediction and test_mse.

        Returns
        -------
        Cell
            Students of every replicate in ascending order.
        """
        order = np.argsort(part["replicate"], kind="stable")
        good = ~part["diverged"][order].astype(bool)
        deficient = part["rank_deficient"][order].tolist()
        # Null for families whose solutions are always unique.
        good &= ~np.array([bool(value) for value in deficient], bool)
        has_rank = any(value is not None for value in deficient)
        return cls(
            good,
            jackknifed.variance_of(part["prediction"][order], good),
            jackknifed.mean_of(part["test_mse"][order], good),
            "full_rank" if has_rank and condition.sample_fraction is not None else "all",
        )


@dataclass(frozen=True)
class Comparison:
    """One condition compared with another.

    Attributes
    ----------
    metric : str
        Name among the estimates.
    condition, reference : Condition
        Conditions of the students, and of those that they are compared with.
    statistic : str
        Attribute of a `Cell`.
    is_change : bool
        Whether it is the ratio less 1, the relative change.
    """

    metric: str
    condition: Condition
    reference: Condition
    statistic: str = "variance"
    is_change: bool = False


def comparisons(conditions: Sequence[Condition]) -> Iterator[Comparison]:
    """Comparisons for which a run has both conditions.

    Parameters
    ----------
    conditions : sequence of Condition
        Conditions of the run.

    Yields
    ------
    Comparison
        Of methods with single students and with averaging, of initialisation noise with the least
        one, and of the teacher's labels with true ones.
    """
    known = set(conditions)
    noises = sorted({c.init_noise for c in conditions if c.init_noise is not None})
    for own in conditions:
        if own.alpha and own.k and own.k > 1:
            single = own.model_copy(update={"method": "single", "k": 1, "teacher_weight": None})
            averaging = own.model_copy(update={"method": "averaging", "teacher_weight": None})
            if single in known:
                yield Comparison("variance_ratio_to_single", own, single)
            if averaging in known and averaging != own:
                yield Comparison("variance_ratio_to_averaging", own, averaging)
                yield Comparison("test_mse_ratio_to_averaging", own, averaging, "error")
        if own.init_noise is not None and own.init_noise > noises[0]:
            least = own.model_copy(update={"init_noise": noises[0]})
            yield Comparison("inter_student_variance_change", own, least, is_change=True)
            yield Comparison("test_mse_change", own, least, "error", is_change=True)
        if own.sample_fraction is not None and own.label_source != _TRUTH:
            truth = own.model_copy(update={"label_source": _TRUTH})
            if truth in known:
                yield Comparison("variance_ratio_to_truth", own, truth)


def compare(
    comparison: Comparison, cells: Mapping[Condition, Cell], confidence: float
) -> Estimate | None:
    """Estimate a ratio of two conditions from the replicates that they share.

    Parameters
    ----------
    comparison : Comparison
        What is compared.
    cells : mapping of Condition to Cell
        Students of both conditions, on the same replicates.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Estimate or None
        The ratio of the two statistics, or the relative change. The interval is the jackknife's for
        the logarithm of the ratio, with Student's t: leaving out a replicate leaves out its student
        under both conditions. No limits for fewer than `FEWEST_FOR_VARIANCE` replicates. A variance
        of zero has the ratio zero, without an interval; None where the reference is zero or not
        available.
    """
    pair = cells[comparison.condition], cells[comparison.reference]
    own, reference = (getattr(cell, comparison.statistic) for cell in pair)
    n = int((pair[0].good & pair[1].good).sum())
    if not reference[0] > 0 or not np.isfinite(own[0]):
        return None
    shift = 1.0 if comparison.is_change else 0.0
    if own[0] == 0:
        return Estimate(-shift, np.nan, np.nan, np.nan, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = ratio_from(np.log(own) - np.log(reference), confidence, n)
    return Estimate(
        estimate.value - shift, estimate.se, estimate.low - shift, estimate.high - shift, n
    )


def ratio_from(logarithms: np.ndarray, confidence: float, n: int) -> Estimate:
    """A ratio from its logarithm and the leave-one-out values of that.

    Parameters
    ----------
    logarithms : ndarray of shape (S + 1,)
        See `kduq.statistics.jackknifed`.
    confidence : float
        Coverage of the interval.
    n : int
        Number of students with a part in it.

    Returns
    -------
    Estimate
        se is that of the logarithm times the ratio (delta method), and the limits are those of the
        logarithm; NaN for fewer than `FEWEST_FOR_VARIANCE` students.
    """
    value = float(np.exp(logarithms[0]))
    error = jackknifed.corrected(logarithms).se
    if n < FEWEST_FOR_VARIANCE or not np.isfinite(error):
        return Estimate(value, np.nan, np.nan, np.nan, n)
    half = float(scipy.stats.t.ppf(0.5 + confidence / 2, n - 1)) * error
    low, high = (float(np.exp(logarithms[0] + sign * half)) for sign in (-1, 1))
    return Estimate(value, value * error, low, high, n)


def estimates(
    cells: Mapping[Condition, Cell], confidence: float
) -> Iterator[tuple[Condition, str, Estimate, str]]:
    """All comparisons of a run: condition, metric, estimate and group of each."""
    for comparison in comparisons(list(cells)):
        estimate = compare(comparison, cells, confidence)
        if estimate is not None:
            group = cells[comparison.condition].group
            yield comparison.condition, comparison.metric, estimate, group
