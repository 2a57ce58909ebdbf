"""Metrics of text: how well students reflect the teacher's uncertainty, prompt by prompt."""

from collections.abc import Callable

import numpy as np
import scipy

from kduq import statistics
from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.metrics.protocol import Metric
from kduq.estimates.metrics.sequence_entropy import (
    meanings,
    semantic_entropy,
    sequence_entropies,
)
from kduq.statistics import Estimate
from kduq.statistics.clustering import clusters_of_texts

#: Fewest prompts over which a relation is estimated.
_FEWEST_PROMPTS = 4
#: Most prompts of which all pairs are compared at once: faster than in turn, but memory grows with
#: their square.
_MOST_PAIRED = 200
#: Returns the relation of values of shape (S, n) with values of shape (n,), one per row.
_Relation = Callable[[np.ndarray, np.ndarray], np.ndarray]


def correlation(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each row of values (S, n) with other (n,); NaN if constant."""
    return slope(*(_standardised(scipy.stats.rankdata(v, axis=-1)) for v in (values, other)))


def kendall(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row of values (S, n) with other (n,); NaN if one is constant."""
    if len(other) > _MOST_PAIRED:
        return np.array([scipy.stats.kendalltau(row, other).statistic for row in values])
    signs = np.sign(values[:, :, None] - values[:, None])
    own = np.sign(other[:, None] - other)
    with np.errstate(invalid="ignore"):
        norm = np.sqrt((signs**2).sum(axis=(1, 2)) * (own**2).sum())
        return (signs * own).sum(axis=(1, 2)) / np.where(norm > 0, norm, np.nan)


def slope(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Slope of the regression of each row of values (S, n) on other (n,), NaN if constant."""
    away = other - other.mean()
    squares = (away**2).sum()
    return values @ away / (squares if squares > 0 else np.nan)


def _standardised(ranks: np.ndarray) -> np.ndarray:
    away = ranks - ranks.mean(axis=-1, keepdims=True)
    norm = np.sqrt((away**2).sum(axis=-1, keepdims=True))
    return away / np.where(norm > 0, norm, np.nan)


def _relation(name: str, label: str, relation: _Relation) -> Metric:
    def estimate(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
        pair = _entropies(scores)
        if pair is None:
            return None
        own, teacher = pair

        def statistic(models: np.ndarray, members: np.ndarray) -> float:
            if len(members) < _FEWEST_PROMPTS:
                return np.nan
            return float(relation(own[np.ix_(models, members)], teacher[members]).mean())

        return scores.jackknife(statistic, prompts, confidence)

    return Metric(name, "text", label, estimate)


def _entropies(scores: ModelScores) -> tuple[np.ndarray, np.ndarray] | None:
    """Sequence entropies of students (S, P) and of the teacher (P,)."""
    teacher = scores.teacher
    if teacher is None or scores.answers.logprobs is None or teacher.answers.logprobs is None:
        return None
    return sequence_entropies(scores), sequence_entropies(teacher)[0]


def _ensemble(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    """Relation of the entropy of all students' answers together with the teacher's.

    The entropy of an ensemble is that of the meanings of its members' pooled answers.
    """
    pair = _entropies(scores)
    if pair is None or scores.n_models < 2:
        return None
    texts, embedded = scores.answers.texts, scores.answers.embeddings
    n_models, n_prompts, draws = texts.shape
    numbers: list[np.ndarray] = []
    if scores.references.has_answer_distribution:
        # Equal texts are equal whichever others are there: they are compared once.
        every = (clusters_of_texts(list(texts[:, p].reshape(-1))) for p in range(n_prompts))
        numbers = [own.reshape(n_models, draws) for own in every]

    def sizes(models: np.ndarray, prompt: int) -> np.ndarray:
        if numbers:
            counts = np.bincount(numbers[prompt][models].reshape(-1))
            return counts[counts > 0]
        vectors = embedded[models, prompt].reshape(-1, embedded.shape[-1])
        return meanings(texts[models, prompt].reshape(-1), vectors, by_text=False)

    # Unaffected by which prompts are left out, and costly.
    entropies: dict[tuple[int, ...], np.ndarray] = {}

    def pooled(models: np.ndarray) -> np.ndarray:
        key = tuple(models.tolist())
        if key not in entropies:
            entropies[key] = np.array(
                [semantic_entropy(sizes(models, p)) for p in range(n_prompts)]
            )
        return entropies[key]

    def statistic(models: np.ndarray, members: np.ndarray) -> float:
        if len(members) < _FEWEST_PROMPTS:
            return np.nan
        return float(correlation(pooled(models)[None, members], pair[1][members])[0])

    return scores.jackknife(statistic, prompts, confidence)


def _ceiling(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    """Largest rank correlation that sampling allows: the reliability of the teacher's entropies.

    Correlation between entropies from the two halves of its draws, for as many draws as both halves
    together (Spearman 1910; Brown 1910): 2r/(1 + r).
    """
    logprobs = scores.answers.logprobs
    if scores.teacher is not None or logprobs is None or scores.n_draws < 2 or not len(logprobs):
        return None
    halves = [-logprobs[0, :, start::2].mean(axis=1) for start in (0, 1)]

    def statistic(models: np.ndarray, members: np.ndarray) -> float:
        del models
        if len(members) < _FEWEST_PROMPTS:
            return np.nan
        half = float(correlation(halves[0][None, members], halves[1][members])[0])
        return 2 * half / (1 + half) if half > -1 else np.nan

    return scores.jackknife(statistic, prompts, confidence)


def _distance(name: str, label: str, distance: Callable[..., np.ndarray], whole: bool) -> Metric:
    def estimate(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
        if scores.teacher is None or not scores.references.has_answer_distribution:
            return None
        q, own = scores.probabilities, scores.teacher.probabilities[0]
        if not whole:
            return scores.mean(distance(q, own), prompts, confidence)
        if scores.n_models < 2:
            return None

        def statistic(models: np.ndarray, members: np.ndarray) -> float:
            return float(distance(q[models].mean(axis=0)[members], own[members]).mean())

        return scores.jackknife(statistic, prompts, confidence)

    return Metric(name, "text", label, estimate)


def total_variation(q: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Σ |q - p| / 2 over the last axis, between 0 and 1."""
    return np.abs(q - own).sum(axis=-1) / 2


def jensen_shannon(q: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence over the last axis, in nats, between 0 and log 2 (Lin 1991)."""
    middle = (q + own) / 2
    entropies = statistics.entropy(middle) - statistics.entropy(q) / 2
    return np.maximum(entropies - statistics.entropy(np.broadcast_to(own, q.shape)) / 2, 0)


RANK_CORRELATION = _relation(
    "entropy_rank_correlation",
    "rank correlation of a student's entropy with the teacher's, over prompts",
    correlation,
)
KENDALL = _relation(
    "entropy_kendall_correlation",
    "Kendall's correlation of a student's entropy with the teacher's, over prompts",
    kendall,
)
SLOPE = _relation("entropy_slope", "slope of a student's entropy on the teacher's", slope)
ENSEMBLE_RANK_CORRELATION = Metric(
    "ensemble_entropy_rank_correlation",
    "text",
    "rank correlation of the entropy of all students' answers with the teacher's",
    _ensemble,
)
CEILING = Metric(
    "entropy_rank_correlation_ceiling",
    "text",
    "largest rank correlation that sampling allows",
    _ceiling,
    of_teacher=True,
)
TOTAL_VARIATION = _distance(
    "total_variation_from_teacher",
    "total variation distance from the teacher",
    total_variation,
    whole=False,
)
JENSEN_SHANNON = _distance(
    "js_from_teacher",
    "Jensen-Shannon divergence from the teacher (nats)",
    jensen_shannon,
    whole=False,
)
ENSEMBLE_TOTAL_VARIATION = _distance(
    "ensemble_total_variation_from_teacher",
    "total variation distance of the students' mean distribution from the teacher",
    total_variation,
    whole=True,
)
