"""Feed-forward networks with one hidden ReLU layer, all students of a chunk trained at once.

The students of a chunk share their inputs, so one matrix product computes the hidden layer of all
of them, and one more the gradient of all hidden weights. Write G for the sum over rows of
(mask · residual) xᵀ. With z = Wx the gradient of the hidden weights is v∘G, and that of the output
weights, Σ residual·relu(z), is the row sum of W∘G: it costs no further pass over the activations.
"""

import math
from typing import Any

import numpy as np
import torch

from kduq import seeds
from kduq.families import Batch, Problem, Trained

#: Hidden units in one chunk: few enough for the activations of some hundred rows to stay in the
#: second-level cache, enough to make the cost of a call to torch negligible.
_HIDDEN_IN_CHUNK = 640
#: Columns of the inputs are padded to a multiple of this: vector units then have no remainder,
#: which doubles the speed of the gradient's matrix product.
_PAD = 16
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


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
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._inputs = problem.train_x.shape[1]
        self._location = float(problem.train_y.mean())
        self._scale = float(problem.train_y.std()) or 1.0
        self._train_x = self._design(problem.train_x)
        self._test_x = self._design(problem.test_x)

    def _design(self, x: np.ndarray) -> torch.Tensor:
        """Inputs with a column of ones for the hidden biases, padded with zeros."""
        width = math.ceil((x.shape[1] + 1) / _PAD) * _PAD
        design = np.zeros((len(x), width), np.float32)
        design[:, : x.shape[1]] = x
        design[:, x.shape[1]] = 1
        return torch.from_numpy(design).to(self._device)

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
        hidden, inputs = self._hidden, self._inputs
        shared = self._settings["shared_init"]
        source = seeds.generator(
            seed if shared is None else shared, "init", 0 if pilot is None else pilot + 1
        )
        first = np.zeros((hidden, inputs + 1))
        last = np.zeros(hidden + 1)
        if self._settings["initialisation"] == "he_normal":
            first[:, :inputs] = source.normal(0, math.sqrt(2 / inputs), (hidden, inputs))
            last[:hidden] = source.normal(0, math.sqrt(2 / hidden), hidden)
        else:
            first[:] = source.uniform(-1, 1, first.shape) / math.sqrt(inputs)
            last[:] = source.uniform(-1, 1, last.shape) / math.sqrt(hidden)
        if init_noise:
            noise = seeds.generator(seed, "init_noise", 0 if pilot is None else pilot + 1)
            first[:, :inputs] *= 1 + init_noise * noise.standard_normal((hidden, inputs))
            last[:hidden] *= 1 + init_noise * noise.standard_normal(hidden)
            first[:, inputs] += 0.1 * init_noise * noise.standard_normal(hidden)
            last[hidden] += 0.1 * init_noise * noise.standard_normal()
        return np.concatenate([first.reshape(-1), last])

    def train(self, batch: Batch) -> Trained:
        """Train the students of one chunk; see `Family.train`."""
        initial = np.stack(
            [self.initial_parameters(int(s), batch.init_noise, batch.pilot) for s in batch.seeds]
        )
        network = _Network(initial, self._inputs, self._hidden, self._train_x)
        labels = (batch.labels - self._location) / self._scale
        counts = np.ones_like(labels) if batch.counts is None else batch.counts
        trajectory = network.fit(
            labels,
            counts / counts.sum(axis=1, keepdims=True),
            self._settings["epochs"],
            self._settings["learning_rate"],
            self._settings["record_every"],
        )
        return Trained(
            self._predict(network, self._train_x),
            self._predict(network, self._test_x),
            None,
            _pair_distances(initial),
            _pair_distances(network.parameters()),
            trajectory,
        )

    def _predict(self, network: "_Network", x: torch.Tensor) -> np.ndarray:
        return network.forward(x).double().cpu().numpy() * self._scale + self._location

    @classmethod
    def theory_inter_student_variance(
        cls, problem: Problem, method: str, noise_variance: float, k: int
    ) -> float | None:
        """Networks have no closed form."""
        del problem, method, noise_variance, k
        return None


def _pair_distances(parameters: np.ndarray) -> np.ndarray:
    """Half the mean squared difference between students 2i and 2i + 1, given to both."""
    difference = parameters[0::2] - parameters[1::2]
    return np.repeat((difference**2).mean(axis=1) / 2, 2)


class _Network:
    """B networks whose parameters, and Adam's moments, lie in one buffer each."""

    def __init__(self, initial: np.ndarray, inputs: int, hidden: int, x: torch.Tensor) -> None:
        self._inputs, self._hidden, self._x = inputs, hidden, x
        self._size = len(initial)
        width, rows = x.shape[1], self._size * hidden
        self._buffer = torch.zeros(rows * width + rows + self._size, device=x.device)
        self._first, self._last, self._bias = self._views(self._buffer)
        values = torch.from_numpy(initial.astype(np.float32)).to(x.device)
        split = hidden * (inputs + 1)
        self._first[:, : inputs + 1] = values[:, :split].reshape(rows, inputs + 1)
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
        """Minimise Σ row_weights · (output - labels)² by Adam (Kingma & Ba 2015, algorithm 1).

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
        device = self._x.device
        target = torch.from_numpy(labels.astype(np.float32)).to(device)
        weight = torch.from_numpy((2 * row_weights).astype(np.float32)).to(device)
        columns = self._x.T.contiguous()
        n, rows = len(self._x), self._size * self._hidden
        activations = torch.empty(rows, n, device=device)
        by_student = activations.view(self._size, self._hidden, n)
        output = torch.empty(self._size, 1, n, device=device)
        residual = output[:, 0]
        product = torch.empty_like(self._first)
        gradient = torch.zeros_like(self._buffer)
        first_gradient, last_gradient, bias_gradient = self._views(gradient)
        moment_1, moment_2 = torch.zeros_like(gradient), torch.zeros_like(gradient)
        denominator = torch.empty_like(gradient)
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
            moment_1.lerp_(gradient, 1 - _BETA_1)
            moment_2.mul_(_BETA_2).addcmul_(gradient, gradient, value=1 - _BETA_2)
            torch.sqrt(moment_2, out=denominator)
            denominator.div_(math.sqrt(1 - _BETA_2**epoch)).add_(_EPSILON)
            step = learning_rate / (1 - _BETA_1**epoch)
            self._buffer.addcdiv_(moment_1, denominator, value=-step)
            if record_every and epoch % record_every == 0:
                record.append(watched.clone())
        if not record_every:
            return None
        return torch.stack(record, dim=1).cpu().numpy()
