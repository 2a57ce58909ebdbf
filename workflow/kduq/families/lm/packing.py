"""Prompts with their answers, packed into rows for a model.

A row is one prompt followed by its answers. For models that accept an attention mask per pair of
tokens (`kduq.families.lm.forward`), all answers of a prompt share one row, as a tree of tokens. The
prompt and every common prefix of answers are then computed once. Each token attends to the prompt
and to its own ancestors, at the positions that they have in the answer alone. The row therefore
gives exactly the log-probabilities of the separate answers. For other models a row has one answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """A prompt with one answer, or with a tree of them.

    Attributes
    ----------
    tokens : ndarray of shape (T,)
        The prompt, then the answers' tokens; the last token of an answer predicts nothing and is
        left out.
    positions : ndarray of shape (T,)
        Position of each token in its own answer's text.
    visible : ndarray of shape (T, T)
        Whether the token of the row attends to the token of the column.
    first : int
        Number of the first token that predicts a token of an answer: the prompt's last.
    queries, targets : ndarray of shape (K,)
        Predictions of the answers' tokens: the number of the predicting token, and the target.
    weights : ndarray of shape (K,)
        Weights of the predictions.
    """

    tokens: np.ndarray
    positions: np.ndarray
    visible: np.ndarray
    first: int
    queries: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def pack_prefix_tree(
    prompt: Sequence[int], answers: Sequence[Sequence[int]], weights: Sequence[float]
) -> Row:
    """Pack a prompt with all its answers into one row.

    Parameters
    ----------
    prompt : sequence of int
        At least one token.
    answers : sequence of sequence of int
        At least one answer, each of at least one token.
    weights : sequence of float
        Weight of each answer.

    Returns
    -------
    Row
        A prediction that several answers share is one target, with the sum of their weights.
    """
    start = len(prompt)
    tokens, parents = list(prompt), list(range(-1, start - 1))
    children: dict[tuple[int, int], int] = {}
    shares: dict[tuple[int, int], float] = {}
    for answer, weight in zip(answers, weights, strict=True):
        node = start - 1
        for position, token in enumerate(answer):
            key = (node, token)
            shares[key] = shares.get(key, 0.0) + weight
            if position == len(answer) - 1:
                break
            if key not in children:
                children[key] = len(tokens)
                tokens.append(token)
                parents.append(node)
            node = children[key]
    size = len(tokens)
    visible = np.tril(np.ones((size, size), bool))
    positions = np.arange(size)
    for node in range(start, size):
        visible[node] = visible[parents[node]]
        visible[node, node] = True
        positions[node] = positions[parents[node]] + 1
    keys = list(shares)
    return Row(
        np.array(tokens),
        positions,
        visible,
        start - 1,
        np.array([node for node, _ in keys]),
        np.array([token for _, token in keys]),
        np.array([shares[key] for key in keys]),
    )


def pack_separately(
    prompt: Sequence[int], answers: Sequence[Sequence[int]], weights: Sequence[float]
) -> list[Row]:
    """Pack a prompt with each answer into a row of its own; see `pack_prefix_tree`."""
    return [
        pack_prefix_tree(prompt, [answer], [weight])
        for answer, weight in zip(answers, weights, strict=True)
    ]


def microbatches(rows: Sequence[Row], tokens: int) -> list[list[int]]:
    """Split rows into microbatches of rows of similar length.

    Parameters
    ----------
    rows : sequence of Row
        Rows of one batch.
    tokens : int
        Largest number of padded tokens per microbatch; a longer row is a microbatch of its own.

    Returns
    -------
    list of list of int
        Numbers of the rows of each microbatch; every row is in one of them.
    """
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].tokens))
    groups: list[list[int]] = []
    for i in order:
        # Lengths ascend, so this row sets the width of its microbatch.
        if groups and (len(groups[-1]) + 1) * len(rows[i].tokens) <= tokens:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
