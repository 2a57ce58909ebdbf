"""Stage ``estimates``: a run's students summarised, a row an estimate with its interval.

One module a task says what is measured; the table that they fill is here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kduq.statistics import Estimate

#: Columns of a table of estimates that hold the estimate itself.
_MEASURED = ("estimate", "se", "ci_low", "ci_high", "n_students")


def exact(value: float, n_students: int = 1) -> Estimate:
    """A number without sampling error: of the teacher, which is given, of theory, or a count.

    Parameters
    ----------
    value : float
        The number.
    n_students : int
        Students that it is about.

    Returns
    -------
    Estimate
        Without an interval.
    """
    return Estimate(value, np.nan, np.nan, np.nan, n_students)


class Table:
    """Estimates of one run, in the order in which they were added.

    Parameters
    ----------
    settings : mapping
        experiment, family, dataset and conditions of the run.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._keys = {name: settings[name] for name in ("experiment", "family", "dataset")}
        #: The condition of what does not depend on one.
        self.unconditional: dict[str, Any] = dict.fromkeys(settings["conditions"][0])
        self._rows: list[dict[str, Any]] = []

    def add(
        self,
        condition: Mapping[str, Any],
        role: str,
        metric: str,
        found: Estimate,
        group: str = "all",
    ) -> None:
        """Add an estimate.

        Parameters
        ----------
        condition : mapping
            The condition columns.
        role : str
            teacher or student.
        metric : str
            What was estimated.
        found : Estimate
            The number and its interval.
        group : str
            Of the test inputs.
        """
        measured = (found.value, found.se, found.low, found.high, found.n)
        self._rows.append(
            self._keys
            | dict(condition)
            | {"group": group, "role": role, "metric": metric}
            | dict(zip(_MEASURED, measured, strict=True))
        )

    def columns(self) -> dict[str, list[Any]]:
        """The columns of the artifact."""
        return {name: [row[name] for row in self._rows] for name in self._rows[0]}


def gather(tables: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Stack the estimates of all runs.

    Parameters
    ----------
    tables : sequence of mapping of str to array
        Columns of each run's estimates.

    Returns
    -------
    dict of str to list
        All rows in the order of the runs.
    """
    return {name: [v for table in tables for v in list(table[name])] for name in tables[0]}
