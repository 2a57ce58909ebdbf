"""The common style of all figures: colours, names, panels, keys, and files of all formats."""

from __future__ import annotations

import base64
import io
import itertools
import string
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kduq.artifacts import files
from kduq.artifacts.canonical import canonical_json
from kduq.data import corpora, datasets
from kduq.families import FAMILIES
from kduq.figures.protocol import STYLE, Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.figures.settings import FigureSettings

#: Width of a figure, two columns, and its largest height, in inches.
WIDTH, HEIGHT = 7.1, 170 / 25.4
#: Smallest text, in points.
SMALL = 6.5
#: Colour of thresholds and of the area in which an effect is too small to count.
GREY = "#777777"
#: Line styles by which data sets of one panel are told apart.
STYLES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"
#: Name in the key, colour and marker, by family.
FAMILY = {name: (f.label, f.colour, f.marker) for name, f in FAMILIES.items()}
METHOD = {
    "single": ("single", "#000000", "D"),
    "averaging": ("averaging", BLUE, "o"),
    "pilot_mean": ("pilots' mean", "#E69F00", "P"),
    "variance_weighting": ("variance weighting", RED, "s"),
    "variance_weighting_oracle": ("variance weighting, oracle", GREEN, "^"),
}
#: Least distance of two tick labels that do not touch, as a share of a logarithmic axis.
_LEAST_DISTANCE = 0.17
#: Most characters in a line of the note, and in a name in a panel.
_LINE, _NAME = 165, 22
#: Mark of texts that may be moved up or down, and space between two of them, in points.
_MOVABLE, _SPACE = "movable", 1.5
#: Most data sets that a figure shows.
_MOST = 8
#: Steps of the ticks of a narrow logarithmic axis.
_STEPS = [1, 2, 5, 10]
#: Ticks of a logarithmic axis within a decade, from many to few.
_SUBS = ((1.0, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))


def render(
    settings: FigureSettings, drawn: Drawn, provenance: Mapping[str, Any], question: str = ""
) -> dict[str, bytes]:
    """Draw a figure in the project's style.

    Parameters
    ----------
    settings : FigureSettings
        Style and resolution.
    drawn : Drawn
        How to draw it, and the note below it.
    provenance : mapping
        Written to the files' metadata.
    question : str
        The question that it answers, the title of the SVG.

    Returns
    -------
    dict of str to bytes
        The PNG, the PDF and the SVG, by suffix. The description of the SVG is the finding.
    """
    text = base64.b64encode(canonical_json(provenance).encode()).decode()
    with in_style(settings):
        figure = finished(drawn)
        rendered = {}
        for kind, metadata in (
            ("png", {"kduq": text, "Software": None}),
            ("pdf", {"Keywords": f"kduq:{text}", "CreationDate": None, "Producer": None}),
            (
                "svg",
                {"Title": question, "Description": drawn.finding}
                | {"Keywords": [f"kduq:{text}"], "Creator": None, "Date": None},
            ),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=settings.dpi, metadata=metadata)
            data = buffer.getvalue()
            rendered[kind] = data if kind == "png" else files.sealed(data, f".{kind}")
    return rendered


@contextmanager
def in_style(settings: FigureSettings) -> Iterator[None]:
    """Draw in the project's style, with the user's upon it."""
    import matplotlib as mpl  # noqa: PLC0415 (half a second of every job)
    from matplotlib import style  # noqa: PLC0415

    styles: list[str | Path] = [STYLE]
    if settings.style != "default":
        styles.append(settings.style)
    with mpl.rc_context(), style.context(styles):
        yield


def finished(drawn: Drawn) -> Figure:
    """A figure with its note below it, whose labels do not touch; called `in_style`."""
    figure = drawn.draw()
    _add_note(figure, " ".join(drawn.note.split()))
    _thin_out(figure)
    _move_apart(figure)
    return figure


def interval_note(settings: FigureSettings) -> str:
    """Note on the error bars of estimates on tables."""
    level = round(100 * settings.confidence)
    return (
        f"Bars: {level} % jackknife intervals over students, given the split and the teacher. "
        "Open markers: no interval."
    )


def networks_note(settings: FigureSettings) -> str:
    """Sizes of the networks of a figure, empty if it has none."""
    notes = []
    for family, (student, teacher) in settings.hidden_units.items():
        known = f", its teacher {teacher}" if teacher not in (None, student) else ""
        notes.append(f" A {FAMILIES[family].label} has {student} hidden units{known}.")
    return "".join(notes)


def diverged_note(part: pd.DataFrame) -> str:
    """Number of diverged students of each run, empty if there are none."""
    counts = part[(part["metric"] == "diverged_count") & (part["estimate"] > 0)]
    notes = []
    for keys, rows in counts.groupby(["family", "dataset"], sort=False):
        family, dataset = map(str, keys)
        every = part[(part["family"] == family) & (part["dataset"] == dataset)]
        total = every.loc[every["metric"] == "diverged_count", "n_students"].sum()
        run = f"{title(dataset)}, {FAMILIES[family].label}"
        notes.append(f"{int(rows['estimate'].sum())} of {int(total)} ({run})")
    return f" Diverged and left out: {', '.join(notes)}." if notes else ""


def grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """Panels of two-column width.

    Parameters
    ----------
    rows, columns : int
        Numbers of panels.
    height : float
        Inches per row; fewer if the page has less room.
    **options
        As for pyplot.subplots.

    Returns
    -------
    matplotlib.figure.Figure, ndarray of shape (rows, columns)
        The figure and its panels.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(WIDTH, min(height * rows + 0.55, HEIGHT)))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def blocks(number: int, panels: int, height: float, widest: int = 3) -> tuple[Figure, np.ndarray]:
    """Panels of several data sets: below each other, and side by side where there are many.

    Parameters
    ----------
    number : int
        Number of data sets.
    panels : int
        Panels of each.
    height : float
        Inches per row.
    widest : int
        Number of data sets from which on two are side by side.

    Returns
    -------
    matplotlib.figure.Figure, ndarray of shape (number, panels)
        The figure and its panels.
    """
    columns = 1 if number <= widest else 2
    rows = -(-number // columns)
    figure, axes = grid(rows, columns * panels, height)
    flat = axes.reshape(rows * columns, panels)
    for ax in flat[number:].flat:
        ax.remove()
    return figure, flat[:number]


def shown_datasets(
    part: pd.DataFrame, most: int = _MOST, words: str = "data sets"
) -> tuple[list[str], str]:
    """Data sets, or corpora, that a figure has room for, and a note on the others."""
    names = list(dict.fromkeys(part["dataset"]))
    if len(names) <= most:
        return names, ""
    return names[:most], f" The first {most} of {len(names)} {words}; estimates.parquet has all."


def letters() -> Iterator[str]:
    """Letters of panels: a to z, then aa and so on."""
    for length in (1, 2):
        for letter in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(letter)


def title(dataset: str, most: int = _NAME) -> str:
    """Name of a data set or corpus in a panel, shortened to ``most`` characters."""
    return shortened(full_name(dataset), most)


def full_name(dataset: str) -> str:
    """Name of a data set or corpus in a sentence."""
    return datasets.label(corpora.label(dataset))


def shortened(text: str, most: int = _NAME) -> str:
    """A text of at most ``most`` characters, the last of which is an ellipsis if it is cut."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def curve(
    ax: Axes,
    part: pd.DataFrame,
    x: str,
    look: tuple[str, str, str],
    line: bool = True,
    style: Any = "-",
) -> None:
    """Draw estimates with their intervals; a marker without one is open.

    Parameters
    ----------
    ax : Axes
        The panel.
    part : pandas.DataFrame
        Estimates.
    x : str
        Column of the horizontal axis.
    look : tuple of str
        Name in the key, colour and marker.
    line : bool
        Whether to join them with a line, unless there is a line of the theory.
    style : str or tuple
        Of that line.
    """
    part = part[part["estimate"].notna()]
    if part.empty:
        return
    label, colour, marker = look
    ax.plot(
        part[x],
        part["estimate"],
        color=colour,
        marker=marker,
        label=label,
        linestyle=style if line else "",
    )
    known = part["ci_low"].notna() & part["ci_high"].notna()
    bars, others = part[known], part[~known]
    ax.vlines(bars[x], bars["ci_low"], bars["ci_high"], color=colour, lw=0.9)
    ax.plot(
        others[x],
        others["estimate"],
        color=colour,
        marker=marker,
        markerfacecolor="#ffffff",
        linestyle="",
    )


def dots(ax: Axes, rows: pd.DataFrame, at: np.ndarray, look: tuple[str, str, str]) -> None:
    """Draw estimates with horizontal intervals, one above the other; a marker without is open.

    Parameters
    ----------
    ax : Axes
        The panel.
    rows : pandas.DataFrame
        Estimates.
    at : ndarray of shape (rows,)
        Their places on the vertical axis.
    look : tuple of str
        Name in the key, colour and marker.
    """
    label, colour, marker = look
    known = (rows["ci_low"].notna() & rows["ci_high"].notna()).to_numpy()
    ax.hlines(at[known], rows["ci_low"][known], rows["ci_high"][known], color=colour, lw=1.1)
    for members, face in ((known, colour), (~known, "#ffffff")):
        ax.plot(
            rows["estimate"][members],
            at[members],
            color=colour,
            marker=marker,
            markerfacecolor=face,
            linestyle="",
            label=label if members.any() and (face == colour or not known.any()) else None,
        )


def level(ax: Axes, value: float, low: float, high: float, along: str = "x") -> None:
    """Draw a threshold and the area around it in which an effect is too small to count."""
    if along == "x":
        ax.axhspan(low, high, color=GREY, alpha=0.16, lw=0)
        ax.axhline(value, color=GREY, lw=0.8)
    else:
        ax.axvspan(low, high, color=GREY, alpha=0.16, lw=0)
        ax.axvline(value, color=GREY, lw=0.8)


def name_end(ax: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Write the name of a curve right of its last point."""
    ax.annotate(
        text,
        (x, y),
        (5, 0),
        textcoords="offset points",
        color=colour,
        fontsize=7,
        va="center",
        annotation_clip=False,
        gid=_MOVABLE,
    )


def _add_note(figure: Figure, note: str) -> None:
    """Write the note below a figure, in lines as long as the page is wide."""
    text = figure.supxlabel("", x=0.01, ha="left", fontsize=SMALL, color="#555555")
    renderer = _renderer(figure, is_placed=False)
    for letters_per_line in range(_LINE, 0, -5):
        text.set_text(textwrap.fill(note, letters_per_line))
        if text.get_window_extent(renderer).width < 0.98 * figure.bbox.width:
            return


def _renderer(figure: Figure, is_placed: bool = True) -> Any:
    """What measures texts, by default after all of them have their place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    if is_placed:
        figure.draw_without_rendering()
    return renderer


def _thin_out(figure: Figure) -> None:
    """Leave out ticks of logarithmic axes whose labels touch."""
    from matplotlib.ticker import LogLocator, MaxNLocator  # noqa: PLC0415

    for fewer, subs in enumerate(_SUBS[1:]):
        renderer = _renderer(figure)
        axes = [(getattr(ax, f"{name}axis"), name) for ax in figure.axes for name in ("x", "y")]
        crowded = [
            axis
            for axis, name in axes
            if axis.get_scale() == "log"
            and isinstance(axis.get_major_locator(), LogLocator | MaxNLocator)
            and _touch(axis, name, renderer)
        ]
        if not crowded:
            return
        for axis in crowded:
            is_log = isinstance(axis.get_major_locator(), LogLocator)
            few = MaxNLocator(3 - fewer, steps=_STEPS)
            axis.set_major_locator(LogLocator(subs=subs, numticks=12) if is_log else few)


def _touch(axis: Any, name: str, renderer: Any) -> bool:
    """Whether labels of ticks in view touch each other."""
    places = axis.get_majorticklocs()
    low, high = sorted(axis.get_view_interval())
    boxes = [
        tick.label1.get_window_extent(renderer)
        for at, tick in zip(places, axis.get_major_ticks(len(places)), strict=True)
        if low <= at <= high and tick.label1.get_visible()
    ]
    starts, stops = (sorted(getattr(box, f"{name}{end}") for box in boxes) for end in (0, 1))
    space = _SPACE * axis.figure.dpi / 72
    return any(b - a < space for a, b in zip(stops, starts[1:], strict=False))


def _move_apart(figure: Figure) -> None:
    """Move labels of curves that touch up and down, within their panel."""
    if not any(text.get_gid() == _MOVABLE for ax in figure.axes for text in ax.texts):
        return
    renderer = _renderer(figure)
    point = figure.dpi / 72
    for ax in figure.axes:
        labels: list[Any] = [text for text in ax.texts if text.get_gid() == _MOVABLE]
        if len(labels) < 2:
            continue
        boxes = [text.get_window_extent(renderer) for text in labels]
        middles = np.array([(box.y0 + box.y1) / 2 for box in boxes])
        height = max(box.height for box in boxes) + _SPACE * point
        ends = ax.get_window_extent(renderer).intervaly
        places = _spread(middles, height, float(ends[0]), float(ends[1]))
        for text, place, middle in zip(labels, places, middles, strict=True):
            across, up = text.xyann
            text.xyann = across, up + (place - middle) / point


def _spread(places: np.ndarray, distance: float, low: float, high: float) -> np.ndarray:
    """Places at least a distance apart, near the given ones, and between two ends if these fit."""
    order = np.argsort(places, kind="stable")
    steps = distance * np.arange(len(places))
    # Least squares under the order: pools of labels that touch share the mean of their places.
    pools: list[list[float]] = []
    for place in places[order] - steps:
        pools.append([place, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (one, n), (other, m) = pools[-2:]
            pools[-2:] = [[(one * n + other * m) / (n + m), n + m]]
    apart = np.concatenate([np.full(int(n), mean) for mean, n in pools])
    room = high - distance / 2 - steps[-1]
    if room >= low + distance / 2:
        apart = np.clip(apart, low + distance / 2, room)
    found = np.empty(len(places))
    found[order] = apart + steps
    return found


def key(figure: Figure, axes: np.ndarray) -> None:
    """One key for all panels, above them."""
    handles: dict[str, Any] = {}
    for ax in axes.flat:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside upper center",
        ncols=min(5, len(handles) or 1),
        columnspacing=1.2,
    )


def log_scale(ax: Axes, name: str = "y") -> None:
    """Make axis x or y logarithmic, with plain numbers at its ticks."""
    from matplotlib.ticker import (  # noqa: PLC0415
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
    )

    axis = getattr(ax, f"{name}axis")
    ax.set(**{f"{name}scale": "log"})
    low, high = axis.get_view_interval()
    ratio = high / low if low > 0 else np.inf
    subs = _SUBS[-1] if ratio > 100 else _SUBS[0]
    # Over less than half a decade a logarithmic locator would set one or two ticks only.
    axis.set_major_locator(
        LogLocator(subs=subs, numticks=12) if ratio > 2.5 else MaxNLocator(5, steps=_STEPS)
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def response_ticks(ax: Axes, numbers: Sequence[int]) -> None:
    """Ticks at numbers of responses on a logarithmic axis: both ends, and others with room."""
    ticks = [numbers[0], *numbers[-1:]] if len(numbers) > 1 else list(numbers)
    distance = _LEAST_DISTANCE * np.log(numbers[-1] / numbers[0])
    for number in numbers:
        if all(abs(np.log(number / other)) >= distance for other in ticks if other != number):
            ticks.append(number)
    ticks = sorted(set(ticks))
    ax.set_xscale("log")
    ax.set_xticks(ticks, [str(number) for number in ticks])
    ax.minorticks_off()


def families_in(part: pd.DataFrame) -> list[str]:
    """Families of the rows of a table, in the order of the registry."""
    return [name for name in FAMILIES if (part["family"] == name).any()]


def select(part: pd.DataFrame, x: str, **values: Any) -> pd.DataFrame:
    """Rows with the values of some columns, sorted by column x."""
    for column, value in values.items():
        part = part[part[column] == value]
    return part.sort_values(x)


def theory(ax: Axes, part: pd.DataFrame, x: str, colour: str) -> None:
    """Draw a closed form as a dashed line."""
    ax.plot(part[x], part["estimate"], color=colour, linestyle=(0, (4, 1.5)), marker="", lw=1)
