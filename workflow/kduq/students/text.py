"""Stage ``students`` of text: language models, trained on the targets of their condition."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from kduq import seeds
from kduq.artifacts import schemas, weights
from kduq.conditions import LEVEL_COLUMNS, Condition
from kduq.data.corpus import Corpus, Example
from kduq.families.lm import models, text, training
from kduq.families.lm.text import Model, Tokenizer
from kduq.stage import Inputs, Outputs, progress
from kduq.students.settings import TextSettings as Settings

__all__ = ["Settings", "Student", "Targets", "run", "start_of", "trained"]

#: Columns of the targets that are read beside those of the conditions.
_COLUMNS = ("replicate", "prompt_id", "text", "weight")


@dataclass(frozen=True)
class Student:
    """A trained student.

    Attributes
    ----------
    condition : int
        Number of its condition in the shard.
    replicate : int
        Number of its replicate or, in a factorial design, of its combination of levels.
    seed : int, optional
        Its seed; None if it has several.
    model : transformers model
        The trained model.
    losses : Losses
        Its loss curve.
    levels : mapping of str to int
        In a factorial design its level of every factor.
    """

    condition: int
    replicate: int
    seed: int | None
    model: Model
    losses: training.Losses
    levels: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Prefix of the names of its tensors."""
        return weights.prefix(self.condition, self.replicate)


class Targets:
    """What the students of a shard are taught.

    Parameters
    ----------
    corpus : Corpus
        The prompts.
    columns : mapping of str to array
        Columns of the artifact ``targets``.
    rows : sequence of ndarray of int
        Numbers of the rows of each condition.
    """

    def __init__(
        self, corpus: Corpus, columns: Mapping[str, Any], rows: Sequence[np.ndarray]
    ) -> None:
        self.corpus, self._columns, self._rows = corpus, columns, rows

    @classmethod
    def read(cls, inputs: Inputs, conditions: Sequence[Condition]) -> "Targets":
        """Read the targets of a shard, and its corpus."""
        corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
        table = inputs.read("targets")
        return cls(corpus, table.columns(_COLUMNS), table.rows_of(conditions))

    def of(self, condition: int, replicate: int) -> list[Example]:
        """Examples of one student.

        Parameters
        ----------
        condition : int
            Number of its condition.
        replicate : int
            Number of its replicate.

        Returns
        -------
        list of Example
            One per distinct question, in the order of the prompts. Prompts with the same text are
            one question, whose answers are those of all of them.
        """
        rows = self._rows[condition]
        rows = rows[self._columns["replicate"][rows] == replicate]
        answers: dict[str, dict[str, float]] = {}
        prompts: dict[str, set[int]] = {}
        for row in rows:
            prompt, line = int(self._columns["prompt_id"][row]), self._columns["text"][row]
            question = self.corpus.prompts[prompt]
            group = answers.setdefault(question, {})
            group[line] = group.get(line, 0.0) + float(self._columns["weight"][row])
            prompts.setdefault(question, set()).add(prompt)
        return [
            Example(
                question,
                tuple(group),
                tuple(weight / len(prompts[question]) for weight in group.values()),
            )
            for question, group in answers.items()
        ]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard, their weights and loss curves; see `kduq.stage.Stage`."""
    targets = Targets.read(inputs, settings.conditions)
    numbers = [(i, n) for i in range(len(settings.conditions)) for n in settings.replicates]
    write(settings, trained(settings, targets), numbers, outputs)


def start_of(settings: Settings, corpus: Corpus) -> tuple[Model, Tokenizer]:
    """The model at which all students of a run start, and its tokenizer.

    Parameters
    ----------
    settings : Settings
        Settings of a shard.
    corpus : Corpus
        The prompts, from which the tokenizer of a new model is learnt.

    Returns
    -------
    model, tokenizer
        Equal for all shards of a run.
    """
    shared = seeds.replicate_seed(settings.seed, (*settings.path, "shared_init"), 0)
    model, tokenizer = models.load_or_create(settings.model, corpus.texts(), shared)
    # Held-out prompts are read after the training.
    text.refuse_special_tokens(tokenizer, corpus.prompts)
    training.require_room(tokenizer, corpus.examples(), settings.model.max_length)
    return model, tokenizer


def trained(settings: Settings, targets: Targets) -> Iterator[Student]:
    """Train the students of one shard.

    All students of a run start at the same weights, as all students of the paper start at
    DistilGPT-2, and each has its own order of the prompts. Every method trains for the same number
    of steps on batches of the same number of prompts, so k answers per prompt are not k times the
    training: a prompt's answers share its visits, weighted by their frequency.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    targets : Targets
        What its students are taught.

    Yields
    ------
    Student
        By replicate. Conditions with the same targets and initialisation noise share a model, which
        is trained once. Its caller may use a model until the next is asked for.
    """
    yield from trained_from(settings, targets, *start_of(settings, targets.corpus))


def trained_from(
    settings: Settings, targets: Targets, start: Model, tokenizer: Tokenizer
) -> Iterator[Student]:
    """Train the students of one shard from a model that `start_of` returned; see `trained`."""
    for number in settings.replicates:
        seed = seeds.replicate_seed(settings.seed, settings.path, number)
        same: dict[tuple[Any, ...], list[int]] = {}
        for i, condition in enumerate(settings.conditions):
            key = tuple(targets.of(i, number)), condition.init_noise
            same.setdefault(key, []).append(i)
        for (examples, scale), conditions in same.items():
            model = copy.deepcopy(start)
            if scale:
                draw = seeds.generator(seed, "init_noise").integers(2**63)
                models.perturb(model, scale, torch.Generator().manual_seed(int(draw)))
            losses = training.train(model, tokenizer, examples, settings.model, seed, sampled=True)
            for i in conditions:
                yield Student(i, number, seed, model, losses)


def write(
    settings: Settings,
    students: Iterator[Student],
    numbers: Sequence[tuple[int, int]],
    outputs: Outputs,
) -> None:
    """Write students as they are trained.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    students : iterator of Student
        In any order.
    numbers : sequence of tuple of int
        Numbers of the condition and the replicate of each, in the order of the artifact.
    outputs : Outputs
        With losses and students and, where models are kept, weights.
    """
    rows: dict[tuple[int, int], tuple[dict[str, Any], dict[str, Any]]] = {}
    names = [weights.prefix(*number) for number in numbers]
    with outputs.weights(names) as keep, progress(len(names), "student") as advance:
        for student in students:
            keep(student.name, models.tensors_of(student.model))
            condition = settings.conditions[student.condition]
            rows[student.condition, student.replicate] = rows_of(condition, student)
            advance(1)
    ordered = [rows[number] for number in numbers]
    outputs.write("losses", stack([curve for _, curve in ordered]))
    outputs.write("students", stack([row for row, _ in ordered]))


def rows_of(condition: Condition, student: Student) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of a student in the artifacts ``students``, one, and ``losses``, one per point."""
    losses = student.losses
    points, last = len(losses.step), float(losses.loss[-1])
    values = {name: getattr(condition, name) for name in schemas.CONDITION}
    return (
        {name: [value] for name, value in values.items()}
        | {
            "replicate": [student.replicate],
            "seed": [student.seed],
            "diverged": [not np.isfinite(last)],
            "train_loss": np.array([last]),
        }
        | {
            column: [student.levels.get(factor)]
            for factor, column in LEVEL_COLUMNS.items()
            if student.levels
        },
        {name: [value] * points for name, value in values.items()}
        | {
            "replicate": np.full(points, student.replicate, np.int32),
            "step": losses.step.astype(np.int32),
            "loss": losses.loss,
            "learning_rate": losses.learning_rate,
        },
    )


def stack(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Stack the columns of several tables."""
    stacked: dict[str, Any] = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts]
        if isinstance(first, np.ndarray):
            stacked[name] = np.concatenate(values)
        else:
            stacked[name] = [value for part in values for value in part]
    return stacked
