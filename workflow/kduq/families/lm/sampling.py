"""Sampling of answers."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

from kduq import seeds
from kduq.errors import UserError
from kduq.families.lm import gpt2, text
from kduq.families.lm.prefixes import (
    CachedPrefixes,
    CompiledPrefixes,
    Prefixes,
    WholePrefixes,
    shares_cache,
)
from kduq.families.lm.settings import Decoding
from kduq.families.lm.text import Model, Tokenizer

#: Default number of tokens of prompts and answers that are sampled at once.
SAMPLED_PER_MICROBATCH = 16_384


@dataclass(frozen=True)
class Answer:
    """A sampled answer.

    Attributes
    ----------
    prompt : int
        Number of its question in the list of questions.
    draw : int
        Number of the draw.
    text : str
        Without surrounding white space and without special tokens.
    n_tokens : int
        Generated tokens, the end-of-text token included.
    logprob : float
        Mean log-probability of the generated tokens in nats, under the model itself: no
        temperature, penalty or truncation.
    finish_reason : str
        ``stop`` after an end-of-text token, ``length`` otherwise.
    """

    prompt: int
    draw: int
    text: str
    n_tokens: int
    logprob: float
    finish_reason: str


def answer(
    model: Model,
    tokenizer: Tokenizer,
    questions: Sequence[str],
    draws: int,
    decoding: Decoding,
    temperature: float,
    seed: int,
    max_length: int,
    tokens_per_microbatch: int = SAMPLED_PER_MICROBATCH,
) -> list[Answer]:
    """Sample answers to questions.

    Draws of a question that agree so far are computed once, and share the keys and values of their
    tokens. A draw's random numbers depend on the seed, the question's text and the draw's number
    alone. It is therefore the same whatever the other questions, and further draws do not change
    the first ones.

    Parameters
    ----------
    model : transformers causal language model
        Any model. One whose past cannot be shared between texts, as that of a recurrent model,
        reads each text anew for each token: slower, with the same answers. A line on standard error
        says so.
    tokenizer : transformers tokenizer
        The model's.
    questions : sequence of str
        Questions, without the template. Equal questions get equal draws.
    draws : int
        Answers per question.
    decoding : Decoding
        As in transformers, the repetition penalty counts the prompt's tokens too.
    temperature : float
        Temperature; 0 for greedy decoding, which takes the most probable token.
    seed : int
        Seed of the student or response; its stream is ``decoding``.
    max_length : int
        Tokens of a prompt and its answer together, after which the answer is cut.
    tokens_per_microbatch : int
        Tokens of prompts and answers that are sampled at once.

    Returns
    -------
    list of Answer
        By question, then by draw.

    Raises
    ------
    UserError
        If a prompt leaves no room for an answer within max_length, or if a question spells a
        special token.
    """
    prompts = text.encode_prompts(tokenizer, questions, max_length)
    end, processors = text.end_of_text(tokenizer), logits_processors(decoding, temperature)
    new, compiled = decoding.max_new_tokens, gpt2.runs(model)
    cached = compiled or not draws or not prompts or shares_cache(model, prompts, new, max_length)
    answers: dict[tuple[int, int], Answer] = {}
    for members in _groups(prompts, draws, new, tokens_per_microbatch, together=compiled):
        own = [prompts[i] for i, _ in members]
        limits = np.array([min(new, max_length - len(prompt)) for prompt in own])
        uniforms = np.concatenate(
            [
                _uniforms(seed, questions[i], draws, max_length)[[draw for _, draw in group]]
                for i, group in itertools.groupby(members, lambda member: member[0])
            ]
        )
        state: Prefixes
        if compiled:
            state = CompiledPrefixes(model, own, new)
        else:
            state = CachedPrefixes(model) if cached else WholePrefixes(model)
        with torch.inference_mode():
            group = _sample(state, own, limits, uniforms, end, processors, temperature == 0)
        texts = tokenizer.batch_decode(group.tokens, skip_special_tokens=True)
        for (i, draw), tokens, line, total in zip(
            members, group.tokens, texts, group.totals, strict=True
        ):
            reason = "stop" if tokens[-1] == end else "length"
            mean = float(total) / len(tokens)
            answers[i, draw] = Answer(i, draw, line.strip(), len(tokens), mean, reason)
    return [answers[key] for key in sorted(answers)]


def _uniforms(seed: int, question: str, draws: int, size: int) -> np.ndarray:
    """Random numbers of the draws of a question, shape (draws, size)."""
    digest = int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big")
    return seeds.generator(seed, "decoding", digest).random((draws, size))


def _groups(
    prompts: Sequence[Sequence[int]],
    draws: int,
    new_tokens: int,
    tokens_per_microbatch: int,
    together: bool,
) -> Iterator[list[tuple[int, int]]]:
    """Questions and draws that are sampled at once: of prompts of equal length, or of any."""
    by_length: dict[int, list[int]] = {}
    for i, prompt in enumerate(prompts):
        by_length.setdefault(0 if together else len(prompt), []).append(i)
    for _, members in sorted(by_length.items()):
        longest = max(len(prompts[i]) for i in members)
        pairs = [(i, draw) for i in members for draw in range(draws)]
        size = max(1, tokens_per_microbatch // (longest + new_tokens))
        for start in range(0, len(pairs), size):
            yield pairs[start : start + size]


def logits_processors(decoding: Decoding, temperature: float) -> Any:
    """Processors from a model's logits to those from which tokens are sampled.

    Parameters
    ----------
    decoding : Decoding
        Penalty, top_k and top_p; neutral values need no processor.
    temperature : float
        Temperature; 0 for greedy decoding, which needs no processor.

    Returns
    -------
    transformers.LogitsProcessorList
        Penalty, temperature, top_k and top_p, in this order; called with the tokens so far (B, T)
        and the logits of the next token (B, V).
    """
    steps = transformers.LogitsProcessorList()
    if decoding.repetition_penalty != 1:
        penalty = float(decoding.repetition_penalty)
        steps.append(transformers.RepetitionPenaltyLogitsProcessor(penalty))
    if temperature not in (0, 1):
        steps.append(transformers.TemperatureLogitsWarper(float(temperature)))
    if decoding.top_k:
        steps.append(transformers.TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        steps.append(transformers.TopPLogitsWarper(float(decoding.top_p)))
    return steps


def inverse_cdf_sample(logits: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Sample tokens by the inverse of their cumulative distribution.

    Parameters
    ----------
    logits : Tensor of shape (B, V)
        Of the next token.
    uniforms : Tensor of float64 of shape (B, C)
        Quantiles, in [0, 1).

    Returns
    -------
    Tensor of int64 of shape (B, C)
        The token at each quantile.
    """
    cumulative = logits.double().softmax(-1).cumsum(-1)
    # The last sum is one up to rounding. Scaled by it, no quantile lies beyond the last token.
    quantiles = uniforms * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, quantiles, right=True)
    return tokens.clamp_(max=logits.shape[1] - 1)


@dataclass
class _Sampled:
    """Sampled answers: their tokens, and the sums of their log-probabilities."""

    tokens: list[list[int]]
    totals: np.ndarray


def _sample(
    texts: Prefixes,
    prompts: Sequence[Sequence[int]],
    limits: np.ndarray,
    uniforms: np.ndarray,
    end: int,
    processors: Any,
    greedy: bool,
) -> _Sampled:
    """Sample one answer per prompt; answers that agree so far are computed once.

    Parameters
    ----------
    texts : Prefixes
        The model.
    prompts : sequence of sequence of int
        Prompts; equal ones follow each other.
    limits : ndarray of int of shape (n,)
        Largest number of tokens of each answer.
    uniforms : ndarray of shape (n, tokens)
        Random numbers.
    end : int
        The end-of-text token.
    processors : transformers.LogitsProcessorList
        See `logits_processors`.
    greedy : bool
        Whether to take the most probable token.

    Returns
    -------
    _Sampled
        The answers.
    """
    first = [i for i, p in enumerate(prompts) if i == 0 or p != prompts[i - 1]]
    prefix = np.repeat(np.arange(len(first)), np.diff([*first, len(prompts)]))
    distinct = [list(prompts[i]) for i in first]
    logits = texts.start(distinct)
    device, longest = logits.device, max(map(len, distinct))
    # The penalty counts each token once: a repeated first token is no other context.
    context = torch.tensor([p[:1] * (longest - len(p)) + p for p in distinct], device=device)
    sampled = _Sampled([[] for _ in prompts], np.zeros(len(prompts)))
    running = np.arange(len(prompts))
    for step in range(int(limits.max())):
        scores = processors(context, logits)
        column = _number_among_equal(prefix)
        if greedy:
            table = scores.argmax(-1)[:, None].expand(-1, int(column.max()) + 1)
        else:
            quantiles = np.zeros((len(scores), int(column.max()) + 1))
            quantiles[prefix, column] = uniforms[running, step]
            table = inverse_cdf_sample(scores, torch.from_numpy(quantiles).to(device))
        unprocessed = torch.log_softmax(logits, -1).gather(1, table).double().cpu().numpy()
        tokens = table.cpu().numpy()[prefix, column]
        sampled.totals[running] += unprocessed[prefix, column]
        for i, token in zip(running, tokens.tolist(), strict=True):
            sampled.tokens[i].append(token)
        continuing = (tokens != end) & (step + 1 < limits[running])
        if not continuing.any():
            break
        running = running[continuing]
        pairs = prefix[continuing] * logits.shape[1] + tokens[continuing]
        extended, prefix = np.unique(pairs, return_inverse=True)
        parents, new = np.divmod(extended, logits.shape[1])
        logits = texts.extend(parents, new)
        grown = torch.from_numpy(new).to(device)[:, None]
        context = torch.cat([context[torch.from_numpy(parents).to(device)], grown], dim=1)
    return sampled


def _number_among_equal(values: np.ndarray) -> np.ndarray:
    """For each element, how many equal ones precede it, shape (n,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.searchsorted(ordered, ordered)
    number = np.empty(len(values), np.int64)
    number[order] = np.arange(len(values)) - starts
    return number


def check_max_new_tokens(
    tokenizer: Tokenizer, max_new_tokens: int, references: Iterable[str]
) -> None:
    """Refuse a limit on new tokens at which the longest reference would be cut.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        The model's.
    max_new_tokens : int
        Tokens after which an answer is cut.
    references : iterable of str
        Supported answers, at least one.

    Raises
    ------
    UserError
        If a reference has more tokens.
    """
    answers = sorted(set(references))
    lengths = [len(tokens) + 1 for tokens in tokenizer([f" {a}" for a in answers]).input_ids]
    longest = int(np.argmax(lengths))
    if lengths[longest] > max_new_tokens:
        raise UserError(
            f"language.decoding.max_new_tokens: found {max_new_tokens}, but the supported answer "
            f"'{answers[longest][:60]}' takes {lengths[longest]}; allow at least as many"
        )
