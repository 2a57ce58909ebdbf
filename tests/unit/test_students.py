import tracemalloc

import numpy as np
import pytest
from kduq.conditions import PILOTED, Condition
from kduq.errors import UserError
from kduq.families.least_squares import Linear
from kduq.families.protocol import Model, Problem, Trained
from kduq.responses import tabular as responses
from kduq.students import labels
from kduq.students import tabular as students

MLP = {
    "family": "mlp",
    "hidden": 64,
    "epochs": 5,
    "learning_rate": 0.01,
    "initialisation": "uniform",
    "shared_init": False,
    "record_every": 0,
}
RUN = {"experiment": "variance_aware", "dataset": "made_up", "seed": 3}


MIXES = ("variance_weighting", "variance_weighting_oracle", "pilot_mean")
CONDITIONS = [
    Condition(method=method, alpha=0.5, k=k)
    for method in ("single", "averaging", *MIXES)
    for k in (1, 3, 5)
    if method != "single" or k == 1
]
WEIGHTS = (0.0, 0.25, 0.5, 1.0)
CONDITIONS += [
    Condition(method="fixed_weight", alpha=0.5, k=k, teacher_weight=weight)
    for weight in WEIGHTS
    for k in (1, 3)
]


def train(problem, family, start, stop, conditions=CONDITIONS, **model):
    run = RUN | {"family": family, "start": start, "stop": stop}
    noise = responses.sample(responses.Settings(**run, responses=5, noisy=True), 45)["noise"]
    data = labels.DistillationData(problem, np.zeros(15), problem.train_y)
    settings = students.Settings(
        **run,
        task="regression",
        model=(MLP | model) if family == "mlp" else {"family": family},
        conditions=conditions,
        divergence_factor=10,
    )
    counted = []
    table = students.train(settings, data, noise.reshape(stop - start, 5, 45), counted.append)
    assert sum(counted) == (stop - start) * len(conditions)
    return table


def rows(table, wanted):
    return [i for i, r in enumerate(table["replicate"]) if r in wanted]


@pytest.mark.parametrize("family", ["linear", "mlp"])
def test_a_student_does_not_depend_on_its_shard(problem, family):
    whole = train(problem, family, 0, 20)
    for start, stop in ((0, 6), (6, 20)):
        part = train(problem, family, start, stop)
        same = rows(whole, range(start, stop))
        np.testing.assert_array_equal(whole["prediction"][same], part["prediction"])
        np.testing.assert_array_equal(whole["train_mse"][same], part["train_mse"])


def test_pairs_start_at_the_same_parameters_whatever_their_shard(problem):
    conditions = [Condition(method="single", alpha=alpha, k=1) for alpha in (0.0, 0.5)]
    whole = train(problem, "mlp", 0, 20, conditions, shared_init="pairs")
    np.testing.assert_array_equal(whole["parameter_distance_before"], 0)
    by_alpha = whole["prediction"].reshape(2, 10, 2, 15)
    # Without noise partners are equal and pairs are not; with noise all students differ.
    np.testing.assert_array_equal(by_alpha[0, :, 0], by_alpha[0, :, 1])
    assert len(np.unique(by_alpha[0, :, 0, 0])) == 10
    assert len(np.unique(by_alpha[1, :, :, 0])) == 20
    part = train(problem, "mlp", 6, 12, conditions, shared_init="pairs")
    same = rows(whole, range(6, 12))
    np.testing.assert_array_equal(whole["prediction"][same], part["prediction"])
    # The first of a pair is the student that it is without pairs.
    alone = train(problem, "mlp", 0, 20, conditions)["prediction"].reshape(2, 10, 2, 15)
    np.testing.assert_array_equal(by_alpha[:, :, 0], alone[:, :, 0])
    assert (by_alpha[:, :, 1] != alone[:, :, 1]).any(axis=2).all()


@pytest.mark.parametrize("family", ["linear", "mlp"])
def test_methods_agree_at_one_response_and_pilots_are_nested(problem, family):
    table = train(problem, family, 0, 4)
    k, method = np.array(table["k"]), np.array(table["method"])
    ones = table["prediction"][k == 1].reshape(-1, 4, 15)
    assert len(ones) == 1 + 1 + len(MIXES) + len(WEIGHTS)
    for other in ones[1:]:
        np.testing.assert_array_equal(ones[0], other)
    for own in ("variance_weighting", "pilot_mean"):
        few = train(problem, family, 0, 4, [Condition(method=own, alpha=0.5, k=3)])["prediction"]
        np.testing.assert_array_equal(few, table["prediction"][(k == 3) & (method == own)])


@pytest.mark.parametrize("family", ["linear", "mlp"])
def test_weights_of_none_and_all_are_the_pilots_mean_and_averaging(problem, family):
    table = train(problem, family, 0, 4)
    k, method, weight = (np.array(table[name]) for name in ("k", "method", "teacher_weight"))
    grid = {w: table["prediction"][(k == 3) & (weight == w)] for w in WEIGHTS}
    for w, other in ((0.0, "pilot_mean"), (1.0, "averaging")):
        np.testing.assert_array_equal(
            grid[w],
            table["prediction"][(k == 3) & (method == other) & (weight == None)],  # noqa: E711
        )
    # A network of another label is another network; for least squares all weights are equal.
    apart = np.abs(grid[0.5] - grid[0.0]).max()
    assert apart < 1e-5 if family == "linear" else apart > 1e-3


def labels_of(problem, condition, alpha, noise, model=None):
    """Labels that a method makes of the responses with this noise, (B, k, n)."""
    size = len(noise)
    own = labels.Ensemble(np.ones(size, bool), np.arange(size), np.arange(size), noise)
    data = labels.DistillationData(problem, np.zeros(15), problem.train_y)
    model = Linear(problem) if model is None else model
    return labels.RegressionTargets(model, data, own, alpha).make(condition)


@pytest.fixture
def noise():
    return np.random.default_rng(5).standard_normal((6, 4, 45)).astype(np.float32)


def test_weights_follow_from_the_responses_and_the_oracles_from_the_truth(problem, noise):
    k = 4
    cell = Condition(method="variance_weighting", alpha=0.5, k=k)
    found = labels_of(problem, cell, 0.5, noise)
    scale = 0.5 * problem.train_y.var()
    answers = problem.train_y + np.sqrt(scale) * noise
    design = np.column_stack([np.ones(45), problem.train_x])
    pilots = answers @ (design @ np.linalg.pinv(design)).T
    teacher = answers.var(axis=1, ddof=1).mean(axis=1)
    student = pilots.var(axis=1, ddof=1).mean(axis=1)
    weight = (student / (student + teacher))[:, None]
    expected = weight * answers.mean(axis=1) + (1 - weight) * pilots.mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # With the true variance of the responses the labels would be others.
    weight = (student / (student + scale))[:, None]
    true = weight * answers.mean(axis=1) + (1 - weight) * pilots.mean(axis=1)
    assert np.abs(true - expected).max() > 30 * np.abs(found - expected).max()
    oracle = cell.model_copy(update={"method": "variance_weighting_oracle"})
    expected = weight * answers.mean(axis=1) + (1 - weight) * problem.train_y
    np.testing.assert_allclose(labels_of(problem, oracle, 0.5, noise), expected, rtol=1e-5)


def test_a_teacher_with_more_noise_than_is_said_gets_less_weight(problem, noise):
    """Twice the noise at a quarter of alpha is the same teacher to whoever sees responses alone."""
    for method in ("variance_weighting", "pilot_mean"):
        cell = Condition(method=method, alpha=0.5, k=4)
        said, done = (labels_of(problem, cell, a, s * noise) for a, s in ((0.25, 2), (1, 1)))
        np.testing.assert_allclose(said, done, rtol=1e-5)
    oracle = Condition(method="variance_weighting_oracle", alpha=0.5, k=4)
    said, done = (labels_of(problem, oracle, a, s * noise) for a, s in ((0.25, 2), (1, 1)))
    assert np.abs(said - done).max() > 0.1


def test_the_variance_of_the_responses_is_estimated_without_bias():
    rng = np.random.default_rng(2)
    means = 1e4 * rng.normal(size=30)  # far from zero, where squares of responses round it away
    for k in (2, 3, 10):
        draws = means + 0.7 * rng.standard_normal((k, 2000, 30))
        average, found = labels._Responses(lambda j, draws=draws: draws[j].copy()).of_first(k)
        np.testing.assert_allclose(average, draws.mean(axis=0), rtol=1e-14)
        np.testing.assert_allclose(found, draws.var(axis=0, ddof=1).mean(axis=1), rtol=1e-9)
        # Var of a pooled variance: 2 s^4 over 30 (k - 1) degrees of freedom.
        error = 0.49 * np.sqrt(2 / (30 * (k - 1)) / 2000)
        assert abs(found.mean() - 0.49) < 4 * error


def test_responses_without_variance_have_labels(problem):
    """Padding of an ensemble has no noise, and its pilots agree with the responses."""
    cell = Condition(method="variance_weighting", alpha=0.5, k=4)
    found = labels_of(problem, cell, 0.5, np.zeros((2, 4, 45), np.float32), Echo(problem))
    np.testing.assert_array_equal(found, np.broadcast_to(problem.train_y, (2, 45)))


def test_diverged_students_are_flagged_and_kept(problem):
    cell = [Condition(method="single", alpha=0.5, k=1)]
    wild = train(problem, "mlp", 0, 4, cell, learning_rate=1e4)
    assert wild["diverged"].all()
    assert len(wild["replicate"]) == 4
    assert not train(problem, "mlp", 0, 4, cell)["diverged"].any()


def test_partners_outside_the_shard_give_no_distance(problem):
    cell = [Condition(method="single", alpha=0.5, k=1)]
    table = train(problem, "mlp", 0, 3, cell)
    assert np.isfinite(table["parameter_distance_before"]).tolist() == [True, True, False]


def test_bootstrap_samples_sum_and_nest():
    small, large = (students.bootstrap_counts(1, 100, f) for f in (0.3, 1.0))
    assert (small.sum(), large.sum()) == (30, 100)
    assert (small <= large).all()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"method": "median"}, "method: found 'median'; allowed: None, single, averaging"),
        ({"label_source": "oracle"}, "label_source: found 'oracle'; allowed: None, teacher, truth"),
    ],
)
def test_a_condition_that_nothing_handles_is_refused_and_not_taken_for_another(
    problem, values, line
):
    with pytest.raises(UserError, match=line):
        train(problem, "linear", 0, 4, [Condition(alpha=0.5, k=3, **values)])


@pytest.mark.parametrize("family", ["linear", "mlp"])
def test_students_of_many_rows_differ_by_rounding_alone(problem, family, monkeypatch):
    kept = train(problem, family, 0, 4)
    monkeypatch.setattr(labels, "_PILOTS_HELD", 0)
    running = train(problem, family, 0, 4)
    changed = (np.array(kept["k"]) > 1) & np.isin(kept["method"], PILOTED)
    scale = kept["prediction"].std()
    for rows_, tolerance in ((~changed, 0), (changed, 1e-6 * scale)):
        np.testing.assert_allclose(
            running["prediction"][rows_], kept["prediction"][rows_], rtol=0, atol=tolerance
        )


def test_pilots_by_running_moments():
    draws = np.random.default_rng(0).normal(100, 1, (9, 2, 30))
    trained = []

    def pilot(j):
        trained.append(j)
        return draws[j]

    held, running = labels._Pilots(draws.__getitem__), labels._RunningPilots(pilot)
    for k in (2, 5, 9):
        for found, expected in zip(running.of_first(k), held.of_first(k), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert trained == list(range(9))
    np.testing.assert_allclose(running.of_first(3)[0], held.of_first(3)[0], rtol=1e-14)


def test_the_order_of_conditions_changes_no_student(problem):
    usual, turned = train(problem, "linear", 0, 4), train(problem, "linear", 0, 4, CONDITIONS[::-1])
    assert usual["teacher_weight"] == turned["teacher_weight"][::-1]
    size = 4
    for i in range(len(CONDITIONS)):
        j = len(CONDITIONS) - 1 - i
        np.testing.assert_array_equal(
            usual["prediction"][size * i : size * (i + 1)],
            turned["prediction"][size * j : size * (j + 1)],
        )
        assert usual["k"][size * i] == turned["k"][size * j]


class Constant(Model):
    """Students that predict the mean of their labels."""

    ensemble = 2

    def __init__(self, problem, settings=None):
        self.rows = len(problem.train_x), len(problem.test_x)

    def fit(self, batch):
        mean = batch.labels.mean(axis=1, keepdims=True)
        return Trained(*(np.repeat(mean, rows, axis=1) for rows in self.rows))


class Echo(Constant):
    """Students that predict their labels."""

    def fit(self, batch):
        return Trained(batch.labels, batch.labels[:, : self.rows[1]])


def test_labels_of_many_rows_need_memory_for_one_response_at_a_time(monkeypatch):
    n = 30_000
    data = Problem(np.zeros((n, 1)), np.zeros((10, 1)), np.arange(n) / n)
    data = labels.DistillationData(data, np.zeros(10), np.arange(n) / n)
    monkeypatch.setattr(labels, "_PILOTS_HELD", n)
    model = Constant(data.problem, None)

    def peak(k):
        noise = np.zeros((2, k, n), np.float32)
        own = labels.Ensemble(np.ones(2, bool), np.arange(2), np.arange(2), noise)
        tracemalloc.start()
        targets = labels.RegressionTargets(model, data, own, 1.0)
        for method in ("averaging", *MIXES):
            targets.make(Condition(method=method, alpha=1.0, k=k))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(40) < 1.1 * peak(4) < 1.1 * 12 * 2 * n * 8
