"""What the figures of language models share."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kduq.figures import drawing
from kduq.figures.settings import FigureSettings

#: Name in the key, colour and marker, by method.
METHODS = {
    "single": drawing.METHOD["single"],
    "multi_response": ("multi-response", "#CC79A7", "v"),
    "averaging": drawing.METHOD["averaging"],
    "majority": ("majority", "#56B4E9", "P"),
    "denoised": ("denoised", "#E69F00", "X"),
    "variance_weighting": drawing.METHOD["variance_weighting"],
    "variance_weighting_prior": ("weighting with the prior", "#009E73", "<"),
    "shuffled": ("shuffled", "#999999", "x"),
}
#: Style of the line of the teacher's own value.
TEACHER: dict[str, Any] = {"color": "#000000", "linestyle": (0, (4, 1.5)), "lw": 1}


def taught(part: pd.DataFrame) -> pd.DataFrame:
    """Estimates over training prompts, or over all prompts where these are not separate."""
    runs = part.groupby(["experiment", "dataset"])["group"]
    split = runs.transform(lambda groups: "train" if (groups == "train").any() else "all")
    return part[part["group"] == split]


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


def note(settings: FigureSettings) -> str:
    """Note on the error bars of estimates on text."""
    level = round(100 * settings.confidence)
    return f"On prompts that were taught. Bars: {level} % intervals over students and prompts."
