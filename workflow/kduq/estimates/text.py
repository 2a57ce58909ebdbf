"""Estimates of language models: what students keep of a teacher's distribution over answers.

Answers are compared as unit-norm sentence embeddings. Variances and squared distances have no unit,
and the squared distance of two answers is 2 - 2 cos. Where a corpus has an answer distribution, it
is compared with the models' exact probabilities of the references, without sampling error. All
other answers count as one more answer, "outside". A teacher may be taught wrong answers: they are
references of true probability zero, and no metric takes them for right ones.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kduq import statistics
from kduq.answers import GREEDY
from kduq.conditions import Condition
from kduq.data.corpus import Corpus
from kduq.estimates import theory
from kduq.estimates.answer_scores import ModelScores
from kduq.estimates.answers import Answers, DistinctTexts, StudentAnswers, answers_from
from kduq.estimates.metrics import of_task
from kduq.estimates.references import References
from kduq.estimates.settings import TextSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.stage import Inputs, Outputs
from kduq.statistics import Estimate
from kduq.targets.methods import METHODS

__all__ = ["Settings", "estimate", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    evaluated = corpus.evaluated(settings.prompts)
    texts = DistinctTexts(inputs.read("embeddings"))
    own = texts.columns(inputs.read("teacher_answers", "answers"))
    greedy = own["draw"] == GREEDY
    answers = StudentAnswers(inputs, evaluated)
    outputs.write(
        "estimates",
        estimate(
            settings,
            corpus,
            [texts.embeddings(corpus.references[i]) for i in evaluated],
            evaluated,
            answers_from(own, np.flatnonzero(~greedy), evaluated),
            answers_from(own, np.flatnonzero(greedy), evaluated),
            (answers.of_condition(condition, texts) for condition in settings.conditions),
        ),
    )


def estimate(
    settings: Settings,
    corpus: Corpus,
    references: Sequence[np.ndarray],
    evaluated: np.ndarray,
    teacher: Answers,
    greedy: Answers,
    students: Iterable[tuple[Answers, int, int]],
) -> dict[str, list[Any]]:
    """Compute all estimates of one run.

    Every metric is a mean or another statistic over the prompts of a group: ``all``, and ``train``
    and ``test`` where both are among the evaluated prompts. Students and prompts are both drawn.
    Intervals are therefore of the standard error over both, ``se_total``; ``se_students`` and
    ``se_prompts`` are those over either alone, where wordings of a question count as one (see
    `kduq.statistics.two_way`). The teacher is not drawn. Its own numbers have intervals over
    prompts.

    Sampled answers give ``intra_student_variance`` and ``inter_student_variance`` (one-way random
    effects, trace of the covariance), their ratios to the teacher's variance
    (``intra_variance_ratio``, ``inter_variance_ratio``, and their sum ``total_variance_ratio``),
    ``similarity_to_reference`` (cosine to the nearest right answer),
    ``similarity_to_teacher`` (mean cosine of a student's and a teacher's answer),
    ``systematic_noise`` (see `statistics.systematic_noise`; the target is the references' mean,
    weighted by their probabilities) and ``hallucination_rate``.

    Where the corpus has an answer distribution, exact probabilities q of the references and of
    "outside", and the true probabilities t, give ``predictive_entropy`` (nats; a lower bound of
    the entropy, since all other answers count as one), ``kl_from_truth`` = Σ t log(t / max(q,
    1e-12)) (nats), ``total_variation_from_truth`` = Σ |q - t| / 2, ``support_coverage`` (share of
    right answers with q ≥ t/10), ``mass_outside_support`` (of all answers but the right ones),
    ``calibration_error_to_truth`` (see `calibration_error`) and, in the teacher's rows,
    ``true_entropy`` and, for each condition, ``theory_hallucination_rate`` (see
    `kduq.estimates.theory`). Where the teacher is taught errors, ``mass_outside_taught`` and, in
    the teacher's rows, ``taught_entropy`` and ``taught_greedy_accuracy`` (share of prompts whose
    most probable taught answer is right) are about what was taught. Further metrics are in the
    registry.

    Conditions with a baseline (see `baselines`) are also compared with it, replicate by replicate
    on common random numbers: ``…_difference`` and the relative
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
        The teacher's greedy answers, S = J = 1: ``greedy_similarity_to_reference`` and
        ``greedy_accuracy``, the share that is not hallucinated.
    students : iterable of (Answers, int, int)
        For each condition, taken one after the other, the answers of the students that did not
        diverge, the number of students that did, and the number of all students.

    Returns
    -------
    dict of str to list
        The columns of the artifact. A number that is not available is NaN.

    Raises
    ------
    ValueError
        If the corpus has an answer distribution and the answers lack their probabilities.
    """
    table = Table(settings)
    confidence = settings.confidence
    evaluated_references = References(corpus, references, evaluated, settings.matching)
    groups = evaluated_references.groups()
    if settings.training_steps is not None:
        steps = exact(settings.training_steps)
        table.add(table.unconditional, "teacher", "training_steps", steps)
    teacher = dataclasses.replace(teacher, greedy=greedy.texts[:, :, 0])
    teacher_scores = ModelScores(teacher, evaluated_references, None)
    own = _of_prompts(evaluated_references, greedy)
    for group, prompts in groups.items():
        estimates = teacher_scores.estimates(prompts, confidence)
        estimates |= teacher_scores.own_systematic_noise(prompts, confidence)
        for metric, values in own.items():
            estimates[metric] = teacher_scores.mean(values, prompts, confidence)
        estimates |= _further(teacher_scores, prompts, confidence)
        for metric, value in estimates.items():
            table.add(table.unconditional, "teacher", metric, value, group)
    scores_by_condition, counts = [], []
    for answers, *numbers in students:
        scores_by_condition.append(ModelScores(answers, evaluated_references, teacher_scores))
        counts.append(numbers)
    for condition, scores, baseline, (n_diverged, n_total) in zip(
        settings.conditions,
        scores_by_condition,
        baselines(settings.conditions),
        counts,
        strict=True,
    ):
        table.add(condition, "student", "diverged_count", exact(n_diverged, n_total))
        for metric, cost in _costs(condition).items():
            table.add(condition, "student", metric, exact(cost, n_total))
        expected = theory.rates(condition, evaluated_references)
        for group, prompts in groups.items():
            if expected is not None:
                rate = teacher_scores.mean(expected, prompts, confidence)
                table.add(condition, "teacher", theory.METRIC, rate, group)
            estimates = scores.estimates(prompts, confidence) | scores.across(prompts, confidence)
            if baseline is not None:
                base = scores_by_condition[baseline]
                estimates |= scores.differences(base, prompts, confidence)
            estimates |= _further(scores, prompts, confidence)
            for metric, value in estimates.items():
                table.add(condition, "student", metric, value, group)
    return table.columns()


def _of_prompts(references: References, greedy: Answers) -> dict[str, np.ndarray]:
    """Scores of the greedy answers, and numbers of the corpus, of shape (1, P)."""
    scores = {
        "greedy_similarity_to_reference": references.similarity_to_reference(greedy.embeddings),
        "greedy_accuracy": 1 - references.wrong(greedy)[..., 0],
    }
    if references.has_answer_distribution:
        scores["true_entropy"] = statistics.entropy(references.truth)[None]
    if references.has_errors:
        taught = references.taught
        # Equally probable answers are equally likely to be the greedy one.
        most_probable = taught >= taught.max(axis=1, keepdims=True) * (1 - 1e-9)
        right = (most_probable & references.right).sum(axis=1) / most_probable.sum(axis=1)
        scores["taught_entropy"] = statistics.entropy(taught)[None]
        scores["taught_greedy_accuracy"] = right[None]
    return scores


def _further(scores: ModelScores, prompts: np.ndarray, confidence: float) -> dict[str, Estimate]:
    """Estimates of the registered metrics; of the teacher, those that it has."""
    estimates = {}
    for metric in of_task("text"):
        if metric.of_teacher or scores.teacher is not None:
            score = metric.estimate(scores, prompts, confidence)
            if score is not None:
                estimates[metric.name] = score
    return estimates


def _costs(condition: Condition) -> dict[str, float]:
    """What one student of a condition costs: trainings, and responses to each prompt."""
    k = condition.k or 1
    method = METHODS.get(str(condition.method)) if k > 1 else None
    pilots = 0 if method is None else method.pilots
    return {"trainings": 1 + pilots, "responses_per_prompt": k}


def baselines(conditions: Sequence[Condition]) -> list[int | None]:
    """Baseline with which each condition is compared.

    Parameters
    ----------
    conditions : sequence of Condition
        Of the run.

    Returns
    -------
    list of (int or None)
        For a remedy, the number of the condition with method single at its temperature; for method
        single at a temperature without remedies, that of the first single with remedies; for a
        condition with initialisation noise, that of the condition with the least. None for the
        baselines themselves and for all other conditions.
    """
    remedied = {c.temperature for c in conditions if c.method != "single"}
    single = {c.temperature: i for i, c in enumerate(conditions) if c.method == "single"}
    first = next((i for t, i in single.items() if t in remedied), None)
    scales = [c.init_noise for c in conditions]
    numbers: list[int | None] = []
    for condition, scale in zip(conditions, scales, strict=True):
        if scale is not None:
            least = min(s for s in scales if s is not None)
            numbers.append(scales.index(least) if scale > least else None)
        elif condition.method == "single":
            numbers.append(None if condition.temperature in remedied else first)
        else:
            numbers.append(single.get(condition.temperature))
    return numbers
