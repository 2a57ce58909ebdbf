"""Figure: students that start at perturbed parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq import artifacts
from kduq.figures import drawing, words
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
#: Most data sets with panels below each other; of more there are the changes alone.
_COLUMNS = 4
_CHANGES = {
    "inter_student_variance_change": ("variance", drawing.RED, "s"),
    "test_mse_change": ("test MSE", drawing.BLUE, "o"),
}
_MOMENTS = {
    "parameter_variance_before": ("before", drawing.BLUE, "o"),
    "parameter_variance_after": ("after", drawing.RED, "s"),
}


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


def _draw(
    part: pd.DataFrame, datasets: Sequence[str], trajectories: _Trajectories, margin: float
) -> Figure:
    columns = min(len(datasets), _COLUMNS)
    has_more = len(datasets) <= _COLUMNS
    rows = (3 if trajectories else 2) if has_more else -(-len(datasets) // columns)
    figure, axes = drawing.grid(rows, columns, 1.75)
    letters = drawing.letters()
    for ax, dataset in zip(axes.flat, datasets, strict=False):
        student = part[(part["dataset"] == dataset) & (part["role"] == "student")]
        _changes(ax, student, margin)
        ax.set_title(f"{next(letters)}  {drawing.title(dataset, 60 // columns)}")
    for ax in axes.flat[len(datasets) :] if not has_more else ():
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("Change from s = 0 (%)")
    if not has_more:
        return figure
    for ax, dataset in zip(axes[1], datasets, strict=True):
        _moments(ax, part[(part["dataset"] == dataset) & (part["role"] == "student")])
        ax.set_title(next(letters))
    axes[1, 0].set_ylabel("Parameter variance\nbetween students")
    for ax in axes[:2].flat:
        ax.set_xlabel("Initialisation noise s")
    for ax, dataset in zip(axes[2] if trajectories else (), datasets, strict=False):
        _weights(ax, dataset, trajectories)
        ax.set_title(next(letters))
    if trajectories:
        axes[2, 0].set_ylabel(f"One weight of\n{_STUDENTS_SHOWN} students")
    return figure


def _changes(ax: Axes, student: pd.DataFrame, margin: float) -> None:
    """Draw relative changes in percent, with the band in which they are too small to count."""
    drawing.level(ax, 0, -100 * margin, 100 * margin)
    for metric, look in _CHANGES.items():
        rows = drawing.select(student, "init_noise", metric=metric)
        rows = rows.assign(**{c: 100 * rows[c] for c in ("estimate", "ci_low", "ci_high")})
        drawing.curve(ax, rows, "init_noise", look)
        for x, y in rows[["init_noise", "estimate"]].dropna().to_numpy()[-1:]:
            drawing.name_end(ax, x, y, look[0], look[1])
    ax.set_xlim(left=0)
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, -120 * margin), max(high, 120 * margin))


def _moments(ax: Axes, student: pd.DataFrame) -> None:
    """Draw the variance of parameters between students, before and after training."""
    for metric, look in _MOMENTS.items():
        rows = drawing.select(student, "init_noise", metric=metric)
        drawing.curve(ax, rows, "init_noise", look)
        for x, y in rows[["init_noise", "estimate"]].dropna().to_numpy()[-1:]:
            drawing.name_end(ax, x, y, look[0], look[1])
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)


def _weights(ax: Axes, dataset: str, trajectories: _Trajectories) -> None:
    """Draw one weight of the first students, at the least and the largest initialisation noise."""
    scales = sorted(s for name, s in trajectories if name == dataset and s is not None)
    ends = dict.fromkeys((scales[0], scales[-1])) if scales else {}
    for scale, colour in zip(ends, (drawing.BLUE, drawing.RED), strict=False):
        recorded = trajectories[dataset, scale]
        for student in recorded.records[:_STUDENTS_SHOWN]:
            ax.plot(np.arange(len(student)) * recorded.every, student, color=colour, lw=0.8)
        last = [student[-1] for student in recorded.records[:_STUDENTS_SHOWN] if student]
        if last:
            end = max(len(student) - 1 for student in recorded.records) * recorded.every
            drawing.name_end(ax, end, float(np.mean(last)), f"s = {scale:g}", colour)
    ax.set_xlabel("Epoch")


def _recorded(inputs: Inputs) -> _Trajectories:
    trajectories: _Trajectories = {}
    for path in getattr(inputs, "paths", {}).get("students", ()):
        students = artifacts.read(path, "students")
        shard = Settings.model_validate(students.provenance["config"])
        rows_of = students.rows_of(shard.conditions)
        for condition, rows in zip(shard.conditions, rows_of, strict=True):
            record = students.table.column("trajectory").take(rows).to_pylist()
            every = getattr(shard.model, "record_every", 0)
            trajectories[shard.dataset, condition.init_noise] = Trajectories(record, every)
    return trajectories


def _finding(part: pd.DataFrame, datasets: Sequence[str], margin: float) -> str:
    """Changes at the largest noise, and how many of them count."""
    sentences, band = [], 100 * margin
    for metric, what in (
        ("inter_student_variance_change", "inter-student variance"),
        ("test_mse_change", "mean test MSE"),
    ):
        rows = part[(part["metric"] == metric) & (part["role"] == "student")]
        numbers = []
        for dataset in datasets:
            own = drawing.select(rows, "init_noise", dataset=dataset).dropna(subset="estimate")
            if len(own):
                last = words.Number.of_row(own.iloc[-1]).times(100)
                numbers.append((drawing.full_name(dataset), last))
        if not numbers:
            continue
        scale = rows["init_noise"].max()
        sides = [words.side(number, -band, band) for _, number in numbers]
        verdict = {
            "within": f"by less than {band:g} %",
            "above": f"upwards by more than {band:g} %",
            "below": f"downwards by more than {band:g} %",
        }.get(sides[0] if len(set(sides)) == 1 else "", "")
        change = f"changes {verdict}" if verdict else "changes"
        sentences.append(f"From s = 0 to {scale:g} {what} {change}: {words.spread(numbers, ' %')}.")
    return " ".join(sentences)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    margin = (settings.margins or {})["robust_change"]
    datasets, more = drawing.shown_datasets(part)
    trajectories = _recorded(inputs)
    note = (
        f"Grey: changes below {100 * margin:g} %, which count as none. Changes of inter-student "
        f"variance and of mean test MSE are paired by replicate. "
    )
    if len(datasets) <= _COLUMNS:
        note += "Parameter variance: before and after training. "
    note += (
        f"{drawing.interval_note(settings)}{drawing.networks_note(settings)}"
        f"{drawing.diverged_note(part)}{more}"
    )
    return Drawn(
        lambda: _draw(part, datasets, trajectories, margin),
        note,
        _finding(part, datasets, margin),
    )


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
    uses_margins=True,
)
