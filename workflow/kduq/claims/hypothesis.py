"""Tests of hypotheses with margins, and the verdicts that follow from them.

Every test has a threshold and a margin, the smallest effect that counts. The boundary at which a
verdict changes lies a margin away from the threshold, so that a claim can be supported, and the
absence of an effect that counts can be shown too.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import scipy

from kduq.claims.reasons import PLANNED_POWER, Need, reason_of

#: Relation of the statistic to the threshold T that a claim states, with margin M: below T - M,
#: above T + M, not above T + M, between T - M and T + M, or not between them.
Relation = Literal["below", "above", "not_above", "equal", "unequal"]
#: A statement about distillation, or a check: algebra of least squares that our code must satisfy.
Kind = Literal["claim", "check"]
#: Simulated studies for the power of a test without bootstrap samples.
_STUDIES = 4000


@dataclass(frozen=True)
class HypothesisTest:
    """One row of the table of verdicts.

    Attributes
    ----------
    claim : int
        Number of the claim.
    section, statement, family, dataset, statistic : str
        What is tested, in words.
    points : ndarray of shape (C,)
        The components of the statistic. A claim about several components holds if it holds for
        each; the statistic is the component that is furthest from the claim.
    errors : ndarray of shape (C,)
        Their standard errors.
    relation : str
        See `Relation`; equal and unequal have one component.
    threshold, margin : float
        On the scale of the components; the margin is positive.
    n_students : int
        Number of students used.
    ratio : bool
        Whether components are logarithms of ratios, which are reported as ratios.
    degrees : float
        Degrees of freedom of the standard errors; infinite for those of a bootstrap.
    kind : str
        See `Kind`.
    draws : ndarray of shape (D, C), optional
        Bootstrap samples of the components.
    over_prompts : bool
        Whether errors are over students and prompts.
    splits : int
        Number of splits over which errors are; 0 if they are over students.
    left_out, agreeing : int
        Number of splits left out by the quality gate, and of those whose own estimate is on the
        claim's side of its boundaries.
    prediction : tuple of float
        Prediction interval for the estimate on a further split, on the scale of the components.
    withheld : str, optional
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
    relation: Relation
    threshold: float
    margin: float
    n_students: int
    ratio: bool = False
    degrees: float = np.inf
    kind: Kind = "claim"
    draws: np.ndarray | None = field(default=None, repr=False)
    over_prompts: bool = False
    splits: int = 0
    left_out: int = 0
    agreeing: int = 0
    prediction: tuple[float, float] = (np.nan, np.nan)
    withheld: str | None = None

    @classmethod
    def resampled(
        cls,
        claim: tuple[int, str, str],
        run: tuple[str, str],
        statistic: str,
        pair: tuple[np.ndarray, np.ndarray],
        relation: Relation,
        threshold: float,
        margin: float,
        n_students: int,
        **options: Any,
    ) -> "HypothesisTest":
        """A test whose standard errors are those of a bootstrap.

        Parameters
        ----------
        claim : tuple
            Number, section and statement.
        run : tuple
            Family and data set.
        statistic : str
            What is estimated, in words.
        pair : tuple of ndarray
            The components, (C,), and their bootstrap samples, (D, C).
        relation, threshold, margin, n_students
            See the attributes.
        **options
            Further attributes.

        Returns
        -------
        HypothesisTest
            With the bootstrap samples.
        """
        points, draws = pair
        with np.errstate(invalid="ignore"):
            errors = draws.std(axis=0, ddof=1)
        return cls(
            *claim,
            *run,
            statistic,
            points,
            errors,
            relation,
            threshold,
            margin,
            n_students,
            draws=draws,
            **options,
        )

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Values of the statistic at which the verdict changes."""
        low, high = self.threshold - self.margin, self.threshold + self.margin
        return {"below": (low,), "above": (high,), "not_above": (high,)}.get(
            self.relation, (low, high)
        )

    def is_finite(self) -> bool:
        """Whether all components and their errors are defined."""
        return bool(np.isfinite(self.points).all() and np.isfinite(self.errors).all())

    def p_values(
        self, points: np.ndarray, errors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One-sided p-values of the claim and of its opposite, and that of the two together.

        Parameters
        ----------
        points, errors : ndarray of shape (..., C)
            Components and their standard errors.

        Returns
        -------
        supports, contradicts : ndarray of shape (...)
            A claim about all components needs each of them (intersection-union test, Berger 1982);
            its opposite needs one, at a C-th of the level (Bonferroni).
        both : ndarray of shape (...)
            Twice the smaller of the two.
        """
        # A statistic without sampling error is compared with the boundaries directly.
        scale = np.maximum(errors, 1e-300)
        lower, upper = self.boundaries[0], self.boundaries[-1]
        under = scipy.stats.t.sf((upper - points) / scale, self.degrees)
        over = scipy.stats.t.sf((points - lower) / scale, self.degrees)
        inside = np.maximum(under, over)
        # Above the band, or below it.
        outside = np.minimum(
            scipy.stats.t.sf((points - upper) / scale, self.degrees),
            scipy.stats.t.sf((lower - points) / scale, self.degrees),
        )
        for_claim, against = {
            "above": (over, under),
            "equal": (inside, outside),
            "unequal": (outside, inside),
        }.get(self.relation, (under, over))
        supports = for_claim.max(axis=-1)
        contradicts = np.minimum(1.0, points.shape[-1] * against.min(axis=-1))
        return supports, contradicts, np.minimum(1.0, 2 * np.minimum(supports, contradicts))

    @cached_property
    def p_value(self) -> float:
        """P-value of a verdict in either direction; 1 where the statistic is not defined."""
        return float(self.p_values(self.points, self.errors)[2]) if self.is_finite() else 1.0

    @cached_property
    def direction(self) -> str:
        """The verdict, if there is one: supported or contradicted."""
        supports, contradicts, _ = self.p_values(self.points, self.errors)
        return "supported" if supports <= contradicts else "contradicted"

    def power(self, level: float) -> float:
        """Share of studies of this size that would give a verdict on an effect of twice the margin.

        Parameters
        ----------
        level : float
            At which the row is tested.

        Returns
        -------
        float
            Simulated: components are at twice the margin from the threshold, on the claim's side
            (beyond it, for a claim of equality), and vary as the bootstrap samples do, or as normal
            variables with the estimated errors; errors vary as their degrees of freedom say. NaN
            where they are not defined.
        """
        if not self.is_finite():
            return np.nan
        effect = self.threshold + (-2 if self.relation == "below" else 2) * self.margin
        if self.draws is not None:
            deviations, errors = self.draws - self.draws.mean(axis=0), self.errors
        else:
            generator = np.random.default_rng(0)
            shape = _STUDIES, len(self.points)
            deviations = self.errors * generator.normal(size=shape)
            errors = np.broadcast_to(self.errors, shape)
            if np.isfinite(self.degrees):
                squares = generator.chisquare(self.degrees, size=(_STUDIES, 1)) / self.degrees
                errors = errors * np.sqrt(squares)
        return float((self.p_values(effect + deviations, errors)[2] < level).mean())

    def limits(self, confidence: float) -> tuple[float, float, float]:
        """Statistic and plain confidence limits, on the scale of the components.

        Parameters
        ----------
        confidence : float
            Coverage of the interval, not adjusted for other rows.

        Returns
        -------
        float, float, float
            Of several components, the one furthest from the claim. The limit of the largest of C
            towards the others is simultaneous over components (Bonferroni), since any of them may
            be the largest; the other limit needs no adjustment.
        """
        count = len(self.points)
        plain, wide = (
            scipy.stats.t.ppf(1 - (1 - confidence) / (2 * n), self.degrees) * self.errors
            for n in (1, count)
        )
        if self.relation == "above":
            return (
                float(self.points.min()),
                float((self.points - plain).min()),
                float((self.points + wide).min()),
            )
        return (
            float(self.points.max()),
            float((self.points - wide).max()),
            float((self.points + plain).max()),
        )

    def row(self, p_adjusted: float, level: float, confidence: float) -> dict[str, Any]:
        """Columns of the row.

        Parameters
        ----------
        p_adjusted : float
            P-value, adjusted for the other rows of the claim; NaN if the verdict is withheld.
        level : float
            Level of the row at the first step of the adjustment, for its power.
        confidence : float
            Coverage of the interval, and 1 minus the level of `p_adjusted`.

        Returns
        -------
        dict
            A row of the artifact.
        """
        estimate, low, high = self.limits(confidence)
        if not self.is_finite():
            low = high = np.nan
        verdict = "inconclusive"
        if self.withheld is None and p_adjusted < 1 - confidence:
            verdict = self.direction
        power = self.power(level)
        reported = [estimate, low, high, self.threshold, self.margin, *self.boundaries]
        ahead = list(self.prediction)
        if self.ratio:
            reported, ahead = ([float(np.exp(x)) for x in values] for values in (reported, ahead))
        row = {
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
            "margin": reported[4],
            "relation": self.relation,
            "boundary_low": None if self.relation in ("below", "not_above") else reported[5],
            "boundary_high": None if self.relation == "above" else reported[-1],
            "p_adjusted": p_adjusted,
            "power": power,
            "kind": self.kind,
            "verdict": verdict,
            "n_students": self.n_students,
            "n_splits": self.splits or None,
            "n_splits_left_out": self.left_out if self.splits else None,
            "n_splits_agreeing": self.agreeing if self.splits else None,
            "prediction_low": ahead[0] if self.splits else None,
            "prediction_high": ahead[1] if self.splits else None,
        }
        reason = self.withheld or reason_of(row, tuple(reported[5:]), self.needed(level))
        return row | {"reason": None if verdict == "supported" else reason}

    def needed(self, level: float, power: float = PLANNED_POWER) -> Need:
        """What would give a verdict on an effect of twice the margin.

        Parameters
        ----------
        level : float
            At which the row is tested.
        power : float
            Wanted share of such studies that give a verdict.

        Returns
        -------
        Need
            From the normal approximation: errors fall as one over the root of the number.
        """
        quantiles = scipy.stats.norm.ppf([1 - level / 2, power]).sum()
        factor = float((quantiles * self.errors.max() / self.margin) ** 2)
        number = self.splits or self.n_students
        return Need(number * factor, number, bool(self.splits), self.over_prompts)


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6, 65-70).

    Parameters
    ----------
    p_values : ndarray of shape (m,)
        One per test.

    Returns
    -------
    ndarray of shape (m,)
        For the smallest p, m·p; for the next, (m - 1)·p, and so on, each at least the one before
        and at most 1. Those below a level are the tests that Holm's procedure rejects at it.
    """
    m = len(p_values)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(m)
    adjusted[order] = np.maximum.accumulate((m - np.arange(m)) * p_values[order])
    return np.minimum(adjusted, 1.0)


def judge(tests: list[HypothesisTest], confidence: float) -> list[dict[str, Any]]:
    """Rows of the table of verdicts.

    The verdict of a row follows from its p-value: supported or contradicted if it is below 1 -
    confidence, else inconclusive. P-values of a claim's rows are adjusted for their number. Checks
    and rows that the quality gate withholds are not part of that number.

    Parameters
    ----------
    tests : list of HypothesisTest
        Of all claims.
    confidence : float
        Coverage of the intervals, and 1 minus the family-wise level of a claim's verdicts.

    Returns
    -------
    list of dict
        In ascending order of the claims; within a claim in the order of the tests.
    """
    rows: list[dict[str, Any]] = []
    for number in sorted({test.claim for test in tests}):
        of_claim = [test for test in tests if test.claim == number]
        judged = [t for t in of_claim if t.kind == "claim" and t.withheld is None]
        adjusted = holm(np.array([test.p_value for test in judged]))
        own = {id(test): float(p) for test, p in zip(judged, adjusted, strict=True)}
        for test in of_claim:
            alone = np.nan if test.withheld else test.p_value
            level = (1 - confidence) / (1 if test.kind == "check" else max(1, len(judged)))
            rows.append(test.row(own.get(id(test), alone), level, confidence))
    return rows
