"""The batched program against one network at a time in textbook PyTorch."""

import numpy as np
import pytest
import torch
from kduq import seeds
from kduq.families import Batch, Problem
from kduq.families.mlp import MlpSettings
from kduq.families.networks import models
from kduq.families.networks.models import Regression

SETTINGS = MlpSettings(family="mlp", hidden=64, epochs=40, learning_rate=0.01, record_every=10)
HE_NORMAL = SETTINGS.model_copy(update={"initialisation": "he_normal"})


def flat(layers):
    return np.concatenate([layer.ravel() for layer in layers])


def textbook(problem, layers, labels, counts):
    inputs, hidden = problem.train_x.shape[1], SETTINGS.hidden
    first, last = layers
    net = torch.nn.Sequential(
        torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)
    ).double()
    with torch.no_grad():
        net[0].weight[:] = torch.from_numpy(first[:, :inputs])
        net[0].bias[:] = torch.from_numpy(first[:, inputs])
        net[2].weight[0] = torch.from_numpy(last[0, :-1])
        net[2].bias[0] = last[0, -1]
    location, scale = problem.train_y.mean(), problem.train_y.std()
    rows = np.repeat(np.arange(len(labels)), counts)
    x = torch.from_numpy(problem.train_x[rows].astype(np.float64))
    target = torch.from_numpy((labels[rows] - location) / scale)[:, None]
    optimiser = torch.optim.Adam(net.parameters(), lr=SETTINGS.learning_rate)
    for _ in range(SETTINGS.epochs):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(net(x), target).backward()
        optimiser.step()
    with torch.no_grad():
        out = net(torch.from_numpy(problem.test_x.astype(np.float64)))[:, 0].numpy()
    return out * scale + location


@pytest.mark.parametrize("settings", [SETTINGS, HE_NORMAL])
@pytest.mark.parametrize("bootstrap", [False, True])
def test_students_follow_textbook_adam(problem, settings, bootstrap):
    model = Regression(problem, settings)
    rng = np.random.default_rng(3)
    labels = problem.train_y + rng.normal(size=(model.ensemble, 45))
    counts = np.ones((model.ensemble, 45), int)
    if bootstrap:
        counts = rng.multinomial(45, np.full(45, 1 / 45), size=model.ensemble)
    sample = counts.astype(np.float64) if bootstrap else None
    trained = model.fit(Batch(labels, np.arange(model.ensemble), sample, init_noise=0.2))
    for i in range(model.ensemble):
        start = model.initial_layers(i, 0.2)
        expected = textbook(problem, start, labels[i], counts[i])
        # Single precision against double over 40 steps.
        np.testing.assert_allclose(trained.test_prediction[i], expected, rtol=2e-3, atol=2e-3)
    assert trained.trajectory.shape == (model.ensemble, 5)


def test_initialisation_noise_has_the_stated_form(problem):
    model = Regression(problem, HE_NORMAL)
    still, moved = flat(model.initial_layers(5)), flat(model.initial_layers(5, 0.4))
    biases = np.zeros((64, 5), bool)
    biases[:, 4] = True
    bias = np.concatenate([biases.reshape(-1), np.zeros(64, bool), [True]])
    assert (still[bias] == 0).all()
    relative = moved[~bias] / still[~bias] - 1
    # 320 weights and 65 biases: standard errors of an SD are 4 % and 9 % of it.
    assert abs(relative.std() / 0.4 - 1) < 0.16
    assert abs(moved[bias].std() / 0.04 - 1) < 0.36
    other = flat(model.initial_layers(5, 0.1))
    np.testing.assert_allclose((other[~bias] / still[~bias] - 1) * 4, relative, rtol=1e-6)


def test_a_shared_start_is_shared_and_pilots_start_elsewhere(problem):
    model, shared = Regression(problem, SETTINGS), seeds.replicate_seed(0, ("a",), 0)
    a, b = (flat(model.initial_layers(seed, initial_seed=shared)) for seed in (1, 2))
    np.testing.assert_array_equal(a, b)
    labels = np.tile(problem.train_y, (2, 1))
    pair = model.fit(Batch(labels, np.array([1, 2]), initial_seeds=np.full(2, shared)))
    assert (pair.distance_before == 0).all()
    starts = [flat(model.initial_layers(1, pilot=pilot)) for pilot in (None, 0, 1)]
    assert len({start[0] for start in starts}) == 3


def test_distance_of_partners_is_the_variance_of_two(problem):
    model = Regression(problem, SETTINGS)
    labels = np.tile(problem.train_y, (model.ensemble, 1))
    trained = model.fit(Batch(labels, np.arange(model.ensemble)))
    starts = np.stack([flat(model.initial_layers(s)) for s in range(2)])
    expected = starts.var(axis=0, ddof=1).mean()
    np.testing.assert_allclose(trained.distance_before[:2], expected, rtol=1e-6)


@pytest.mark.parametrize(("rows", "students"), [(404, 40), (100_000, 2)])
def test_an_ensemble_of_many_rows_is_a_pair(rows, students):
    settings = SETTINGS.model_copy(update={"hidden": 16})
    zeros = np.zeros((rows, 1), np.float32)
    assert Regression(Problem(zeros, zeros[:2], np.zeros(rows)), settings).ensemble == students


def test_predictions_in_pieces_are_those_of_all_rows(problem, monkeypatch):
    model = Regression(problem, SETTINGS)
    batch = Batch(np.tile(problem.train_y, (model.ensemble, 1)), np.arange(model.ensemble))
    whole = model.fit(batch)
    monkeypatch.setattr(models, "_ACTIVATIONS", 7 * 64 * model.ensemble)  # seven rows at once
    pieces = model.fit(batch)
    for name in ("train_prediction", "test_prediction"):
        found, expected = getattr(pieces, name), getattr(whole, name)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
