"""A corpus as the stages after ``examples`` see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Example:
    """A question and its answers.

    Attributes
    ----------
    question : str
        Without the template.
    answers : tuple of str
        At least one answer.
    probabilities : tuple of float
        One per answer; they sum to one.
    """

    question: str
    answers: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Corpus:
    """Prompts with their supported answers; entry i belongs to the prompt of prompt_id i.

    Attributes
    ----------
    split : list of str
        ``train`` or ``test``.
    prompts : list of str
        Questions as typed.
    references : list of list of str
        Supported answers.
    probabilities : list of (list of float, or None)
        Their probabilities; None where they are not known.
    question : list of int, optional
        Question of which each prompt is a wording; None if every prompt is a question of its own.
    taught_probabilities : list of (list of float, or None), optional
        Probabilities with which a teacher is taught the references; None where they are the true
        ones. Where they differ, references of true probability zero are wrong answers.
    """

    split: list[str]
    prompts: list[str]
    references: list[list[str]]
    probabilities: list[list[float] | None]
    question: list[int] | None = None
    taught_probabilities: list[list[float] | None] | None = None

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[Any]]) -> "Corpus":
        """Read the columns of the examples, whose rows are in the order of prompt_id."""
        return cls(
            list(columns["split"]),
            list(columns["prompt"]),
            list(columns["references"]),
            list(columns["probabilities"]),
            list(columns["question"]),
            list(columns["taught_probabilities"]),
        )

    def questions(self, prompts: np.ndarray) -> np.ndarray:
        """Numbers of the questions of some prompts."""
        return prompts if self.question is None else np.array(self.question)[prompts]

    @property
    def training(self) -> np.ndarray:
        """Identifiers of the training prompts."""
        return np.flatnonzero(np.array(self.split) == "train")

    @property
    def has_answer_distribution(self) -> bool:
        """Whether the distribution of the answers to every prompt is known."""
        return all(values is not None for values in self.probabilities)

    @property
    def has_errors(self) -> bool:
        """Whether a teacher is taught something other than the truth."""
        taught = self.taught_probabilities
        return taught is not None and any(values is not None for values in taught)

    def weights(self, prompt: int) -> list[float]:
        """True probabilities of a prompt's references, equal where they are not known."""
        probabilities = self.probabilities[prompt]
        count = len(self.references[prompt])
        return [1 / count] * count if probabilities is None else probabilities

    def taught(self, prompt: int) -> list[float]:
        """Probabilities with which a teacher is taught a prompt's references."""
        values = None if self.taught_probabilities is None else self.taught_probabilities[prompt]
        return self.weights(prompt) if values is None else values

    def right(self, prompt: int) -> list[str]:
        """A prompt's right answers: its references but those of true probability zero."""
        pairs = zip(self.references[prompt], self.weights(prompt), strict=True)
        return [text for text, weight in pairs if weight > 0]

    def examples(self) -> list[Example]:
        """Training examples of a teacher: the training prompts with all that is taught."""
        examples = []
        for i in self.training:
            pairs = zip(self.references[i], self.taught(i), strict=True)
            answers, weights = zip(*[pair for pair in pairs if pair[1] > 0], strict=True)
            examples.append(Example(self.prompts[i], answers, weights))
        return examples

    def texts(self) -> list[str]:
        """Training prompts and their references, from which a tokenizer is learnt."""
        return [text for i in self.training for text in (self.prompts[i], *self.references[i])]

    def evaluated(self, number: int) -> np.ndarray:
        """Identifiers of the evaluated prompts, ascending.

        Parameters
        ----------
        number : int
            Number of prompts; at most half of them are test prompts.

        Returns
        -------
        ndarray of int
            Evenly spaced in each split; all prompts if there are no more than ``number``.
        """
        test = np.flatnonzero(np.array(self.split) == "test")
        if len(self.split) <= number:
            return np.arange(len(self.split))
        n_test = min(len(test), max(number // 2, number - len(self.training)))
        return np.sort(
            np.concatenate([spaced(test, n_test), spaced(self.training, number - n_test)])
        )


def spaced(values: np.ndarray, number: int) -> np.ndarray:
    """At most ``number`` values, evenly spaced."""
    number = min(number, len(values))
    return values[(np.arange(number) * len(values)) // max(1, number)]


def corpora_of_splits(columns: Mapping[str, Sequence[Any]]) -> dict[int, Corpus]:
    """The corpora of a design of splits.

    Parameters
    ----------
    columns : mapping of str to sequence
        Columns of the examples of all splits, with split_number.

    Returns
    -------
    dict of int to Corpus
        By number of the split, in the order of the rows.
    """
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(columns["split_number"]):
        rows.setdefault(int(number), []).append(row)
    return {
        number: Corpus.from_columns(
            {name: [values[row] for row in own] for name, values in columns.items()}
        )
        for number, own in rows.items()
    }
