"""Classifiers: softmax regression and networks of one hidden layer.

They train compiled where that can be done (`compiled`), one student after the other, elsewhere a
chunk at once. On all rows the students then share their inputs, so one matrix product computes the
first layer of all of them and one more its gradient. In mini-batches every student walks through
the rows in an order of its own, since that order is part of what makes students differ.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from kduq import seeds
from kduq.families import Batch, Problem, Trained, compiled, network

#: Rows in one piece of a prediction: bounds the memory for the hidden layer of a chunk.
_ROWS = 2048


class _Classifier:
    """Minimises the cross-entropy Σ weight · Σ_c label_c · -log p_c by Adam.

    Parameters
    ----------
    problem : Problem
        Inputs and one-hot truth of shape (n, C).
    settings : dict
        epochs, learning_rate, initialisation, shared_init, record_every (as of `mlp.Mlp`),
        batch_size (rows in a step; None for all; rows left over at the end of an epoch sit it
        out), max_steps (None for no limit), and hidden for networks.
    """

    #: Even, and small enough for the activations of a chunk to stay in the cache.
    chunk = 10

    def __init__(self, problem: Problem, settings: dict[str, Any]) -> None:
        self._settings = settings
        hidden = (settings["hidden"],) if "hidden" in settings else ()
        self._widths = (problem.train_x.shape[1], *hidden, problem.train_y.shape[1])
        self._train_x = network.design(problem.train_x)
        self._test_x = network.design(problem.test_x)

    def initial_parameters(
        self, seed: int, init_noise: float | None, pilot: int | None
    ) -> list[np.ndarray]:
        """Initial layers of one student; see `network.initial_layers`.

        Parameters
        ----------
        seed : int
            Seed of its replicate.
        init_noise : float, optional
            Scale of the perturbation; see `network.perturb`.
        pilot : int, optional
            Number of a pilot student's response.

        Returns
        -------
        list of ndarray of shape (outputs, inputs + 1)
            One a layer.
        """
        shared = self._settings["shared_init"]
        stream = 0 if pilot is None else pilot + 1
        layers = network.initial_layers(
            seeds.generator(seed if shared is None else shared, "init", stream),
            self._widths,
            self._settings["initialisation"],
        )
        if init_noise:
            network.perturb(layers, init_noise, seeds.generator(seed, "init_noise", stream))
        return layers

    def train(self, batch: Batch) -> Trained:
        """Train the students of one chunk; see `Family.train`."""
        initial = [
            self.initial_parameters(int(s), batch.init_noise, batch.pilot) for s in batch.seeds
        ]
        students = _Network(initial, self._train_x.shape[1])
        before = students.parameters()
        trajectory = students.fit(
            self._train_x, batch.labels, batch.counts, batch.seeds, self._settings
        )
        return Trained(
            students.probabilities(self._train_x),
            students.probabilities(self._test_x),
            None,
            network.pair_distances(before),
            network.pair_distances(students.parameters()),
            trajectory,
        )

    @classmethod
    def theory_inter_student_variance(
        cls, problem: Problem, method: str, noise_variance: float, k: int
    ) -> float | None:
        """Classifiers have no closed form."""
        del problem, method, noise_variance, k
        return None


class Softmax(_Classifier):
    """Multinomial logistic regression."""


class Mlp(_Classifier):
    """One hidden ReLU layer (PROTOCOL, student_output)."""


class _Network:
    """B classifiers whose parameters lie in one buffer."""

    def __init__(self, initial: list[list[np.ndarray]], width: int) -> None:
        self._size = len(initial)
        self._inputs = initial[0][0].shape[1]  # with the bias
        self._classes = len(initial[0][-1])
        self._units = len(initial[0][0])
        self._deep = len(initial[0]) > 1
        rows = self._size * self._units
        last = self._size * self._classes * (self._units + 1) if self._deep else 0
        self._buffer = torch.zeros(rows * width + last, device=network.device())
        self._first, self._last, self._bias = self._views(self._buffer)
        self._set(np.stack([np.concatenate([p.ravel() for p in own]) for own in initial]))

    def _set(self, parameters: np.ndarray) -> None:
        """Take parameters in the layout of `parameters`."""
        first, last = np.split(parameters, [self._units * self._inputs], axis=1)
        values = torch.from_numpy(first).to(self._first)
        self._first[:, :, : self._inputs] = values.view(self._size, self._units, -1)
        if self._deep:
            values = torch.from_numpy(last).to(self._last).view(self._size, self._classes, -1)
            self._last[:], self._bias[:] = values[:, :, :-1], values[:, :, -1]

    def _views(self, buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """First layer (B, U, width); last weights (B, C, U) and biases (B, C), or nothing."""
        last = self._size * self._classes * self._units if self._deep else 0
        bias = self._size * self._classes if self._deep else 0
        first, weights, biases = torch.split(buffer, [len(buffer) - last - bias, last, bias])
        return (
            first.view(self._size, self._units, -1),
            weights.view(self._size, -1, self._units),
            biases.view(self._size, -1),
        )

    def parameters(self) -> np.ndarray:
        """All parameters, shape (B, P): layer by layer, the bias of an output after its weights."""
        parts = [self._first[:, :, : self._inputs].flatten(1)]
        if self._deep:
            parts.append(torch.cat([self._last, self._bias[:, :, None]], dim=2).flatten(1))
        return torch.cat(parts, dim=1).double().cpu().numpy()

    def _multiply(self, weights: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Products (B, U, rows) of (B, U, width) with shared (rows, width) or own inputs."""
        if x.dim() == 2:
            return torch.mm(weights.reshape(-1, weights.shape[2]), x.T).view(*weights.shape[:2], -1)
        return torch.bmm(weights, x.transpose(1, 2))

    def _logits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, C, rows) and what the last layer saw."""
        seen = self._multiply(self._first, x)
        if not self._deep:
            return seen, seen
        seen.clamp_(min=0)
        return torch.baddbmm(self._bias[:, :, None], self._last, seen), seen

    def probabilities(self, x: torch.Tensor) -> np.ndarray:
        """Class probabilities (B, rows, C)."""
        parts = [
            torch.softmax(self._logits(piece)[0], 1).transpose(1, 2).cpu().numpy()
            for piece in torch.split(x, _ROWS)
        ]
        return np.concatenate(parts, axis=1)

    def fit(
        self,
        x: torch.Tensor,
        labels: np.ndarray,
        counts: np.ndarray | None,
        student_seeds: np.ndarray,
        settings: dict[str, Any],
    ) -> np.ndarray | None:
        """Train in place.

        Parameters
        ----------
        x : torch.Tensor of shape (n, width)
            Inputs.
        labels : ndarray of shape (B, n, C)
            Probabilities that sum to one over classes.
        counts : ndarray of shape (B, n), optional
            How often each row is in each student's sample.
        student_seeds : ndarray of shape (B,)
            Source of the order of mini-batches.
        settings : dict
            epochs, max_steps, learning_rate, batch_size and record_every.

        Returns
        -------
        ndarray of shape (B, 1 + epochs // record_every), optional
            The first weight along training, starting before the first step.
        """
        weights = np.ones(labels.shape[:2])
        if counts is not None:
            weights = counts / counts.mean(axis=1, keepdims=True)
        size = settings["batch_size"]
        whole = size is None or size >= len(x)
        per_epoch = 1 if whole else len(x) // size
        steps = settings["epochs"] * per_epoch
        if settings["max_steps"] is not None:
            steps = min(steps, settings["max_steps"])
        every = settings["record_every"] * per_epoch
        fit = self._fit_compiled if compiled.available() else self._fit_together
        record = fit(
            x,
            labels.astype(np.float32),
            (weights / (len(x) if whole else size)).astype(np.float32),
            None if whole else [_batches(int(seed), len(x), size) for seed in student_seeds],
            steps,
            settings["learning_rate"],
            every,
        )
        return record if every else None

    def _fit_compiled(
        self,
        x: torch.Tensor,
        labels: np.ndarray,
        weights: np.ndarray,
        batches: list[Iterator[np.ndarray]] | None,
        steps: int,
        learning_rate: float,
        every: int,
    ) -> np.ndarray:
        """Train one student after the other.

        Parameters
        ----------
        x : torch.Tensor of shape (n, width)
            Inputs.
        labels : ndarray of shape (B, n, C)
            As of `fit`.
        weights : ndarray of shape (B, n)
            Weight of each row in the loss of a step.
        batches : list of iterator, optional
            Rows of one step after the other, of each student; None for all.
        steps : int
            Steps.
        learning_rate : float
            Adam's step size.
        every : int
            Steps between two points of the record, 0 for none.

        Returns
        -------
        ndarray of shape (B, 1 + steps // every)
            The first weight along training.
        """
        training = compiled.Training(
            x.numpy(),
            self._inputs,
            self._units if self._deep else 0,
            self._classes,
            squared=False,
            steps=steps,
            learning_rate=learning_rate,
            record_every=every,
        )
        parameters = self.parameters().astype(np.float32)
        record = []
        for i in range(self._size):
            order = None
            if batches is not None:
                order = np.stack(list(itertools.islice(batches[i], steps)))
            record.append(training.run(parameters[i], labels[i], weights[i], order))
        self._set(parameters)
        return np.stack(record)

    def _fit_together(
        self,
        x: torch.Tensor,
        labels: np.ndarray,
        weights: np.ndarray,
        batches: list[Iterator[np.ndarray]] | None,
        steps: int,
        learning_rate: float,
        every: int,
    ) -> np.ndarray:
        """Train all students at once, by torch; see `_fit_compiled`."""
        targets, weight = (torch.from_numpy(a).to(x.device) for a in (labels, weights))
        if batches is None:
            targets = targets.transpose(1, 2).contiguous()
        gradient = torch.zeros_like(self._buffer)
        optimiser = network.Adam(self._buffer, learning_rate)
        record = [self._first[:, 0, 0].clone()]
        for step in range(1, steps + 1):
            if batches is None:
                self._gradient(x, targets, weight, gradient)
            else:
                rows = torch.from_numpy(np.stack([next(own) for own in batches])).to(x.device)
                labelled = targets.gather(1, rows[:, :, None].expand(-1, -1, self._classes))
                # Faster than x[rows].
                inputs = x.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
                chosen = weight.gather(1, rows)
                self._gradient(inputs, labelled.transpose(1, 2), chosen, gradient)
            optimiser.step(gradient)
            if every and step % every == 0:
                record.append(self._first[:, 0, 0].clone())
        return torch.stack(record, dim=1).cpu().numpy()

    def _gradient(
        self, x: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, gradient: torch.Tensor
    ) -> None:
        """Gradient of the weighted cross-entropy: with respect to the logits it is p - label."""
        first, last, bias = self._views(gradient)
        logits, seen = self._logits(x)
        error = torch.softmax(logits, 1).sub_(targets).mul_(weights[:, None])
        if self._deep:
            torch.bmm(error, seen.transpose(1, 2), out=last)
            torch.sum(error, 2, out=bias)
            error = torch.bmm(self._last.transpose(1, 2), error).mul_(seen > 0)
        if x.dim() == 2:
            torch.mm(error.view(-1, len(x)), x, out=first.view(-1, x.shape[1]))
        else:
            torch.bmm(error, x, out=first)


def _batches(seed: int, rows: int, size: int) -> Iterator[np.ndarray]:
    """Rows of one step after the other, in an order of a student's own: (size,)."""
    stream = seeds.generator(seed, "batches")
    while True:
        order = stream.permutation(rows)
        for start in range(0, rows - size + 1, size):
            yield order[start : start + size]
