"""Students of data sets: our training, and the loop that one would write first."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from kduq import families
from kduq.examples import tabular as examples
from kduq.families.linear import LinearSettings
from kduq.families.mlp import MlpSettings
from kduq.families.networks import layers
from kduq.families.networks.models import Classifier, Regression, mini_batches
from kduq.students import tabular as students
from kduq.teacher import tabular as teacher
from sklearn.linear_model import LinearRegression

_LEARNING_RATE = 0.01


@dataclass(frozen=True)
class Workload:
    """A comparison.

    Attributes
    ----------
    name : str
        Name of the row.
    ours : callable
        Trains the students of a job from its number; returns their results, one row per student.
    textbook : callable
        Trains the first students of job 0 and returns their results; fewer, since each is slow.
    operations : float
        Floating-point operations per student.
    traffic : float
        Bytes per student that must be read from memory and written to it: its labels and
        predictions, or less.
    device : torch.device
        The processor or accelerator of both.
    passes : int
        Number of times that one of our jobs trains its students.
    """

    name: str
    ours: Callable[[int], np.ndarray]
    textbook: Callable[[], np.ndarray]
    operations: float
    traffic: float
    device: torch.device
    passes: int = 1


def problem(dataset: str) -> families.Problem:
    """A built-in data set, split and standardised as in the default study."""
    task = "classification" if dataset == "digits" else "regression"
    table = examples.prepare(examples.Settings(dataset=dataset, task=task))
    return teacher.problem(task, table["split"], table["x"], table["y"])[0]


def linear(quick: bool, bootstrap: bool) -> Workload:
    """Least squares: noise on the labels, and bootstrap samples of the rows."""
    data = problem("boston_housing")
    kind = families.FAMILIES["linear"].model("regression")
    count = kind.ensemble * (2 if quick else 50)
    # Threads that last much less than a tenth of a second may not use all cores.
    passes = 1 if quick else 10
    n, m, p = len(data.train_x), len(data.test_x), data.train_x.shape[1] + 1
    labels = data.train_y + np.random.default_rng(1).normal(0, data.train_y.std(), (count, n))
    counts = None
    if bootstrap:
        counts = np.stack([students.bootstrap_counts(seed, n, 1.0) for seed in range(count)])

    def ours(job: int) -> np.ndarray:
        del job
        model = kind(data, LinearSettings(family="linear"))
        results = []
        for turn in range(passes):
            for start in range(0, count, kind.ensemble):
                part = slice(start, start + kind.ensemble)
                sample = None if counts is None else counts[part]
                batch = families.Batch(labels[part], np.arange(kind.ensemble), sample)
                predictions = model.fit(batch).test_prediction
                if turn == 0:  # like a study, which writes the results of each ensemble once
                    results.append(predictions)
        return np.concatenate(results)

    def textbook() -> np.ndarray:
        x, test = data.train_x.astype(np.float64), data.test_x.astype(np.float64)
        predictions = []
        for i in range(10 if quick else 100):
            rows = np.arange(n)
            if counts is not None:
                rows = np.repeat(rows, counts[i].astype(int))
            model = LinearRegression().fit(x[rows], labels[i, rows])
            model.predict(x)
            predictions.append(model.predict(test))
        return np.stack(predictions)

    solving = 2 * n * p
    if bootstrap:
        solving += n * p * (p + 1)  # the upper half of a Gram matrix
    name = "linear bootstrap" if bootstrap else "linear noise"
    traffic = 8 * (n + (n if bootstrap else 0) + n + m)
    operations = solving + 2 * p * (n + m)
    return Workload(name, ours, textbook, operations, traffic, torch.device("cpu"), passes)


def _module(parameters: list[np.ndarray]) -> torch.nn.Sequential:
    """A network from layers (outputs, inputs + 1), the bias last."""
    parts: list[torch.nn.Module] = []
    for layer in parameters:
        linear_part = torch.nn.Linear(layer.shape[1] - 1, layer.shape[0])
        with torch.no_grad():
            linear_part.weight[:] = torch.from_numpy(layer[:, :-1])
            linear_part.bias[:] = torch.from_numpy(layer[:, -1])
        parts += [linear_part, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1]).to(layers.device())


def _tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    """Arrays on the device on which networks are trained."""
    return [torch.from_numpy(array).to(layers.device()) for array in arrays]


def _batches(student: int, n: int, size: int) -> Iterator[torch.Tensor]:
    """Rows of each step, each row once per epoch, in our student's order."""
    return map(torch.from_numpy, mini_batches(student, n, size))


def _fit(
    model: torch.nn.Module,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    target: torch.Tensor,
    steps: Iterable[Any],
) -> None:
    """The textbook loop; ``steps`` are the rows of each step."""
    optimiser = torch.optim.Adam(model.parameters(), lr=_LEARNING_RATE)
    for rows in steps:
        optimiser.zero_grad()
        loss(model(x[rows]), target[rows]).backward()
        optimiser.step()


def mlp(quick: bool, hidden: int, epochs: int) -> Workload:
    """Networks of one hidden layer on 404 rows of 13 features."""
    data = problem("boston_housing")
    settings = MlpSettings(
        family="mlp",
        hidden=hidden,
        epochs=5 if quick else epochs,
        learning_rate=_LEARNING_RATE,
    )
    model = Regression(data, settings)
    size = model.ensemble
    n, d = data.train_x.shape
    labels = data.train_y + np.random.default_rng(1).normal(0, data.train_y.std(), (size, n))
    location, scale = data.train_y.mean(), data.train_y.std()

    def ours(job: int) -> np.ndarray:
        batch = families.Batch(labels, np.arange(size) + job * size)
        return Regression(data, settings).fit(batch).test_prediction

    def textbook() -> np.ndarray:
        x, test = _tensors(data.train_x, data.test_x)
        predictions = []
        for i in range(2):
            network = _module(model.initial_layers(i))
            (target,) = _tensors(((labels[i] - location) / scale).astype(np.float32))
            every_row = itertools.repeat(slice(None), settings.epochs)
            _fit(network, torch.nn.functional.mse_loss, x, target[:, None], every_row)
            with torch.no_grad():
                network(x)
                predictions.append(network(test)[:, 0].cpu().numpy() * scale + location)
        return np.stack(predictions)

    weights = hidden * (d + 1) + hidden
    operations = 4 * n * weights * settings.epochs  # outputs and gradients
    traffic = 8 * (2 * n + len(data.test_x))
    return Workload(f"mlp{hidden}", ours, textbook, operations, traffic, layers.device())


def classifier(quick: bool, family: str) -> Workload:
    """Classifiers of digits, 512 rows per step, as in the default study."""
    data = problem("digits")
    own = {"hidden": 64} if family == "mlp" else {}
    steps = 4 if quick else 300
    settings: Any = families.FAMILIES[family].settings(
        family=family,
        epochs=300,
        max_steps=steps,
        learning_rate=_LEARNING_RATE,
        batch_size=512,
        **own,
    )
    model = Classifier(data, settings)
    size = model.ensemble
    n, d = data.train_x.shape
    outputs = data.train_y.shape[1]
    wrong = np.random.default_rng(1).permuted(data.train_y.argmax(1))
    labels = np.stack([np.roll(wrong, i) for i in range(size)])
    noisy = np.random.default_rng(2).random((size, n)) < 0.1
    labels = np.where(noisy, labels, data.train_y.argmax(1))

    def ours(job: int) -> np.ndarray:
        one_hot = np.eye(outputs, dtype=np.float32)[labels]
        batch = families.Batch(one_hot, np.arange(size) + job * size)
        return Classifier(data, settings).fit(batch).test_prediction

    def textbook() -> np.ndarray:
        x, test = _tensors(data.train_x, data.test_x)
        predictions = []
        for i in range(2):
            network = _module(model.initial_layers(i))
            (target,) = _tensors(labels[i])
            batches = itertools.islice(_batches(i, n, 512), steps)
            _fit(network, torch.nn.functional.cross_entropy, x, target, batches)
            with torch.no_grad():
                network(x)
                predictions.append(torch.softmax(network(test), 1).cpu().numpy())
        return np.stack(predictions)

    weights = outputs * (d + 1)
    if own:
        # Beside outputs and gradients, the error is passed back to the hidden layer.
        weights = own["hidden"] * (d + 1 + 1.5 * outputs)
    operations = 4 * 512 * weights * steps
    predictions = 4 * outputs * (n + len(data.test_x))
    traffic = 4 * n * outputs + predictions
    return Workload(f"{family} digits", ours, textbook, operations, traffic, layers.device())
