"""Verdicts: margins, adjustment, power, coverage and reasons, by closed forms and simulation."""

import numpy as np
import pytest
import scipy
from kduq.claims import hypothesis
from kduq.claims.contrasts import excess_by_k, worst_and_mean
from statsmodels.stats import multitest

STUDIES = 500
CLAIM = (1, "4", "s")


def test(points, errors, relation="below", threshold=1.0, margin=0.1, **options):
    options = {"n_students": 10} | options
    points = np.atleast_1d(np.asarray(points, float))
    errors = np.broadcast_to(np.asarray(errors, float), points.shape)
    return hypothesis.HypothesisTest(
        *CLAIM, "mlp", "d", "x", points, errors, relation, threshold, margin, **options
    )


test.__test__ = False


def only(tests):
    (row,) = hypothesis.judge(tests, 0.95)
    return row


@pytest.mark.parametrize(
    ("relation", "supported", "contradicted", "inconclusive"),
    [
        ("below", 0.5, 0.97, 0.9),
        ("above", 1.5, 1.03, 1.1),
        ("not_above", 1.03, 1.5, 1.1),
        ("equal", 1.0, 1.5, 1.1),
        ("unequal", 0.5, 1.0, 0.9),
    ],
)
def test_every_relation_can_be_supported_and_contradicted(
    relation, supported, contradicted, inconclusive
):
    for verdict, value in (
        ("supported", supported),
        ("contradicted", contradicted),
        ("inconclusive", inconclusive),
    ):
        row = only([test(value, 0.01, relation)])
        assert row["verdict"] == verdict
        assert (row["reason"] is None) == (verdict == "supported")
        assert (row["p_adjusted"] < 0.05) == (verdict != "inconclusive")


def test_no_effect_at_all_contradicts_an_effect():
    # Without a margin a difference of zero could never be concluded.
    row = only([test(0.0, 0.002, "below", threshold=0.0, margin=0.02)])
    assert row["verdict"] == "contradicted"
    assert row["reason"].startswith("The interval [-0.00392, 0.00392] lies above -0.02.")


def test_adjusted_p_values_are_those_of_statsmodels():
    rng = np.random.default_rng(0)
    for size in (1, 4, 24):
        p = rng.random(size) ** 3
        expected = multitest.multipletests(p, method="holm")[1]
        np.testing.assert_allclose(hypothesis.holm(p), expected)


def test_intervals_are_plain_whatever_the_number_of_rows():
    alone, *_ = hypothesis.judge([test(0.8, 0.02)], 0.95)
    rows = hypothesis.judge([test(0.8, 0.02) for _ in range(10)], 0.95)
    half = scipy.stats.norm.ppf(0.975) * 0.02
    for row in (alone, *rows):
        np.testing.assert_allclose([row["ci_low"], row["ci_high"]], [0.8 - half, 0.8 + half])
    assert rows[0]["p_adjusted"] == pytest.approx(10 * alone["p_adjusted"])


def test_checks_and_withheld_rows_cost_the_claims_nothing():
    tests = [test(0.8, 0.03), test(1.0, 0.0, "equal", kind="check")]
    tests.append(test(0.8, 0.03, withheld="The teacher has not learnt."))
    claim, check, withheld = hypothesis.judge(tests, 0.95)
    assert claim["p_adjusted"] == pytest.approx(only([tests[0]])["p_adjusted"])
    assert (check["kind"], check["verdict"]) == ("check", "supported")
    assert (withheld["verdict"], withheld["reason"]) == (
        "inconclusive",
        "The teacher has not learnt.",
    )
    assert np.isnan(withheld["p_adjusted"])


def test_one_wrong_verdict_in_a_family_is_rare():
    # All of ten rows lie at their boundary, where any verdict is wrong.
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(STUDIES):
        tests = [test(0.9 + 0.05 * rng.normal(), 0.05) for _ in range(10)]
        wrong += any(row["verdict"] != "inconclusive" for row in hypothesis.judge(tests, 0.95))
    # Three binomial standard errors above 5 %.
    assert wrong / STUDIES < 0.08


@pytest.mark.parametrize("degrees", [np.inf, 9.0])
def test_power_is_the_share_of_simulated_studies_that_decide(degrees):
    rng = np.random.default_rng(2)
    errors, size = 0.06, 4000
    # Twice the margin from the threshold is one margin beyond the boundary.
    centre = (0.8 - 0.9) / errors
    normal = rng.normal(centre, 1, size)
    scale = np.sqrt(rng.chisquare(degrees, size) / degrees) if np.isfinite(degrees) else 1.0
    critical = scipy.stats.t.ppf(0.975, degrees)
    expected = (np.abs(normal / scale) > critical).mean()
    found = only([test(0.3, errors, degrees=degrees)])["power"]
    # Four standard errors of two simulated shares.
    assert found == pytest.approx(expected, abs=4 * np.sqrt(0.5 / size))
    assert 0.2 < found < 0.5
    drawn = rng.normal(0.3, errors, size=(4000, 1))
    resampled = hypothesis.HypothesisTest.resampled(
        CLAIM, ("mlp", "d"), "x", (np.array([0.3]), drawn), "below", 1.0, 0.1, 10
    )
    if not np.isfinite(degrees):
        assert only([resampled])["power"] == pytest.approx(found, abs=0.04)


def test_more_rows_leave_each_less_power():
    one = only([test(0.3, 0.05)])["power"]
    many = hypothesis.judge([test(0.3, 0.05) for _ in range(20)], 0.95)[0]["power"]
    assert many < one - 0.2


def test_the_number_of_students_in_a_reason_has_the_power_that_it_promises():
    row = only([test(0.93, 0.1, n_students=40)])
    assert row["verdict"] == "inconclusive"
    assert "includes 0.9" in row["reason"]
    number = int(row["reason"].split("About ")[1].split(" ")[0].replace(",", ""))
    enough = only([test(0.93, 0.1 * np.sqrt(40 / number), n_students=number)])
    assert enough["power"] == pytest.approx(0.8, abs=0.04)


def test_reasons_say_where_the_interval_lies():
    for given, words in (
        (test(1.5, 0.01, "equal"), "lies above 0.9 to 1.1."),
        (test(0.5, 0.01, "equal"), "lies below 0.9 to 1.1."),
        (test(1.0, 0.01, "unequal"), "lies within 0.9 to 1.1."),
        (test(0.905, 0.01), "too close to it for a verdict"),
        (test(0.93, 1e4), "No number of students"),
        (test(0.93, 0.2, over_prompts=True), "and as many times more prompts"),
        (test(0.93, 0.2, splits=20, n_students=800), "splits instead of 20 would decide"),
        (test(np.nan, 0.1), "is not defined"),
    ):
        assert words in only([given])["reason"]
    rows = hypothesis.judge([test(0.87, 0.0145) for _ in range(9)], 0.95)
    assert "lies below 0.9, but not after adjustment for the other rows" in rows[0]["reason"]
    rows = hypothesis.judge([test(1.0, 0.045, "equal") for _ in range(9)], 0.95)
    assert "lies within 0.9 to 1.1, but not after adjustment" in rows[0]["reason"]


def test_ratios_are_reported_as_ratios():
    given = test(np.log(0.7), 0.05, threshold=0.0, margin=np.log(1.1), ratio=True)
    row = only([given])
    np.testing.assert_allclose([row["estimate"], row["threshold"], row["margin"]], [0.7, 1, 1.1])
    assert row["ci_low"] < 0.7 < row["ci_high"]
    assert (
        "0.909"
        in only([test(np.log(0.95), 0.01, threshold=0.0, margin=np.log(1.1), ratio=True)])["reason"]
    )


def test_limits_of_the_largest_component_cover():
    rng = np.random.default_rng(5)
    below, above = 0, 0
    for _ in range(STUDIES):
        points = 0.1 * rng.normal(size=8)  # all components are 0 in truth
        _, low, high = test(points, 0.1, "not_above").limits(0.95)
        below += low > 0
        above += high < 0
    # Each limit misses at most 2.5 % of the time; three binomial standard errors above.
    assert below / STUDIES < 0.046
    assert above / STUDIES < 0.046
    assert test(np.zeros(8), 0.1, "not_above").limits(0.95)[2] == pytest.approx(0.196, abs=1e-3)


def test_a_claim_about_all_components_needs_no_adjustment_and_its_opposite_does():
    supports, contradicts, _ = test([0.8, 0.8], 0.05).p_values(
        np.array([0.8, 0.8]), np.array([0.05, 0.05])
    )
    alone = scipy.stats.norm.sf((0.9 - 0.8) / 0.05)
    assert supports == pytest.approx(alone)
    assert contradicts == 1.0
    assert only([test([0.5, 1.5], 0.01)])["verdict"] == "contradicted"


def noisy(rng, students, alpha, ks, floor=1.0):
    """Variances of students without and with noise, with bootstrap draws, and their excess."""
    started = np.sqrt(floor) * rng.normal(size=students)
    noise = np.sqrt(alpha) * rng.normal(size=(students, max(ks)))
    cells = [started, started + noise[:, 0]]
    cells += [started + noise[:, :k].mean(axis=1) for k in ks]
    weights = rng.multinomial(students, np.full(students, 1 / students), size=400)
    pairs = []
    for values in cells:
        total = weights.sum(axis=1)
        first, second = weights @ values, weights @ values**2
        draws = (second - first**2 / total) / (total - 1) * students / (students - 1)
        pairs.append((values.var(ddof=1), draws))
    return excess_by_k(ks, pairs[2:], pairs[1], pairs[0])


@pytest.mark.parametrize("alpha", [0.3, 2.7])
def test_noise_that_falls_as_one_over_k_is_recognised_also_when_it_is_small(alpha):
    """Also where the logarithm of the difference from the floor is often not defined."""
    rng = np.random.default_rng(6)
    covered, undefined, values = 0, 0, []
    for _ in range(STUDIES):
        point, draws = noisy(rng, 100, alpha, [3, 10, 50])
        error = draws.std(ddof=1)
        values.append(point[0])
        covered += abs(point[0] - 1) < 1.96 * error
        undefined += not np.isfinite(error)
    assert undefined == 0
    # Three binomial standard errors below 95 %; too wide where V_1 - V_0 is uncertain.
    assert covered / STUDIES > 0.92
    assert np.median(values) == pytest.approx(1, abs=0.1)


def test_noise_that_does_not_fall_is_told_from_noise_that_does():
    ks = [3, 10]
    constant = [(2.0, np.full(5, 2.0))] * 2
    point, _ = excess_by_k(ks, constant, (2.0, np.full(5, 2.0)), (1.0, np.ones(5)))
    # Weights 1/k²: the mean of k · 1 over k.
    assert point[0] == pytest.approx((1 / 3 + 1 / 10) / (1 / 9 + 1 / 100))
    assert point[0] > 3


def test_the_mean_of_many_cells_comes_before_the_most_extreme():
    pair = np.array([0.1, 0.3]), np.array([[0.0, 0.2], [0.2, 0.4]])
    (first, mean), (second, worst) = worst_and_mean(pair)
    assert (first, second) == ("mean", "largest")
    np.testing.assert_allclose(mean[0], [0.2])
    np.testing.assert_allclose(mean[1], [[0.1], [0.3]])
    assert worst is pair
    assert len(list(worst_and_mean((np.zeros(1), np.zeros((2, 1)))))) == 1
