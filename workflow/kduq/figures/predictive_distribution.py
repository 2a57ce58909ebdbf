"""Figure: the variance of students' own distributions over the teacher's, by responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.figures.text import METHODS, TEACHER
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Methods with a curve, which starts at single, since at one response all methods are equal.
_CURVES = ("multi_response", "averaging")
#: Room on both sides for the names of curves, as shares of the logarithmic axis.
_LEFT, _RIGHT = 0.28, 0.55


def _draw(part: pd.DataFrame) -> Figure:
    ratios = part[(part["metric"] == "intra_variance_ratio") & (part["role"] == "student")]
    alphas = sorted(ratios["alpha"].unique())
    numbers = sorted({1, *ratios["k"].astype(int)})
    runs = list(ratios[["family", "dataset"]].drop_duplicates().itertuples(index=False, name=None))
    figure, axes = drawing.grid(len(runs), len(alphas), 1.75, sharex=True, sharey=True)
    for row, (family, dataset) in enumerate(runs):
        cells = ratios[(ratios["family"] == family) & (ratios["dataset"] == dataset)]
        for column, alpha in enumerate(alphas):
            ax = axes[row, column]
            _panel(ax, cells[cells["alpha"] == alpha], numbers)
            if row == 0:
                ax.set_title(f"α = {alpha:g}")
            if row == len(runs) - 1:
                ax.set_xlabel("Responses k per input")
        axes[row, 0].set_ylabel(
            f"{drawing.title(dataset)}, {drawing.FAMILY[family][0]}:\nstudent's own variance\n"
            "over the teacher's",
            fontsize=7,
        )
    drawing.log_scale(axes[0, 0])
    axes[0, 0].set_ylim(top=1.25 * axes[0, 0].get_ylim()[1])
    return figure


def _panel(ax: Axes, cells: pd.DataFrame, numbers: list[int]) -> None:
    """Draw the methods of one run at one alpha, with the levels that they would keep."""
    k = np.geomspace(1, numbers[-1], 50)
    ax.plot(k, np.ones(len(k)), **TEACHER)
    ax.plot(k, 1 / k, **TEACHER | {"color": "#777777", "linestyle": ":"})
    _name(
        ax, numbers[-1] ** 0.5, 1, "teacher's own variance", "#000000", (0, 4), "center", "bottom"
    )
    free = numbers[-1] ** 0.35
    _name(ax, free, 1 / free, "1/k", "#555555", (3, 2), va="bottom")
    single = cells[cells["method"] == "single"]
    for method in _CURVES:
        look = METHODS[method]
        own = drawing.select(cells, "k", method=method)
        drawing.curve(ax, own, "k", look)
        if own.empty:
            continue
        if not single.empty:
            first = own.iloc[0]
            ax.plot([1, first["k"]], [single["estimate"].iloc[0], first["estimate"]], color=look[1])
        last = own.iloc[-1]
        _name(ax, last["k"], last["estimate"], look[0], look[1], (6, 0))
    drawing.curve(ax, single, "k", METHODS["single"])
    for value in single["estimate"]:
        _name(ax, 1, value, "single", METHODS["single"][1], (-6, 0), "right")
    drawing.response_ticks(ax, numbers)
    ax.set_xlim(*(max(2, numbers[-1]) ** share for share in (-_LEFT, 1 + _RIGHT)))


def _name(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    colour: str,
    offset: tuple[int, int],
    ha: Any = "left",
    va: Any = "center",
) -> None:
    """Write the name of a curve beside a point of it."""
    ax.annotate(
        text, (x, y), offset, textcoords="offset points", color=colour, fontsize=7, ha=ha, va=va
    )


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    note = f"Variances: means over test rows. {drawing.interval_note(settings)}"
    return Drawn(lambda: _draw(part), note)


FIGURE = FigureKind(
    "predictive_distribution",
    "Do students of a regression keep the teacher's own variance?",
    estimates_of("predictive_distribution", lane="tabular"),
    _prepare,
)
