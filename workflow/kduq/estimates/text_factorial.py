"""Estimates of a factorial design on text: the sources of the variance between answers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kduq.conditions import DRAW_COLUMN, LEVEL_COLUMNS
from kduq.data.corpus import Corpus
from kduq.estimates.factorial import complete, components_by_metric
from kduq.estimates.settings import TextFactorialSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "estimate", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    names = (*LEVEL_COLUMNS.values(), DRAW_COLUMN, "prompt_id", "diverged", "embedding")
    columns = inputs.read_all("students").columns(names)
    evaluated = corpus.evaluated(settings.prompts)
    outputs.write("estimates", estimate(settings, corpus.split, evaluated, columns))


def estimate(
    settings: Settings,
    splits: Sequence[str],
    evaluated: np.ndarray,
    students: Mapping[str, Any],
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
        Columns of the students' table: levels, draw, prompt_id, diverged and embedding.

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
    keys = [students[LEVEL_COLUMNS.get(factor, DRAW_COLUMN)] for factor in factors]
    order = np.lexsort([students["prompt_id"], *reversed(keys)])
    embeddings = students["embedding"][order].reshape(*shape, len(evaluated), -1)
    good = ~students["diverged"][order].astype(bool).reshape(*shape, -1)[..., 0]
    n_students = good[..., 0].size
    for group, prompts in _groups(np.array(splits, dtype=object)[evaluated]).items():
        values = embeddings[..., prompts, :].reshape(*shape, -1).astype(np.float64)
        values = complete(values, good)
        draws = max(1, values.shape[-2])
        values = _rotated(values, int(prompts.sum()))
        for metric, value in components_by_metric(values, factors, settings.confidence).items():
            per_student = dataclasses.replace(value, n=value.n // draws)
            table.add(condition, "student", metric, per_student, group)
    diverged = float((~good[..., 0]).sum())
    table.add(condition, "student", "diverged_count", exact(diverged, n_students))
    return table.columns()


def _groups(splits: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of the prompts of each group."""
    masks = {split: splits == split for split in ("train", "test")}
    everything = {"all": np.ones(len(splits), bool)}
    return everything | (masks if all(mask.any() for mask in masks.values()) else {})


def _rotated(values: np.ndarray, n_prompts: int) -> np.ndarray:
    """Coordinates, at most as many as rows, in which traces are means over the last axis.

    A rotation keeps every sum of squares, and the rows span at most as many dimensions as there are
    rows. All leave-one-out analyses are then much cheaper.
    """
    flat = values.reshape(-1, values.shape[-1])
    if 0 < flat.shape[0] < flat.shape[1]:
        flat = np.asarray(np.linalg.qr(flat.T, mode="r")).T
    scaled = flat * np.sqrt(flat.shape[1] / n_prompts)
    return scaled.reshape(*values.shape[:-1], flat.shape[1])
