"""What students of tables learn: the labels that a method makes of the teacher's responses."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kduq.conditions import DRAWN, PILOTED, Condition
from kduq.families.protocol import Batch, Model, Problem
from kduq.registry import require_known
from kduq.responses import tabular as responses

#: Methods that make labels of responses in regression.
_METHODS = (None, "single", "averaging", "multi_response", *PILOTED)
#: Largest number of predictions on training rows of one pilot of an ensemble up to which those of
#: all pilots are kept: at 50 responses 210 MB in double precision.
_PILOTS_HELD = 1 << 19


@dataclass(frozen=True)
class DistillationData:
    """Data from which the students of a run learn.

    Attributes
    ----------
    problem : Problem
        Inputs and truth.
    test_y : ndarray of shape (m, ...)
        True targets of the test rows.
    teacher_mean : ndarray of shape (n, ...)
        The teacher's mean prediction, or its class probabilities, on the training rows.
    """

    problem: Problem
    test_y: np.ndarray
    teacher_mean: np.ndarray


@dataclass(frozen=True)
class Ensemble:
    """Replicates that are trained at once; those outside the shard are trained and dropped.

    Attributes
    ----------
    present : ndarray of bool of shape (B,)
        Whether a replicate is part of the shard.
    replicates, seeds : ndarray of int of shape (B,)
        Numbers and seeds of the replicates.
    noise : ndarray of float32 of shape (B, responses, n)
        Noise of the responses.
    initial_seeds : ndarray of int of shape (B,), optional
        See `kduq.families.protocol.Batch`.
    """

    present: np.ndarray
    replicates: np.ndarray
    seeds: np.ndarray
    noise: np.ndarray
    initial_seeds: np.ndarray | None = None


class _Responses:
    """Mean and variance of the first k responses, which are formed one at a time.

    Parameters
    ----------
    make : callable
        Returns a response of every replicate, (B, n), from its number; it may be changed.
    """

    def __init__(self, make: Callable[[int], np.ndarray]) -> None:
        self._make, self._number = make, 0
        self._first: np.ndarray = np.zeros(())
        self._sum: np.ndarray = np.zeros(())
        self._squares: np.ndarray = np.zeros(())

    def of_first(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the first k responses, (B, n), and their variance averaged over rows, (B,).

        After a smaller k it needs the further responses alone. The variance is the unbiased one,
        from squares of the distances to the first response, since squares of the responses would
        lose it to rounding (Chan et al. 1983, The American Statistician 37, 242-247).
        """
        if k < self._number:
            self._number = 0
        while self._number < k:
            value = self._make(self._number)
            self._number += 1
            if self._number == 1:
                self._first = self._sum = value
                self._squares = np.zeros(len(value))
                continue
            # In this order a sum has the bits of `numpy.mean` over an axis that is not the last.
            self._sum = self._sum + value
            value -= self._first
            self._squares += _squares(value)
        average = self._sum / k
        squares = self._squares - k * _squares(average - self._first)
        return average, squares / (max(k - 1, 1) * average.shape[1])


def _squares(values: np.ndarray) -> np.ndarray:
    """Sums of squares of the rows of (B, n), shape (B,)."""
    return np.einsum("bn,bn->b", values, values)


class _Pilots:
    """Predictions of pilot students on training rows, all of which are kept.

    Pilots are nested: pilot j is trained on response j alone, whatever k.

    Parameters
    ----------
    train : callable
        Returns the predictions of the pilots of a response, (B, n), from its number.
    """

    def __init__(self, train: Callable[[int], np.ndarray]) -> None:
        self._train = train
        self._predictions: list[np.ndarray] = []

    def of_first(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean over the first k pilots, (B, n), and their variance averaged over rows, (B,)."""
        while len(self._predictions) < k:
            self._predictions.append(self._train(len(self._predictions)))
        pilots = np.stack(self._predictions[:k], axis=1)
        return pilots.mean(axis=1), pilots.var(axis=1, ddof=1).mean(axis=1)


class _RunningMoments:
    """Means and squared deviations of arrays that are made one at a time, as no k makes larger.

    Parameters
    ----------
    make : callable
        Returns an array of shape (B, n) from its number.
    """

    def __init__(self, make: Callable[[int], np.ndarray]) -> None:
        self._make, self._number = make, 0
        self._mean = self._squares = np.zeros(())

    def moments(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the first k arrays, and sum of their squared deviations (Welford 1962)."""
        if k < self._number:
            self._number = 0
        while self._number < k:
            value = self._make(self._number).astype(np.float64)
            self._number += 1
            if self._number == 1:
                self._mean, self._squares = value, np.zeros_like(value)
                continue
            # In place, since these arrays are the largest of a job.
            away = value - self._mean
            self._mean += away / self._number
            value -= self._mean
            value *= away
            self._squares += value
        return self._mean, self._squares


class _RunningPilots:
    """As `_Pilots`, for many rows: their moments instead of all their predictions.

    Parameters
    ----------
    train : callable
        As in `_Pilots`.
    """

    def __init__(self, train: Callable[[int], np.ndarray]) -> None:
        self._pilots = _RunningMoments(train)

    def of_first(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As `_Pilots.of_first`, equal up to rounding."""
        mean, squares = self._pilots.moments(k)
        return mean.copy(), squares.mean(axis=1) / (k - 1)


def _pilot(
    model: Model, ensemble: Ensemble, response: Callable[[int], np.ndarray], j: int
) -> np.ndarray:
    """Predictions on training rows of students of response j, shape (B, n)."""
    batch = Batch(response(j), ensemble.seeds, pilot=j, initial_seeds=ensemble.initial_seeds)
    return model.fit(batch).train_prediction


class RegressionTargets:
    """Labels of one ensemble at one alpha, by method, from the first k responses.

    Parameters
    ----------
    model : Model
        Trains the pilot students.
    data : DistillationData
        Inputs, truth and the teacher's mean.
    ensemble : Ensemble
        Replicates and noise.
    alpha : float, optional
        Noise variance over Var(y_train); None for responses without noise.
    """

    def __init__(
        self, model: Model, data: DistillationData, ensemble: Ensemble, alpha: float | None
    ) -> None:
        self._data, self._ensemble = data, ensemble
        self._variance = (alpha or 0.0) * float(data.problem.train_y.var())
        self._responses = _Responses(self._response)
        self._by_row = _RunningMoments(self._response)
        batch = functools.partial(_pilot, model, ensemble, self._response)
        held = ensemble.noise.size // max(1, ensemble.noise.shape[1]) <= _PILOTS_HELD
        self._pilots = _Pilots(batch) if held else _RunningPilots(batch)

    def _response(self, j: int) -> np.ndarray:
        """Response j of every replicate, shape (B, n)."""
        return responses.form(self._data.teacher_mean, self._ensemble.noise[:, j], self._variance)

    def make(self, condition: Condition) -> np.ndarray:
        """Labels of shape (B, n).

        Averaging takes the mean T of the k responses, as does multi_response, whose students learn
        from `variance` that there are k; pilot_mean the mean S of the k pilot
        students' predictions. The other methods mix both, w T + (1 - w) S. With fixed_weight w is
        the condition's. With variance_weighting it is v_S/(v_T + v_S): v_T is the variance across
        the replicate's k responses over k, and v_S that across its k pilots over k, both unbiased
        and pooled over training rows. The oracle replaces S by the noiseless teacher, and the
        variance of the responses by the true one, neither of which a user has. At k = 1 there is
        no variance to estimate, and every method equals single.

        The released scripts of Cui & Pei (2026) mix in the noiseless teacher mean (here: the
        oracle), and weight a mean of k responses by the variance of one response.
        """
        method, k = condition.method, condition.k or 1
        require_known("method", method, _METHODS)
        require_known("label_source", condition.label_source, (None, "teacher", "truth"))
        if condition.label_source == "truth":
            truth = self._data.problem.train_y
            return np.broadcast_to(truth, (len(self._ensemble.seeds), *truth.shape))
        if method in (None, "single") or k == 1:
            return self._response(0)
        average, variance = self._responses.of_first(k)
        if method in ("averaging", "multi_response") or condition.teacher_weight == 1:
            return average
        own, pilot_variance = self._pilots.of_first(k)
        if method == "pilot_mean":
            return own
        if method == "fixed_weight":
            assert condition.teacher_weight is not None  # the experiment sets it
            return condition.teacher_weight * average + (1 - condition.teacher_weight) * own
        if method == "variance_weighting_oracle":
            own, variance = self._data.teacher_mean, np.full_like(variance, self._variance)
        # Both variances over k. Where both are zero, both means are equal.
        total = variance + pilot_variance
        weight = np.divide(pilot_variance, total, out=np.ones_like(total), where=total > 0)
        return weight[:, None] * average + (1 - weight[:, None]) * own

    def variance(self, condition: Condition) -> np.ndarray | None:
        """Mean squared distance of the k responses from their mean, (B, n).

        It is None unless a student learns all k responses. Their mean and this number are all of
        them that the normal likelihood depends on.
        """
        k = condition.k or 1
        if condition.method != "multi_response" or k == 1:
            return None
        return self._by_row.moments(k)[1] / k


class ClassificationTargets:
    """Labels of one ensemble in classification, by source.

    Parameters
    ----------
    model : Model
        Unused: classification has no pilot students.
    data : DistillationData
        Inputs, truth and the teacher's probabilities.
    ensemble : Ensemble
        Replicates and noise.
    alpha : float, optional
        Unused: the noise is the teacher's own distribution.
    """

    def __init__(
        self, model: Model, data: DistillationData, ensemble: Ensemble, alpha: float | None
    ) -> None:
        del model, alpha
        self._probabilities = data.teacher_mean
        self._responses = responses.sample_labels(data.teacher_mean, ensemble.noise)

    def make(self, condition: Condition) -> np.ndarray:
        """Labels of shape (B, n, C), whose rows are probabilities.

        hard: the teacher's most probable class; sampled: one class drawn from its probabilities;
        averaged: the mean of k such draws, one-hot; soft: the probabilities.
        """
        source, k = condition.label_source, condition.k or 1
        require_known("label_source", source, ("hard", "soft", *DRAWN))
        size, shape = len(self._responses), self._probabilities.shape
        if source == "soft":
            return np.broadcast_to(self._probabilities, (size, *shape))
        one_hot = np.eye(shape[1], dtype=np.float32)
        if source == "hard":
            return np.broadcast_to(one_hot[self._probabilities.argmax(axis=1)], (size, *shape))
        labels = np.zeros((size, *shape), np.float32)
        for draw in range(k):
            labels += one_hot[self._responses[:, draw]]
        return labels / k

    def variance(self, condition: Condition) -> None:
        """None: labels of classification are probabilities."""
