"""Simulated studies on several splits, whose mean and spread over splits are known."""

import numpy as np
from kduq.statistics import Estimate, jackknifed, meta_analysis

from benchmarks.simulated import CONFIDENCE, Result, Simulate

#: True mean of the logarithm of the ratio, as of averaging's variance over single's.
_MEAN = -1.0


def _result(part: Estimate, truth: float) -> Result:
    return Result(part.low, part.high, truth)


def ratios(splits: int, students: int, spread: float) -> Simulate:
    """Ratio of two variances of students that share half of their randomness, on several splits.

    Parameters
    ----------
    splits, students : int
        Numbers of splits, and of students per split.
    spread : float
        Standard deviation over splits of the logarithm of the true ratio.

    Returns
    -------
    callable
        See `Simulate`; the mean over splits, their standard deviation, and the prediction of the
        estimate on a further split.
    """
    directions, inputs = 4, 12
    patterns = np.random.default_rng(1).normal(size=(directions, inputs))
    good = np.ones(students, bool)

    def on_a_split(rng: np.random.Generator) -> tuple[float, float]:
        scale = np.exp((_MEAN + spread * rng.normal()) / 2)
        shared, *own = rng.normal(size=(3, students, directions))
        one, other = ((shared + part) @ patterns for part in own)
        pair = (np.log(jackknifed.variance_of(v, good)) for v in (scale * one, other))
        found = jackknifed.corrected(next(pair) - next(pair))
        return found.value, found.se

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        points, errors = np.array([on_a_split(rng) for _ in range(splits)]).T
        pooled = meta_analysis.pool_alike(points, errors, CONFIDENCE)
        return {
            "mean": _result(pooled.mean, _MEAN),
            "standard deviation": _result(pooled.spread, spread),
            "prediction": _result(pooled.prediction, on_a_split(rng)[0]),
        }

    return simulate


def unequal(repetitions: int, spread: float) -> Simulate:
    """Repetitions whose known errors differ by a factor of three.

    Parameters
    ----------
    repetitions : int
        Their number.
    spread : float
        Standard deviation of their true values; the errors are 0.2 to 0.6.

    Returns
    -------
    callable
        See `Simulate`; the mean and the standard deviation.
    """

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        errors = np.linspace(0.2, 0.6, repetitions)
        values = _MEAN + np.hypot(spread, errors) * rng.normal(size=repetitions)
        mean, between = meta_analysis.pool(values, errors, CONFIDENCE)
        return {
            "mean": _result(mean, _MEAN),
            "standard deviation": _result(between, spread),
        }

    return simulate
