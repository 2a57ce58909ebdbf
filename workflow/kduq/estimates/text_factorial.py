"""Estimates of a factorial design on text: the sources of the variance between answers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kduq.conditions import LEVEL_COLUMNS
from kduq.data.corpus import Corpus
from kduq.estimates.answers import SAMPLED, Answers, DistinctTexts, answers_from
from kduq.estimates.factorial import complete, components_by_metric
from kduq.estimates.settings import TextFactorialSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "estimate", "run"]

#: Columns of the students' table that are read beside those of the levels.
_STUDENT = ("replicate", "diverged")


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    evaluated = corpus.evaluated(settings.prompts)
    students = inputs.read_all("students").columns((*LEVEL_COLUMNS.values(), *_STUDENT))
    texts = DistinctTexts(inputs.read("embeddings"))
    table = inputs.read_all("answers", rows=SAMPLED)
    rows = np.arange(table.table.num_rows)
    answers = answers_from(texts.columns(table), rows, evaluated)
    outputs.write("estimates", estimate(settings, corpus.split, evaluated, students, answers))


def estimate(
    settings: Settings,
    splits: Sequence[str],
    evaluated: np.ndarray,
    students: Mapping[str, Any],
    answers: Answers,
) -> dict[str, list[Any]]:
    """Estimate the components of variance of a run of language models.

    An answer is its unit-norm sentence embedding; its variance is the trace of the covariance,
    averaged over the prompts of a group. The total effect of decoding is the variance within a
    student (intra-student); the remainder is the variance between students.

    Parameters
    ----------
    settings : Settings
        Of the run.
    splits : sequence of str
        Split of every prompt of the corpus, by prompt_id.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the evaluated prompts.
    students : mapping of str to ndarray
        Columns of the students' table: levels, replicate and diverged.
    answers : Answers
        Of all students, in ascending order of replicate; draws are levels of decoding.

    Returns
    -------
    dict of str to list
        The columns of the artifact, for the groups all and, where both have prompts, train and
        test; n_students counts students, not answers.
    """
    table = Table(settings)
    (condition,) = settings.conditions
    levels = settings.levels_in_order
    factors, shape = list(levels), tuple(levels.values())
    trained = [students[LEVEL_COLUMNS[factor]] for factor in factors if factor in LEVEL_COLUMNS]
    order = np.lexsort(trained[::-1])
    replicates = np.sort(students["replicate"])
    models = np.searchsorted(replicates, students["replicate"][order])
    good = ~students["diverged"][order].astype(bool)
    every_draw = np.repeat(good, shape[-1]).reshape(shape)
    for group, prompts in _groups(np.array(splits, dtype=object)[evaluated]).items():
        coordinates = _coordinates(answers, models, np.flatnonzero(prompts))
        values = complete(coordinates.reshape(*shape, -1), every_draw)
        draws = max(1, values.shape[-2])
        for metric, value in components_by_metric(values, factors, settings.confidence).items():
            per_student = dataclasses.replace(value, n=value.n // draws)
            table.add(condition, "student", metric, per_student, group)
    diverged = float((~good).sum())
    table.add(condition, "student", "diverged_count", exact(diverged, len(good)))
    return table.columns()


def _groups(splits: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of the prompts of each group."""
    masks = {split: splits == split for split in ("train", "test")}
    everything = {"all": np.ones(len(splits), bool)}
    return everything | (masks if all(mask.any() for mask in masks.values()) else {})


def _coordinates(answers: Answers, models: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """Coordinates of answers in which traces, averaged over prompts, are means over the last axis.

    All embeddings of an answer's student and draw, prompt after prompt, are one long vector. Only
    scalar products of these vectors are kept: they determine every sum of squares, and the vectors
    up to a rotation. All leave-one-out analyses are then much cheaper, too.

    Parameters
    ----------
    answers : Answers
        Of all students.
    models : ndarray of shape (S,)
        Numbers of the students, in the order of the result.
    prompts : ndarray of int
        Numbers of the prompts.

    Returns
    -------
    ndarray of shape (S · J, C)
        Draws fastest; C is at most S · J.
    """
    size = len(models) * answers.texts.shape[2]
    products = np.zeros((size, size))
    width = answers.embeddings.shape[-1]
    for prompt in prompts:
        vectors = answers.embeddings[models, prompt].reshape(size, width).astype(np.float64)
        products += vectors @ vectors.T
    rank = max(1, min(size, len(prompts) * width))
    squares, directions = np.linalg.eigh(products)
    coordinates = directions[:, -rank:] * np.sqrt(np.maximum(squares[-rank:], 0))
    return coordinates * np.sqrt(rank / max(1, len(prompts)))
