"""Evidence of designs of splits: estimates on every split of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kduq.artifacts.schemas import CONDITION
from kduq.estimates.groups import OF_SPLIT
from kduq.families import FAMILIES
from kduq.families.protocol import Family
from kduq.study.paths import RunKey

#: Columns of an estimate, by the attributes of `OverSplits`.
_VALUES = {"points": "estimate", "errors": "se", "low": "ci_low", "high": "ci_high"}


@dataclass(frozen=True)
class OverSplits:
    """A statistic of one condition on every split.

    Attributes
    ----------
    condition : dict of str to object
        Values of the condition columns that apply.
    points, errors : ndarray of shape (K,)
        Estimates in the order of the splits, and their standard errors; NaN where there is none.
    low, high : ndarray of shape (K,)
        Limits of the estimates, given the split and its teacher.
    n_students : int
        Students of all splits together.
    """

    condition: dict[str, Any]
    points: np.ndarray
    errors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_students: int

    @property
    def words(self) -> dict[str, str]:
        """Values of the condition in words."""
        return {
            name: value if isinstance(value, str) else f"{value:g}"
            for name, value in self.condition.items()
        }

    def on_log_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of the estimates and their standard errors (delta method)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(self.points), self.errors / self.points


@dataclass(frozen=True)
class SplitEvidence:
    """Estimates of one run on several splits.

    Attributes
    ----------
    key : RunKey
        Its names.
    estimates : pandas.DataFrame
        Of the run.
    """

    key: RunKey
    estimates: pd.DataFrame

    @property
    def family(self) -> Family:
        """Its family."""
        return FAMILIES[self.key.family]

    @property
    def names(self) -> tuple[str, str]:
        """Family and data set, as in a row of the verdicts."""
        return self.key.family, self.key.dataset

    def of_metric(self, metric: str) -> Iterator[OverSplits]:
        """A statistic on every split, for each condition that has it.

        Parameters
        ----------
        metric : str
            Its name among the estimates.

        Yields
        ------
        OverSplits
            In the order of the conditions.
        """
        rows = self.estimates[self.estimates["metric"] == metric]
        rows = rows[rows["group"].str.startswith(OF_SPLIT)]
        for _, part in rows.groupby(list(CONDITION), dropna=False, sort=False):
            applies = part[list(CONDITION)].iloc[0].dropna()
            columns = {name: part[column].to_numpy(np.float64) for name, column in _VALUES.items()}
            condition = {str(name): value for name, value in applies.items()}
            yield OverSplits(condition, **columns, n_students=int(part["n_students"].sum()))
