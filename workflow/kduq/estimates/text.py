"""Estimates of language models: what students keep of a teacher's distribution over answers.

Answers are compared as unit-norm sentence embeddings. Variances and squared distances have no unit,
and the squared distance of two answers is 2 - 2 cos. Where a corpus has an answer distribution, it
is compared with the models' exact probabilities of the supported answers, without sampling error.
All other answers count as one more answer, "outside".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kduq import statistics
from kduq.answers import GREEDY
from kduq.conditions import Condition
from kduq.data.corpus import Corpus
from kduq.estimates import answers as arrangement
from kduq.estimates.answer_scores import ModelScores, References, mean_over_prompts
from kduq.estimates.answers import Answers
from kduq.estimates.metrics import of_task
from kduq.estimates.settings import TextSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.families.lm import embeddings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "estimate", "run"]


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
    """Compute all estimates of one run.

    Every metric is a mean over the prompts of a group: ``all``, and ``train`` and ``test`` where
    both are among the evaluated prompts. Intervals are a jackknife over students, conditional on
    the corpus, the prompts and the teacher, whose own numbers therefore have no interval.

    Sampled answers give ``intra_student_variance`` and ``inter_student_variance`` (one-way random
    effects, trace of the covariance), ``intra_variance_ratio`` (to the teacher's; the interval does
    not include the sampling error of the teacher's draws), ``similarity_to_reference`` (cosine to
    the nearest of a prompt's references), ``similarity_to_teacher`` (mean cosine of a student's and
    a teacher's answer), ``systematic_noise`` (see `statistics.systematic_noise`; the target is the
    references' mean, weighted by their probabilities) and ``hallucination_rate``.

    Where the corpus has an answer distribution, exact probabilities q of the supported answers and
    of "outside", and the true probabilities t, give ``predictive_entropy`` and
    ``mutual_information`` (nats), ``kl_from_truth`` = Σ t log(t / max(q, 1e-12)) (nats),
    ``total_variation_from_truth`` = Σ |q - t| / 2, ``support_coverage`` (share of answers with
    q ≥ t/10), ``mass_outside_support``, ``expected_calibration_error`` (see `calibration_error`)
    and, in the teacher's rows, ``true_entropy``.

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
        The teacher's greedy answers, S = J = 1: ``greedy_similarity_to_reference``.
    students : sequence of (Answers, int, int)
        For each condition, the answers of the students that did not diverge, the number of students
        that did, and the number of all students.

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
    evaluated_references = References(corpus, references, evaluated)
    groups = evaluated_references.groups()
    teacher_scores = ModelScores(teacher, evaluated_references, None)
    greedy_similarity = evaluated_references.similarity_to_reference(greedy.embeddings)
    for group, prompts in groups.items():
        estimates = teacher_scores.estimates(prompts, confidence)
        estimates |= teacher_scores.own_systematic_noise(prompts, confidence)
        if corpus.has_answer_distribution:
            entropies = statistics.entropy(evaluated_references.truth)[None]
            estimates["true_entropy"] = mean_over_prompts(entropies, prompts, confidence)
        estimates["greedy_similarity_to_reference"] = mean_over_prompts(
            greedy_similarity, prompts, confidence
        )
        for metric, value in estimates.items():
            table.add(table.unconditional, "teacher", metric, value, group)
    scores_by_condition = [
        ModelScores(answers, evaluated_references, teacher_scores) for answers, _, _ in students
    ]
    for condition, scores, baseline, (_, n_diverged, n_total) in zip(
        settings.conditions,
        scores_by_condition,
        baselines(settings.conditions),
        students,
        strict=True,
    ):
        table.add(condition, "student", "diverged_count", exact(n_diverged, n_total))
        for group, prompts in groups.items():
            estimates = scores.estimates(prompts, confidence) | scores.across(prompts, confidence)
            if baseline is not None:
                base = scores_by_condition[baseline]
                estimates |= scores.differences(base, prompts, confidence)
            for further in of_task("text"):
                score = further.estimate(scores, prompts, confidence)
                if score is not None:
                    estimates[further.name] = score
            for metric, value in estimates.items():
                table.add(condition, "student", metric, value, group)
    return table.columns()


def baselines(conditions: Sequence[Condition]) -> list[int | None]:
    """Baseline with which each condition is compared.

    Parameters
    ----------
    conditions : sequence of Condition
        Of the run.

    Returns
    -------
    list of (int or None)
        For a remedy, the number of the condition with method single; for a condition with
        initialisation noise, that of the condition with the least. None for the baselines
        themselves and for all other conditions.
    """
    single = [i for i, c in enumerate(conditions) if c.method == "single"]
    scales = [c.init_noise for c in conditions]
    numbers: list[int | None] = []
    for condition, scale in zip(conditions, scales, strict=True):
        if scale is not None:
            least = min(s for s in scales if s is not None)
            numbers.append(scales.index(least) if scale > least else None)
        elif condition.method != "single" and single:
            numbers.append(single[0])
        else:
            numbers.append(None)
    return numbers
