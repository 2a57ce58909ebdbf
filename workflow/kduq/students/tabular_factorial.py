"""Students of a crossed design: every combination of the levels of all factors, trained once.

Factors are what makes students of one teacher differ: the noise of its labels, their initial
parameters, and the bootstrap sample of the rows. A level is one draw of one of them, with a seed of
its own that does not depend on the other factors or on the number of levels. Least squares and
full-batch networks have no further randomness: a combination that was trained again would give the
same student, so that repeats would say nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kduq import families, seeds
from kduq.conditions import CONDITION_KEYS, FACTORS, LEVEL_COLUMNS, in_order
from kduq.students import tabular as students


@dataclass(frozen=True)
class _Cells:
    """Combinations of levels that are trained at once; padded ones are computed and dropped."""

    present: np.ndarray
    levels: dict[str, np.ndarray]
    numbers: np.ndarray


def _cells(settings: dict[str, Any], width: int) -> Iterator[_Cells]:
    """Chunks of a block, of one noise level each.

    A student then sits at the same place of a chunk of the same shape whatever its block.
    """
    inner = in_order(settings["levels"])
    grid = np.indices(tuple(inner.values())).reshape(len(inner), -1)
    n_inner = grid.shape[1]
    for noise in range(settings["start"], settings["stop"]):
        for first in range(0, n_inner, width):
            places = np.arange(first, first + width)
            present = places < n_inner
            places = np.minimum(places, n_inner - 1)
            levels = {FACTORS[0]: np.full(width, noise)}
            levels |= {factor: grid[i, places] for i, factor in enumerate(inner)}
            yield _Cells(present, levels, noise * n_inner + places)


def train(
    settings: dict[str, Any],
    teaching: students.Teaching,
    noise: np.ndarray,
    progress: Callable[[int], object],
) -> dict[str, Any]:
    """Train the students of one block.

    Parameters
    ----------
    settings : dict
        As for `kduq.students.tabular.train`, with alpha and levels (number of levels of each factor that
        the family has, but the noise) in place of conditions; start and stop are a range of noise
        levels.
    teaching : Teaching
        What is learnt from.
    noise : ndarray of shape (noise levels, 1, n)
        The block's responses.
    progress : callable
        Told the number of students after every chunk.

    Returns
    -------
    dict of str to array
        The columns of the artifact, a row a student, noise levels slowest and bootstrap levels
        fastest. Condition columns are null, and so is the seed: there is one a factor and level.
        replicate is the number of the combination.
    """
    model = families.family(settings["family"], settings["task"])(
        teaching.problem, settings["model"]
    )
    truth = teaching.problem.train_y
    limit = settings["divergence_factor"] * float(truth.var())
    deviation = np.sqrt(settings["alpha"] * float(truth.var()))
    level_seeds = {f: _seeds(settings, f, n) for f, n in settings["levels"].items()}
    counts = np.stack(
        [students.bootstrap_counts(int(s), len(truth), 1.0) for s in level_seeds["bootstrap"]]
    )
    initial = level_seeds.get("initialisation", np.zeros(1, np.int64))
    parts = []
    for cells in _cells(settings, model.chunk):
        place = cells.levels["noise"] - settings["start"]
        labels = teaching.teacher_mean + deviation * noise[place, 0].astype(np.float64)
        start = initial[cells.levels.get("initialisation", np.zeros(len(place), np.intp))]
        chunk = students._Chunk(cells.present, cells.numbers, start, noise[place])
        trained = model.train(families.Batch(labels, start, counts[cells.levels["bootstrap"]]))
        rows = students._rows(trained, teaching, chunk, limit)
        for factor, column in LEVEL_COLUMNS.items():
            level = cells.levels.get(factor)
            rows[column] = None if level is None else level[cells.present].astype(np.int32)
        # Neighbours share levels: they are no pair of independent students.
        rows |= dict.fromkeys(("seed", "parameter_distance_before", "parameter_distance_after"))
        parts.append(rows)
        progress(rows["size"])
    return students._stack([dict.fromkeys(CONDITION_KEYS)], [parts])


def _seeds(settings: dict[str, Any], factor: str, levels: int) -> np.ndarray:
    """Seed of every level of a factor."""
    path = (settings["experiment"], settings["family"], settings["dataset"], factor)
    found = [seeds.replicate_seed(settings["seed"], path, level) for level in range(levels)]
    return np.array(found, dtype=np.int64)
