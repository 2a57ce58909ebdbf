"""Tests of hypotheses, and the verdicts that follow from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy


@dataclass(frozen=True)
class HypothesisTest:
    """One row of the verdict table.

    Attributes
    ----------
    claim : int
        Number of the claim.
    section, statement, family, dataset, statistic : str
        What is tested, in words.
    points : ndarray of shape (C,)
        The components of the statistic, which is the largest of them (the least for a claim
        that lies above its threshold).
    errors : ndarray of shape (C,)
        Their standard errors.
    threshold : float
        On the scale of the components.
    n_students : int
        Number of students used.
    above : bool
        Whether the claim lies above the threshold.
    absolute : bool
        Whether components are compared by their absolute value: a distance from equality.
    ratio : bool
        Whether components are logarithms of ratios, which are reported as ratios.
    degrees : float
        Degrees of freedom of the standard errors; infinite for those of a bootstrap.
    reason : str, optional
        Why the quality gate withholds a verdict.
    """

    claim: int
    section: str
    statement: str
    family: str
    dataset: str
    statistic: str
    points: np.ndarray
    errors: np.ndarray
    threshold: float
    n_students: int
    above: bool = False
    absolute: bool = False
    ratio: bool = False
    degrees: float = np.inf
    reason: str | None = None

    @classmethod
    def resampled(
        cls,
        claim: int,
        section: str,
        statement: str,
        family: str,
        dataset: str,
        statistic: str,
        points: np.ndarray,
        draws: np.ndarray,
        threshold: float,
        n_students: int,
        **options: Any,
    ) -> "HypothesisTest":
        """A test whose standard errors are those of ``draws``, shape (D, C), of a bootstrap."""
        with np.errstate(invalid="ignore"):
            errors = draws.std(axis=0, ddof=1)
        return cls(
            claim,
            section,
            statement,
            family,
            dataset,
            statistic,
            points,
            errors,
            threshold,
            n_students,
            **options,
        )

    def _is_finite(self) -> bool:
        return bool(np.isfinite(self.points).all() and np.isfinite(self.errors).all())

    def p_value(self) -> float:
        """Smallest 1 - confidence at which the interval excludes the threshold."""
        if not self._is_finite():
            return 1.0
        sign = -1.0 if self.above else 1.0
        size = sign * (np.abs(self.points) if self.absolute else self.points)
        # A statistic without sampling error is compared with the threshold directly.
        error = np.maximum(self.errors, 1e-300)
        distance = (sign * self.threshold - size) / error
        factor = 2 * len(self.points)
        below = factor * scipy.stats.t.sf(distance, self.degrees).max()
        beyond = factor * scipy.stats.t.sf(-distance, self.degrees).min()
        return float(min(1.0, below, beyond))

    def row(self, confidence: float) -> dict[str, Any]:
        """Columns of the row, with simultaneous limits over the components.

        Parameters
        ----------
        confidence : float
            Coverage of the interval, after adjustment.

        Returns
        -------
        dict
            A row of the artifact.
        """
        level = 1 - (1 - confidence) / (2 * len(self.points))
        half = scipy.stats.t.ppf(level, self.degrees) * self.errors
        points, low, high = self.points, self.points - half, self.points + half
        if self.absolute:
            low, high = np.maximum(0, np.maximum(low, -high)), np.maximum(abs(low), abs(high))
            points = np.abs(points)
        extreme = np.min if self.above else np.max
        reported = [float(extreme(values)) for values in (points, low, high)]
        verdict = "inconclusive"
        if not self._is_finite():
            reported[1:] = [np.nan, np.nan]
        elif self.reason is None:
            inside = reported[1] > self.threshold if self.above else reported[2] < self.threshold
            outside = reported[2] < self.threshold if self.above else reported[1] > self.threshold
            verdict = "supported" if inside else "contradicted" if outside else verdict
        reported.append(self.threshold)
        if self.ratio:
            reported = [float(np.exp(value)) for value in reported]
        return {
            "claim": self.claim,
            "section": self.section,
            "statement": self.statement,
            "family": self.family,
            "dataset": self.dataset,
            "statistic": self.statistic,
            "estimate": reported[0],
            "ci_low": reported[1],
            "ci_high": reported[2],
            "threshold": reported[3],
            "verdict": verdict,
            "reason": self.reason,
            "n_students": self.n_students,
        }


def holm_levels(p_values: np.ndarray, alpha: float) -> np.ndarray:
    """Level of each test of a family of tests (Holm 1979).

    Parameters
    ----------
    p_values : ndarray of shape (m,)
        One p-value per test.
    alpha : float
        Family-wise error rate.

    Returns
    -------
    ndarray of shape (m,)
        alpha/m for the smallest p, alpha/(m - 1) for the next and so on; from the first that
        fails at its level on, all keep that level, so that intervals at 1 - level decide as Holm
        does.
    """
    m = len(p_values)
    levels = np.empty(m)
    level, stopped = alpha / m, False
    for rank, test in enumerate(np.argsort(p_values, kind="stable")):
        if not stopped:
            level = alpha / (m - rank)
            stopped = bool(p_values[test] >= level)
        levels[test] = level
    return levels


def judge(tests: list[HypothesisTest], confidence: float) -> list[dict[str, Any]]:
    """Rows of the verdict table, levels Holm-adjusted within a claim.

    A test is supported when its whole interval is on the claim's side of the threshold, and
    contradicted when the whole interval is on the other side. Otherwise it is inconclusive, and so
    is a test for which the quality gate gives a reason.

    Parameters
    ----------
    tests : list of HypothesisTest
        Of all claims.
    confidence : float
        Family-wise coverage of the intervals of a claim.

    Returns
    -------
    list of dict
        In ascending order of the claims; within a claim in the order of the tests.
    """
    rows: list[dict[str, Any]] = []
    for claim in sorted({test.claim for test in tests}):
        family = [test for test in tests if test.claim == claim]
        p_values = np.array([test.p_value() for test in family])
        levels = holm_levels(p_values, 1 - confidence)
        rows += [t.row(1 - float(level)) for t, level in zip(family, levels, strict=True)]
    return rows
