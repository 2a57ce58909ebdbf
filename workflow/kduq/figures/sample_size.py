"""Figure: the cost of an interval by the number of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.sample_size.settings import SampleSize
from kduq.stage import Inputs
from kduq.study import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Label and colour of every curve.
_PILOT = {
    "estimate": ("pilot's estimates", drawing.BLUE),
    "upper": ("upper limits", drawing.RED),
    "theory": ("normal theory", drawing.BLUE),
}
#: Cost above the least one that is as good, as a share of it.
_NEAR = 0.05
#: Most panels side by side, and of all.
_COLUMNS, _MOST = 4, 16


def _draw(table: pd.DataFrame, wanted: SampleSize) -> Figure:
    runs = list(table.groupby(["family", "dataset"], sort=False))[:_MOST]
    columns = min(len(runs), 2 if len(runs) <= 4 else _COLUMNS)
    rows = -(-len(runs) // columns)
    figure, axes = drawing.grid(rows, columns, 2.1)
    letters = drawing.letters()
    for number, (ax, (keys, cells)) in enumerate(zip(axes.flat, runs, strict=False)):
        family, dataset = map(str, keys)
        x = "draws" if cells["draws"].notna().any() else "responses"
        _panel(ax, cells[cells["width"] == wanted.width], x)
        label = FAMILIES[family].label if columns < 3 else FAMILIES[family].label.split()[0]
        name = drawing.title(dataset, 30 if columns < 3 else 18)
        between = ", " if columns < 3 else ",\n"
        ax.set_title(f"{next(letters)}  {name}{between}{label}", fontsize=7.5)
        if number % columns == 0:
            ax.set_ylabel("Cost")
        is_last = number >= len(runs) - columns
        if is_last or x == "draws":
            ax.set_xlabel("Answers drawn per prompt" if x == "draws" else "Responses k per input")
    for ax in axes.flat[len(runs) :]:
        ax.remove()
    _key(figure, {str(pilot) for pilot in table["pilot"]})
    return figure


def _panel(ax: Axes, cells: pd.DataFrame, x: str) -> None:
    """Draw the cost of a run's designs, and shade those that cost little more than the best."""
    # A pilot may have no interval, and a width no design.
    designs = cells[cells["cost"].notna()]
    for pilot, rows in designs.groupby("pilot", sort=False):
        _, colour = _PILOT[str(pilot)]
        curve = rows.sort_values(x)
        ax.plot(curve[x], curve["cost"], color=colour)
        ax.plot(*_near(curve[x], curve["cost"]), color=colour, alpha=0.3, lw=6)
        best = rows[rows["optimum"]]
        ax.plot(best[x], best["cost"], "o", color=colour, markersize=5)
    if designs.empty:
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "no design", transform=ax.transAxes, ha="center", fontsize=7)
        return
    for name in ("x", "y"):
        drawing.log_scale(ax, name)
    low, high = np.log(ax.get_ylim())
    # Room for the designs above the curves, one line each.
    best = designs[designs["optimum"]].drop_duplicates("pilot").sort_values("cost")
    room = 0.17 * len(best) + 0.05
    top = low + (high - low) / (1 - room) if room < 1 else high
    ax.set_ylim(np.exp(low), np.exp(top))
    for line, (_, row) in enumerate(best[::-1].iterrows()):
        _, colour = _PILOT[row["pilot"]]
        ax.text(
            0.5,
            0.99 - 0.16 * line,
            _design(row),
            transform=ax.transAxes,
            ha="center",
            va="top",
            color=colour,
            fontsize=drawing.SMALL,
        )


def _near(number: pd.Series, cost: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The part of a curve that costs little more than its lowest point."""
    log_number, log_cost = np.log(number.to_numpy()), np.log(cost.to_numpy())
    fine = np.linspace(log_number[0], log_number[-1], 400)
    between = np.interp(fine, log_number, log_cost)
    low = between <= log_cost.min() + np.log1p(_NEAR)
    return np.exp(fine), np.where(low, np.exp(between), np.nan)


def _design(row: pd.Series) -> str:
    """Numbers of a design, such as "S = 110, k = 7"."""
    design = f"S = {row['students']:.0f}, k = {row['responses']:.0f}"
    if np.isfinite(row["draws"]):
        design += f", {row['draws']:.0f} draws"
    return design


def _key(figure: Figure, pilots: set[str]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    handles = [
        Line2D([], [], color=colour, marker="o", label=label)
        for pilot, (label, colour) in _PILOT.items()
        if pilot in pilots
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def _finding(table: pd.DataFrame, wanted: SampleSize) -> str:
    """The cheapest design of every run, and by how much one response per input costs more."""
    rows = table[(table["width"] == wanted.width) & table["cost"].notna()]
    rows = rows[rows["pilot"] != "upper"]
    parts, dearer, without = [], [], []
    for keys in table[["family", "dataset"]].drop_duplicates().itertuples(index=False, name=None):
        own = rows[(rows["family"] == keys[0]) & (rows["dataset"] == keys[1])]
        name = f"{drawing.full_name(str(keys[1]))}, {FAMILIES[str(keys[0])].label}"
        best = own[own["optimum"]]
        if best.empty:
            without.append(name)
            continue
        parts.append((float(best["cost"].iloc[0]), f"{_design(best.iloc[0])} ({name})"))
        single = own[(own["responses"] == 1) & ~(own["draws"] > 1)]
        if len(single):
            dearer.append(float(single["cost"].iloc[0] / best["cost"].iloc[0]))
    sentences = []
    if parts:
        ranked = sorted(parts)
        shown = ranked if len(ranked) <= 4 else [ranked[0], ranked[-1]]
        among = (
            ""
            if len(shown) == len(ranked)
            else f", from the cheapest to the dearest of {len(ranked)}"
        )
        designs = words.listed([text for _, text in shown])
        sentences.append(
            f"An interval of width {wanted.width:g} costs least with {designs}{among}."
        )
    if dearer:
        ends = dict.fromkeys((words.plain(min(dearer)), words.plain(max(dearer))))
        sentences.append(f"One response per input costs {' to '.join(ends)} times as much.")
    if without:
        sentences.append(f"No design reaches it for {words.listed(without)}.")
    return " ".join(sentences)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    wanted = settings.sample_size
    assert wanted is not None  # uses_sample_size is set
    table = inputs.read("plan").table.to_pandas()
    target = "mean prediction" if wanted.target == "mean" else "variance between students"
    unit = "embeddings' norm" if table["draws"].notna().all() else "SD of the target"
    unit = "the variance" if wanted.target != "mean" else unit
    note = (
        f"{100 * settings.confidence:g} % interval of the {target}, {wanted.width:g} wide (in "
        f"{unit}). A student costs {wanted.cost_student:g}, a response to one input "
        f"{wanted.cost_response:g}. Marked: S students of k responses per input, the least cost. "
        f"Shaded: at most {100 * _NEAR:g} % more. The upper curve uses upper limits of the "
        "components of variance."
    )
    if wanted.target == "mean":
        note += " Students on all rows (language models: on bootstrap samples of the prompts)."
    # One of the two plans of a run: the one of the other experiments, where there is one.
    preferred = table.groupby(["family", "dataset"])["resampled"].transform("min")
    table = table[table["resampled"] == preferred]
    runs = len(table[["family", "dataset"]].drop_duplicates())
    if runs > _MOST:
        note += f" The first {_MOST} of {runs} runs; plan.parquet has all."
    return Drawn(lambda: _draw(table, wanted), note, _finding(table, wanted))


def _sources(study: Study) -> dict[str, list[str]]:
    return (
        {"plan": [paths.SAMPLE_SIZE]}
        if any(run.design == "factorial" for run in study.runs)
        else {}
    )


FIGURE = FigureKind(
    "plan",
    "How many students and responses are worth paying for?",
    _sources,
    _prepare,
    uses_sample_size=True,
)
