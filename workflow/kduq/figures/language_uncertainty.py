"""Figure: variance within and between students of language models."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.experiments import EXPERIMENTS
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.figures.text import METHODS, TEACHER, at_first_temperature, note, taught
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
    "intra_student_variance": ("within a student (intra)", drawing.BLUE, "o"),
    "inter_student_variance": ("between students (inter)", drawing.RED, "s"),
}


def draw(part: pd.DataFrame) -> Figure:
    """Draw the variance within and between students, and the variance within the teacher.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of language models, of which those over taught prompts are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        One row of panels per corpus, one panel per experiment, all panels of a row on one scale.
    """
    part = taught(part)
    datasets = list(part["dataset"].unique())
    experiments = [name for name in EXPERIMENTS if (part["experiment"] == name).any()]
    widths = [
        _positions(at_first_temperature(part[part["experiment"] == name]), name)[1][-1] + 2
        for name in experiments
    ]
    figure, axes = drawing.grid(
        len(datasets), len(experiments), 2.2, sharey="row", gridspec_kw={"width_ratios": widths}
    )
    for row, dataset in enumerate(datasets):
        labelled = None
        for ax, name in zip(axes[row], experiments, strict=True):
            cells = part[(part["dataset"] == dataset) & (part["experiment"] == name)]
            cells = at_first_temperature(cells)
            value = _variances(ax, cells, name)
            labelled = (ax, value) if np.isfinite(value) else labelled
            if row == 0:
                ax.set_title(_title(name), fontsize=7.5)
        axes[row, 0].set_ylabel(f"{drawing.title(dataset)}:\nvariance of embeddings")
        low, high = axes[row, 0].get_ylim()
        axes[row, 0].set_ylim(min(low, 0), high)
        if labelled is not None:
            # Outside the panel, where it covers no estimate.
            labelled[0].annotate(
                "teacher\n(intra)",
                (1, labelled[1]),
                (4, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    drawing.key(figure, axes)
    return figure


def _variances(ax: Axes, cells: pd.DataFrame, experiment: str) -> float:
    """Draw one experiment on one corpus; return the teacher's variance, NaN if there is none."""
    if cells.empty:
        ax.set_xticks([])
        ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center", fontsize=7)
        return np.nan
    own = cells[(cells["role"] == "teacher") & (cells["metric"] == "intra_student_variance")]
    for value in own["estimate"]:
        ax.axhline(value, **TEACHER)
    axis = EXPERIMENTS[experiment].text_axis
    rows, positions, labels = _positions(cells, experiment)
    joined = pd.api.types.is_numeric_dtype(rows[axis])
    for shift, (metric, look) in zip((-0.1, 0.1), _VARIANCES.items(), strict=True):
        # Lines join the conditions of a method, but not kinds of labels.
        variances = rows[rows["metric"] == metric].sort_values("position")
        variances = variances.assign(position=variances["position"] + shift)
        for _, curve in variances.groupby("method", dropna=False):
            drawing.curve(ax, curve, "position", look, joined)
    ax.set_xticks(positions, labels, fontsize=7)
    if len(positions):
        ax.set_xlim(positions[0] - 0.6, positions[-1] + 0.6)
    ax.set_xlabel(_AXES[axis])
    ax.grid(visible=False, axis="x")
    if len(set(rows["method"].dropna())) > 1:
        _name_methods(ax, rows)
    return float(own["estimate"].iloc[-1]) if len(own) else np.nan


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


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    return Drawn(lambda: draw(part), note(settings))


def _sources(study: Study) -> dict[str, list[str]]:
    runs = [run for run in study.runs_of(lane="text") if not run.levels]
    return {"estimates": [run.estimates for run in runs]} if runs else {}


FIGURE = FigureKind(
    "language_uncertainty",
    "How much do language models vary, within and between students?",
    _sources,
    _prepare,
)
