"""Stage ``figures``: one figure an experiment, drawn from the table of estimates."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from kduq.artifacts import canonical_json

_STYLE = Path(__file__).parent / "data" / "kduq.mplstyle"
_WIDTH = 7.1  # inches, two columns
_BLUE, _RED, _GREEN = "#0072B2", "#D55E00", "#009E73"
_FAMILY = {
    "linear": ("linear", _BLUE, "o"),
    "softmax": ("softmax regression", _BLUE, "o"),
    "mlp": ("network", _RED, "s"),
}
_FAMILIES = {family: name for family, (name, _, _) in _FAMILY.items()} | {"lm": "language model"}
_LABELS = {"teacher": ("teacher labels", _BLUE, "o"), "truth": ("true labels", _RED, "s")}
_METHOD = {
    "single": ("single", "#000000", "D"),
    "averaging": ("averaging", _BLUE, "o"),
    "variance_weighting": ("variance weighting", _RED, "s"),
    "variance_weighting_oracle": ("variance weighting, oracle", _GREEN, "^"),
}
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
#: Sources of labels in classification.
_SOURCES = {
    "hard": ("students, hard labels", _BLUE, "o"),
    "sampled": ("students, one sampled label", _RED, "s"),
    "soft": ("students, soft labels", _GREEN, "^"),
}


@dataclass(frozen=True)
class Trajectories:
    """One weight along the training of several students.

    Attributes
    ----------
    records : list of list of float
        One list a student.
    every : int
        Epochs between two values.
    """

    records: list[list[float]]
    every: int


#: By data set and initialisation noise.
_Trajectories = dict[tuple[str, float | None], Trajectories]


def draw(
    settings: dict[str, Any],
    table: pd.DataFrame,
    made_by: dict[str, Any],
    trajectories: _Trajectories,
) -> list[bytes]:
    """Draw the figure of one experiment.

    Parameters
    ----------
    settings : dict
        figure, experiment, style, dpi and confidence.
    table : pandas.DataFrame
        The gathered estimates.
    made_by : dict
        Provenance, kept in the files' metadata.
    trajectories : dict
        What was recorded along training, by data set and initialisation noise; may be empty.

    Returns
    -------
    list of bytes
        The PNG and the PDF.
    """
    part = table[table["experiment"] == settings["experiment"]]
    drawing, units = _DRAWINGS[settings["figure"]]
    level = round(100 * settings["confidence"])
    note = (
        f"{units} Bars: {level} % jackknife intervals over students, given the split and "
        "the teacher."
    )
    return render(settings, lambda: drawing(part, trajectories), note, made_by)


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
        files = []
        for kind, metadata in (
            ("png", {"kduq": kept, "Software": None}),
            ("pdf", {"Keywords": f"kduq:{kept}", "CreationDate": None, "Producer": None}),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=settings["dpi"], metadata=metadata)
            files.append(buffer.getvalue())
    return files


def _grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(_WIDTH, height * rows + 0.35))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _title(dataset: str) -> str:
    return _TITLES.get(dataset, dataset)


def _select(part: pd.DataFrame, x: str, **wanted: Any) -> pd.DataFrame:
    for column, value in wanted.items():
        part = part[part[column] == value]
    return part.sort_values(x)


def _curve(
    ax: Axes, part: pd.DataFrame, x: str, look: tuple[str, str, str], line: bool = True
) -> None:
    """Estimates with their intervals; no line where a theory line goes through them."""
    if part.empty:
        return
    label, colour, marker = look
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
        linestyle="-" if line else "",
    )


def _theory(ax: Axes, part: pd.DataFrame, x: str, colour: str) -> None:
    ax.plot(part[x], part["estimate"], color=colour, linestyle=(0, (4, 1.5)), marker="", lw=1)


def _key(figure: Figure, axes: np.ndarray) -> None:
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


def _log_scale(ax: Axes) -> None:
    """Logarithmic ordinate whose ticks are plain numbers."""
    low, high = ax.get_ylim()
    ax.set_yscale("log")
    wide = low <= 0 or high / low > 50
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 3.0, 5.0, 7.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _diverged(ax: Axes, part: pd.DataFrame) -> None:
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


def _teacher_noise(part: pd.DataFrame, _: _Trajectories) -> Figure:
    datasets = list(part["dataset"].unique())
    figure, axes = _grid(len(datasets), 3, 2.15)
    for row, dataset in enumerate(datasets):
        for family, look in _FAMILY.items():
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            student = cells[cells["role"] == "student"]
            theory = _select(student, "alpha", metric="theory_inter_student_variance")
            for column, metric in enumerate(
                ("test_mse_mean", "inter_student_variance", "test_mse_var")
            ):
                curve = _select(student, "alpha", metric=metric)
                if metric == "test_mse_var":
                    curve = _root(curve)
                drawn = metric == "inter_student_variance" and not theory.empty
                _curve(axes[row, column], curve, "alpha", look, line=not drawn)
            _theory(axes[row, 1], theory, "alpha", look[1])
            _diverged(axes[row, 0], student)
        for column, label in enumerate(
            (
                "Mean test MSE",
                "Inter-student variance",
                "SD of test MSE",
            )
        ):
            ax = axes[row, column]
            ax.set_ylabel(label)
            ax.set_ylim(bottom=0)
            ax.set_xlabel("Noise α of a response")
        axes[row, 0].set_title(_title(dataset))
    _theory_key(axes[0, 1], part)
    _key(figure, axes)
    return figure


def _theory_key(ax: Axes, part: pd.DataFrame) -> None:
    """Name the theory line in the key, where there is one."""
    if (part["metric"] == "theory_inter_student_variance").any():
        ax.plot(
            [], [], color="#555555", linestyle=(0, (4, 1.5)), lw=1, label="closed form (linear)"
        )


def _root(curve: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation and its limits from a variance and its."""
    columns = ["estimate", "ci_low", "ci_high"]
    return curve.assign(**{c: np.sqrt(curve[c].clip(lower=0)) for c in columns})


def _student_init(part: pd.DataFrame, trajectories: _Trajectories) -> Figure:
    datasets = list(part["dataset"].unique())
    figure, axes = _grid(len(datasets), 4 if trajectories else 3, 2.15)
    moments = {
        "parameter_variance_before": ("before training", _BLUE, "o"),
        "parameter_variance_after": ("after training", _RED, "s"),
    }
    for row, dataset in enumerate(datasets):
        student = part[(part["dataset"] == dataset) & (part["role"] == "student")]
        for column, metric in enumerate(("test_mse_mean", "inter_student_variance")):
            curve = _select(student, "init_noise", metric=metric)
            _curve(axes[row, column], curve, "init_noise", ("network", "#333333", "o"))
        for metric, look in moments.items():
            _curve(axes[row, 2], _select(student, "init_noise", metric=metric), "init_noise", look)
        _diverged(axes[row, 0], student)
        axes[row, 0].set_ylabel("Mean test MSE")
        axes[row, 1].set_ylabel("Inter-student variance")
        axes[row, 2].set_ylabel("Mean parameter variance\nacross students")
        axes[row, 2].legend(loc="best")
        for ax in axes[row, :3]:
            ax.set_ylim(bottom=0, top=1.08 * ax.get_ylim()[1])
            ax.set_xlabel("Initialisation noise s")
        axes[row, 0].set_title(_title(dataset))
        if trajectories:
            _draw_trajectories(axes[row, 3], dataset, trajectories)
    return figure


def _draw_trajectories(ax: Axes, dataset: str, trajectories: _Trajectories) -> None:
    """One weight of the first students, at the least and the largest initialisation noise."""
    scales = sorted(s for name, s in trajectories if name == dataset and s is not None)
    ends = dict.fromkeys((scales[0], scales[-1]))
    for scale, colour in zip(ends, (_BLUE, _RED), strict=False):
        found = trajectories[dataset, scale]
        for student in found.records[:_STUDENTS_SHOWN]:
            ax.plot(np.arange(len(student)) * found.every, student, color=colour, lw=0.8)
        ax.plot([], [], color=colour, label=f"s = {scale:g}")
    ax.set_xlabel("Epoch")
    ax.set_ylabel(f"One weight of {_STUDENTS_SHOWN} students")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=2, handlelength=1)


#: Enough to see the spread, few enough to tell apart.
_STUDENTS_SHOWN = 6


def _bootstrap(part: pd.DataFrame, _: _Trajectories) -> Figure:
    datasets = list(part["dataset"].unique())
    families = [f for f in _FAMILY if (part["family"] == f).any()]
    figure, axes = _grid(len(datasets), 2 * len(families), 2.25)
    for row, dataset in enumerate(datasets):
        for place, family in enumerate(families):
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            student = cells[cells["role"] == "student"]
            for offset, metric in enumerate(("test_mse_mean", "inter_student_variance")):
                ax = axes[row, 2 * place + offset]
                for source, look in _LABELS.items():
                    curve = _select(student, "sample_fraction", metric=metric, label_source=source)
                    _curve(ax, curve[curve["estimate"] > _EXACT], "sample_fraction", look)
                    zero = curve[curve["estimate"] <= _EXACT]
                    if metric == "inter_student_variance" and len(zero):
                        ax.text(
                            0.99,
                            0.99,
                            f"{look[0]}:\nzero to rounding\nat {len(zero)} of {len(curve)}\n"
                            "sizes (theory: 0\nat full rank)",
                            transform=ax.transAxes,
                            ha="right",
                            va="top",
                            color=look[1],
                            fontsize=6,
                        )
                _log_scale(ax)
                ax.set_xlabel("Sample size / n")
                name = "Mean test MSE" if offset == 0 else "Inter-student variance"
                ax.set_ylabel(name)
            deficient = student[student["metric"] == "rank_deficient_count"]
            number, total = deficient["estimate"].sum(), deficient["n_students"].sum()
            title = f"{_title(dataset)}, {_FAMILY[family][0]}"
            if number:
                title += f"\n{number:.0f} of {total:.0f} samples rank-deficient"
            axes[row, 2 * place].set_title(title, fontsize=7.5)
            _diverged(axes[row, 2 * place], student)
    _key(figure, axes)
    return figure


#: Below this a variance in squared target units is rounding.
_EXACT = 1e-9


def _variance_aware(part: pd.DataFrame, _: _Trajectories) -> Figure:
    alphas = sorted(part["alpha"].dropna().unique())
    runs = [
        (family, dataset, metric)
        for family in _FAMILY
        for dataset in part["dataset"].unique()
        for metric in ("inter_student_variance", "test_mse_mean")
        if ((part["family"] == family) & (part["dataset"] == dataset)).any()
    ]
    figure, axes = _grid(len(runs), len(alphas), 1.45)
    for row, (family, dataset, metric) in enumerate(runs):
        cells = part[(part["family"] == family) & (part["dataset"] == dataset)]
        student = cells[cells["role"] == "student"]
        for column, alpha in enumerate(alphas):
            ax = axes[row, column]
            for method, look in _METHOD.items():
                curve = _select(student, "k", metric=metric, alpha=alpha, method=method)
                line = True
                if metric == "inter_student_variance":
                    theory = _select(
                        student,
                        "k",
                        metric="theory_inter_student_variance",
                        alpha=alpha,
                        method=method,
                    )
                    _theory(ax, theory, "k", look[1])
                    line = theory.empty
                _curve(ax, curve, "k", look, line=line)
            ax.set_xscale("log")
            ticks = [k for k in (1, 3, 10, 30) if k <= part["k"].max()]
            ax.set_xticks(ticks, [str(k) for k in ticks])
            ax.minorticks_off()
            if metric == "inter_student_variance":
                _log_scale(ax)
            if row == 0:
                ax.set_title(f"α = {alpha:g}")
            if row == len(runs) - 1:
                ax.set_xlabel("Responses k per input")
        name = "variance" if metric == "inter_student_variance" else "mean test MSE"
        axes[row, 0].set_ylabel(f"{_title(dataset)},\n{_FAMILY[family][0]}:\n{name}", fontsize=7)
    _theory_key(axes[0, 0], part)
    _key(figure, axes)
    return figure


def _families_in(part: pd.DataFrame) -> list[str]:
    return [f for f in _FAMILY if (part["family"] == f).any()]


def _student_output(part: pd.DataFrame, _: _Trajectories) -> Figure:
    datasets, families = list(part["dataset"].unique()), _families_in(part)
    figure, axes = _grid(len(families), len(datasets), 2.1, sharey="row")
    for row, family in enumerate(families):
        for column, dataset in enumerate(datasets):
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            ax = axes[row, column]
            _entropies(ax, cells)
            if row == 0:
                ax.set_title(_title(dataset))
        axes[row, 0].set_ylim(bottom=0)
        axes[row, 0].set_ylabel(f"{_FAMILY[family][0].capitalize()}:\npredictive entropy (nats)")
    _key(figure, axes)
    return figure


_GROUPS = ("all", "correct", "incorrect")


def _entropies(ax: Axes, cells: pd.DataFrame) -> None:
    """Teacher and students side by side in each group of test inputs."""
    teacher = cells[cells["role"] == "teacher"].set_index(["metric", "group"])["estimate"]
    student = cells[cells["role"] == "student"]
    entropies = student[
        (student["metric"] == "predictive_entropy")
        & student["label_source"].isin(_SOURCES)
        & student["estimate"].notna()
    ]
    for place, group in enumerate(_GROUPS):
        value = teacher["predictive_entropy", group]
        if not np.isnan(value):
            ax.plot([place - 0.27], [value], "D", color="#000000", markersize=4, label="teacher")
    for offset, (source, look) in zip((-0.09, 0.09, 0.27), _SOURCES.items(), strict=True):
        found = entropies[entropies["label_source"] == source]
        found = found.assign(place=[_GROUPS.index(g) + offset for g in found["group"]])
        _curve(ax, found, "place", look, line=False)
    counts = student[(student["metric"] == "test_inputs") & (student["label_source"] == "hard")]
    means = counts.set_index("group")["estimate"]
    labels = []
    for place, group in enumerate(_GROUPS):
        own = teacher["test_inputs", group]
        lines = [group, f"{own:.0f}"] + ([f"{means[group]:.4g}"] if group in means else [])
        labels.append("\n".join(lines))
        if own == 0 and not (entropies["group"] == group).any():
            ax.text(place, 0.5, "none", transform=ax.get_xaxis_transform(), ha="center", fontsize=7)
    ax.set_xticks(range(len(_GROUPS)), labels, fontsize=6.5)
    ax.set_xlim(-0.5, len(_GROUPS) - 0.5)
    ax.grid(visible=False, axis="x")


def _student_output_responses(part: pd.DataFrame, _: _Trajectories) -> Figure:
    datasets, families = list(part["dataset"].unique()), _families_in(part)
    metrics = {
        "predictive_entropy": "Predictive entropy (nats)",
        "mutual_information": "Mutual information\nbetween students (nats)",
    }
    figure, axes = _grid(len(metrics), len(datasets), 2.0)
    whole = part[part["group"] == "all"]
    ks = sorted(int(k) for k in whole["k"].dropna().unique())
    end = ks[-1] * 2.5  # where the limit of many responses is drawn
    for row, (metric, label) in enumerate(metrics.items()):
        for column, dataset in enumerate(datasets):
            ax = axes[row, column]
            for family in families:
                cells = whole[
                    (whole["dataset"] == dataset)
                    & (whole["family"] == family)
                    & (whole["metric"] == metric)
                ]
                look = _FAMILY[family]
                sampled = cells[cells["label_source"].isin(["sampled", "averaged"])]
                _curve(ax, sampled.sort_values("k"), "k", look)
                soft = cells[cells["label_source"] == "soft"].assign(k=end)
                _curve(ax, soft, "k", ("_nolegend_", *look[1:]))
                for value in cells[cells["role"] == "teacher"]["estimate"]:
                    ax.axhline(value, color=look[1], linestyle=(0, (4, 1.5)), lw=1)
            ax.set_xscale("log")
            ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= ks[-1]]
            ax.set_xticks([*ticks, end], [*map(str, ticks), "soft"])
            ax.minorticks_off()
            ax.set_ylim(bottom=0)
            if row == 0:
                ax.set_title(_title(dataset))
            else:
                ax.set_xlabel("Responses k per input")
        axes[row, 0].set_ylabel(label)
    axes[0, 0].plot(
        [], [], color="#555555", linestyle=(0, (4, 1.5)), lw=1, label="teacher's entropy"
    )
    _key(figure, axes)
    return figure


_SQUARED = "MSE, its SD and variances: squared units of the target."
#: How each figure is drawn, and what is said of its units.
_DRAWINGS: dict[str, tuple[Callable[[pd.DataFrame, _Trajectories], Figure], str]] = {
    "teacher_noise": (_teacher_noise, _SQUARED),
    "student_init": (_student_init, _SQUARED),
    "bootstrap": (_bootstrap, _SQUARED),
    "student_output": (
        _student_output,
        "Below a group: its test inputs, for the teacher and for students of hard labels.",
    ),
    "student_output_responses": (_student_output_responses, "Means over all test inputs."),
    "variance_aware": (_variance_aware, _SQUARED),
}
