"""Figure: students that start at perturbed parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq import artifacts
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs
from kduq.students.settings import TabularSettings as Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Enough students to see the spread, and few enough to distinguish them.
_STUDENTS_SHOWN = 6


@dataclass(frozen=True)
class Trajectories:
    """One weight along the training of several students.

    Attributes
    ----------
    records : list of list of float
        One list per student.
    every : int
        Epochs between two values.
    """

    records: list[list[float]]
    every: int


#: By data set and initialisation noise.
_Trajectories = dict[tuple[str, float | None], Trajectories]


def _draw(part: pd.DataFrame, trajectories: _Trajectories) -> Figure:
    datasets = list(part["dataset"].unique())
    figure, axes = drawing.grid(len(datasets), 4 if trajectories else 3, 2.15)
    moments = {
        "parameter_variance_before": ("before training", drawing.BLUE, "o"),
        "parameter_variance_after": ("after training", drawing.RED, "s"),
    }
    for row, dataset in enumerate(datasets):
        student = part[(part["dataset"] == dataset) & (part["role"] == "student")]
        for column, metric in enumerate(("test_mse_mean", "inter_student_variance")):
            curve = drawing.select(student, "init_noise", metric=metric)
            drawing.curve(axes[row, column], curve, "init_noise", ("network", "#333333", "o"))
        for metric, look in moments.items():
            drawing.curve(
                axes[row, 2],
                drawing.select(student, "init_noise", metric=metric),
                "init_noise",
                look,
            )
        drawing.diverged(axes[row, 0], student)
        axes[row, 0].set_ylabel("Mean test MSE")
        axes[row, 1].set_ylabel("Inter-student variance")
        axes[row, 2].set_ylabel("Mean parameter variance\nacross students")
        axes[row, 2].legend(loc="best")
        for ax in axes[row, :3]:
            ax.set_ylim(bottom=0, top=1.08 * ax.get_ylim()[1])
            ax.set_xlabel("Initialisation noise s")
        axes[row, 0].set_title(drawing.title(dataset))
        if trajectories:
            _draw_trajectories(axes[row, 3], dataset, trajectories)
    return figure


def _draw_trajectories(ax: Axes, dataset: str, trajectories: _Trajectories) -> None:
    """Draw one weight of the first students, at the least and the largest initialisation noise."""
    scales = sorted(s for name, s in trajectories if name == dataset and s is not None)
    ends = dict.fromkeys((scales[0], scales[-1]))
    for scale, colour in zip(ends, (drawing.BLUE, drawing.RED), strict=False):
        recorded = trajectories[dataset, scale]
        for student in recorded.records[:_STUDENTS_SHOWN]:
            ax.plot(np.arange(len(student)) * recorded.every, student, color=colour, lw=0.8)
        ax.plot([], [], color=colour, label=f"s = {scale:g}")
    ax.set_xlabel("Epoch")
    ax.set_ylabel(f"One weight of {_STUDENTS_SHOWN} students")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=2, handlelength=1)


def _recorded(inputs: Inputs) -> _Trajectories:
    trajectories: _Trajectories = {}
    for path in inputs.paths.get("students", ()):
        students = artifacts.read(path, "students")
        shard = Settings.model_validate(students.provenance["config"])
        rows_of = students.rows_of(shard.conditions)
        for condition, rows in zip(shard.conditions, rows_of, strict=True):
            record = students.table.column("trajectory").take(rows).to_pylist()
            every = getattr(shard.model, "record_every", 0)
            trajectories[shard.dataset, condition.init_noise] = Trajectories(record, every)
    return trajectories


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    units = "MSE and inter-student variance: squared units of the target."
    trajectories = _recorded(inputs)
    return Drawn(lambda: _draw(part, trajectories), f"{units} {drawing.interval_note(settings)}")


def _sources(study: Study) -> dict[str, list[str]]:
    runs = study.runs_of("student_init", lane="tabular")
    if not runs:
        return {}
    recording = [
        run
        for run in runs
        if getattr(study.config.students[run.settings.student], "record_every", 0)
    ]
    sources = {"estimates": [run.estimates for run in runs]}
    if recording:
        # The first shard has enough students.
        sources["students"] = [run.files("students")[0] for run in recording]
    return sources


FIGURE = FigureKind(
    "student_init",
    "Does noise on the initial parameters reach the predictions?",
    _sources,
    _prepare,
)
