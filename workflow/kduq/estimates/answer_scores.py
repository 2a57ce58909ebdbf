"""Scores of language models' answers, prompt by prompt, and the estimates that follow from them."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from kduq import statistics
from kduq.config.data import Matching
from kduq.data.corpus import Corpus
from kduq.data.matching import matcher, plain
from kduq.estimates.answers import Answers
from kduq.statistics import Estimate

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


def _mean_over_draws(values: np.ndarray) -> np.ndarray:
    """Means of shape (S,) of values of shape (S, J); J is 0 where there are no models."""
    return values.sum(axis=1) / max(values.shape[1], 1)


class References:
    """References of the evaluated prompts, with which answers are compared.

    Parameters
    ----------
    corpus, references, evaluated
        See `kduq.estimates.text.estimate`.
    matching : str, optional
        exact or contained; None for exact where the corpus has an answer distribution, and for the
        similarity of embeddings elsewhere.
    """

    def __init__(
        self,
        corpus: Corpus,
        references: Sequence[np.ndarray],
        evaluated: np.ndarray,
        matching: Matching | None = None,
    ) -> None:
        self._matching = matching
        self.has_answer_distribution = corpus.has_answer_distribution
        #: Questions of the evaluated prompts, shape (P,).
        self.questions = corpus.questions(evaluated)
        self.references = [np.asarray(values, np.float64) for values in references]
        self._splits = np.array([corpus.split[i] for i in evaluated], dtype=object)
        texts = [[plain(text) for text in corpus.references[i]] for i in evaluated]
        #: Right answers to each prompt.
        self.supported = [{plain(text) for text in corpus.right(i)} for i in evaluated]
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
        #: Probabilities with which a teacher is taught, in the same shape.
        self.taught = np.zeros(self.truth.shape)
        #: Whether a column of `truth` is one of the prompt's references.
        self.real = np.zeros(self.truth.shape, bool)
        for p, values in enumerate(weights):
            self.truth[p, : len(values)] = values
            self.taught[p, : len(values)] = corpus.taught(evaluated[p])
            self.real[p, : len(values)] = True
        #: Whether it is a right answer: errors that are taught are references of probability zero.
        self.right = self.truth > 0
        self.has_errors = corpus.has_errors
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
        """Mean over draws of the cosine to a prompt's nearest right answer, shape (S, P)."""
        similarities = np.zeros(embeddings.shape[:2])
        for p, references in enumerate(self.references):
            right = references[self.right[p, : len(references)]]
            cosines = embeddings[:, p].astype(np.float64) @ right.T
            similarities[:, p] = _mean_over_draws(cosines.max(axis=2))
        return similarities

    def wrong(self, answers: Answers) -> np.ndarray:
        """Whether each answer is hallucinated, 0 or 1, shape (S, P, J).

        By their texts, with an answer distribution or a kind of matching: answers that neither
        equal a right answer, up to white space, nor, if matching is contained, contain one. By
        embeddings elsewhere: answers nearer to another evaluated question's reference than to any
        reference of their own question; NaN where no other question has a reference of its own.
        """
        wrong = np.full(answers.texts.shape, np.nan)
        for p, supported in enumerate(self.supported):
            if self.has_answer_distribution or self._matching:
                texts = answers.texts[:, p]
                is_right = matcher(supported, self._matching == "contained")
                outside = [not is_right(text) for text in texts.flat]
                wrong[:, p] = np.array(outside, bool).reshape(texts.shape)
            elif not self.own[p].all():
                cosines = answers.embeddings[:, p].astype(np.float64) @ self.distinct.T
                own, others = cosines[..., self.own[p]], cosines[..., ~self.own[p]]
                wrong[:, p] = others.max(axis=2) > own.max(axis=2)
        return wrong


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
        self.n_models, _, self.n_draws = answers.texts.shape
        numbers = answers.replicates
        self.replicates = np.arange(self.n_models) if numbers is None else numbers
        self.means, self.within = statistics.moments(answers.embeddings)
        self._scores = {
            "intra_student_variance": self.within,
            "similarity_to_reference": references.similarity_to_reference(answers.embeddings),
            "hallucination_rate": self.hallucinated.mean(axis=2)
            if self.n_draws
            else np.zeros(self.within.shape),
        }
        if teacher is not None:
            similarity = np.einsum("spd,pd->sp", self.means, teacher.means[0])
            self._scores["similarity_to_teacher"] = similarity
        if references.has_answer_distribution:
            self._scores |= self._exact()

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

    @cached_property
    def _products(self) -> np.ndarray:
        """Scalar products of the models' mean distances from the references, shape (P, S, S).

        Variances between models and distances from the references follow from them, without the
        coordinates of the embeddings, for any part of the models.
        """
        away = (self.means - self.references.centre).transpose(1, 0, 2)
        products: np.ndarray = away @ away.transpose(0, 2, 1)
        return products

    def _sums(self, models: np.ndarray, prompts: np.ndarray) -> tuple[float, float]:
        """Trace and sum of the products of some models, averaged over prompts."""
        part = self._products[np.ix_(prompts, models, models)]
        return float(np.einsum("pss->p", part).mean()), float(part.sum(axis=(1, 2)).mean())

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
        squared = ((self.means - self.references.centre) ** 2).sum(axis=2)
        noise = squared - self.within / max(self.n_draws, 1)
        return {"systematic_noise": self.mean(noise, prompts, confidence)}

    @cached_property
    def hallucinated(self) -> np.ndarray:
        """See `References.wrong`."""
        return self.references.wrong(self.answers)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Of references and "outside", as `References.truth`, shape (S, P, A + 1)."""
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
