"""Figure: predictive entropy of the students of classifiers, compared with their teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs
from kduq.statistics.intervals import FEWEST_FOR_GROUP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Sources of labels in classification.
_SOURCES = {
    "hard": ("hard labels", drawing.BLUE, "o"),
    "sampled": ("one sampled label", drawing.RED, "s"),
    "soft": ("soft labels", drawing.GREEN, "^"),
}
_ENTROPY, _OF_ERRORS = "predictive_entropy", "entropy_ratio_of_errors"
_LIMITS = ["estimate", "ci_low", "ci_high"]
#: Ticks of ratios, beside those of the margin.
_TICKS = (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100)
#: Most letters of the name of a data set beside its family.
_NAME = 20


def _ratios(part: pd.DataFrame) -> pd.DataFrame:
    """Entropies of students over that of their teacher, which is given and has no error."""
    whole = part[(part["metric"] == _ENTROPY) & (part["group"] == "all")]
    own = whole[whole["role"] == "teacher"].set_index(["family", "dataset"])["estimate"]
    rows = whole[(whole["role"] == "student") & whole["label_source"].isin(_SOURCES)]
    keys = pd.MultiIndex.from_frame(rows[["family", "dataset"]])
    teacher = own.reindex(keys).to_numpy()
    teacher = np.where(teacher > 0, teacher, np.nan)
    return rows.assign(**{name: rows[name] / teacher for name in _LIMITS})


def _draw(part: pd.DataFrame, margins: dict[str, float]) -> Figure:
    runs = list(part[["dataset", "family"]].drop_duplicates().itertuples(index=False, name=None))
    places = {run: len(runs) - 1 - i for i, run in enumerate(runs)}
    figure, axes = drawing.grid(1, 2, 0.8 + 0.28 * len(runs), sharey=True)
    left, right = axes[0]
    kept, less = margins["entropy_margin"], margins["ratio_margin"]
    drawing.level(left, 1, 1 / kept, kept, "y")
    drawing.level(right, 1, 1 / less, less, "y")
    ratios = _ratios(part)
    for shift, (source, look) in zip((0.22, 0, -0.22), _SOURCES.items(), strict=True):
        _dots(left, ratios[ratios["label_source"] == source], places, shift, look)
    of_errors = part[part["metric"] == _OF_ERRORS]
    hard = of_errors[(of_errors["role"] == "student") & (of_errors["label_source"] == "hard")]
    _dots(right, hard, places, 0.12, _SOURCES["hard"])
    teacher = of_errors[of_errors["role"] == "teacher"]
    # Given the teacher, its numbers have no error.
    teacher = teacher.assign(ci_low=teacher["estimate"], ci_high=teacher["estimate"])
    _dots(right, teacher, places, -0.12, ("teacher", "#000000", "D"))
    names = [f"{drawing.title(d, _NAME)}, {FAMILIES[f].label.split()[0]}" for d, f in runs]
    left.set_yticks(list(places.values()), names)
    left.set_ylim(-0.6, len(runs) - 0.4)
    left.set_title("a  All inputs")
    right.set_title("b  Where wrong, over where right")
    left.set_xlabel("Students' entropy / teacher's")
    right.set_xlabel("Entropy where wrong / where right")
    for ax in (left, right):
        ax.tick_params(axis="y", length=0)
        drawing.log_scale(ax, "x")
    _number_errors(right, part, places)
    low, high = left.get_xlim()
    ticks = [t for t in (*_TICKS, 1 / kept, kept) if low <= t <= high]
    left.set_xticks(ticks, [f"{t:g}" for t in ticks])
    left.minorticks_off()
    drawing.key(figure, axes)
    return figure


def _dots(
    ax: Axes,
    rows: pd.DataFrame,
    places: dict[Any, int],
    shift: float,
    look: tuple[str, str, str],
) -> None:
    """Draw estimates with their intervals, one row per run."""
    rows = rows[rows["estimate"].notna()]
    at = np.array(
        [places[run] + shift for run in zip(rows["dataset"], rows["family"], strict=True)]
    )
    drawing.dots(ax, rows, at, look)


def _finding(part: pd.DataFrame, margins: dict[str, float]) -> str:
    kept, less = margins["entropy_margin"], margins["ratio_margin"]
    ratios = _ratios(part)
    hard = ratios[(ratios["label_source"] == "hard") & ratios["estimate"].notna()]
    sentences = []
    if len(hard):
        numbers = _named(hard)
        sides = [words.side(number, 1 / kept, kept) for _, number in numbers]
        parts = [
            f"{phrase} in {sides.count(side)}"
            for side, phrase in (
                ("within", "keep their teacher's entropy"),
                ("below", "are more certain than it"),
                ("above", "are less certain than it"),
                ("undecided", "are undecided"),
            )
            if side in sides
        ]
        sentences.append(
            f"Students of hard labels {words.listed(parts)} of {len(sides)} runs; their entropy "
            f"is {words.spread(numbers)} times the teacher's."
        )
    errors = part[(part["metric"] == _OF_ERRORS) & (part["role"] == "student")]
    errors = errors[(errors["label_source"] == "hard") & errors["estimate"].notna()]
    if len(errors):
        sides = [words.side(number, 1 / less, less) for _, number in _named(errors)]
        counts = [
            f"{phrase} in {sides.count(side)}"
            for side, phrase in (
                ("above", "larger"),
                ("within", "equal"),
                ("below", "smaller"),
                ("undecided", "undecided"),
            )
            if side in sides
        ]
        sentences.append(
            f"Where they are wrong their entropy is {words.spread(_named(errors))} times that "
            f"where they are right: {words.listed(counts)} of {len(sides)} runs."
        )
    return " ".join(sentences)


def _named(rows: pd.DataFrame) -> list[tuple[str, words.Number]]:
    return [
        (
            f"{drawing.full_name(row['dataset'])}, {FAMILIES[row['family']].label}",
            words.Number.of_row(row),
        )
        for _, row in rows.iterrows()
    ]


def _number_errors(ax: Axes, part: pd.DataFrame, places: dict[Any, int]) -> None:
    """Write right of a row how few inputs a student answers wrongly, where it is few."""
    rows = part[(part["metric"] == "test_inputs") & (part["group"] == "incorrect")]
    rows = rows[(rows["role"] == "student") & (rows["label_source"] == "hard")]
    for _, row in rows[rows["estimate"] < FEWEST_FOR_GROUP].iterrows():
        ax.annotate(
            f"n = {row['estimate']:.2g}",
            (1, places[row["dataset"], row["family"]]),
            (4, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            fontsize=drawing.SMALL,
            va="center",
            annotation_clip=False,
        )


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    datasets, more = drawing.shown_datasets(part)
    part = part[part["dataset"].isin(datasets)]
    margins = settings.margins or {}
    note = (
        f"Grey: ratios that count as equal (a: within {margins['entropy_margin']:g} in either "
        f"direction, b: {margins['ratio_margin']:g}). n: mean number of inputs "
        f"that a student of hard labels answers wrongly, where it is below {FEWEST_FOR_GROUP}. "
        f"{drawing.interval_note(settings)}{drawing.networks_note(settings)}"
        f"{drawing.diverged_note(part)}{more}"
    )
    return Drawn(lambda: _draw(part, margins), note, _finding(part, margins))


FIGURE = FigureKind(
    "student_output",
    "Do students keep the entropy of their teacher?",
    estimates_of("student_output", lane="tabular"),
    _prepare,
    uses_margins=True,
)
