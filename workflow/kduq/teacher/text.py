"""Stage ``teacher`` of language models: made or loaded, trained on the corpus, and asked."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kduq import seeds
from kduq.data.corpus import Corpus
from kduq.errors import UserError
from kduq.families.lm import embeddings, models, sampling, training
from kduq.families.lm.text import Model, Tokenizer

#: Number of the draw that is the teacher's likeliest answer.
GREEDY = -1


def build(settings: dict[str, Any], corpus: Corpus, seed: int) -> tuple[Model, Tokenizer]:
    """Make a model, with a tokenizer learnt from the corpus, or load one.

    Parameters
    ----------
    settings : dict
        Of the model: source, or layers, width, heads, vocabulary, max_length and initial_scale.
    corpus : Corpus
        Its training prompts and references give the tokenizer of a model that is made.
    seed : int
        Of the initial weights.

    Returns
    -------
    model, tokenizer

    Raises
    ------
    UserError
        As `models.load` and `models.create`.
    """
    if settings["source"] is not None:
        model, tokenizer = models.load(settings["source"])
        positions = getattr(model.config, "max_position_embeddings", None)
        if positions is not None and positions < settings["max_length"]:
            raise UserError(
                f"{settings['source']}: the model has {positions} positions, fewer than its "
                f"max_length of {settings['max_length']}; lower max_length"
            )
        return model, tokenizer
    tokenizer = models.make_tokenizer(corpus.texts(), settings["vocabulary"])
    return models.create(settings, tokenizer, seed), tokenizer


def fit(
    settings: dict[str, Any], corpus: Corpus, progress: Callable[[int], object]
) -> tuple[Model, Tokenizer, training.Losses]:
    """Train a teacher on the corpus's training prompts and all their references.

    Parameters
    ----------
    settings : dict
        teacher, dataset, model and seed.
    corpus : Corpus
        What it learns.
    progress : callable
        Told 1 after every step.

    Returns
    -------
    model, tokenizer, losses
        A model that is loaded and used as it is has an empty loss curve.
    """
    path = ("teachers", settings["teacher"], settings["dataset"])
    seed = seeds.replicate_seed(settings["seed"], path, 0)
    model, tokenizer = build(settings["model"], corpus, seed)
    examples = corpus.examples()
    losses = training.train(model, tokenizer, examples, settings["model"], seed, progress)
    return model, tokenizer, losses


def perplexity(
    model: Model, tokenizer: Tokenizer, settings: dict[str, Any], corpus: Corpus
) -> np.ndarray:
    """Perplexity of every prompt's references, held-out prompts included.

    Parameters
    ----------
    model, tokenizer
        From `fit`.
    settings : dict
        model: max_length.
    corpus : Corpus
        All prompts.

    Returns
    -------
    ndarray of shape (prompts,)
        See `sampling.perplexity`.
    """
    weights = [corpus.weights(i) for i in range(len(corpus.prompts))]
    return sampling.perplexity(
        model,
        tokenizer,
        corpus.prompts,
        corpus.references,
        weights,
        settings["model"]["max_length"],
    )


def ask(
    model: Model,
    tokenizer: Tokenizer,
    settings: dict[str, Any],
    corpus: Corpus,
    seed: int,
    greedy: bool = False,
) -> dict[str, Any]:
    """Ask a model the prompts on which models are compared.

    Parameters
    ----------
    model, tokenizer
        Teacher or student.
    settings : dict
        prompts, draws, decoding, embedding_model and max_length.
    corpus : Corpus
        The prompts.
    seed : int
        Of the model's decoding.
    greedy : bool
        Whether draw `GREEDY`, the likeliest answer, is asked for too.

    Returns
    -------
    dict of str to array or list
        The columns that every answer has, by prompt and then by draw.
    """
    chosen = corpus.evaluated(settings["prompts"])
    questions = [corpus.prompts[i] for i in chosen]
    length = settings["max_length"]
    decoding = settings["decoding"] | {"temperature": 1.0}
    answers = [
        (int(chosen[a.prompt]), a.draw, a)
        for a in sampling.answer(
            model, tokenizer, questions, settings["draws"], decoding, seed, length
        )
    ]
    if greedy:
        likeliest = decoding | {"temperature": 0.0}
        answers += [
            (int(chosen[a.prompt]), GREEDY, a)
            for a in sampling.answer(model, tokenizer, questions, 1, likeliest, seed, length)
        ]
    answers.sort(key=lambda entry: entry[:2])
    support: dict[int, list[float]] = {}
    check_room(tokenizer, settings, corpus)
    if corpus.knows_support:
        references = [corpus.references[i] for i in chosen]
        found = sampling.score(model, tokenizer, questions, references, length)
        support = {int(i): scores.tolist() for i, scores in zip(chosen, found, strict=True)}
    texts = [a.text for _, _, a in answers]
    return {
        "prompt_id": np.array([prompt for prompt, _, _ in answers], np.int32),
        "draw": np.array([draw for _, draw, _ in answers], np.int32),
        "text": texts,
        "n_tokens": np.array([a.n_tokens for _, _, a in answers], np.int32),
        "logprob": np.array([a.logprob for _, _, a in answers]),
        "finish_reason": [a.finish_reason for _, _, a in answers],
        "support_logprobs": [
            support.get(prompt) if draw == 0 else None for prompt, draw, _ in answers
        ],
        "embedding": embeddings.embed(texts, settings["embedding_model"]),
    }


def check_room(tokenizer: Tokenizer, settings: dict[str, Any], corpus: Corpus) -> None:
    """Refuse to sample answers that are cut before the longest supported one could end.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        The model's.
    settings : dict
        decoding: max_new_tokens.
    corpus : Corpus
        Only one that knows the support of its prompts is checked.

    Raises
    ------
    UserError
        If a supported answer takes more tokens.
    """
    limit = settings["decoding"]["max_new_tokens"]
    if not corpus.knows_support:
        return
    references = sorted({text for group in corpus.references for text in group})
    lengths = [len(tokens) + 1 for tokens in tokenizer([f" {r}" for r in references]).input_ids]
    longest = int(np.argmax(lengths))
    if lengths[longest] > limit:
        raise UserError(
            f"language.decoding.max_new_tokens: found {limit}, but the supported answer "
            f"'{references[longest][:60]}' takes {lengths[longest]}; give at least as many"
        )


def answers(
    model: Model, tokenizer: Tokenizer, settings: dict[str, Any], corpus: Corpus
) -> dict[str, Any]:
    """The teacher's own answers: what its students' are held against.

    Parameters
    ----------
    model, tokenizer
        The teacher.
    settings : dict
        teacher, dataset, seed and those of `ask`.
    corpus : Corpus
        The prompts.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact ``answers``.
    """
    path = ("teachers", settings["teacher"], settings["dataset"])
    seed = seeds.replicate_seed(settings["seed"], path, 0)
    return ask(model, tokenizer, settings, corpus, seed, greedy=True)
