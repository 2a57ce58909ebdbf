"""Answers of language models, arranged by model, prompt and draw.

Texts and embeddings of answers are looked up in the run's table of distinct texts when they are
used. The memory therefore grows with the number of distinct texts, and not with that of answers by
more than a few numbers each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kduq import artifacts
from kduq.answers import GREEDY
from kduq.conditions import Condition
from kduq.stage import Inputs

#: Columns of a table of answers from which estimates are computed.
_COLUMNS = ("prompt_id", "draw", "n_tokens", "logprob", "support_logprobs")
#: Rows of a table of answers that were sampled.
SAMPLED = ~artifacts.rows_where(draw=GREEDY)


@dataclass(frozen=True)
class Lookup:
    """An array whose elements are rows of a smaller one, and are looked up when they are used.

    Attributes
    ----------
    values : ndarray of shape (N, ...)
        The rows.
    index : ndarray of int of any shape
        Number of the row of each element.
    """

    values: np.ndarray
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return (*self.index.shape, *self.values.shape[1:])

    def __getitem__(self, key: Any) -> np.ndarray:
        """Elements by any index of the first axes, as a new array."""
        elements: np.ndarray = self.values[self.index[key]]
        return elements

    def reshaped(self, rows: np.ndarray, shape: tuple[int, ...]) -> "Lookup":
        """Some elements, by their numbers, in another shape."""
        return Lookup(self.values, self.index[rows].reshape(shape))


class DistinctTexts:
    """The distinct texts of a run, with their embeddings.

    Parameters
    ----------
    table : Artifact
        Of stage ``embeddings``.
    """

    def __init__(self, table: artifacts.Artifact) -> None:
        self._column = table.table.column("text").combine_chunks()
        self._texts = np.array(self._column.to_pylist(), dtype=object)
        self._embeddings = table.column("embedding")

    def numbers(self, texts: Any) -> np.ndarray:
        """Numbers of texts in the table.

        Parameters
        ----------
        texts : pyarrow.ChunkedArray or sequence of str
            Texts of the run.

        Returns
        -------
        ndarray of int32 of shape (len(texts),)
            Row of each.

        Raises
        ------
        ValueError
            If the table lacks a text.
        """
        if not isinstance(texts, pa.ChunkedArray):
            texts = pa.array(list(texts), pa.string())
        found = pc.index_in(texts, value_set=self._column)
        if found.null_count:
            raise ValueError(f"{found.null_count} texts of a run have no embedding")
        numbers: np.ndarray = found.to_numpy()
        return numbers

    def embeddings(self, texts: Iterable[str]) -> np.ndarray:
        """Embeddings of texts, shape (len(texts), D)."""
        embeddings: np.ndarray = self._embeddings[self.numbers(list(texts))]
        return embeddings

    def columns(self, table: artifacts.Artifact) -> dict[str, Any]:
        """Columns of a table of answers, for `answers_from`.

        Parameters
        ----------
        table : Artifact
            Answers of a teacher, or of students.

        Returns
        -------
        dict of str to array
            With `Lookup` for text and embedding.
        """
        names = [*_COLUMNS, *({"replicate"} & set(table.table.column_names))]
        numbers = self.numbers(table.table.column("text"))
        return table.columns(names) | {
            "text": Lookup(self._texts, numbers),
            "embedding": Lookup(self._embeddings, numbers),
        }


@dataclass(frozen=True)
class Answers:
    """Sampled answers of S models to the P evaluated prompts, J draws each.

    Attributes
    ----------
    texts : ndarray of str objects, or Lookup, of shape (S, P, J)
        The answers.
    embeddings : ndarray of float32, or Lookup, of shape (S, P, J, D)
        Their sentence embeddings, of unit norm.
    support : list of P (ndarray of shape (S, A_p), or None)
        Exact probability that each model gives to each reference of a prompt, at temperature 1
        and without truncation; they need not sum to 1. None where it was not computed.
    replicates : ndarray of int of shape (S,), optional
        Numbers of the models' replicates; None for 0 to S - 1.
    logprobs : ndarray of shape (S, P, J), optional
        Log-probability of each answer under the model that gave it, in nats: the sum over its
        tokens, at temperature 1 and without truncation. None where it was not computed.
    greedy : ndarray of str objects of shape (S, P), optional
        Greedy answers; None where they were not asked for.
    """

    texts: np.ndarray | Lookup
    embeddings: np.ndarray | Lookup
    support: list[np.ndarray | None]
    replicates: np.ndarray | None = None
    logprobs: np.ndarray | None = None
    greedy: np.ndarray | None = None


def answers_from(columns: Mapping[str, Any], rows: np.ndarray, evaluated: np.ndarray) -> Answers:
    """Arrange rows of a table of answers.

    Parameters
    ----------
    columns : mapping of str to array
        prompt_id, draw, text, n_tokens, logprob (a mean over tokens), support_logprobs (a list in
        the row of the first draw, or None), where they are used embedding of shape (rows, D) and,
        where there is more than one model, replicate.
    rows : ndarray of int
        Numbers of the rows to use, in any order; empty for no models.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the prompts, in the order of the result. Rows of other prompts are ignored.

    Returns
    -------
    Answers
        Models in ascending order of replicate.

    Raises
    ------
    ValueError
        If a model lacks a draw at a prompt, or has one twice.
    """
    prompts, draws = np.asarray(columns["prompt_id"]), np.asarray(columns["draw"])
    rows = np.asarray(rows, dtype=np.intp)
    rows = rows[np.isin(prompts[rows], evaluated)]
    replicate = np.asarray(columns.get("replicate", np.zeros(len(prompts), np.intp)))[rows]
    shape = (len(np.unique(replicate)), len(evaluated), len(np.unique(draws[rows])))
    prompt = np.argsort(evaluated)[np.searchsorted(np.sort(evaluated), prompts[rows])]
    order = np.lexsort((draws[rows], prompt, replicate))
    keys = np.stack([replicate, prompt, draws[rows]])[:, order]
    grid = np.meshgrid(*map(np.unique, keys), indexing="ij")
    if keys.shape[1] != np.prod(shape) or (keys != np.stack(grid).reshape(3, -1)).any():
        raise ValueError(
            f"{keys.shape[1]} answers of {shape[0]} models to {shape[1]} prompts, where every "
            f"model gives {shape[2]} to each prompt"
        )
    rows = rows[order]
    first = rows.reshape(shape)[:, :, 0] if len(rows) else np.zeros((0, len(evaluated)), np.intp)
    logprobs = columns["support_logprobs"]
    embeddings = columns.get("embedding", np.zeros((len(prompts), 0), np.float32))
    sums = np.asarray(columns["n_tokens"])[rows] * np.asarray(columns["logprob"])[rows]
    return Answers(
        _arranged(columns["text"], rows, shape),
        _arranged(embeddings, rows, shape),
        [_probabilities([logprobs[row] for row in column]) for column in first.T],
        np.unique(replicate),
        sums.astype(np.float64).reshape(shape),
    )


def _arranged(values: Any, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | Lookup:
    if isinstance(values, Lookup):
        return values.reshaped(rows, shape)
    return np.asarray(values)[rows].reshape(*shape, *np.shape(values)[1:])


class StudentAnswers:
    """Answers of the students of a run, read condition by condition.

    Parameters
    ----------
    inputs : Inputs
        With the roles students and answers.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the prompts.
    split : int, optional
        Number of a split, in a design of splits.
    """

    def __init__(self, inputs: Inputs, evaluated: np.ndarray, split: int | None = None) -> None:
        self._inputs, self._evaluated = inputs, evaluated
        self._rows = artifacts.rows_where(**({} if split is None else {"split_number": split}))
        self._students = inputs.read_all("students", rows=self._rows)

    def of_condition(
        self, condition: Condition, texts: DistinctTexts | None
    ) -> tuple[Answers, int, int]:
        """Read the answers of one condition's students.

        Parameters
        ----------
        condition : Condition
            The condition.
        texts : DistinctTexts, optional
            Texts and embeddings of the run; None for sampled answers without embeddings.

        Returns
        -------
        answers : Answers
            Of the students that did not diverge.
        n_diverged, n_total : int
            Number of students that diverged, and of all students.
        """
        (own,) = self._students.rows_of([condition])
        diverged = self._students.column("diverged")[own].astype(bool)
        good = self._students.column("replicate")[own][~diverged]
        rows = artifacts.rows_of_condition(condition) & artifacts.rows_where(
            prompt_id=self._evaluated.tolist(), replicate=good.tolist()
        )
        rows = rows & self._rows
        if texts is None:
            rows = rows & SAMPLED
        table = self._inputs.read_all("answers", rows=rows)
        columns = texts.columns(table) if texts else table.columns((*_COLUMNS, "text", "replicate"))
        is_greedy = columns["draw"] == GREEDY
        answers = answers_from(columns, np.flatnonzero(~is_greedy), self._evaluated)
        if is_greedy.any():
            greedy = answers_from(columns, np.flatnonzero(is_greedy), self._evaluated)
            answers = replace(answers, greedy=greedy.texts[:, :, 0])
        return answers, int(diverged.sum()), len(own)


def _probabilities(logprobs: Sequence[Any]) -> np.ndarray | None:
    if not logprobs or any(values is None for values in logprobs):
        return None
    return np.exp(np.array([np.asarray(values, np.float64) for values in logprobs]))
