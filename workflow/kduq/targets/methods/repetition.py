"""Methods that go by how often an answer repeats: the majority, and all answers that repeat.

Answers are the same if their texts are equal up to case and white space or, on a corpus without
answer distribution, if their embeddings are similar; see `kduq.statistics.clustering`.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from kduq.statistics.clustering import clusters_of_embeddings, clusters_of_texts
from kduq.targets import selection
from kduq.targets.methods.protocol import Answers, Method


def _clusters(answers: Answers) -> Iterator[np.ndarray]:
    """Clusters of the answers to each prompt."""
    if answers.equal_by_text:
        return map(clusters_of_texts, answers.texts)
    return map(clusters_of_embeddings, answers.embedded())


def _majority(answers: Answers) -> Sequence[Sequence[str]]:
    return [
        [texts[selection.majority(clusters)]]
        for texts, clusters in zip(answers.texts, _clusters(answers), strict=True)
    ]


def _denoised(answers: Answers) -> Sequence[Sequence[str]]:
    return [
        [texts[i] for i in selection.denoised(clusters)]
        for texts, clusters in zip(answers.texts, _clusters(answers), strict=True)
    ]


MAJORITY = Method("majority", _majority, embeds=True)
DENOISED = Method("denoised", _denoised, embeds=True)
