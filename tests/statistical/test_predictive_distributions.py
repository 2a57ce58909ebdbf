"""Scores of normal forecasts, and what students keep of a teacher's variance, by simulation."""

import numpy as np
import pytest
from kduq.estimates.metrics import METRICS
from kduq.estimates.metrics.distribution_scores import expected_crps, interval_coverage
from kduq.estimates.metrics.protocol import TabularStudents
from kduq.families import Batch, Problem
from kduq.families.mlp import MlpSettings
from kduq.families.networks.models import Regression
from scipy import stats

DRAWS = 200_000
#: Mean and variance of a forecast, of the observation's mean, and of its variance.
CASES = [(0.0, 1.0, 0.0, 1.0), (1.5, 0.25, -0.5, 4.0), (0.2, 3.0, 0.0, 0.1), (2.0, 1.0, 1.0, 0.0)]


@pytest.mark.parametrize(("mean", "variance", "target", "noise"), CASES)
def test_coverage_and_crps_are_those_of_draws(mean, variance, target, noise):
    rng = np.random.default_rng(1)
    first, second = mean + np.sqrt(variance) * rng.standard_normal((2, DRAWS))
    observed = target + np.sqrt(noise) * rng.standard_normal(DRAWS)
    arguments = np.array(mean), np.array(variance), np.array(target), noise
    scores = np.abs(first - observed) - np.abs(first - second) / 2
    # Four standard errors, one false alarm in 16,000.
    assert abs(expected_crps(*arguments) - scores.mean()) < 4 * scores.std() / np.sqrt(DRAWS)
    low, high = stats.norm.interval(0.95, mean, np.sqrt(variance))
    inside = (observed >= low) & (observed <= high)
    error = 4 * inside.std() / np.sqrt(DRAWS) + 1e-12
    assert abs(interval_coverage(*arguments) - inside.mean()) < error


def test_crps_is_the_integral_of_its_definition_and_least_for_the_truth():
    # Of a known observation: ∫ (F(z) - 1{z ≥ y})² dz.
    z = np.linspace(-30, 30, 2_000_001)
    heaviside = z >= 0.7
    integral = np.trapezoid((stats.norm.cdf(z, 0.2, 1.3) - heaviside) ** 2, z)
    found = expected_crps(np.array(0.2), np.array(1.69), np.array(0.7), 0.0)
    assert found == pytest.approx(integral, abs=1e-4)
    # A proper score: no other variance is better than the observation's.
    variances = np.linspace(0.2, 5, 49)
    scores = expected_crps(np.zeros(49), variances, np.zeros(49), 2.0)
    assert variances[scores.argmin()] == pytest.approx(2.0)


def test_a_calibrated_student_covers_what_it_says():
    mean = np.linspace(-3, 3, 7)
    covered = interval_coverage(mean, np.full(7, 2.0), mean, 2.0)
    np.testing.assert_allclose(covered, 0.95, rtol=1e-12)


K = 8


def test_one_response_and_all_keep_the_teachers_variance_and_their_mean_a_kth():
    rng = np.random.default_rng(0)
    n, noise = 3000, 0.5
    x = rng.normal(size=(n + 200, 2)).astype(np.float32)
    mean = (x @ np.array([0.8, -0.6])).astype(np.float64)
    problem = Problem(x[:n], x[n:], mean[:n])
    settings = MlpSettings(family="mlp", hidden=6, epochs=600, learning_rate=0.02, head="gaussian")
    answers = mean[:n] + np.sqrt(noise) * rng.standard_normal((2, K, n))
    average, variance = answers.mean(axis=1), answers.var(axis=1)
    batches = {
        "single": Batch(answers[:, 0], np.arange(2)),
        "averaging": Batch(average, np.arange(2)),
        "multi_response": Batch(average, np.arange(2), label_variance=variance),
    }
    ratio, coverage = {}, {}
    for method, batch in batches.items():
        model = Regression(problem, settings)
        assert model.ensemble == 2
        trained = model.fit(batch)
        own = TabularStudents(
            trained.test_prediction, mean[n:], mean[n:], trained.predictive_variance, noise
        )
        everything = np.ones(200, bool)
        ratio[method] = (
            METRICS["regression/intra_variance_ratio"].estimate(own, everything, 0.95).value
        )
        coverage[method] = (
            METRICS["regression/predictive_coverage"].estimate(own, everything, 0.95).value
        )
    # Of n responses a variance has a relative standard error of √(2/n), 2.6 %; of K n, 0.9 %.
    assert ratio["single"] == pytest.approx(1, abs=0.1)
    assert ratio["multi_response"] == pytest.approx(1, abs=0.05)
    assert ratio["averaging"] == pytest.approx(1 / K, rel=0.2)
    assert coverage["multi_response"] == pytest.approx(0.95, abs=0.01)
    # The interval of a student of averages covers ±1.96/√K standard deviations.
    narrow = 2 * stats.norm.cdf(1.96 / np.sqrt(K)) - 1
    assert coverage["averaging"] == pytest.approx(narrow, abs=0.05)
