"""Variance weighting: the response nearest to the mix of the teacher's and a student's means."""

from collections.abc import Sequence

import numpy as np

from kduq.targets.methods.averaging import select_nearest
from kduq.targets.methods.protocol import Answers, Method
from kduq.targets.selection import cross_fitted_centroids


def weighted_centroids(responses: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Inverse-variance mix of the teacher's centroid and the student's own.

    See Cui & Pei (2026), section 7.

    Parameters
    ----------
    responses : ndarray of shape (n, k, D)
        The teacher's responses to each prompt, k at least 2.
    own : ndarray of shape (n, k, D)
        Answers that a student samples to each.

    Returns
    -------
    ndarray of shape (n, D)
        (T/v_T + S/v_S)/(1/v_T + 1/v_S) per prompt, with the means T and S and their variances v,
        the trace of the unbiased covariance over k. If both variances are zero, both means have
        equal weight.
    """
    means, variances = [], []
    for draws in (responses, own):
        means.append(draws.mean(axis=1))
        variances.append(draws.var(axis=1, ddof=1).sum(axis=1) / draws.shape[1])
    total = variances[0] + variances[1]
    share = np.divide(variances[1], total, out=np.full(len(total), 0.5), where=total > 0)
    return share[:, None] * means[0] + (1 - share)[:, None] * means[1]


def _cross_fitted(answers: Answers) -> Sequence[Sequence[str]]:
    centroids, _ = cross_fitted_centroids(answers.embedded(), answers.embedded_pilots())
    return select_nearest(answers, centroids)


def _prior(answers: Answers) -> Sequence[Sequence[str]]:
    centroids = weighted_centroids(answers.embedded(), answers.embedded_prior())
    return select_nearest(answers, centroids)


#: The student's mean is that of pilots which did not learn the prompt.
CROSS_FITTED = Method("variance_weighting", _cross_fitted, embeds=True, pilots=2)
#: The student's mean is that of the untrained student, as in the paper.
PRIOR = Method("variance_weighting_prior", _prior, embeds=True, has_prior=True)
