"""Numbers that the paper's released scripts give, beside those of a study."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

#: Claim about networks, and mean test MSE at alpha = 1 over that without noise, by family: the
#: released scripts on Boston Housing.
_CLAIM = 2
_MSE_RATIOS = (("mlp", "networks", 2.60), ("linear", "linear students", 1.14))
_WHERE = {"experiment": "teacher_noise", "dataset": "boston_housing", "role": "student"}


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
    lines = []
    for family, name, theirs in _MSE_RATIOS:
        ours = _mse_ratio(estimates, family)
        if ours is not None:
            value, low, high = ours
            lines.append(
                f"test MSE at α = 1 over α = 0, {name}: paper {theirs:.2f}, here {value:.2f} "
                f"[{low:.2f}, {high:.2f}]"
            )
    return {_CLAIM: lines} if lines else {}


def _mse_ratio(estimates: pd.DataFrame, family: str) -> tuple[float, float, float] | None:
    """Mean test MSE at alpha = 1 over that at alpha = 0, with a 95 % interval.

    By the delta method for two means. Both are over the same noise, whose correlation is
    neglected, so the interval is no narrower than it should be.
    """
    at = {alpha: _row(estimates, family=family, alpha=alpha) for alpha in (0.0, 1.0)}
    if any(row is None for row in at.values()):
        return None
    noiseless, noisy = at[0.0], at[1.0]
    ratio = noisy["estimate"] / noiseless["estimate"]
    error = 1.96 * math.hypot(*(row["se"] / row["estimate"] for row in (noiseless, noisy)))
    return ratio, ratio * math.exp(-error), ratio * math.exp(error)


def _row(estimates: pd.DataFrame, **values: Any) -> Any:
    part = estimates[estimates["metric"] == "test_mse_mean"]
    for column, value in (_WHERE | values).items():
        part = part[part[column] == value]
    return part.iloc[0] if len(part) == 1 else None
