"""What students of a classifier learn from."""

import numpy as np
import pytest
from kduq.conditions import Condition
from kduq.families import Problem
from kduq.responses import tabular as responses
from kduq.students import labels
from kduq.students import tabular as students

RUN = {
    "experiment": "student_output",
    "family": "mlp",
    "dataset": "made_up",
    "task": "classification",
    "seed": 3,
}
MODEL = {
    "family": "mlp",
    "hidden": 8,
    "epochs": 4,
    "learning_rate": 0.01,
    "initialisation": "uniform",
    "shared_init": False,
    "record_every": 0,
    "batch_size": 16,
    "max_steps": None,
}
DRAWS = 4


CONDITIONS = [
    Condition(method="single", label_source="hard", k=1),
    Condition(method="single", label_source="sampled", k=1),
    Condition(method="averaging", label_source="averaged", k=DRAWS),
    Condition(label_source="soft"),
]


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    truth = np.eye(3)[rng.integers(0, 3, 60)]
    teacher = rng.dirichlet(np.ones(3), size=45).astype(np.float32)
    return labels.DistillationData(Problem(x[:45], x[45:], truth[:45]), truth[45:], teacher)


def train(data, start, stop, conditions=CONDITIONS, model=MODEL):
    run = RUN | {"start": start, "stop": stop}
    drawn = {key: value for key, value in run.items() if key != "task"}
    noise = responses.sample(responses.Settings(**drawn, responses=DRAWS, noisy=True), 45)["noise"]
    settings = students.Settings(**run, model=model, conditions=conditions, divergence_factor=10)
    return students.train(
        settings, data, noise.reshape(stop - start, DRAWS, 45), lambda number: None
    )


def made(data, noise, cell):
    ensemble = labels.Ensemble(np.ones(len(noise), bool), np.arange(len(noise)), None, noise)
    return labels.ClassificationTargets(None, data, ensemble, None).make(cell)


def test_every_class_is_answered_with_its_probability():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0], [0.9, 0.0, 0.1]])
    noise = np.random.default_rng(0).normal(size=(40_000, 3))
    classes = responses.sample_labels(probabilities, noise)
    shares = np.stack([(classes == c).mean(axis=0) for c in range(3)], axis=1)
    # Four standard errors of a share of 40,000: at most 0.01.
    np.testing.assert_allclose(shares, probabilities, atol=0.01)
    assert (shares[probabilities == 0] == 0).all()


def test_labels_are_what_they_are_called(data):
    noise = np.random.default_rng(0).normal(size=(3000, DRAWS, 45)).astype(np.float32)
    hard, sampled, averaged, soft = (made(data, noise, cell) for cell in CONDITIONS)
    for made_labels in (hard, sampled, averaged, soft):
        np.testing.assert_allclose(made_labels.sum(axis=2), 1, rtol=1e-5)
    assert (hard[0].argmax(axis=1) == data.teacher_mean.argmax(axis=1)).all()
    assert set(np.unique(sampled)) == {0, 1}
    assert set(np.unique(averaged * DRAWS)) == set(range(DRAWS + 1))
    np.testing.assert_array_equal(soft[5], data.teacher_mean)
    p = data.teacher_mean.astype(np.float64)
    # Means and variances of 3000 labels: the mean has a standard error of at most 0.009, a
    # variance of p(1 - p) or p(1 - p)/k one of at most 0.005.
    np.testing.assert_allclose(sampled.mean(axis=0), p, atol=0.04)
    np.testing.assert_allclose(averaged.mean(axis=0), p, atol=0.02)
    np.testing.assert_allclose(sampled.var(axis=0), p * (1 - p), atol=0.02)
    np.testing.assert_allclose(averaged.var(axis=0), p * (1 - p) / DRAWS, atol=0.01)


def test_a_student_does_not_depend_on_its_shard(data):
    whole = train(data, 0, 24)
    for start, stop in ((0, 6), (6, 24)):
        part = train(data, start, stop)
        same = [i for i, r in enumerate(whole["replicate"]) if start <= r < stop]
        np.testing.assert_array_equal(whole["prediction"][same], part["prediction"])


def test_predictions_run_over_rows_and_fastest_classes(data):
    table = train(data, 0, 4)
    probabilities = table["prediction"].reshape(-1, 15, 3)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, rtol=1e-5)
    brier = ((probabilities - data.test_y) ** 2).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(table["test_mse"], brier, rtol=1e-5)
    assert not table["diverged"].any()


def test_a_classifier_that_answers_at_random_and_is_certain_has_diverged(data):
    wild = train(data, 0, 4, model=MODEL | {"learning_rate": 1e5, "epochs": 40})
    assert wild["diverged"].mean() > 0.3


def test_one_sampled_label_is_the_first_of_those_averaged(data):
    one = Condition(method="averaging", label_source="averaged", k=1)
    noise = np.random.default_rng(0).normal(size=(5, DRAWS, 45)).astype(np.float32)
    np.testing.assert_array_equal(made(data, noise, one), made(data, noise, CONDITIONS[1]))
