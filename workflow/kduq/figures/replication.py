"""Figures: forest plots of the main comparisons, one row per split of the data."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from kduq.claims.replicated import REPLICATED, Replicated
from kduq.claims.splits import OverSplits, SplitEvidence
from kduq.families import FAMILIES
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
#: Most runs that are shown.
_MOST_RUNS = 10
#: Width of a character of the name of a run, in inches.
_CHARACTER = 0.068
#: Places of the mean and of the prediction, in rows below the splits.
_MEAN, _AHEAD = -2.0, -3.6
#: Ratios of the ends of an axis from which it has fewer ticks, and one per decade.
_WIDE, _DECADES = 8, 100
#: In place of a statistic that a run does not have.
_NONE = "none"
_WORDS = {
    "averaging": "averaging",
    "variance_weighting": "weighting",
    "multi_response": "multi-response",
}
#: Groups of prompts, above and below the row of their split, and whether points are filled.
_SHIFTS = {"all": (0.0, True), "train": (0.17, True), "test": (-0.17, False)}
#: Claims that each figure of language models shows.
_OF_TEXT = {
    "replication_text_variance": (8, 11),
    "replication_text_remedies": (9,),
    "replication_text_reflection": (10,),
    "replication_text_stability": (12,),
}


@dataclass(frozen=True)
class _Column:
    """A statistic in words, and its rows by run."""

    part: Replicated
    title: str
    rows: dict[RunKey, dict[str, OverSplits]]


def _columns(runs: list[SplitEvidence], claims: Collection[int]) -> list[_Column]:
    """Statistics that claims are judged from, one per method."""
    columns: dict[tuple[int, str], _Column] = {}
    for number, part in enumerate(REPLICATED):
        for run in runs:
            if part.number not in claims or (part.networks_only and run.family.closed_form):
                continue
            for group in run.groups():
                for row in run.of_metric(part.metric, group):
                    method = row.words.get("method", "")
                    if part.methods and method not in part.methods:
                        continue
                    words = row.words | {"method": _WORDS.get(method, method)}
                    title = part.label.format(**words)
                    column = columns.setdefault((number, title), _Column(part, title, {}))
                    column.rows.setdefault(run.key, {})[group] = row
    return list(columns.values())


def _draw(
    table: pd.DataFrame, margins: dict[str, float], confidence: float, claims: Collection[int]
) -> Figure:
    runs = list(_runs(table))
    # Least squares allows no other result in most panels: these are checks, which the table has.
    runs = [run for run in runs if not run.family.closed_form] or runs
    columns = _columns(runs, claims)
    height = min(_MOST, _HEIGHT / len(runs))
    figure, axes = drawing.grid(len(runs), max(len(columns), 1), height, sharex="col")
    for number, column in enumerate(columns):
        _column(axes[:, number], column, runs, margins, confidence)
        title = "\n".join(textwrap.wrap(column.title, 102 // len(columns)))
        axes[0, number].set_title(title, fontsize=7, fontweight="normal")
    for ax, run in zip(axes[:, 0], runs, strict=True):
        ax.set_ylabel(_named(run.key, height), fontsize=6.5)
    return figure


def _named(key: RunKey, height: float) -> str:
    """Data set and family of a run, in lines that are no longer than its panel is high."""
    width = int(height / _CHARACTER)
    family = "\n".join(drawing.FAMILY[key.family][0].split())
    title = drawing.title(key.dataset, min(2 * width, 22) - 1)
    name = textwrap.fill(f"{title},", width, break_long_words=True)
    return f"{name}\n{family}"


def _column(
    axes: np.ndarray,
    column: _Column,
    runs: list[SplitEvidence],
    margins: dict[str, float],
    confidence: float,
) -> None:
    """Draw a statistic of every run, on one axis."""
    means: dict[Axes, tuple[_Look, tuple[float, float, float]]] = {}
    for ax, run in zip(axes, runs, strict=True):
        groups = column.rows.get(run.key)
        if groups is None:
            ax.text(0.5, 0.5, _NONE, transform=ax.transAxes, ha="center", va="center", fontsize=6.5)
            _plain(ax)
            continue
        _threshold(ax, column.part, margins)
        _plain(ax)
        for group, row in groups.items():
            look = _Look(drawing.FAMILY[run.key.family][1], *_SHIFTS[group])
            mean = _panel(ax, row, column.part, confidence, look)
            means.setdefault(ax, (look, mean))
    if column.part.ratio:
        from matplotlib.ticker import LogLocator, NullLocator  # noqa: PLC0415

        drawing.log_scale(axes[0], "x")
        low, high = axes[0].get_xlim()
        if high > _WIDE * low:
            subs = (1.0,) if high > _DECADES * low else (1.0, 2.0, 5.0)
            axes[0].xaxis.set_major_locator(LogLocator(subs=subs))
        axes[0].xaxis.set_minor_locator(NullLocator())
    for ax, (look, mean) in means.items():
        _name(ax, look, *mean)


def _plain(ax: Axes) -> None:
    """Leave out the vertical axis, whose rows are splits."""
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.tick_params(labelsize=6.5)


def _name(ax: Axes, look: _Look, value: float, low: float, high: float) -> None:
    """Write the mean beside its diamond, on the side with more room."""
    if not np.isfinite([value, low, high]).all():
        return
    place = ax.transAxes.inverted().transform(ax.transData.transform((value, _MEAN)))[0]
    is_left = place < 0.5
    ax.annotate(
        f"{value:.3g}",
        (high if is_left else low, _MEAN + look.rows * look.shift),
        (3 if is_left else -3, 0),
        textcoords="offset points",
        ha="left" if is_left else "right",
        # Of two diamonds the lower may be longer: the number stays above it.
        va="baseline" if look.shift else "center",
        fontsize=6.5,
    )


def _runs(table: pd.DataFrame) -> Iterator[SplitEvidence]:
    names = list(RunKey._fields)
    for values, part in table.groupby(names, sort=False):
        yield SplitEvidence(RunKey(*map(str, values)), part)


@dataclass(frozen=True)
class _Look:
    """Colour of a group of test inputs, its distance from the row of a split, and its points."""

    colour: str
    shift: float
    is_filled: bool
    #: Rows between two diamonds, or two lines, in units of the distance of their points.
    rows: ClassVar[float] = 2.4

    @property
    def face(self) -> str:
        """Colour inside a point."""
        return self.colour if self.is_filled else "white"


def _threshold(ax: Axes, part: Replicated, margins: dict[str, float]) -> None:
    """Draw the threshold of a claim, and its margin."""
    scale = _scale(part)
    band = part.band(margins[part.margin])
    edges = scale(np.array([part.threshold - band, part.threshold + band]))
    ax.axvspan(*edges, color="#ececec", lw=0)
    ax.axvline(float(scale(np.array(part.threshold))), color="#777777", lw=0.7)


def _scale(part: Replicated) -> Callable[[np.ndarray], np.ndarray]:
    """From the scale of the test to that of the axis."""
    return np.exp if part.ratio else np.asarray


def _panel(
    ax: Axes, row: OverSplits, part: Replicated, confidence: float, look: _Look
) -> tuple[float, float, float]:
    """Draw the splits of one run, and what they say together; returns their mean and its limits."""
    points, errors = row.on_log_scale() if part.ratio else (row.points, row.errors)
    scale = _scale(part)
    n = len(points)
    places = np.arange(n, 0, -1) + look.shift
    ax.hlines(places, row.low, row.high, color=look.colour, lw=0.7)
    ax.plot(row.points, places, "o", color=look.colour, mfc=look.face, mew=0.6, ms=1.8)
    pooled = meta_analysis.pool_alike(points, errors, confidence)
    mean, ahead = pooled.mean, pooled.prediction
    value, low, high = scale(np.array([mean.value, mean.low, mean.high]))
    # Two diamonds and two lines, if there are two groups, have as much room as one.
    height, shift = (1.0, 0.0) if not look.shift else (0.45, look.rows * look.shift)
    inside = "#000000" if look.is_filled else "#ffffff"
    ax.fill(
        [low, value, high, value],
        _MEAN + shift + height * np.array([0, 1, 0, -1]),
        facecolor=inside,
        edgecolor="#000000",
        lw=0 if look.is_filled else 0.6,
    )
    ax.hlines(
        _AHEAD + shift,
        *scale(np.array([ahead.low, ahead.high])),
        color="#000000",
        lw=1.2 if look.is_filled else 0.6,
    )
    ax.set_ylim(_AHEAD - 1.2, n + 1)
    return float(value), float(low), float(high)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    families = {name for name in part["family"] if not FAMILIES[name].closed_form}
    names, more = drawing.shown_datasets(part, _MOST_RUNS // max(len(families), 1))
    part = part[part["dataset"].isin(names)]
    claims = _OF_TEXT.get(settings.figure, {part.number for part in REPLICATED})
    level, margins = round(100 * settings.confidence), settings.margins or {}
    if settings.figure in _OF_TEXT:
        points = (
            "Points: splits (corpora of other seeds, each with a teacher of its own), with "
            f"{level} % intervals over students and prompts;\nfilled: taught prompts, open: "
            "held-out wordings. "
        )
    else:
        points = (
            f"Points: splits, with {level} % jackknife intervals over students, given the split "
            "and its teacher. "
        )
    note = (
        f"{points}Diamond: mean over splits, with its {level} % interval.\n"
        f"Black line: where the estimate on a new split would be ({level} % prediction interval). "
        f"Grey line and area: threshold of the claim, and its margin.{more}"
    )
    return Drawn(lambda: _draw(part, margins, settings.confidence, claims), note)


def _sources_of(task: str) -> Callable[[Study], dict[str, list[str]]]:
    def sources(study: Study) -> dict[str, list[str]]:
        runs = [run for run in study.runs_of("replication") if run.task == task]
        return {"estimates": [run.estimates for run in runs]} if runs else {}

    return sources


_QUESTIONS = {
    "replication_text_variance": "Do language models vary alike on other corpora, with other "
    "teachers?",
    "replication_text_remedies": "Do the remedies help language models on other corpora, with "
    "other teachers?",
    "replication_text_reflection": "Do students reflect their teacher's uncertainty on other "
    "corpora, with other teachers?",
    "replication_text_stability": "Do the remedies make language models more alike on other "
    "corpora, with other teachers?",
}
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
    *(
        FigureKind(name, question, _sources_of("text"), _prepare, uses_margins=True)
        for name, question in _QUESTIONS.items()
    ),
)
