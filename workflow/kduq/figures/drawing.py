"""The common style of all figures: colours, names, panels, keys, and files of both formats."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
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

WIDTH = 7.1  # inches, two columns
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


def render(settings: FigureSettings, drawn: Drawn, provenance: Mapping[str, Any]) -> list[bytes]:
    """Draw a figure in the project's style.

    Parameters
    ----------
    settings : FigureSettings
        Style and resolution.
    drawn : Drawn
        How to draw it, and the note below it.
    provenance : mapping
        Written to the files' metadata.

    Returns
    -------
    list of bytes
        The PNG and the PDF.
    """
    import matplotlib as mpl  # noqa: PLC0415 (half a second of every job)
    from matplotlib import style  # noqa: PLC0415

    text = base64.b64encode(canonical_json(provenance).encode()).decode()
    styles: list[str | Path] = [STYLE]
    if settings.style != "default":
        styles.append(settings.style)
    with mpl.rc_context(), style.context(styles):
        figure = drawn.draw()
        figure.supxlabel(drawn.note, fontsize=6.5, color="#555555")
        files_of_figure = []
        for kind, metadata in (
            ("png", {"kduq": text, "Software": None}),
            ("pdf", {"Keywords": f"kduq:{text}", "CreationDate": None, "Producer": None}),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=settings.dpi, metadata=metadata)
            files_of_figure.append(buffer.getvalue())
    return [files_of_figure[0], files.sealed(files_of_figure[1], ".pdf")]


def interval_note(settings: FigureSettings) -> str:
    """Note on the error bars of estimates on tables."""
    level = round(100 * settings.confidence)
    return f"Bars: {level} % jackknife intervals over students, given the split and the teacher."


def grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """Panels of two-column width, ``height`` inches per row; options as for pyplot.subplots."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(WIDTH, height * rows + 0.35))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def title(dataset: str) -> str:
    """Name of a data set or corpus in figures."""
    return datasets.label(corpora.label(dataset))


def curve(
    ax: Axes,
    part: pd.DataFrame,
    x: str,
    look: tuple[str, str, str],
    line: bool = True,
    hollow: float | None = None,
) -> None:
    """Draw estimates with their intervals.

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
    hollow : float, optional
        Size of hollow markers, which stay visible around equal estimates of another curve.
    """
    if part.empty:
        return
    label, colour, marker = look
    shape: dict[str, Any] = {}
    if hollow is not None:
        shape = {"markersize": hollow, "markerfacecolor": "none"}
    low = (part["estimate"] - part["ci_low"]).clip(lower=0).fillna(0)
    high = (part["ci_high"] - part["estimate"]).clip(lower=0).fillna(0)
    ax.errorbar(
        part[x],
        part["estimate"],
        [low, high],
        color=colour,
        marker=marker,
        label=label,
        capsize=1.5,
        elinewidth=0.9,
        **shape,
        linestyle="-" if line else "",
    )


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
    subs = (1.0,) if ratio > 100 else (1.0, 2.0, 3.0, 5.0, 7.0)
    # Over less than half a decade a logarithmic locator would set one or two ticks only.
    axis.set_major_locator(LogLocator(subs=subs, numticks=12) if ratio > 2.5 else MaxNLocator(5))
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


def diverged(ax: Axes, part: pd.DataFrame) -> None:
    """State the number of diverged students, if there are any."""
    counts = part[part["metric"] == "diverged_count"]
    number = int(counts["estimate"].sum())
    if number:
        total = int(counts["n_students"].sum())
        ax.text(
            0.98,
            0.03,
            f"{number} of {total} diverged",
            transform=ax.transAxes,
            ha="right",
            fontsize=6.5,
        )


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


def theory_key(ax: Axes, part: pd.DataFrame) -> None:
    """Add the line of the theory to the key, if there is one."""
    if (part["metric"] == "theory_inter_student_variance").any():
        ax.plot(
            [], [], color="#555555", linestyle=(0, (4, 1.5)), lw=1, label="closed form (linear)"
        )
