"""Metrics of text: uncertainty of the exact distribution over supported answers.

All other answers count as one more answer, so entropies are lower bounds where a model gives many
of them.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from kduq import statistics
from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.metrics.protocol import Metric
from kduq.statistics import Estimate
from kduq.statistics.information import FEWEST_FOR_INFORMATION, is_seen

#: Returns a statistic of probabilities (S, P, A), corrected for its bias.
_Statistic = Callable[[np.ndarray], float]


def _metric(name: str, label: str, statistic: _Statistic, biased: bool = False) -> Metric:
    """A metric; if it is biased where answers are rare, without an interval there."""

    def estimate(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
        if scores.teacher is None or not scores.references.has_answer_distribution:
            return None
        q = scores.probabilities
        found = scores.jackknife(
            lambda models, members: statistic(q[np.ix_(models, members)]), prompts, confidence
        )
        few = scores.n_models < FEWEST_FOR_INFORMATION
        if biased and (few or not is_seen(q.sum(axis=0), q.max(axis=0))):
            return dataclasses.replace(found, low=np.nan, high=np.nan)
        return found

    return Metric(name, "text", label, estimate)


def _total_entropy(q: np.ndarray) -> float:
    """H(mean q), corrected by the jackknife (Quenouille 1956)."""
    n = len(q)
    if n < 2:
        return np.nan
    total = q.sum(axis=0)
    whole = statistics.entropy(total / n).mean()
    rest = np.mean([statistics.entropy(np.maximum(total - s, 0) / (n - 1)).mean() for s in q])
    return float(n * whole - (n - 1) * rest)


def _mutual_information(q: np.ndarray) -> float:
    return _total_entropy(q) - float(statistics.entropy(q).mean()) if len(q) > 1 else np.nan


def _gini_intra(q: np.ndarray) -> float:
    return float((1 - (q**2).sum(axis=-1)).mean()) if len(q) else np.nan


def _gini_inter(q: np.ndarray) -> float:
    return float(q.var(axis=0, ddof=1).sum(axis=-1).mean()) if len(q) > 1 else np.nan


MUTUAL_INFORMATION = _metric(
    "mutual_information",
    "mutual information between students (nats)",
    _mutual_information,
    biased=True,
)
TOTAL_ENTROPY = _metric(
    "total_entropy",
    "entropy of the students' mean distribution (nats)",
    _total_entropy,
    biased=True,
)
GINI_INTRA = _metric("gini_intra", "1 - Σ p² of one student", _gini_intra)
GINI_INTER = _metric("gini_inter", "part of 1 - Σ p² between students", _gini_inter)
