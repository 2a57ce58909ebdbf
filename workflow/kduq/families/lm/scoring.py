"""Exact probabilities of given answers."""

from collections.abc import Sequence

import numpy as np
import torch

from kduq.families.lm import forward, gpt2, packing, text
from kduq.families.lm.text import Model, Tokenizer

#: The same for scoring, where all tokens of an answer have logits at the same time.
SCORED_PER_MICROBATCH = 4_096


def score(
    model: Model,
    tokenizer: Tokenizer,
    questions: Sequence[str],
    answers: Sequence[Sequence[str]],
    max_length: int,
    tokens_per_microbatch: int = SCORED_PER_MICROBATCH,
) -> list[np.ndarray]:
    """Log-probabilities of answers; for all supported answers, a question's exact distribution.

    Parameters
    ----------
    model : transformers causal language model
        The model, at temperature 1.
    tokenizer : transformers tokenizer
        The model's. An answer is scored by the tokens into which it encodes the answer's text;
        other tokens with the same text are not counted.
    questions : sequence of str
        Questions, without the template.
    answers : sequence of sequence of str
        The answers to each question.
    max_length : int
        Tokens of a prompt and its answer together.
    tokens_per_microbatch : int
        Padded tokens computed at once.

    Returns
    -------
    list of ndarray of shape (answers,)
        For each question: sums over each answer's tokens, the end-of-text token included, in nats.

    Raises
    ------
    UserError
        If a prompt with an answer does not fit into max_length.
    """
    # A cut answer would have the total probability of all answers that begin with it.
    tokens = _token_scores(
        model, tokenizer, questions, answers, max_length, tokens_per_microbatch, whole=True
    )
    return [np.array([scores.sum() for scores in group]) for group in tokens]


def perplexity(
    model: Model,
    tokenizer: Tokenizer,
    questions: Sequence[str],
    references: Sequence[Sequence[str]],
    probabilities: Sequence[Sequence[float]],
    max_length: int,
    tokens_per_microbatch: int = SCORED_PER_MICROBATCH,
) -> np.ndarray:
    """Perplexity of each question's references.

    Parameters
    ----------
    model, tokenizer, questions, max_length, tokens_per_microbatch
        As in `score`.
    references : sequence of sequence of str
        True answers to each question.
    probabilities : sequence of sequence of float
        Their probabilities.

    Returns
    -------
    ndarray of shape (questions,)
        exp of the mean negative log-probability per answer token, the end-of-text token included;
        the tokens of a reference are weighted by its probability.

    Raises
    ------
    UserError
        If a prompt leaves no room for an answer within max_length.
    """
    tokens = _token_scores(
        model, tokenizer, questions, references, max_length, tokens_per_microbatch
    )
    perplexities = []
    for group, weights in zip(tokens, probabilities, strict=True):
        total = sum(w * scores.sum() for w, scores in zip(weights, group, strict=True))
        count = sum(w * len(scores) for w, scores in zip(weights, group, strict=True))
        perplexities.append(np.exp(-total / count))
    return np.array(perplexities)


def _token_scores(
    model: Model,
    tokenizer: Tokenizer,
    questions: Sequence[str],
    answers: Sequence[Sequence[str]],
    max_length: int,
    tokens_per_microbatch: int,
    whole: bool = False,
) -> list[list[np.ndarray]]:
    """Log-probability of every token of every answer."""
    prompts = text.encode_prompts(tokenizer, questions, max_length)
    encoded = text.encode_answers(tokenizer, questions, prompts, answers, max_length, whole)
    rows = [
        row
        for prompt, group in zip(prompts, encoded, strict=True)
        for row in packing.pack_separately(prompt, group, [1.0] * len(group))
    ]
    scores: list[np.ndarray] = [np.empty(0)] * len(rows)
    compute = (
        gpt2.target_log_probabilities if gpt2.runs(model) else forward.target_log_probabilities
    )
    with torch.inference_mode():
        for members in packing.microbatches(rows, tokens_per_microbatch):
            microbatch = [rows[i] for i in members]
            values = compute(model, microbatch).double().cpu().numpy()
            ends = np.cumsum([len(row.targets) for row in microbatch])[:-1]
            for i, own in zip(members, np.split(values, ends), strict=True):
                scores[i] = own
    remaining = iter(scores)
    return [[next(remaining) for _ in group] for group in encoded]
