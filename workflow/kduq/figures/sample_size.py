"""Figure: the cost of intervals by their width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.sample_size.settings import SampleSize
from kduq.stage import Inputs
from kduq.study import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Label, colour, marker and side of the label of every curve.
_PILOT: dict[str, tuple[str, str, str, int]] = {
    "estimate": ("pilot's estimates", drawing.BLUE, "o", -1),
    "upper": ("pilot's upper limits", drawing.RED, "s", 1),
    "theory": ("normal theory", drawing.BLUE, "o", -1),
}


def _draw(table: pd.DataFrame, wanted: SampleSize) -> Figure:
    runs = list(table.groupby(["family", "dataset"], sort=False))
    figure, axes = drawing.grid(len(runs), 2, 2.0)
    for (left, right), ((family, dataset), cells) in zip(axes, runs, strict=True):
        # A pilot may have no interval, and a width no design.
        designs = cells[cells["cost"].notna()]
        has_draws = bool(cells["draws"].notna().any())
        for pilot, rows in designs.groupby("pilot", sort=False):
            at_width = rows[rows["width"] == wanted.width]
            _curve(left, at_width, "draws" if has_draws else "responses", str(pilot))
            _curve(right, rows[rows["optimum"]], "width", str(pilot))
            _name(right, rows[rows["optimum"]], str(pilot))
        _designs(left, cells[cells["best"]])
        name = f"{drawing.title(str(dataset))}, {FAMILIES[str(family)].label}"
        unit = "norm of an embedding" if has_draws else "SD of the target"
        if wanted.target != "mean":
            unit = "over the variance"
        left.set_title(f"{name}: width {wanted.width:g}", fontsize=7.5)
        right.set_title("Least cost", fontsize=7.5)
        draws = "Answers drawn per prompt"
        left.set_xlabel(draws if has_draws else "Responses k per input")
        right.set_xlabel(f"Full width of the interval ({unit})")
        for ax, top in ((left, 0.4), (right, 0.2)):
            ax.set_ylabel(f"Cost (per student: {wanted.cost_student:g})")
            _scales(ax, top)
    return figure


def _curve(ax: Axes, part: pd.DataFrame, x: str, pilot: str) -> None:
    """Draw a curve, and mark the least cost of the wanted width on it."""
    _, colour, marker, _ = _PILOT[pilot]
    part = part.sort_values(x)
    ax.plot(part[x], part["cost"], color=colour)
    best = part[part["best"]]
    ax.plot(best[x], best["cost"], marker, color=colour, markersize=5)


def _name(ax: Axes, part: pd.DataFrame, pilot: str) -> None:
    """Name a falling curve: the upper one above its start, the lower one below its end."""
    label, colour, _, side = _PILOT[pilot]
    part = part.sort_values("width")
    if part.empty:
        return
    end = part.iloc[0 if side > 0 else -1]
    ax.annotate(
        label,
        (end["width"], end["cost"]),
        (-4 * side, 4 * side),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="bottom" if side > 0 else "top",
        color=colour,
        fontsize=6.5,
    )


def _designs(ax: Axes, best: pd.DataFrame) -> None:
    """State the designs of least cost above the middle of the curves, where these are lowest."""
    for line, (_, row) in enumerate(best[::-1].iterrows()):
        label, colour, _, _ = _PILOT[row["pilot"]]
        design = f"S = {row['students']:.0f}, k = {row['responses']:.0f}"
        if np.isfinite(row["draws"]):
            design += f", {row['draws']:.0f} draws"
        ax.text(
            0.5,
            0.99 - 0.09 * line,
            f"{label}: {design if np.isfinite(row['cost']) else 'none'}",
            transform=ax.transAxes,
            ha="center",
            va="top",
            color=colour,
            fontsize=6.5,
        )


def _scales(ax: Axes, top: float) -> None:
    """Logarithmic axes with plain numbers, and room for text: ``top`` as a share of the curves."""
    for name in ("x", "y"):
        drawing.log_scale(ax, name)
    low, high = np.log(ax.get_ylim())
    ax.set_ylim(np.exp(low - 0.15 * (high - low)), np.exp(high + top * (high - low)))


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    wanted = settings.sample_size
    assert wanted is not None  # uses_sample_size is set
    table = inputs.read("plan").table.to_pandas()
    target = "mean prediction" if wanted.target == "mean" else "variance between students"
    note = (
        f"{100 * settings.confidence:g} % intervals of the {target}. A student costs "
        f"{wanted.cost_student:g}, a response to one input {wanted.cost_response:g}.\n"
        "Marked: S students of k responses per input, the least cost of the wanted width."
    )
    if wanted.target == "mean":
        note += " Students on all rows (language models: on bootstrap samples of the prompts)."
    # One of the two plans of a run: the one of the other experiments, where there is one.
    preferred = table.groupby(["family", "dataset"])["resampled"].transform("min")
    table = table[table["resampled"] == preferred]
    table = table.assign(best=table["optimum"] & (table["width"] == wanted.width))
    return Drawn(lambda: _draw(table, wanted), note)


def _sources(study: Study) -> dict[str, list[str]]:
    return {"plan": [paths.SAMPLE_SIZE]} if any(run.levels for run in study.runs) else {}


FIGURE = FigureKind(
    "plan",
    "How many students and responses are worth paying for?",
    _sources,
    _prepare,
    uses_sample_size=True,
)
