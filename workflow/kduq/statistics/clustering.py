"""Clusters of answers with one meaning."""

from collections.abc import Sequence

import numpy as np

#: Least cosine of the embeddings of two answers that count as one meaning.
SAME_MEANING = 0.9


def plain(text: str) -> str:
    """A text in lower case, with single spaces for white space and none at its ends."""
    return " ".join(text.casefold().split())


def clusters_of_texts(texts: Sequence[str]) -> np.ndarray:
    """Cluster answers whose texts are equal up to case and white space.

    Parameters
    ----------
    texts : sequence of str
        n answers to one prompt.

    Returns
    -------
    ndarray of int of shape (n,)
        Number of each answer's cluster, in the order in which clusters appear.
    """
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(plain(text), len(numbers)) for text in texts], np.intp)


def clusters_of_embeddings(embeddings: np.ndarray) -> np.ndarray:
    """Cluster answers whose embeddings are similar.

    Parameters
    ----------
    embeddings : ndarray of shape (n, D)
        Unit-norm embeddings of answers to one prompt.

    Returns
    -------
    ndarray of int of shape (n,)
        As in `clusters_of_texts`. An answer joins the first cluster to whose first answer it has a
        cosine of at least `SAME_MEANING`.
    """
    firsts: list[int] = []
    numbers = np.empty(len(embeddings), np.intp)
    for i, embedding in enumerate(embeddings):
        near = np.flatnonzero(embeddings[firsts] @ embedding >= SAME_MEANING)
        if not near.size:
            firsts.append(i)
        numbers[i] = near[0] if near.size else len(firsts) - 1
    return numbers
