"""Metrics of text: how often greedy answers are equal, up to case and white space."""

import numpy as np

from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.metrics.protocol import Metric
from kduq.statistics import Estimate
from kduq.statistics.clustering import plain


def _greedy(scores: ModelScores) -> np.ndarray | None:
    """Greedy answers of the models, shape (S, P); None where they were not asked for."""
    greedy = scores.answers.greedy
    if greedy is None:
        return None
    texts = [plain(text) for text in greedy.flat]
    return np.array(texts, dtype=object).reshape(greedy.shape)


def _students(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    greedy = _greedy(scores)
    if greedy is None or scores.teacher is None:
        return None
    equal = (greedy[:, None] == greedy[None]).transpose(2, 0, 1).astype(float)

    def agreement(models: np.ndarray, members: np.ndarray) -> float:
        n = len(models)
        if n < 2 or not len(members):
            return np.nan
        # Every student agrees with itself.
        pairs = equal[np.ix_(members, models, models)].sum(axis=(1, 2)) - n
        return float(pairs.mean() / (n * (n - 1)))

    return scores.jackknife(agreement, prompts, confidence)


def _teacher(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    greedy = _greedy(scores)
    own = None if scores.teacher is None else _greedy(scores.teacher)
    if greedy is None or own is None:
        return None
    return scores.mean((greedy == own[0]).astype(float), prompts, confidence)


STUDENT_AGREEMENT = Metric(
    "student_agreement", "text", "share of equal greedy answers of two students", _students
)
TEACHER_AGREEMENT = Metric(
    "teacher_agreement", "text", "share of greedy answers equal to the teacher's", _teacher
)
