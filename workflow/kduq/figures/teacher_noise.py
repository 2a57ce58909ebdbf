"""Figure: errors and variances of students by the noise of their teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _draw(part: pd.DataFrame) -> Figure:
    datasets = list(part["dataset"].unique())
    figure, axes = drawing.grid(len(datasets), 3, 2.15)
    for row, dataset in enumerate(datasets):
        for family, look in drawing.FAMILY.items():
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            student = cells[cells["role"] == "student"]
            theory = drawing.select(student, "alpha", metric="theory_inter_student_variance")
            for column, metric in enumerate(
                ("test_mse_mean", "inter_student_variance", "test_mse_var")
            ):
                curve = drawing.select(student, "alpha", metric=metric)
                if metric == "test_mse_var":
                    curve = _root(curve)
                has_theory = metric == "inter_student_variance" and not theory.empty
                drawing.curve(axes[row, column], curve, "alpha", look, line=not has_theory)
            drawing.theory(axes[row, 1], theory, "alpha", look[1])
            drawing.diverged(axes[row, 0], student)
        for column, label in enumerate(
            (
                "Mean test MSE",
                "Inter-student variance",
                "SD of test MSE",
            )
        ):
            ax = axes[row, column]
            ax.set_ylabel(label)
            ax.set_ylim(bottom=0)
            ax.set_xlabel("Noise α of a response")
        axes[row, 0].set_title(drawing.title(dataset))
    drawing.theory_key(axes[0, 1], part)
    drawing.key(figure, axes)
    return figure


def _root(curve: pd.DataFrame) -> pd.DataFrame:
    """Standard deviations and their limits, from variances and their limits."""
    columns = ["estimate", "ci_low", "ci_high"]
    return curve.assign(**{c: np.sqrt(curve[c].clip(lower=0)) for c in columns})


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    note = (
        f"MSE, its SD and variances: squared units of the target. {drawing.interval_note(settings)}"
    )
    return Drawn(lambda: _draw(part), note)


FIGURE = FigureKind(
    "teacher_noise",
    "How much of the noise reaches the students?",
    estimates_of("teacher_noise", lane="tabular"),
    _prepare,
)
