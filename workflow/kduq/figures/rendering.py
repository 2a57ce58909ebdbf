"""Stage ``figures``: any figure of the registry, as PNG and PDF."""

from kduq.figures import FIGURES, drawing
from kduq.figures.settings import FigureSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write a figure; see `kduq.stage.Stage`."""
    drawn = FIGURES[settings.figure].prepare(settings, inputs)
    png, pdf = drawing.render(settings, drawn, outputs.provenance)
    outputs.write_bytes("png", png)
    outputs.write_bytes("pdf", pdf)
