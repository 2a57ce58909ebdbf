"""Sentences about estimates, for the findings of figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy


class Number(NamedTuple):
    """An estimate and its interval; NaN limits where it has none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def of_row(cls, row: pd.Series) -> Number:
        """From a row of the estimates."""
        return cls(float(row["estimate"]), float(row["ci_low"]), float(row["ci_high"]))

    def times(self, factor: float) -> Number:
        """The estimate in another unit."""
        return Number(*(factor * value for value in self))

    def __str__(self) -> str:
        return self.text()

    def text(self, unit: str = "") -> str:
        """The estimate with its interval in brackets, and a unit."""
        if not math.isfinite(self.value):
            return "not available"
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return f"{plain(self.value)}{unit} (no interval)"
        return f"{plain(self.value)} [{plain(self.low)}, {plain(self.high)}]{unit}"


def plain(value: float) -> str:
    """A number with two significant digits, or three from 10 on, without an exponent."""
    size = abs(value)
    if size >= 1000:
        text = f"{round(value):,}"
    elif size < 1e-4:
        text = f"{value:.1e}" if value else "0"
    else:
        digits = 3 if size >= 10 else 2
        text = np.format_float_positional(value, precision=digits, fractional=False, trim="-")
    return text.replace("-", "\N{MINUS SIGN}")


def ratio(own: pd.Series, other: pd.Series, confidence: float) -> Number:
    """Ratio of two independent positive estimates.

    Parameters
    ----------
    own, other : pandas.Series
        Rows of the estimates, of students that share no random numbers.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Number
        With the interval of the logarithm, whose variance is the sum of the relative variances
        (delta method); no interval where one of these is not known.
    """
    value = float(own["estimate"] / other["estimate"])
    relative = [float(row["se"] / row["estimate"]) for row in (own, other)]
    half = float(scipy.stats.norm.ppf(0.5 + confidence / 2)) * math.hypot(*relative)
    return Number(value, value * math.exp(-half), value * math.exp(half))


def listed(parts: Sequence[str]) -> str:
    """Words in a row, with "and" before the last."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def spread(numbers: Sequence[tuple[str, Number]], unit: str = "") -> str:
    """Numbers of several data sets: both of two, and the ends of more.

    Parameters
    ----------
    numbers : sequence of (str, Number)
        Names with their numbers; at least one.
    unit : str
        Written after each number.

    Returns
    -------
    str
        Such as "6.8 [6.2, 7.5] (Boston Housing) and 10 [9.1, 11] (Diabetes)".
    """
    ranked = sorted(numbers, key=lambda pair: pair[1].value)
    if len(ranked) < 3:
        return listed([f"{number.text(unit)} ({name})" for name, number in numbers])
    (first, low), *_, (last, high) = ranked
    return f"from {low.text(unit)} ({first}) to {high.text(unit)} ({last})"


def side(number: Number, low: float, high: float) -> str:
    """Where an interval lies: below, within or above two bounds, or undecided."""
    if not (math.isfinite(number.low) and math.isfinite(number.high)):
        return "undecided"
    if number.high < low:
        return "below"
    if number.low > high:
        return "above"
    return "within" if low <= number.low and number.high <= high else "undecided"
