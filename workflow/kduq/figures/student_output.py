"""Figure: predictive entropy of classifiers and of their students."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Sources of labels in classification.
_SOURCES = {
    "hard": ("students, hard labels", drawing.BLUE, "o"),
    "sampled": ("students, one sampled label", drawing.RED, "s"),
    "soft": ("students, soft labels", drawing.GREEN, "^"),
}
_GROUPS = ("all", "correct", "incorrect")


def _draw(part: pd.DataFrame) -> Figure:
    datasets, families = list(part["dataset"].unique()), drawing.families_in(part)
    figure, axes = drawing.grid(len(families), len(datasets), 2.1, sharey="row")
    for row, family in enumerate(families):
        for column, dataset in enumerate(datasets):
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            ax = axes[row, column]
            _entropies(ax, cells)
            if row == 0:
                ax.set_title(drawing.title(dataset))
        # Markers at zero must not be cut in half.
        axes[row, 0].set_ylim(bottom=-0.03 * axes[row, 0].get_ylim()[1])
        axes[row, 0].annotate(
            "inputs:\nteacher\nstudents",
            (0, 0),
            (-4, -7.5),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=6.5,
        )
        axes[row, 0].set_ylabel(
            f"{drawing.FAMILY[family][0].capitalize()}:\npredictive entropy (nats)"
        )
    drawing.key(figure, axes)
    return figure


def _entropies(ax: Axes, cells: pd.DataFrame) -> None:
    """Draw teacher and students side by side for each group of test inputs."""
    teacher = cells[cells["role"] == "teacher"].set_index(["metric", "group"])["estimate"]
    student = cells[cells["role"] == "student"]
    entropies = student[
        (student["metric"] == "predictive_entropy")
        & student["label_source"].isin(_SOURCES)
        & student["estimate"].notna()
    ]
    for i, group in enumerate(_GROUPS):
        value = teacher["predictive_entropy", group]
        if not np.isnan(value):
            ax.plot([i - 0.27], [value], "D", color="#000000", markersize=4, label="teacher")
    for offset, (source, look) in zip((-0.09, 0.09, 0.27), _SOURCES.items(), strict=True):
        rows = entropies[entropies["label_source"] == source]
        rows = rows.assign(position=[_GROUPS.index(g) + offset for g in rows["group"]])
        drawing.curve(ax, rows, "position", look, line=False)
    counts = student[(student["metric"] == "test_inputs") & (student["label_source"] == "hard")]
    means = counts.set_index("group")["estimate"]
    labels = []
    for i, group in enumerate(_GROUPS):
        own = teacher["test_inputs", group]
        lines = [group, f"{own:.0f}"] + ([f"{means[group]:.4g}"] if group in means else [])
        labels.append("\n".join(lines))
        if own == 0 and not (entropies["group"] == group).any():
            ax.text(i, 0.5, "none", transform=ax.get_xaxis_transform(), ha="center", fontsize=7)
    ax.set_xticks(range(len(_GROUPS)), labels, fontsize=6.5)
    ax.set_xlim(-0.5, len(_GROUPS) - 0.5)
    ax.grid(visible=False, axis="x")


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    units = "Below a group: its test inputs, for the teacher and for students of hard labels."
    return Drawn(lambda: _draw(part), f"{units} {drawing.interval_note(settings)}")


FIGURE = FigureKind(
    "student_output",
    "Do students keep the entropy of their teacher?",
    estimates_of("student_output", lane="tabular"),
    _prepare,
)
