"""Feed-forward networks with one hidden ReLU layer.

They train compiled where that can be done (`compiled`), one student after the other. Elsewhere all
students of a chunk train at once: they share their inputs, so one matrix product computes the
hidden layer of all of them, and one more the gradient of all hidden weights. Either way, write G
for the sum over rows of (mask · residual) xᵀ. With z = Wx the gradient of the hidden weights is
v∘G, and that of the output weights, Σ residual·relu(z), is the row sum of W∘G: it costs no further
pass over the activations.
"""

from typing import Any

import numpy as np
import torch

from kduq import seeds
from kduq.families import Batch, Problem, Trained, compiled, network

#: Hidden units in one chunk: few enough for the activations of some hundred rows to stay in the
#: second-level cache, enough to make the cost of a call to torch negligible.
_HIDDEN_IN_CHUNK = 640


class Mlp:
    """One hidden ReLU layer, Adam, full batch, squared loss (PROTOCOL: d-H-1 networks).

    Targets are standardised by the mean and standard deviation of the true training targets;
    predictions come back in the unit of the data.

    Parameters
    ----------
    problem : Problem
        Inputs and truth.
    settings : dict
        hidden, epochs, learning_rate, initialisation (``uniform``: weights and biases uniform on
        ±1/sqrt(fan-in), PyTorch's default; ``he_normal``: weights N(0, 2/fan-in), zero biases),
        shared_init (every student starts at the same parameters; None or its seed) and
        record_every (epochs between two points of a trajectory, 0 for none).
    """

    def __init__(self, problem: Problem, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._hidden: int = settings["hidden"]
        self.chunk = max(2, _HIDDEN_IN_CHUNK // self._hidden // 2 * 2)
        self._inputs = problem.train_x.shape[1]
        self._location = float(problem.train_y.mean())
        self._scale = float(problem.train_y.std()) or 1.0
        self._train_x = network.design(problem.train_x)
        self._test_x = network.design(problem.test_x)

    def initial_parameters(
        self, seed: int, init_noise: float | None, pilot: int | None
    ) -> np.ndarray:
        """Initial parameters of one student.

        Parameters
        ----------
        seed : int
            Seed of its replicate.
        init_noise : float, optional
            Scale s: weights times (1 + s·N(0, 1)), biases plus 0.1·s·N(0, 1) (PROTOCOL,
            student_init).
        pilot : int, optional
            Number of a pilot student's response.

        Returns
        -------
        ndarray of shape (H·(d + 1) + H + 1,)
            Hidden weights and bias of each unit in turn, then output weights, then output bias.
        """
        shared = self._settings["shared_init"]
        stream = 0 if pilot is None else pilot + 1
        layers = network.initial_layers(
            seeds.generator(seed if shared is None else shared, "init", stream),
            (self._inputs, self._hidden, 1),
            self._settings["initialisation"],
        )
        if init_noise:
            network.perturb(layers, init_noise, seeds.generator(seed, "init_noise", stream))
        return np.concatenate([layer.reshape(-1) for layer in layers])

    def train(self, batch: Batch) -> Trained:
        """Train the students of one chunk; see `Family.train`."""
        initial = np.stack(
            [self.initial_parameters(int(s), batch.init_noise, batch.pilot) for s in batch.seeds]
        )
        students = _Network(initial, self._inputs, self._hidden, self._train_x)
        labels = (batch.labels - self._location) / self._scale
        counts = np.ones_like(labels) if batch.counts is None else batch.counts
        trajectory = students.fit(
            labels,
            counts / counts.sum(axis=1, keepdims=True),
            self._settings["epochs"],
            self._settings["learning_rate"],
            self._settings["record_every"],
        )
        return Trained(
            self._predict(students, self._train_x),
            self._predict(students, self._test_x),
            None,
            network.pair_distances(initial),
            network.pair_distances(students.parameters()),
            trajectory,
        )

    def _predict(self, students: "_Network", x: torch.Tensor) -> np.ndarray:
        return students.forward(x).double().cpu().numpy() * self._scale + self._location

    @classmethod
    def theory_inter_student_variance(
        cls, problem: Problem, method: str, noise_variance: float, k: int
    ) -> float | None:
        """Networks have no closed form."""
        del problem, method, noise_variance, k
        return None


class _Network:
    """B networks whose parameters, and Adam's moments, lie in one buffer each."""

    def __init__(self, initial: np.ndarray, inputs: int, hidden: int, x: torch.Tensor) -> None:
        self._inputs, self._hidden, self._x = inputs, hidden, x
        self._size = len(initial)
        width, rows = x.shape[1], self._size * hidden
        self._buffer = torch.zeros(rows * width + rows + self._size, device=x.device)
        self._first, self._last, self._bias = self._views(self._buffer)
        self._set(initial.astype(np.float32))

    def _set(self, parameters: np.ndarray) -> None:
        values = torch.from_numpy(parameters).to(self._x.device)
        split = self._hidden * (self._inputs + 1)
        self._first[:, : self._inputs + 1] = values[:, :split].reshape(-1, self._inputs + 1)
        self._last[:] = values[:, split:-1]
        self._bias[:] = values[:, -1]

    def _views(self, buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Hidden weights (B·H, width), output weights (B, H) and output biases (B,)."""
        rows = self._size * self._hidden
        split = rows * self._x.shape[1]
        return (
            buffer[:split].view(rows, -1),
            buffer[split : split + rows].view(self._size, self._hidden),
            buffer[split + rows :],
        )

    def parameters(self) -> np.ndarray:
        """Parameters in the layout of `Mlp.initial_parameters`, shape (B, P)."""
        first = self._first[:, : self._inputs + 1].reshape(self._size, -1)
        joined = torch.cat([first, self._last, self._bias[:, None]], dim=1)
        return joined.double().cpu().numpy()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs of all networks, shape (B, rows of x)."""
        hidden = torch.mm(self._first, x.T).clamp_(min=0).view(self._size, self._hidden, -1)
        return torch.bmm(self._last[:, None], hidden).squeeze(1) + self._bias[:, None]

    def fit(
        self,
        labels: np.ndarray,
        row_weights: np.ndarray,
        epochs: int,
        learning_rate: float,
        record_every: int,
    ) -> np.ndarray | None:
        """Minimise Σ row_weights · (output - labels)² by Adam.

        Parameters
        ----------
        labels, row_weights : ndarray of shape (B, n)
            Standardised targets, and weights that sum to one a student.
        epochs : int
            Full-batch steps.
        learning_rate : float
            Adam's step size.
        record_every : int
            Epochs between two recorded values of the first hidden weight, 0 for no record.

        Returns
        -------
        ndarray of shape (B, 1 + epochs // record_every), optional
            The record, starting before the first step.
        """
        fit = self._fit_compiled if compiled.available() else self._fit_together
        record = fit(labels, 2 * row_weights, epochs, learning_rate, record_every)
        return record if record_every else None

    def _fit_compiled(
        self,
        labels: np.ndarray,
        weights: np.ndarray,
        epochs: int,
        learning_rate: float,
        record_every: int,
    ) -> np.ndarray:
        """Fit one student after the other; see `fit`. The loss is Σ weights/2 · (…)²."""
        training = compiled.Training(
            self._x.numpy(),
            self._inputs + 1,
            self._hidden,
            outputs=1,
            squared=True,
            steps=epochs,
            learning_rate=learning_rate,
            record_every=record_every,
        )
        parameters = self.parameters().astype(np.float32)
        chunk = zip(parameters, labels, weights, strict=True)
        record = np.stack([training.run(own, label, weight) for own, label, weight in chunk])
        self._set(parameters)
        return record

    def _fit_together(
        self,
        labels: np.ndarray,
        weights: np.ndarray,
        epochs: int,
        learning_rate: float,
        record_every: int,
    ) -> np.ndarray:
        """Fit all students at once, by torch; see `_fit_compiled`."""
        device = self._x.device
        target = torch.from_numpy(labels.astype(np.float32)).to(device)
        weight = torch.from_numpy(weights.astype(np.float32)).to(device)
        columns = self._x.T.contiguous()
        n, rows = len(self._x), self._size * self._hidden
        activations = torch.empty(rows, n, device=device)
        by_student = activations.view(self._size, self._hidden, n)
        output = torch.empty(self._size, 1, n, device=device)
        residual = output[:, 0]
        product = torch.empty_like(self._first)
        gradient = torch.zeros_like(self._buffer)
        first_gradient, last_gradient, bias_gradient = self._views(gradient)
        optimiser = network.Adam(self._buffer, learning_rate)
        watched = self._first[:: self._hidden, 0]
        record = [watched.clone()]
        for epoch in range(1, epochs + 1):
            torch.mm(self._first, columns, out=activations)
            activations.clamp_(min=0)
            torch.bmm(self._last[:, None], by_student, out=output)
            residual.add_(self._bias[:, None]).sub_(target).mul_(weight)
            torch.ops.aten.threshold_backward.grad_input(
                residual[:, None].expand_as(by_student), by_student, 0, grad_input=by_student
            )
            torch.mm(activations, self._x, out=first_gradient)
            torch.mul(self._first, first_gradient, out=product)
            torch.sum(product, 1, out=last_gradient.view(-1))
            first_gradient.mul_(self._last.view(-1, 1))
            torch.sum(residual, 1, out=bias_gradient)
            optimiser.step(gradient)
            if record_every and epoch % record_every == 0:
                record.append(watched.clone())
        return torch.stack(record, dim=1).cpu().numpy()
