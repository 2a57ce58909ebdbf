"""Training of language models on questions and their answers."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kduq import seeds
from kduq.data.corpus import Example
from kduq.errors import UserError
from kduq.families.lm import forward, gpt2, packing, text
from kduq.families.lm.packing import Row
from kduq.families.lm.settings import LanguageModelSettings
from kduq.families.lm.text import Model, Tokenizer

#: Largest norm of a batch's gradient.
_CLIP = 1.0
#: AdamW forgets squared gradients faster than by default (0.999), for trainings of some hundred
#: steps.
_BETAS = (0.9, 0.99)
#: Largest number of points of a loss curve.
_POINTS = 100


def examples_of(pairs: Sequence[tuple[str, str]]) -> list[Example]:
    """Gather question-answer pairs by question.

    Parameters
    ----------
    pairs : sequence of tuple of str
        Question and answer; questions and pairs may be repeated.

    Returns
    -------
    list of Example
        One per distinct question, in the order of their first pairs; an answer's probability is its
        share of the question's pairs.
    """
    counts: dict[str, dict[str, int]] = {}
    for question, answer in pairs:
        group = counts.setdefault(question, {})
        group[answer] = group.get(answer, 0) + 1
    return [
        Example(
            question,
            tuple(group),
            tuple(count / sum(group.values()) for count in group.values()),
        )
        for question, group in counts.items()
    ]


@dataclass(frozen=True)
class Losses:
    """Loss curve of a training: arrays with one element per window of steps.

    Attributes
    ----------
    step : ndarray of int64
        Optimiser steps done at the end of the window.
    loss : ndarray of float64
        Mean negative log-probability per answer token, in nats, over the window's batches.
    learning_rate : ndarray of float64
        Learning rate of the window's last step.
    """

    step: np.ndarray
    loss: np.ndarray
    learning_rate: np.ndarray


def learning_rates(settings: LanguageModelSettings) -> np.ndarray:
    """Learning rate of every step.

    Parameters
    ----------
    settings : LanguageModelSettings
        The rate rises from zero during the warm-up. The schedules ``linear`` and ``cosine`` then
        fall to zero.

    Returns
    -------
    ndarray of shape (steps,)
        In the unit of the setting learning_rate.
    """
    # Equal to transformers.get_scheduler, shifted by one step: bit for bit, except for rounding in
    # the cosine schedule.
    steps = settings.steps
    rise = math.ceil(settings.warmup * steps)
    step = np.arange(steps)
    left = np.clip((steps - step) / max(1, steps - rise), 0, 1)
    shape = {
        "linear": left,
        "cosine": (1 - np.cos(np.pi * left)) / 2,
        "constant": np.ones(steps),
    }[settings.schedule]
    return settings.learning_rate * np.where(step < rise, (step + 1) / (rise + 1), shape)


def train(
    model: Model,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    settings: LanguageModelSettings,
    seed: int,
    progress: Callable[[int], object] = lambda _: None,
    sampled: bool = False,
) -> Losses:
    """Train a model in place by AdamW on the answers' tokens, the end-of-text token included.

    A batch is batch_size questions in random order, every question once per epoch. A question has
    all its answers, each weighted by its probability. The gradient is therefore the expectation
    over drawn answers, without the noise of drawing: with the same number of steps a teacher comes
    far nearer to the distribution of its references. A method with k answers per question visits
    every question as often as a method with one answer. With answers_per_visit = m > 0, m answers
    are drawn at each visit instead.

    Parameters
    ----------
    model : transformers causal language model
        Changed in place, on its device and in its mode. A model from `kduq.families.lm.models` is
        in evaluation mode, without dropout.
    tokenizer : transformers tokenizer
        The model's.
    examples : sequence of Example
        Questions with their answers.
    settings : LanguageModelSettings
        Settings of the training.
    seed : int
        Seed of the student; the order of the questions is its stream ``batches``.
    progress : callable
        Called with the number of steps done since the last call.
    sampled : bool
        Whether the answers are those of a model. One that has not learnt may never stop, which is
        no mistake of the settings: its answers are never refused, however many are cut.

    Returns
    -------
    Losses
        The loss curve, at most 100 points.

    Raises
    ------
    UserError
        If a question leaves no room for an answer within max_length, if most answers are cut there,
        or if a text spells a special token of the tokenizer.
    """
    batches = Batches(model, tokenizer, examples, settings, seed, sampled)
    rates = learning_rates(settings)
    if gpt2.runs(model):
        optimiser = gpt2.Optimiser(rates, settings.weight_decay, _BETAS, _CLIP)
        losses = gpt2.train(model, batches, optimiser, settings.tokens_per_microbatch, progress)
    else:
        losses = _train_by_torch(model, batches, rates, settings, seed, progress)
    window = max(1, math.ceil(len(rates) / _POINTS))
    ends = np.minimum(np.arange(window, len(rates) + window, window), len(rates))
    starts = np.concatenate([[0], ends[:-1]])[: len(ends)]
    means = np.add.reduceat(losses, starts) / (ends - starts) if len(ends) else losses
    return Losses(ends, means, rates[ends - 1])


def _train_by_torch(
    model: Model,
    batches: Iterator[list[Row]],
    rates: np.ndarray,
    settings: LanguageModelSettings,
    seed: int,
    progress: Callable[[int], object],
) -> np.ndarray:
    """Train any model in place; the losses of the steps, shape (steps,)."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=0.0, betas=_BETAS, fused=True)
    losses = np.zeros(len(rates))
    with torch.random.fork_rng():
        # Only a model with dropout draws from this stream.
        torch.manual_seed(seed)
        for step, rate in enumerate(rates):
            for group in optimiser.param_groups:
                group["lr"] = float(rate)
            optimiser.zero_grad()
            losses[step] = accumulate(model, next(batches), settings.tokens_per_microbatch)
            torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
            optimiser.step()
            progress(1)
    return losses


def accumulate(model: Model, batch: Sequence[Row], tokens_per_microbatch: int) -> float:
    """Add a batch's gradient to the parameters' gradients, one microbatch after the other.

    Parameters
    ----------
    model : transformers causal language model
        The gradient is added to ``grad`` of its parameters.
    batch : sequence of Row
        The batch.
    tokens_per_microbatch : int
        Padded tokens computed at once.

    Returns
    -------
    float
        The batch's loss: mean negative log-probability per answer token, weighted.
    """
    total = sum(float(row.weights.sum()) for row in batch)
    device = model.device
    loss = 0.0
    for members in packing.microbatches(batch, tokens_per_microbatch):
        microbatch = [batch[i] for i in members]
        weights = np.concatenate([row.weights for row in microbatch]) / total
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            log_probabilities = forward.target_log_probabilities(model, microbatch)
        weight = torch.from_numpy(weights.astype(np.float32)).to(device)
        share = -(weight * log_probabilities).sum()
        torch.autograd.backward(share)
        loss += float(share.detach())
    return loss


def require_room(tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> None:
    """Refuse settings under which most answers of a corpus would be cut; see `train`.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        A student's, whose own answers to learn are not known yet.
    examples : sequence of Example
        Questions with the corpus's answers.
    max_length : int
        Tokens of a prompt and its answer together.

    Raises
    ------
    UserError
        As `train`.
    """
    questions = [example.question for example in examples]
    prompts = text.encode_prompts(tokenizer, questions, max_length)
    answers = [example.answers for example in examples]
    encoded = text.encode_answers(tokenizer, questions, prompts, answers, max_length)
    for found, most in _lacking(tokenizer, encoded, max_length):
        if most:
            raise UserError(found)


def _report(
    tokenizer: Tokenizer,
    answers: Sequence[Sequence[Sequence[int]]],
    max_length: int,
    sampled: bool,
) -> None:
    """Say how many answers are not taught whole; refuse a training on mostly such answers."""
    for found, most in _lacking(tokenizer, answers, max_length):
        if most and not sampled:
            raise UserError(found)
        sys.stderr.write(f"{found}\n")


def _lacking(
    tokenizer: Tokenizer, answers: Sequence[Sequence[Sequence[int]]], max_length: int
) -> Iterator[tuple[str, bool]]:
    """What answers lack, in a line, and whether most of them do."""
    rows = [row for group in answers for row in group]
    end, unknown = text.end_of_text(tokenizer), text.unknown_token(tokenizer)
    cut = sum(row[-1] != end for row in rows)
    if cut:
        yield (
            f"max_length: {max_length} tokens are too few for {cut} of {len(rows)} answers, which "
            "are taught without an end, so that the model would not learn how answers end; raise "
            "max_length or shorten the questions or answers",
            2 * cut > len(rows),
        )
    lacking = sum(unknown[0] in row for row in rows) if unknown else 0
    if unknown and lacking:
        yield (
            f"the model's tokenizer has no tokens for parts of {lacking} of {len(rows)} answers, "
            f"which are taught as {unknown[1]}; name a model whose vocabulary has their words or "
            "characters",
            2 * lacking > len(rows),
        )


class Batches(Iterator[list[Row]]):
    """The batches of a training: random order, every question once per epoch.

    Parameters
    ----------
    model, tokenizer, examples, settings, seed, sampled
        As in `train`.

    Raises
    ------
    UserError
        If a question leaves no room for an answer within max_length, if most answers are cut there,
        or if a text spells a special token of the tokenizer.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        examples: Sequence[Example],
        settings: LanguageModelSettings,
        seed: int,
        sampled: bool = False,
    ) -> None:
        questions = [example.question for example in examples]
        answers = [example.answers for example in examples]
        length = settings.max_length
        self._prompts = text.encode_prompts(tokenizer, questions, length)
        self._answers = text.encode_answers(tokenizer, questions, self._prompts, answers, length)
        _report(tokenizer, self._answers, length, sampled)
        self._probabilities = [np.array(example.probabilities) for example in examples]
        self._draws = settings.answers_per_visit
        self._size = min(settings.batch_size, len(examples))
        self._trees = forward.takes_trees(model)
        self._random = seeds.generator(seed, "batches")
        self._order = np.empty(0, np.int64)
        self._packed: list[list[Row]] = []
        if not self._draws:
            self._packed = [
                self._pack(i, range(len(group)), self._probabilities[i])
                for i, group in enumerate(self._answers)
            ]

    def _pack(self, i: int, numbers: Sequence[int], weights: np.ndarray) -> list[Row]:
        answers = [self._answers[i][a] for a in numbers]
        if self._trees:
            return [packing.pack_prefix_tree(self._prompts[i], answers, weights.tolist())]
        return packing.pack_separately(self._prompts[i], answers, weights.tolist())

    def _visit(self, i: int) -> list[Row]:
        if not self._draws:
            return self._packed[i]
        probabilities = self._probabilities[i]
        drawn = self._random.choice(len(probabilities), self._draws, p=probabilities)
        return self._pack(i, drawn.tolist(), np.full(self._draws, 1 / self._draws))

    def __next__(self) -> list[Row]:
        while len(self._order) < self._size:
            # A batch may extend into the next epoch, so that all have the same size.
            more = self._random.permutation(len(self._prompts))
            self._order = np.concatenate([self._order, more])
        batch, self._order = self._order[: self._size], self._order[self._size :]
        return [row for i in batch for row in self._visit(int(i))]
