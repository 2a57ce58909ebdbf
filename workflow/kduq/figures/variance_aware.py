"""Figure: the remedies by the number of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Size of hollow markers of methods that equal another: at one response all methods are equal, and
#: for least squares averaging, the pilots' mean and variance weighting are equal.
_HOLLOW = {"single": 7.0, "averaging": 5.0, "pilot_mean": 7.0}


def _draw(part: pd.DataFrame) -> Figure:
    alphas = sorted(part.loc[part["alpha"] > 0, "alpha"].unique())
    runs = [
        (family, dataset, metric)
        for family in drawing.FAMILY
        for dataset in part["dataset"].unique()
        for metric in ("inter_student_variance", "test_mse_mean")
        if ((part["family"] == family) & (part["dataset"] == dataset)).any()
    ]
    numbers = sorted(part["k"].dropna().astype(int).unique())
    figure, axes = drawing.grid(len(runs), len(alphas), 1.45)
    for row, (family, dataset, metric) in enumerate(runs):
        cells = part[(part["family"] == family) & (part["dataset"] == dataset)]
        student = cells[cells["role"] == "student"]
        for column, alpha in enumerate(alphas):
            ax = axes[row, column]
            for method, look in drawing.METHOD.items():
                curve = drawing.select(student, "k", metric=metric, alpha=alpha, method=method)
                line = True
                if metric == "inter_student_variance":
                    theory = drawing.select(
                        student,
                        "k",
                        metric="theory_inter_student_variance",
                        alpha=alpha,
                        method=method,
                    )
                    drawing.theory(ax, theory, "k", look[1])
                    line = theory.empty
                drawing.curve(ax, curve, "k", look, line, _HOLLOW.get(method))
            _without_noise(ax, student[student["metric"] == metric], family)
            ax.margins(y=0.1)
            drawing.response_ticks(ax, numbers)
            if metric == "inter_student_variance":
                drawing.log_scale(ax)
            if row == 0:
                ax.set_title(f"α = {alpha:g}")
            if row == len(runs) - 1:
                ax.set_xlabel("Responses k per input")
        name = "variance" if metric == "inter_student_variance" else "mean test MSE"
        axes[row, 0].set_ylabel(
            f"{drawing.title(dataset)},\n{drawing.FAMILY[family][0]}:\n{name}", fontsize=7
        )
    drawing.theory_key(axes[0, 0], part)
    drawing.key(figure, axes)
    return figure


def _without_noise(ax: Axes, cells: pd.DataFrame, family: str) -> None:
    """Draw the level at alpha = 0, where all methods are the same.

    It is left out where theory predicts the variance, which then is zero and has no logarithm.
    """
    level = cells.loc[cells["alpha"] == 0, "estimate"]
    if FAMILIES[family].closed_form or not level.notna().any():
        return
    ax.axhline(level.iloc[0], color="#555555", linestyle=":", lw=1.1)
    ax.annotate(
        "α = 0",
        (0, level.iloc[0]),
        (3, 1.5),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        fontsize=6.5,
        color="#555555",
    )


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    note = f"MSE and variances: squared units of the target. {drawing.interval_note(settings)}"
    return Drawn(lambda: _draw(part), note)


FIGURE = FigureKind(
    "variance_aware",
    "Do averaging and variance weighting lower the noise?",
    estimates_of("variance_aware", lane="tabular"),
    _prepare,
)
