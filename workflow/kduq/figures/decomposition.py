"""Figure: shares of the variance between students, of every source and every interaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from kduq.conditions import FACTORS
from kduq.families import FAMILIES
from kduq.figures import drawing, words
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Words for each group of prompts.
_GROUPS = {"all": "", "train": ", taught", "test": ", held out"}
#: Colour and marker of the runs of a panel.
_LOOKS = (
    (drawing.BLUE, "o"),
    (drawing.RED, "s"),
    (drawing.GREEN, "^"),
    ("#CC79A7", "v"),
    ("#E69F00", "D"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
    ("#777777", "<"),
)
_WORDS = {
    "split": "split",
    "teacher": "teacher",
    "noise": "teacher's noise",
    "initialisation": "initial parameters",
    "bootstrap": "bootstrap sample",
    "decoding": "decoding",
}
#: In interactions, whose names are longer.
_SHORT = {
    "split": "split",
    "teacher": "teacher",
    "noise": "noise",
    "initialisation": "parameters",
    "bootstrap": "sample",
}
_SHARE = "variance_share_"
_TOTAL = "total_effect_"
#: Prefix of the sums of a hierarchy, and their words.
NESTED = "nested_"
NESTED_WORDS = {
    "split": "between splits",
    "teacher": "between teachers of one split",
    "students": "between students of one teacher",
}
_DECODING = f"{_TOTAL}decoding"


class Run(NamedTuple):
    """A family on a data set, and the group of prompts where there are several."""

    family: str
    dataset: str
    group: str

    @property
    def name(self) -> str:
        """Its data set and group in a sentence."""
        return f"{drawing.full_name(self.dataset)}{_GROUPS[self.group]}"


class Sums(NamedTuple):
    """The sums of components that the lower panels show.

    Attributes
    ----------
    prefix : str
        Of their names.
    factors : tuple of str
        The rest of their names, in the order of the rows.
    title : str
        Of the panels.
    note : str
        What they are, for the note.
    finding : callable
        Returns the finding from the shares of every run.
    """

    prefix: str
    factors: tuple[str, ...]
    title: str
    note: str
    finding: Callable[[Mapping[Run, Mapping[str, words.Number]]], str]


def _runs(part: pd.DataFrame) -> list[Run]:
    runs = []
    for keys, cells in part.groupby(["family", "dataset"], sort=False):
        groups = [group for group in _GROUPS if (cells["group"] == group).any()]
        # Taught and held-out prompts differ too much for one number.
        runs += [Run(str(keys[0]), str(keys[1]), group) for group in (groups[1:] or groups)]
    return runs


def _shares(part: pd.DataFrame, run: Run) -> dict[str, words.Number]:
    """Shares of a run by component, with the interactions of three or more factors.

    Where answers are drawn, terms with decoding are the variance within a student. They are one
    share, and the rest of the residual is a difference of estimates, without an interval.
    """
    rows = part[(part["family"] == run.family) & (part["dataset"] == run.dataset)]
    rows = rows[(rows["group"] == run.group) & rows["metric"].str.startswith(_SHARE)]
    found = {
        str(row["metric"]).removeprefix(_SHARE): words.Number.of_row(row)
        for _, row in rows.iterrows()
    }
    if _DECODING in found:
        within = found.pop(_DECODING)
        # Not the sums over terms that have, or lack, a factor.
        terms = [n for n in found if not n.startswith(("total_effect", "without", NESTED))]
        named = [name for name in terms if name.split("_")[-1] == "decoding"]
        residual = found.get("residual", words.Number(np.nan)).value
        inside = within.value - sum(found.pop(name).value for name in named)
        found |= {"residual": words.Number(residual - inside), "within": within}
    return {name: number for name, number in found.items() if np.isfinite(number.value)}


def _terms(shares: Sequence[Mapping[str, words.Number]], sums: Sums) -> tuple[list[str], list[str]]:
    """Single terms and sums that some run has, in the order of the factors."""
    factors = [name for name in FACTORS if name != "decoding"]
    pairs = [f"{a}_{b}" for i, a in enumerate(factors) for b in factors[i + 1 :]]
    single = [*factors, *pairs, "residual", "within"]
    totals = [f"{sums.prefix}{factor}" for factor in sums.factors]
    present = {name for own in shares for name in own}
    return [t for t in single if t in present], [t for t in totals if t in present]


def _label(term: str) -> str:
    """A term in words."""
    if term == "residual":
        return "three or more"
    if term == "within":
        return "within a student (decoding)"
    if term.startswith(NESTED):
        return NESTED_WORDS[term.removeprefix(NESTED)].removeprefix("between ")
    if term.startswith(_TOTAL):
        return _WORDS[term.removeprefix(_TOTAL)]
    if term in _WORDS:
        return _WORDS[term]
    return " × ".join(_SHORT[factor] for factor in term.split("_"))


def _draw(runs: list[Run], shares: Mapping[Run, Mapping[str, words.Number]], sums: Sums) -> Figure:
    families = list(dict.fromkeys(run.family for run in runs))
    single, totals = _terms(list(shares.values()), sums)
    most = max((sum(run.family == f for run in runs) for f in families), default=1)
    height = 0.09 * most + 0.1
    figure, axes = drawing.grid(
        2,
        max(len(families), 1),
        1.0,
        sharex=True,
        sharey="row",
        gridspec_kw={"height_ratios": [max(len(single), 1), max(len(totals), 1)]},
    )
    inches = height * (len(single) + len(totals)) + 1.7
    figure.set_size_inches(drawing.WIDTH, min(inches, drawing.HEIGHT))
    letters = drawing.letters()
    for row, terms in enumerate((single, totals)):
        for column, family in enumerate(families):
            own = {run: shares[run] for run in runs if run.family == family}
            _panel(axes[row, column], terms, own, runs)
            name = f"  {FAMILIES[family].label.capitalize()}" if row == 0 else ""
            axes[row, column].set_title(f"{next(letters)}{name}")
    for column in range(len(families)):
        axes[1, column].set_xlabel("Share of the variance")
    axes[0, 0].set_ylabel("Single terms")
    axes[1, 0].set_ylabel(sums.title)
    figure.align_ylabels(axes[:, 0])
    axes[0, 0].xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    drawing.key(figure, axes)
    return figure


def _panel(
    ax: Axes, terms: list[str], shares: Mapping[Run, Mapping[str, words.Number]], runs: list[Run]
) -> None:
    """Draw the shares of all runs of a family, one row per term."""
    names = list(dict.fromkeys((run.dataset, run.group) for run in runs))
    step = 0.8 / max(len(shares), 1)
    for row in range(0, len(terms), 2):
        ax.axhspan(row - 0.5, row + 0.5, color=drawing.GREY, alpha=0.08, lw=0)
    for number, (run, own) in enumerate(shares.items()):
        rows = pd.DataFrame(
            [own.get(term, words.Number(np.nan)) for term in terms],
            columns=["estimate", "ci_low", "ci_high"],
        )
        at = np.arange(len(terms)) + step * (number - (len(shares) - 1) / 2)
        known = rows["estimate"].notna().to_numpy()
        colour, marker = _LOOKS[names.index((run.dataset, run.group)) % len(_LOOKS)]
        name = f"{drawing.title(run.dataset)}{_GROUPS[run.group]}"
        drawing.dots(ax, rows[known], at[known], (name, colour, marker))
    ax.axvline(0, color=drawing.GREY, lw=0.8)
    ax.set_yticks(range(len(terms)), [_label(term) for term in terms])
    ax.set_ylim(max(len(terms), 1) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def finding_of_total_effects(shares: Mapping[Run, Mapping[str, words.Number]]) -> str:
    """The largest single term of every family, and its largest and smallest total effect.

    Parameters
    ----------
    shares : mapping of Run to mapping of str to Number
        Shares of every run by term.

    Returns
    -------
    str
        A sentence per family.
    """
    sentences = []
    for family, of_family in by_family(shares).items():
        tops = {
            run: max(_terms([own], TOTAL_EFFECTS)[0], key=lambda t: own[t].value)
            for run, own in of_family.items()
        }
        parts = [
            f"{_label(term)}, "
            + words.spread([(run.name, of_family[run][term].times(100)) for run in of], " %")
            for term in dict.fromkeys(tops.values())
            for of in [[run for run, top in tops.items() if top == term]]
        ]
        text = f"Largest single term ({FAMILIES[family].label}): {words.listed(parts)}"
        totals = [
            (f"{_label(term)}, {run.name}", own[term].times(100))
            for run, own in of_family.items()
            for term in _terms([own], TOTAL_EFFECTS)[1]
        ]
        if totals:
            ranked = sorted(totals, key=lambda pair: pair[1].value)
            ends = dict.fromkeys((ranked[0], ranked[-1]))
            shown = [f"{number.text(' %')} ({name})" for name, number in ends]
            text += f"; total effects from {' to '.join(shown)}"
        sentences.append(f"{text}.")
    return " ".join(sentences)


def by_family(
    shares: Mapping[Run, Mapping[str, words.Number]],
) -> dict[str, dict[Run, Mapping[str, words.Number]]]:
    """Shares of the runs that have some, by family.

    Parameters
    ----------
    shares : mapping of Run to mapping of str to Number
        Shares of every run by term.

    Returns
    -------
    dict of str to dict
        In the order of the runs.
    """
    found: dict[str, dict[Run, Mapping[str, words.Number]]] = {}
    for run, own in shares.items():
        if own:
            found.setdefault(run.family, {})[run] = own
    return found


def _sizes(part: pd.DataFrame, runs: list[Run]) -> str:
    """Students of each family's designs, and the noise of their responses."""
    total = part[part["metric"] == "variance_component_total"]
    parts = []
    for family in dict.fromkeys(run.family for run in runs):
        numbers = total.loc[total["family"] == family, "n_students"].dropna().astype(int)
        if len(numbers):
            ends = "–".join(str(n) for n in dict.fromkeys((numbers.min(), numbers.max())))
            parts.append(f"{ends} ({FAMILIES[family].label})")
    text = f"Students: {', '.join(parts)}. " if parts else ""
    alphas = sorted(part["alpha"].dropna().unique())
    return text + (f"α = {', '.join(f'{a:g}' for a in alphas)}. " if alphas else "")


def drawn(settings: FigureSettings, inputs: Inputs, given: str, sums: Sums) -> Drawn:
    """The shares of the variance of a factorial design.

    Parameters
    ----------
    settings : FigureSettings
        Of the figure.
    inputs : Inputs
        Its estimates.
    given : str
        What the intervals are conditional on, and further words for the note; a sentence's end.
    sums : Sums
        What the lower panels show.

    Returns
    -------
    Drawn
        The figure, its note and its finding.
    """
    part = inputs.read_all("estimates").table.to_pandas()
    datasets, more = drawing.shown_datasets(part)
    part = part[part["dataset"].isin(datasets)]
    shown = part[part["metric"].str.startswith(_SHARE)]
    runs = _runs(shown[shown["estimate"].notna()])
    level = round(100 * settings.confidence)
    note = (
        f"{_sizes(part, runs)}Bars: {level} % jackknife intervals over the levels of all factors, "
        f"{given} Open markers: no interval. Three or more: interactions "
        f"of three or more factors. {sums.note}"
        f"{drawing.networks_note(settings)}{drawing.diverged_note(part)}{more}"
    )
    shares = {run: _shares(part, run) for run in runs}
    return Drawn(lambda: _draw(runs, shares, sums), note, sums.finding(shares))


TOTAL_EFFECTS = Sums(
    _TOTAL,
    tuple(factor for factor in FACTORS if factor != "decoding"),
    "With all\ninteractions",
    "With all interactions: what would go if the factor were fixed.",
    finding_of_total_effects,
)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    return drawn(settings, inputs, "given the split and the teacher.", TOTAL_EFFECTS)


FIGURE = FigureKind(
    "decomposition",
    "Where does the variance between students come from?",
    estimates_of("decomposition"),
    _prepare,
)
