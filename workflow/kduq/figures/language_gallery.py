"""Figure: distributions of the answers to some prompts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kduq import artifacts
from kduq.answers.settings import StudentsSettings
from kduq.conditions import PER_QUESTION, Condition
from kduq.data.corpus import Corpus, spaced
from kduq.estimates.answers import SAMPLED, Answers, StudentAnswers, answers_from
from kduq.figures import drawing
from kduq.figures.protocol import Drawn, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.figures.text import METHODS
from kduq.stage import Inputs
from kduq.students.settings import TextSettings as Settings
from kduq.study import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Number of prompts in the figure.
_PROMPTS_SHOWN = 6


def shown(corpus: Corpus, evaluated: np.ndarray, number: int) -> np.ndarray:
    """Select prompts for `draw_gallery`.

    Parameters
    ----------
    corpus : Corpus
        All prompts.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the evaluated prompts.
    number : int
        Number of prompts.

    Returns
    -------
    ndarray of int
        Identifiers, evenly spaced among the training prompts with several answers or, where there
        are none, among all.
    """
    several = [i for i in evaluated if corpus.split[i] == "train" and len(corpus.references[i]) > 1]
    return spaced(np.array(several, dtype=np.intp) if several else evaluated, number)


def gallery(
    corpus: Corpus, prompts: np.ndarray, teacher: Answers, students: Answers
) -> list[dict[str, Any]]:
    """Distributions of answers, for `draw_gallery`.

    Parameters
    ----------
    corpus : Corpus
        All prompts.
    prompts : ndarray of int of shape (P,)
        Identifiers of the prompts.
    teacher, students : Answers
        Answers to them.

    Returns
    -------
    list of dict
        Exact probabilities if the corpus has an answer distribution. Otherwise shares of the
        sampled answers; the listed answers are the references and the teacher's.
    """
    panels = []
    for p, i in enumerate(prompts):
        answers, truth = list(corpus.references[i]), corpus.weights(i)
        own, others = teacher.support[p], students.support[p]
        if own is None or others is None:
            answers = list(dict.fromkeys([*answers, *teacher.texts[0, p]]))
            truth = [*truth, *[0.0] * (len(answers) - len(truth))]
            own, others = (_shares(a.texts[:, p], answers) for a in (teacher, students))
        panels.append(
            {
                "prompt": corpus.prompts[i],
                "answers": answers,
                "truth": truth,
                "teacher": own[0],
                "students": others,
            }
        )
    return panels


def describe(condition: Condition) -> str:
    """A condition in words, for the note below the figure."""
    k, method = condition.k, condition.method
    if k == 1:
        taught = {"greedy": "the teacher's greedy answer", "sampled": "one sampled answer"}
        one = taught.get(str(condition.label_source), taught["sampled"])
        words = f"{one} per {'question' if condition.label_source == PER_QUESTION else 'prompt'}"
    else:
        words = f"{k} answers per prompt, {METHODS[str(method)][0]}"
    if condition.init_noise is not None:
        words += f", initialisation noise s = {condition.init_noise:g}"
    if condition.temperature not in (None, 1.0):
        words += f", temperature {condition.temperature:g}"
    return f"Students of {words}."


def _shares(texts: np.ndarray, answers: Sequence[str]) -> np.ndarray:
    """Share of each of A answers in texts of shape (S, J), as an array of shape (S, A)."""
    draws = max(texts.shape[1], 1)
    return np.stack([(texts == answer).sum(axis=1) / draws for answer in answers], axis=1)


#: Largest number of answers in a panel; the least probable ones are added up.
_ANSWERS_SHOWN = 8
_SOURCES = {
    "truth": ("truth", "#999999"),
    "teacher": ("teacher", "#000000"),
    "students": ("students (mean)", drawing.BLUE),
}


def draw_gallery(prompts: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw distributions of answers: of the truth, of the teacher and of the students.

    Parameters
    ----------
    prompts : sequence of mapping
        Each with prompt (str), answers (the A supported answers), truth and teacher (probabilities
        of shape (A,)) and students (of shape (S, A)). The remainder to 1 is drawn as "other".

    Returns
    -------
    matplotlib.figure.Figure
        Two panels per row, one per prompt.
    """
    panels = [_panel(prompt) for prompt in prompts]
    rows = (len(panels) + 1) // 2
    heights = [max(len(labels) for labels, _ in panels[2 * i : 2 * i + 2]) for i in range(rows)]
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(drawing.WIDTH, 0.6 + sum(0.75 + 0.3 * height for height in heights)))
    axes = figure.subplots(
        rows, 2, squeeze=False, sharex=True, gridspec_kw={"height_ratios": [h + 1 for h in heights]}
    )
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for i, (ax, prompt) in enumerate(zip(axes.flat, prompts, strict=False)):
        _distributions(ax, *panels[i], heights[i // 2])
        ax.set_title(
            _wrapped(prompt["prompt"], 40, 3), fontsize=7, fontweight="normal", parse_math=False
        )
        ax.set_xlabel("Probability")
    drawing.key(figure, axes)
    return figure


def _panel(prompt: Mapping[str, Any]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Labels of a panel and, by source, probabilities of shape (models, labels)."""
    values = {name: np.atleast_2d(np.asarray(prompt[name], np.float64)) for name in _SOURCES}
    order = np.argsort(-values["truth"][0], kind="stable")
    listed, rest = order, order[:0]
    if len(order) > _ANSWERS_SHOWN:
        listed, rest = order[: _ANSWERS_SHOWN - 1], order[_ANSWERS_SHOWN - 1 :]
    labels = [_wrapped(prompt["answers"][i], 22, 2) for i in listed]
    labels += [f"{len(rest)} more answers"] if len(rest) else []
    probabilities = {}
    for name, p in values.items():
        parts = [p[:, listed]] + ([p[:, rest].sum(axis=1, keepdims=True)] if len(rest) else [])
        other = np.maximum(1 - p.sum(axis=1, keepdims=True), 0)
        probabilities[name] = np.concatenate([*parts, other], axis=1)
    return [*labels, "other"], probabilities


def _distributions(
    ax: Axes, labels: list[str], values: Mapping[str, np.ndarray], rows: int
) -> None:
    """Bars side by side, the first answer on top, with a mark per student.

    There is room for ``rows`` answers, so that bars are as thick as in the other panel of the row.
    """
    positions = np.arange(len(labels))
    for shift, (name, (label, colour)) in zip((-0.27, 0, 0.27), _SOURCES.items(), strict=True):
        p = values[name]
        mean = p.mean(axis=0) if len(p) else np.full(len(labels), np.nan)
        ax.barh(positions + shift, mean, 0.24, color=colour, label=label)
        if name == "students":
            middle = np.broadcast_to(positions + shift, p.shape)
            ax.vlines(
                p.ravel(),
                middle.ravel() - 0.12,
                middle.ravel() + 0.12,
                color=drawing.RED,
                lw=0.6,
                label="each student",
            )
    ax.set_yticks(positions, labels, fontsize=6.5, parse_math=False)
    ax.set_ylim(rows - 0.45, -0.55)
    ax.set_xlim(0, 1)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="x", labelbottom=True)


def _wrapped(text: str, width: int, lines: int) -> str:
    """A text in at most ``lines`` lines, without characters that the fonts lack."""
    available, plain = _characters(), " ".join(text.split())
    drawable = "".join(c if ord(c) in available else "\N{REPLACEMENT CHARACTER}" for c in plain)
    wrapped = textwrap.wrap(drawable, width)
    if len(wrapped) > lines:
        wrapped[lines - 1] = f"{wrapped[lines - 1][: width - 1]}…"
    return "\n".join(wrapped[:lines]) or "(empty)"


def _characters() -> set[int]:
    """Characters of the fonts in use; a missing one would be drawn as a box, with a warning."""
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib import font_manager  # noqa: PLC0415

    characters: set[int] = set()
    for family in mpl.rcParams["font.family"]:
        path = font_manager.findfont(font_manager.FontProperties(family=family))
        characters.update(font_manager.get_font(path).get_charmap())
    return characters


def _is_sampled_single(condition: Condition) -> bool:
    return condition.method == "single" and condition.label_source == "sampled"


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    del settings
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    settings_of = {
        role: [artifacts.read_provenance(path)["config"] for path in inputs.paths[role]]
        for role in ("students", "answers")
    }
    shards = map(Settings.model_validate, settings_of["students"])
    conditions = [condition for shard in shards for condition in shard.conditions]
    condition = next(filter(_is_sampled_single, conditions), conditions[0])
    asked = StudentsSettings.model_validate(settings_of["answers"][0])
    evaluated = corpus.evaluated(asked.evaluation.prompts)
    prompts = shown(corpus, evaluated, _PROMPTS_SHOWN)
    taught, _, _ = StudentAnswers(inputs, prompts).of_condition(condition, None)
    rows = artifacts.rows_where(prompt_id=prompts.tolist()) & SAMPLED
    table = inputs.read("teacher_answers", "answers", rows=rows)
    own = table.columns(table.table.column_names)
    teacher = answers_from(own, np.arange(table.table.num_rows), prompts)
    panels = gallery(corpus, prompts, teacher, taught)
    return Drawn(lambda: draw_gallery(panels), describe(condition))


def _sources(study: Study) -> dict[str, list[str]]:
    run = study.exemplary_text_run
    if run is None:
        return {}
    return {
        "examples": [paths.examples(run.key.dataset)],
        "teacher_answers": [paths.teacher(run.settings.teacher, run.key.dataset, "answers")],
        "students": run.files("students"),
        "answers": run.files("answers"),
    }


FIGURE = FigureKind(
    "language_gallery",
    "What do students of one answer per prompt keep of a distribution?",
    _sources,
    _prepare,
)
