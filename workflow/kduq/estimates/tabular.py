"""What estimates on tables share: reading of the students of a run."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kduq.artifacts import WideColumn, schemas
from kduq.estimates.settings import TabularSettings
from kduq.families.protocol import Problem
from kduq.stage import Inputs
from kduq.teacher import tabular as teacher


@dataclass(frozen=True)
class TabularRun:
    """A run on a table.

    Attributes
    ----------
    problem : Problem
        Inputs and truth.
    test_y : ndarray of shape (m, ...)
        True targets of the test rows.
    teacher : tuple of ndarray
        The teacher's predictions on training and test rows.
    students : dict of str to array_like
        Columns of the students' table; their predictions are read when they are indexed.
    groups : list of ndarray
        For each condition, the numbers of its rows.
    """

    problem: Problem
    test_y: np.ndarray
    teacher: tuple[np.ndarray, np.ndarray]
    students: dict[str, Any]
    groups: list[np.ndarray]

    def of_condition(self, number: int) -> dict[str, Any]:
        """Columns of the students of a condition, by its number among the conditions."""
        return {name: values[self.groups[number]] for name, values in self.students.items()}


def read_run(settings: TabularSettings, inputs: Inputs) -> TabularRun:
    """Read the examples, the teacher and the students of a run.

    Parameters
    ----------
    settings : TabularSettings
        Of the run.
    inputs : Inputs
        Its artifacts.

    Returns
    -------
    TabularRun
        Diverged students included.
    """
    columns = teacher.arrays(inputs.read("examples"))
    train = columns["split"] == "train"
    means = inputs.read("teacher").column(teacher.RESPONSE_COLUMNS[settings.task])
    table = inputs.read_all("students", without="prediction")
    unused = (*schemas.CONDITION, "trajectory")
    names = [name for name in table.table.column_names if name not in unused]
    return TabularRun(
        *teacher.problem(settings.task, **columns),
        (means[train], means[~train]),
        {name: table.column(name) for name in names}
        | {"prediction": WideColumn(inputs.paths["students"], "prediction")},
        table.rows_of(settings.conditions),
    )
