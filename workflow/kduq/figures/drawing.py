"""The visual language of all figures: colours, names, panels, keys, and files of both kinds."""

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from kduq.artifacts import files
from kduq.artifacts.canonical import canonical_json

_STYLE = Path(__file__).parent / "kduq.mplstyle"
WIDTH = 7.1  # inches, two columns
BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"
FAMILY = {
    "linear": ("linear", BLUE, "o"),
    "softmax": ("softmax regression", BLUE, "o"),
    "mlp": ("network", RED, "s"),
}
FAMILIES = {family: name for family, (name, _, _) in FAMILY.items()} | {"lm": "language model"}
METHOD = {
    "single": ("single", "#000000", "D"),
    "averaging": ("averaging", BLUE, "o"),
    "variance_weighting": ("variance weighting", RED, "s"),
    "variance_weighting_oracle": ("variance weighting, oracle", GREEN, "^"),
}
#: Share of a logarithmic axis between two ticks that do not touch.
_APART = 0.17
_TITLES = {
    "boston_housing": "Boston Housing",
    "diabetes": "Diabetes",
    "digits": "Digits",
    "wine": "Wine",
    "breast_cancer": "Breast cancer",
    "mnist_5k": "MNIST (5,000)",
    "mnist": "MNIST",
    "covtype": "Covertype",
    "ambiguous_facts": "Ambiguous facts",
    "chatterbot": "ChatterBot",
    "wordnet": "WordNet",
    "bioasq": "BioASQ",
}


def render(
    settings: dict[str, Any], drawing: Callable[[], Figure], note: str, made_by: dict[str, Any]
) -> list[bytes]:
    """Draw a figure in the project's style.

    Parameters
    ----------
    settings : dict
        style and dpi.
    drawing : callable
        Gives the figure.
    note : str
        A line below it.
    made_by : dict
        Provenance, kept in the files' metadata.

    Returns
    -------
    list of bytes
        The PNG and the PDF.
    """
    kept = base64.b64encode(canonical_json(made_by).encode()).decode()
    styles = [_STYLE, *([] if settings["style"] == "default" else [settings["style"]])]
    with mpl.rc_context(), style.context(styles):
        figure = drawing()
        figure.supxlabel(note, fontsize=6.5, color="#555555")
        made = []
        for kind, metadata in (
            ("png", {"kduq": kept, "Software": None}),
            ("pdf", {"Keywords": f"kduq:{kept}", "CreationDate": None, "Producer": None}),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=settings["dpi"], metadata=metadata)
            made.append(buffer.getvalue())
    return [made[0], files.sealed(made[1], ".pdf")]


def grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """Panels of two-column width, ``height`` inches a row; options as of pyplot.subplots."""
    figure = Figure(figsize=(WIDTH, height * rows + 0.35))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def title(dataset: str) -> str:
    """What a data set or corpus is called."""
    return _TITLES.get(dataset, dataset)


def curve(
    ax: Axes,
    part: pd.DataFrame,
    x: str,
    look: tuple[str, str, str],
    line: bool = True,
    hollow: float | None = None,
) -> None:
    """Estimates with their intervals.

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
        Whether to join them; not where a theory line goes through them.
    hollow : float, optional
        Size of hollow markers, which equal estimates of another curve do not hide.
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
    found: dict[str, Any] = {}
    for ax in axes.flat:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(
        found.values(),
        found.keys(),
        loc="outside upper center",
        ncols=min(5, len(found) or 1),
        columnspacing=1.2,
    )


def log_scale(ax: Axes, name: str = "y") -> None:
    """Make axis x or y logarithmic, with plain numbers at its ticks."""
    axis = getattr(ax, f"{name}axis")
    ax.set(**{f"{name}scale": "log"})
    low, high = axis.get_view_interval()
    ratio = high / low if low > 0 else np.inf
    subs = (1.0,) if ratio > 100 else (1.0, 2.0, 3.0, 5.0, 7.0)
    # Over less than half a decade these would be one tick or two.
    axis.set_major_locator(LogLocator(subs=subs, numticks=12) if ratio > 2.5 else MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def response_ticks(ax: Axes, numbers: Sequence[int]) -> None:
    """Ticks at numbers of responses, on a logarithmic axis: the ends and what has room between."""
    kept = [numbers[0], *numbers[-1:]] if len(numbers) > 1 else list(numbers)
    room = _APART * np.log(numbers[-1] / numbers[0])
    for number in numbers:
        if all(abs(np.log(number / other)) >= room for other in kept if other != number):
            kept.append(number)
    kept = sorted(set(kept))
    ax.set_xscale("log")
    ax.set_xticks(kept, [str(number) for number in kept])
    ax.minorticks_off()


def diverged(ax: Axes, part: pd.DataFrame) -> None:
    """State how many students were set aside, where there are any."""
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
