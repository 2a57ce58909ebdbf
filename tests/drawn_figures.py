"""Figures drawn from a table in memory."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pandas as pd
from kduq.figures import FIGURES, drawing
from kduq.figures.settings import FigureSettings


@dataclass(frozen=True)
class OneTable:
    """Inputs of a stage all of whose roles are one table."""

    table: pd.DataFrame

    def read(self, role: str) -> Any:
        """The table of any role."""
        return SimpleNamespace(table=SimpleNamespace(to_pandas=lambda: self.table))

    read_all = read


def settings_of(figure: str, **changes: Any) -> FigureSettings:
    """Settings of a figure in the project's style."""
    values = {
        "figure": figure,
        "style": "default",
        "style_file": None,
        "project_style": "",
        "dpi": 60,
        "confidence": 0.95,
        "sample_size": None,
    }
    return FigureSettings(**(values | changes))


def drawn(figure: str, table: pd.DataFrame, **changes: Any) -> list[bytes]:
    """PNG, PDF and SVG of a figure whose only source is a table."""
    settings = settings_of(figure, **changes)
    prepared = FIGURES[figure].prepare(settings, OneTable(table))
    return list(drawing.render(settings, prepared, {"stage": "figures"}).values())
