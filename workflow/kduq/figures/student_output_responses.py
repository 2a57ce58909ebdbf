"""Figure: entropy and mutual information by the number of sampled labels per input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _draw(part: pd.DataFrame) -> Figure:
    datasets, families = list(part["dataset"].unique()), drawing.families_in(part)
    metrics = {
        "predictive_entropy": "Predictive entropy (nats)",
        "mutual_information": "Mutual information\nbetween students (nats)",
    }
    figure, axes = drawing.grid(len(metrics), len(datasets), 2.0)
    whole = part[part["group"] == "all"]
    ks = sorted(int(k) for k in whole["k"].dropna().unique())
    end = ks[-1] * 2.5  # position of soft labels, the limit of many responses
    for row, (metric, label) in enumerate(metrics.items()):
        for column, dataset in enumerate(datasets):
            ax = axes[row, column]
            for family in families:
                cells = whole[
                    (whole["dataset"] == dataset)
                    & (whole["family"] == family)
                    & (whole["metric"] == metric)
                ]
                look = drawing.FAMILY[family]
                sampled = cells[cells["label_source"].isin(["sampled", "averaged"])]
                drawing.curve(ax, sampled.sort_values("k"), "k", look)
                soft = cells[cells["label_source"] == "soft"].assign(k=end)
                drawing.curve(ax, soft, "k", ("_nolegend_", *look[1:]))
                for value in cells[cells["role"] == "teacher"]["estimate"]:
                    ax.axhline(value, color=look[1], linestyle=(0, (4, 1.5)), lw=1)
            ax.set_xscale("log")
            ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= ks[-1]]
            ax.set_xticks([*ticks, end], [*map(str, ticks), "soft"])
            ax.minorticks_off()
            ax.set_ylim(bottom=0)
            if row == 0:
                ax.set_title(drawing.title(dataset))
            else:
                ax.set_xlabel("Responses k per input")
        axes[row, 0].set_ylabel(label)
    axes[0, 0].plot(
        [], [], color="#555555", linestyle=(0, (4, 1.5)), lw=1, label="teacher's entropy"
    )
    drawing.key(figure, axes)
    return figure


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    note = f"Means over all test inputs. {drawing.interval_note(settings)}"
    return Drawn(lambda: _draw(part), note)


FIGURE = FigureKind(
    "student_output_responses",
    "How many sampled labels replace soft ones?",
    estimates_of("student_output", lane="tabular"),
    _prepare,
)
