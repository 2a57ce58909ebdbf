"""Figure: the remedies of language models, compared with learning one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.claims.contrasts import nearest_to_five
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.figures.text import GROUPS, METHODS, over
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Column:
    """A column of panels: a metric in percent, its value without effect, and its margin."""

    metric: str
    title: str
    origin: float
    margin: str
    is_factor: bool = False


_COLUMNS = (
    _Column("hallucination_rate_difference", "Wrong answers,\npoints", 0.0, "answer_margin"),
    _Column(
        "similarity_to_reference_difference",
        "Similarity to right\nanswers, points",
        0.0,
        "answer_margin",
    ),
    _Column(
        "intra_variance_ratio", "Variance within,\n% of the teacher’s", 100.0, "ratio_margin", True
    ),
    _Column(
        "inter_student_variance_change", "Variance between,\nchange in %", 0.0, "ratio_margin", True
    ),
)
#: Height of a method's row and of what a block of panels has besides, in inches.
_ROW, _BESIDES = 0.105, 0.3
#: Height of the labels below the last block, and of the note, in inches.
_BELOW = 0.45
#: Largest number of rows of all blocks together, for which there is room.
_MOST_ROWS = 42
#: Most corpora that are shown.
_MOST_CORPORA = 3


def _conditions(part: pd.DataFrame) -> list[tuple[str, float, float, str]]:
    """Conditions other than single at the first temperature: method, k, temperature and label."""
    student = part[(part["role"] == "student") & part["method"].notna()]
    temperatures = sorted(student["temperature"].dropna().unique().tolist())
    base = min(temperatures, key=lambda value: abs(value - 1), default=np.nan)
    remedied = student.loc[student["method"] != "single", "temperature"].unique()
    ks = sorted(student.loc[student["method"] != "single", "k"].dropna().unique().tolist())
    blocks = len(_blocks(part))
    methods = [m for m in METHODS if m != "single" and (student["method"] == m).any()]
    shown = nearest_to_five([k for k in ks if k > 2]) if ks else None
    every = len(methods) * len(ks) * len(remedied) * blocks <= _MOST_ROWS
    chosen = ks if every or shown is None else [shown]
    alone = [
        ("single", 1.0, t, f"one answer, temperature {t:g}")
        for t in temperatures
        if t not in remedied
    ]

    def at(shown_temperatures: Sequence[float]) -> list[tuple[str, float, float, str]]:
        conditions = list(alone)
        for method, k, t in product(methods, chosen, shown_temperatures):
            words = METHODS[method][0]
            words += f", k = {k:g}" if len(ks) > 1 else ""
            words += f", temperature {t:g}" if len(shown_temperatures) > 1 else ""
            conditions.append((method, k, t, words))
        return conditions

    room = max(1, _MOST_ROWS // max(blocks, 1))
    whole = at(sorted(remedied))
    return whole if len(whole) <= room else at([t for t in remedied if t == base])[:room]


def _blocks(part: pd.DataFrame) -> list[tuple[str, str]]:
    """Corpora and groups of prompts that have a row of panels."""
    groups = part[part["metric"] == "hallucination_rate_difference"]
    return [
        (dataset, group)
        for dataset in part["dataset"].unique()
        for group in over(groups[groups["dataset"] == dataset])
    ]


def draw(part: pd.DataFrame, margins: Mapping[str, float]) -> Figure:
    """Draw each remedy's difference from learning one answer.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of variance_aware on text.
    margins : mapping of str to float
        Margins of the claims, by their key.

    Returns
    -------
    matplotlib.figure.Figure
        A row of panels per corpus and group of prompts, with a row per remedy; a column per metric.
    """
    blocks, conditions = _blocks(part) or [("", "all")], _conditions(part)
    height = _ROW * max(len(conditions), 3) + _BESIDES + _BELOW / len(blocks)
    figure, axes = drawing.grid(len(blocks), len(_COLUMNS), height, sharex="col", sharey=True)
    for row, (dataset, group) in enumerate(blocks):
        cells = part[(part["dataset"] == dataset) & (part["group"] == group)]
        for ax, column in zip(axes[row], _COLUMNS, strict=True):
            _panel(ax, cells, column, conditions, margins)
        letter = chr(ord("a") + row)
        words = f"{letter}  {drawing.title(dataset)}, {GROUPS[group]} ({_levels(cells)})"
        _block_title(axes[row, 0], words)
        axes[row, 0].set_yticks(
            range(len(conditions)), [label for *_, label in conditions], fontsize=6.5
        )
        axes[row, 0].set_ylim(len(conditions) - 0.4, -0.6)
        for label, (method, *_) in zip(axes[row, 0].get_yticklabels(), conditions, strict=True):
            label.set_color(METHODS[method][1])
    for ax, column in zip(axes[-1], _COLUMNS, strict=True):
        ax.set_xlabel(column.title, fontsize=7)
    return figure


def _block_title(ax: Axes, words: str) -> None:
    """Name a row of panels above its first panel, which does not become as wide as its name."""
    ax.set_title(" ", fontsize=7.5)
    name = ax.annotate(
        words,
        (0, 1),
        (0, 3.5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        fontweight="bold",
    )
    name.set_in_layout(False)


def _panel(
    ax: Axes,
    cells: pd.DataFrame,
    column: _Column,
    conditions: list[tuple[str, float, float, str]],
    margins: Mapping[str, float],
) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    margin = margins[column.margin]
    low, high = (1 / margin - 1, margin - 1) if column.is_factor else (-margin, margin)
    drawing.level(
        ax, column.origin, column.origin + 100 * low, column.origin + 100 * high, along="y"
    )
    for place, (method, k, temperature, _) in enumerate(conditions):
        row = _row(cells, column.metric, method, k, temperature)
        if row is None:
            continue
        _, colour, marker = METHODS[method]
        value, start, end = (100 * row[name] for name in ("estimate", "ci_low", "ci_high"))
        known = np.isfinite([start, end]).all()
        if known:
            ax.hlines(place, start, end, color=colour, lw=1.2)
        ax.plot([value], [place], marker, color=colour, ms=3.5, mfc=colour if known else "#ffffff")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.tick_params(labelsize=6.5, length=2)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def _row(
    cells: pd.DataFrame, metric: str, method: str, k: float, temperature: float
) -> pd.Series | None:
    rows = cells[
        (cells["metric"] == metric)
        & (cells["role"] == "student")
        & (cells["method"] == method)
        & (cells["k"].isna() | (cells["k"] == k))
        & (cells["temperature"].isna() | (cells["temperature"] == temperature))
    ]
    return rows.iloc[0] if len(rows) else None


def _levels(cells: pd.DataFrame) -> str:
    """Shares of wrong answers of students of one answer and of the teacher."""
    single, teacher = _share(cells, "student"), _share(cells, "teacher")
    return f"wrong answers: one answer {single:.0f} %, teacher {teacher:.0f} %"


def _share(cells: pd.DataFrame, role: str) -> float:
    rows = cells[(cells["metric"] == "hallucination_rate") & (cells["role"] == role)]
    if role == "student":
        rows = rows[rows["method"] == "single"]
        # At the temperature of the remedies, or the nearest to 1.
        rows = rows.iloc[(rows["temperature"].fillna(1.0) - 1).abs().argsort().to_numpy()]
    return 100 * float(rows["estimate"].iloc[0]) if len(rows) else np.nan


def finding(part: pd.DataFrame) -> str:
    """What is seen: for each corpus and group, the remedy with the fewest wrong answers.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of variance_aware on text.

    Returns
    -------
    str
        One sentence per corpus.
    """
    sentences = []
    conditions = _conditions(part)
    blocks = _blocks(part)
    for dataset in dict.fromkeys(name for name, _ in blocks):
        words = []
        for group in (g for name, g in blocks if name == dataset):
            cells = part[(part["dataset"] == dataset) & (part["group"] == group)]
            words.append(f"on {GROUPS[group]} {_best(cells, conditions)}")
        sentences.append(f"{drawing.title(dataset)}: {', and '.join(words)}.")
    return " ".join(sentences) or "No remedy could be compared."


def _best(cells: pd.DataFrame, conditions: list[tuple[str, float, float, str]]) -> str:
    """The remedy whose interval shows the largest decrease of wrong answers, if one does."""
    found = []
    for method, k, temperature, label in conditions:
        row = _row(cells, _COLUMNS[0].metric, method, k, temperature)
        if row is not None and row["ci_high"] < 0:
            found.append((row["estimate"], row["ci_low"], row["ci_high"], label))
    if not found:
        return "no remedy visibly lowers the share of wrong answers"
    value, low, high, label = min(found)
    return (
        f"{label} leaves fewest wrong answers, {-100 * value:.0f} [{-100 * high:.0f}, "
        f"{-100 * low:.0f}] points fewer than one answer ({_share(cells, 'student'):.0f} %)"
    )


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    names, more = drawing.shown_datasets(part, _MOST_CORPORA, "corpora")
    part = part[part["dataset"].isin(names)]
    level = round(100 * settings.confidence)
    note = (
        "Compared with students of one answer per prompt, replicate by replicate; 0 is no change, "
        "and 100 the teacher's variance.\nShaded: smaller than the margin of the claims. Bars: "
        f"{level} % intervals over students and prompts; hollow: none."
    )
    remedied = part.loc[part["method"].notna() & (part["method"] != "single"), "temperature"]
    if len(set(remedied.dropna())) > 1 and not any(
        "temperature" in c[3] for c in _conditions(part)[-1:]
    ):
        note += " Answers at the temperature nearest to 1."
    margins = settings.margins or {}
    return Drawn(lambda: draw(part, margins), note + more, finding(part))


FIGURE = FigureKind(
    "language_methods",
    "Which remedy helps language models?",
    estimates_of("variance_aware", lane="text"),
    _prepare,
    uses_margins=True,
)
