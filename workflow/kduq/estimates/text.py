"""Estimates of language models: what is left of a teacher's distribution over answers.

Answers are compared as unit-norm sentence embeddings: variances and squared distances have no
unit, and the squared distance of two answers is 2 - 2 cos. Where a corpus knows the distribution
of every prompt's answers, the models' own probabilities of the supported answers are compared with
it, without sampling error; all else that a model might say is one more answer, "outside".
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kduq import statistics
from kduq.answers import GREEDY
from kduq.conditions import Condition
from kduq.data.corpus import Corpus
from kduq.estimates import answers as arrangement
from kduq.estimates.answers import Answers
from kduq.estimates.metrics import of_task
from kduq.estimates.settings import TextSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.families.lm import embeddings
from kduq.stage import Inputs, Outputs
from kduq.statistics import Estimate

__all__ = ["Settings", "estimate", "run"]

#: Least probability of a model in a divergence, which an answer it never gives would make
#: infinite: such an answer of probability t adds t log(t / 1e-12).
FLOOR = 1e-12
#: Bins of equal width of a probability.
_BINS = 15
#: What rounding may lift a sum of probabilities above 1.
_ROUNDING = 1e-3
#: Scores that are compared with a baseline's.
_COMPARED = ("similarity_to_reference", "hallucination_rate", "intra_student_variance")
#: A supported answer counts as covered from this share of its true probability on.
_COVERED = 0.1


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    evaluated = corpus.evaluated(settings.prompts)
    references = [
        embeddings.embed(corpus.references[i], settings.embedding_model) for i in evaluated
    ]
    own = inputs.read("answers").columns(arrangement.COLUMNS)
    greedy = own["draw"] == GREEDY
    table = inputs.read_all("students")
    columns = table.columns((*arrangement.COLUMNS, "replicate", "diverged"))
    students = [
        arrangement.of_condition(columns, rows, evaluated)
        for rows in table.rows_of(settings.conditions)
    ]
    outputs.write(
        "estimates",
        estimate(
            settings,
            corpus,
            references,
            evaluated,
            arrangement.answers_from(own, np.flatnonzero(~greedy), evaluated),
            arrangement.answers_from(own, np.flatnonzero(greedy), evaluated),
            students,
        ),
    )


def estimate(
    settings: Settings,
    corpus: Corpus,
    references: Sequence[np.ndarray],
    evaluated: np.ndarray,
    teacher: Answers,
    greedy: Answers,
    students: Sequence[tuple[Answers, int, int]],
) -> dict[str, list[Any]]:
    """Estimate everything that one run measures.

    Every metric is a mean over the prompts of a group: ``all``, and ``train`` and ``test`` where
    both are among the evaluated prompts. Intervals are a jackknife over students, conditional on
    the corpus, the prompts and the teacher, whose own numbers therefore have none.

    Sampled answers give ``intra_student_variance`` and ``inter_student_variance`` (one-way random
    effects, trace of the covariance), ``intra_variance_ratio`` (to the teacher's, whose own draws
    are taken as they are: the interval does not hold their sampling error),
    ``similarity_to_reference`` (cosine to the nearest of a prompt's references),
    ``similarity_to_teacher`` (mean cosine of a student's and a teacher's answer),
    ``systematic_noise`` (see `statistics.systematic_noise`; the target is the references' mean,
    weighted by their probabilities) and ``hallucination_rate``.

    Where the corpus knows the support, exact probabilities q of the supported answers and of
    "outside", beside the true t, give ``predictive_entropy`` and ``mutual_information`` (nats),
    ``kl_from_truth`` = Σ t log(t / max(q, 1e-12)) (nats), ``total_variation_from_truth`` =
    Σ |q - t| / 2, ``support_coverage`` (share of answers with q ≥ t/10), ``mass_outside_support``,
    ``expected_calibration_error`` (see `calibration_error`) and, of the truth itself, the teacher's
    ``true_entropy``.

    Conditions that have a baseline (see `baselines`) add paired comparisons with it,
    replicate by replicate, which share their random numbers: ``…_difference`` and, relative to it,
    ``inter_student_variance_change``.

    Parameters
    ----------
    settings : Settings
        Of the run.
    corpus : Corpus
        All prompts with their supported answers.
    references : sequence of P ndarray of shape (A_p, D)
        Embeddings of the evaluated prompts' references.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the evaluated prompts.
    teacher : Answers
        Of the teacher, S = 1.
    greedy : Answers
        The teacher's greedy answers, S = J = 1: ``greedy_similarity_to_reference``.
    students : sequence of (Answers, int, int)
        For each condition, the answers of the students that did not diverge, how many did, and
        how many were trained.

    Returns
    -------
    dict of str to list
        The columns of the artifact. A number that is not available is NaN.

    Raises
    ------
    ValueError
        If the corpus knows the support and the answers lack their probabilities.
    """
    table = Table(settings)
    references_of = References(corpus, references, evaluated)
    given = ModelScores(teacher, references_of, None)
    confidence = settings.confidence
    greedy_similarity = references_of.similarity_to_reference(greedy.embeddings)
    for group, chosen in references_of.groups().items():
        found = given.estimates(chosen, confidence) | given.own_systematic_noise(chosen, confidence)
        if corpus.has_answer_distribution:
            entropies = statistics.entropy(references_of.truth)[None]
            found["true_entropy"] = mean_over_prompts(entropies, chosen, confidence)
        found["greedy_similarity_to_reference"] = mean_over_prompts(
            greedy_similarity, chosen, confidence
        )
        for metric, estimate in found.items():
            table.add(table.unconditional, "teacher", metric, estimate, group)
    every = [ModelScores(answers, references_of, given) for answers, _, _ in students]
    bases = baselines(settings.conditions)
    for condition, measured, base, (_, n_diverged, n_total) in zip(
        settings.conditions, every, bases, students, strict=True
    ):
        table.add(condition, "student", "diverged_count", exact(n_diverged, n_total))
        for group, chosen in references_of.groups().items():
            found = measured.estimates(chosen, confidence) | measured.across(chosen, confidence)
            if base is not None:
                found |= measured.differences(every[base], chosen, confidence)
            for further in of_task("text"):
                value = further.estimate(measured, chosen, confidence)
                if value is not None:
                    found[further.name] = value
            for metric, estimate in found.items():
                table.add(condition, "student", metric, estimate, group)
    return table.columns()


def baselines(conditions: Sequence[Condition]) -> list[int | None]:
    """What each condition is compared with.

    Parameters
    ----------
    conditions : sequence of Condition
        Of the run.

    Returns
    -------
    list of (int or None)
        Number of the condition with method single, for a remedy, or with the least
        initialisation noise, for one with more. None for these themselves and for all others.
    """
    single = [i for i, c in enumerate(conditions) if c.method == "single"]
    scales = [c.init_noise for c in conditions]
    found: list[int | None] = []
    for condition, scale in zip(conditions, scales, strict=True):
        if scale is not None:
            least = min(s for s in scales if s is not None)
            found.append(scales.index(least) if scale > least else None)
        elif condition.method != "single" and single:
            found.append(single[0])
        else:
            found.append(None)
    return found


def calibration_error(model: np.ndarray, truth: np.ndarray) -> float:
    """Distance of a model's probabilities from the true ones where they are known exactly.

    The expected calibration error (Guo et al. 2017, eq. 3) with the true probability of an answer
    in place of the share of right ones. Pairs of prompt and supported answer fall into 15 bins of
    equal width by the model's probability, and bins are weighted by what the model puts into them,
    so that a bin counts as much as the answers that the model would give from it.

    Parameters
    ----------
    model, truth : ndarray of shape (n,)
        Probabilities of the same pairs.

    Returns
    -------
    float
        Σ_b W_b |mean model - mean truth| / Σ_b W_b, between 0 and 1; 0 for a model that is right
        on average in every bin, NaN for one that gives no supported answer at all.
    """
    places = np.minimum((model * _BINS).astype(int), _BINS - 1)
    counts, given, true = (
        np.bincount(places, weights, minlength=_BINS) for weights in (None, model, truth)
    )
    weight = given.sum()
    if not weight > 0:
        return np.nan
    return float((given / weight * np.abs(given - true) / np.maximum(counts, 1)).sum())


def mean_over_prompts(scores: np.ndarray, chosen: np.ndarray, confidence: float) -> Estimate:
    """Mean over the chosen prompts of scores of shape (S, P)."""
    return statistics.pooled_mean(scores, np.broadcast_to(chosen, scores.shape), confidence)


def _mean_over_draws(values: np.ndarray) -> np.ndarray:
    """Means of shape (S,) of values of shape (S, J), whose J is 0 where there are no models."""
    return values.sum(axis=1) / max(values.shape[1], 1)


def _plain(text: str) -> str:
    """A text with its white space made one space a gap and none at the ends."""
    return " ".join(text.split())


class References:
    """What answers are compared with: the evaluated prompts with their references.

    Parameters
    ----------
    corpus, references, evaluated
        See `estimate`.
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
        #: True probabilities, shape (P, A + 1), padded with zeros; the last is of "outside".
        self.truth = np.zeros((len(texts), width + 1))
        #: Whether a column of `truth` is one of the prompt's supported answers.
        self.real = np.zeros(self.truth.shape, bool)
        for p, values in enumerate(weights):
            self.truth[p, : len(values)] = values
            self.real[p, : len(values)] = True
        # A reference that several prompts share is one: whoever gives it is as near to one of
        # them as to the other, whatever rounding says.
        found = {
            text: values
            for group, rows in zip(texts, self.references, strict=True)
            for text, values in zip(group, rows, strict=True)
        }
        self.distinct = np.array(list(found.values()))
        #: Which of the distinct references are a prompt's own, shape (P, number of them).
        self.own = np.array([[text in group for text in found] for group in self.supported])

    def groups(self) -> dict[str, np.ndarray]:
        """Prompts of each group, a mask of shape (P,)."""
        found = {"all": np.ones(len(self._splits), bool)}
        splits = {split: self._splits == split for split in ("train", "test")}
        return found | (splits if all(mask.any() for mask in splits.values()) else {})

    def similarity_to_reference(self, embeddings: np.ndarray) -> np.ndarray:
        """Mean over draws of the cosine to a prompt's nearest reference, shape (S, P)."""
        found = np.zeros(embeddings.shape[:2])
        for p, references in enumerate(self.references):
            cosines = embeddings[:, p].astype(np.float64) @ references.T
            found[:, p] = _mean_over_draws(cosines.max(axis=2))
        return found


class ModelScores:
    """Numbers of one condition's models, prompt by prompt.

    Parameters
    ----------
    answers : Answers
        Of S models.
    references : References
        With which they are compared.
    teacher : ModelScores, optional
        The teacher's own, for students.
    """

    def __init__(
        self, answers: Answers, references: References, teacher: "ModelScores | None"
    ) -> None:
        self.answers, self.references, self._teacher = answers, references, teacher
        self._n_draws = answers.texts.shape[2]
        given = answers.replicates
        self.replicates = np.arange(len(answers.texts)) if given is None else given
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

    def estimates(self, chosen: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """Means over the chosen prompts of what each model has on its own."""
        found = {
            metric: mean_over_prompts(scores, chosen, confidence)
            for metric, scores in self._scores.items()
        }
        if self.references.has_answer_distribution:
            pairs = self.references.real & chosen[:, None]
            errors = [
                calibration_error(q[pairs], self.references.truth[pairs])
                for q in self.probabilities
            ]
            usable = np.array(errors if chosen.any() else [])
            found["expected_calibration_error"] = statistics.mean(usable, confidence)
        return found

    def across(self, chosen: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """What takes several students, or the teacher beside them."""
        found = {
            "inter_student_variance": statistics.inter_student_trace(
                self.means[:, chosen], self.within[:, chosen], self._n_draws, confidence
            ),
            "systematic_noise": statistics.systematic_noise(
                self.means[:, chosen], self.references.centre[chosen], confidence
            ),
        }
        if self._teacher is not None:
            base = mean_over_prompts(self._teacher.within, chosen, confidence).value
            # A teacher that always answers the same leaves nothing to be a share of.
            share = self.within / (base if base > 0 else np.nan)
            found["intra_variance_ratio"] = mean_over_prompts(share, chosen, confidence)
        if self.references.has_answer_distribution:
            members = np.broadcast_to(chosen, self.probabilities.shape[:2])
            found["mutual_information"] = statistics.mutual_information(
                self.probabilities, members, confidence
            )
        return found

    def differences(
        self, base: "ModelScores", chosen: np.ndarray, confidence: float
    ) -> dict[str, Estimate]:
        """Comparisons with a baseline over the replicates that both have, pair by pair."""
        shared, mine, other = np.intersect1d(self.replicates, base.replicates, return_indices=True)
        n = len(shared)
        found = {}
        for metric in _COMPARED:
            values = (self._scores[metric][mine] - base._scores[metric][other])[:, chosen]
            found[f"{metric}_difference"] = statistics.mean(values.mean(axis=1), confidence)

        def noise(keep: np.ndarray) -> float:
            return self._systematic_noise(mine[keep], chosen) - base._systematic_noise(
                other[keep], chosen
            )

        def change(keep: np.ndarray) -> float:
            before = base._inter_student_variance(other[keep], chosen)
            after = self._inter_student_variance(mine[keep], chosen)
            return after / before - 1 if before > 0 else np.nan

        found["systematic_noise_difference"] = statistics.jackknife(noise, n, confidence)
        found["inter_student_variance_change"] = statistics.jackknife(change, n, confidence)
        return found

    def _systematic_noise(self, models: np.ndarray, chosen: np.ndarray) -> float:
        means = self.means[models][:, chosen]
        return statistics.systematic_noise(means, self.references.centre[chosen], 0.95).value

    def _inter_student_variance(self, models: np.ndarray, chosen: np.ndarray) -> float:
        means, within = self.means[models][:, chosen], self.within[models][:, chosen]
        return statistics.inter_student_trace(means, within, self._n_draws, 0.95).value

    def own_systematic_noise(self, chosen: np.ndarray, confidence: float) -> dict[str, Estimate]:
        """The systematic noise of each model alone, less the sampling variance of its own mean.

        Of the teacher, which is given: there is no variance between teachers to correct for.
        """
        squared = ((self.means - self.references.centre) ** 2).sum(axis=2)
        noise = squared - self.within / max(self._n_draws, 1)
        return {"systematic_noise": mean_over_prompts(noise, chosen, confidence)}

    def _hallucinated(self) -> np.ndarray:
        """Share of a prompt's answers that are hallucinated, shape (S, P).

        Where the support is known: of answers that are not among the references, white space
        aside. Elsewhere: of answers nearer to another evaluated question's reference than to any
        of their own; NaN where no other question has a reference of its own.
        """
        references, found = self.references, np.full(self.within.shape, np.nan)
        for p, supported in enumerate(references.supported):
            if references.has_answer_distribution:
                texts = self.answers.texts[:, p]
                outside = [_plain(text) not in supported for text in texts.flat]
                found[:, p] = _mean_over_draws(np.array(outside, bool).reshape(texts.shape))
            elif not references.own[p].all():
                embeddings = self.answers.embeddings[:, p].astype(np.float64)
                cosines = embeddings @ references.distinct.T
                own, others = cosines[..., references.own[p]], cosines[..., ~references.own[p]]
                found[:, p] = _mean_over_draws(others.max(axis=2) > own.max(axis=2))
        return found

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Of supported answers and "outside", as `References.truth`, shape (S, P, A + 1)."""
        n_models = len(self.means)
        found = np.zeros((n_models, *self.references.truth.shape))
        for p, support in enumerate(self.answers.support):
            if support is None and n_models:
                raise ValueError("the corpus knows the support: its probabilities are missing")
            if support is not None:
                found[:, p, : support.shape[1]] = support
        total = found.sum(axis=2).max(initial=0)
        if total > 1 + _ROUNDING:
            raise ValueError(f"the supported answers of a prompt have a probability of {total:g}")
        found[..., -1] = np.maximum(1 - found.sum(axis=2), 0)
        # Rounding may lift the sum of the supported a little above 1.
        return found / found.sum(axis=2, keepdims=True)

    def _exact(self) -> dict[str, np.ndarray]:
        q, t, real = self.probabilities, self.references.truth, self.references.real
        # Zero where t is, as 0 log 0 is.
        divergence = t * np.log(np.where(t > 0, t, 1) / np.where(t > 0, np.maximum(q, FLOOR), 1))
        covered = (q >= _COVERED * t) & real
        return {
            "predictive_entropy": statistics.entropy(q),
            "kl_from_truth": divergence.sum(axis=2),
            "total_variation_from_truth": np.abs(q - t).sum(axis=2) / 2,
            "support_coverage": covered.sum(axis=2) / np.maximum(real.sum(axis=1), 1),
            "mass_outside_support": q[..., -1],
        }
