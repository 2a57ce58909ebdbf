"""Figure: the remedies of language models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.figures.text import METHODS, TEACHER, at_first_temperature, note, taught
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COMPARED = {
    "similarity_to_reference": "Similarity to\nreference",
    "systematic_noise": "Systematic\nnoise",
    "hallucination_rate": "Hallucination\nrate",
    "intra_student_variance": "Intra-student\nvariance",
    "inter_student_variance": "Inter-student\nvariance",
}


def draw(part: pd.DataFrame) -> Figure:
    """Draw the methods of variance-aware distillation side by side.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of variance_aware, of which those over taught prompts are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        One row of panels per corpus, one panel per metric, each with its own scale.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    part = taught(part)
    datasets = list(part["dataset"].unique())
    ks = sorted(part["k"].dropna().unique())
    figure, axes = drawing.grid(len(datasets), len(_COMPARED), 1.75)
    for row, dataset in enumerate(datasets):
        for ax, (metric, title) in zip(axes[row], _COMPARED.items(), strict=True):
            cells = part[(part["dataset"] == dataset) & (part["metric"] == metric)]
            for value in cells.loc[cells["role"] == "teacher", "estimate"]:
                ax.axhline(value, label="teacher", **TEACHER)
            shown = [name for name in METHODS if (cells["method"] == name).any()]
            middle = (len(shown) - 1) / 2
            for number, method in enumerate(shown):
                shift, look = 0.6 * (number - middle) / max(len(shown), 1), METHODS[method]
                own = cells[(cells["role"] == "student") & (cells["method"] == method)]
                own = own.assign(place=[ks.index(k) + shift for k in own["k"]])
                drawing.curve(ax, own.sort_values("place"), "place", look)
            ax.set_xticks(range(len(ks)), [f"{k:g}" for k in ks])
            ax.set_xlim(-0.5, len(ks) - 0.5)
            ax.yaxis.set_major_locator(MaxNLocator(4))
            ax.grid(visible=False, axis="x")
            if row == 0:
                ax.set_title(title, fontsize=7.5)
            if row == len(datasets) - 1:
                ax.set_xlabel("Responses k")
        axes[row, 0].set_ylabel(drawing.title(dataset))
    drawing.key(figure, axes)
    return figure


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    return Drawn(lambda: draw(at_first_temperature(part)), note(settings))


FIGURE = FigureKind(
    "language_methods",
    "Which remedy helps language models?",
    estimates_of("variance_aware", lane="text"),
    _prepare,
)
