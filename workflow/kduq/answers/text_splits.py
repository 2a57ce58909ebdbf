"""Stage ``answers`` of a design of splits on text: the whole road, once per split.

A split of a corpus is a corpus of its own: the kind's reader is called with the seed of the split,
so that a generated corpus has other questions, answers and wordings, and any other one other
held-out prompts. It has a teacher of its own, whose students learn as in `kduq.students.text`. One
job goes from the prompts to the students' answers, since on one split starting a job takes longer
than any stage but the training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kduq import seeds
from kduq.answers.asking import evaluate_on_prompts
from kduq.answers.settings import TextSplitSettings as Settings
from kduq.artifacts import schemas
from kduq.conditions import TEACHER, Condition
from kduq.data.corpus import Corpus
from kduq.examples import text as examples
from kduq.responses import text as responses
from kduq.stage import Inputs, Outputs, progress
from kduq.students import text as students
from kduq.targets import text as targets
from kduq.teacher import text as teacher

__all__ = ["Settings", "models_of_split", "run"]

#: Columns of a table by its stage.
Tables = dict[str, dict[str, Any]]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write prompts, students, loss curves and answers of a shard; see `kduq.stage.Stage`."""
    # The examples of the corpus are an input because they change with its file.
    del inputs
    parts: dict[str, list[dict[str, Any]]] = {}
    models = 1 + len(settings.students.conditions) * len(settings.students.replicates)
    with progress(models * len(settings.replicates), "model") as advance:
        for number in settings.replicates:
            for stage, columns in models_of_split(settings.named(number), advance).items():
                rows = len(next(iter(columns.values())))
                own = {"split_number": np.full(rows, number, np.int32)}
                parts.setdefault(stage, []).append(own | columns)
    for stage, tables in parts.items():
        outputs.write(stage, students.stack(tables))


def models_of_split(settings: Settings, advance: Callable[[int], object]) -> Tables:
    """Draw a corpus, train a teacher and its students, and let all of them answer.

    Parameters
    ----------
    settings : Settings
        Of one split; see `Settings.named`.
    advance : callable
        Called with 1 after every model.

    Returns
    -------
    dict of str to dict
        Columns of the tables examples, students, losses and answers, by condition and replicate.
        The first answers are the teacher's, under the condition of labels that are the truth.
    """
    prompts = examples.prepare(settings.corpus)
    corpus = Corpus.from_columns(prompts)
    model, tokenizer, _ = teacher.fit(settings.teacher, corpus, lambda _: None)
    seed = seeds.replicate_seed(settings.seed, settings.teacher.path, 0)
    own = evaluate_on_prompts(model, tokenizer, settings.own, corpus, seed)
    answers = [_with_condition(Condition(label_source=TEACHER), 0, own)]
    sampled = responses.sample(model, tokenizer, settings.responses, corpus, lambda _: None)
    advance(1)
    rows, losses = [], []
    for row, curve, columns in _of_students(settings, corpus, sampled, advance):
        rows.append(row)
        losses.append(curve)
        answers.append(columns)
    return {
        "examples": prompts,
        "students": students.stack(rows),
        "losses": students.stack(losses),
        "answers": students.stack(answers),
    }


def _of_students(
    settings: Settings,
    corpus: Corpus,
    sampled: Mapping[str, Any],
    advance: Callable[[int], object],
) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Rows of each student in the tables students, losses and answers."""
    conditions = settings.students.conditions
    selected = targets.select(settings.targets, corpus, sampled)
    taught = students.Targets(corpus, selected, _rows_of(selected, conditions))
    start, tokenizer = students.start_of(settings.students, corpus)
    found = {}
    for student in students.trained_from(settings.students, taught, start, tokenizer):
        assert student.seed is not None  # only students of a factorial design have several
        condition = conditions[student.condition]
        columns = evaluate_on_prompts(
            student.model, tokenizer, settings.evaluation, corpus, student.seed
        )
        own = _with_condition(condition, student.replicate, columns)
        found[student.condition, student.replicate] = *students.rows_of(condition, student), own
        advance(1)
    yield from (found[key] for key in sorted(found))


def _rows_of(columns: Mapping[str, Any], conditions: Sequence[Condition]) -> list[np.ndarray]:
    """Numbers of the rows of each condition."""
    rows: dict[Condition, list[int]] = {condition: [] for condition in conditions}
    for row, values in enumerate(zip(*(columns[n] for n in schemas.CONDITION), strict=True)):
        rows[Condition(**dict(zip(schemas.CONDITION, values, strict=True)))].append(row)
    return [np.array(numbers, np.intp) for numbers in rows.values()]


def _with_condition(
    condition: Condition, replicate: int, columns: Mapping[str, Any]
) -> dict[str, Any]:
    """Columns of a model's answers, with those of its condition and its replicate."""
    size = len(columns["text"])
    own = {name: [getattr(condition, name)] * size for name in schemas.CONDITION}
    return own | {"replicate": np.full(size, replicate, np.int32)} | dict(columns)
