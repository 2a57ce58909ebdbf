"""Figure: variance and error of the remedies, compared with averaging, by responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_METRICS = {
    "variance_ratio_to_averaging": "Variance",
    "test_mse_ratio_to_averaging": "Test MSE",
}
_TO_SINGLE = "variance_ratio_to_single"
#: Methods that are compared with averaging, in the order of the key.
_METHODS = ("variance_weighting", "pilot_mean", "variance_weighting_oracle")
_LOOKS = {
    method: (name, *drawing.METHOD[method][1:])
    for method, name in (
        ("averaging", "averaging"),
        ("variance_weighting", "plug-in weighting"),
        ("pilot_mean", "pilots' mean"),
        ("variance_weighting_oracle", "oracle"),
    )
}
#: Most noise levels side by side, and families below each other.
_ALPHAS, _FAMILIES = 5, 2


def _draw(part: pd.DataFrame, datasets: Sequence[str], margin: float) -> Figure:
    students = part[(part["role"] == "student") & (part["alpha"] > 0)]
    closed = students["family"].map(lambda name: FAMILIES[name].closed_form).astype(bool)
    compared = students[~closed & students["metric"].isin(_METRICS)]
    families = drawing.families_in(compared)[:_FAMILIES]
    least_squares = students[closed & (students["metric"] == _TO_SINGLE)]
    alphas = _spaced(sorted(compared["alpha"].unique()), _ALPHAS)
    groups = [datasets[i : i + len(drawing.STYLES)] for i in range(0, len(datasets), 3)]
    rows = [(f, group, metric) for f in families for group in groups for metric in _METRICS]
    has_line = not least_squares.empty
    heights = [1.75] * len(rows) + [1.6] * has_line
    from matplotlib.figure import Figure  # noqa: PLC0415

    total = min(sum(heights) + 0.9, drawing.HEIGHT)
    figure = Figure(figsize=(drawing.WIDTH, total))
    layout = figure.add_gridspec(max(len(heights), 1), max(len(alphas), 1))
    letters = drawing.letters()
    for number, (family, group, metric) in enumerate(rows):
        cells = compared[(compared["family"] == family) & (compared["metric"] == metric)]
        axes: list[Axes] = []
        for column, alpha in enumerate(alphas):
            shared: dict[str, Any] = {"sharey": axes[0]} if axes else {}
            ax = figure.add_subplot(layout[number, column], **shared)
            axes.append(ax)
            _ratios(ax, cells[cells["alpha"] == alpha], group, margin)
            ax.set_title(f"{next(letters)}  α = {alpha:g}" if number == 0 else next(letters))
            ax.tick_params(labelleft=column == 0)
            if number == len(rows) - 1:
                ax.set_xlabel("Responses k")
        label = f"{_METRICS[metric]},\nratio to averaging" if len(rows) < 4 else _METRICS[metric]
        if len(families) > 1:
            label = f"{FAMILIES[family].label}:\n{label}"
        axes[0].set_ylabel(label)
        drawing.log_scale(axes[0])
    if has_line:
        ax = figure.add_subplot(layout[-1, :])
        _least_squares(ax, least_squares, datasets)
        ax.set_title(f"{next(letters)}  Linear students, all α")
    _key(figure, datasets, compared, least_squares)
    return figure


def _spaced(values: list[float], most: int) -> list[float]:
    """At most ``most`` values, evenly spaced, with both ends."""
    if len(values) <= most:
        return values
    places = np.linspace(0, len(values) - 1, most).round().astype(int)
    return [values[i] for i in places]


def _ratios(ax: Axes, cells: pd.DataFrame, group: Sequence[str], margin: float) -> None:
    """Draw the methods' ratios to averaging at one alpha, data sets by line style."""
    drawing.level(ax, 1, 1 / margin, margin)
    for dataset, style in zip(group, drawing.STYLES, strict=False):
        for method in _METHODS:
            own = drawing.select(cells, "k", dataset=dataset, method=method)
            drawing.curve(ax, own, "k", _LOOKS[method], style=style)
    numbers = sorted(cells["k"].dropna().astype(int).unique())
    if numbers:
        drawing.response_ticks(ax, numbers)


def _least_squares(ax: Axes, rows: pd.DataFrame, datasets: Sequence[str]) -> None:
    """Draw the variance of linear students over that of one response, with 1/k."""
    for dataset, style in zip(datasets, drawing.STYLES * len(datasets), strict=False):
        for method, look in _LOOKS.items():
            for _, own in rows[(rows["dataset"] == dataset) & (rows["method"] == method)].groupby(
                "alpha"
            ):
                drawing.curve(ax, own[own["estimate"] > 0].sort_values("k"), "k", look, style=style)
    numbers = sorted({1, *rows["k"].dropna().astype(int)})
    k = np.array([1, numbers[-1]])
    ax.plot(k, 1 / k, color="#000000", linestyle=(0, (1, 1.5)), lw=1)
    drawing.name_end(ax, numbers[-1], 1 / numbers[-1], "1/k", "#000000")
    drawing.log_scale(ax)
    drawing.response_ticks(ax, numbers)
    ax.set_ylabel("Variance,\nratio to k = 1")
    ax.set_xlabel("Responses k")


def _key(
    figure: Figure, datasets: Sequence[str], compared: pd.DataFrame, line: pd.DataFrame
) -> None:
    """One key above all panels: methods by colour, data sets by line style."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    drawn = {*compared["method"], *line["method"]}
    handles = [
        Line2D([], [], color=colour, marker=marker, label=name)
        for method, (name, colour, marker) in _LOOKS.items()
        if method in drawn and (method != "averaging" or len(line))
    ]
    if len(datasets) <= len(drawing.STYLES):
        handles += [
            Line2D([], [], color="#000000", linestyle=style, label=drawing.title(dataset))
            for dataset, style in zip(datasets, drawing.STYLES, strict=False)
        ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4, columnspacing=1.2, handlelength=2.6
    )


def _finding(part: pd.DataFrame, margin: float) -> str:
    students = part[(part["role"] == "student") & (part["alpha"] > 0)]
    sentences = []
    for family in drawing.families_in(students):
        if FAMILIES[family].closed_form:
            continue
        own = students[(students["family"] == family) & students["estimate"].notna()]
        for method in ("variance_weighting", "variance_weighting_oracle"):
            parts = [
                _sides(own[(own["metric"] == metric) & (own["method"] == method)], margin, what)
                for metric, what in (
                    ("variance_ratio_to_averaging", "inter-student variance"),
                    ("test_mse_ratio_to_averaging", "mean test MSE"),
                )
            ]
            parts = [part for part in parts if part]
            if parts:
                who = "Plug-in weighting" if method == "variance_weighting" else "The oracle"
                sentences.append(
                    f"{who} has {words.listed(parts)} of averaging ({FAMILIES[family].label} "
                    "students)."
                )
    return " ".join([*sentences, *_line_finding(students)])


def _sides(rows: pd.DataFrame, margin: float, what: str) -> str:
    """Range of a ratio over all cells, and in how many it differs from 1 by what counts."""
    if rows.empty:
        return ""
    sides = [words.side(words.Number.of_row(row), 1 / margin, margin) for _, row in rows.iterrows()]
    ends = words.plain(rows["estimate"].min()), words.plain(rows["estimate"].max())
    counts = [
        f"{phrase} in {sides.count(side)}"
        for side, phrase in (("below", "smaller"), ("above", "larger"))
        if side in sides
    ]
    counted = words.listed(counts) if counts else "clearly different in 0"
    return f"{' to '.join(dict.fromkeys(ends))} times the {what} ({counted} of {len(sides)} cells)"


def _line_finding(students: pd.DataFrame) -> list[str]:
    """Whether averaging divides the variance of linear students by k."""
    closed = students["family"].map(lambda name: FAMILIES[name].closed_form).astype(bool)
    rows = students[closed & (students["metric"] == _TO_SINGLE)]
    rows = rows[(rows["method"] == "averaging") & rows["estimate"].notna()]
    if rows.empty:
        return []
    times = rows["estimate"] * rows["k"]
    ends = " to ".join(dict.fromkeys((words.plain(times.min()), words.plain(times.max()))))
    return [f"Averaging leaves linear students {ends} times 1/k of the variance."]


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    margin = (settings.margins or {})["ratio_margin"]
    datasets, more = drawing.shown_datasets(part)
    part = part[part["dataset"].isin(datasets)]
    groups = [datasets[i : i + len(drawing.STYLES)] for i in range(0, len(datasets), 3)]
    listed = ""
    if len(groups) > 1:
        # Two rows of panels each, with the same three line styles.
        named = [", ".join(drawing.title(name, 16) for name in group) for group in groups]
        listed = f" Solid, dashed, dotted, from above: {'; '.join(named)}."
    note = (
        f"Grey: ratios between 1/{margin:g} and {margin:g}, which count as equal. Ratios are "
        f"paired by replicate. The oracle knows the noiseless teacher.{listed} "
        f"{drawing.interval_note(settings)}{drawing.networks_note(settings)}"
        f"{drawing.diverged_note(part)}{more}"
    )
    return Drawn(lambda: _draw(part, datasets, margin), note, _finding(part, margin))


FIGURE = FigureKind(
    "variance_aware",
    "Is weighting by variance better than averaging?",
    estimates_of("variance_aware", lane="tabular"),
    _prepare,
    uses_margins=True,
)
