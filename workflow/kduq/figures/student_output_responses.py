"""Figure: entropy and mutual information by the number of sampled labels per input."""

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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ENTROPY, _INFORMATION = "predictive_entropy", "mutual_information"
#: Sources of labels that are means of k sampled ones, and their limit of many responses.
_SAMPLED, _SOFT = ("sampled", "averaged"), "soft"
#: Number of data sets from which on panels are too narrow for names at the curves.
_NARROW = 4
#: Place of soft labels, as a multiple of the largest number of responses.
_BEYOND = 2.5


def _draw(part: pd.DataFrame, datasets: Sequence[str], margin: float) -> Figure:
    figure, axes = drawing.blocks(len(datasets), 2, 1.9)
    letters, is_narrow = drawing.letters(), len(datasets) >= _NARROW
    numbers = sorted(part["k"].dropna().astype(int).unique())
    for (left, right), dataset in zip(axes, datasets, strict=True):
        cells = part[part["dataset"] == dataset]
        drawing.level(left, 1, 1 / margin, margin)
        for family in drawing.families_in(cells):
            own = cells[cells["family"] == family]
            _family(left, _over_teacher(own), family, numbers, not is_narrow)
            information = own[(own["metric"] == _INFORMATION) & (own["role"] == "student")]
            _family(right, information, family, numbers, not is_narrow)
            first = information[information["label_source"] == _SAMPLED[0]]["estimate"]
            for value in first[first > 0]:
                k = np.array([1, numbers[-1]])
                colour = drawing.FAMILY[family][1]
                right.plot(k, value / k, color=colour, linestyle=(0, (4, 1.5)), lw=0.8)
        for ax in (left, right):
            _axis(ax, numbers)
        drawing.log_scale(right)
        left.set_title(f"{next(letters)}  {drawing.title(dataset, 18 if is_narrow else 30)}")
        right.set_title(f"{next(letters)}{_factor(cells, numbers)}")
        left.set_ylabel("Entropy ratio" if is_narrow else "Entropy of a student / teacher's")
        right.set_ylabel("Information" if is_narrow else "Mutual information (nats)")
    for ax in axes[-2:].flat if is_narrow else axes[-1]:
        ax.set_xlabel("Responses k per input")
    if is_narrow:
        drawing.key(figure, axes)
    return figure


def _family(
    ax: Axes, rows: pd.DataFrame, family: str, numbers: Sequence[int], is_named: bool
) -> None:
    """Draw one quantity of a family, by k and for soft labels."""
    look = drawing.FAMILY[family]
    sampled = rows[rows["label_source"].isin(_SAMPLED)].sort_values("k")
    soft = rows[rows["label_source"] == _SOFT].assign(k=_BEYOND * numbers[-1])
    drawing.curve(ax, sampled, "k", look)
    drawing.curve(ax, soft, "k", ("_nolegend_", *look[1:]))
    last = pd.concat([part for part in (sampled, soft) if len(part)] or [rows])
    for x, y in last[["k", "estimate"]].dropna().to_numpy()[-1:]:
        if is_named:
            drawing.name_end(ax, x, y, FAMILIES[family].label.split()[0], look[1])


def _over_teacher(cells: pd.DataFrame) -> pd.DataFrame:
    """Entropies of a family's students on a data set over that of their teacher."""
    rows = cells[cells["metric"] == _ENTROPY]
    own = rows.loc[rows["role"] == "teacher", "estimate"]
    teacher = float(own.iloc[0]) if len(own) and own.iloc[0] > 0 else np.nan
    student = rows[rows["role"] == "student"]
    return student.assign(**{c: student[c] / teacher for c in ("estimate", "ci_low", "ci_high")})


def _axis(ax: Axes, numbers: Sequence[int]) -> None:
    """Ticks at numbers of responses, and one for soft labels beyond them."""
    end = _BEYOND * numbers[-1]
    middle = [k for k in numbers if numbers[0] * 2 < k < numbers[-1] / 2]
    shown = [numbers[0], *middle[len(middle) // 2 :][:1], numbers[-1]]
    shown = sorted(set(shown))
    ax.set_xscale("log")
    ax.set_xticks([*shown, end], [*map(str, shown), "soft"])
    ax.minorticks_off()


def _gains(cells: pd.DataFrame, numbers: Sequence[int]) -> dict[str, float]:
    """Mutual information of one sampled label over that of most labels, by family."""
    rows = cells[(cells["metric"] == _INFORMATION) & (cells["role"] == "student")]
    gains = {}
    for family in drawing.families_in(rows):
        own = rows[rows["family"] == family]
        first = own.loc[own["label_source"] == _SAMPLED[0], "estimate"]
        most = own.loc[(own["label_source"] == _SAMPLED[1]) & (own["k"] == numbers[-1])]["estimate"]
        if len(first) and len(most) and first.iloc[0] > 0 and most.iloc[0] > 0:
            gains[family] = float(first.iloc[0] / most.iloc[0])
    return gains


def _factor(cells: pd.DataFrame, numbers: Sequence[int]) -> str:
    """Part of a title: by how much most responses divide the mutual information."""
    gains = _gains(cells, numbers)
    if not gains:
        return ""
    ends = [words.plain(value) for value in (min(gains.values()), max(gains.values()))]
    return f"  1/{'–'.join(dict.fromkeys(ends))}"


def _finding(part: pd.DataFrame, datasets: Sequence[str], margin: float) -> str:
    numbers = sorted(part["k"].dropna().astype(int).unique())
    gains, sides, needed = [], [], []
    for dataset in datasets:
        cells = part[part["dataset"] == dataset]
        for family, gain in _gains(cells, numbers).items():
            name = f"{drawing.full_name(dataset)}, {FAMILIES[family].label}"
            gains.append((name, words.Number(gain)))
        for family in drawing.families_in(cells):
            rows = _over_teacher(cells[cells["family"] == family])
            rows = rows[rows["label_source"].isin(_SAMPLED)].sort_values("k")
            pairs = [(row["k"], words.Number.of_row(row)) for _, row in rows.iterrows()]
            found = [words.side(number, 1 / margin, margin) for _, number in pairs]
            if found:
                sides.append(found)
                inside = [k for (k, _), side in zip(pairs, found, strict=True) if side == "within"]
                needed += [min(inside)] if inside else []
    sentences = []
    if gains:
        ranked = sorted(gains, key=lambda pair: pair[1].value)
        ends = dict.fromkeys(
            f"{words.plain(n.value)} ({name})" for name, n in ranked[:: len(ranked) - 1 or 1]
        )
        sentences.append(
            f"Averaging {numbers[-1]} sampled labels divides the mutual information between "
            f"students by {' to '.join(ends)}."
        )
    if sides:
        kept = sum("within" in found for found in sides)
        more = f", from k = {min(needed):g} on at the earliest" if needed else ""
        sentences.append(
            f"Their entropy is the teacher's to within a factor of {margin:g} at some k in {kept} "
            f"of {len(sides)} runs{more}."
        )
    return " ".join(sentences)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    datasets, more = drawing.shown_datasets(part)
    part = part[(part["group"] == "all") & part["dataset"].isin(datasets)]
    margin = (settings.margins or {})["entropy_margin"]
    note = (
        "Means over all test inputs. Soft: students of the teacher's probabilities. Grey: ratios "
        f"within {margin:g} in either direction, which count as equal. Dashed: 1/k. Above a panel: "
        "mutual information between students at the largest k over that at k = 1. "
        f"{drawing.interval_note(settings)}{drawing.networks_note(settings)}{more}"
    )
    return Drawn(lambda: _draw(part, datasets, margin), note, _finding(part, datasets, margin))


FIGURE = FigureKind(
    "student_output_responses",
    "How many sampled labels replace soft ones?",
    estimates_of("student_output", lane="tabular"),
    _prepare,
    uses_margins=True,
)
