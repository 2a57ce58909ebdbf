"""The table of estimates of one run."""

from typing import Any

import numpy as np

from kduq.artifacts import schemas
from kduq.conditions import Condition
from kduq.estimates.settings import EstimatesSettings
from kduq.statistics import Estimate

#: Columns of a table of estimates with the estimate itself.
_VALUES = (
    "estimate",
    "se",
    "ci_low",
    "ci_high",
    "n_students",
    "se_students",
    "se_prompts",
    "se_total",
    "n_prompts",
)


def exact(value: float, n_students: int = 1) -> Estimate:
    """A number without sampling error: a count, a value from theory, or a number of the teacher.

    Estimates are conditional on the teacher, whose numbers therefore have no sampling error.

    Parameters
    ----------
    value : float
        The number.
    n_students : int
        Number of students to which it refers.

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
    settings : EstimatesSettings
        Of the run.
    """

    #: The condition of estimates that do not depend on a condition.
    unconditional = Condition()

    def __init__(self, settings: EstimatesSettings) -> None:
        names = ("experiment", "family", "dataset")
        self._keys = dict(zip(names, settings.path, strict=True))
        self._rows: list[dict[str, Any]] = []

    def add(
        self,
        condition: Condition,
        role: str,
        metric: str,
        estimate: Estimate,
        group: str = "all",
    ) -> None:
        """Add an estimate.

        Parameters
        ----------
        condition : Condition
            Condition of the students; `unconditional` for the teacher.
        role : str
            teacher or student.
        metric : str
            Name of the metric.
        estimate : Estimate
            The number and its interval.
        group : str
            Group of test inputs.
        """
        # Where prompts are drawn too, the interval is over students and prompts.
        both = estimate.se if np.isfinite(estimate.se_prompts) else np.nan
        values = (
            estimate.value,
            estimate.se,
            estimate.low,
            estimate.high,
            estimate.n,
            estimate.se_students,
            estimate.se_prompts,
            both,
            estimate.n_prompts or None,
        )
        self._rows.append(
            self._keys
            | {name: getattr(condition, name) for name in schemas.CONDITION}
            | {"group": group, "role": role, "metric": metric}
            | dict(zip(_VALUES, values, strict=True))
        )

    def columns(self) -> dict[str, list[Any]]:
        """The columns of the artifact."""
        return {name: [row[name] for row in self._rows] for name in self._rows[0]}
