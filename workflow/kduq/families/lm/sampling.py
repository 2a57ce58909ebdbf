"""Sampling of answers, and exact probabilities of given answers."""

import hashlib
import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import transformers

from kduq import seeds
from kduq.errors import UserError
from kduq.families.lm import forward, packing, text
from kduq.families.lm.settings import Decoding
from kduq.families.lm.text import Model, Tokenizer

#: Default number of tokens of prompts and answers that are sampled at once.
SAMPLED_PER_MICROBATCH = 16_384
#: The same for scoring, where all tokens of an answer have logits at the same time.
SCORED_PER_MICROBATCH = 4_096


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

    Prompts of equal length are computed together without padding, the draws of a question share
    its prompt's keys and values, and a draw that has ended leaves the batch. The random numbers of
    a draw depend on the seed, the question's text and the draw's number alone. A draw is therefore
    the same whatever the other questions, and further draws do not change the first ones.

    Parameters
    ----------
    model : transformers causal language model
        Any model with a cache of keys and values.
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
        If a prompt leaves no room for an answer within max_length.
    """
    prompts = text.encode_prompts(tokenizer, questions, max_length)
    end, processors = text.end_of_text(tokenizer), logits_processors(decoding, temperature)
    answers: dict[tuple[int, int], Answer] = {}
    for members in _groups(prompts, draws, decoding.max_new_tokens, tokens_per_microbatch):
        length = len(prompts[members[0][0]])
        limit = min(decoding.max_new_tokens, max_length - length)
        uniforms = np.stack([_uniforms(seed, questions[i], draw, limit) for i, draw in members])
        group = _Draws(model, end, processors, temperature == 0, limit)
        with torch.inference_mode():
            group.run([prompts[i] for i, _ in members], uniforms)
        texts = tokenizer.batch_decode(group.tokens, skip_special_tokens=True)
        for (i, draw), tokens, line, total, reason in zip(
            members, group.tokens, texts, group.totals, group.reasons, strict=True
        ):
            mean = float(total) / len(tokens)
            answers[i, draw] = Answer(i, draw, line.strip(), len(tokens), mean, reason)
    return [answers[key] for key in sorted(answers)]


def _uniforms(seed: int, question: str, draw: int, size: int) -> np.ndarray:
    """Random numbers of one draw, shape (size,)."""
    digest = int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big")
    return seeds.generator(seed, "decoding", (digest << 32) | draw).random(size)


def _groups(
    prompts: Sequence[Sequence[int]], draws: int, new_tokens: int, tokens_per_microbatch: int
) -> Iterator[list[tuple[int, int]]]:
    """Questions and draws that are sampled at once: prompts of equal length."""
    by_length: dict[int, list[int]] = {}
    for i, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(i)
    for length, members in sorted(by_length.items()):
        pairs = [(i, draw) for i in members for draw in range(draws)]
        size = max(1, tokens_per_microbatch // (length + new_tokens))
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
    uniforms : Tensor of float64 of shape (B,)
        Quantiles, in [0, 1).

    Returns
    -------
    Tensor of int64 of shape (B,)
        The token at each quantile.
    """
    cumulative = logits.double().softmax(-1).cumsum(-1)
    # The last sum is one up to rounding. Scaled by it, no quantile lies beyond the last token.
    quantiles = uniforms[:, None] * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, quantiles, right=True)[:, 0]
    return tokens.clamp_(max=logits.shape[1] - 1)


@dataclass
class _Draws:
    """Draws that are sampled at once, from prompts of equal length."""

    model: Model
    end: int
    processors: Any
    greedy: bool
    limit: int
    tokens: list[list[int]] = field(default_factory=list)
    totals: np.ndarray = field(default_factory=lambda: np.empty(0))
    reasons: list[str] = field(default_factory=list)

    def run(self, prompts: Sequence[Sequence[int]], uniforms: np.ndarray) -> None:
        """Sample one answer per prompt; consecutive equal prompts are computed once."""
        device = self.model.device
        distinct = [i for i, p in enumerate(prompts) if i == 0 or p != prompts[i - 1]]
        repeats = np.diff([*distinct, len(prompts)])
        copies = torch.from_numpy(np.repeat(np.arange(len(distinct)), repeats)).to(device)
        context = torch.tensor([prompts[i] for i in distinct], device=device)
        past = transformers.DynamicCache(config=self.model.config)
        logits = self._next(context, past)[copies]
        past.batch_select_indices(copies)
        context = context[copies]
        quantiles = torch.from_numpy(uniforms).to(device)
        self.tokens = [[] for _ in prompts]
        self.totals = np.zeros(len(prompts))
        self.reasons = ["length"] * len(prompts)
        running = np.arange(len(prompts))
        for step in range(self.limit):
            scores = self.processors(context, logits)
            if self.greedy:
                sampled = scores.argmax(-1)
            else:
                sampled = inverse_cdf_sample(scores, quantiles[:, step])
            unprocessed = torch.log_softmax(logits, -1).gather(1, sampled[:, None])[:, 0]
            self.totals[running] += unprocessed.double().cpu().numpy()
            for i, token in zip(running, sampled.tolist(), strict=True):
                self.tokens[i].append(token)
                if token == self.end:
                    self.reasons[i] = "stop"
            continuing = torch.nonzero(sampled != self.end)[:, 0]
            if step == self.limit - 1 or not len(continuing):
                break
            context = torch.cat([context, sampled[:, None]], dim=1)
            if len(continuing) < len(running):
                running, quantiles = running[continuing.cpu().numpy()], quantiles[continuing]
                context = context[continuing]
                past.batch_select_indices(continuing)
            logits = self._next(context[:, -1:], past)

    def _next(self, tokens: torch.Tensor, past: transformers.DynamicCache) -> torch.Tensor:
        """Logits of the next token, shape (B, V); ``past`` is extended by ``tokens``."""
        accepted = inspect.signature(self.model.forward).parameters
        # The argument's name changed within version 5 of transformers.
        arguments: dict[str, Any] = {"cache" if "cache" in accepted else "past_key_values": past}
        if "logits_to_keep" in accepted:
            arguments["logits_to_keep"] = 1
        return self.model(input_ids=tokens, use_cache=True, **arguments).logits[:, -1].float()


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
    with torch.inference_mode():
        for members in packing.microbatches(rows, tokens_per_microbatch):
            microbatch = [rows[i] for i in members]
            values = forward.target_log_probabilities(model, microbatch).double().cpu().numpy()
            ends = np.cumsum([len(row.targets) for row in microbatch])[:-1]
            for i, own in zip(members, np.split(values, ends), strict=True):
                scores[i] = own
    remaining = iter(scores)
    return [[next(remaining) for _ in group] for group in encoded]
