"""Variance between students that start at the same parameters: values and coverage."""

import numpy as np
import pytest
from kduq import statistics
from kduq.estimates import regression

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
    return regression._given_initialisation(part, 0.95), part


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
