"""Figures: forest plots of the main comparisons, one row per split of the data."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.claims.replicated import REPLICATED, Replicated
from kduq.claims.splits import OverSplits, SplitEvidence
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs
from kduq.statistics import meta_analysis
from kduq.study.paths import RunKey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Height of all panels together, in inches, and the most of one; with the key 170 mm at most.
_HEIGHT, _MOST = 6.2, 1.55
#: Places of the mean and of the prediction, in rows below the splits.
_MEAN, _AHEAD = -2.0, -3.6
#: Ratios of the ends of an axis from which it has fewer ticks, and one per decade.
_WIDE, _DECADES = 8, 100
#: In place of a statistic that a run does not have.
_NONE = "none"
_WORDS = {"averaging": "averaging", "variance_weighting": "weighting"}


@dataclass(frozen=True)
class _Column:
    """A statistic in words, and its rows by run."""

    part: Replicated
    title: str
    rows: dict[RunKey, OverSplits]


def _columns(runs: list[SplitEvidence]) -> list[_Column]:
    """Statistics that claims are judged from, one per method."""
    columns: dict[tuple[int, str], _Column] = {}
    for number, part in enumerate(REPLICATED):
        for run in runs:
            if part.networks_only and run.family.closed_form:
                continue
            for row in run.of_metric(part.metric):
                method = row.words.get("method", "")
                if part.methods and method not in part.methods:
                    continue
                words = row.words | {"method": _WORDS.get(method, method)}
                title = part.label.format(**words)
                column = columns.setdefault((number, title), _Column(part, title, {}))
                column.rows[run.key] = row
    return list(columns.values())


def _draw(table: pd.DataFrame, margins: dict[str, float], confidence: float) -> Figure:
    runs = list(_runs(table))
    # Least squares allows no other result in most panels: these are checks, which the table has.
    runs = [run for run in runs if not run.family.closed_form] or runs
    columns = _columns(runs)
    height = min(_MOST, _HEIGHT / len(runs))
    figure, axes = drawing.grid(len(runs), max(len(columns), 1), height, sharex="col")
    for number, column in enumerate(columns):
        _column(axes[:, number], column, runs, margins, confidence)
        title = "\n".join(textwrap.wrap(column.title, 102 // len(columns)))
        axes[0, number].set_title(title, fontsize=7, fontweight="normal")
    for ax, run in zip(axes[:, 0], runs, strict=True):
        family = "\n".join(drawing.FAMILY[run.key.family][0].split())
        ax.set_ylabel(f"{drawing.title(run.key.dataset)},\n{family}", fontsize=6.5)
    return figure


def _column(
    axes: np.ndarray,
    column: _Column,
    runs: list[SplitEvidence],
    margins: dict[str, float],
    confidence: float,
) -> None:
    """Draw a statistic of every run, on one axis."""
    means = {}
    for ax, run in zip(axes, runs, strict=True):
        row = column.rows.get(run.key)
        if row is None:
            ax.text(0.5, 0.5, _NONE, transform=ax.transAxes, ha="center", va="center", fontsize=6.5)
            _plain(ax)
            continue
        look = drawing.FAMILY[run.key.family]
        means[ax] = _panel(ax, row, column.part, margins, confidence, look[1])
    if column.part.ratio:
        from matplotlib.ticker import LogLocator, NullLocator  # noqa: PLC0415

        drawing.log_scale(axes[0], "x")
        low, high = axes[0].get_xlim()
        if high > _WIDE * low:
            subs = (1.0,) if high > _DECADES * low else (1.0, 2.0, 5.0)
            axes[0].xaxis.set_major_locator(LogLocator(subs=subs))
        axes[0].xaxis.set_minor_locator(NullLocator())
    for ax, mean in means.items():
        _name(ax, *mean)


def _plain(ax: Axes) -> None:
    """Leave out the vertical axis, whose rows are splits."""
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.tick_params(labelsize=6.5)


def _name(ax: Axes, value: float, low: float, high: float) -> None:
    """Write the mean beside its diamond, on the side with more room."""
    if not np.isfinite([value, low, high]).all():
        return
    place = ax.transAxes.inverted().transform(ax.transData.transform((value, _MEAN)))[0]
    is_left = place < 0.5
    ax.annotate(
        f"{value:.3g}",
        (high if is_left else low, _MEAN),
        (3 if is_left else -3, 0),
        textcoords="offset points",
        ha="left" if is_left else "right",
        va="center",
        fontsize=6.5,
    )


def _runs(table: pd.DataFrame) -> Iterator[SplitEvidence]:
    names = list(RunKey._fields)
    for values, part in table.groupby(names, sort=False):
        yield SplitEvidence(RunKey(*map(str, values)), part)


def _panel(
    ax: Axes,
    row: OverSplits,
    part: Replicated,
    margins: dict[str, float],
    confidence: float,
    colour: str,
) -> tuple[float, float, float]:
    """Draw the splits of one run, and what they say together; returns their mean and its limits."""
    points, errors = row.on_log_scale() if part.ratio else (row.points, row.errors)
    scale: Callable[[np.ndarray], np.ndarray] = np.exp if part.ratio else np.asarray
    band = part.band(margins[part.margin])
    edges = scale(np.array([part.threshold - band, part.threshold + band]))
    ax.axvspan(*edges, color="#ececec", lw=0)
    ax.axvline(float(scale(np.array(part.threshold))), color="#777777", lw=0.7)
    n = len(points)
    places = np.arange(n, 0, -1)
    ax.hlines(places, row.low, row.high, color=colour, lw=0.7)
    ax.plot(row.points, places, "o", color=colour, ms=1.8)
    pooled = meta_analysis.pool_alike(points, errors, confidence)
    mean, ahead = pooled.mean, pooled.prediction
    value, low, high = scale(np.array([mean.value, mean.low, mean.high]))
    ax.fill([low, value, high, value], _MEAN + 1.0 * np.array([0, 1, 0, -1]), color="#000000", lw=0)
    ax.hlines(_AHEAD, *scale(np.array([ahead.low, ahead.high])), color="#000000", lw=1.2)
    ax.set_ylim(_AHEAD - 1.2, n + 1)
    _plain(ax)
    return float(value), float(low), float(high)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    level = round(100 * settings.confidence)
    margins = settings.margins or {}
    note = (
        f"Points: splits, with {level} % jackknife intervals over students, given the split and "
        f"its teacher. Diamond: mean over splits, with its {level} % interval.\n"
        f"Black line: where the estimate on a new split would be ({level} % prediction interval). "
        "Grey line and area: threshold of the claim, and its margin."
    )
    return Drawn(lambda: _draw(part, margins, settings.confidence), note)


def _sources_of(task: str) -> Callable[[Study], dict[str, list[str]]]:
    def sources(study: Study) -> dict[str, list[str]]:
        runs = [run for run in study.runs_of("replication") if run.task == task]
        return {"estimates": [run.estimates for run in runs]} if runs else {}

    return sources


FIGURES = (
    FigureKind(
        "replication",
        "Do the findings on regression hold on other splits, with other teachers?",
        _sources_of("regression"),
        _prepare,
        uses_margins=True,
    ),
    FigureKind(
        "replication_classes",
        "Do the findings on classification hold on other splits, with other teachers?",
        _sources_of("classification"),
        _prepare,
        uses_margins=True,
    ),
)
