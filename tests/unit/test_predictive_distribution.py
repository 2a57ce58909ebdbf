"""Students that predict a normal distribution, against autograd and against explicit data."""

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_figures import drawn
from kduq import artifacts
from kduq.artifacts import schemas
from kduq.conditions import Condition
from kduq.estimates import regression
from kduq.estimates.metrics import of_task
from kduq.estimates.tabular import TabularRun
from kduq.families import Batch, Problem
from kduq.families.mlp import MlpSettings
from kduq.families.networks.ensemble import Ensemble, _output_gradient, limited
from kduq.families.networks.layers import design
from kduq.families.networks.models import Regression
from kduq.responses import tabular as responses
from kduq.students import labels
from kduq.students import tabular as students

SETTINGS = MlpSettings(family="mlp", hidden=8, epochs=60, learning_rate=0.01, head="gaussian")
K = 5


@pytest.fixture
def answers(problem):
    """Responses of a noisy teacher to the training rows, (B, k, n)."""
    size = Regression(problem, SETTINGS).ensemble
    noise = np.random.default_rng(3).normal(size=(size, K, len(problem.train_y)))
    return problem.train_y + noise


def test_the_gradient_is_that_of_the_normal_likelihood_of_all_responses():
    rng = np.random.default_rng(0)
    size, rows, inputs, hidden = 3, 20, 4, 6
    widths = (inputs, hidden, 2)
    # Small enough for no log-variance to reach its limit, where the gradient differs.
    initial = 0.5 * rng.normal(size=(size, hidden * (inputs + 1) + 2 * (hidden + 1)))
    x = rng.normal(size=(rows, inputs)).astype(np.float32)
    several = rng.normal(size=(size, K, rows))
    weights = rng.integers(0, 3, (size, rows)) / rows
    ensemble = Ensemble(initial, widths)
    targets = torch.from_numpy(np.stack([several.mean(axis=1), several.var(axis=1)], axis=1))
    gradient = torch.zeros_like(ensemble._buffer)
    ensemble._gradient(
        design(x), targets.float(), torch.from_numpy(weights).float(), "gaussian", gradient
    )
    first, last, bias = (part.double() for part in ensemble._views(gradient))
    for i in range(size):
        net = torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 2)
        ).double()
        one, two = np.split(initial[i], [hidden * (inputs + 1)])
        one, two = (
            torch.from_numpy(part) for part in (one.reshape(hidden, -1), two.reshape(2, -1))
        )
        with torch.no_grad():
            net[0].weight[:], net[0].bias[:] = one[:, :-1], one[:, -1]
            net[2].weight[:], net[2].bias[:] = two[:, :-1], two[:, -1]
        mean, log_variance = net(torch.from_numpy(x).double()).T
        normal = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
        likelihood = normal.log_prob(torch.from_numpy(several[i])).mean(dim=0)
        (-(torch.from_numpy(weights[i]) * likelihood).sum()).backward()
        for found, exact in (
            (first[i, :, :inputs], net[0].weight.grad),
            (first[i, :, inputs], net[0].bias.grad),
            (last[i], net[2].weight.grad),
            (bias[i], net[2].bias.grad),
        ):
            torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-5 * exact.abs().max())


def test_beyond_its_limits_a_log_variance_can_only_come_back():
    log_variances = torch.tensor([30.0, 30.0, -30.0, -30.0])
    away = torch.tensor([0.0, 1e9, 0.0, 1.0])  # the likelihood asks for down, up, down, up
    outputs = torch.stack([away, log_variances])[None]
    found = _output_gradient(outputs, torch.zeros_like(outputs), "gaussian")[0, 1]
    assert torch.isfinite(torch.exp(-limited(log_variances))).all()
    assert found[0] > 0 and found[3] < 0
    assert found[1] == found[2] == 0


def test_all_responses_by_their_moments_are_all_responses(problem, answers):
    def fit(data, values, variance=None):
        batch = Batch(values, np.arange(len(values)), label_variance=variance)
        return Regression(data, SETTINGS).fit(batch)

    short = fit(problem, answers.mean(axis=1), answers.var(axis=1))
    long = Problem(np.tile(problem.train_x, (K, 1)), problem.test_x, np.tile(problem.train_y, K))
    explicit = fit(long, answers.reshape(len(answers), -1))
    mean_alone = fit(problem, answers.mean(axis=1))
    for name in ("test_prediction", "predictive_variance"):
        found, exact, other = (getattr(t, name) for t in (short, explicit, mean_alone))
        np.testing.assert_allclose(found, exact, rtol=5e-3, atol=5e-3)
        assert np.abs(other - exact).max() > 0.05


def test_a_row_that_counts_twice_is_two_rows(problem, answers):
    counts = np.random.default_rng(4).integers(1, 3, answers[:, 0].shape)
    counts[:] = counts[0]
    rows = np.repeat(np.arange(len(problem.train_y)), counts[0])
    model = Regression(problem, SETTINGS)
    weighted = model.fit(Batch(answers[:, 0], np.arange(len(answers)), counts))
    model = Regression(
        Problem(problem.train_x[rows], problem.test_x, problem.train_y[rows]), SETTINGS
    )
    model._location, model._scale = problem.train_y.mean(), problem.train_y.std()
    repeated = model.fit(Batch(answers[:, 0][:, rows], np.arange(len(answers))))
    np.testing.assert_allclose(
        weighted.predictive_variance, repeated.predictive_variance, rtol=5e-3
    )


def test_the_unit_of_the_target_scales_its_variance(problem, answers):
    scaled = Problem(problem.train_x, problem.test_x, 10 * problem.train_y)
    seeds = np.arange(len(answers))
    one, ten = (
        Regression(data, SETTINGS).fit(
            Batch(
                factor * answers.mean(axis=1), seeds, label_variance=factor**2 * answers.var(axis=1)
            )
        )
        for data, factor in ((problem, 1), (scaled, 10))
    )
    np.testing.assert_allclose(ten.predictive_variance, 100 * one.predictive_variance, rtol=1e-2)
    np.testing.assert_allclose(ten.test_prediction, 10 * one.test_prediction, rtol=1e-2, atol=0.1)


CONDITIONS = [
    Condition(method=method, alpha=0.5, k=k)
    for method, k in (("single", 1), ("averaging", 3), ("multi_response", 1), ("multi_response", 3))
]


def train(problem, start, stop, head="gaussian"):
    run = {"experiment": "predictive_distribution", "family": "mlp", "dataset": "made_up"}
    run |= {"seed": 3, "start": start, "stop": stop}
    noise = responses.sample(responses.Settings(**run, responses=3, noisy=True), 45)["noise"]
    settings = students.Settings(
        **run,
        task="regression",
        model={"family": "mlp", "hidden": 64, "epochs": 5, "learning_rate": 0.01, "head": head},
        conditions=CONDITIONS,
        divergence_factor=10,
    )
    data = labels.DistillationData(problem, np.zeros(15), problem.train_y)
    return students.train(settings, data, noise.reshape(-1, 3, 45), lambda n: None)


def test_a_distribution_does_not_depend_on_the_shard(problem):
    whole = train(problem, 0, 14)
    for start, stop in ((0, 4), (4, 14)):
        part = train(problem, start, stop)
        same = np.isin(whole["replicate"], np.arange(start, stop))
        for name in ("prediction", "predictive_variance"):
            np.testing.assert_array_equal(whole[name][same], part[name])
    one, averaged, all_of_one, all_of_three = whole["predictive_variance"].reshape(4, 14, 15)
    np.testing.assert_array_equal(one, all_of_one)
    assert (all_of_three > averaged).mean() > 0.9


def test_for_students_of_one_number_all_responses_are_their_mean(problem):
    table = train(problem, 0, 4, head="point")
    averaged, several = table["prediction"].reshape(4, 4, 15)[[1, 3]]
    np.testing.assert_array_equal(averaged, several)
    assert table["predictive_variance"] == [None] * 16


def test_the_variance_of_responses_is_that_of_each_row(problem):
    noise = np.random.default_rng(1).normal(size=(2, 4, 45)).astype(np.float32)
    own = labels.Ensemble(np.ones(2, bool), np.arange(2), np.arange(2), noise)
    data = labels.DistillationData(problem, np.zeros(15), problem.train_y)
    targets = labels.RegressionTargets(None, data, own, 0.5)
    for k in (4, 2, 3):
        cell = Condition(method="multi_response", alpha=0.5, k=k)
        exact = 0.5 * problem.train_y.var() * noise[:, :k].astype(np.float64).var(axis=1)
        np.testing.assert_allclose(targets.variance(cell), exact, rtol=1e-10)
        assert targets.variance(cell.model_copy(update={"method": "averaging"})) is None
    assert targets.variance(Condition(method="multi_response", alpha=0.5, k=1)) is None


@pytest.mark.parametrize("values", [[None] * 3, np.arange(6.0).reshape(3, 2)])
def test_a_list_column_may_have_no_value(tmp_path, values):
    names = schemas.columns("students")
    row = dict.fromkeys(names, [None] * 3) | {
        "prediction": np.ones((3, 2)),
        "diverged": [False] * 3,
    }
    path = tmp_path / "students.parquet"
    provenance = {"stage": "students", "schema_version": schemas.SCHEMA_VERSION}
    artifacts.write(path, "students", row | {"predictive_variance": values}, provenance)
    table = artifacts.read_all([path, path], "students")
    found = table.column("predictive_variance")
    if values[0] is None:
        assert found.shape == (6, 1) and np.isnan(found).all()
        assert table.table.to_pandas()["predictive_variance"].isna().all()
    else:
        np.testing.assert_array_equal(found, np.tile(values, (2, 1)))
    np.testing.assert_array_equal(table.column("prediction"), np.ones((6, 2)))


def estimated(problem, variances):
    rng = np.random.default_rng(2)
    size, m = 6, len(problem.test_x)
    part = {
        "diverged": np.arange(size) == 5,
        "train_mse": np.ones(size),
        "test_mse": np.ones(size),
        "replicate": np.arange(size),
        "rank_deficient": np.array([None] * size),
        "parameter_distance_before": np.full(size, np.nan),
        "parameter_distance_after": np.full(size, np.nan),
        "prediction": rng.normal(size=(size, m)),
        "predictive_variance": variances,
    }
    zeros = np.zeros(m)
    run = TabularRun(problem, zeros, (problem.train_y, zeros), part, [np.arange(size)])
    settings = regression.Settings(
        experiment="predictive_distribution",
        family="mlp",
        dataset="made_up",
        seed=0,
        confidence=0.95,
        conditions=CONDITIONS[:1],
        task="regression",
    )
    table = pd.DataFrame(regression.estimate(settings, run))
    return part, table[table["role"] == "student"].set_index("metric")["estimate"]


def test_estimates_of_a_distribution_leave_out_diverged_students_and_those_without(problem):
    own = {metric.name for metric in of_task("regression", has_distribution=True)}
    variances = np.random.default_rng(5).uniform(1, 2, (6, 15))
    variances[5] = np.nan
    part, found = estimated(problem, variances)
    assert own <= set(found.index)
    assert found["intra_student_variance"] == pytest.approx(variances[:5].mean())
    teacher = 0.5 * problem.train_y.var()
    assert found["intra_variance_ratio"] == pytest.approx(variances[:5].mean() / teacher)
    inter = part["prediction"][:5].var(axis=0, ddof=1).mean()
    assert found["total_variance"] == pytest.approx(variances[:5].mean() + inter)
    assert not own & set(estimated(problem, np.full((6, 1), np.nan))[1].index)


def test_the_figure_has_a_curve_per_method(problem):
    keys = {"experiment": "predictive_distribution", "family": "mlp", "dataset": "diabetes"}
    keys |= {"role": "student", "metric": "intra_variance_ratio", "alpha": 0.5}
    rows = [
        keys | {"method": method, "k": k, "estimate": value, "ci_low": value, "ci_high": value}
        for method, k, value in (("single", 1, 0.8), ("averaging", 3, 0.3), ("averaging", 9, 0.1))
    ]
    assert drawn("predictive_distribution", pd.DataFrame(rows))[0].startswith(b"\x89")
    # A grid without one method, or with one number of responses.
    assert drawn("predictive_distribution", pd.DataFrame(rows[:1]))[0].startswith(b"\x89")
    assert drawn("predictive_distribution", pd.DataFrame(rows[1:]))[0].startswith(b"\x89")
