"""Metrics of text: entropy of a model's answers, as sequences and as meanings."""

from functools import lru_cache

import numpy as np

from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.metrics.protocol import Metric
from kduq.statistics import Estimate
from kduq.statistics.clustering import clusters_of_embeddings, clusters_of_texts


def sequence_entropies(scores: ModelScores) -> np.ndarray:
    """Entropy of each model's answers to each prompt, shape (S, P), in nats.

    The mean over its sampled answers of minus their log-probability, which is unbiased for the
    entropy of the distribution over whole answers if they are sampled at temperature 1 without
    truncation.

    Raises
    ------
    ValueError
        If the answers' log-probabilities are missing.
    """
    logprobs = scores.answers.logprobs
    if logprobs is None:
        raise ValueError("the log-probabilities of the answers are missing")
    if not scores.n_draws:
        return np.zeros(scores.within.shape)
    entropies: np.ndarray = -logprobs.mean(axis=2)
    return entropies


def meanings(texts: np.ndarray, embeddings: np.ndarray, by_text: bool) -> np.ndarray:
    """Sizes of the clusters of answers with one meaning.

    Parameters
    ----------
    texts : ndarray of str objects of shape (n,)
        Answers to one prompt.
    embeddings : ndarray of shape (n, D)
        Their unit-norm embeddings.
    by_text : bool
        Whether answers mean the same if their texts are equal up to case and white space. If not,
        their embeddings decide; see `kduq.statistics.clustering`.

    Returns
    -------
    ndarray of int
        The sizes, which sum to n.
    """
    numbers = clusters_of_texts(list(texts)) if by_text else clusters_of_embeddings(embeddings)
    return np.bincount(numbers)


def semantic_entropy(sizes: np.ndarray) -> float:
    """Entropy of the shares of clusters, corrected for its bias, in nats.

    The plug-in estimate of the discrete semantic entropy (Farquhar et al. 2024) is too low by about
    (m - 1)/2n for m clusters of n answers (Miller 1955), which is added.
    """
    shares = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum() + (len(sizes) - 1) / (2 * sizes.sum()))


@lru_cache(maxsize=4)
def semantic_entropies(scores: ModelScores) -> np.ndarray:
    """Semantic entropy of each model's answers to each prompt, shape (S, P), in nats."""
    texts, embedded = scores.answers.texts, scores.answers.embeddings
    by_text = scores.references.has_answer_distribution
    values = np.full(scores.within.shape, np.nan)
    for s, row in enumerate(values if scores.n_draws else ()):
        for p in range(len(row)):
            row[p] = semantic_entropy(meanings(texts[s, p], embedded[s, p], by_text))
    return values


def _sequence(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    if scores.answers.logprobs is None:
        return None
    return scores.mean(sequence_entropies(scores), prompts, confidence)


def _ratio(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    teacher = scores.teacher
    if teacher is None or scores.answers.logprobs is None or teacher.answers.logprobs is None:
        return None
    entropies, own = sequence_entropies(scores), sequence_entropies(teacher)[0]

    def ratio(models: np.ndarray, members: np.ndarray) -> float:
        whole = float(own[members].mean())
        return float(entropies[np.ix_(models, members)].mean()) / (whole or np.nan)

    return scores.jackknife(ratio, prompts, confidence)


def _semantic(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate:
    return scores.mean(semantic_entropies(scores), prompts, confidence)


SEQUENCE_ENTROPY = Metric(
    "sequence_entropy",
    "text",
    "entropy of the answers as sequences (nats)",
    _sequence,
    of_teacher=True,
)
SEQUENCE_ENTROPY_RATIO = Metric(
    "sequence_entropy_ratio",
    "text",
    "sequence entropy over the teacher's",
    _ratio,
)
SEMANTIC_ENTROPY = Metric(
    "semantic_entropy",
    "text",
    "entropy of the answers' meanings (nats)",
    _semantic,
    of_teacher=True,
)
