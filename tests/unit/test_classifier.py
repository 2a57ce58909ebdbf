"""The batched classifiers against one model at a time in textbook PyTorch."""

import numpy as np
import pytest
import torch
from kduq import seeds
from kduq.families import FAMILIES, Batch, Problem
from kduq.families.networks import compiled
from kduq.families.networks.models import Classifier

SETTINGS = {"epochs": 30, "learning_rate": 0.02, "record_every": 10}
OWN = {"softmax": {}, "mlp": {"hidden": 16}}
ROWS, CLASSES = 45, 3


@pytest.fixture
def classes():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    label = (x @ rng.normal(size=(4, CLASSES)) + 0.5 * rng.normal(size=(60, CLASSES))).argmax(1)
    return Problem(x[:ROWS], x[ROWS:], np.eye(CLASSES)[label[:ROWS]])


def built(problem, name, **changed):
    settings = FAMILIES[name].settings(family=name, **(SETTINGS | OWN[name] | changed))
    return Classifier(problem, settings)


def drawn(model, rng):
    """Soft labels, since one-hot ones are a special case."""
    return rng.dirichlet(np.ones(CLASSES), size=(model.ensemble, ROWS))


def textbook(problem, layers, labels, weights, order, size, steps):
    """Adam on Σ weight · cross-entropy of mini-batches in the given order of rows."""
    parts = []
    for layer in layers:
        linear = torch.nn.Linear(layer.shape[1] - 1, layer.shape[0]).double()
        with torch.no_grad():
            linear.weight[:] = torch.from_numpy(layer[:, :-1])
            linear.bias[:] = torch.from_numpy(layer[:, -1])
        parts += [linear, torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts[:-1])
    x, y = torch.from_numpy(problem.train_x).double(), torch.from_numpy(labels)
    weight = torch.from_numpy(weights)
    optimiser = torch.optim.Adam(net.parameters(), lr=SETTINGS["learning_rate"])
    for _ in range(steps):
        rows = order(size)
        optimiser.zero_grad()
        losses = torch.nn.functional.cross_entropy(net(x[rows]), y[rows], reduction="none")
        (losses * weight[rows]).mean().backward()
        optimiser.step()
    with torch.no_grad():
        return torch.softmax(net(torch.from_numpy(problem.test_x).double()), 1).numpy()


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("bootstrap", [False, True])
def test_students_follow_textbook_adam_on_all_rows(classes, name, bootstrap):
    model = built(classes, name)
    rng = np.random.default_rng(3)
    labels = drawn(model, rng)
    counts = rng.multinomial(ROWS, np.full(ROWS, 1 / ROWS), size=model.ensemble).astype(float)
    trained = model.fit(
        Batch(labels, np.arange(model.ensemble), counts if bootstrap else None, 0.2)
    )
    weights = counts if bootstrap else np.ones_like(counts)
    for i in range(model.ensemble):
        start = model.initial_layers(i, 0.2)
        expected = textbook(
            classes, start, labels[i], weights[i], lambda n: np.arange(ROWS), None, 30
        )
        # Single precision against double over 30 steps.
        np.testing.assert_allclose(trained.test_prediction[i], expected, atol=1e-4)
    assert trained.trajectory.shape == (model.ensemble, 4)
    np.testing.assert_allclose(trained.test_prediction.sum(axis=2), 1, rtol=1e-5)


@pytest.mark.parametrize("name", OWN)
def test_mini_batches_walk_through_an_order_of_each_students_own(classes, name):
    model = built(classes, name, batch_size=20, epochs=9, max_steps=11)
    labels = drawn(model, np.random.default_rng(4))
    trained = model.fit(Batch(labels, np.arange(model.ensemble)))
    for i in range(model.ensemble):
        stream = seeds.generator(i, "batches")
        pieces = []

        def order(size, stream=stream, pieces=pieces):
            if not pieces:
                (rows,) = compiled.shuffled(stream, ROWS, 1)
                pieces.extend([rows[20:40], rows[:20]])  # five rows are skipped
            return pieces.pop()

        expected = textbook(
            classes,
            model.initial_layers(i),
            labels[i],
            np.ones(ROWS),
            order,
            20,
            11,
        )
        np.testing.assert_allclose(trained.test_prediction[i], expected, atol=1e-4)


def test_an_epoch_of_mini_batches_is_as_many_steps_as_fit(classes):
    labels = drawn(built(classes, "softmax"), np.random.default_rng(5))
    batch = Batch(labels, np.arange(10))
    three = built(classes, "softmax", batch_size=20, epochs=3).fit(batch)
    six = built(classes, "softmax", batch_size=20, epochs=99, max_steps=6).fit(batch)
    np.testing.assert_array_equal(three.test_prediction, six.test_prediction)
    whole = built(classes, "softmax", batch_size=ROWS, epochs=3).fit(batch)
    all_rows = built(classes, "softmax", epochs=3).fit(batch)
    np.testing.assert_array_equal(whole.test_prediction, all_rows.test_prediction)


def test_softmax_regression_has_no_hidden_layer(classes):
    assert [layer.shape for layer in built(classes, "softmax").initial_layers(0)] == [(CLASSES, 5)]
    shapes = [layer.shape for layer in built(classes, "mlp").initial_layers(0)]
    assert shapes == [(16, 5), (CLASSES, 17)]


def test_a_teachers_training_is_that_of_a_pair(classes):
    labels = np.broadcast_to(classes.train_y, (2, ROWS, CLASSES))
    pair = built(classes, "mlp").fit(Batch(labels, np.full(2, 7))).test_prediction
    np.testing.assert_allclose(pair[0], pair[1], atol=1e-5)  # single precision
