"""Training on questions and their answers."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kduq import seeds
from kduq.families.lm import forward, text
from kduq.families.lm import packing as rows
from kduq.families.lm.text import Model, Tokenizer

#: Largest norm of a batch's gradient.
_CLIP = 1.0
#: AdamW's second rate forgets faster than its usual 0.999: trainings have some hundred steps.
_BETAS = (0.9, 0.99)
#: Points of a loss curve.
_POINTS = 100
_SCHEDULES = ("linear", "constant", "cosine")


@dataclass(frozen=True)
class Example:
    """A question and its answers.

    Attributes
    ----------
    question : str
        Without the template.
    answers : tuple of str
        At least one.
    probabilities : tuple of float
        One an answer, summing to one.
    """

    question: str
    answers: tuple[str, ...]
    probabilities: tuple[float, ...]


def examples_of(pairs: Sequence[tuple[str, str]]) -> list[Example]:
    """Gather question-answer pairs by question.

    Parameters
    ----------
    pairs : sequence of tuple of str
        Question and answer; a question may come again, and so may a pair.

    Returns
    -------
    list of Example
        One a distinct question, in the order in which they first come; an answer's probability is
        its share of the question's pairs.
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
    """How a training went; arrays of one length, a point a window of steps.

    Attributes
    ----------
    step : ndarray of int64
        Optimiser steps done at the end of the window.
    loss : ndarray of float64
        Mean negative log-probability per answer token, in nats, over the window's batches.
    learning_rate : ndarray of float64
        Of the window's last step.
    """

    step: np.ndarray
    loss: np.ndarray
    learning_rate: np.ndarray


def learning_rates(settings: Mapping[str, Any]) -> np.ndarray:
    """Learning rate of every step.

    Parameters
    ----------
    settings : mapping
        steps, learning_rate, schedule (``linear``, ``cosine``: falling to zero; ``constant``) and
        warmup (share of the steps over which the rate rises from zero).

    Returns
    -------
    ndarray of shape (steps,)

    Raises
    ------
    ValueError
        If the schedule is unknown.
    """
    steps, schedule = settings["steps"], settings["schedule"]
    if schedule not in _SCHEDULES:
        raise ValueError(f"schedule '{schedule}' is not one of {', '.join(_SCHEDULES)}")
    rise = math.ceil(settings["warmup"] * steps)
    step = np.arange(steps)
    left = np.clip((steps - step) / max(1, steps - rise), 0, 1)
    shape = {
        "linear": left,
        "cosine": (1 - np.cos(np.pi * left)) / 2,
        "constant": np.ones(steps),
    }[schedule]
    return settings["learning_rate"] * np.where(step < rise, (step + 1) / (rise + 1), shape)


def train(
    model: Model,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    settings: Mapping[str, Any],
    seed: int,
    progress: Callable[[int], object] = lambda _: None,
) -> Losses:
    """Train a model in place by AdamW on the answers' tokens, the end-of-text token included.

    A batch is batch_size questions in random order, every question once an epoch. A question brings
    all its answers, each weighted by its probability: the gradient is then the expected one over
    drawn answers, free of the noise of drawing. In equal steps a teacher so comes far nearer to the
    distribution of its references, and a method with k answers a question sees every question as
    often as one with a single answer. With answers_per_visit = m > 0, m answers are drawn instead.

    Parameters
    ----------
    model : transformers causal language model
        Changed in place; it stays on its device and in its mode: without dropout, as
        `kduq.families.lm.models` gives it, unless its ``train`` was called.
    tokenizer : transformers tokenizer
        The model's.
    examples : sequence of Example
        What is learnt.
    settings : mapping
        steps (optimiser steps), batch_size (questions), learning_rate, schedule and warmup (see
        `learning_rates`), weight_decay (of matrices alone), tokens_per_pass (padded tokens computed
        at once; a larger batch accumulates its gradient, with the same result), max_length (tokens
        of a prompt with its answer) and answers_per_visit (0: all).
    seed : int
        Seed of the student; the order of the questions is its stream ``batches``.
    progress : callable
        Told 1 after every step.

    Returns
    -------
    Losses
        The loss curve, at most 100 points.

    Raises
    ------
    UserError
        If a question leaves no room for an answer within max_length.
    """
    visits = _Visits(tokenizer, examples, settings, forward.takes_trees(model), seed)
    matrices = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings["weight_decay"]},
        {"params": others, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=0.0, betas=_BETAS, fused=True)
    rates = learning_rates(settings)
    losses = np.zeros(len(rates))
    with torch.random.fork_rng():
        # Only a model with dropout draws from this stream.
        torch.manual_seed(seed)
        for step, rate in enumerate(rates):
            for group in optimiser.param_groups:
                group["lr"] = float(rate)
            optimiser.zero_grad()
            losses[step] = accumulate(model, next(visits), settings["tokens_per_pass"])
            torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
            optimiser.step()
            progress(1)
    window = max(1, math.ceil(len(rates) / _POINTS))
    ends = np.minimum(np.arange(window, len(rates) + window, window), len(rates))
    starts = np.concatenate([[0], ends[:-1]])[: len(ends)]
    means = np.add.reduceat(losses, starts) / (ends - starts) if len(ends) else losses
    return Losses(ends, means, rates[ends - 1])


def accumulate(model: Model, batch: Sequence[rows.Row], tokens_per_pass: int) -> float:
    """Add a batch's gradient to the parameters' gradients, pass by pass.

    Parameters
    ----------
    model : transformers causal language model
        Its parameters' ``grad`` are added to.
    batch : sequence of Row
        The batch.
    tokens_per_pass : int
        Padded tokens computed at once.

    Returns
    -------
    float
        The batch's loss: mean negative log-probability per answer token, weighted.
    """
    total = sum(float(row.weights.sum()) for row in batch)
    device = model.device
    loss = 0.0
    for chosen in rows.passes(batch, tokens_per_pass):
        part = [batch[i] for i in chosen]
        weights = np.concatenate([row.weights for row in part]) / total
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            found = forward.target_log_probabilities(model, part)
        weight = torch.from_numpy(weights.astype(np.float32)).to(device)
        part_loss = -(weight * found).sum()
        torch.autograd.backward(part_loss)
        loss += float(part_loss.detach())
    return loss


class _Visits(Iterator[list[rows.Row]]):
    """The batches of a training: random order, every question once an epoch."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        examples: Sequence[Example],
        settings: Mapping[str, Any],
        trees: bool,
        seed: int,
    ) -> None:
        questions = [example.question for example in examples]
        answers = [example.answers for example in examples]
        length = settings["max_length"]
        self._prompts = text.encode_prompts(tokenizer, questions, length)
        self._answers = text.encode_answers(tokenizer, questions, self._prompts, answers, length)
        self._probabilities = [np.array(example.probabilities) for example in examples]
        self._drawn: int = settings["answers_per_visit"]
        self._size = min(settings["batch_size"], len(examples))
        self._trees = trees
        self._random = seeds.generator(seed, "batches")
        self._order = np.empty(0, np.int64)
        self._laid_out: list[list[rows.Row]] = []
        if not self._drawn:
            self._laid_out = [
                self._lay_out(i, range(len(group)), self._probabilities[i])
                for i, group in enumerate(self._answers)
            ]

    def _lay_out(self, i: int, chosen: Sequence[int], weights: np.ndarray) -> list[rows.Row]:
        answers = [self._answers[i][a] for a in chosen]
        if self._trees:
            return [rows.tree(self._prompts[i], answers, weights.tolist())]
        return rows.chains(self._prompts[i], answers, weights.tolist())

    def _visit(self, i: int) -> list[rows.Row]:
        if not self._drawn:
            return self._laid_out[i]
        probabilities = self._probabilities[i]
        drawn = self._random.choice(len(probabilities), self._drawn, p=probabilities)
        return self._lay_out(i, drawn.tolist(), np.full(self._drawn, 1 / self._drawn))

    def __next__(self) -> list[rows.Row]:
        while len(self._order) < self._size:
            # A batch may reach into the next epoch, so that all have one size.
            more = self._random.permutation(len(self._prompts))
            self._order = np.concatenate([self._order, more])
        batch, self._order = self._order[: self._size], self._order[self._size :]
        return [row for i in batch for row in self._visit(int(i))]
