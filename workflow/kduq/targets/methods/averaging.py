"""Averaging: the response whose embedding is nearest to the mean of all."""

from collections.abc import Sequence

import numpy as np

from kduq.targets.methods.protocol import Answers, Method


def nearest(centroids: np.ndarray, embedded: np.ndarray) -> np.ndarray:
    """Number of the response nearest to each prompt's centroid.

    Parameters
    ----------
    centroids : ndarray of shape (n, D)
        Targets in embedding space.
    embedded : ndarray of shape (n, k, D)
        Responses.

    Returns
    -------
    ndarray of shape (n,)
        The first response at the least Euclidean distance, up to rounding.
    """
    squared = ((embedded - centroids[:, None]) ** 2).sum(axis=2)
    # Equal texts have equal distances; rounding must not decide between them.
    return np.argmin(np.round(squared, 6), axis=1)


def select_nearest(answers: Answers, centroids: np.ndarray) -> Sequence[Sequence[str]]:
    """The answer to each prompt that is nearest to its centroid, of shape (n, D)."""
    numbers = nearest(centroids, answers.embedded())
    return [[texts[i]] for texts, i in zip(answers.texts, numbers, strict=True)]


def _select(answers: Answers) -> Sequence[Sequence[str]]:
    return select_nearest(answers, answers.embedded().mean(axis=1))


METHOD = Method("averaging", _select, embeds=True)
