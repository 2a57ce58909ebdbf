"""Metrics of text: whether a model is less sure of its wrong answers than of its right ones."""

from functools import lru_cache

import numpy as np

from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.metrics.protocol import Metric
from kduq.statistics import Estimate


@lru_cache(maxsize=2)
def _pairs(scores: ModelScores) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a wrong and a right answer of a model, by their prompts.

    Returns
    -------
    ordered : ndarray of shape (S, P, P)
        Number of pairs of a wrong answer to the first prompt and a right one to the second in which
        the wrong one is less probable; equally probable ones count half.
    wrong : ndarray of int of shape (S, P)
        Number of wrong answers.
    """
    logprobs = scores.answers.logprobs
    assert logprobs is not None
    n, size, draws = logprobs.shape
    ordered = np.zeros((n, size, size))
    for s in range(n):
        bad = scores.hallucinated[s].astype(bool).reshape(-1)
        values = logprobs[s].reshape(-1)
        prompt = np.repeat(np.arange(size), draws)
        wins = (values[bad, None] < values[~bad]) + (values[bad, None] == values[~bad]) / 2
        np.add.at(ordered[s], (prompt[bad][:, None], prompt[~bad][None]), wins)
    return ordered, scores.hallucinated.sum(axis=2)


def _usable(scores: ModelScores) -> bool:
    known = scores.answers.logprobs is not None and scores.n_draws > 0
    return known and bool(np.isfinite(scores.hallucinated).all()) and scores.within.size > 0


def _auroc(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    """Area under the receiver operating characteristic; see Hanley & McNeil 1982.

    The probability that a wrong answer is less probable under the model than a right one. It is
    the mean over the models that have answers of both kinds, and NaN if a model that is left out
    leaves none.
    """
    if not _usable(scores):
        return None
    ordered, wrong = _pairs(scores)

    def statistic(models: np.ndarray, members: np.ndarray) -> float:
        bad = wrong[np.ix_(models, members)].sum(axis=1)
        number = bad * (len(members) * scores.n_draws - bad)
        concordant = ordered[np.ix_(models, members, members)].sum(axis=(1, 2))
        return (
            float((concordant[number > 0] / number[number > 0]).mean()) if number.any() else np.nan
        )

    return scores.jackknife(statistic, prompts, confidence)


def rejection_ratio(wrong: np.ndarray, uncertainty: np.ndarray) -> float:
    """Prediction-rejection ratio (Malinin & Gales 2021; as in the package lm-polygraph).

    Parameters
    ----------
    wrong : ndarray of shape (n,)
        Whether each answer is wrong, 0 or 1.
    uncertainty : ndarray of shape (n,)
        Answers are rejected in descending order of it.

    Returns
    -------
    float
        Mean, over the number of rejected answers, of the share of right answers among those that
        remain; less the share of right answers among all, which random rejection has, and divided
        by the same for rejection that knows which answers are wrong: 1 for the latter, 0 for no
        relation. NaN without answers of both kinds.
    """
    n, bad = len(wrong), float(wrong.sum())
    if not 0 < bad < n:
        return np.nan
    # Equally uncertain answers are rejected in random order: each has their mean error.
    _, inverse = np.unique(uncertainty, return_inverse=True)
    mean = np.bincount(inverse, wrong) / np.bincount(inverse)
    kept = np.arange(1, n + 1)
    own = (np.cumsum(mean[inverse][np.argsort(uncertainty, kind="stable")]) / kept).mean()
    best = (np.maximum(kept - (n - bad), 0) / kept).mean()
    return float((bad / n - own) / (bad / n - best))


def _prr(scores: ModelScores, prompts: np.ndarray, confidence: float) -> Estimate | None:
    if not _usable(scores):
        return None
    logprobs = scores.answers.logprobs
    assert logprobs is not None
    known: dict[tuple[int, bytes], float] = {}

    def of_model(model: int, members: np.ndarray) -> float:
        key = model, members.tobytes()
        if key not in known:
            known[key] = rejection_ratio(
                scores.hallucinated[model, members].reshape(-1),
                -logprobs[model, members].reshape(-1),
            )
        return known[key]

    def statistic(models: np.ndarray, members: np.ndarray) -> float:
        ratios = np.array([of_model(int(model), members) for model in models])
        return float(ratios[np.isfinite(ratios)].mean()) if np.isfinite(ratios).any() else np.nan

    return scores.jackknife(statistic, prompts, confidence)


ERROR_AUROC = Metric(
    "error_auroc",
    "text",
    "AUROC of wrong answers by the model's own log-probability",
    _auroc,
    of_teacher=True,
)
PREDICTION_REJECTION_RATIO = Metric(
    "prr",
    "text",
    "prediction-rejection ratio of wrong answers",
    _prr,
    of_teacher=True,
)
