"""Random-effects meta-analysis: closed forms, another program, and coverage by simulation."""

import numpy as np
import pytest
import scipy
from kduq.statistics import meta_analysis
from statsmodels.stats.meta_analysis import combine_effects

SEEDS = range(6)


def studies(seed, spread, n=9):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.2, 0.6, n)
    return 1 + spread * rng.normal(size=n) + errors * rng.normal(size=n), errors


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0])
def test_mean_and_its_error_are_those_of_statsmodels(seed, spread):
    values, errors = studies(seed, spread)
    mean, between = meta_analysis.pool(values, errors, 0.95)
    other = combine_effects(values, errors**2, method_re="iterated", use_t=True)
    assert between.value == pytest.approx(np.sqrt(max(other.tau2, 0)), abs=2e-3)
    assert mean.value == pytest.approx(other.mean_effect_re, abs=1e-4)
    assert mean.se == pytest.approx(other.sd_eff_w_re_hksj, rel=1e-3)
    half = scipy.stats.t.ppf(0.975, 8) * other.sd_eff_w_re_hksj
    assert mean.high == pytest.approx(other.mean_effect_re + half, rel=1e-3)


def test_equal_errors_have_a_closed_form():
    values, errors = np.array([0.0, 1.0, 2.0, 5.0]), np.full(4, 0.5)
    found = meta_analysis.pool_alike(values, errors, 0.9)
    scatter = values.var(ddof=1)
    assert (found.mean, found.spread) == meta_analysis.pool(values, errors, 0.9)
    assert found.mean.value == pytest.approx(2.0)
    assert found.mean.se == pytest.approx(np.sqrt(scatter / 4))
    assert found.spread.value == pytest.approx(np.sqrt(scatter - 0.25))
    limits = 3 * scatter / scipy.stats.chi2.ppf([0.95, 0.05], 3) - 0.25
    assert [found.spread.low, found.spread.high] == pytest.approx(np.sqrt(limits))
    reach = scipy.stats.t.ppf(0.95, 3) * np.sqrt(scatter * (1 + 1 / 4))
    assert found.prediction.low == pytest.approx(2 - reach)
    assert found.prediction.high == pytest.approx(2 + reach)


def test_repetitions_of_equal_size_count_the_same():
    values, errors = np.array([1.0, 2.0, 6.0]), np.array([1e-6, 1.0, 3.0])
    found = meta_analysis.pool_alike(values, errors, 0.95)
    assert found.mean.value == pytest.approx(3.0)
    assert found.mean.se == pytest.approx(values.std(ddof=1) / np.sqrt(3))
    # With weights, the one that is nearly without error decides.
    assert meta_analysis.pool(values, errors, 0.95)[0].value < 2


def test_without_sampling_errors_it_is_the_ordinary_mean():
    values = np.array([0.3, 0.5, 0.1, 0.7])
    mean, spread = meta_analysis.pool(values, np.zeros(4), 0.95)
    assert mean.value == pytest.approx(values.mean())
    assert mean.se == pytest.approx(values.std(ddof=1) / 2)
    assert spread.value == pytest.approx(values.std(ddof=1), rel=1e-6)


def test_repetitions_that_agree_without_error_have_no_spread():
    found = meta_analysis.pool_alike(np.full(5, 0.25), np.zeros(5), 0.95)
    assert (found.mean.low, found.mean.value, found.mean.high) == (0.25, 0.25, 0.25)
    assert (found.spread.value, found.prediction.low, found.prediction.high) == (0, 0.25, 0.25)


def test_values_closer_together_than_their_errors_have_no_spread():
    found = meta_analysis.pool_alike(np.array([1.0, 1.4, 0.6, 1.0]), np.full(4, 0.5), 0.95)
    assert found.spread.value == found.spread.low == 0
    assert found.spread.high > 0


@pytest.mark.parametrize(
    ("values", "errors"), [([1.0, np.nan, 2.0], [0.1] * 3), ([1.0] * 3, [0.1, np.inf, 0.1])]
)
def test_what_is_not_finite_has_no_estimate(values, errors):
    found = meta_analysis.pool_alike(np.array(values), np.array(errors), 0.95)
    assert all(np.isnan(part.value) for part in (found.mean, found.spread, found.prediction))


def test_two_repetitions_have_a_mean_and_no_limits():
    found = meta_analysis.pool_alike(np.array([1.0, 2.0]), np.array([0.1, 0.1]), 0.95)
    assert found.mean.value == pytest.approx(1.5)
    assert np.isnan([found.mean.low, found.spread.high, found.prediction.high]).all()
