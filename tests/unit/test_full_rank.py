"""Estimates from students of full rank, where bootstrap samples may lack it."""

import numpy as np
import pytest
from kduq import statistics
from kduq.conditions import Condition
from kduq.estimates import regression
from kduq.estimates.tabular import TabularRun
from kduq.families import Problem


def estimated(sample_fraction, deficient):
    rng = np.random.default_rng(0)
    n = len(deficient)
    predictions = np.where(np.array(deficient)[:, None], 50.0, 1.0) * rng.normal(size=(n, 6))
    problem = Problem(rng.normal(size=(9, 2)), rng.normal(size=(6, 2)), rng.normal(size=9))
    columns = {
        "replicate": np.arange(n),
        "diverged": np.arange(n) == n - 1,
        "predictive_variance": np.full((len(deficient), 1), np.nan),
        "rank_deficient": np.array(deficient),
        "train_mse": np.ones(n),
        "test_mse": (predictions**2).mean(axis=1),
        "prediction": predictions,
        "parameter_distance_before": np.full(n, np.nan),
        "parameter_distance_after": np.full(n, np.nan),
    }
    condition = Condition(label_source="teacher", sample_fraction=sample_fraction)
    settings = regression.Settings(
        experiment="bootstrap",
        family="linear",
        dataset="made_up",
        seed=0,
        task="regression",
        confidence=0.95,
        conditions=[condition],
    )
    run = TabularRun(problem, np.zeros(6), (np.zeros(9), np.zeros(6)), columns, [np.arange(n)])
    table = regression.estimate(settings, run)
    names = zip(table["metric"], table["group"], strict=True)
    values = zip(
        table["estimate"], table["ci_low"], table["ci_high"], table["n_students"], strict=True
    )
    return dict(zip(names, values, strict=True)), predictions


def test_the_variance_of_the_targets_is_that_of_the_training_rows():
    found, _ = estimated(0.3, [False] * 20)
    targets = np.random.default_rng(0)
    targets.normal(size=(20, 6))  # predictions, then both inputs
    targets.normal(size=(9, 2))
    targets.normal(size=(6, 2))
    expected = targets.normal(size=9)
    value = np.sum((expected - expected.mean()) ** 2) / 9
    assert found["target_variance", "all"][0] == pytest.approx(value)


def test_variance_and_errors_are_also_estimated_at_full_rank():
    found, predictions = estimated(0.3, [False] * 17 + [True] * 3)
    full = predictions[:17]
    variance = statistics.inter_student_variance(full[:, None], 0.95)
    assert found["inter_student_variance", "full_rank"] == (
        variance.value,
        variance.low,
        variance.high,
        17,
    )
    errors = (full**2).mean(axis=1)
    assert found["test_mse_mean", "full_rank"][0] == pytest.approx(errors.mean())
    assert found["test_mse_var", "full_rank"][0] == pytest.approx(errors.var(ddof=1))
    assert found["inter_student_variance", "all"][0] > 50 * variance.value
    # The last student has diverged. Limits are Wilson's.
    share, low, high, n = found["full_rank_share", "all"]
    assert (share, n) == (17 / 19, 19)
    z, p = 1.959964, 17 / 19
    centre, half = p + z**2 / 38, z * np.sqrt(p * (1 - p) / 19 + z**2 / (4 * 19**2))
    np.testing.assert_allclose([low, high], (centre + np.array([-half, half])) / (1 + z**2 / 19))


def test_without_bootstrap_samples_there_is_no_such_group():
    found, _ = estimated(None, [False] * 20)
    assert {group for _, group in found} == {"all"}
    assert "full_rank_share" not in {metric for metric, _ in found}
