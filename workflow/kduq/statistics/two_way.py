"""Standard errors over students and prompts, both of which are random.

A study of language models draws its students and its prompts. A mean over both varies with either
draw. Wordings of one question share their answers, so questions, not prompts, are drawn.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy

from kduq.statistics.intervals import Estimate

#: Most groups of questions that a jackknife leaves out, one at a time.
_MOST_GROUPS = 200
#: Returns a statistic of some students and prompts from arrays of their numbers.
Statistic = Callable[[np.ndarray, np.ndarray], float]


def jackknife_variance(left_out: np.ndarray) -> float:
    """Variance of a statistic from its leave-one-out values.

    Parameters
    ----------
    left_out : ndarray of shape (n,)
        The statistic without unit i.

    Returns
    -------
    float
        (n - 1)/n · Σ (left_out - mean)² (Efron & Stein 1981); NaN for fewer than two units, or if
        a value is not finite.
    """
    n = len(left_out)
    if n < 2 or not np.isfinite(left_out).all():
        return np.nan
    return float((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))


def degrees_of_freedom(
    se_students: float, se_prompts: float, n_students: int, n_prompts: int
) -> float:
    """Degrees of freedom of the sum of two squared standard errors (Satterthwaite 1946).

    Parameters
    ----------
    se_students, se_prompts : float
        Standard errors over students and over questions; NaN for one that is not available.
    n_students, n_prompts : int
        Numbers of students and questions.

    Returns
    -------
    float
        (a + b)² / (a²/(n_students - 1) + b²/(n_prompts - 1)) for the squares a and b; without an
        error the larger of the two degrees.
    """
    parts = [
        (se**2, n - 1)
        for se, n in ((se_students, n_students), (se_prompts, n_prompts))
        if np.isfinite(se) and n > 1
    ]
    total = sum(square for square, _ in parts)
    if not total > 0:
        return float(max((degrees for _, degrees in parts), default=1))
    return float(total**2 / sum(square**2 / degrees for square, degrees in parts))


def two_way(
    value: float,
    without_student: np.ndarray | None,
    without_question: np.ndarray,
    confidence: float,
    shared: float = 0.0,
) -> Estimate:
    """Estimate with standard errors over students, over questions, and over both.

    Parameters
    ----------
    value : float
        The statistic on all students and prompts.
    without_student : ndarray of shape (S,), optional
        The statistic without student s; None for a model that is not drawn, the teacher.
    without_question : ndarray of shape (Q,)
        The statistic without the prompts of question q.
    confidence : float
        Coverage of the interval.
    shared : float
        Variance that both jackknives contain, that of the interaction of students and questions.
        Where it is not known, 0 makes the interval too wide.

    Returns
    -------
    Estimate
        se² = se_students² + se_prompts² - shared, at least the larger of the two (Cameron, Gelbach
        & Miller 2011, Journal of Business & Economic Statistics 29, 238-249, for means), and limits
        from Student's t. With fewer than two questions se is that over students. Without a standard
        error over drawn students there is no interval.
    """
    over_prompts = jackknife_variance(without_question)
    n = 1 if without_student is None else len(without_student)
    over_students = np.nan if without_student is None else jackknife_variance(without_student)
    parts = [part for part in (over_students, over_prompts) if np.isfinite(part)]
    known = without_student is None or np.isfinite(over_students)
    if not parts or not known or not np.isfinite(value):
        total, half = np.nan, np.nan
    else:
        total = np.sqrt(max(sum(parts) - (shared if len(parts) > 1 else 0.0), *parts))
        degrees = degrees_of_freedom(
            float(np.sqrt(over_students)), float(np.sqrt(over_prompts)), n, len(without_question)
        )
        half = float(scipy.stats.t.ppf(0.5 + confidence / 2, degrees)) * total
    return Estimate(
        value,
        float(total),
        value - half,
        value + half,
        n,
        float(np.sqrt(over_students)),
        float(np.sqrt(over_prompts)),
        len(without_question),
    )


def two_way_mean(
    scores: np.ndarray, questions: np.ndarray, confidence: float, drawn: bool = True
) -> Estimate:
    """Mean over students and prompts.

    Parameters
    ----------
    scores : ndarray of shape (S, P)
        One score per student and prompt.
    questions : ndarray of shape (P,)
        Question of each prompt.
    confidence : float
        Coverage of the interval.
    drawn : bool
        Whether the students are drawn; False for the teacher.

    Returns
    -------
    Estimate
        See `two_way`. The shared variance is that of the residuals of rows and columns, summed over
        the prompts of a question; for one prompt per question, MS_residual/(S·P) of the two-way
        analysis of variance.
    """
    n, size = scores.shape
    if n == 0 or size == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    value = float(scores.mean())
    inverse, counts = _numbered(questions)
    rows, columns = scores.sum(axis=1), scores.sum(axis=0)
    total = scores.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        without_student = (total - rows) / ((n - 1) * size)
        of_question = np.bincount(inverse, columns, len(counts))
        without_question = (total - of_question) / (n * (size - counts))
    shared = 0.0
    if n > 1 and len(counts) > 1:
        residuals = scores - rows[:, None] / size - columns / n + value
        sums = np.stack([np.bincount(inverse, row, len(counts)) for row in residuals])
        factor = n / (n - 1) * len(counts) / (len(counts) - 1)
        shared = float(factor * ((sums / (n * size)) ** 2).sum())
    return two_way(value, without_student if drawn else None, without_question, confidence, shared)


def two_way_jackknife(
    statistic: Statistic,
    n_students: int,
    questions: np.ndarray,
    confidence: float,
    drawn: bool = True,
) -> Estimate:
    """Any statistic of students and prompts, with its jackknife over each.

    Parameters
    ----------
    statistic : callable
        Returns the statistic of some students and prompts from arrays of their numbers.
    n_students : int
        Number of students.
    questions : ndarray of shape (P,)
        Question of each prompt.
    confidence : float
        Coverage of the interval.
    drawn : bool
        Whether the students are drawn; False for the teacher.

    Returns
    -------
    Estimate
        See `two_way`. Variance that both jackknives contain is counted twice, so the interval is
        too wide where students differ between prompts more than on average. More than 200 questions
        are left out in 200 groups of equal size (delete-a-group jackknife; Kott 2001, Journal of
        Official Statistics 17, 521-526), so that the cost grows with the questions, not with their
        square.
    """
    students, prompts = np.arange(n_students), np.arange(len(questions))
    if n_students == 0 or len(prompts) == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    inverse, counts = _numbered(questions)
    groups = _grouped(len(counts))
    without_student = None
    if drawn:
        kept = [np.delete(students, s) for s in students] if n_students > 1 else []
        without_student = np.array([statistic(rest, prompts) for rest in kept] or [np.nan])
    left = [prompts[groups[inverse] != g] for g in range(groups.max() + 1)]
    left = left if len(counts) > 1 else []
    without_question = np.array([statistic(students, rest) for rest in left] or [np.nan])
    whole = two_way(statistic(students, prompts), without_student, without_question, confidence)
    return replace(whole, n_prompts=len(counts))


def _grouped(n_questions: int) -> np.ndarray:
    """Group of each question, of which the jackknife leaves out one at a time."""
    if n_questions <= _MOST_GROUPS:
        return np.arange(n_questions)
    # Neighbouring questions may be alike: a fixed permutation mixes them.
    order = np.random.default_rng(0).permutation(n_questions)
    return order % _MOST_GROUPS


def _numbered(questions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Questions numbered from zero, and their numbers of prompts."""
    _, inverse, counts = np.unique(questions, return_inverse=True, return_counts=True)
    return inverse, counts
