"""Students of a design of splits on tables: split, teacher and students are drawn anew each time.

A split has its own training rows, on which its inputs are standardised and its teacher is trained
on the truth. Students of every condition then learn from this teacher, as `kduq.students.tabular`
trains them. Families share the splits of a data set, but neither teachers nor noise.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kduq import seeds
from kduq.conditions import TEACHER, Condition
from kduq.examples import splits
from kduq.families import FAMILIES
from kduq.stage import Inputs, Outputs, progress
from kduq.students import tabular
from kduq.students.labels import DistillationData, Ensemble
from kduq.students.settings import TabularSettings
from kduq.students.settings import TabularSplitSettings as Settings
from kduq.teacher import tabular as teacher

__all__ = ["Settings", "run", "train"]


class _OfSplit(TabularSettings):
    """Settings of the students of one split, whose seeds are below it."""

    split_number: int

    @property
    def path(self) -> tuple[str, ...]:
        """Path of the split in the tree of seeds."""
        return seeds.path_of_split(super().path, self.split_number)


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard; see `kduq.stage.Stage`."""
    # Imported before the progress bar starts: importing torch takes seconds.
    FAMILIES[settings.family].model(settings.task)
    examples = teacher.arrays(inputs.read("examples"))
    noise = inputs.read("responses").column("noise")
    with progress(n_students(settings), "student") as advance:
        outputs.write("students", train(settings, examples, noise, advance))


def n_students(settings: Settings) -> int:
    """Number of models of a shard, including the teachers."""
    per_split = len(settings.conditions) * settings.students_per_split + 1
    return len(settings.replicates) * per_split


def train(
    settings: Settings,
    examples: dict[str, np.ndarray],
    noise: np.ndarray,
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """Train the teachers and students of one shard of splits.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    examples : dict of str to ndarray
        split, x and y of the table of examples.
    noise : ndarray of shape (splits · students_per_split · responses, n)
        Noise of the shard's responses.
    advance : callable
        Called with the number of models after every ensemble and condition.

    Returns
    -------
    dict of str to array
        The columns of the artifact, by split. The first row of a split is its teacher, under the
        condition of labels that are the truth; then come its students, as in
        `kduq.students.tabular.train`. Predictions are on the split's own test rows, in the order of
        the examples.
    """
    noise = noise.reshape(len(settings.replicates), settings.students_per_split, -1, noise.shape[1])
    parts = []
    for number, own in zip(settings.replicates, noise, strict=True):
        for table in _of_split(settings, examples, own, number, advance):
            table["split_number"] = np.full(len(table["replicate"]), number, np.int32)
            parts.append(table)
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _of_split(
    settings: Settings,
    examples: dict[str, np.ndarray],
    noise: np.ndarray,
    number: int,
    advance: Callable[[int], object],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tables of the teacher and of the students of one split."""
    drawn = seeds.split_seed(settings.seed, settings.experiment, settings.dataset, number)
    test = splits.test_rows(examples["split"], drawn)
    splits.check(settings.dataset, settings.task, examples["y"], test, number)
    x = splits.rescaled(examples["x"], test) if settings.rescaled else examples["x"]
    problem, test_y = teacher.problem(
        settings.task, np.where(test, "test", "train"), x, examples["y"]
    )
    model = FAMILIES[settings.family].model(settings.task)(problem, settings.teacher)
    of_split = _OfSplit(
        **{name: getattr(settings, name) for name in TabularSettings.model_fields}
        | {"start": 0, "stop": settings.students_per_split, "split_number": number}
    )
    seed = seeds.replicate_seed(settings.seed, (*of_split.path, "teacher"), 0)
    trained = teacher.of_truth(model, problem, seed)
    data = DistillationData(problem, test_y, trained.train_prediction[0])
    alone = Ensemble(np.array([True, False]), np.zeros(2, int), np.full(2, seed), noise[:2])
    own = tabular.rows_of(trained, data, alone, np.inf)
    advance(1)
    condition = Condition(label_source=TEACHER)
    return tabular.stack([condition], [[own]]), tabular.train(of_split, data, noise, advance)


def _joined(parts: Sequence[Any]) -> Any:
    """Join the parts of a column; one without values is NaN where another has numbers."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if not arrays:
        return [value for part in parts for value in part]
    shape = arrays[0].shape[1:]
    return np.concatenate(
        [
            part if isinstance(part, np.ndarray) else np.full((len(part), *shape), np.nan)
            for part in parts
        ]
    )
