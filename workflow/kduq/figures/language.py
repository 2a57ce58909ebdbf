"""Figures of the language models, in the visual language of `kduq.figures.drawing`."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kduq.figures import drawing

if TYPE_CHECKING:
    from kduq.data.corpus import Corpus
    from kduq.estimates.answers import Answers

#: Of every experiment: title, what varies between its conditions, and how that is called.
_EXPERIMENTS = {
    "teacher_noise": ("Teacher\nnoise", "temperature", "Temperature of the\nteacher's answers"),
    "student_init": ("Student\ninitialisation", "init_noise", "Initialisation\nnoise s"),
    "student_output": ("Student\noutput", "label_source", "Answer\nlearned from"),
    "variance_aware": ("Variance-aware\ndistillation", "k", "Responses k per prompt"),
}
_METHODS = {
    "single": drawing.METHOD["single"],
    "multi_response": ("multi-response", "#CC79A7", "v"),
    "averaging": drawing.METHOD["averaging"],
    "variance_weighting": drawing.METHOD["variance_weighting"],
}
_VARIANCES = {
    "intra_student_variance": ("within a student (intra)", drawing.BLUE, "o"),
    "inter_student_variance": ("between students (inter)", drawing.RED, "s"),
}
_COMPARED = {
    "similarity_to_reference": "Similarity to\nreference",
    "systematic_noise": "Systematic\nnoise",
    "hallucination_rate": "Hallucination\nrate",
    "intra_student_variance": "Intra-student\nvariance",
    "inter_student_variance": "Inter-student\nvariance",
}
_TEACHER: dict[str, Any] = {"color": "#000000", "linestyle": (0, (4, 1.5)), "lw": 1}


def draw_uncertainty(part: pd.DataFrame) -> Figure:
    """Draw what varies within and between students, beside what varies within the teacher.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of the family lm. Those over the prompts that students were taught are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        A row of panels a data set, a panel an experiment, all of a row on one scale.
    """
    part = _taught(part)
    datasets = list(part["dataset"].unique())
    experiments = [name for name in _EXPERIMENTS if (part["experiment"] == name).any()]
    wide = [_places(part[part["experiment"] == name], name)[1][-1] + 2 for name in experiments]
    figure, axes = drawing.grid(
        len(datasets), len(experiments), 2.2, sharey="row", gridspec_kw={"width_ratios": wide}
    )
    for row, dataset in enumerate(datasets):
        named = None
        for ax, name in zip(axes[row], experiments, strict=True):
            cells = part[(part["dataset"] == dataset) & (part["experiment"] == name)]
            value = _variances(ax, cells, name)
            named = (ax, value) if np.isfinite(value) else named
            if row == 0:
                ax.set_title(_EXPERIMENTS[name][0], fontsize=7.5)
        axes[row, 0].set_ylabel(f"{drawing.title(dataset)}:\nvariance of embeddings")
        low, high = axes[row, 0].get_ylim()
        axes[row, 0].set_ylim(min(low, 0), high)
        if named is not None:
            # Outside the panel, where no estimate can be in its way.
            named[0].annotate(
                "teacher\n(intra)",
                (1, named[1]),
                (4, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    drawing.key(figure, axes)
    return figure


def _taught(part: pd.DataFrame) -> pd.DataFrame:
    """Estimates over training prompts; over all where a run has asked no others."""
    runs = part.groupby(["experiment", "dataset"])["group"]
    split = runs.transform(lambda groups: "train" if (groups == "train").any() else "all")
    return part[part["group"] == split]


def _variances(ax: Axes, cells: pd.DataFrame, experiment: str) -> float:
    """Draw one experiment on one data set; gives the teacher's variance, NaN for none."""
    if cells.empty:
        ax.set_xticks([])
        ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center", fontsize=7)
        return np.nan
    own = cells[(cells["role"] == "teacher") & (cells["metric"] == "intra_student_variance")]
    for value in own["estimate"]:
        ax.axhline(value, **_TEACHER)
    placed, places, labels = _places(cells, experiment)
    for shift, (metric, look) in zip((-0.1, 0.1), _VARIANCES.items(), strict=True):
        # A line joins the conditions of a method, and none joins kinds of label.
        shown = placed[placed["metric"] == metric].sort_values("place")
        shown = shown.assign(place=shown["place"] + shift)
        for _, curve in shown.groupby("method", dropna=False):
            drawing.curve(ax, curve, "place", look, experiment != "student_output")
    ax.set_xticks(places, labels, fontsize=7)
    if len(places):
        ax.set_xlim(places[0] - 0.6, places[-1] + 0.6)
    ax.set_xlabel(_EXPERIMENTS[experiment][2])
    ax.grid(visible=False, axis="x")
    if experiment == "variance_aware":
        _name_methods(ax, placed)
    return float(own["estimate"].iloc[-1]) if len(own) else np.nan


def _places(cells: pd.DataFrame, experiment: str) -> tuple[pd.DataFrame, list[float], list[str]]:
    """Conditions side by side, words and methods wider apart: rows, places and their labels."""
    column = _EXPERIMENTS[experiment][1]
    student = cells[(cells["role"] == "student") & cells[column].notna()]
    found, places, labels = [student.iloc[:0].assign(place=0.0)], [], []
    place = 0.0
    for method in [name for name in _METHODS if (student["method"] == name).any()]:
        rows = student[student["method"] == method]
        for value in sorted(rows[column].unique()):
            found.append(rows[rows[column] == value].assign(place=place))
            places.append(place)
            labels.append(value if isinstance(value, str) else f"{value:g}")
            place += 1.8 if isinstance(value, str) else 1
        place += 0.6
    return (
        pd.concat([rows for rows in found if len(rows)] or found),
        places or [0.0],
        labels or [""],
    )


def _name_methods(ax: Axes, placed: pd.DataFrame) -> None:
    """Name the method below the responses of each."""
    for method, (label, _, _) in _METHODS.items():
        middle = placed.loc[placed["method"] == method, "place"].agg(["min", "max"]).mean()
        if np.isfinite(middle):
            ax.annotate(
                textwrap.fill(label, 10),
                (middle, 0),
                (0, -16),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=7,
            )
    ax.xaxis.labelpad = 20


def draw_methods(part: pd.DataFrame) -> Figure:
    """Draw the methods of variance-aware distillation side by side.

    Parameters
    ----------
    part : pandas.DataFrame
        Estimates of the family lm. Those of variance_aware are drawn, over the prompts that
        students were taught.

    Returns
    -------
    matplotlib.figure.Figure
        A row of panels a data set, a panel a metric, each with its own scale.
    """
    part = _taught(part[part["experiment"] == "variance_aware"])
    datasets = list(part["dataset"].unique())
    ks = sorted(part["k"].dropna().unique())
    figure, axes = drawing.grid(len(datasets), len(_COMPARED), 1.75)
    for row, dataset in enumerate(datasets):
        for ax, (metric, title) in zip(axes[row], _COMPARED.items(), strict=True):
            cells = part[(part["dataset"] == dataset) & (part["metric"] == metric)]
            for value in cells.loc[cells["role"] == "teacher", "estimate"]:
                ax.axhline(value, label="teacher", **_TEACHER)
            for shift, (method, look) in zip((0, -0.2, 0, 0.2), _METHODS.items(), strict=True):
                own = cells[(cells["role"] == "student") & (cells["method"] == method)]
                own = own.assign(place=[ks.index(k) + shift for k in own["k"]])
                drawing.curve(ax, own.sort_values("place"), "place", look)
            ax.set_xticks(range(len(ks)), [f"{k:g}" for k in ks])
            ax.set_xlim(-0.5, len(ks) - 0.5)
            ax.yaxis.set_major_locator(MaxNLocator(4))
            ax.grid(visible=False, axis="x")
            if row == 0:
                ax.set_title(title, fontsize=7.5)
            if row == len(datasets) - 1:
                ax.set_xlabel("Responses k")
        axes[row, 0].set_ylabel(drawing.title(dataset))
    drawing.key(figure, axes)
    return figure


def gallery(
    corpus: "Corpus", evaluated: np.ndarray, teacher: "Answers", students: "Answers", number: int
) -> list[dict[str, Any]]:
    """Choose prompts for `draw_gallery`, with their distributions of answers.

    Parameters
    ----------
    corpus : Corpus
        All prompts.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the evaluated prompts.
    teacher, students : Answers
        Answers to them.
    number : int
        Prompts to choose, evenly spaced among the training prompts with several answers.

    Returns
    -------
    list of dict
        Exact probabilities where the corpus knows the support, else shares of the sampled
        answers, of which the references and the teacher's are listed.
    """
    several = [
        p
        for p, i in enumerate(evaluated)
        if corpus.split[i] == "train" and len(corpus.references[i]) > 1
    ]
    several = several or list(range(len(evaluated)))
    number = min(number, len(several))
    chosen = [several[j * len(several) // number] for j in range(number)]
    found = []
    for p in chosen:
        i = int(evaluated[p])
        answers, truth = list(corpus.references[i]), corpus.weights(i)
        own, others = teacher.support[p], students.support[p]
        if own is None or others is None:
            answers = list(dict.fromkeys([*answers, *teacher.texts[0, p]]))
            truth = [*truth, *[0.0] * (len(answers) - len(truth))]
            own, others = (_shares(a.texts[:, p], answers) for a in (teacher, students))
        found.append(
            {
                "prompt": corpus.prompts[i],
                "answers": answers,
                "truth": truth,
                "teacher": own[0],
                "students": others,
            }
        )
    return found


def described(condition: Mapping[str, Any]) -> str:
    """A condition in words, for the line below a gallery."""
    k, method = condition["k"], condition["method"]
    if k == 1:
        taught = {"greedy": "the teacher's likeliest answer", "sampled": "one sampled answer"}
        words = f"{taught[condition['label_source']]} a prompt"
    else:
        words = f"{k} answers a prompt, {_METHODS[method][0]}"
    if condition["init_noise"] is not None:
        words += f", initialisation noise s = {condition['init_noise']:g}"
    if condition["temperature"] not in (None, 1.0):
        words += f", temperature {condition['temperature']:g}"
    return f"Students of {words}."


def _shares(texts: np.ndarray, answers: Sequence[str]) -> np.ndarray:
    """Share of each answer in texts of shape (S, J), shape (S, A)."""
    draws = max(texts.shape[1], 1)
    return np.stack([(texts == answer).sum(axis=1) / draws for answer in answers], axis=1)


#: Answers that a panel of the gallery shows; the least probable others are added up.
_ANSWERS_SHOWN = 8
_SOURCES = {
    "truth": ("truth", "#999999"),
    "teacher": ("teacher", "#000000"),
    "students": ("students (mean)", drawing.BLUE),
}


def draw_gallery(prompts: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw some prompts' distributions of answers: the truth's, the teacher's and the students'.

    Parameters
    ----------
    prompts : sequence of mapping
        Each with prompt (str), answers (the A supported answers), truth and teacher (probabilities
        of shape (A,)) and students (of shape (S, A)). What is left to 1 is drawn as "other".

    Returns
    -------
    matplotlib.figure.Figure
        Two panels a row, one a prompt.
    """
    shown = [_shown(prompt) for prompt in prompts]
    rows = (len(shown) + 1) // 2
    heights = [max(len(labels) for labels, _ in shown[2 * i : 2 * i + 2]) for i in range(rows)]
    figure = Figure(figsize=(drawing.WIDTH, 0.6 + sum(0.75 + 0.3 * height for height in heights)))
    axes = figure.subplots(
        rows, 2, squeeze=False, sharex=True, gridspec_kw={"height_ratios": [h + 1 for h in heights]}
    )
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    for place, (ax, prompt) in enumerate(zip(axes.flat, prompts, strict=False)):
        _distributions(ax, *shown[place], heights[place // 2])
        ax.set_title(
            _wrapped(prompt["prompt"], 40, 3), fontsize=7, fontweight="normal", parse_math=False
        )
        ax.set_xlabel("Probability")
    drawing.key(figure, axes)
    return figure


def _shown(prompt: Mapping[str, Any]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Labels of a panel and, by source, probabilities of shape (models, labels)."""
    values = {name: np.atleast_2d(np.asarray(prompt[name], np.float64)) for name in _SOURCES}
    order = np.argsort(-values["truth"][0], kind="stable")
    kept, rest = order, order[:0]
    if len(order) > _ANSWERS_SHOWN:
        kept, rest = order[: _ANSWERS_SHOWN - 1], order[_ANSWERS_SHOWN - 1 :]
    labels = [_wrapped(prompt["answers"][i], 22, 2) for i in kept]
    labels += [f"{len(rest)} more answers"] if len(rest) else []
    found = {}
    for name, p in values.items():
        parts = [p[:, kept]] + ([p[:, rest].sum(axis=1, keepdims=True)] if len(rest) else [])
        other = np.maximum(1 - p.sum(axis=1, keepdims=True), 0)
        found[name] = np.concatenate([*parts, other], axis=1)
    return [*labels, "other"], found


def _distributions(
    ax: Axes, labels: list[str], values: Mapping[str, np.ndarray], rows: int
) -> None:
    """Bars side by side, the first answer on top, with a tick for every student.

    There is room for ``rows`` answers, so that bars are as thick as those of the panel beside.
    """
    places = np.arange(len(labels))
    for shift, (name, (label, colour)) in zip((-0.27, 0, 0.27), _SOURCES.items(), strict=True):
        p = values[name]
        mean = p.mean(axis=0) if len(p) else np.full(len(labels), np.nan)
        ax.barh(places + shift, mean, 0.24, color=colour, label=label)
        if name == "students":
            where = np.broadcast_to(places + shift, p.shape)
            ax.vlines(
                p.ravel(),
                where.ravel() - 0.12,
                where.ravel() + 0.12,
                color=drawing.RED,
                lw=0.6,
                label="each student",
            )
    ax.set_yticks(places, labels, fontsize=6.5, parse_math=False)
    ax.set_ylim(rows - 0.45, -0.55)
    ax.set_xlim(0, 1)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="x", labelbottom=True)


def _wrapped(text: str, width: int, lines: int) -> str:
    """A text that can be drawn: in a few short lines, of characters that the font has."""
    known, plain = _characters(), " ".join(text.split())
    drawn = "".join(c if ord(c) in known else "\N{REPLACEMENT CHARACTER}" for c in plain)
    found = textwrap.wrap(drawn, width)
    if len(found) > lines:
        found[lines - 1] = f"{found[lines - 1][: width - 1]}…"
    return "\n".join(found[:lines]) or "(empty)"


def _characters() -> set[int]:
    """Characters of the fonts in use; one that is missing would be a warning and a box."""
    found: set[int] = set()
    for family in mpl.rcParams["font.family"]:
        path = font_manager.findfont(font_manager.FontProperties(family=family))
        found.update(font_manager.get_font(path).get_charmap())
    return found
