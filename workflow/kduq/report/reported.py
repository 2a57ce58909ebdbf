"""Numbers that the paper's released scripts give, beside those of a study."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

#: Claim about networks, and families with their mean test MSE at alpha = 1 over that without noise.
_NETWORKS_AMPLIFY = 2
_MSE_RATIOS = (("mlp", "networks", 2.60), ("linear", "linear students", 1.14))
#: Claim about bootstrap samples, whose words have the paper's number for this share of the rows.
_BOOTSTRAP = 6
_HALF_THE_ROWS = 0.5
#: Share of Var(y) below which a variance is that of rounding.
_ROUNDING = 1e-6
#: The data set of the released scripts.
_WHERE = {"dataset": "boston_housing"}


def beside_ours(estimates: pd.DataFrame) -> dict[int, list[str]]:
    """Compare the paper's own numbers with those of a study.

    Parameters
    ----------
    estimates : pandas.DataFrame
        The table of that name.

    Returns
    -------
    dict of int to list of str
        Lines by number of the claim; empty if the study has no run to compare.
    """
    lines = {}
    for claim, experiment, compare in (
        (_NETWORKS_AMPLIFY, "teacher_noise", _mse_ratios),
        (_BOOTSTRAP, "bootstrap", _bootstrap_variances),
    ):
        part = _rows(estimates, experiment=experiment, **_WHERE)
        texts = compare(part) if len(part) else []
        if texts:
            lines[claim] = texts
    return lines


def _mse_ratios(estimates: pd.DataFrame) -> list[str]:
    lines = []
    for family, name, theirs in _MSE_RATIOS:
        ours = _mse_ratio(estimates, family)
        if ours is not None:
            value, low, high = ours
            lines.append(
                f"test MSE at α = 1 over α = 0, {name}: "
                f"paper {theirs:.2f}, here {value:.2f} [{low:.2f}, {high:.2f}]"
            )
    return lines


def _mse_ratio(estimates: pd.DataFrame, family: str) -> tuple[float, float, float] | None:
    """Mean test MSE at alpha = 1 over that at alpha = 0, with a 95 % interval.

    By the delta method for two means. Both are over the same noise, whose correlation is
    neglected, so the interval is no narrower than it should be.
    """
    noiseless, noisy = (
        _row(estimates, metric="test_mse_mean", role="student", family=family, alpha=alpha)
        for alpha in (0.0, 1.0)
    )
    if noiseless is None or noisy is None:
        return None
    ratio = noisy["estimate"] / noiseless["estimate"]
    error = 1.96 * math.hypot(*(row["se"] / row["estimate"] for row in (noiseless, noisy)))
    return ratio, ratio * math.exp(-error), ratio * math.exp(error)


def _bootstrap_variances(estimates: pd.DataFrame) -> list[str]:
    """Inter-student variance over Var(y), by family and source of the labels.

    Where it is zero, as that of linear students of a linear teacher, nothing is to be compared.
    """
    ours = []
    for family, name, _ in _MSE_RATIOS:
        targets = _row(estimates, metric="target_variance", family=family)
        for source, labels in (("teacher", "the teacher’s"), ("truth", "true")):
            row = _row(
                estimates,
                metric="inter_student_variance",
                role="student",
                group="all",
                family=family,
                label_source=source,
                sample_fraction=_HALF_THE_ROWS,
            )
            if targets is not None and row is not None:
                value, low, high = row[["estimate", "ci_low", "ci_high"]] / targets["estimate"]
                if value > _ROUNDING:
                    ours.append(
                        f"half the rows, {name}, {labels} labels: "
                        f"here {value:.4f} [{low:.4f}, {high:.4f}] of Var(y)"
                    )
    return ours


def _rows(estimates: pd.DataFrame, **values: Any) -> pd.DataFrame:
    for column, value in values.items():
        estimates = estimates[estimates[column] == value]
    return estimates


def _row(estimates: pd.DataFrame, **values: Any) -> Any:
    found = _rows(estimates, **values)
    return found.iloc[0] if len(found) == 1 else None
