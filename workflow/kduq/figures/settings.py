"""Settings of stage ``figures``."""

from typing import Annotated

from pydantic import Field

from kduq.config.fields import StrictModel
from kduq.sample_size.settings import SampleSize
from kduq.stage import StageSettings


class Figures(StrictModel):
    """Style of the figures."""

    style: str
    """A matplotlib style, or a style file, on top of the project's own; default for none."""
    dpi: Annotated[int, Field(ge=50, le=600, strict=True)]
    """Dots per inch of the PNG files."""


class FigureSettings(StageSettings, Figures):
    """What decides a figure."""

    figure: str
    """Name of the figure."""
    style_file: str | None
    """Digest of the user's style, if it is a file."""
    project_style: str
    """Digest of the project's own style."""
    confidence: float
    """Coverage of the intervals."""
    sample_size: SampleSize | None
    """The wanted interval and its costs, for figures that show them."""
    margins: dict[str, float] | None = None
    """Margins of the claims by their key in the configuration, for figures that show them."""
    hidden_units: dict[str, tuple[int, int | None]] = Field(default={})
    """Hidden units of the students, and of their teacher, of every family of networks shown."""
