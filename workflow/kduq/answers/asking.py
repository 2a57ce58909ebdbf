"""Answers of any language model to the evaluated prompts."""

from typing import Any

import numpy as np

from kduq.answers import GREEDY
from kduq.answers.settings import Evaluation
from kduq.data.corpus import Corpus
from kduq.families.lm import sampling, scoring
from kduq.families.lm.text import Model, Tokenizer


def evaluate_on_prompts(
    model: Model, tokenizer: Tokenizer, evaluation: Evaluation, corpus: Corpus, seed: int
) -> dict[str, Any]:
    """Let a model answer the evaluated prompts.

    Parameters
    ----------
    model, tokenizer
        Teacher or student.
    evaluation : Evaluation
        Number of prompts and draws, and how answers are sampled.
    corpus : Corpus
        The prompts.
    seed : int
        Seed of the model's decoding.

    Returns
    -------
    dict of str to array or list
        The columns that every answer has, by prompt and then by draw: first the greedy answer, as
        draw `GREEDY`, and then the sampled ones. Further draws do not change the first ones.

    Raises
    ------
    UserError
        If a prompt, or a supported answer whose exact probability is computed, does not fit into
        the limits.
    """
    check_max_new_tokens(tokenizer, evaluation, corpus)
    prompt_ids = corpus.evaluated(evaluation.prompts)
    questions = [corpus.prompts[i] for i in prompt_ids]
    length, decoding = evaluation.max_length, evaluation.decoding
    greedy = sampling.answer(model, tokenizer, questions, 1, decoding, 0.0, seed, length)
    sampled = sampling.answer(
        model, tokenizer, questions, evaluation.draws, decoding, 1.0, seed, length
    )
    entries = [(int(prompt_ids[a.prompt]), GREEDY, a) for a in greedy]
    entries += [(int(prompt_ids[a.prompt]), a.draw, a) for a in sampled]
    entries.sort(key=lambda entry: entry[:2])
    support: dict[int, list[float]] = {}
    if corpus.has_answer_distribution:
        references = [corpus.references[i] for i in prompt_ids]
        scores = scoring.score(model, tokenizer, questions, references, length)
        support = {int(i): values.tolist() for i, values in zip(prompt_ids, scores, strict=True)}
    return {
        "prompt_id": np.array([prompt for prompt, _, _ in entries], np.int32),
        "draw": np.array([draw for _, draw, _ in entries], np.int32),
        "text": [a.text for _, _, a in entries],
        "n_tokens": np.array([a.n_tokens for _, _, a in entries], np.int32),
        "logprob": np.array([a.logprob for _, _, a in entries]),
        "finish_reason": [a.finish_reason for _, _, a in entries],
        "support_logprobs": [
            support.get(prompt) if draw == 0 else None for prompt, draw, _ in entries
        ],
    }


def check_max_new_tokens(tokenizer: Tokenizer, evaluation: Evaluation, corpus: Corpus) -> None:
    """Refuse a limit on new tokens at which the longest supported answer would be cut.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        The model's.
    evaluation : Evaluation
        Its decoding has the limit.
    corpus : Corpus
        Only a corpus with an answer distribution is checked.

    Raises
    ------
    UserError
        If a supported answer has more tokens.
    """
    if corpus.has_answer_distribution:
        references = (text for group in corpus.references for text in group)
        limit = evaluation.decoding.max_new_tokens
        sampling.check_max_new_tokens(tokenizer, limit, references)
