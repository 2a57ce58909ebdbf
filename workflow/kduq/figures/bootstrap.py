"""Figure: variance over bootstrap samples, with teacher labels over that with true labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_METRIC = "variance_ratio_to_truth"
#: Most panels side by side.
_COLUMNS = 4


def _draw(ratios: pd.DataFrame, datasets: Sequence[str], margin: float) -> Figure:
    columns = min(len(datasets), _COLUMNS)
    rows = -(-len(datasets) // columns)
    figure, axes = drawing.grid(rows, columns, 2.3, sharey=True)
    letters = drawing.letters()
    for number, (ax, dataset) in enumerate(zip(axes.flat, datasets, strict=False)):
        drawing.level(ax, 1, 1 / margin, margin)
        own = ratios[ratios["dataset"] == dataset]
        for family in drawing.families_in(own):
            look = drawing.FAMILY[family]
            cells = drawing.select(own, "sample_fraction", family=family)
            drawing.curve(ax, cells, "sample_fraction", look)
            last = cells.dropna(subset="estimate").iloc[-1:]
            for x, y in zip(last["sample_fraction"], last["estimate"], strict=True):
                drawing.name_end(ax, x, y, look[0], look[1])
        ax.set_xlabel("Sample size (fraction of n)")
        if number % columns == 0:
            ax.set_ylabel("Inter-student variance,\nteacher labels / true labels")
        ax.set_title(f"{next(letters)}  {drawing.title(dataset, 60 // columns)}")
    top = max(1.2 * margin, axes[0, 0].get_ylim()[1])
    # Markers at zero must not be cut in half.
    axes[0, 0].set_ylim(-0.03 * top, top)
    for ax in axes.flat[len(datasets) :]:
        ax.remove()
    return figure


def _finding(ratios: pd.DataFrame, margin: float) -> str:
    sentences = []
    for family in drawing.families_in(ratios):
        own = ratios[(ratios["family"] == family) & ratios["estimate"].notna()]
        label = FAMILIES[family].label
        if own.empty:
            continue
        if (own["estimate"] == 0).all():
            sentences.append(
                f"With teacher labels {label} students do not vary at all: they recover the "
                "teacher exactly."
            )
            continue
        numbers = [words.Number.of_row(row) for _, row in own.iterrows()]
        sides = [words.side(number, 1 / margin, margin) for number in numbers]
        least, most = (float(f(own["estimate"])) for f in (np.min, np.max))
        counts = [
            f"{place} in {sides.count(side)}"
            for side, place in (
                ("below", "smaller"),
                ("within", "equal"),
                ("above", "larger"),
                ("undecided", "undecided"),
            )
            if side in sides
        ]
        sentences.append(
            f"With teacher labels the inter-student variance of {label} students is "
            f"{words.plain(least)} to {words.plain(most)} times that with true labels: "
            f"{words.listed(counts)} of {len(sides)} sample sizes and data sets."
        )
    return " ".join(sentences)


def _rank_note(part: pd.DataFrame) -> str:
    """Share of samples that are left out, since they do not determine all parameters."""
    rows = part[part["metric"] == "rank_deficient_count"]
    number, total = rows["estimate"].sum(), rows["n_students"].sum()
    if not number:
        return ""
    return f" Without samples that lack full rank ({100 * number / total:.2g} % of linear ones)."


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    margin = (settings.margins or {})["ratio_margin"]
    datasets, more = drawing.shown_datasets(part)
    ratios = part[(part["metric"] == _METRIC) & part["dataset"].isin(datasets)]
    note = (
        f"Grey: ratios between 1/{margin:g} and {margin:g}, which count as equal. Ratios are "
        f"paired by replicate.{_rank_note(part)} {drawing.interval_note(settings)}"
        f"{drawing.networks_note(settings)}{drawing.diverged_note(part)}{more}"
    )
    return Drawn(lambda: _draw(ratios, datasets, margin), note, _finding(ratios, margin))


FIGURE = FigureKind(
    "bootstrap",
    "Do students of bootstrap samples vary less with teacher labels than with true ones?",
    estimates_of("bootstrap", lane="tabular"),
    _prepare,
    uses_margins=True,
)
