"""Metrics of text: whether a model is less sure of its wrong answers than of its right ones."""

from functools import cache

import numpy as np

from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.metrics.protocol import Metric
from kduq.statistics import Estimate


def _more_probable(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each value, how many of the others, ascending, are larger; equal ones count half."""
    first, last = (np.searchsorted(others, values, side) for side in ("left", "right"))
    halves: np.ndarray = len(others) - (first + last) / 2
    return halves


class _Pairs:
    """Pairs of a wrong and a right answer of a model in which the wrong one is less probable.

    Equally probable ones count half. Only sums over pairs are kept, so that the memory grows with
    the number of answers and not with its square.

    Parameters
    ----------
    logprobs : ndarray of shape (S, P, J)
        Log-probabilities of the answers of S models.
    wrong : ndarray of bool of shape (S, P, J)
        Whether each is wrong.
    """

    def __init__(self, logprobs: np.ndarray, wrong: np.ndarray) -> None:
        self._logprobs, self._wrong = logprobs, wrong
        #: Pairs of each model that have an answer to a prompt, shape (S, P); those with both
        #: answers to it count twice.
        self._touching = np.zeros(wrong.shape[:2])
        #: All pairs of each model, shape (S,).
        self._all = np.zeros(len(wrong))
        for s, (values, bad) in enumerate(zip(logprobs, wrong, strict=True)):
            counts = np.zeros(bad.shape)
            counts[bad] = _more_probable(values[bad], np.sort(values[~bad]))
            self._all[s] = counts.sum()
            # Of a right answer the wrong ones that are less probable: by their negative values.
            counts[~bad] = _more_probable(-values[~bad], np.sort(-values[bad]))
            self._touching[s] = counts.sum(axis=1)

    def without(self, models: np.ndarray, left_out: np.ndarray) -> np.ndarray:
        """Pairs of some models, by their numbers, whose answers are to other prompts than some."""
        inner = [
            _more_probable(values[bad], np.sort(values[~bad])).sum()
            for values, bad in (
                (self._logprobs[s, left_out], self._wrong[s, left_out]) for s in models
            )
        ]
        touching = self._touching[np.ix_(models, left_out)].sum(axis=1)
        pairs: np.ndarray = self._all[models] - touching + np.array(inner)
        return pairs


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
    logprobs = scores.answers.logprobs
    assert logprobs is not None
    numbers, hallucinated = np.flatnonzero(prompts), scores.hallucinated.astype(bool)
    pairs = _Pairs(logprobs[:, numbers], hallucinated[:, numbers])
    wrong = hallucinated.sum(axis=2)

    def statistic(models: np.ndarray, members: np.ndarray) -> float:
        bad = wrong[np.ix_(models, members)].sum(axis=1)
        number = bad * (len(members) * scores.n_draws - bad)
        concordant = pairs.without(models, np.flatnonzero(~np.isin(numbers, members)))
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
    everything = int(prompts.sum())

    def of_model(model: int, members: np.ndarray) -> float:
        return rejection_ratio(
            scores.hallucinated[model, members].reshape(-1),
            -logprobs[model, members].reshape(-1),
        )

    @cache
    def of_all(model: int) -> float:
        return of_model(model, np.flatnonzero(prompts))

    def statistic(models: np.ndarray, members: np.ndarray) -> float:
        # All prompts are used once per model that is left out.
        whole = len(members) == everything
        ratios = np.array([of_all(m) if whole else of_model(m, members) for m in models.tolist()])
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
