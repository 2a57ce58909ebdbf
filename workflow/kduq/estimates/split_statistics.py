"""What is compared on every split: ratios and differences of conditions that share replicates."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kduq import statistics
from kduq.conditions import Condition
from kduq.statistics import jackknifed


@dataclass(frozen=True)
class Cell:
    """Students of one condition on one split, or its teacher.

    Attributes
    ----------
    predictions : ndarray of shape (S, m) or (S, m, C)
        Predictions, or class probabilities, on the split's test rows.
    good : ndarray of bool of shape (S,)
        Whether a student has not diverged.
    test_mse : ndarray of shape (S,)
        Mean squared errors on the test rows.
    classes : ndarray of int of shape (m,)
        Numbers of the true classes; targets in regression.
    """

    predictions: np.ndarray
    good: np.ndarray
    test_mse: np.ndarray
    classes: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Inter-student variance; see `kduq.statistics.jackknifed`."""
        return jackknifed.variance_of(self.predictions.reshape(len(self.good), -1), self.good)

    @property
    def error(self) -> np.ndarray:
        """Mean test error."""
        return jackknifed.mean_of(self.test_mse, self.good)

    @property
    def entropies(self) -> np.ndarray:
        """Mean predictive entropy of each student, in nats, shape (S,)."""
        wide = self.predictions.astype(np.float64)
        return statistics.entropy(wide / wide.sum(axis=2, keepdims=True)).mean(axis=1)

    @property
    def accuracies(self) -> np.ndarray:
        """Share of test rows that each student answers correctly, shape (S,)."""
        return (self.predictions.argmax(axis=2) == self.classes).mean(axis=1)


#: Returns a statistic and its leave-one-out values from the cells, and the teacher's cell.
Compute = Callable[[Sequence[Cell], Cell], np.ndarray]


@dataclass(frozen=True)
class SplitStatistic:
    """A statistic that is estimated on every split.

    Attributes
    ----------
    metric : str
        Name among the estimates.
    conditions : tuple of Condition
        Conditions of its cells, that of the row first.
    compute : callable
        See `Compute`.
    ratio : bool
        Whether it is the logarithm of a ratio, or of a variance, which is reported without it.
    """

    metric: str
    conditions: tuple[Condition, ...]
    compute: Compute
    ratio: bool = True


def _variance_ratio(cells: Sequence[Cell], teacher: Cell) -> np.ndarray:
    del teacher
    return np.log(cells[0].variance) - np.log(cells[1].variance)


def _error_ratio(cells: Sequence[Cell], teacher: Cell) -> np.ndarray:
    del teacher
    return np.log(cells[0].error) - np.log(cells[1].error)


def _noise_variance(cells: Sequence[Cell], teacher: Cell) -> np.ndarray:
    del teacher
    return np.log(cells[0].variance - cells[1].variance)


def _entropy_ratio(cells: Sequence[Cell], teacher: Cell) -> np.ndarray:
    (own,) = teacher.entropies
    return np.log(jackknifed.mean_of(cells[0].entropies, cells[0].good)) - np.log(own)


def _accuracy_difference(cells: Sequence[Cell], teacher: Cell) -> np.ndarray:
    (own,) = teacher.accuracies
    return jackknifed.mean_of(cells[0].accuracies, cells[0].good) - own


def _noise_times(k: int) -> Compute:
    def compute(cells: Sequence[Cell], teacher: Cell) -> np.ndarray:
        del teacher
        averaged, single, noiseless = (cell.variance for cell in cells)
        return k * (averaged - noiseless) / (single - noiseless)

    return compute


def of_regression(conditions: Sequence[Condition]) -> Iterator[SplitStatistic]:
    """Statistics of students of a regression.

    Parameters
    ----------
    conditions : sequence of Condition
        Conditions of the run; those of one response at alpha 0 and above 0 are among them.

    Yields
    ------
    SplitStatistic
        For every condition that it applies to.
    """
    by_method = {c.method: c for c in conditions if c.alpha}
    single = by_method["single"]
    noiseless = next(c for c in conditions if c.alpha == 0)
    pair = single, noiseless
    yield SplitStatistic("replicated_variance_ratio_to_noiseless", pair, _variance_ratio)
    yield SplitStatistic("replicated_noise_variance", pair, _noise_variance)
    averaging = by_method.get("averaging")
    for method, own in by_method.items():
        if method == "single":
            continue
        name = "replicated_variance_ratio_to_single"
        yield SplitStatistic(name, (own, single), _variance_ratio)
        if own is averaging and own.k:
            cells = own, single, noiseless
            compute = _noise_times(own.k)
            yield SplitStatistic("replicated_noise_times_k", cells, compute, ratio=False)
        elif averaging is not None:
            pair = own, averaging
            yield SplitStatistic("replicated_variance_ratio_to_averaging", pair, _variance_ratio)
            yield SplitStatistic("replicated_test_mse_ratio_to_averaging", pair, _error_ratio)


def of_classification(conditions: Sequence[Condition]) -> Iterator[SplitStatistic]:
    """Statistics of classifiers.

    Parameters
    ----------
    conditions : sequence of Condition
        Conditions of the run.

    Yields
    ------
    SplitStatistic
        For every condition that it applies to.
    """
    by_source = {c.label_source: c for c in conditions}
    if "hard" in by_source:
        own = (by_source["hard"],)
        yield SplitStatistic("replicated_entropy_ratio_to_teacher", own, _entropy_ratio)
    if "averaged" in by_source and "sampled" in by_source:
        pair = by_source["averaged"], by_source["sampled"]
        yield SplitStatistic("replicated_variance_ratio_to_single", pair, _variance_ratio)
    for own_condition in conditions:
        name, own = "replicated_accuracy_difference_to_teacher", (own_condition,)
        yield SplitStatistic(name, own, _accuracy_difference, ratio=False)
