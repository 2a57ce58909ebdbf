"""Networks as students: regression with one output, classification with a softmax."""

from collections.abc import Iterator

import numpy as np
import torch

from kduq import seeds
from kduq.families.networks import compiled, layers
from kduq.families.networks.ensemble import Ensemble, limited
from kduq.families.networks.settings import NetworkSettings
from kduq.families.protocol import Batch, Model, Problem, Trained

#: Hidden units of an ensemble in regression: few enough for the activations of some hundred rows to
#: stay in the second-level cache, and enough to make the cost of a call to torch negligible.
_UNITS_PER_ENSEMBLE = 640
#: Ensembles of more labels are pairs, the smallest: the cost of a call to torch is then negligible
#: anyway, and those of a shard's edges would train students that it drops.
_LABELS_PER_ENSEMBLE = 1 << 16
#: Largest number of activations of hidden layers that are held at once in predictions.
_ACTIVATIONS = 1 << 24
#: Rows whose order is drawn at once, those of many small epochs.
_ORDERED = 1 << 16
#: Rows that are classified at once, which limits the memory for the hidden layers of an ensemble.
_ROWS_PER_PIECE = 2048


class _Network(Model):
    """Inputs and initial parameters of networks.

    Parameters
    ----------
    problem : Problem
        Inputs and truth.
    settings : NetworkSettings
        Of one network.
    outputs : int
        Numbers that it predicts per row.
    """

    def __init__(self, problem: Problem, settings: NetworkSettings, outputs: int) -> None:
        self._settings = settings
        hidden = (settings.hidden_units,) if settings.hidden_units else ()
        self._widths = (problem.train_x.shape[1], *hidden, outputs)
        self._train_x = layers.design(problem.train_x)
        self._test_x = layers.design(problem.test_x)

    def initial_layers(
        self,
        seed: int,
        init_noise: float | None = None,
        pilot: int | None = None,
        initial_seed: int | None = None,
    ) -> list[np.ndarray]:
        """Initial parameters of one student.

        Parameters
        ----------
        seed : int
            Seed of its replicate.
        init_noise, pilot : optional
            As in `Batch`.
        initial_seed : int, optional
            Seed of the initial parameters, in place of that of the replicate.

        Returns
        -------
        list of ndarray of shape (outputs, inputs + 1)
            One per layer, the bias in the last column.
        """
        stream = 0 if pilot is None else pilot + 1
        initial = layers.initial_layers(
            seeds.generator(seed if initial_seed is None else initial_seed, "init", stream),
            self._widths,
            self._settings.initialisation,
        )
        if init_noise:
            layers.perturb(initial, init_noise, seeds.generator(seed, "init_noise", stream))
        return initial

    def _initial_parameters(self, batch: Batch) -> np.ndarray:
        """Initial parameters of all students, shape (B, P)."""
        own = batch.seeds if batch.initial_seeds is None else batch.initial_seeds
        students = [
            self.initial_layers(int(seed), batch.init_noise, batch.pilot, int(initial))
            for seed, initial in zip(batch.seeds, own, strict=True)
        ]
        return np.stack([np.concatenate([layer.ravel() for layer in own]) for own in students])


class Regression(_Network):
    """Networks that minimise the squared loss, or a Gaussian likelihood, on all rows.

    With head gaussian a network has two outputs, the mean and the log-variance of a normal
    distribution (Nix & Weigend 1994). Targets, and with them the log-variance, are standardised by
    the mean and standard deviation of the true training targets; predictions are in the unit of the
    data.

    Parameters
    ----------
    problem : Problem
        Inputs and truth.
    settings : NetworkSettings
        Of one network.
    """

    def __init__(self, problem: Problem, settings: NetworkSettings) -> None:
        super().__init__(problem, settings, outputs=2 if settings.has_distribution else 1)
        self.ensemble = max(2, _UNITS_PER_ENSEMBLE // (settings.hidden_units or 1) // 2 * 2)
        if self.ensemble * len(problem.train_x) > _LABELS_PER_ENSEMBLE:
            self.ensemble = 2
        self._location = float(problem.train_y.mean())
        self._scale = float(problem.train_y.std()) or 1.0

    def fit(self, batch: Batch) -> Trained:
        """Train students; see `Model.fit`."""
        initial = self._initial_parameters(batch)
        students = Ensemble(initial, self._widths)
        counts = np.ones(batch.labels.shape) if batch.counts is None else batch.counts
        labels = [(batch.labels - self._location) / self._scale]
        distribution = self._settings.has_distribution
        if distribution:
            several = batch.label_variance
            labels.append(np.zeros_like(labels[0]) if several is None else several / self._scale**2)
        trajectory = students.fit(
            self._train_x,
            np.stack(labels, axis=2),
            2 * (counts / counts.sum(axis=1, keepdims=True)),  # the loss halves the squares
            loss="gaussian" if distribution else "squared",
            steps=self._settings.epochs,
            learning_rate=self._settings.learning_rate,
            record_every=self._settings.record_every,
        )
        variance = None
        if distribution:
            log_variance = limited(self._outputs(students, self._test_x, 1))
            variance = torch.exp(log_variance).cpu().numpy() * self._scale**2
        return Trained(
            self._predictions(students, self._train_x),
            self._predictions(students, self._test_x),
            None,
            layers.pair_distances(initial),
            layers.pair_distances(students.parameters()),
            trajectory,
            variance,
        )

    def _predictions(self, students: Ensemble, x: torch.Tensor) -> np.ndarray:
        return self._outputs(students, x, 0).cpu().numpy() * self._scale + self._location

    def _outputs(self, students: Ensemble, x: torch.Tensor, number: int) -> torch.Tensor:
        """One output of all students on all rows, in double precision, (B, rows)."""
        rows = max(1, _ACTIVATIONS // (self.ensemble * (self._settings.hidden_units or 1)))
        pieces = [students.outputs(piece)[:, number] for piece in torch.split(x, rows)]
        return torch.cat(pieces, 1).double()


class Classifier(_Network):
    """Networks that minimise the cross-entropy, on all rows or in mini-batches.

    Rows at the end of an epoch that do not fill a batch are skipped in that epoch.

    Parameters
    ----------
    problem : Problem
        Inputs and one-hot truth of shape (n, C).
    settings : NetworkSettings
        Of one network; without hidden units it is a softmax regression.
    """

    #: Even, and small enough for the activations of an ensemble to stay in the cache.
    ensemble = 10

    def __init__(self, problem: Problem, settings: NetworkSettings) -> None:
        super().__init__(problem, settings, outputs=problem.train_y.shape[1])

    def fit(self, batch: Batch) -> Trained:
        """Train students; see `Model.fit`."""
        settings, n = self._settings, len(self._train_x)
        students = Ensemble(self._initial_parameters(batch), self._widths)
        before = students.parameters()
        weights = np.ones(batch.labels.shape[:2])
        if batch.counts is not None:
            weights = batch.counts / batch.counts.mean(axis=1, keepdims=True)
        size = min(settings.batch_size or n, n)
        steps_per_epoch = n // size
        batches = None
        if size < n:
            batches = [mini_batches(int(seed), n, size) for seed in batch.seeds]
        steps = settings.epochs * steps_per_epoch
        trajectory = students.fit(
            self._train_x,
            batch.labels,
            weights / size,
            loss="cross_entropy",
            steps=min(steps, settings.max_steps or steps),
            learning_rate=settings.learning_rate,
            record_every=settings.record_every * steps_per_epoch,
            batches=batches,
        )
        return Trained(
            _probabilities(students, self._train_x),
            _probabilities(students, self._test_x),
            None,
            layers.pair_distances(before),
            layers.pair_distances(students.parameters()),
            trajectory,
        )


def _probabilities(students: Ensemble, x: torch.Tensor) -> np.ndarray:
    """Class probabilities (B, rows, C)."""
    pieces = [
        torch.softmax(students.outputs(piece), 1).transpose(1, 2).cpu().numpy()
        for piece in torch.split(x, _ROWS_PER_PIECE)
    ]
    return np.concatenate(pieces, axis=1)


def mini_batches(seed: int, rows: int, size: int) -> Iterator[np.ndarray]:
    """Rows of each step, in a student's own order.

    Parameters
    ----------
    seed : int
        Seed of the student; the order is its stream ``batches``.
    rows : int
        Number of rows.
    size : int
        Rows per step.

    Yields
    ------
    ndarray of shape (size,)
        Each row at most once in an epoch of rows // size steps.
    """
    stream = seeds.generator(seed, "batches")
    while True:
        for order in compiled.shuffled(stream, rows, max(1, _ORDERED // rows)):
            for start in range(0, rows - size + 1, size):
                yield order[start : start + size]
