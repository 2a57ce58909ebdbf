"""What the figures of language models share."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kduq.figures import drawing

#: Name in the key, colour and marker, by method.
METHODS = {
    "single": ("one answer", "#000000", "D"),
    "multi_response": ("all k answers", "#CC79A7", "v"),
    "averaging": drawing.METHOD["averaging"],
    "majority": ("majority", "#56B4E9", "P"),
    "denoised": ("denoised", "#E69F00", "X"),
    "variance_weighting": drawing.METHOD["variance_weighting"],
    "variance_weighting_prior": ("weighting with the prior", "#009E73", "<"),
    "shuffled": ("shuffled", "#999999", "x"),
}
#: Style of the line of the teacher's own value.
TEACHER: dict[str, Any] = {"color": "#000000", "linestyle": (0, (4, 1.5)), "lw": 1}

#: Groups of prompts in words.
GROUPS = {"all": "all prompts", "train": "taught prompts", "test": "held-out wordings"}


def over(part: pd.DataFrame) -> list[str]:
    """Groups of prompts that are shown: taught and held out where these are separate, else all.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of one corpus.

    Returns
    -------
    list of str
        Values of the column group.
    """
    found = set(part["group"])
    return [group for group in ("train", "test") if group in found] or (
        ["all"] if "all" in found else []
    )


def at_first_temperature(part: pd.DataFrame) -> pd.DataFrame:
    """Estimates at one temperature, where a run has methods at several: at 1, or the first.

    The condition of an experiment whose conditions are temperatures is not one of these.
    """
    if part["method"].nunique() < 2:
        return part
    temperatures = sorted(part["temperature"].dropna().unique().tolist())
    if len(temperatures) < 2:
        return part
    shown = min(temperatures, key=lambda value: abs(value - 1))
    return part[part["temperature"].isna() | (part["temperature"] == shown)]
