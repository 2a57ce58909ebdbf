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
#: Inches of a row at most and at least, of a line of texts, and of a band without these.
_ROW, _LEAST_ROW, _LINE, _BAND = 0.15, 0.1, 0.125, 0.4
#: Most inches of the bands, and most panels in a band.
_TALLEST, _COLUMNS = 5.95, 3
#: Letters of a line of a panel's title and of its axis's label, by the number of panels in a band.
_TITLE, _LABEL = {1: 60, 2: 30, 3: 21}, {1: 70, 2: 38, 3: 26}
#: Letters of the name of a row, and of its data set.
_NAME, _DATASET = 50, 20
#: Parts of a statistic that are told by the name of a row, with shorter words.
_OF_A_ROW = (
    (re.compile(r"(mean|least|largest) ratio, over (?P<over>[^,]+), of "), r"\1 over \g<over>"),
    (re.compile(r", (taught) prompts"), r"\1"),
    (re.compile(r", (held)-out (?=wordings)wordings"), r"\1 out"),
    (re.compile(r", (all prompts)"), r"\1"),
    (re.compile(r", students of (?:the |one )?([^,]+ answer[^,]*)"), r"\1"),
    (re.compile(r", ((?:alpha|k) = [\d.]+)"), r"\1"),
    (re.compile(r", (temperature [\d.]+)"), r"\1"),
)
#: Ratio of the ends of an axis of positive values from which it is logarithmic.
_LOGARITHMIC = 4.0


class _Name(NamedTuple):
    """Name of a row, in full and as it is written."""

    full: str
    short: str


class _Panel(NamedTuple):
    """Rows of one statement, on one axis."""

    rows: pd.DataFrame
    names: list[_Name]
    label: str


class _Band(NamedTuple):
    """Panels side by side, whose rows have the same names."""

    names: list[_Name]
    panels: list[_Panel]

    def with_panel(self, panel: _Panel) -> _Band:
        """The band with a further panel."""
        return _Band(list(dict.fromkeys([*self.names, *panel.names])), [*self.panels, panel])

    def accepts(self, panel: _Panel) -> bool:
        """Whether a panel has place, and at least half of its rows are in the band."""
        shared = len(set(panel.names) & set(self.names))
        return len(self.panels) < _COLUMNS and 2 * shared >= min(len(panel.names), len(self.names))


def _panels(table: pd.DataFrame, by_statistic: bool) -> list[_Panel]:
    """Rows by statement and boundaries, and by statistic if wanted."""
    parts = [_parts(row) for _, row in table.iterrows()]
    table = table.assign(common=[common for common, _ in parts])
    table["own"] = pd.Series([own for _, own in parts], table.index, dtype=object)
    panels = []
    shared = [*_SHARED, "common"] if by_statistic else _SHARED
    for _, rows in table.groupby(shared, sort=False, dropna=False):
        label, differing = _told_apart(list(rows["common"]))
        # What all rows say is said once.
        equal = [w for w in rows["own"].iloc[0] if all(w in own for own in rows["own"])]
        own = [[w for w in words_of if w not in equal] for words_of in rows["own"]]
        names = _names(
            rows, [[*([w] if w else []), *o] for w, o in zip(differing, own, strict=True)]
        )
        panels.append(_Panel(rows, names, ", ".join([label, *equal])))
    return panels


def _parts(row: pd.Series) -> tuple[str, list[str]]:
    """A statistic without what the name of its row tells, and the words that tell it."""
    common = row["statistic"]
    own = []
    for pattern, short in _OF_A_ROW:
        for match in pattern.finditer(common):
            own.append(match.expand(short).replace("alpha", "α"))
        common = pattern.sub("ratio of " if "over" in pattern.groupindex else "", common)
    if np.isfinite(row["n_splits"]):
        own.append(f"{row['n_splits']:.0f} splits")
    return common.removesuffix(", over splits").replace("alpha", "α"), own


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


def _names(rows: pd.DataFrame, own: Sequence[Sequence[str]]) -> list[_Name]:
    """Data set and family of each row, and what its statistic has that others have not."""
    named = []
    for (_, row), words_of in zip(rows.iterrows(), own, strict=True):
        family = FAMILIES[row["family"]]
        rest = "" if family.lane == "text" else f", {family.label.split()[0]}"
        rest += f": {', '.join(words_of)}" if words_of else ""
        short = f"{drawing.title(row['dataset'], _DATASET)}{rest}"
        full = f"{row['dataset']}, {row['family']}{rest}"
        named.append(_Name(full, drawing.shortened(short, _NAME)))
    return named


def _bands(panels: Sequence[_Panel]) -> list[_Band]:
    """Panels in bands, in their order."""
    bands: list[_Band] = []
    for panel in panels:
        place = next((i for i, band in enumerate(bands) if band.accepts(panel)), len(bands))
        if place == len(bands):
            bands.append(_Band([], []))
        bands[place] = bands[place].with_panel(panel)
    return bands


def _title(panel: _Panel, columns: int) -> str:
    return _wrapped(panel.rows["statement"].iloc[0].replace("_", " "), _TITLE[columns])


def _label(panel: _Panel, columns: int) -> str:
    return _wrapped(panel.label, _LABEL[columns])


def _height(band: _Band, row: float) -> float:
    """Inches of a band with rows of some inches, and with its titles and labels."""
    number = len(band.panels)
    lines = sum(
        max(of(panel, number).count("\n") for panel in band.panels) + 1 for of in (_title, _label)
    )
    return _BAND + _LINE * lines + row * len(band.names)


def _laid_out(table: pd.DataFrame) -> tuple[list[_Band], float, int]:
    """Bands that fit on a page, the height of their rows, and the number of tests that do."""
    for by_statistic in (True, False):
        bands = _bands(_panels(table, by_statistic))
        rows = sum(len(band.names) for band in bands)
        texts = sum(_height(band, 0) for band in bands)
        row = min(_ROW, (_TALLEST - texts) / max(rows, 1))
        if row >= _LEAST_ROW:
            return bands, row, len(table)
    fewer = len(table) - max(1, len(table) // 10)
    return (bands, row, len(table)) if fewer < 1 else _laid_out(table.iloc[:fewer])


def _draw(table: pd.DataFrame) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    bands, row, _ = _laid_out(table)
    heights = [_height(band, row) for band in bands]
    height = sum(heights) or 0.5
    figure = Figure(figsize=(drawing.WIDTH, min(height + 0.7, drawing.HEIGHT)))
    letters = drawing.letters()
    if not bands:
        ax = figure.subplots()
        ax.set_axis_off()
        ax.text(0.5, 0.5, "This study has no evidence.", ha="center", fontsize=8)
        return figure
    grid = figure.add_gridspec(len(bands), 1, height_ratios=heights)
    for place, band in enumerate(bands):
        number = len(band.panels)
        own = grid[place, 0].subgridspec(1, number)
        axes = own.subplots(squeeze=False, sharey=True)[0]
        for ax, panel in zip(axes, band.panels, strict=True):
            _draw_panel(ax, panel, band.names)
            ax.set_xlabel(_label(panel, number), fontsize=7)
            ax.set_title(f"{next(letters)}  {_title(panel, number)}", fontsize=7)
        axes[0].set_yticks(
            range(len(band.names)), _numbered(band), fontsize=drawing.SMALL, parse_math=False
        )
        axes[0].set_ylim(len(band.names) - 0.5, -0.5)
    handles: list[Any] = [
        Line2D([], [], color=colour, marker=marker, lw=1.1, label=name)
        for verdict, (name, colour, marker) in _VERDICTS.items()
        if (table["verdict"] == verdict).any()
    ]
    handles.append(Patch(color=drawing.BLUE, alpha=0.13, label="where the claim holds"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _wrapped(text: str, letters: int) -> str:
    """A sentence in at most five lines."""
    # A symbol, such as k, stays as it is.
    start = text[:1] if text[1:2] == " " else text[:1].upper()
    return textwrap.fill(drawing.shortened(f"{start}{text[1:]}", 4 * letters), letters)


def _numbered(band: _Band) -> list[str]:
    """Names of rows with their numbers of students."""
    counts: dict[_Name, set[int]] = {name: set() for name in band.names}
    for panel in band.panels:
        for name, count in zip(panel.names, panel.rows["n_students"], strict=True):
            counts[name].add(int(count))
    return [
        f"{name.short} ({'–'.join(f'{n:,}' for n in sorted({min(of), max(of)}))})"
        for name, of in counts.items()
    ]


def _draw_panel(ax: Axes, panel: _Panel, names: Sequence[_Name]) -> None:
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
    for name, (_, row) in zip(panel.names, rows.iterrows(), strict=True):
        place = names.index(name)
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
    ax.tick_params(axis="y", length=0, labelsize=drawing.SMALL)
    if is_log:
        drawing.log_scale(ax, "x")
        ax.set_xlim(low, high)


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
        # Tests over splits lead, and are drawn if there is not place for all.
        table = table.iloc[np.argsort(table["n_splits"].isna(), kind="stable")]
        shown = _laid_out(table)[2]
        note = (
            f"{100 * settings.confidence:g} % intervals, not adjusted for other rows; verdicts "
            "are adjusted within the claim. Open markers: no interval. Dashed: threshold. In "
            "brackets: students."
        )
        if shown < len(table):
            note += f" The first {shown} of {len(table)} tests; claims.parquet has all."
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
