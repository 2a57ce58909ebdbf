"""Figure: variance within and between students of language models."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.experiments import EXPERIMENTS
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.figures.text import GROUPS, METHODS, TEACHER, at_first_temperature, over
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Label of the axis of a condition column.
_AXES = {
    "temperature": "Temperature of the\nteacher's answers",
    "init_noise": "Initialisation\nnoise s",
    "label_source": "Answer\nlearned from",
    "k": "Responses k per prompt",
}
_VARIANCES = {
    "intra_variance_ratio": ("within a student (intra)", drawing.BLUE, "o"),
    "inter_variance_ratio": ("between students (inter)", drawing.RED, "s"),
}
#: Height of a row of panels, and of all together, in inches.
_HEIGHT, _ALL = 1.75, 5.6
#: Most corpora that are shown.
_MOST_CORPORA = 2
#: Experiments along this axis compare remedies, which have a figure of their own.
_REMEDIES_AXIS = "k"


def _blocks(part: pd.DataFrame) -> list[tuple[str, str]]:
    """Corpora and groups of prompts; corpora with remedies alone only if all are such."""
    runs = part[["dataset", "experiment"]].drop_duplicates()
    axes = runs["experiment"].map(lambda name: EXPERIMENTS[name].text_axis)
    others = runs.loc[axes != _REMEDIES_AXIS, "dataset"]
    datasets = [name for name in runs["dataset"].unique() if name in set(others) or others.empty]
    return [(name, g) for name in datasets for g in over(part[part["dataset"] == name])]


def draw(part: pd.DataFrame, margins: Mapping[str, float]) -> Figure:
    """Draw the variance within and between students, over the variance within the teacher.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of language models.
    margins : mapping of str to float
        Margins of the claims, by their key.

    Returns
    -------
    matplotlib.figure.Figure
        One row of panels per corpus and group of prompts, one panel per experiment, all panels of
        a row on one scale.
    """
    blocks = _blocks(part) or [("", "all")]
    shown = part[part["dataset"].isin([dataset for dataset, _ in blocks])]
    every = [name for name in EXPERIMENTS if (shown["experiment"] == name).any()]
    # Remedies have a figure of their own.
    others = [name for name in every if EXPERIMENTS[name].text_axis != _REMEDIES_AXIS]
    experiments = others or every
    widths = [
        _positions(at_first_temperature(shown[shown["experiment"] == name]), name)[1][-1] + 2
        for name in experiments
    ]
    height = min(_HEIGHT, _ALL / len(blocks))
    figure, axes = drawing.grid(
        len(blocks),
        len(experiments),
        height,
        sharey="row",
        gridspec_kw={"width_ratios": widths},
    )
    for row, (dataset, group) in enumerate(blocks):
        own = shown[(shown["dataset"] == dataset) & (shown["group"] == group)]
        for ax, name in zip(axes[row], experiments, strict=True):
            cells = at_first_temperature(own[own["experiment"] == name])
            is_last = row == len(blocks) - 1
            _variances(ax, cells, name, margins["ratio_margin"], is_last)
            if row == 0:
                ax.set_title(_title(name), fontsize=7.5)
        label = f"{drawing.title(dataset)},\n{GROUPS[group]}:\n÷ teacher’s variance"
        axes[row, 0].set_ylabel(label, fontsize=6.5)
        low, high = axes[row, 0].get_ylim()
        axes[row, 0].set_ylim(min(low, 0), max(high, 1.15))
    drawing.key(figure, axes)
    return figure


def _variances(
    ax: Axes, cells: pd.DataFrame, experiment: str, margin: float, is_last: bool
) -> None:
    """Draw one experiment on one corpus."""
    if cells.empty:
        ax.set_axis_off()
        return
    drawing.level(ax, 1, 1 / margin, margin)
    ax.axhline(1, **TEACHER)
    axis = EXPERIMENTS[experiment].text_axis
    rows, positions, labels = _positions(cells, experiment)
    joined = pd.api.types.is_numeric_dtype(rows[axis])
    for shift, (metric, look) in zip((-0.1, 0.1), _VARIANCES.items(), strict=True):
        # Lines join the conditions of a method, but not kinds of labels.
        variances = rows[rows["metric"] == metric].sort_values("position")
        variances = variances.assign(position=variances["position"] + shift)
        for _, curve in variances.groupby("method", dropna=False):
            drawing.curve(ax, curve, "position", look, joined)
    ax.set_xticks(positions, labels if is_last else [""] * len(positions), fontsize=6.5)
    if len(positions):
        ax.set_xlim(positions[0] - 0.6, positions[-1] + 0.6)
    ax.grid(visible=False, axis="x")
    if is_last:
        ax.set_xlabel(_AXES[axis], fontsize=7)
        if len(set(rows["method"].dropna())) > 1:
            _name_methods(ax, rows)


def _positions(cells: pd.DataFrame, experiment: str) -> tuple[pd.DataFrame, list[float], list[str]]:
    """Conditions side by side, with more space for words and between methods.

    Returns the rows with a column position, the positions, and their labels.
    """
    column = EXPERIMENTS[experiment].text_axis
    student = cells[(cells["role"] == "student") & cells[column].notna()]
    parts, positions, labels = [student.iloc[:0].assign(position=0.0)], [], []
    position = 0.0
    for method in [name for name in METHODS if (student["method"] == name).any()]:
        rows = student[student["method"] == method]
        for value in sorted(rows[column].unique()):
            parts.append(rows[rows[column] == value].assign(position=position))
            positions.append(position)
            words = (
                value.replace("_", "\n", 1).replace("_", " ") if isinstance(value, str) else None
            )
            labels.append(words or f"{value:g}")
            position += 1.8 if isinstance(value, str) else 1
        position += 0.6
    return (
        pd.concat([part for part in parts if len(part)] or parts),
        positions or [0.0],
        labels or [""],
    )


def _name_methods(ax: Axes, rows: pd.DataFrame) -> None:
    """Name each method below its numbers of responses."""
    for method, (label, _, _) in METHODS.items():
        middle = rows.loc[rows["method"] == method, "position"].agg(["min", "max"]).mean()
        if np.isfinite(middle):
            ax.annotate(
                textwrap.fill(label, 10),
                (middle, 0),
                (0, -16),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=7,
            )
    ax.xaxis.labelpad = 20


def _title(experiment: str) -> str:
    title = EXPERIMENTS[experiment].title or experiment.replace("_", " ").capitalize()
    return title.replace(" ", "\n", 1)


def finding(part: pd.DataFrame) -> str:
    """What is seen of students of one sampled answer per prompt, or else of the first condition.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of language models.

    Returns
    -------
    str
        One sentence per corpus and group of prompts.
    """
    rows = part[(part["role"] == "student") & part["metric"].isin(_VARIANCES)]
    single = rows[(rows["method"] == "single") & (rows["label_source"] == "sampled")]
    single = single if len(single) else rows[rows["method"] == "single"]
    sentences = []
    for dataset, group in _blocks(part):
        own = single[(single["dataset"] == dataset) & (single["group"] == group)]
        values = [own[own["metric"] == metric].head(1) for metric in _VARIANCES]
        if any(value.empty for value in values):
            continue
        within, between = (_percent(value.iloc[0]) for value in values)
        sentences.append(
            f"{drawing.title(dataset)}, {GROUPS[group]}: students of one answer per prompt have "
            f"{within} of the teacher’s variance within a student, and {between} between students."
        )
    return " ".join(sentences)


def _percent(row: pd.Series) -> str:
    value = f"{100 * row['estimate']:.0f} %"
    if not np.isfinite([row["ci_low"], row["ci_high"]]).all():
        return value
    return f"{value} [{100 * row['ci_low']:.0f}, {100 * row['ci_high']:.0f}]"


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    names, more = drawing.shown_datasets(part, _MOST_CORPORA, "corpora")
    part = part[part["dataset"].isin(names)]
    level = round(100 * settings.confidence)
    note = (
        "Dashed: the teacher's own variance; shaded: equal up to the margin of the claims. "
        f"Bars: {level} % intervals over students and prompts."
    )
    margins = settings.margins or {}
    return Drawn(lambda: draw(part, margins), note + more, finding(part))


def _sources(study: Study) -> dict[str, list[str]]:
    runs = [run for run in study.runs_of(lane="text") if run.design == "replicates"]
    return {"estimates": [run.estimates for run in runs]} if runs else {}


FIGURE = FigureKind(
    "language_uncertainty",
    "How much do language models vary, within and between students?",
    _sources,
    _prepare,
    uses_margins=True,
)
