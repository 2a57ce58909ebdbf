"""Metric of text: what a model keeps of the distribution over the right answers."""

import numpy as np

from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.metrics.protocol import Metric
from kduq.statistics import Estimate

#: Probability of all right answers together below which a model has none of their distribution.
_LEAST = 1e-12


def total_variation_among_right(
    probabilities: np.ndarray, truth: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Distance of a model's distribution over the right answers from the true one.

    Parameters
    ----------
    probabilities : ndarray of shape (S, P, A)
        Probabilities of all answers.
    truth : ndarray of shape (P, A)
        True probabilities, which add up to 1 over the right answers.
    right : ndarray of bool of shape (P, A)
        Which answers are right.

    Returns
    -------
    ndarray of shape (S, P)
        Σ |q/Q - t| / 2 over the right answers, with their probability Q under the model: wrong
        answers do not matter, however probable. 1 where Q is zero, 0 where one answer is right.
    """
    own = np.where(right, probabilities, 0.0)
    mass = own.sum(axis=-1, keepdims=True)
    distance = np.abs(own / np.maximum(mass, _LEAST) - np.where(right, truth, 0.0)).sum(axis=-1) / 2
    return np.where(mass[..., 0] > _LEAST, distance, 1.0)


def _estimate(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    references = scores.references
    if not references.has_answer_distribution:
        return None
    values = total_variation_among_right(scores.probabilities, references.truth, references.right)
    return scores.mean(values, prompts, confidence)


TOTAL_VARIATION_AMONG_RIGHT = Metric(
    "total_variation_among_right",
    "text",
    "distance from the true distribution among the right answers",
    _estimate,
    of_teacher=True,
)
