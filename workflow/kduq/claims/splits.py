"""Evidence of designs of splits: estimates on every split of a run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kduq.artifacts.schemas import CONDITION
from kduq.estimates.groups import parts_of
from kduq.families import FAMILIES
from kduq.families.protocol import Family
from kduq.statistics.meta_analysis import FEWEST
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
    failing : mapping of int to str
        Why the quality gate does not let a split pass, by its number.
    """

    key: RunKey
    estimates: pd.DataFrame
    failing: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def _groups(self) -> pd.DataFrame:
        """Number of the split and group of test inputs of each row."""
        parts = [parts_of(name) for name in self.estimates["group"]]
        return pd.DataFrame(parts, index=self.estimates.index, columns=["split", "group"])

    @property
    def splits(self) -> set[int]:
        """Numbers of the splits."""
        return set(self._groups["split"].dropna().astype(int))

    @property
    def left_out(self) -> set[int]:
        """Splits that verdicts are not about, since the gate does not let them pass.

        Claims are about students that have converged, of teachers that have learnt. None is left
        out where too few would remain; then all verdicts are withheld.
        """
        failing = self.splits & set(self.failing)
        return failing if len(self.splits) - len(failing) >= FEWEST else set()

    @property
    def withheld(self) -> str | None:
        """Why there is no verdict on the run; None if enough splits pass the gate."""
        failing = sorted(self.splits & set(self.failing))
        if not failing or self.left_out:
            return None
        return (
            f"Only {len(self.splits) - len(failing)} of {len(self.splits)} splits pass the quality "
            f"gate, fewer than {FEWEST}. Split {failing[0]}: {self.failing[failing[0]]}"
        )

    def groups(self) -> tuple[str, ...]:
        """Groups of test inputs on which claims are judged.

        All of a table; on text taught and held-out prompts, as for one teacher.
        """
        on_text = self.family.lane == "text" and (self._groups["group"] == "train").any()
        return ("train", "test") if on_text else ("all",)

    def of_teacher(self, metric: str, group: str) -> float:
        """Mean of an estimate for the teachers, NaN if there is none."""
        rows = self._rows(metric, group, "teacher")
        return float(rows["estimate"].mean()) if len(rows) else np.nan

    def _rows(self, metric: str, group: str, role: str = "student") -> pd.DataFrame:
        """Estimates of a metric on the splits that verdicts are about."""
        mask = (self.estimates["metric"] == metric) & (self.estimates["role"] == role)
        mask &= self._groups["group"] == group
        mask &= self._groups["split"].isin(self.splits - self.left_out)
        return self.estimates[mask]

    @property
    def family(self) -> Family:
        """Its family."""
        return FAMILIES[self.key.family]

    @property
    def names(self) -> tuple[str, str]:
        """Family and data set, as in a row of the verdicts."""
        return self.key.family, self.key.dataset

    def of_metric(self, metric: str, group: str = "all") -> Iterator[OverSplits]:
        """A statistic on every split that is not left out, for each condition that has it.

        Parameters
        ----------
        metric : str
            Its name among the estimates.
        group : str
            Group of test inputs.

        Yields
        ------
        OverSplits
            In the order of the conditions.
        """
        rows = self._rows(metric, group)
        for _, part in rows.groupby(list(CONDITION), dropna=False, sort=False):
            applies = part[list(CONDITION)].iloc[0].dropna()
            columns = {name: part[column].to_numpy(np.float64) for name, column in _VALUES.items()}
            condition = {str(name): value for name, value in applies.items()}
            yield OverSplits(condition, **columns, n_students=int(part["n_students"].sum()))
