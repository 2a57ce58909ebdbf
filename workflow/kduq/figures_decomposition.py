"""Figure of the crossed design, in the visual language of `kduq.figures`."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kduq.figures import _BLUE, _FAMILY, _GREEN, _RED, _diverged, _grid, _key, _title, render

#: Colour and name of every component. An interaction lies between its factors and is hatched.
_COMPONENTS: dict[str, tuple[str, str, str]] = {
    "noise": (_BLUE, "", "noise"),
    "initialisation": (_RED, "", "init"),
    "bootstrap": (_GREEN, "", "bootstrap"),
    "noise_initialisation": ("#CC79A7", "////", "noise × init"),
    "noise_bootstrap": ("#56B4E9", "////", "noise × bootstrap"),
    "initialisation_bootstrap": ("#E69F00", "////", "init × bootstrap"),
    "residual": ("#999999", "....", "residual"),
}
#: Letters of a segment's label need this share of the bar each.
_LETTER = 0.0105


def draw(settings: dict[str, Any], table: pd.DataFrame, made_by: dict[str, Any]) -> list[bytes]:
    """Draw the shares of the variance between students, a bar a family and data set.

    Parameters
    ----------
    settings : dict
        experiment, style, dpi and confidence.
    table : pandas.DataFrame
        Estimates.
    made_by : dict
        Provenance, kept in the files' metadata.

    Returns
    -------
    list of bytes
        The PNG and the PDF.
    """
    part = table[table["experiment"] == settings["experiment"]]
    level = round(100 * settings["confidence"])
    note = (
        "Bars: shares of the variance between students; total in squared units of the target.\n"
        f"Brackets: {level} % jackknife intervals over the levels of all factors, given the split "
        "and the teacher."
    )
    return render(settings, lambda: _decomposition(part), note, made_by)


def _decomposition(part: pd.DataFrame) -> Figure:
    runs = [
        (dataset, family)
        for dataset in part["dataset"].unique()
        for family in _FAMILY
        if ((part["family"] == family) & (part["dataset"] == dataset)).any()
    ]
    figure, axes = _grid(len(runs), 1, 1.05, sharex=True)
    for ax, (dataset, family) in zip(axes[:, 0], runs, strict=True):
        cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
        measured = cells.set_index("metric")[["estimate", "ci_low", "ci_high"]]
        found = {str(metric): tuple(row) for metric, row in measured.iterrows()}
        _bar(ax, found)
        _statement(ax, found)
        _diverged(ax, cells)
        students = int(cells["n_students"].max())
        total = found["variance_component_total"]
        ax.set_title(
            f"{_title(dataset)}, {_FAMILY[family][0]}: total {_interval(total)}, "
            f"{students} students, α = {cells['alpha'].max():g}",
            fontsize=7.5,
        )
    _key(figure, axes)
    return figure


def _bar(ax: Axes, found: dict[str, Any]) -> None:
    """Stack the shares; one that is estimated below zero has no width."""
    left = 0.0
    for name, (colour, hatch, label) in _COMPONENTS.items():
        share = found.get(f"variance_share_{name}", (np.nan,))[0]
        if not share > 0:
            continue
        with mpl.rc_context({"hatch.linewidth": 0.5}):
            ax.barh(
                0,
                share,
                left=left,
                height=0.8,
                color=colour,
                hatch=hatch,
                edgecolor="#ffffff",
                linewidth=0.8,
                label=label,
            )
        text = f"{label} {100 * share:.0f} %"
        if share > _LETTER * len(text):
            ax.text(
                left + share / 2,
                0,
                text,
                ha="center",
                va="center",
                fontsize=6.5,
                bbox={"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.85, "pad": 1},
            )
        left += share
    ax.set_ylim(-0.45, 0.45)
    ax.set_xlim(0, max(1.0, left))
    ax.set_yticks([])
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    ax.grid(visible=False, axis="y")


def _statement(ax: Axes, found: dict[str, Any]) -> None:
    """State every share with its interval below the bar."""
    stated = [
        f"{label} {_interval(found[f'variance_share_{name}'], percent=True)}"
        for name, (_, _, label) in _COMPONENTS.items()
        if f"variance_share_{name}" in found
    ]
    lines = [" · ".join(stated[i : i + 4]) for i in range(0, len(stated), 4)]
    ax.set_xlabel("\n".join(lines), fontsize=6.5, color="#333333", loc="left")


def _interval(found: tuple[float, float, float], percent: bool = False) -> str:
    """An estimate with its interval in brackets."""
    if not np.isfinite(found[0]):
        return "not to be had"
    value, low, high = (f"{100 * v:.1f}" if percent else _plain(v) for v in found)
    return f"{value}{' %' if percent else ''} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")


def _plain(value: float) -> str:
    """Three significant digits, without an exponent."""
    digits = np.format_float_positional(value, precision=3, fractional=False, trim="-")
    return f"{round(value)}" if abs(value) >= 1000 else digits
