"""What a student of a language model learns: which of a teacher's responses a method selects.

A method gives the texts of each prompt that are taught, by their numbers among the k responses.
"""

import math

import numpy as np


def repeats_needed(k: int) -> int:
    """Number of equal responses that `denoised` asks for.

    Parameters
    ----------
    k : int
        Responses per prompt.

    Returns
    -------
    int
        1 + ⌈k/10⌉, at most k: an answer must repeat, and more often the more responses there are.
        An error with probability q repeats that often with a probability of about
        (k q)^m / m! for small k q, a legitimate answer of share p is lost where it does not. At
        k = 10, m = 2: an error that one response in fifty gives stays in 1.6 % of prompts, and an
        answer of a third is lost in 10 %.
    """
    return min(k, 1 + math.ceil(k / 10))


def majority(clusters: np.ndarray) -> int:
    """The first response of the largest cluster; of equal clusters the one that appears first.

    Parameters
    ----------
    clusters : ndarray of int of shape (k,)
        Cluster of each response; see `kduq.statistics.clustering`.

    Returns
    -------
    int
        Its number.
    """
    return int(np.argmax(clusters == np.bincount(clusters).argmax()))


def denoised(clusters: np.ndarray) -> np.ndarray:
    """Responses in clusters that repeat often enough.

    Parameters
    ----------
    clusters : ndarray of int of shape (k,)
        Cluster of each response.

    Returns
    -------
    ndarray of int
        Numbers of the responses in clusters of at least `repeats_needed` members; where there is no
        such cluster, of those in the largest one.
    """
    sizes = np.bincount(clusters)
    kept = np.flatnonzero(sizes[clusters] >= repeats_needed(len(clusters)))
    return kept if len(kept) else np.flatnonzero(clusters == sizes.argmax())


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


def cross_fitted_centroids(responses: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, float]:
    """Inverse-variance mix of the teacher's centroids and those of pilots that did not see them.

    Parameters
    ----------
    responses : ndarray of shape (n, k, D)
        The teacher's responses to each prompt, k at least 2.
    own : ndarray of shape (n, J, D)
        Answers to each prompt of a pilot student that learned other prompts.

    Returns
    -------
    centroids : ndarray of shape (n, D)
        w T + (1 - w) S, with the means T and S.
    weight : float
        w = m_S / (m_S + v_T). v_T, the variance of T, is the pooled variance within prompts over k.
        m_S, variance plus squared bias of S, is the mean squared distance of T and S less v_T, and
        not below 0: the pilot did not learn from T, so their errors are independent. If both are
        zero, T and S are equal and w is 1.
    """
    means, pilots = responses.mean(axis=1), own.mean(axis=1)
    k = responses.shape[1]
    variance = float(responses.var(axis=1, ddof=1).sum(axis=1).mean()) / k
    distance = float(((means - pilots) ** 2).sum(axis=1).mean())
    error = max(distance - variance, 0.0)
    weight = error / (error + variance) if error + variance > 0 else 1.0
    return weight * means + (1 - weight) * pilots, weight
