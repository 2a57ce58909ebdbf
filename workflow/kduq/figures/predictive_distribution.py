"""Figure: the variance of students' own distributions over the teacher's, by responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.figures.text import METHODS
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Methods with a curve, which starts at single, since at one response all methods are equal.
_CURVES = {"multi_response": "all k", "averaging": "mean of k"}
#: Most panels side by side.
_COLUMNS = 4
_Run = tuple[str, str]


def _draw(ratios: pd.DataFrame) -> Figure:
    alphas = sorted(ratios["alpha"].unique())
    numbers = sorted({1, *ratios["k"].astype(int)})
    panels = [(run, alpha) for run in _runs(ratios) for alpha in alphas]
    columns = min(len(panels), max(1, _COLUMNS // len(alphas)) * len(alphas))
    if len(_runs(ratios)) < _COLUMNS:
        columns = min(len(alphas), len(panels))
    columns = min(columns, 6)
    rows = -(-len(panels) // columns)
    figure, axes = drawing.grid(rows, columns, 1.9, sharex=True, sharey=True)
    letters = drawing.letters()
    for number, (ax, (run, alpha)) in enumerate(zip(axes.flat, panels, strict=False)):
        family, dataset = run
        cells = ratios[(ratios["family"] == family) & (ratios["dataset"] == dataset)]
        _panel(ax, cells[cells["alpha"] == alpha], numbers)
        name = drawing.title(dataset, 40 // columns)
        ax.set_title(f"{next(letters)}  {name}, α = {alpha:g}", fontsize=7.5)
        if number % columns == 0:
            ax.set_ylabel("Variance within a student\n/ variance of a response")
        if number >= len(panels) - columns:
            ax.set_xlabel("Responses k per input")
            ax.tick_params(labelbottom=True)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    drawing.log_scale(axes[0, 0])
    return figure


def _runs(ratios: pd.DataFrame) -> list[_Run]:
    return list(ratios[["family", "dataset"]].drop_duplicates().itertuples(index=False, name=None))


def _panel(ax: Axes, cells: pd.DataFrame, numbers: list[int]) -> None:
    """Draw the methods of one run at one alpha, with the levels that they would keep."""
    k = np.geomspace(1, numbers[-1], 50)
    ax.axhline(1, color=drawing.GREY, lw=0.8)
    ax.plot(k, 1 / k, color=drawing.GREY, linestyle=(0, (1, 1.5)), lw=1)
    single = cells[(cells["method"] == "single") & cells["estimate"].notna()]
    for method, name in _CURVES.items():
        look = METHODS[method]
        own = drawing.select(cells, "k", method=method)
        drawing.curve(ax, own, "k", look)
        own = own[own["estimate"].notna()]
        if own.empty:
            continue
        if not single.empty:
            first = own.iloc[0]
            ax.plot([1, first["k"]], [single["estimate"].iloc[0], first["estimate"]], color=look[1])
        last = own.iloc[-1]
        drawing.name_end(ax, last["k"], last["estimate"], name, look[1])
    drawing.curve(ax, single, "k", METHODS["single"])
    drawing.response_ticks(ax, numbers)


def _finding(ratios: pd.DataFrame, margin: float) -> str:
    """What is kept of the teacher's variance, by method, and by how many runs."""
    sentences = []
    most = ratios["k"].max()
    for method, who in (
        ("single", "Students of one response"),
        ("multi_response", f"Students of all {most:g} responses"),
        ("averaging", f"Students of the mean of {most:g} responses"),
    ):
        rows = ratios[(ratios["method"] == method) & ratios["estimate"].notna()]
        rows = rows[(rows["k"] == most) | (method == "single")]
        if rows.empty:
            continue
        named = [
            (
                f"{drawing.full_name(row['dataset'])}, {FAMILIES[row['family']].label}, "
                f"α = {row['alpha']:g}",
                words.Number.of_row(row),
            )
            for _, row in rows.iterrows()
        ]
        sides = [words.side(number, 1 / margin, margin) for _, number in named]
        kept = f"as much as a response in {sides.count('within')} of {len(sides)} cases"
        sentences.append(
            f"{who} predict {words.spread(named)} times the variance of a response: {kept}."
        )
    return " ".join(sentences)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    datasets, more = drawing.shown_datasets(part)
    ratios = part[(part["metric"] == "intra_variance_ratio") & (part["role"] == "student")]
    ratios = ratios[ratios["dataset"].isin(datasets)]
    margin = (settings.margins or {}).get("entropy_margin", 1.25)
    note = (
        "Mean variance of a student's predictive distribution over test rows. Grey line: the "
        "variance of the teacher's responses; dotted: that over k. Diamond: students of one "
        f"response. {drawing.interval_note(settings)}{drawing.networks_note(settings)}"
        f"{drawing.diverged_note(part)}{more}"
    )
    return Drawn(lambda: _draw(ratios), note, _finding(ratios, margin))


FIGURE = FigureKind(
    "predictive_distribution",
    "Do students of a regression keep the teacher's own variance?",
    estimates_of("predictive_distribution", lane="tabular"),
    _prepare,
    uses_margins=True,
)
