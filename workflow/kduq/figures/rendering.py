"""Stage ``figures``: any figure of the registry, as PNG, PDF and SVG."""

from kduq.figures import FIGURES, drawing
from kduq.figures.settings import FigureSettings as Settings
from kduq.stage import Inputs, Outputs
from kduq.study.paths import FIGURE_SUFFIXES as SUFFIXES

__all__ = ["Settings", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write a figure; see `kduq.stage.Stage`."""
    figure = FIGURES[settings.figure]
    drawn = figure.prepare(settings, inputs)
    rendered = drawing.render(settings, drawn, outputs.provenance, figure.question)
    for suffix in SUFFIXES:
        outputs.write_bytes(suffix, rendered[suffix])
