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
    "variance_weighting": drawing.METHOD["variance_weighting"],
}
#: Style of the line of the teacher's own value.
TEACHER: dict[str, Any] = {"color": "#000000", "linestyle": (0, (4, 1.5)), "lw": 1}


def taught(part: pd.DataFrame) -> pd.DataFrame:
    """Estimates over training prompts, or over all prompts where these are not separate."""
    runs = part.groupby(["experiment", "dataset"])["group"]
    split = runs.transform(lambda groups: "train" if (groups == "train").any() else "all")
    return part[part["group"] == split]


def note(settings: FigureSettings) -> str:
    """Note on the error bars of estimates on text."""
    level = round(100 * settings.confidence)
    return f"On prompts that were taught. Bars: {level} % intervals over students and prompts."
