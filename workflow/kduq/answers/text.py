"""Stage ``answers`` of text: the teacher's own answers to the evaluated prompts."""

from typing import Any

import numpy as np

from kduq import seeds
from kduq.answers import GREEDY
from kduq.answers.settings import Evaluation
from kduq.answers.settings import TextSettings as Settings
from kduq.data.corpus import Corpus
from kduq.families.lm import embeddings, sampling
from kduq.families.lm.text import Model, Tokenizer
from kduq.stage import Inputs, Outputs
from kduq.teacher import text as teacher

__all__ = ["Settings", "answers", "check_max_new_tokens", "evaluate_on_prompts", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the teacher's answers; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    model, tokenizer = teacher.load(inputs)
    outputs.write("answers", answers(model, tokenizer, settings, corpus))


def answers(
    model: Model, tokenizer: Tokenizer, settings: Settings, corpus: Corpus
) -> dict[str, Any]:
    """The teacher's own answers, with which its students' answers are compared.

    Parameters
    ----------
    model, tokenizer
        The teacher.
    settings : Settings
        How it answers.
    corpus : Corpus
        The prompts.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact.
    """
    seed = seeds.replicate_seed(settings.seed, settings.path, 0)
    return evaluate_on_prompts(model, tokenizer, settings.evaluation, corpus, seed, greedy=True)


def evaluate_on_prompts(
    model: Model,
    tokenizer: Tokenizer,
    evaluation: Evaluation,
    corpus: Corpus,
    seed: int,
    greedy: bool = False,
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
    greedy : bool
        Whether to add its greedy answer, as draw `GREEDY`.

    Returns
    -------
    dict of str to array or list
        The columns that every answer has, by prompt and then by draw.
    """
    prompt_ids = corpus.evaluated(evaluation.prompts)
    questions = [corpus.prompts[i] for i in prompt_ids]
    length, decoding = evaluation.max_length, evaluation.decoding
    entries = [
        (int(prompt_ids[a.prompt]), a.draw, a)
        for a in sampling.answer(
            model, tokenizer, questions, evaluation.draws, decoding, 1.0, seed, length
        )
    ]
    if greedy:
        entries += [
            (int(prompt_ids[a.prompt]), GREEDY, a)
            for a in sampling.answer(model, tokenizer, questions, 1, decoding, 0.0, seed, length)
        ]
    entries.sort(key=lambda entry: entry[:2])
    support: dict[int, list[float]] = {}
    check_max_new_tokens(tokenizer, evaluation, corpus)
    if corpus.has_answer_distribution:
        references = [corpus.references[i] for i in prompt_ids]
        scores = sampling.score(model, tokenizer, questions, references, length)
        support = {int(i): values.tolist() for i, values in zip(prompt_ids, scores, strict=True)}
    texts = [a.text for _, _, a in entries]
    return {
        "prompt_id": np.array([prompt for prompt, _, _ in entries], np.int32),
        "draw": np.array([draw for _, draw, _ in entries], np.int32),
        "text": texts,
        "n_tokens": np.array([a.n_tokens for _, _, a in entries], np.int32),
        "logprob": np.array([a.logprob for _, _, a in entries]),
        "finish_reason": [a.finish_reason for _, _, a in entries],
        "support_logprobs": [
            support.get(prompt) if draw == 0 else None for prompt, draw, _ in entries
        ],
        "embedding": embeddings.embed(texts, evaluation.embedding_model),
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
