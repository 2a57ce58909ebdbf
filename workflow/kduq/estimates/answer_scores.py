"""Scores of language models' answers, prompt by prompt, and the estimates that follow from them."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from kduq import statistics
from kduq.data.corpus import Corpus
from kduq.estimates.answers import Answers
from kduq.statistics import Estimate

#: Lower limit of a model's probability in a divergence, which would be infinite for an answer that
#: the model never gives. Such an answer of true probability t adds t log(t / 1e-12).
FLOOR = 1e-12
#: Number of probability bins of equal width.
_BINS = 15
#: Largest excess of a sum of probabilities over 1 that may come from rounding.
_ROUNDING = 1e-3
#: Scores that are compared with those of a baseline.
_COMPARED = ("similarity_to_reference", "hallucination_rate", "intra_student_variance")
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


def mean_over_prompts(scores: np.ndarray, prompts: np.ndarray, confidence: float) -> Estimate:
    """Mean of scores of shape (S, P) over prompts, a mask of shape (P,)."""
    return statistics.pooled_mean(scores, np.broadcast_to(prompts, scores.shape), confidence)


def _mean_over_draws(values: np.ndarray) -> np.ndarray:
    """Means of shape (S,) of values of shape (S, J); J is 0 where there are no models."""
    return values.sum(axis=1) / max(values.shape[1], 1)


def _plain(text: str) -> str:
    """A text with single spaces for white space, and none at its ends."""
    return " ".join(text.split())


class References:
    """References of the evaluated prompts, with which answers are compared.

    Parameters
    ----------
    corpus, references, evaluated
        See `kduq.estimates.text.estimate`.
    """

    def __init__(
        self, corpus: Corpus, references: Sequence[np.ndarray], evaluated: np.ndarray
    ) -> None:
        self.has_answer_distribution = corpus.has_answer_distribution
        self.references = [np.asarray(values, np.float64) for values in references]
        self._splits = np.array([corpus.split[i] for i in evaluated], dtype=object)
        texts = [[_plain(text) for text in corpus.references[i]] for i in evaluated]
        self.supported = [set(group) for group in texts]
        weights = [np.array(corpus.weights(i)) for i in evaluated]
        #: References' probability-weighted mean, shape (P, D).
        self.centre = np.zeros((0, 1))
        if texts:
            self.centre = np.array(
                [w @ values for w, values in zip(weights, self.references, strict=True)]
            )
        width = max(map(len, texts), default=0)
        #: True probabilities, shape (P, A + 1), padded with zeros; the last column is "outside".
        self.truth = np.zeros((len(texts), width + 1))
        #: Whether a column of `truth` is one of the prompt's supported answers.
        self.real = np.zeros(self.truth.shape, bool)
        for p, values in enumerate(weights):
            self.truth[p, : len(values)] = values
            self.real[p, : len(values)] = True
        # A reference that several prompts share is listed once: rounding must not make an answer
        # nearer to one prompt's copy than to the other's.
        embedding_of = {
            text: values
            for group, rows in zip(texts, self.references, strict=True)
            for text, values in zip(group, rows, strict=True)
        }
        self.distinct = np.array(list(embedding_of.values()))
        #: Whether a distinct reference belongs to a prompt, shape (P, distinct references).
        self.own = np.array([[text in group for text in embedding_of] for group in self.supported])

    def groups(self) -> dict[str, np.ndarray]:
        """Prompts of each group, as masks of shape (P,)."""
        everything = {"all": np.ones(len(self._splits), bool)}
        splits = {split: self._splits == split for split in ("train", "test")}
        return everything | (splits if all(mask.any() for mask in splits.values()) else {})

    def similarity_to_reference(self, embeddings: np.ndarray) -> np.ndarray:
        """Mean over draws of the cosine to a prompt's nearest reference, shape (S, P)."""
        similarities = np.zeros(embeddings.shape[:2])
        for p, references in enumerate(self.references):
            cosines = embeddings[:, p].astype(np.float64) @ references.T
            similarities[:, p] = _mean_over_draws(cosines.max(axis=2))
        return similarities


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
        self.answers, self.references, self._teacher = answers, references, teacher
        self._n_draws = answers.texts.shape[2]
        numbers = answers.replicates
        self.replicates = np.arange(len(answers.texts)) if numbers is None else numbers
        self.means, self.within = statistics.moments(answers.embeddings)
        self._scores = {
            "intra_student_variance": self.within,
            "similarity_to_reference": references.similarity_to_reference(answers.embeddings),
            "hallucination_rate": self._hallucinated(),
        }
        if teacher is not None:
            similarity = np.einsum("spd,pd->sp", self.means, teacher.means[0])
            self._scores["similarity_to_teacher"] = similarity
        if references.has_answer_distribution:
            self._scores |= self._exact()

    def estimates(self, prompts: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """Means, over a mask of prompts, of the scores that each model has on its own."""
        estimates = {
            metric: mean_over_prompts(scores, prompts, confidence)
            for metric, scores in self._scores.items()
        }
        if self.references.has_answer_distribution:
            pairs = self.references.real & prompts[:, None]
            errors = [
                calibration_error(q[pairs], self.references.truth[pairs])
                for q in self.probabilities
            ]
            usable = np.array(errors if prompts.any() else [])
            estimates["expected_calibration_error"] = statistics.mean(usable, confidence)
        return estimates

    def across(self, prompts: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """Estimates that need several students, or the teacher."""
        estimates = {
            "inter_student_variance": statistics.inter_student_trace(
                self.means[:, prompts], self.within[:, prompts], self._n_draws, confidence
            ),
            "systematic_noise": statistics.systematic_noise(
                self.means[:, prompts], self.references.centre[prompts], confidence
            ),
        }
        if self._teacher is not None:
            base = mean_over_prompts(self._teacher.within, prompts, confidence).value
            # Undefined for a teacher that always gives the same answer.
            share = self.within / (base if base > 0 else np.nan)
            estimates["intra_variance_ratio"] = mean_over_prompts(share, prompts, confidence)
        if self.references.has_answer_distribution:
            members = np.broadcast_to(prompts, self.probabilities.shape[:2])
            estimates["mutual_information"] = statistics.mutual_information(
                self.probabilities, members, confidence
            )
        return estimates

    def differences(
        self, base: "ModelScores", prompts: np.ndarray, confidence: float
    ) -> dict[str, Estimate]:
        """Paired comparisons with a baseline over the replicates that both have."""
        shared, own, other = np.intersect1d(self.replicates, base.replicates, return_indices=True)
        n = len(shared)
        estimates = {}
        for metric in _COMPARED:
            values = (self._scores[metric][own] - base._scores[metric][other])[:, prompts]
            estimates[f"{metric}_difference"] = statistics.mean(values.mean(axis=1), confidence)

        def noise(pairs: np.ndarray) -> float:
            return self._systematic_noise(own[pairs], prompts) - base._systematic_noise(
                other[pairs], prompts
            )

        def change(pairs: np.ndarray) -> float:
            before = base._inter_student_variance(other[pairs], prompts)
            after = self._inter_student_variance(own[pairs], prompts)
            return after / before - 1 if before > 0 else np.nan

        estimates["systematic_noise_difference"] = statistics.jackknife(noise, n, confidence)
        estimates["inter_student_variance_change"] = statistics.jackknife(change, n, confidence)
        return estimates

    def _systematic_noise(self, models: np.ndarray, prompts: np.ndarray) -> float:
        means = self.means[models][:, prompts]
        return statistics.systematic_noise(means, self.references.centre[prompts], 0.95).value

    def _inter_student_variance(self, models: np.ndarray, prompts: np.ndarray) -> float:
        means, within = self.means[models][:, prompts], self.within[models][:, prompts]
        return statistics.inter_student_trace(means, within, self._n_draws, 0.95).value

    def own_systematic_noise(self, prompts: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """The systematic noise of each model alone, less the sampling variance of its own mean.

        For the teacher: estimates are conditional on it, so there is no variance between teachers.
        """
        squared = ((self.means - self.references.centre) ** 2).sum(axis=2)
        noise = squared - self.within / max(self._n_draws, 1)
        return {"systematic_noise": mean_over_prompts(noise, prompts, confidence)}

    def _hallucinated(self) -> np.ndarray:
        """Share of a prompt's answers that are hallucinated, shape (S, P).

        With an answer distribution: answers that are not among the references, up to white space.
        Without: answers nearer to another evaluated question's reference than to any reference of
        their own question; NaN where no other question has a reference of its own.
        """
        references, rates = self.references, np.full(self.within.shape, np.nan)
        for p, supported in enumerate(references.supported):
            if references.has_answer_distribution:
                texts = self.answers.texts[:, p]
                outside = [_plain(text) not in supported for text in texts.flat]
                rates[:, p] = _mean_over_draws(np.array(outside, bool).reshape(texts.shape))
            elif not references.own[p].all():
                embeddings = self.answers.embeddings[:, p].astype(np.float64)
                cosines = embeddings @ references.distinct.T
                own, others = cosines[..., references.own[p]], cosines[..., ~references.own[p]]
                rates[:, p] = _mean_over_draws(others.max(axis=2) > own.max(axis=2))
        return rates

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Of supported answers and "outside", as `References.truth`, shape (S, P, A + 1)."""
        n_models = len(self.means)
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
        q, t, real = self.probabilities, self.references.truth, self.references.real
        # Zero where t is zero, since 0 log 0 is zero.
        divergence = t * np.log(np.where(t > 0, t, 1) / np.where(t > 0, np.maximum(q, FLOOR), 1))
        covered = (q >= _COVERED * t) & real
        return {
            "predictive_entropy": statistics.entropy(q),
            "kl_from_truth": divergence.sum(axis=2),
            "total_variation_from_truth": np.abs(q - t).sum(axis=2) / 2,
            "support_coverage": covered.sum(axis=2) / np.maximum(real.sum(axis=1), 1),
            "mass_outside_support": q[..., -1],
        }
