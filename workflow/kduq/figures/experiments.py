"""Stage ``figures``: one figure an experiment, drawn from the table of estimates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kduq.figures import drawing

_LABELS = {
    "teacher": ("teacher labels", drawing.BLUE, "o"),
    "truth": ("true labels", drawing.RED, "s"),
}
#: Sources of labels in classification.
_SOURCES = {
    "hard": ("students, hard labels", drawing.BLUE, "o"),
    "sampled": ("students, one sampled label", drawing.RED, "s"),
    "soft": ("students, soft labels", drawing.GREEN, "^"),
}


#: Methods that may equal another: one response is every method's, and averaging least squares'.
_HOLLOW = {"single": 7.0, "averaging": 5.0}


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
    figure, units = _DRAWINGS[settings["figure"]]
    level = round(100 * settings["confidence"])
    note = (
        f"{units} Bars: {level} % jackknife intervals over students, given the split and "
        "the teacher."
    )
    return drawing.render(settings, lambda: figure(part, trajectories), note, made_by)


def _select(part: pd.DataFrame, x: str, **wanted: Any) -> pd.DataFrame:
    for column, value in wanted.items():
        part = part[part[column] == value]
    return part.sort_values(x)


def _theory(ax: Axes, part: pd.DataFrame, x: str, colour: str) -> None:
    ax.plot(part[x], part["estimate"], color=colour, linestyle=(0, (4, 1.5)), marker="", lw=1)


def _teacher_noise(part: pd.DataFrame, _: _Trajectories) -> Figure:
    datasets = list(part["dataset"].unique())
    figure, axes = drawing.grid(len(datasets), 3, 2.15)
    for row, dataset in enumerate(datasets):
        for family, look in drawing.FAMILY.items():
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
                drawing.curve(axes[row, column], curve, "alpha", look, line=not drawn)
            _theory(axes[row, 1], theory, "alpha", look[1])
            drawing.diverged(axes[row, 0], student)
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
        axes[row, 0].set_title(drawing.title(dataset))
    _theory_key(axes[0, 1], part)
    drawing.key(figure, axes)
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
    figure, axes = drawing.grid(len(datasets), 4 if trajectories else 3, 2.15)
    moments = {
        "parameter_variance_before": ("before training", drawing.BLUE, "o"),
        "parameter_variance_after": ("after training", drawing.RED, "s"),
    }
    for row, dataset in enumerate(datasets):
        student = part[(part["dataset"] == dataset) & (part["role"] == "student")]
        for column, metric in enumerate(("test_mse_mean", "inter_student_variance")):
            curve = _select(student, "init_noise", metric=metric)
            drawing.curve(axes[row, column], curve, "init_noise", ("network", "#333333", "o"))
        for metric, look in moments.items():
            drawing.curve(
                axes[row, 2], _select(student, "init_noise", metric=metric), "init_noise", look
            )
        drawing.diverged(axes[row, 0], student)
        axes[row, 0].set_ylabel("Mean test MSE")
        axes[row, 1].set_ylabel("Inter-student variance")
        axes[row, 2].set_ylabel("Mean parameter variance\nacross students")
        axes[row, 2].legend(loc="best")
        for ax in axes[row, :3]:
            ax.set_ylim(bottom=0, top=1.08 * ax.get_ylim()[1])
            ax.set_xlabel("Initialisation noise s")
        axes[row, 0].set_title(drawing.title(dataset))
        if trajectories:
            _draw_trajectories(axes[row, 3], dataset, trajectories)
    return figure


def _draw_trajectories(ax: Axes, dataset: str, trajectories: _Trajectories) -> None:
    """One weight of the first students, at the least and the largest initialisation noise."""
    scales = sorted(s for name, s in trajectories if name == dataset and s is not None)
    ends = dict.fromkeys((scales[0], scales[-1]))
    for scale, colour in zip(ends, (drawing.BLUE, drawing.RED), strict=False):
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
    families = [f for f in drawing.FAMILY if (part["family"] == f).any()]
    figure, axes = drawing.grid(len(datasets), 2 * len(families), 2.25)
    for row, dataset in enumerate(datasets):
        for place, family in enumerate(families):
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            student = cells[cells["role"] == "student"]
            for offset, metric in enumerate(("test_mse_mean", "inter_student_variance")):
                ax = axes[row, 2 * place + offset]
                for source, look in _LABELS.items():
                    curve = _select(student, "sample_fraction", metric=metric, label_source=source)
                    drawing.curve(ax, curve[curve["estimate"] > _EXACT], "sample_fraction", look)
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
                drawing.log_scale(ax)
                ax.set_xlabel("Sample size / n")
                name = "Mean test MSE" if offset == 0 else "Inter-student variance"
                ax.set_ylabel(name)
            deficient = student[student["metric"] == "rank_deficient_count"]
            number, total = deficient["estimate"].sum(), deficient["n_students"].sum()
            title = f"{drawing.title(dataset)}, {drawing.FAMILY[family][0]}"
            if number:
                title += f"\n{number:.0f} of {total:.0f} samples rank-deficient"
            axes[row, 2 * place].set_title(title, fontsize=7.5)
            drawing.diverged(axes[row, 2 * place], student)
    drawing.key(figure, axes)
    return figure


#: Below this a variance in squared target units is rounding.
_EXACT = 1e-9


def _variance_aware(part: pd.DataFrame, _: _Trajectories) -> Figure:
    alphas = sorted(part["alpha"].dropna().unique())
    runs = [
        (family, dataset, metric)
        for family in drawing.FAMILY
        for dataset in part["dataset"].unique()
        for metric in ("inter_student_variance", "test_mse_mean")
        if ((part["family"] == family) & (part["dataset"] == dataset)).any()
    ]
    figure, axes = drawing.grid(len(runs), len(alphas), 1.45)
    for row, (family, dataset, metric) in enumerate(runs):
        cells = part[(part["family"] == family) & (part["dataset"] == dataset)]
        student = cells[cells["role"] == "student"]
        for column, alpha in enumerate(alphas):
            ax = axes[row, column]
            for method, look in drawing.METHOD.items():
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
                drawing.curve(ax, curve, "k", look, line, _HOLLOW.get(method))
            ax.margins(y=0.1)
            drawing.response_ticks(ax, sorted(part["k"].dropna().astype(int).unique()))
            if metric == "inter_student_variance":
                drawing.log_scale(ax)
            if row == 0:
                ax.set_title(f"α = {alpha:g}")
            if row == len(runs) - 1:
                ax.set_xlabel("Responses k per input")
        name = "variance" if metric == "inter_student_variance" else "mean test MSE"
        axes[row, 0].set_ylabel(
            f"{drawing.title(dataset)},\n{drawing.FAMILY[family][0]}:\n{name}", fontsize=7
        )
    _theory_key(axes[0, 0], part)
    drawing.key(figure, axes)
    return figure


def _families_in(part: pd.DataFrame) -> list[str]:
    return [f for f in drawing.FAMILY if (part["family"] == f).any()]


def _student_output(part: pd.DataFrame, _: _Trajectories) -> Figure:
    datasets, families = list(part["dataset"].unique()), _families_in(part)
    figure, axes = drawing.grid(len(families), len(datasets), 2.1, sharey="row")
    for row, family in enumerate(families):
        for column, dataset in enumerate(datasets):
            cells = part[(part["dataset"] == dataset) & (part["family"] == family)]
            ax = axes[row, column]
            _entropies(ax, cells)
            if row == 0:
                ax.set_title(drawing.title(dataset))
        # Not cut through markers of no entropy.
        axes[row, 0].set_ylim(bottom=-0.03 * axes[row, 0].get_ylim()[1])
        axes[row, 0].annotate(
            "inputs:\nteacher\nstudents",
            (0, 0),
            (-4, -7.5),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=6.5,
        )
        axes[row, 0].set_ylabel(
            f"{drawing.FAMILY[family][0].capitalize()}:\npredictive entropy (nats)"
        )
    drawing.key(figure, axes)
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
        drawing.curve(ax, found, "place", look, line=False)
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
    figure, axes = drawing.grid(len(metrics), len(datasets), 2.0)
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
                look = drawing.FAMILY[family]
                sampled = cells[cells["label_source"].isin(["sampled", "averaged"])]
                drawing.curve(ax, sampled.sort_values("k"), "k", look)
                soft = cells[cells["label_source"] == "soft"].assign(k=end)
                drawing.curve(ax, soft, "k", ("_nolegend_", *look[1:]))
                for value in cells[cells["role"] == "teacher"]["estimate"]:
                    ax.axhline(value, color=look[1], linestyle=(0, (4, 1.5)), lw=1)
            ax.set_xscale("log")
            ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= ks[-1]]
            ax.set_xticks([*ticks, end], [*map(str, ticks), "soft"])
            ax.minorticks_off()
            ax.set_ylim(bottom=0)
            if row == 0:
                ax.set_title(drawing.title(dataset))
            else:
                ax.set_xlabel("Responses k per input")
        axes[row, 0].set_ylabel(label)
    axes[0, 0].plot(
        [], [], color="#555555", linestyle=(0, (4, 1.5)), lw=1, label="teacher's entropy"
    )
    drawing.key(figure, axes)
    return figure


_SQUARED = "MSE and variances: squared units of the target."
#: How each figure is drawn, and what is said of its units.
_DRAWINGS: dict[str, tuple[Callable[[pd.DataFrame, _Trajectories], Figure], str]] = {
    "teacher_noise": (_teacher_noise, "MSE, its SD and variances: squared units of the target."),
    "student_init": (
        _student_init,
        "MSE and inter-student variance: squared units of the target.",
    ),
    "bootstrap": (_bootstrap, _SQUARED),
    "student_output": (
        _student_output,
        "Below a group: its test inputs, for the teacher and for students of hard labels.",
    ),
    "student_output_responses": (_student_output_responses, "Means over all test inputs."),
    "variance_aware": (_variance_aware, _SQUARED),
}
