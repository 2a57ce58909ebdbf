"""Figure: errors and variances of students by the noise of their teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_VARIANCE, _ERROR = "inter_student_variance", "test_mse_mean"
#: Noise at which families are compared, or the level nearest to it.
_ALPHA = 1.0
#: Number of data sets from which on panels are too narrow for names at the curves.
_NARROW = 4


def _draw(part: pd.DataFrame, datasets: Sequence[str], confidence: float) -> Figure:
    figure, axes = drawing.blocks(len(datasets), 2, 2.0)
    letters, is_narrow = drawing.letters(), len(datasets) >= _NARROW
    for (left, right), dataset in zip(axes, datasets, strict=True):
        cells = part[(part["dataset"] == dataset) & (part["role"] == "student")]
        for family in drawing.families_in(cells):
            _family(left, right, cells[cells["family"] == family], family, not is_narrow)
        left.set_ylim(bottom=0)
        left.set_title(f"{next(letters)}  {drawing.title(dataset, 18 if is_narrow else 30)}")
        letter = next(letters)
        right.set_title(letter)
        factors = _factors(cells, confidence)
        if factors:
            alpha, number, rows = factors[0]
            shown = words.plain(number.value) if is_narrow else str(number)
            right.vlines(alpha, *sorted(rows), color="#000000", lw=0.8)
            right.set_title(f"{letter}  {shown} times at α = {alpha:g}")
        left.set_ylabel("Mean test MSE")
        right.set_ylabel("Variance" if is_narrow else "Inter-student variance")
        for name in ("x", "y"):
            drawing.log_scale(right, name)
    for ax in axes[-2:].flat if is_narrow else axes[-1]:
        ax.set_xlabel("Response noise α")
    if is_narrow:
        drawing.key(figure, axes)
    return figure


def _family(left: Axes, right: Axes, cells: pd.DataFrame, family: str, is_named: bool) -> None:
    """Draw the errors of a family by alpha, and its variances above zero on logarithmic axes."""
    look = drawing.FAMILY[family]
    errors = drawing.select(cells, "alpha", metric=_ERROR)
    variances = drawing.select(cells, "alpha", metric=_VARIANCE)
    noisy = variances[(variances["alpha"] > 0) & (variances["estimate"] > 0)]
    theory = drawing.select(cells, "alpha", metric=f"theory_{_VARIANCE}")
    theory = theory[theory["estimate"] > 0]
    drawing.curve(left, errors, "alpha", look)
    drawing.curve(right, noisy, "alpha", look, line=theory.empty)
    drawing.theory(right, theory, "alpha", look[1])
    without = variances.loc[(variances["alpha"] == 0) & (variances["estimate"] > 0), "estimate"]
    if not FAMILIES[family].closed_form:
        for value in without:
            right.axhline(value, color=look[1], linestyle=(0, (1, 1.5)), lw=1)
    for ax, rows in ((left, errors), (right, noisy)):
        last = rows[rows["estimate"].notna()].iloc[-1:]
        for x, y in zip(last["alpha"], last["estimate"], strict=True):
            if is_named:
                drawing.name_end(ax, x, y, look[0], look[1])


def _factors(
    cells: pd.DataFrame, confidence: float
) -> list[tuple[float, words.Number, tuple[float, float]]]:
    """Variance of each family over that of the family with a closed form, on one data set.

    Returns the alpha, the ratio, and the two variances.
    """
    rows = cells[(cells["metric"] == _VARIANCE) & (cells["alpha"] > 0) & (cells["estimate"] > 0)]
    closed = rows["family"].map(lambda name: FAMILIES[name].closed_form)
    shared = set(rows.loc[closed, "alpha"]) & set(rows.loc[~closed, "alpha"])
    if not shared:
        return []
    alpha = min(shared, key=lambda value: abs(value - _ALPHA))
    at = rows["alpha"] == alpha
    other = rows[at & closed].iloc[0]
    return [
        (alpha, words.ratio(own, other, confidence), (own["estimate"], other["estimate"]))
        for _, own in rows[at & ~closed].iterrows()
    ]


def _finding(part: pd.DataFrame, datasets: Sequence[str], confidence: float) -> str:
    sentences = []
    student = part[part["role"] == "student"]
    by_family: dict[tuple[str, float], list[tuple[str, words.Number]]] = {}
    for dataset in datasets:
        cells = student[student["dataset"] == dataset]
        other = [name for name in drawing.families_in(cells) if not FAMILIES[name].closed_form]
        for family in other:
            own = cells["family"].map(
                lambda name, family=family: FAMILIES[name].closed_form or name == family
            )
            for alpha, number, _ in _factors(cells[own], confidence):
                pair = drawing.full_name(dataset), number
                by_family.setdefault((family, alpha), []).append(pair)
    for (family, alpha), numbers in by_family.items():
        sentences.append(
            f"At α = {alpha:g} {FAMILIES[family].label} students have {words.spread(numbers)} "
            "times the inter-student variance of linear students."
        )
    sentences += _growth(student, datasets)
    return " ".join(sentences)


def _growth(student: pd.DataFrame, datasets: Sequence[str]) -> list[str]:
    """How far the test error grows from the least to the largest noise."""
    grown = []
    errors = student[(student["metric"] == _ERROR) & student["estimate"].notna()]
    for dataset in datasets:
        for family in drawing.families_in(errors):
            rows = drawing.select(errors, "alpha", dataset=dataset, family=family)
            if len(rows) > 1 and rows["estimate"].iloc[0] > 0:
                value = float(rows["estimate"].iloc[-1] / rows["estimate"].iloc[0])
                name = f"{FAMILIES[family].label}, {drawing.full_name(dataset)}"
                grown.append((value, name, rows["alpha"].iloc[0], rows["alpha"].iloc[-1]))
    if not grown:
        return []
    least, most = min(grown), max(grown)
    ends = f"Mean test MSE at α = {most[3]:g} is"
    if least == most:
        return [f"{ends} {words.plain(most[0])} times that at α = {most[2]:g} ({most[1]})."]
    return [
        f"{ends} {words.plain(least[0])} ({least[1]}) to {words.plain(most[0])} ({most[1]}) "
        f"times that at α = {most[2]:g}."
    ]


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    datasets, more = drawing.shown_datasets(part)
    closed = [FAMILIES[name].closed_form for name in drawing.families_in(part)]
    note = (
        "Response noise α: variance of the noise over that of the training targets. MSE and "
        "variances: squared units of the target. "
    )
    if any(closed):
        note += "Dashed: closed form of linear students. "
    if not all(closed):
        note += "Dotted: students without noise. "
    if any(closed) and not all(closed):
        note += "Above a panel: variance of networks over that of linear students. "
    note += (
        f"{drawing.interval_note(settings)}{drawing.networks_note(settings)}"
        f"{drawing.diverged_note(part)}{more}"
    )
    return Drawn(
        lambda: _draw(part, datasets, settings.confidence),
        note,
        _finding(part, datasets, settings.confidence),
    )


FIGURE = FigureKind(
    "teacher_noise",
    "How much of the noise reaches the students?",
    estimates_of("teacher_noise", lane="tabular"),
    _prepare,
)
