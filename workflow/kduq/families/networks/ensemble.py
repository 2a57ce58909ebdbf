"""Ensembles of networks with at most one hidden layer.

In compiled code (`kduq.families.networks.compiled`), where it is available, networks train one
after the other. Otherwise the whole ensemble trains at once in torch: networks that use the same
rows share one matrix product for the first layer and one for its gradient. With mini-batches every
network has its own order of the rows, which is one of the reasons why students differ.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from kduq.families.networks import compiled, layers

Loss = Literal["squared", "cross_entropy", "gaussian"]
#: Losses that the compiled code knows.
_COMPILED = ("squared", "cross_entropy")
#: Largest log-variance of a target of unit variance, and its smallest with the other sign.
_LARGEST_LOG_VARIANCE = 12.0


class Ensemble:
    """B networks of the same widths, whose parameters lie in one buffer.

    Parameters
    ----------
    initial : ndarray of shape (B, P)
        Initial parameters, layer after layer. A layer is a matrix (outputs, inputs + 1) with the
        bias in its last column, read row after row.
    widths : sequence of int
        Numbers of inputs, of hidden units if there are any, and of outputs.
    """

    def __init__(self, initial: np.ndarray, widths: Sequence[int]) -> None:
        self._size = len(initial)
        self._inputs = widths[0] + 1  # with the bias
        self._outputs = widths[-1]
        self._hidden = widths[1] if len(widths) > 2 else 0
        self._units = self._hidden or self._outputs  # of the first layer
        first = self._size * self._units * layers.padded_width(widths[0])
        last = self._size * self._outputs * (self._hidden + 1) if self._hidden else 0
        self._buffer = torch.zeros(first + last, device=layers.device())
        self._first, self._last, self._bias = self._views(self._buffer)
        self._set(initial)

    def _set(self, parameters: np.ndarray) -> None:
        """Set parameters of shape (B, P), in the layout of `initial`."""
        first, last = np.split(parameters, [self._units * self._inputs], axis=1)
        values = torch.from_numpy(first).to(self._first)
        self._first[:, :, : self._inputs] = values.view(self._size, self._units, -1)
        if self._hidden:
            values = torch.from_numpy(last).to(self._last).view(self._size, self._outputs, -1)
            self._last[:], self._bias[:] = values[:, :, :-1], values[:, :, -1]

    def _views(self, buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """First layer (B, U, width); weights (B, C, H) and biases (B, C) of the last, or empty."""
        last = self._size * self._outputs * self._hidden
        bias = self._size * self._outputs if self._hidden else 0
        first, weights, biases = torch.split(buffer, [len(buffer) - last - bias, last, bias])
        return (
            first.view(self._size, self._units, -1),
            weights.view(self._size, -1, self._units),
            biases.view(self._size, -1),
        )

    def parameters(self) -> np.ndarray:
        """Parameters in double precision and the layout of `initial`, shape (B, P)."""
        parts = [self._first[:, :, : self._inputs].flatten(1)]
        if self._hidden:
            parts.append(torch.cat([self._last, self._bias[:, :, None]], dim=2).flatten(1))
        return torch.cat(parts, dim=1).double().cpu().numpy()

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs of all networks.

        Parameters
        ----------
        x : torch.Tensor of shape (rows, width)
            Inputs from `layers.design`.

        Returns
        -------
        torch.Tensor of shape (B, outputs, rows)
            In single precision.
        """
        return self._forward(x)[0]

    def _forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs, and the hidden layer (B, H, rows), for shared inputs or inputs per network."""
        if x.dim() == 2:
            flat = torch.mm(self._first.view(-1, self._first.shape[2]), x.T)
            hidden = flat.view(self._size, self._units, -1)
        else:
            hidden = torch.bmm(self._first, x.transpose(1, 2))
        if not self._hidden:
            return hidden, hidden
        hidden.clamp_(min=0)
        bias = self._bias[:, :, None]
        if self._outputs == 1:  # torch does not fuse the bias into a matrix-vector product
            return torch.bmm(self._last, hidden).add_(bias), hidden
        return torch.baddbmm(bias, self._last, hidden), hidden

    def fit(
        self,
        x: torch.Tensor,
        labels: np.ndarray,
        weights: np.ndarray,
        *,
        loss: Loss,
        steps: int,
        learning_rate: float,
        record_every: int,
        batches: Sequence[Iterator[np.ndarray]] | None = None,
    ) -> np.ndarray | None:
        """Train by Adam, in place.

        Parameters
        ----------
        x : torch.Tensor of shape (n, width)
            Inputs from `layers.design`.
        labels : ndarray of shape (B, n, outputs)
            Targets; for the cross-entropy probabilities that sum to one over the outputs; for the
            Gaussian likelihood the mean and the variance of a row's labels.
        weights : ndarray of shape (B, n)
            Weight of each row in the loss of a step: Σ weight · (output - label)²/2, or
            Σ weight · Σ_c label_c · -log p_c with the softmax p of the outputs, or
            Σ weight · (v + ((mean - u)² + variance) · exp(-v))/2 with outputs u and v.
        loss : {"squared", "cross_entropy", "gaussian"}
            The squared loss is for networks with one output, and the Gaussian likelihood, less its
            constant, for those with two: a mean and a log-variance, which `limited` limits. The
            variance of a row's labels, zero for one label, makes it the mean over them all.
        steps : int
            Number of steps.
        learning_rate : float
            Step size of Adam.
        record_every : int
            Steps between two recorded values of the first weight, 0 for no record.
        batches : sequence of iterator of ndarray, optional
            For each network the rows of every step; None for all rows in every step.

        Returns
        -------
        ndarray of shape (B, 1 + steps // record_every), optional
            The record, starting before the first step.
        """
        use_compiled = compiled.available() and loss in _COMPILED
        fit = self._fit_compiled if use_compiled else self._fit_by_torch
        record = fit(
            x,
            labels.astype(np.float32),
            weights.astype(np.float32),
            loss,
            steps,
            learning_rate,
            record_every,
            batches,
        )
        return record if record_every else None

    def _fit_compiled(
        self,
        x: torch.Tensor,
        labels: np.ndarray,
        weights: np.ndarray,
        loss: Loss,
        steps: int,
        learning_rate: float,
        record_every: int,
        batches: Sequence[Iterator[np.ndarray]] | None,
    ) -> np.ndarray:
        """Train one network after the other; the record has at least its first column."""
        training = compiled.Training(
            x.numpy(),
            self._inputs,
            self._hidden,
            self._outputs,
            squared=loss == "squared",
            steps=steps,
            learning_rate=learning_rate,
            record_every=record_every,
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

    def _fit_by_torch(
        self,
        x: torch.Tensor,
        labels: np.ndarray,
        weights: np.ndarray,
        loss: Loss,
        steps: int,
        learning_rate: float,
        record_every: int,
        batches: Sequence[Iterator[np.ndarray]] | None,
    ) -> np.ndarray:
        """Train all networks at once; see `_fit_compiled`."""
        targets, weight = (torch.from_numpy(a).to(x.device) for a in (labels, weights))
        if batches is None:
            targets = targets.transpose(1, 2).contiguous()
        gradient = torch.zeros_like(self._buffer)
        optimiser = layers.Adam(self._buffer, learning_rate)
        record = [self._first[:, 0, 0].clone()]
        for step in range(1, steps + 1):
            if batches is None:
                self._gradient(x, targets, weight, loss, gradient)
            else:
                rows = torch.from_numpy(np.stack([next(own) for own in batches])).to(x.device)
                of_rows = targets.gather(1, rows[:, :, None].expand(-1, -1, self._outputs))
                # Faster than x[rows].
                inputs = x.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
                self._gradient(
                    inputs, of_rows.transpose(1, 2), weight.gather(1, rows), loss, gradient
                )
            optimiser.step(gradient)
            if record_every and step % record_every == 0:
                record.append(self._first[:, 0, 0].clone())
        return torch.stack(record, dim=1).cpu().numpy()

    def _gradient(
        self,
        x: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
        loss: Loss,
        gradient: torch.Tensor,
    ) -> None:
        """Gradient of the weighted loss."""
        first, last, bias = self._views(gradient)
        outputs, hidden = self._forward(x)
        error = _output_gradient(outputs, targets, loss).mul_(weights[:, None])
        if self._hidden:
            torch.sum(error, 2, out=bias)
        if self._hidden and self._outputs == 1:
            # With G = Σ mask · error · xᵀ over rows, the gradient of the first layer W is last · G
            # and that of the last weights, Σ error · relu(Wx), the row sum of W∘G: one pass over
            # the hidden layer instead of three.
            torch.ops.aten.threshold_backward.grad_input(
                error.expand_as(hidden), hidden, 0, grad_input=hidden
            )
            self._multiply_rows(hidden, x, out=first)
            torch.sum(self._first * first, 2, out=last[:, 0])
            first.mul_(self._last.transpose(1, 2))
            return
        if self._hidden:
            torch.bmm(error, hidden.transpose(1, 2), out=last)
            error = torch.bmm(self._last.transpose(1, 2), error).mul_(hidden > 0)
        self._multiply_rows(error, x, out=first)

    @staticmethod
    def _multiply_rows(values: torch.Tensor, x: torch.Tensor, out: torch.Tensor) -> None:
        """Products (B, U, width) of (B, U, rows) with inputs (rows, width) or (B, rows, width)."""
        if x.dim() == 2:
            torch.mm(values.view(-1, len(x)), x, out=out.view(-1, x.shape[1]))
        else:
            torch.bmm(values, x, out=out)


def limited(log_variance: torch.Tensor) -> torch.Tensor:
    """Limit a log-variance, so that its exponential and the inverse of that are finite."""
    return log_variance.clamp(-_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)


def _output_gradient(outputs: torch.Tensor, targets: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Gradient of a row's loss with respect to its outputs, (B, outputs, rows).

    It may overwrite the outputs.
    """
    if loss == "squared":
        return outputs.sub_(targets)
    if loss == "cross_entropy":
        return torch.softmax(outputs, 1).sub_(targets)
    log_variance = limited(outputs[:, 1])
    precision = torch.exp(-log_variance)
    away = outputs[:, 0] - targets[:, 0]
    of_variance = 0.5 * (1 - (away * away + targets[:, 1]) * precision)
    # Beyond a limit there is no gradient, except the one that leads back.
    stuck = (outputs[:, 1] != log_variance) & (of_variance * outputs[:, 1] < 0)
    return torch.stack([away * precision, of_variance.masked_fill(stuck, 0)], 1)
