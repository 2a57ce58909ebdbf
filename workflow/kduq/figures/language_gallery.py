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
from kduq.figures.text import GROUPS, METHODS
from kduq.stage import Inputs
from kduq.students.settings import TextSettings as Settings
from kduq.study import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kduq.study.study import Study

#: Number of taught, and of held-out, prompts in the figure.
_PROMPTS_SHOWN = 3


def shown(corpus: Corpus, evaluated: np.ndarray, number: int) -> list[np.ndarray]:
    """Select prompts for `draw_gallery`, taught and held out.

    Parameters
    ----------
    corpus : Corpus
        All prompts.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the evaluated prompts.
    number : int
        Number of prompts of each kind.

    Returns
    -------
    list of ndarray of int
        Identifiers of taught and of held-out prompts, as far as there are any, evenly spaced among
        those with several answers, or among all of a kind where there are none.
    """
    chosen = []
    for split in ("train", "test"):
        own = [i for i in evaluated if corpus.split[i] == split]
        several = [i for i in own if len(corpus.right(i)) > 1]
        if own:
            chosen.append(spaced(np.array(several or own, dtype=np.intp), number))
    return chosen


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
_ANSWERS_SHOWN = 7
#: Columns left of the students, and students shown at most.
_SOURCES, _STUDENTS_SHOWN = ("truth", "teacher", "mean"), 40
#: Students beside whom a column of their width has room for a number.
_ROOM = 10
#: Space between the two, in columns; least probability that is drawn, or written.
_GAP, _LEAST, _WRITTEN = 0.6, 0.02, 0.005
#: Height of an answer, and of a panel besides, in inches.
_ANSWER, _BESIDES = 0.165, 0.42


def draw_gallery(columns: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> Figure:
    """Draw distributions of answers: of the truth, the teacher, and of each student.

    Parameters
    ----------
    columns : sequence of (str, sequence of mapping)
        Name of a group of prompts, and its prompts: each with prompt (str), answers (the A
        supported answers), truth and teacher (probabilities of shape (A,)) and students (of shape
        (S, A)). The remainder to 1 is drawn as "other".

    Returns
    -------
    matplotlib.figure.Figure
        A column of panels per group, a panel per prompt, in which each student is a column.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = [[_panel(prompt) for prompt in prompts] for _, prompts in columns]
    rows = max(map(len, panels), default=1)
    heights = [max(len(p[i][0]) if i < len(p) else 1 for p in panels) for i in range(rows)]
    scale = min(1.0, 6.3 / sum(_BESIDES + _ANSWER * height for height in heights))
    figure = Figure(
        figsize=(
            drawing.WIDTH,
            0.25 + scale * sum(_BESIDES + _ANSWER * height for height in heights),
        )
    )
    axes = figure.subplots(
        rows, len(columns), squeeze=False, gridspec_kw={"height_ratios": [h + 1 for h in heights]}
    )
    for number, (name, prompts) in enumerate(columns):
        for row in range(rows):
            ax = axes[row, number]
            if row >= len(prompts):
                ax.set_axis_off()
                continue
            _distributions(ax, *panels[number][row], heights[row])
            question = _wrapped(prompts[row]["prompt"], 42, 2)
            ax.set_title(question, fontsize=6.5, fontweight="normal", parse_math=False)
        axes[0, number].annotate(
            f"{chr(ord('a') + number)}  {name}",
            (0, 1),
            (0, 22),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=7.5,
            fontweight="bold",
        )
        _name_columns(axes[len(prompts) - 1, number], panels[number][-1][1]["students"])
    return figure


def _panel(prompt: Mapping[str, Any]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Labels of a panel and, by source, probabilities of shape (models, labels)."""
    names = ("truth", "teacher", "students")
    values = {name: np.atleast_2d(np.asarray(prompt[name], np.float64)) for name in names}
    order = np.argsort(-values["truth"][0], kind="stable")
    listed, rest = order, order[:0]
    if len(order) > _ANSWERS_SHOWN:
        listed, rest = order[: _ANSWERS_SHOWN - 1], order[_ANSWERS_SHOWN - 1 :]
    labels = [_wrapped(prompt["answers"][i], 24, 1) for i in listed]
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
    """Cells shaded by probability: truth, teacher and the students' mean, then each student.

    There is room for ``rows`` answers, so that cells are as high as in the other panel of the row.
    """
    students = values["students"]
    wide = _wide(len(students))
    mean = students.mean(axis=0) if len(students) else np.full(len(labels), np.nan)
    for column, p in enumerate((values["truth"][0], values["teacher"][0], mean)):
        _cells(ax, column * wide, p, wide)
        for answer, probability in enumerate(p):
            if probability >= _WRITTEN:
                ax.text(
                    column * wide,
                    answer,
                    f"{100 * probability:.0f}",
                    ha="center",
                    va="center_baseline",
                    fontsize=6.5,
                    color="#ffffff" if probability > 0.55 else "#000000",
                )
    first = _first(wide)
    for place, p in enumerate(_ordered(students)[:_STUDENTS_SHOWN]):
        _cells(ax, first + place, p)
    ax.set_yticks(range(len(labels)), labels, fontsize=6.5, parse_math=False)
    ax.set_xticks([])
    ax.set_xlim(-0.6 * wide, first + max(min(len(students), _STUDENTS_SHOWN), 1) - 0.4)
    ax.set_ylim(rows - 0.45, -0.55)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _wide(students: int) -> float:
    """Width of the columns with numbers, in columns of students."""
    return max(1.0, min(students, _STUDENTS_SHOWN) / _ROOM)


def _first(wide: float) -> float:
    """Place of the first student's column."""
    return (len(_SOURCES) - 0.5) * wide + _GAP + 0.5


def _cells(ax: Axes, column: float, probabilities: np.ndarray, wide: float = 1.0) -> None:
    for answer, probability in enumerate(probabilities):
        shade = max(float(probability), 0.0) if probability >= _LEAST else 0.05
        ax.bar(
            column,
            0.9,
            wide - 0.1,
            bottom=answer - 0.45,
            color=drawing.BLUE,
            alpha=min(shade, 1.0),
            lw=0,
        )


def _ordered(students: np.ndarray) -> np.ndarray:
    """Students by their favourite answer, and then by how sure they are of it."""
    favourite = students.argmax(axis=1)
    return students[np.lexsort((-students.max(axis=1, initial=0), favourite))]


def _name_columns(ax: Axes, students: np.ndarray) -> None:
    """Name the columns below the last panel."""
    wide = _wide(len(students))
    names = [(0.0, "truth"), (wide, "\nteacher"), (2 * wide, "mean")]
    shown_students = min(len(students), _STUDENTS_SHOWN)
    more = f" of {len(students)}" if len(students) > shown_students else ""
    names.append((_first(wide) + (shown_students - 1) / 2, f"{shown_students}{more} students"))
    ax.set_xticks([place for place, _ in names], [name for _, name in names], fontsize=6.5)


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


def finding(columns: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> str:
    """What is seen: how sure students are, and what they answer together.

    Parameters
    ----------
    columns : sequence
        See `draw_gallery`.

    Returns
    -------
    str
        One sentence per group of prompts.
    """
    sentences = []
    for name, prompts in columns:
        students = [np.asarray(prompt["students"], np.float64) for prompt in prompts]
        if not any(map(len, students)):
            continue
        sure = np.mean([p.max(axis=1).mean() for p in students])
        together = np.mean([p.mean(axis=0).max() for p in students])
        teacher = np.mean([np.max(prompt["teacher"]) for prompt in prompts])
        sentences.append(
            f"{name}: a student gives its most probable answer {100 * sure:.0f} % probability, all "
            f"students together {100 * together:.0f} %, and the teacher {100 * teacher:.0f} %."
        )
    return " ".join(sentences)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    del settings
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    settings_of = {
        role: [artifacts.read_provenance(path)["config"] for path in inputs.paths[role]]
        for role in ("students", "answers")
    }
    shards = map(Settings.model_validate, settings_of["students"])
    conditions = [condition for shard in shards for condition in shard.conditions]
    single = [c for c in conditions if _is_sampled_single(c)] or conditions[:1]
    condition = min(single, key=lambda c: abs((c.temperature or 1.0) - 1))
    asked = StudentsSettings.model_validate(settings_of["answers"][0])
    evaluated = corpus.evaluated(asked.evaluation.prompts)
    columns = []
    for prompts in shown(corpus, evaluated, _PROMPTS_SHOWN):
        taught, _, _ = StudentAnswers(inputs, prompts).of_condition(condition, None)
        rows = artifacts.rows_where(prompt_id=prompts.tolist()) & SAMPLED
        table = inputs.read("teacher_answers", "answers", rows=rows)
        own = table.columns(table.table.column_names)
        teacher = answers_from(own, np.arange(table.table.num_rows), prompts)
        name = GROUPS[corpus.split[prompts[0]]]
        columns.append((f"{name[:1].upper()}{name[1:]}", gallery(corpus, prompts, teacher, taught)))
    note = (
        f"{describe(condition)} Probability of each answer in %, by shade for single students: a "
        "column each, ordered by their favourite."
    )
    return Drawn(lambda: draw_gallery(columns), note, finding(columns))


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
