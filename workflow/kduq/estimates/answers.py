"""Answers of language models, arranged by model, prompt and draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Columns of a table of answers from which estimates are computed.
COLUMNS = (
    "prompt_id",
    "draw",
    "text",
    "n_tokens",
    "logprob",
    "embedding",
    "support_logprobs",
)


@dataclass(frozen=True)
class Answers:
    """Sampled answers of S models to the P evaluated prompts, J draws each.

    Attributes
    ----------
    texts : ndarray of str objects of shape (S, P, J)
        The answers.
    embeddings : ndarray of float32 of shape (S, P, J, D)
        Their sentence embeddings, of unit norm.
    support : list of P (ndarray of shape (S, A_p), or None)
        Exact probability that each model gives to each reference of a prompt, at temperature 1
        and without truncation; they need not sum to 1. None where it was not computed.
    replicates : ndarray of int of shape (S,), optional
        Numbers of the models' replicates; None for 0 to S - 1.
    logprobs : ndarray of shape (S, P, J), optional
        Log-probability of each answer under the model that gave it, in nats: the sum over its
        tokens, at temperature 1 and without truncation. None where it was not computed.
    """

    texts: np.ndarray
    embeddings: np.ndarray
    support: list[np.ndarray | None]
    replicates: np.ndarray | None = None
    logprobs: np.ndarray | None = None


def answers_from(columns: Mapping[str, Any], rows: np.ndarray, evaluated: np.ndarray) -> Answers:
    """Arrange rows of a table of answers.

    Parameters
    ----------
    columns : mapping of str to array
        prompt_id, draw, text, n_tokens, logprob (a mean over tokens), embedding of shape (rows, D),
        support_logprobs (a list in the row of the first draw, or None) and, where there is more
        than one model, replicate.
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
    embeddings = np.asarray(columns["embedding"], dtype=np.float32)
    sums = np.asarray(columns["n_tokens"])[rows] * np.asarray(columns["logprob"])[rows]
    return Answers(
        np.asarray(columns["text"], dtype=object)[rows].reshape(shape),
        embeddings[rows].reshape(*shape, embeddings.shape[1]),
        [_probabilities([logprobs[row] for row in column]) for column in first.T],
        np.unique(replicate),
        sums.astype(np.float64).reshape(shape),
    )


def of_condition(
    columns: Mapping[str, Any], rows: np.ndarray, evaluated: np.ndarray
) -> tuple[Answers, int, int]:
    """Arrange the rows of one condition's students; see `answers_from`.

    Parameters
    ----------
    columns : mapping of str to array
        As in `answers_from`, with replicate and diverged.
    rows : ndarray of int
        Numbers of the condition's rows.
    evaluated : ndarray of int of shape (P,)
        Identifiers of the prompts.

    Returns
    -------
    answers : Answers
        Of the students that did not diverge.
    n_diverged, n_total : int
        Number of students that diverged, and of all students.
    """
    diverged = columns["diverged"][rows].astype(bool)
    replicate = columns["replicate"][rows]
    n_diverged = len(np.unique(replicate[diverged]))
    good = answers_from(columns, rows[~diverged], evaluated)
    return good, n_diverged, len(np.unique(replicate))


def _probabilities(logprobs: Sequence[Any]) -> np.ndarray | None:
    if not logprobs or any(values is None for values in logprobs):
        return None
    return np.exp(np.array([np.asarray(values, np.float64) for values in logprobs]))
