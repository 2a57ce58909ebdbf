"""Figure: shares of the variance between students."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kduq.conditions import FACTORS
from kduq.families import FAMILIES
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_YELLOW = "#F0E442"
#: Suffix of a bar's title for each group of prompts.
_GROUPS = {"all": "", "train": ", taught prompts", "test": ", held-out prompts"}
#: Colour, hatch and name of every component; interactions are hatched.
_COMPONENTS: dict[str, tuple[str, str, str]] = {
    "noise": (drawing.BLUE, "", "noise"),
    "initialisation": (drawing.RED, "", "init"),
    "bootstrap": (drawing.GREEN, "", "bootstrap"),
    "noise_initialisation": ("#CC79A7", "////", "noise × init"),
    "noise_bootstrap": ("#56B4E9", "////", "noise × bootstrap"),
    "initialisation_bootstrap": ("#E69F00", "////", "init × bootstrap"),
    "decoding": (_YELLOW, "", "decoding"),
    "noise_decoding": (_YELLOW, "////", "noise × decoding"),
    "initialisation_decoding": (_YELLOW, "xxxx", "init × decoding"),
    "bootstrap_decoding": (_YELLOW, "....", "bootstrap × decoding"),
    "residual_decoding": (_YELLOW, "\\\\", "three or more, within"),
    "residual_between": ("#999999", "....", "three or more, between"),
    "residual": ("#999999", "....", "three or more"),
}
#: Share of the bar per letter that a segment needs for its label.
_LETTER = 0.0105


def _draw(part: pd.DataFrame) -> Figure:
    part = part[part["metric"].str.startswith("variance_") | (part["metric"] == "diverged_count")]
    runs = []
    for keys, cells in part.groupby(["dataset", "family"], sort=False):
        dataset, family = map(str, keys if isinstance(keys, tuple) else (keys,))
        groups = [group for group in _GROUPS if (cells["group"] == group).any()]
        # Taught and held-out prompts differ too much for one bar.
        runs += [(dataset, family, group) for group in (groups[1:] or groups)]
    runs.sort(key=lambda run: FAMILIES[run[1]].lane == "text")
    figure, axes = drawing.grid(len(runs), 1, 1.1, sharex=True)
    end = 1.0
    for ax, (dataset, family, group) in zip(axes[:, 0], runs, strict=True):
        run = part[(part["dataset"] == dataset) & (part["family"] == family)]
        cells = run[run["group"] == group]
        rows = cells.set_index("metric")[["estimate", "ci_low", "ci_high"]]
        estimates = {str(metric): tuple(row) for metric, row in rows.iterrows()}
        end = max(end, _bar(ax, estimates))
        _statement(ax, estimates)
        drawing.diverged(ax, run)
        # Students beside the design are counted elsewhere.
        in_design = cells["metric"] == "variance_component_total"
        students = int(cells.loc[in_design, "n_students"].max())
        total = estimates["variance_component_total"]
        alpha = cells["alpha"].max()
        name = f"{drawing.title(dataset)}, {FAMILIES[family].label}{_GROUPS[group]}"
        ax.set_title(
            f"{name}: total {_interval(total)}, "
            f"{students} students{f', α = {alpha:g}' if np.isfinite(alpha) else ''}",
            fontsize=7.5,
        )
    # Where some shares are negative, the others add up to more than one.
    axes[0, 0].set_xlim(0, end)
    drawing.key(figure, axes)
    return figure


def _shares(estimates: dict[str, Any]) -> dict[str, float]:
    """Share of every component in a bar; the residual is split by whether decoding takes part."""
    shares = {
        name: float(estimates[f"variance_share_{name}"][0])
        for name in _COMPONENTS
        if f"variance_share_{name}" in estimates
    }
    if "variance_share_total_effect_decoding" in estimates:
        within = estimates["variance_share_total_effect_decoding"][0]
        named = sum(share for name, share in shares.items() if name.endswith("decoding"))
        shares["residual_decoding"] = within - named
        shares["residual_between"] = shares.pop("residual") - shares["residual_decoding"]
    return shares


def _bar(ax: Axes, estimates: dict[str, Any]) -> float:
    """Stack the shares and return the end of the bar; negative shares have no width."""
    left, shares = 0.0, _shares(estimates)
    for name, (colour, hatch, label) in _COMPONENTS.items():
        share = shares.get(name, np.nan)
        if not share > 0:
            continue
        import matplotlib as mpl  # noqa: PLC0415

        with mpl.rc_context({"hatch.linewidth": 0.5}):
            ax.barh(
                0,
                share,
                left=left,
                height=0.8,
                color=colour,
                hatch=hatch,
                edgecolor="#ffffff",
                linewidth=0.8,
                label=label,
            )
        text = f"{label} {100 * share:.0f} %"
        if share > _LETTER * len(text):
            ax.text(
                left + share / 2,
                0,
                text,
                ha="center",
                va="center",
                fontsize=6.5,
                bbox={"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.85, "pad": 1},
            )
        left += share
    ax.set_ylim(-0.45, 0.45)
    ax.set_yticks([])
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    ax.grid(visible=False, axis="y")
    return left


def _statement(ax: Axes, estimates: dict[str, Any]) -> None:
    """State every share with its interval below the bar."""
    stated = [
        f"{label} {_interval(estimates[f'variance_share_{name}'], percent=True)}"
        for name, (_, _, label) in _COMPONENTS.items()
        if f"variance_share_{name}" in estimates
    ]
    lines = [" · ".join(stated[i : i + 4]) for i in range(0, len(stated), 4)]
    totals = [
        f"{_COMPONENTS[factor][2]} "
        f"{_interval(estimates[f'variance_share_total_effect_{factor}'], percent=True)}"
        for factor in FACTORS
        if factor != "decoding" and f"variance_share_total_effect_{factor}" in estimates
    ]
    if totals:
        lines.append("with all interactions: " + " · ".join(totals))
    if "variance_share_total_effect_decoding" in estimates:
        within = _interval(estimates["variance_share_total_effect_decoding"], percent=True)
        lines.append(f"within a student (yellow: all terms with decoding): {within}")
    ax.set_xlabel("\n".join(lines), fontsize=6.5, color="#333333", loc="left")


def _interval(estimate: tuple[float, float, float], percent: bool = False) -> str:
    """An estimate with its interval in brackets."""
    if not np.isfinite(estimate[0]):
        return "not available"
    value, low, high = (
        f"{round(100 * v, 1) + 0.0:.1f}" if percent else _plain(v) for v in estimate
    )
    return f"{value}{' %' if percent else ''} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")


def _plain(value: float) -> str:
    """Three significant digits, without an exponent."""
    digits = np.format_float_positional(value, precision=3, fractional=False, trim="-")
    return f"{round(value)}" if abs(value) >= 1000 else digits


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    part = inputs.read_all("estimates").table.to_pandas()
    level = round(100 * settings.confidence)
    note = (
        "Bars: shares of the total variance, in squared units of the target (language models: of "
        "unit-norm embeddings).\n"
        f"Brackets: {level} % jackknife intervals over the levels of all factors, given the split "
        "and the teacher."
    )
    return Drawn(lambda: _draw(part), note)


FIGURE = FigureKind(
    "decomposition",
    "Where does the variance between students come from?",
    estimates_of("decomposition"),
    _prepare,
)
