"""Estimators by simulation: bias, and coverage over 500 simulated studies."""

import tracemalloc

import numpy as np
import pytest
from kduq import statistics
from kduq.statistics import intervals, random_effects

STUDIES = 500


def study(rng, students=60, draws=4, inputs=20, inter=1.0, intra=3.0):
    means = np.sqrt(inter) * rng.normal(size=(students, 1, inputs))
    return means + np.sqrt(intra) * rng.normal(size=(students, draws, inputs))


def anova(draws):
    """Mean squares between and within students, input by input, by the textbook."""
    n_students, n_draws, _ = draws.shape
    means, grand = draws.mean(axis=1), draws.mean(axis=(0, 1))
    between = n_draws * ((means - grand) ** 2).sum(axis=0) / (n_students - 1)
    within = ((draws - means[:, None]) ** 2).sum(axis=(0, 1)) / (n_students * (n_draws - 1))
    return between, within


def test_anova_is_unbiased_and_the_naive_variance_of_means_is_not():
    rng = np.random.default_rng(0)
    corrected, naive, within = [], [], []
    for _ in range(STUDIES):
        draws = study(rng, students=10)
        corrected.append(statistics.inter_student_variance(draws, 0.95).value)
        within.append(anova(draws)[1].mean())
        naive.append(draws.mean(axis=1).var(axis=0, ddof=1).mean())
    # Means of 500 studies; four standard errors of each.
    for values, exact in ((corrected, 1.0), (within, 3.0), (naive, 1.0 + 3.0 / 4)):
        error = 4 * np.std(values) / np.sqrt(STUDIES)
        assert abs(np.mean(values) - exact) < error
    assert np.mean(naive) > 1.5


def test_mean_squares_give_the_same_estimate():
    draws = study(np.random.default_rng(1))
    between, within = anova(draws)
    expected = ((between - within) / draws.shape[1]).mean()
    found = statistics.inter_student_variance(draws, 0.95).value
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("draws_per_student", [1, 4])
def test_variance_of_many_inputs_needs_no_copy_of_all_students(draws_per_student, monkeypatch):
    rng = np.random.default_rng(6)
    draws = study(rng, 40, draws_per_student, 5000).astype(np.float32)
    expected = statistics.inter_student_variance(draws.astype(np.float64), 0.95)
    monkeypatch.setattr(random_effects, "_MANY", 0)
    tracemalloc.start()
    found = statistics.inter_student_variance(draws, 0.95)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * draws.nbytes / len(draws)
    np.testing.assert_allclose(
        [found.value, found.se], [expected.value, expected.se], rtol=1e-12, atol=0
    )


def test_leave_one_out_values_are_those_of_the_statistic_itself():
    draws = study(np.random.default_rng(2), students=12)
    n = len(draws)
    left_out = np.array(
        [
            statistics.inter_student_variance(np.delete(draws, s, axis=0), 0.95).value
            for s in range(n)
        ]
    )
    expected = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    found = statistics.inter_student_variance(draws, 0.95)
    np.testing.assert_allclose(found.se, expected, rtol=1e-10)


@pytest.mark.parametrize("draws", [1, 4])
@pytest.mark.parametrize("students", [50, 200])
def test_jackknife_intervals_cover(students, draws):
    rng = np.random.default_rng(students + draws)
    # With one draw a student the variance within is part of the variance between.
    exact = 1.0 if draws > 1 else 1.0 + 3.0
    covered = 0
    for _ in range(STUDIES):
        found = statistics.inter_student_variance(study(rng, students, draws), 0.95)
        covered += found.low <= exact <= found.high
    # Binomial standard error of 500 intervals at 95 %: 0.0097; three of them either way.
    assert abs(covered / STUDIES - 0.95) < 0.03


def test_a_variance_of_students_that_may_be_equal_has_a_negative_limit():
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(STUDIES):
        found = statistics.inter_student_variance(study(rng, 10, 4, inter=0.0), 0.95)
        covered += found.low <= 0 <= found.high
    assert 0.93 <= covered / STUDIES <= 0.985  # a binomial standard error is 0.0097


def test_a_variance_of_rounding_errors_has_limits_of_their_size():
    """Least squares without noise: predictions differ by 1e-13, one of them by more."""
    values = 20 + 1e-13 * np.random.default_rng(9).normal(size=(12, 5))
    values[0] += 1e-11
    found = statistics.inter_student_variance(values[:, None], 0.95)
    assert found.low < 0 < found.high < 1e-20
    same = statistics.variance(np.full(12, 3.0), 0.95)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_too_few_students_give_a_variance_no_interval():
    values = np.random.default_rng(10).normal(size=5)
    assert np.isnan(statistics.variance(values[:4], 0.95).high)
    assert statistics.variance(values[:4], 0.95).se > 0
    assert statistics.variance(values, 0.95).low > 0


def test_limits_on_the_log_scale_are_those_of_the_formula():
    """With one direction of normal values they are Bonett's, with t for z."""
    from scipy import stats

    n, z, t = 30, stats.norm.ppf(0.975), stats.t.ppf(0.975, 29)
    low, high = intervals.positive_limits(
        np.array(2.0), np.array(8 / n), 0.0, np.array(29), n, 0.95
    )
    c = n / (n - z)
    np.testing.assert_allclose(
        [low, high], 2 * c * np.exp([-t * c * (2 / n) ** 0.5, t * c * (2 / n) ** 0.5])
    )


def test_bootstrap_over_replicates_agrees_with_the_jackknife_and_is_unbiased():
    rng = np.random.default_rng(4)
    values = study(rng, students=200, draws=1)[:, 0]
    weights = statistics.replicate_weights(200, 4000, rng)
    draws = statistics.weighted_variance(values, weights)
    found = statistics.inter_student_variance(values[:, None], 0.95)
    # Mean and SD of 4000 draws: within 5 % of the standard error, and within 10 % of it.
    assert abs(draws.mean() - found.value) < 0.1 * found.se
    assert abs(draws.std() / found.se - 1) < 0.1
    np.testing.assert_allclose(
        statistics.weighted_mean(values[:, 0], np.ones((1, 200)))[0], values[:, 0].mean()
    )


def test_the_variance_of_a_bootstrap_sample_counts_every_input():
    """With more inputs than are handled at once, against samples that are written out."""
    rng = np.random.default_rng(7)
    replicates, inputs = 6, 9001
    # The variance rises with the input's number: a part that is left out shows in the mean.
    values = rng.normal(size=(replicates, inputs)) * np.linspace(1, 3, inputs)
    weights = statistics.replicate_weights(replicates, 20, rng)
    expected = [
        np.repeat(values, sample.astype(int), axis=0).var(axis=0, ddof=1).mean() * 6 / 5
        for sample in weights
    ]
    np.testing.assert_allclose(statistics.weighted_variance(values, weights), expected, rtol=1e-12)


def test_slope_of_a_power_law_is_its_exponent():
    x = np.array([1.0, 3, 10, 50])
    np.testing.assert_allclose(statistics.log_log_slope(x, np.stack([2 / x, x**2])), [-1, 2])
