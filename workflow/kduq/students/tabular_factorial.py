"""Students of a factorial design on tables: every combination of the levels of all factors.

Factors are the reasons why students of one teacher differ: the noise of its labels, the initial
parameters, and the bootstrap sample of the rows. A level is one draw of a factor. Its seed does not
depend on the other factors or on the number of levels. Least squares and full-batch networks have
no further randomness. Training a combination again would give the same student, so there are no
repeats.

Two factors can also be absent. On all rows, each once, students are trained in place of a further
bootstrap sample, with every combination of the other levels. With labels without noise, the
teacher's means, they are trained once in place of a further noise level; the shard of the first
noise level has them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kduq import seeds
from kduq.conditions import (
    LEVEL_COLUMNS,
    RESAMPLED_FACTOR,
    SHARDED_FACTOR,
    Condition,
    tabular_combinations,
)
from kduq.families import FAMILIES
from kduq.families.protocol import Batch
from kduq.responses import tabular as responses
from kduq.stage import Inputs, Outputs, progress
from kduq.students.labels import DistillationData, Ensemble
from kduq.students.settings import TabularFactorialSettings as Settings
from kduq.students.tabular import (
    bootstrap_counts,
    read_distillation_data,
    rows_of,
    stack,
)

__all__ = ["Settings", "run", "train"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard; see `kduq.stage.Stage`."""
    data, noise = read_distillation_data(settings, inputs)
    total = n_students(settings)
    with progress(total, "student") as advance:
        outputs.write("students", train(settings, data, noise, advance))


def n_students(settings: Settings) -> int:
    """Number of students of a shard, including those without noise."""
    n_levels = len(settings.replicates) + _has_noiseless(settings)
    return n_levels * tabular_combinations(settings.inner_levels)


def _has_noiseless(settings: Settings) -> bool:
    return len(settings.conditions) > 1 and settings.start == 0


@dataclass(frozen=True)
class _Cells:
    """Combinations of levels that are trained at once; those for padding are dropped."""

    condition: Condition
    present: np.ndarray
    levels: dict[str, np.ndarray]
    numbers: np.ndarray


def _cells(settings: Settings, width: int) -> Iterator[_Cells]:
    """Ensembles of a shard, each with one noise level.

    A student then has the same position in an ensemble of the same shape whatever its shard. A
    factor that is absent has a level beyond its last one.
    """
    inner = settings.inner_levels
    shape = tuple(n + (factor == RESAMPLED_FACTOR) for factor, n in inner.items())
    grid = np.indices(shape).reshape(len(inner), -1)
    n_inner = grid.shape[1]
    noisy, *noiseless = settings.conditions
    slices = [(noisy, noise) for noise in settings.replicates]
    # Without noise all noise levels are the same: one of them is enough.
    slices += [(condition, 0) for condition in noiseless if _has_noiseless(settings)]
    for condition, noise in slices:
        for first in range(0, n_inner, width):
            combinations = np.arange(first, first + width)
            present = combinations < n_inner
            combinations = np.minimum(combinations, n_inner - 1)
            levels = {SHARDED_FACTOR: np.full(width, noise)}
            levels |= {factor: grid[i, combinations] for i, factor in enumerate(inner)}
            yield _Cells(condition, present, levels, noise * n_inner + combinations)


def train(
    settings: Settings,
    data: DistillationData,
    noise: np.ndarray,
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """Train the students of one shard.

    Parameters
    ----------
    settings : Settings
        Settings of the shard: a range of noise levels, and the number of levels of each other
        factor of the family. The first condition has noise; a second one, if any, has none.
    data : DistillationData
        Inputs, truth and the teacher's mean.
    noise : ndarray of shape (noise levels, 1, n)
        Noise of the shard's responses.
    advance : callable
        Called with the number of students after every ensemble.

    Returns
    -------
    dict of str to array
        The columns of the artifact, one row per student, noise levels slowest and bootstrap levels
        fastest, with all rows in place of a sample as the last of them. seed is null, since there
        is one seed per factor and level. replicate is the number of the combination. The level of
        an absent factor is NaN.
    """
    model = FAMILIES[settings.family].model(settings.task)(data.problem, settings.model)
    truth = data.problem.train_y
    limit = settings.divergence_factor * float(truth.var())
    drawn = {factor: level_seeds(settings, factor, n) for factor, n in settings.levels.items()}
    samples = [bootstrap_counts(int(s), len(truth), 1.0) for s in drawn[RESAMPLED_FACTOR]]
    counts = np.stack([*samples, np.ones_like(samples[0])])
    initial = drawn.get("initialisation", np.zeros(1, np.int64))
    parts: dict[Condition, list[dict[str, Any]]] = {c: [] for c in settings.conditions}
    for cells in _cells(settings, model.ensemble):
        level = cells.levels[SHARDED_FACTOR] - settings.start
        variance = (cells.condition.alpha or 0.0) * float(truth.var())
        labels = responses.form(data.teacher_mean, noise[level, 0], variance)
        start = initial[cells.levels.get("initialisation", np.zeros(len(level), np.intp))]
        ensemble = Ensemble(cells.present, cells.numbers, start, noise[level])
        trained = model.fit(Batch(labels, start, counts[cells.levels[RESAMPLED_FACTOR]]))
        rows = rows_of(trained, data, ensemble, limit)
        for factor, column in LEVEL_COLUMNS.items():
            numbers = cells.levels.get(factor)
            rows[column] = None if numbers is None else numbers[cells.present].astype(np.float64)
        if cells.condition.alpha == 0:
            rows[LEVEL_COLUMNS[SHARDED_FACTOR]][:] = np.nan
        sample = rows[LEVEL_COLUMNS[RESAMPLED_FACTOR]]
        sample[sample == len(samples)] = np.nan
        # Neighbours share levels, so they are not pairs of independent students.
        rows |= dict.fromkeys(("seed", "parameter_distance_before", "parameter_distance_after"))
        parts[cells.condition].append(rows)
        advance(rows["size"])
    return stack(list(parts), list(parts.values()))


def level_seeds(settings: Settings, factor: str, levels: int) -> np.ndarray:
    """Seed of every level of a factor.

    Parameters
    ----------
    settings : Settings
        Settings of a shard.
    factor : str
        The factor.
    levels : int
        Number of its levels.

    Returns
    -------
    ndarray of int64 of shape (levels,)
        Each depends neither on the other factors nor on the number of levels.
    """
    path = (*settings.path, factor)
    seed = [seeds.replicate_seed(settings.seed, path, level) for level in range(levels)]
    return np.array(seed, dtype=np.int64)
