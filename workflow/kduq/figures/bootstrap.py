"""Figure: students on bootstrap samples, with teacher labels and with true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = {
    "teacher": ("teacher labels", drawing.BLUE, "o"),
    "truth": ("true labels", drawing.RED, "s"),
}
#: Smaller variances, in squared units of the target, are rounding.
_EXACT = 1e-9


def _draw(part: pd.DataFrame) -> Figure:
    datasets = list(part["dataset"].unique())
    families = drawing.families_in(part)
    figure, axes = drawing.grid(len(datasets), 2 * len(families), 2.25)
    for row, dataset in enumerate(datasets):
        for column, family in enumerate(families):
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            student = cells[cells["role"] == "student"]
            for offset, metric in enumerate(("test_mse_mean", "inter_student_variance")):
                ax = axes[row, 2 * column + offset]
                for source, look in _LABELS.items():
                    curve = drawing.select(
                        student, "sample_fraction", metric=metric, label_source=source
                    )
                    drawing.curve(ax, curve[curve["estimate"] > _EXACT], "sample_fraction", look)
                    zero = curve[curve["estimate"] <= _EXACT]
                    if metric == "inter_student_variance" and len(zero):
                        ax.text(
                            0.99,
                            0.99,
                            f"{look[0]}:\nzero to rounding\nat {len(zero)} of {len(curve)}\n"
                            "sizes (theory: 0\nat full rank)",
                            transform=ax.transAxes,
                            ha="right",
                            va="top",
                            color=look[1],
                            fontsize=6,
                        )
                drawing.log_scale(ax)
                ax.set_xlabel("Sample size / n")
                name = "Mean test MSE" if offset == 0 else "Inter-student variance"
                ax.set_ylabel(name)
            deficient = student[student["metric"] == "rank_deficient_count"]
            number, total = deficient["estimate"].sum(), deficient["n_students"].sum()
            title = f"{drawing.title(dataset)}, {drawing.FAMILY[family][0]}"
            if number:
                title += f"\n{number:.0f} of {total:.0f} samples rank-deficient"
            axes[row, 2 * column].set_title(title, fontsize=7.5)
            drawing.diverged(axes[row, 2 * column], student)
    drawing.key(figure, axes)
    return figure


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    part = part[part["group"] == "all"]
    note = f"MSE and variances: squared units of the target. {drawing.interval_note(settings)}"
    return Drawn(lambda: _draw(part), note)


FIGURE = FigureKind(
    "bootstrap",
    "How much do students vary with the sample that they are trained on?",
    estimates_of("bootstrap", lane="tabular"),
    _prepare,
)
