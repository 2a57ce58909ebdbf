"""Numbers as people write them in text files: decimal marks and groups of thousands."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

#: Decimal marks and separators of thousands that are common, the most common first.
_FORMATS: tuple[tuple[str, str | None], ...] = (
    (".", None),
    (",", None),
    (",", "."),
    (".", ","),
    (".", " "),
    (",", " "),
    (".", "'"),
    (",", "'"),
    (",", "\u00a0"),
    (",", "\u202f"),
)


def pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    """Pattern of a number whose groups, if it has any, are of three digits.

    Parameters
    ----------
    decimal : str
        Decimal mark.
    thousands : str, optional
        Separator of thousands; None for none.

    Returns
    -------
    re.Pattern
        Of the whole text, spaces around it included.
    """
    whole = r"\d+" if thousands is None else rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+"
    mark = re.escape(decimal)
    return re.compile(rf"\s*[+-]?(?:(?:{whole})(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?\s*")


def parsed(column: pd.Series, decimal: str, thousands: str) -> pd.Series:
    """A column of texts as numbers, if all are well formed; else the texts.

    pandas would remove separators wherever they are: 82.514 and 8.2514 would be the same number.

    Parameters
    ----------
    column : pandas.Series
        Texts and missing values.
    decimal, thousands : str
        As in `pattern`.

    Returns
    -------
    pandas.Series
        Numbers, or the column itself.
    """
    present = column.dropna()
    if not present.map(pattern(decimal, thousands).fullmatch).notna().all():
        return column
    plain = column.str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)
    return pd.to_numeric(plain)


def first_other(texts: pd.Series, decimal: str, thousands: str | None) -> int | None:
    """Number, from 0, of the first text that is no number in a format; None if there is none."""
    found = texts.map(pattern(decimal, thousands).fullmatch).isna().to_numpy()
    return int(np.argmax(found)) if found.any() else None


def likely_format(
    texts: Sequence[str], decimal: str, thousands: str | None
) -> tuple[str, str | None] | None:
    """A format in which all texts are numbers.

    Parameters
    ----------
    texts : sequence of str
        Texts that are no numbers in the present format.
    decimal, thousands
        The present format. A decimal mark other than the default was chosen, and stays.

    Returns
    -------
    tuple of (str, str or None), optional
        Decimal mark and separator of thousands; None if no common format reads them all.
    """
    others = [f for f in _FORMATS if f != (decimal, thousands)]
    for marks in [f for f in others if decimal in (_FORMATS[0][0], f[0])]:
        if all(map(pattern(*marks).fullmatch, texts)):
            return marks
    return None


def seem_grouped(values: np.ndarray) -> bool:
    """Whether numbers may have had separators of thousands that were read as decimal marks.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite numbers.

    Returns
    -------
    bool
        True if some are integers, and all others are at least 1 and have exactly three decimals,
        the last of which may be zeros in one of ten.
    """
    size = np.abs(values)
    broken = size[size != np.floor(size)]
    if len(broken) < 2 or len(broken) == len(size) or broken.min() < 1 or broken.max() >= 1000:
        return False
    milli = broken * 1000
    three = np.abs(milli - np.round(milli)) < 1e-6 * np.maximum(1, milli)
    ends_in_zero = np.abs(broken * 100 - np.round(broken * 100)) < 1e-6 * np.maximum(1, milli)
    return bool(three.all() and ends_in_zero.mean() < 0.3)
