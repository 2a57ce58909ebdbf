"""Scores of language models' answers, prompt by prompt, and the estimates that follow from them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from kduq import statistics
from kduq.estimates.answers import Answers
from kduq.estimates.references import References
from kduq.statistics import Estimate
from kduq.statistics.intervals import FEWEST_FOR_VARIANCE

#: Lower limit of a model's probability in a divergence, which would be infinite for an answer that
#: the model never gives. Such an answer of true probability t adds t log(t / 1e-12).
FLOOR = 1e-12
#: Largest share of answers outside the references at which a teacher's variance is computed from
#: its probabilities of the references.
OUTSIDE = 0.05
#: Number of probability bins of equal width.
_BINS = 15
#: Largest excess of a sum of probabilities over 1 that may come from rounding.
_ROUNDING = 1e-3
#: Variances between students, which have no interval from few of them.
_VARIANCES = {"inter_student_variance", "inter_variance_ratio", "total_variance_ratio"}
#: Scores that are compared with those of a baseline.
_COMPARED = ("similarity_to_reference", "hallucination_rate", "intra_student_variance")
#: Numbers of embeddings that are looked up at once.
_NUMBERS_AT_ONCE = 1 << 22
#: A supported answer is covered if its probability is at least this share of the true one.
_COVERED = 0.1


def calibration_error(model: np.ndarray, truth: np.ndarray) -> float:
    """Distance of a model's probabilities from the true ones, where these are known exactly.

    The expected calibration error (Guo et al. 2017, eq. 3) with the true probability of an answer
    in place of the share of correct ones. Pairs of prompt and supported answer are put into 15 bins
    of equal width by the model's probability. The weight of a bin is the model's total probability
    in it: the share of the model's answers that come from this bin.

    Parameters
    ----------
    model, truth : ndarray of shape (n,)
        Probabilities of the same pairs.

    Returns
    -------
    float
        Σ_b W_b |mean model - mean truth| / Σ_b W_b, between 0 and 1; 0 for a model that is right
        on average in every bin, NaN for a model that never gives a supported answer.
    """
    bins = np.minimum((model * _BINS).astype(int), _BINS - 1)
    counts, predicted, true = (
        np.bincount(bins, weights, minlength=_BINS) for weights in (None, model, truth)
    )
    weight = predicted.sum()
    if not weight > 0:
        return np.nan
    return float((predicted / weight * np.abs(predicted - true) / np.maximum(counts, 1)).sum())


class ModelScores:
    """Scores of the models of one condition, prompt by prompt.

    Parameters
    ----------
    answers : Answers
        Answers of S models.
    references : References
        References with which they are compared.
    teacher : ModelScores, optional
        Scores of the teacher, for students.
    """

    def __init__(
        self, answers: Answers, references: References, teacher: "ModelScores | None"
    ) -> None:
        self.answers, self.references, self.teacher = answers, references, teacher
        shape: tuple[int, ...] = answers.texts.shape
        self.n_models, _, self.n_draws = shape
        numbers = answers.replicates
        self.replicates = np.arange(self.n_models) if numbers is None else numbers
        #: Means of the first model's answers, shape (P, D).
        self.first_means = np.zeros(references.centre.shape)
        #: Variance of each model's answers to each prompt, shape (S, P).
        self.within = np.full((self.n_models, len(references.questions)), np.nan)
        #: Scalar products of the models' mean distances from the references, shape (P, S, S).
        #: Variances between models and distances from the references follow from them, without
        #: the coordinates of the embeddings, for any part of the models.
        self._products = np.zeros((len(references.questions), self.n_models, self.n_models))
        to_teacher = np.zeros(self.within.shape)
        for part in self._parts(answers.embeddings.shape):
            means, self.within[:, part] = statistics.moments(answers.embeddings[:, part])
            away = (means - references.centre[part]).transpose(1, 0, 2)
            self._products[part] = away @ away.transpose(0, 2, 1)
            self.first_means[part] = means[:1].sum(axis=0)
            if teacher is not None:
                to_teacher[:, part] = np.einsum("spd,pd->sp", means, teacher.first_means[part])
        self._scores = {
            "intra_student_variance": self.within,
            "similarity_to_reference": references.similarity_to_reference(answers.embeddings),
            "hallucination_rate": self.hallucinated.mean(axis=2)
            if self.n_draws
            else np.zeros(self.within.shape),
        }
        if teacher is not None:
            self._scores["similarity_to_teacher"] = to_teacher
        if references.has_answer_distribution:
            self._scores |= self._exact()

    @staticmethod
    def _parts(shape: tuple[int, ...]) -> Iterator[slice]:
        """Prompts whose embeddings, of shape (S, P, J, D), are looked up at once."""
        models, prompts, draws, width = shape
        size = max(1, _NUMBERS_AT_ONCE // max(1, models * draws * width))
        return (slice(start, start + size) for start in range(0, prompts, size))

    def mean(self, scores: np.ndarray, prompts: np.ndarray, confidence: float) -> Estimate:
        """Mean of a score over models and prompts.

        Parameters
        ----------
        scores : ndarray of shape (S, P)
            One per model and prompt.
        prompts : ndarray of bool of shape (P,)
            Prompts of a group.
        confidence : float
            Coverage of the interval.

        Returns
        -------
        Estimate
            See `kduq.statistics.two_way_mean`; the teacher is not drawn.
        """
        return statistics.two_way_mean(
            scores[:, prompts],
            self.references.questions[prompts],
            confidence,
            drawn=self.teacher is not None,
        )

    def jackknife(
        self,
        statistic: Callable[[np.ndarray, np.ndarray], float],
        prompts: np.ndarray,
        confidence: float,
        n_models: int | None = None,
    ) -> Estimate:
        """Any statistic of models and prompts.

        Parameters
        ----------
        statistic : callable
            Returns it from the numbers of some models and of some prompts.
        prompts : ndarray of bool of shape (P,)
            Prompts of a group.
        confidence : float
            Coverage of the interval.
        n_models : int, optional
            Number of units that the first argument counts; None for all models.

        Returns
        -------
        Estimate
            See `kduq.statistics.two_way_jackknife`; the teacher is not drawn.
        """
        numbers = np.flatnonzero(prompts)
        return statistics.two_way_jackknife(
            lambda models, members: statistic(models, numbers[members]),
            self.n_models if n_models is None else n_models,
            self.references.questions[prompts],
            confidence,
            drawn=self.teacher is not None,
        )

    def estimates(self, prompts: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """Means, over a mask of prompts, of the scores that each model has on its own."""
        estimates = {
            metric: self.mean(scores, prompts, confidence)
            for metric, scores in self._scores.items()
        }
        if self.references.has_answer_distribution:

            def error(models: np.ndarray, members: np.ndarray) -> float:
                truth, real = self.references.truth[members], self.references.real[members]
                errors = [
                    calibration_error(q[members][real], truth[real])
                    for q in self.probabilities[models]
                ]
                return float(np.mean(errors))

            estimates["calibration_error_to_truth"] = self.jackknife(error, prompts, confidence)
        return estimates

    def across(self, prompts: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """Estimates that need several students, or the teacher."""
        estimates = {
            "inter_student_variance": self.jackknife(
                self.inter_student_variance, prompts, confidence
            ),
            "systematic_noise": self.jackknife(self._systematic_noise, prompts, confidence),
        }
        if self.teacher is not None:
            base = self.teacher.own_variance

            def share(models: np.ndarray, members: np.ndarray) -> float:
                whole = float(base[members].mean())
                # Undefined for a teacher that always gives the same answer.
                return float(self.within[np.ix_(models, members)].mean()) / (whole or np.nan)

            def conserved(models: np.ndarray, members: np.ndarray) -> float:
                between = self.inter_student_variance(models, members)
                return share(models, members) + between / (float(base[members].mean()) or np.nan)

            def between(models: np.ndarray, members: np.ndarray) -> float:
                whole = float(base[members].mean())
                return self.inter_student_variance(models, members) / (whole or np.nan)

            for metric, statistic in (
                ("intra_variance_ratio", share),
                ("inter_variance_ratio", between),
                ("total_variance_ratio", conserved),
            ):
                estimates[metric] = self.jackknife(statistic, prompts, confidence)
        if self.n_models < FEWEST_FOR_VARIANCE:
            for metric in _VARIANCES & set(estimates):
                estimates[metric] = replace(estimates[metric], low=np.nan, high=np.nan)
        return estimates

    def differences(
        self, base: "ModelScores", prompts: np.ndarray, confidence: float
    ) -> dict[str, Estimate]:
        """Paired comparisons with a baseline over the replicates that both have."""
        shared, own, other = np.intersect1d(self.replicates, base.replicates, return_indices=True)
        n = len(shared)
        estimates = {}
        for metric in _COMPARED:
            values = self._scores[metric][own] - base._scores[metric][other]
            estimates[f"{metric}_difference"] = self.mean(values, prompts, confidence)

        def noise(pairs: np.ndarray, members: np.ndarray) -> float:
            return self._systematic_noise(own[pairs], members) - base._systematic_noise(
                other[pairs], members
            )

        def change(pairs: np.ndarray, members: np.ndarray) -> float:
            before = base.inter_student_variance(other[pairs], members)
            after = self.inter_student_variance(own[pairs], members)
            return after / before - 1 if before > 0 else np.nan

        for metric, statistic in (
            ("systematic_noise_difference", noise),
            ("inter_student_variance_change", change),
        ):
            estimates[metric] = self.jackknife(statistic, prompts, confidence, n)
        return estimates

    def _sums(self, models: np.ndarray, prompts: np.ndarray) -> tuple[float, float]:
        """Trace and sum of the products of some models, averaged over prompts."""
        if len(models) == self.n_models:
            trace, total = self._sums_by_prompt
            return float(trace[prompts].mean()), float(total[prompts].mean())
        part = self._products[np.ix_(prompts, models, models)]
        return float(np.einsum("pss->p", part).mean()), float(part.sum(axis=(1, 2)).mean())

    @cached_property
    def _sums_by_prompt(self) -> tuple[np.ndarray, np.ndarray]:
        """Trace and sum of the products of all models, each of shape (P,)."""
        return np.einsum("pss->p", self._products), self._products.sum(axis=(1, 2))

    def inter_student_variance(self, models: np.ndarray, prompts: np.ndarray) -> float:
        """Inter-student variance of some models at some prompts, by their numbers.

        See `kduq.statistics.inter_student_trace`, of which this is the value.
        """
        n = len(models)
        if n < 2 or not len(prompts):
            return np.nan
        trace, total = self._sums(models, prompts)
        own = self.within[np.ix_(models, prompts)].mean() if self.n_draws > 1 else 0.0
        return (trace - total / n) / (n - 1) - float(own) / self.n_draws

    def _systematic_noise(self, models: np.ndarray, prompts: np.ndarray) -> float:
        """See `kduq.statistics.systematic_noise`, of which this is the value."""
        n = len(models)
        if n < 2 or not len(prompts):
            return np.nan
        trace, total = self._sums(models, prompts)
        return (total - trace) / (n * (n - 1))

    @cached_property
    def own_variance(self) -> np.ndarray:
        """Variance of the first model's answers at each prompt, shape (P,), for the teacher.

        Exact from its probabilities of the references, 1 - |Σ p e|² for unit vectors e, where at
        most `OUTSIDE` of its answers are others; elsewhere the variance of its sampled answers.
        """
        if not self.n_models:
            return np.zeros(self.within.shape[1])
        variance = self.within[0].copy()
        if self.references.has_answer_distribution:
            for p, embedded in enumerate(self.references.references):
                own = self.probabilities[0, p]
                if own[-1] <= OUTSIDE:
                    weights = own[: len(embedded)] / own[: len(embedded)].sum()
                    variance[p] = max(0.0, 1 - float(((weights @ embedded) ** 2).sum()))
        return variance

    def own_systematic_noise(self, prompts: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """The systematic noise of each model alone, less the sampling variance of its own mean.

        For the teacher, which is not drawn: there is no variance between teachers.
        """
        squared = np.einsum("pss->sp", self._products)
        noise = squared - self.within / max(self.n_draws, 1)
        return {"systematic_noise": self.mean(noise, prompts, confidence)}

    @cached_property
    def hallucinated(self) -> np.ndarray:
        """See `References.wrong`."""
        return self.references.wrong(self.answers)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Of references and "outside", as `References.truth`, shape (S, P, A + 1)."""
        n_models = self.n_models
        values = np.zeros((n_models, *self.references.truth.shape))
        for p, support in enumerate(self.answers.support):
            if support is None and n_models:
                raise ValueError(
                    "the corpus has an answer distribution, but the models' probabilities are "
                    "missing"
                )
            if support is not None:
                values[:, p, : support.shape[1]] = support
        total = values.sum(axis=2).max(initial=0)
        if total > 1 + _ROUNDING:
            raise ValueError(f"the supported answers of a prompt have a probability of {total:g}")
        values[..., -1] = np.maximum(1 - values.sum(axis=2), 0)
        # By rounding, the probabilities of the supported answers may sum to slightly more than 1.
        return values / values.sum(axis=2, keepdims=True)

    def _exact(self) -> dict[str, np.ndarray]:
        q, t, right = self.probabilities, self.references.truth, self.references.right
        # Zero where t is zero, since 0 log 0 is zero.
        divergence = t * np.log(np.where(t > 0, t, 1) / np.where(t > 0, np.maximum(q, FLOOR), 1))
        covered = (q >= _COVERED * t) & right
        taught = self.references.taught > 0
        outside_taught = {"mass_outside_taught": np.where(taught, 0, q).sum(axis=2)}
        return {
            "predictive_entropy": statistics.entropy(q),
            "kl_from_truth": divergence.sum(axis=2),
            "total_variation_from_truth": np.abs(q - t).sum(axis=2) / 2,
            "support_coverage": covered.sum(axis=2) / np.maximum(right.sum(axis=1), 1),
            "mass_outside_support": np.where(right, 0, q).sum(axis=2),
        } | (outside_taught if self.references.has_errors else {})
