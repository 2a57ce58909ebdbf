"""Variance between students that start at the same parameters: values and coverage."""

import numpy as np
import pytest
from kduq import statistics
from kduq.conditions import Condition
from kduq.estimates import regression
from kduq.estimates.tabular import TabularRun

STUDIES = 500


def estimated(rng, pairs, rows, noise, starts, *, diverged=()):
    """Estimates of students that are a start, shared by a pair, plus noise of their own."""
    n = 2 * pairs
    own = np.repeat(starts * rng.normal(size=(pairs, rows)), 2, axis=0)
    part = {
        "replicate": rng.permutation(n),
        "prediction": own + noise * rng.normal(size=(n, rows)),
    }
    part["prediction"] = part["prediction"][part["replicate"]]
    part["diverged"] = np.isin(part["replicate"], diverged)
    return regression.given_initialisation(part, 0.95), part


def test_it_is_the_variance_of_the_noise_whatever_the_starts():
    rng = np.random.default_rng(1)
    found = [
        estimated(rng, 50, 4, 0.3, 5.0)[0]["variance_given_initialisation"].value
        for _ in range(STUDIES)
    ]
    # Four standard errors of the mean of 500 studies.
    assert abs(np.mean(found) - 0.09) < 4 * np.std(found) / np.sqrt(STUDIES)


@pytest.mark.parametrize("rows", [1, 20])
def test_its_interval_covers(rows):
    """200 pairs, as in the default study, that move together or not."""
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(STUDIES):
        value = estimated(rng, 200, rows, 0.3, 5.0)[0]["variance_given_initialisation"]
        assert value.n == 400
        covered.append(value.low <= 0.09 <= value.high)
    # Binomial standard error 0.0097.
    assert 0.92 < np.mean(covered) < 0.98


def test_pairs_with_a_diverged_student_are_left_out():
    value, part = estimated(np.random.default_rng(3), 5, 3, 1.0, 0.0, diverged=[4])
    rows = [np.flatnonzero(part["replicate"] == r)[0] for r in range(10)]
    students = part["prediction"][rows].reshape(5, 2, 3)[[0, 1, 3, 4]]
    expected = ((students[:, 0] - students[:, 1]) ** 2).mean() / 2
    assert value["variance_given_initialisation"].value == pytest.approx(expected)
    assert value["variance_given_initialisation"].n == 8


def test_partners_are_found_in_any_order():
    first, second = statistics.partners(np.array([3, 0, 7, 2, 1, 5, 4]))
    np.testing.assert_array_equal(first, [1, 3, 6])
    np.testing.assert_array_equal(second, [4, 0, 5])


def test_all_other_estimates_are_from_one_student_of_each_pair(problem):
    """Students with the same initial parameters are alike, and no independent replicates."""
    rng = np.random.default_rng(5)
    n, m = 60, len(problem.test_x)
    starts = np.repeat(rng.normal(size=(n // 2, m)), 2, axis=0)
    order = rng.permutation(n)
    part = {
        "diverged": np.zeros(n, bool),
        "train_mse": rng.random(n),
        "test_mse": rng.random(n),
        "replicate": np.arange(n),
        "rank_deficient": np.full(n, None),
        "parameter_distance_before": np.zeros(n),
        "parameter_distance_after": rng.random(n),
        "prediction": starts + 0.1 * rng.normal(size=(n, m)),
        "predictive_variance": np.full((n, 1), np.nan),
    }
    part = {name: values[order] for name, values in part.items()}
    run = TabularRun(problem, np.zeros(m), (problem.train_y, np.zeros(m)), part, [np.arange(n)])
    settings = regression.Settings(
        experiment="fixed_initialisation",
        family="mlp",
        dataset="made_up",
        seed=0,
        confidence=0.95,
        conditions=[Condition(method="single", alpha=0.5, k=1)],
        task="regression",
        pairs_start_equal=True,
    )
    table = regression.estimate(settings, run)
    value = dict(zip(table["metric"], table["estimate"], strict=True))
    size = dict(zip(table["metric"], table["n_students"], strict=True))
    even = part["replicate"] % 2 == 0
    expected = part["prediction"][even].var(axis=0, ddof=1).mean()
    assert value["inter_student_variance"] == pytest.approx(expected)
    assert value["test_mse_mean"] == pytest.approx(part["test_mse"][even].mean())
    assert size["inter_student_variance"] == size["test_mse_mean"] == 30
    assert value["variance_given_initialisation"] == pytest.approx(0.01, rel=0.2)
    assert size["variance_given_initialisation"] == 60
