"""Students of a design of studies on tables: split, teacher, noise and initial parameters crossed.

All other designs keep the split and the teacher of a study, or draw both anew together. Here every
combination of the levels of four factors is a student, and all predict the same test rows:

- split: as many training rows as the study has, drawn from them with replacement. They stand for
  the rows that another study would have (Efron 1979, Annals of Statistics 7, 1-26). Teacher and
  students learn from the same rows; inputs keep the scale that they have in the study.
- teacher: its initial parameters. Least squares has none, and no such factor.
- noise: that of the teacher's responses, one per row of the split. A row that is drawn twice gets
  two responses, as two rows of another study would, so noise has no effect apart from the split.
- initialisation: initial parameters of the student.

The seed of a level depends neither on the other factors nor on the number of levels.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kduq import seeds
from kduq.conditions import LEVEL_COLUMNS, SHARDED_FACTOR, tabular_combinations
from kduq.families import FAMILIES
from kduq.families.protocol import Batch, Problem
from kduq.responses import tabular as responses
from kduq.stage import Inputs, Outputs, progress
from kduq.students.labels import DistillationData, Ensemble
from kduq.students.settings import TabularStudySettings as Settings
from kduq.students.tabular import rows_of, stack
from kduq.students.tabular_factorial import level_seeds
from kduq.teacher import tabular as teacher

__all__ = ["Settings", "run", "train"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard; see `kduq.stage.Stage`."""
    # Imported before the progress bar starts: importing torch takes seconds.
    FAMILIES[settings.family].model(settings.task)
    data, test_y = teacher.problem(settings.task, **teacher.arrays(inputs.read("examples")))
    noise = inputs.read("responses").column("noise")
    with progress(n_models(settings), "model") as advance:
        outputs.write("students", train(settings, data, test_y, noise, advance))


def n_models(settings: Settings) -> int:
    """Number of models of a shard, including the teachers."""
    levels = settings.inner_levels
    teachers = levels["split"] * levels.get("teacher", 1)
    return teachers + len(settings.replicates) * tabular_combinations(levels)


def rows_of_split(seed: int, n: int) -> np.ndarray:
    """Draw the training rows of a split.

    Parameters
    ----------
    seed : int
        Seed of the level.
    n : int
        Training rows of the study.

    Returns
    -------
    ndarray of int of shape (n,)
        Numbers of rows, some of which come several times.
    """
    return seeds.generator(seed, "split").integers(0, n, size=n)


def train(
    settings: Settings,
    data: Problem,
    test_y: np.ndarray,
    noise: np.ndarray,
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """Train the teachers and students of one shard.

    Parameters
    ----------
    settings : Settings
        Settings of the shard: a range of noise levels, and the number of levels of each other
        factor of the family.
    data : Problem
        All training rows of the study, and its test rows.
    test_y : ndarray of shape (m,)
        Truth of the test rows.
    noise : ndarray of shape (noise levels, n)
        Noise of the shard's responses.
    advance : callable
        Called with the number of models after the teachers of a split and after every ensemble.

    Returns
    -------
    dict of str to array
        The columns of the artifact, one row per student, splits slowest and initial parameters
        fastest. seed is null, since there is one seed per factor and level; replicate is the number
        of the combination. The level of a factor that the family lacks is null.
    """
    drawn = {factor: level_seeds(settings, factor, n) for factor, n in settings.levels.items()}
    make = FAMILIES[settings.family].model(settings.task)
    n = len(data.train_y)
    parts: list[dict[str, Any]] = []
    for split, seed in enumerate(drawn["split"].tolist()):
        rows = rows_of_split(seed, n)
        problem = Problem(data.train_x[rows], data.test_x, data.train_y[rows])
        teachers = make(problem, settings.teacher)
        own = drawn.get("teacher", np.zeros(1, np.int64)).tolist()
        means = np.stack(
            [teacher.of_truth(teachers, problem, each).train_prediction[0] for each in own]
        )
        advance(len(own))
        # The students' truth is that of the rows they learn from.
        taught = DistillationData(problem, test_y, means[0])
        model = make(problem, settings.model)
        limit = settings.divergence_factor * float(problem.train_y.var())
        variance = (settings.conditions[0].alpha or 0.0) * float(problem.train_y.var())
        starts = drawn.get("initialisation", np.zeros(1, np.int64))
        for cells, present in _ensembles(settings, split, model.ensemble):
            level = cells[SHARDED_FACTOR][0] - settings.start
            labels = responses.form(means[cells["teacher"]], noise[level], variance)
            start = starts[cells["initialisation"]]
            ensemble = Ensemble(present, cells["number"], start, noise[level][None])
            table = rows_of(model.fit(Batch(labels, start)), taught, ensemble, limit)
            for factor, column in LEVEL_COLUMNS.items():
                known = factor in settings.levels or factor == SHARDED_FACTOR
                table[column] = cells[factor][present].astype(np.float64) if known else None
            # Neighbours share levels, so they are not pairs of independent students.
            table |= dict.fromkeys(
                ("seed", "parameter_distance_before", "parameter_distance_after")
            )
            parts.append(table)
            advance(table["size"])
    return stack(settings.conditions, [parts])


def _ensembles(
    settings: Settings, split: int, width: int
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Students of a split that are trained at once, all with one noise level.

    A student then has the same position in an ensemble of the same shape whatever its shard.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    split : int
        Level of the split.
    width : int
        Students of an ensemble.

    Yields
    ------
    cells : dict of str to ndarray of shape (width,)
        Levels by factor, and number, that of the combination.
    present : ndarray of bool of shape (width,)
        Whether a student is kept; those for padding are not.
    """
    levels = settings.inner_levels
    shape = levels.get("teacher", 1), levels.get("initialisation", 1)
    teachers, starts = np.indices(shape).reshape(2, -1)
    for noise in settings.replicates:
        for first in range(0, len(starts), width):
            inner = np.arange(first, first + width)
            present = inner < len(starts)
            inner = np.minimum(inner, len(starts) - 1)
            outer = noise * levels["split"] + split
            yield (
                {
                    "split": np.full(width, split),
                    "teacher": teachers[inner],
                    SHARDED_FACTOR: np.full(width, noise),
                    "initialisation": starts[inner],
                    "number": outer * len(starts) + inner,
                },
                present,
            )
