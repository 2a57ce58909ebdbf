"""Why a row of the table of verdicts is not supported, in one plain sentence or two."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: Beginning of the reason where no effect could be seen, whatever it is: not a fault of the models.
NOTHING_SEEN = "Nothing can be seen here"
#: Power for which numbers of students are named.
PLANNED_POWER = 0.8
#: Largest number of students or splits that is worth naming.
_MOST = 1e7


class Need(NamedTuple):
    """What would decide an effect of twice the margin in four of five studies.

    Attributes
    ----------
    number : float
        Number of students, or of splits.
    now : int
        Their number in this study.
    of_splits : bool
        Whether these are splits.
    with_prompts : bool
        Whether prompts must grow in proportion.
    """

    number: float
    now: int
    of_splits: bool
    with_prompts: bool


def reason_of(row: Mapping[str, Any], boundaries: Sequence[float], needed: Need) -> str:
    """Reason for a verdict that is not supported.

    Parameters
    ----------
    row : mapping
        estimate, ci_low, ci_high, p_adjusted, power and verdict.
    boundaries : sequence of float
        One or two values at which the verdict changes, on the scale of the row.
    needed : Need
        What a verdict needs.

    Returns
    -------
    str
        One sentence on where the interval lies; for an inconclusive row, one more on what a verdict
        needs.
    """
    low, high = row["ci_low"], row["ci_high"]
    if not (math.isfinite(low) and math.isfinite(high)):
        return "The statistic or its standard error is not defined for these students."
    interval = f"The interval [{_number(low)}, {_number(high)}]"
    limits = " to ".join(map(_number, boundaries))
    if row["verdict"] == "contradicted":
        return f"{interval} lies {_place(low, high, boundaries)} {limits}."
    if not any(low <= b <= high for b in boundaries):
        return (
            f"{interval} lies {_place(low, high, boundaries)} {limits}, but not after adjustment "
            f"for the other rows of the claim (p = {row['p_adjusted']:.2g})."
        )
    inside = " and ".join(_number(b) for b in boundaries if low <= b <= high)
    return f"{interval} includes {inside}. {_need(row, needed)}"


def _need(row: Mapping[str, Any], needed: Need) -> str:
    if row["power"] >= PLANNED_POWER:
        return (
            "The effect is too close to it for a verdict, though the study would decide one of "
            "twice the margin."
        )
    unit = "splits" if needed.of_splits else "students"
    if not needed.number < _MOST:
        return f"No number of {unit} that could be trained would decide it."
    more = " and as many times more prompts" if needed.with_prompts else ""
    return (
        f"About {_rounded(needed.number)} {unit} instead of {needed.now}{more} would decide an "
        "effect of twice the margin in four of five studies."
    )


def _place(low: float, high: float, boundaries: Sequence[float]) -> str:
    """Where an interval lies that includes no boundary."""
    if len(boundaries) > 1 and boundaries[0] < low and high < boundaries[-1]:
        return "within"
    if low > boundaries[-1]:
        return "above"
    if high < boundaries[0]:
        return "below"
    # The verdict is of several components, whose limits towards the others are wider.
    return "beyond"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _rounded(value: float) -> str:
    """Two significant digits, with a comma for thousands."""
    digits = 1 - math.floor(math.log10(max(value, 1)))
    return f"{round(value, min(digits, 0)):,.0f}"
