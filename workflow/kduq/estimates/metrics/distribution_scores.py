"""Metrics of students of a regression that predict a normal distribution.

A student predicts N(μ, σ²) at a test row. A new response of the teacher is N(t, s²), with the
teacher's mean t and the variance s² of its noise. All scores are expectations in closed form over
that response, averaged over test rows; the truth is a response without noise.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from kduq import statistics
from kduq.estimates.metrics.protocol import Metric, TabularStudents
from kduq.statistics import Estimate

#: Coverage of a student's central interval, and half its width in standard deviations.
COVERAGE = 0.95
_HALF_WIDTH = float(special.ndtri(0.5 + COVERAGE / 2))


def interval_coverage(
    mean: np.ndarray, variance: np.ndarray, target: np.ndarray, target_variance: float
) -> np.ndarray:
    """Probability that a new observation is in the central 95 % interval of a normal forecast.

    Parameters
    ----------
    mean, variance : ndarray
        Of the forecast.
    target : ndarray
        Mean of the observation, which is normal too.
    target_variance : float
        Its variance; 0 for an observation that is known.

    Returns
    -------
    ndarray
        Φ((μ + zσ - t)/s) - Φ((μ - zσ - t)/s), and 0 or 1 where s is zero.
    """
    away, half = np.abs(mean - target), _HALF_WIDTH * np.sqrt(variance)
    if target_variance == 0:
        return (away <= half).astype(np.float64)
    spread = np.sqrt(target_variance)
    return special.ndtr((half - away) / spread) - special.ndtr((-half - away) / spread)


def expected_crps(
    mean: np.ndarray, variance: np.ndarray, target: np.ndarray, target_variance: float
) -> np.ndarray:
    """Expected continuous ranked probability score of a normal forecast.

    Parameters
    ----------
    mean, variance : ndarray
        Of the forecast.
    target : ndarray
        Mean of the observation, which is normal too.
    target_variance : float
        Its variance; 0 for an observation that is known.

    Returns
    -------
    ndarray
        E|X - Y| - E|X - X'|/2 for independent draws X and X' of the forecast and Y of the
        observation, in units of the target (Gneiting & Raftery 2007, equation 21). Differences of
        normal variables are normal, and E|N(m, v)| = √(2v/π) exp(-m²/2v) + m (2Φ(m/√v) - 1).
    """
    spread = np.sqrt(variance + target_variance)
    score = (mean - target) / spread
    density = np.exp(-(score**2) / 2) / np.sqrt(2 * np.pi)
    distance = spread * (2 * density + score * (2 * special.ndtr(score) - 1))
    return distance - np.sqrt(variance / np.pi)


#: Returns a value per student, (S,), from students, their variances (S, m) and a mask of inputs;
#: None if the teacher's noise is needed and there is none.
_Score = Callable[[TabularStudents, np.ndarray, np.ndarray], np.ndarray | None]


def _metric(name: str, label: str, score: _Score) -> Metric:
    def estimate(
        students: TabularStudents, inputs: np.ndarray, confidence: float
    ) -> Estimate | None:
        if students.variances is None:
            return None
        values = score(students, students.variances, inputs)
        return None if values is None else statistics.mean(values, confidence)

    return Metric(name, "regression", label, estimate, of_distribution=True)


def _intra(students: TabularStudents, variances: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    del students
    return variances[:, inputs].mean(axis=1)


def _ratio(
    students: TabularStudents, variances: np.ndarray, inputs: np.ndarray
) -> np.ndarray | None:
    if not students.noise_variance:
        return None
    return _intra(students, variances, inputs) / students.noise_variance


def _against(
    function: Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray], truth: bool
) -> _Score:
    """A score against the truth, or else against new responses of the teacher."""

    def score(
        students: TabularStudents, variances: np.ndarray, inputs: np.ndarray
    ) -> np.ndarray | None:
        target, noise = (
            (students.truth, 0.0) if truth else (students.teacher, students.noise_variance)
        )
        if noise is None:
            return None
        values = function(students.predictions, variances, target, noise)
        return values[:, inputs].mean(axis=1)

    return score


def _total_variance(
    students: TabularStudents, inputs: np.ndarray, confidence: float
) -> Estimate | None:
    """Mean of the variances plus variance of the means, with the jackknife over students."""
    if students.variances is None:
        return None
    intra = students.variances[:, inputs].mean(axis=1)
    predictions = students.predictions[:, inputs]
    return statistics.jackknife(
        lambda part: (
            float(intra[part].mean() + predictions[part].var(axis=0, ddof=1).mean())
            if len(part) > 1
            else np.nan
        ),
        len(intra),
        confidence,
    )


INTRA_STUDENT_VARIANCE = _metric(
    "intra_student_variance", "variance of a student's own distribution", _intra
)
INTRA_VARIANCE_RATIO = _metric(
    "intra_variance_ratio", "variance of a student's own distribution over the teacher's", _ratio
)
TOTAL_VARIANCE = Metric(
    "total_variance",
    "regression",
    "variance of a prediction of any student",
    _total_variance,
    of_distribution=True,
)
PREDICTIVE_COVERAGE = _metric(
    "predictive_coverage",
    "share of the teacher's responses in a student's 95 % interval",
    _against(interval_coverage, truth=False),
)
PREDICTIVE_COVERAGE_TRUTH = _metric(
    "predictive_coverage_truth",
    "share of true targets in a student's 95 % interval",
    _against(interval_coverage, truth=True),
)
CRPS = _metric(
    "crps",
    "continuous ranked probability score, against the teacher's responses",
    _against(expected_crps, truth=False),
)
CRPS_TRUTH = _metric(
    "crps_truth",
    "continuous ranked probability score, against the truth",
    _against(expected_crps, truth=True),
)
