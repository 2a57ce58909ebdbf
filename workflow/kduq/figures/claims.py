"""Figures: a forest plot per claim, with the rows of its verdicts."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from kduq.claims import CLAIMS
from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs
from kduq.study import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Name in the key, colour and marker of each verdict.
_VERDICTS = {
    "supported": ("supported", drawing.BLUE, "o"),
    "contradicted": ("contradicted", drawing.RED, "X"),
    "inconclusive": ("undecided", drawing.GREY, "D"),
}
#: Columns in which rows of one panel agree.
_SHARED = ["statement", "relation", "threshold", "boundary_low", "boundary_high"]
#: Inches of a row, and of a panel without its rows.
_ROW, _PANEL = 0.15, 0.85
#: Most inches of the panels of a column, and most columns.
_TALLEST, _COLUMNS = 5.7, 2
#: Letters of a line of a panel's title, by the number of columns.
_TITLE = {1: 60, 2: 28}
#: Letters of the name of a row, of its data set, and of the label of an axis, by the same.
_NAME, _DATASET, _LABEL = {1: 60, 2: 36}, {1: 22, 2: 16}, {1: 70, 2: 42}
#: Words of statistics that are shorter in the name of a row.
_SHORT = (
    (re.compile("taught prompts"), "taught"),
    (re.compile("held-out wordings"), "held out"),
    (re.compile("alpha"), "α"),
)
#: Ratio of the ends of an axis of positive values from which it is logarithmic.
_LOGARITHMIC = 4.0


class _Panel(NamedTuple):
    """Rows of one statement, on one axis."""

    rows: pd.DataFrame
    names: list[str]
    label: str


def _panels(table: pd.DataFrame, most: int, columns: int) -> list[_Panel]:
    """Rows by statement and boundaries, in panels of at most ``most`` rows."""
    panels = []
    for _, rows in table.groupby(_SHARED, sort=False, dropna=False):
        statistics = [
            text.replace("over splits", f"{number:.0f} splits")
            for text, number in zip(rows["statistic"], rows["n_splits"], strict=True)
        ]
        common, differing = _told_apart(statistics)
        names = _names(rows, differing, columns)
        label = drawing.shortened(common.replace("alpha", "α"), _LABEL[columns])
        for start in range(0, len(rows), most):
            part = slice(start, start + most)
            panels.append(_Panel(rows.iloc[part], names[part], label))
    return panels


def _told_apart(statistics: Sequence[str]) -> tuple[str, list[str]]:
    """What statistics have in common at both ends, and the words in which they differ."""
    split = [text.split() for text in statistics]
    if len(set(statistics)) == 1:
        return statistics[0], [""] * len(split)
    shortest = min(map(len, split))
    start = next((i for i in range(shortest) if len({w[i] for w in split}) > 1), shortest)
    ends = [len({w[-1 - i] for w in split}) > 1 for i in range(shortest - start)]
    end = ends.index(True) if True in ends else shortest - start
    if start > 1 and split[0][start - 1] == "=":
        start -= 2  # a number alone would not say of what it is
    ends_of = split[0][:start], split[0][len(split[0]) - end :]
    common = " … ".join(" ".join(part).strip(",;:") for part in ends_of if part)
    return common, [" ".join(w[start : len(w) - end]).rstrip(",;:") for w in split]


def _names(rows: pd.DataFrame, differing: Sequence[str], columns: int) -> list[str]:
    """Data set and family of each row, and what its statistic has that others have not."""
    named = []
    for (_, row), own in zip(rows.iterrows(), differing, strict=True):
        words_of = own
        label = FAMILIES[row["family"]].label
        label = label.split()[0] if columns > 1 else label
        name = f"{drawing.title(row['dataset'], _DATASET[columns])}, {label}"
        for long, short in _SHORT:
            words_of = long.sub(short, words_of)
        name += f": {words_of}" if words_of else ""
        named.append(drawing.shortened(name, _NAME[columns]))
    return named


def _columns(panels: Sequence[_Panel], number: int) -> list[list[_Panel]]:
    """Panels in columns of about the same height, in their order."""
    heights = [_PANEL + _ROW * len(panel.names) for panel in panels]
    columns: list[list[_Panel]] = [[] for _ in range(number)]
    above = 0.0
    for panel, height in zip(panels, heights, strict=True):
        middle = above + height / 2
        columns[min(int(number * middle / max(sum(heights), 1e-9)), number - 1)].append(panel)
        above += height
    return [column for column in columns if column]


def _height(column: Sequence[_Panel]) -> float:
    return sum(_PANEL + _ROW * len(panel.names) for panel in column)


def _laid_out(table: pd.DataFrame) -> tuple[list[list[_Panel]], int]:
    """Columns of panels that fit on a page, and the number of rows that do."""
    for number in range(1, _COLUMNS + 1):
        most = int((_TALLEST - _PANEL) / _ROW)
        columns = _columns(_panels(table, most, number), number)
        if all(_height(column) <= _TALLEST for column in columns):
            return columns, len(table)
    fewer = len(table) - max(1, len(table) // 10)
    return (columns, len(table)) if fewer < 1 else _laid_out(table.iloc[:fewer])


def _draw(table: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    columns, _ = _laid_out(table)
    tallest = max((_height(column) for column in columns), default=0.5)
    figure = Figure(figsize=(drawing.WIDTH, min(tallest + 0.9, drawing.HEIGHT)))
    grid = figure.add_gridspec(1, max(len(columns), 1))
    letters = drawing.letters()
    for place, column in enumerate(columns):
        ratios = [_PANEL / _ROW + len(panel.names) for panel in column]
        # One more place takes what a shorter column does not need.
        rest = (tallest - _height(column)) / _ROW
        own = grid[0, place].subgridspec(len(column) + 1, 1, height_ratios=[*ratios, rest + 0.01])
        for number, panel in enumerate(column):
            ax = figure.add_subplot(own[number, 0])
            _draw_panel(ax, panel)
            statement = _title(panel.rows["statement"].iloc[0], _TITLE[len(columns)])
            ax.set_title(f"{next(letters)}  {statement}", fontsize=7.5)
    if not columns:
        ax = figure.add_subplot(grid[0, 0])
        ax.set_axis_off()
        ax.text(0.5, 0.5, "This study has no evidence.", ha="center", fontsize=8)
        return figure
    handles: list[Any] = [
        Line2D([], [], color=colour, marker=marker, lw=1.1, label=name)
        for verdict, (name, colour, marker) in _VERDICTS.items()
        if (table["verdict"] == verdict).any()
    ]
    handles.append(Patch(color=drawing.BLUE, alpha=0.13, label="where the claim holds"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _title(statement: str, letters: int) -> str:
    text = statement.replace("_", " ")
    return textwrap.fill(drawing.shortened(f"{text[:1].upper()}{text[1:]}", 3 * letters), letters)


def _draw_panel(ax: Axes, panel: _Panel) -> None:
    """Draw rows with their intervals, the threshold, and where the claim holds."""
    rows = panel.rows
    low, high, is_log = _ends(rows)
    if is_log:
        ax.set_xscale("log")
    ax.set_xlim(low, high)
    first = rows.iloc[0]
    for start, stop in _shaded(first, low, high):
        ax.axvspan(start, stop, color=drawing.BLUE, alpha=0.13, lw=0)
    ax.axvline(first["threshold"], color="#000000", lw=0.8, linestyle=(0, (4, 2)))
    for place, (_, row) in enumerate(rows.iterrows()):
        _, colour, marker = _VERDICTS[row["verdict"]]
        shown = pd.DataFrame([row[["estimate", "ci_low", "ci_high"]]]).astype(float)
        shown = shown.assign(
            ci_low=shown["ci_low"].clip(lower=low), ci_high=shown["ci_high"].clip(upper=high)
        )
        if np.isfinite(shown["estimate"].iloc[0]):
            drawing.dots(ax, shown, np.array([place]), ("", colour, marker))
        for limit, edge, arrow in ((row["ci_low"], low, "<"), (row["ci_high"], high, ">")):
            if (arrow == "<" and limit < edge) or (arrow == ">" and limit > edge):
                ax.plot([edge], [place], arrow, color=colour, clip_on=False)
        ax.annotate(
            f"{row['n_students']:,}",
            (1, place),
            (5, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            fontsize=drawing.SMALL,
            va="center",
            annotation_clip=False,
        )
    ax.set_yticks(range(len(rows)), panel.names, fontsize=drawing.SMALL, parse_math=False)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    if is_log:
        drawing.log_scale(ax, "x")
        ax.set_xlim(low, high)
    ax.set_xlabel(panel.label[:1].upper() + panel.label[1:], fontsize=7)


def _ends(rows: pd.DataFrame) -> tuple[float, float, bool]:
    """Ends of a panel's axis, and whether it is logarithmic.

    It reaches beyond estimates and boundaries by at most their distance: an interval of few
    students may be many times longer.
    """
    edges = rows[["estimate", "threshold", "boundary_low", "boundary_high"]].to_numpy(float)
    core = edges[np.isfinite(edges)]
    limits = rows[["ci_low", "ci_high"]].to_numpy(float)
    limits = limits[np.isfinite(limits)]
    is_log = bool((core > 0).all()) and core.max() > _LOGARITHMIC * core.min()
    scale, back = (np.log, np.exp) if is_log else (np.asarray, np.asarray)
    low, high = float(scale(core.min())), float(scale(core.max()))
    reach = (high - low) or 1.0
    ends = scale(limits[limits > 0] if is_log else limits)
    least = min([low, *ends.tolist()])
    most = max([high, *ends.tolist()])
    pad = 0.08 * reach
    low, high = max(low - reach, least) - pad, min(high + reach, most) + pad
    return float(back(low)), float(back(high)), is_log


def _shaded(row: pd.Series, low: float, high: float) -> list[tuple[float, float]]:
    """Where the claim holds, within the ends of an axis."""
    start = row["boundary_low"] if np.isfinite(row["boundary_low"]) else low
    stop = row["boundary_high"] if np.isfinite(row["boundary_high"]) else high
    start, stop = max(start, low), min(stop, high)
    if row["relation"] == "unequal":
        return [(low, start), (stop, high)]
    return [(start, stop)]


def _finding(number: int, table: pd.DataFrame) -> str:
    """How many rows support the claim, and between which values its estimates lie."""
    if table.empty:
        return f"This study has no evidence for claim {number}."
    sides = list(table["verdict"])
    counts = [
        f"{sides.count(verdict)} {name}"
        for verdict, (name, *_) in _VERDICTS.items()
        if verdict in sides
    ]
    kind = "checks of the code" if (table["kind"] == "check").all() else "tests"
    sentences = [f"Of {len(sides)} {kind} of claim {number}: {words.listed(counts)}."]
    for verdict in ("contradicted", "supported"):
        rows = table[(table["verdict"] == verdict) & table["estimate"].notna()]
        if len(rows):
            row = rows.iloc[0]
            name = f"{drawing.full_name(row['dataset'])}, {FAMILIES[row['family']].label}"
            number_of = words.Number.of_row(row)
            sentences.append(
                f"{verdict.capitalize()}, for example, with {number_of} ({name}; threshold "
                f"{words.plain(float(row['threshold']))})."
            )
    return " ".join(sentences)


def _prepare_claim(number: int) -> Callable[[FigureSettings, Inputs], Drawn]:
    def prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
        table = inputs.read("claims").table.to_pandas()
        table = table[table["claim"] == number]
        # Least squares allows no other result in checks.
        tests = table[table["kind"] != "check"]
        table = tests if len(tests) else table
        _, shown = _laid_out(table)
        note = (
            f"{100 * settings.confidence:g} % intervals, not adjusted for other rows; verdicts "
            "are adjusted within the claim. Open markers: no interval. Dashed: threshold. Right "
            "of a row: its number of students."
        )
        if shown < len(table):
            note += f" The first {shown} of {len(table)} rows; claims.parquet has all."
        return Drawn(lambda: _draw(table.iloc[:shown]), note, _finding(number, table))

    return prepare


def _sources_of(number: int) -> Callable[[Study], dict[str, list[str]]]:
    def sources(study: Study) -> dict[str, list[str]]:
        own = [claim for claim in CLAIMS.values() if claim.number == number]
        needed = {name for claim in own for name in claim.experiments}
        return {"claims": [paths.CLAIMS]} if needed & set(study.experiments) else {}

    return sources


def _question(number: int) -> str:
    told = [claim.about for claim in CLAIMS.values() if claim.number == number and claim.about]
    return f"Claim {number}: {told[0].title}" if told else f"Claim {number}"


FIGURES = tuple(
    FigureKind(
        f"claim_{number:02d}",
        _question(number),
        _sources_of(number),
        _prepare_claim(number),
        in_report=False,
    )
    for number in sorted({claim.number for claim in CLAIMS.values()})
)
