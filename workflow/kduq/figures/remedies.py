"""Figure: what remedies of language models cost of the legitimate distribution over answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.figures.text import GROUPS, METHODS, over
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WRONG, _LOST = "hallucination_rate", "total_variation_among_right"
#: Most panels in a row: of corpora, or of these and further temperatures.
_COLUMNS, _MOST_COLUMNS = 3, 5
#: Most corpora that are shown.
_MOST_CORPORA = 3
#: A control whose answers are to other prompts: all wrong, so that it would hide the others.
_CONTROL = "shuffled"
_KEYS = ["role", "method", "k", "temperature"]
_TEACHER = ("teacher", "#000000", "*")


class _Panel(NamedTuple):
    """A corpus, a further temperature of the teacher's answers or none, and a group of prompts."""

    dataset: str
    temperature: float | None
    group: str

    @property
    def name(self) -> str:
        """Corpus and temperature in words."""
        name = drawing.title(self.dataset)
        return name if self.temperature is None else f"{name}, temperature {self.temperature:g}"

    def cells(self, part: pd.DataFrame) -> pd.DataFrame:
        """Its estimates: those at its temperature or, without one, at all that have no panel."""
        own = part[(part["dataset"] == self.dataset) & (part["group"] == self.group)]
        if self.temperature is not None:
            return own[own["temperature"].isna() | (own["temperature"] == self.temperature)]
        return own[~own["temperature"].isin(_further_temperatures(part, self.dataset))]


def _further_temperatures(part: pd.DataFrame, dataset: str) -> list[float]:
    """Temperatures, besides that nearest to 1, at which a corpus has remedies."""
    own = part[(part["dataset"] == dataset) & (part["role"] == "student")]
    remedied = own.loc[own["method"].notna() & (own["method"] != "single"), "temperature"]
    return sorted(remedied.dropna().unique().tolist(), key=lambda value: abs(value - 1))[1:]


def _panels(part: pd.DataFrame) -> list[_Panel]:
    """Panels of corpora whose answer distribution is known; taught prompts first."""
    known = part[part["metric"] == _LOST]
    datasets = known["dataset"].unique()
    columns: list[tuple[str, float | None]] = [(dataset, None) for dataset in datasets]
    columns += [(d, t) for d in datasets for t in _further_temperatures(part, d)]
    panels = [
        _Panel(dataset, temperature, group)
        for dataset, temperature in columns[:_MOST_COLUMNS]
        for group in over(known[known["dataset"] == dataset])
    ]
    return sorted(panels, key=lambda panel: ("train", "all", "test").index(panel.group))


def draw(part: pd.DataFrame) -> Figure:
    """Draw the share of wrong answers against what is kept of the distribution of right ones.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of variance_aware on text.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per corpus and group of prompts; the best place is the lower right corner.
    """
    panels = _panels(part) or [_Panel("", None, "all")]
    settings = dict.fromkeys((panel.dataset, panel.temperature) for panel in panels)
    more = any(panel.temperature is not None for panel in panels)
    columns = min(len(settings), _MOST_COLUMNS if more else _COLUMNS)
    rows = -(-len(panels) // columns)
    height = min(2.3, 5.9 / rows)
    figure, axes = drawing.grid(rows, columns, height, sharex=True, sharey=True)
    for number, ax in enumerate(axes.flat):
        if number >= len(panels):
            ax.set_visible(False)
            continue
        panel = panels[number]
        _panel(ax, panel.cells(part))
        name = panel.name.replace(", ", ",\n") if more else panel.name
        words = f"{chr(ord('a') + number)}  {name},\n{GROUPS[panel.group]}"
        ax.set_title(words, fontsize=7.5)
        if number >= len(panels) - columns:
            kept = "Kept of the\ndistribution of\nright answers, %"
            ax.set_xlabel(kept if more else "Kept of the distribution\nof right answers, %")
        if number % columns == 0:
            ax.set_ylabel("Wrong answers, %")
    drawing.key(figure, axes)
    return figure


def _panel(ax: Axes, cells: pd.DataFrame) -> None:
    points = _points(cells)
    temperatures = points["temperature"].dropna()
    base = min(temperatures, key=lambda value: abs(value - 1), default=np.nan)
    for row in points.to_dict("records"):
        role = str(row["role"])
        label, colour, marker = _look(role, str(row["method"]), float(row["temperature"]), base)
        limits = [row[name] for name in ("x_low", "x_high", "y_low", "y_high")]
        known = np.isfinite(limits).all()
        style: dict[str, Any] = {"color": colour, "lw": 0.8, "alpha": 0.7}
        if known:
            ax.plot([row["x_low"], row["x_high"]], [row["y"]] * 2, **style)
            ax.plot([row["x"]] * 2, [row["y_low"], row["y_high"]], **style)
        ax.plot(
            [row["x"]],
            [row["y"]],
            marker,
            color=colour,
            ms=6 if role == "teacher" else 4.5,
            mfc=colour if known else "#ffffff",
            label=label,
            ls="",
        )
    ax.margins(0.06)
    ax.axhline(0, color="#777777", lw=0.6)
    ax.axvline(100, color="#777777", lw=0.6)


def _points(cells: pd.DataFrame) -> pd.DataFrame:
    """Points of the teacher and of each condition, in percent."""
    own = cells[~((cells["role"] == "teacher") & cells["method"].notna())]
    own = own.assign(method=own["method"].fillna(""))
    own = own[own["method"] != _CONTROL]
    numbers = ["estimate", "ci_low", "ci_high"]
    lost, wrong = (
        own.loc[own["metric"] == metric, [*_KEYS, *numbers]].rename(columns=names)
        for metric, names in (
            (_LOST, dict(zip(numbers, ("x", "x_high", "x_low"), strict=True))),
            (_WRONG, dict(zip(numbers, ("y", "y_low", "y_high"), strict=True))),
        )
    )
    points = lost.merge(wrong, on=_KEYS)
    for name in ("x", "x_low", "x_high"):
        points[name] = 100 * (1 - points[name])
    for name in ("y", "y_low", "y_high"):
        points[name] = 100 * points[name]
    order = ["", *METHODS]
    return points.sort_values("method", key=lambda m: m.map(order.index), kind="stable")


def _look(role: str, method: str, temperature: float, base: float) -> tuple[str, str, str]:
    """Name in the key, colour and marker."""
    if role == "teacher":
        return _TEACHER
    label, colour, marker = METHODS[method]
    if np.isnan(temperature) or temperature == base:
        return label, colour, marker
    if method == "single":
        return f"{label}, temperature {temperature:g}", "#555555", "d"
    return label, colour, marker


def finding(part: pd.DataFrame) -> str:
    """What is seen: per corpus, on taught prompts, the fewest wrong answers and the most kept.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of variance_aware on text.

    Returns
    -------
    str
        One sentence per corpus.
    """
    sentences = []
    for panel in _panels(part):
        if panel.group == "test":
            continue
        points = _points(panel.cells(part))
        students = points[points["role"] == "student"]
        if not len(students):
            continue
        right = students.iloc[students["y"].argmin()]
        kept = students.iloc[students["x"].argmax()]
        temperatures = students["temperature"].dropna()
        base = min(temperatures, key=lambda value: abs(value - 1), default=np.nan)
        name, other = (
            _look("student", str(row["method"]), float(row["temperature"]), base)[0]
            for row in (right, kept)
        )
        start = f"{panel.name}, {GROUPS[panel.group]}: fewest wrong answers with {name} "
        first = f"({right['y']:.0f} %, of the right answers’ distribution {right['x']:.0f} % kept)"
        if name == other:
            sentences.append(f"{start}{first}, which also keeps most.")
        else:
            sentences.append(
                f"{start}{first}; most is kept with {other} ({kept['x']:.0f} %, wrong "
                f"{kept['y']:.0f} %)."
            )
    return " ".join(sentences) or "No corpus of this study knows the distribution of its answers."


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    names, more = drawing.shown_datasets(part, _MOST_CORPORA, "corpora")
    part = part[part["dataset"].isin(names)]
    level = round(100 * settings.confidence)
    note = (
        "The best place is below, on the right: no wrong answers, and right ones as often as they "
        "should be. Where one answer is right, all is kept.\n"
        f"Bars: {level} % intervals over students and prompts (of the teacher, over prompts)."
    )
    if any(panel.temperature is not None for panel in _panels(part)):
        note += " Temperature: of the answers that students learn; the teacher is shown at 1."
    return Drawn(lambda: draw(part), note + more, finding(part))


FIGURE = FigureKind(
    "remedies",
    "Which remedy removes errors, and which keeps legitimate ambiguity?",
    estimates_of("variance_aware", lane="text"),
    _prepare,
)
