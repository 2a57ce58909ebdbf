"""Estimates of the crossed design: where the variance between students comes from."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kduq import families
from kduq.conditions import DRAW_COLUMN, LEVEL_COLUMNS, in_order
from kduq.estimates import Table, exact
from kduq.statistics import components as variance_components
from kduq.statistics import Estimate


def summarise(
    settings: dict[str, Any],
    problem: families.Problem,
    test_y: np.ndarray,
    teacher: tuple[np.ndarray, np.ndarray],
    students: dict[str, np.ndarray],
    groups: list[np.ndarray],
) -> dict[str, list[Any]]:
    """Estimate the components of variance of one run, averaged over test rows.

    Levels of every factor are draws, so intervals hold for other noise, initial parameters and
    bootstrap samples; they are conditional on the split, the test rows and the teacher.

    Parameters
    ----------
    settings : dict
        experiment, family, dataset, confidence, alpha, levels and conditions (one, of nulls).
    problem, test_y, teacher
        Not needed: components are of predictions alone.
    students : dict of str to ndarray
        Columns of the students' table.
    groups : list of ndarray
        Numbers of the rows of the condition.

    Returns
    -------
    dict of str to list
        The columns of the artifact: variance_component_* in squared units of the target, and
        variance_share_* of their total.
    """
    del problem, test_y, teacher
    table = Table(settings)
    condition = settings["conditions"][0] | {"alpha": settings["alpha"]}
    levels = in_order(settings["levels"])
    factors = list(levels)
    part = {name: values[groups[0]] for name, values in students.items()}
    shape = tuple(levels.values())
    order = np.lexsort([part[LEVEL_COLUMNS[f]] for f in reversed(factors)])
    good = ~part["diverged"][order].astype(bool)
    values = part["prediction"][order].astype(np.float64).reshape(*shape, -1)
    values = complete(values, good.reshape(shape))
    found = _named(values, factors, settings["confidence"])
    for metric, estimate in found.items():
        table.add(condition, "student", metric, estimate)
    table.add(condition, "student", "diverged_count", exact(float((~good).sum()), len(good)))
    deficient = part["rank_deficient"]
    if any(value is not None for value in deficient.tolist()):
        number = float(deficient.astype(bool).sum())
        table.add(condition, "student", "rank_deficient_count", exact(number, len(deficient)))
    return table.columns()


def summarise_answers(
    settings: Mapping[str, Any],
    splits: Sequence[str],
    evaluated: np.ndarray,
    students: Mapping[str, Any],
) -> dict[str, list[Any]]:
    """Estimate the components of variance of a run of language models.

    An answer is its unit-norm sentence embedding; its variance is the trace of the covariance,
    averaged over the prompts of a group. The total effect of decoding is the variance within a
    student (intra-student), the rest that between students.

    Parameters
    ----------
    settings : mapping
        experiment, family, dataset, confidence, levels and conditions (one).
    splits : sequence of str
        Split of every prompt of the corpus, by prompt_id.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the prompts of comparison.
    students : mapping of str to ndarray
        Columns of the students' table: levels, draw, prompt_id, diverged and embedding.

    Returns
    -------
    dict of str to list
        The columns of the artifact, for the groups all and, where both have prompts, train and
        test; n_students counts students, not answers.
    """
    table = Table(settings)
    condition = settings["conditions"][0]
    levels = in_order(settings["levels"])
    factors, shape = list(levels), tuple(levels.values())
    keys = [students[LEVEL_COLUMNS.get(factor, DRAW_COLUMN)] for factor in factors]
    order = np.lexsort([students["prompt_id"], *reversed(keys)])
    embeddings = students["embedding"][order].reshape(*shape, len(evaluated), -1)
    good = ~students["diverged"][order].astype(bool).reshape(*shape, -1)[..., 0]
    n_students = good[..., 0].size
    for group, chosen in _groups(np.array(splits, dtype=object)[evaluated]).items():
        values = embeddings[..., chosen, :].reshape(*shape, -1).astype(np.float64)
        values = complete(values, good)
        draws = max(1, values.shape[-2])
        values = _rotated(values, int(chosen.sum()))
        for metric, found in _named(values, factors, settings["confidence"]).items():
            one_a_student = dataclasses.replace(found, n=found.n // draws)
            table.add(condition, "student", metric, one_a_student, group)
    diverged = float((~good[..., 0]).sum())
    table.add(condition, "student", "diverged_count", exact(diverged, n_students))
    return table.columns()


def _groups(splits: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of the prompts of each group."""
    found = {split: splits == split for split in ("train", "test")}
    every = {"all": np.ones(len(splits), bool)}
    return every | (found if all(mask.any() for mask in found.values()) else {})


def _rotated(values: np.ndarray, n_prompts: int) -> np.ndarray:
    """Coordinates in which traces are means over the last axis, as few as there are rows.

    A rotation keeps every sum of squares, and the rows span no more dimensions than there are:
    all leave-one-out analyses then cost a fraction.
    """
    flat = values.reshape(-1, values.shape[-1])
    if 0 < flat.shape[0] < flat.shape[1]:
        flat = np.asarray(np.linalg.qr(flat.T, mode="r")).T
    scaled = flat * np.sqrt(flat.shape[1] / n_prompts)
    return scaled.reshape(*values.shape[:-1], flat.shape[1])


def _named(values: np.ndarray, factors: Sequence[str], confidence: float) -> dict[str, Estimate]:
    """Components and shares by metric."""
    components, shares = variance_components.decompose(values, factors, confidence)
    return {
        f"variance_{kind}_{name}": estimate
        for kind, found in (("component", components), ("share", shares))
        for name, estimate in found.items()
    }


def complete(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Largest part of a design that is found by leaving out levels with diverged students.

    Parameters
    ----------
    values : ndarray of shape (n_1, ..., n_F, X)
        Values of every combination.
    good : ndarray of bool of shape (n_1, ..., n_F)
        Whether they may be used.

    Returns
    -------
    ndarray of shape (m_1, ..., m_F, X)
        Balanced: level by level, the one with the largest share of diverged students goes.
    """
    while good.size and not good.all():
        shares = [
            (~good).mean(axis=tuple(f for f in range(good.ndim) if f != factor))
            for factor in range(good.ndim)
        ]
        factor = int(np.argmax([share.max() for share in shares]))
        level = int(shares[factor].argmax())
        good, values = np.delete(good, level, factor), np.delete(values, level, factor)
    return values
