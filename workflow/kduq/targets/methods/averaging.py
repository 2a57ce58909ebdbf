"""Averaging: the response whose embedding is nearest to the mean of all."""

from collections.abc import Sequence

import numpy as np

from kduq.targets.methods.protocol import Answers, Method
from kduq.targets.selection import nearest


def select_nearest(answers: Answers, centroids: np.ndarray) -> Sequence[Sequence[str]]:
    """The answer to each prompt that is nearest to its centroid, of shape (n, D)."""
    numbers = nearest(centroids, answers.embedded())
    return [[texts[i]] for texts, i in zip(answers.texts, numbers, strict=True)]


def _select(answers: Answers) -> Sequence[Sequence[str]]:
    return select_nearest(answers, answers.embedded().mean(axis=1))


METHOD = Method("averaging", _select, embeds=True)
