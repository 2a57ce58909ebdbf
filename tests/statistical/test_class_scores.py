"""Metrics of classifiers against closed forms, scikit-learn, and simulation."""

import numpy as np
import pytest
import scipy
from kduq import statistics
from kduq.estimates.metrics import METRICS
from kduq.estimates.metrics.protocol import TabularStudents
from kduq.statistics import calibration
from sklearn import metrics

STUDIES = 500


def answers(rng, rows=300, classes=3, sharpness=1.0):
    """Probabilities, and true classes drawn from them after a temperature of 1/sharpness."""
    logits = 2 * rng.normal(size=(rows, classes))
    true = scipy.special.softmax(sharpness * logits, axis=1)
    drawn = (true.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    return scipy.special.softmax(logits, axis=1), np.minimum(drawn, classes - 1)


@pytest.mark.parametrize("rows", [36, 1000])
def test_the_calibration_error_of_a_calibrated_model_is_zero_on_average(rows):
    rng = np.random.default_rng(0)
    found, plain = [], []
    for _ in range(STUDIES):
        p, classes = answers(rng, rows)
        found.append(calibration.expected_calibration_error(p, classes))
        plain.append(calibration._plain_calibration_error(p, classes))
    error = np.std(found) / np.sqrt(STUDIES)
    # Four standard errors, and 2 % of what is subtracted: the stated error of its formula.
    assert abs(np.mean(found)) < 4 * error + 0.02 * np.mean(plain)
    assert np.mean(plain) > 20 * error


def test_a_clear_calibration_error_stays():
    """Of a model that is always 0.9 sure and right in 60 %: 0.3, less what is subtracted."""
    rng = np.random.default_rng(1)
    n = 500
    p = np.tile([0.9, 0.1], (n, 1))
    classes = (rng.random(n) > 0.6).astype(int)
    expected = np.abs(rng.binomial(n, 0.9, 100_000) / n - 0.9).mean()
    raw = 0.9 - (classes == 0).mean()
    # The mean of 100 000 draws has an error of 0.3 %.
    found = calibration.expected_calibration_error(p, classes)
    np.testing.assert_allclose(found, raw - expected, atol=1e-4)


def test_a_temperature_is_that_of_the_largest_likelihood_of_other_rows():
    p, classes = answers(np.random.default_rng(2), 4000, sharpness=0.4)
    grid = np.linspace(0.2, 1, 161)
    found = calibration.tempered(p, classes)
    for half in (np.arange(4000) % 2 == 0, np.arange(4000) % 2 == 1):
        likelihood = [
            np.log(q[np.arange(half.sum()), classes[half]]).mean()
            for q in (scipy.special.softmax(b * np.log(p[half]), axis=1) for b in grid)
        ]
        best = grid[int(np.argmax(likelihood))]
        assert abs(best - 0.4) < 0.1
        expected = scipy.special.softmax(best * np.log(p[~half]), axis=1)
        # A step of the grid, 0.005, changes a probability by less than 0.01.
        np.testing.assert_allclose(found[~half], expected, atol=0.01)
    sure = calibration.expected_calibration_error(p, classes)
    after = calibration.expected_calibration_error_after_temperature(p, classes)
    assert sure > 0.15
    assert abs(after) < 0.03


def test_a_row_does_not_fit_its_own_temperature():
    p, classes = answers(np.random.default_rng(3), 40)
    other = classes.copy()
    other[6] = (other[6] + 1) % 3
    changed = calibration.tempered(p, other) != calibration.tempered(p, classes)
    assert not changed[::2].any()
    assert changed[1::2].all()


def test_right_answers_alone_fit_the_least_temperature():
    p, _ = answers(np.random.default_rng(4), 40)
    found = calibration.tempered(p, p.argmax(axis=1))
    np.testing.assert_allclose(found, scipy.special.softmax(np.exp(3) * np.log(p), axis=1))


def test_area_under_the_risk_coverage_curve_is_the_mean_of_its_points():
    p, classes = answers(np.random.default_rng(5), 50)
    order = np.argsort(-p.max(axis=1))
    wrong = (p.argmax(axis=1) != classes)[order]
    expected = np.mean([wrong[:k].mean() for k in range(1, 51)])
    np.testing.assert_allclose(calibration.aurc(p, classes), expected)


def test_rows_of_equal_confidence_are_in_random_order():
    rng = np.random.default_rng(6)
    p = np.round(answers(rng, 40)[0], 1)
    p[:, 2] = 1 - p[:, :2].sum(axis=1)
    p, classes = np.round(p, 1), rng.integers(3, size=40)
    confidence, wrong = p.max(axis=1), p.argmax(axis=1) != classes
    areas = []
    for _ in range(2000):
        order = np.lexsort([rng.random(40), -confidence])
        areas.append((wrong[order].cumsum() / np.arange(1, 41)).mean())
    error = 4 * np.std(areas) / np.sqrt(2000)
    assert error > 0
    assert abs(calibration.aurc(p, classes) - np.mean(areas)) < error
    same = np.tile([0.5, 0.3, 0.2], (40, 1))
    np.testing.assert_allclose(calibration.aurc(same, classes), (classes != 0).mean())


@pytest.mark.parametrize("digits", [1, 12])
def test_detection_of_errors_is_that_of_scikit_learn(digits):
    p, classes = answers(np.random.default_rng(7), 200)
    p = np.round(p, digits)
    wrong = p.argmax(axis=1) != classes
    expected = metrics.roc_auc_score(wrong, 1 - p.max(axis=1))
    np.testing.assert_allclose(calibration.error_auroc(p, classes), expected)
    assert np.isnan(calibration.error_auroc(p, p.argmax(axis=1)))


def students(rng, number=12, rows=30, classes=3):
    p = rng.dirichlet(np.ones(classes), size=(number, rows))
    return TabularStudents(p, np.eye(classes)[rng.integers(classes, size=rows)], p[0])


def estimate(name, of, inputs=None):
    inputs = np.ones(of.truth.shape[0], bool) if inputs is None else inputs
    return METRICS[f"classification/{name}"].estimate(of, inputs, 0.95)


def test_total_entropy_is_the_sum_of_its_parts():
    of = students(np.random.default_rng(8), number=60)
    everyone = np.ones(of.predictions.shape[:2], bool)
    parts = statistics.entropy(of.predictions).mean()
    parts += statistics.mutual_information(of.predictions, everyone, 0.95).value
    found = estimate("total_entropy", of)
    np.testing.assert_allclose(found.value, parts, rtol=1e-12)
    assert found.low < found.value < found.high
    few = TabularStudents(of.predictions[:20], of.truth, of.teacher)
    assert np.isnan(estimate("total_entropy", few).low)


def test_total_entropy_covers():
    rng = np.random.default_rng(9)
    mean = np.array([0.5, 0.3, 0.2])
    exact, covered, inputs = statistics.entropy(mean), 0, np.ones(10, bool)
    for _ in range(STUDIES):
        p = rng.dirichlet(3 * mean, size=(50, 10))
        found = statistics.total_entropy(p, inputs, 0.95)
        covered += found.low <= exact <= found.high
    # Two binomial standard errors of 500 intervals, 0.02, on either side of 93 to 97 %.
    assert 0.91 <= covered / STUDIES <= 0.99


def test_agreement_is_that_of_all_pairs():
    of = students(np.random.default_rng(10))
    chosen = np.arange(30) % 3 > 0
    classes = of.predictions.argmax(axis=2)[:, chosen]
    pairs = [(classes[i] == classes[j]).mean() for i in range(12) for j in range(i)]
    found = estimate("student_agreement", of, chosen)
    np.testing.assert_allclose(found.value, np.mean(pairs))
    assert found.low < found.value < found.high < 1
    with_teacher = estimate("teacher_agreement", of, chosen)
    np.testing.assert_allclose(with_teacher.value, (classes == classes[0]).mean())
    same = TabularStudents(np.stack([of.teacher] * 6), of.truth, of.teacher)
    assert estimate("student_agreement", same).value == 1
    assert estimate("teacher_agreement", same).value == 1


def test_agreement_covers():
    """Students that answer a row wrongly with probability 0.2: two agree in 0.8² + 0.2²."""
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(STUDIES):
        p = np.eye(2)[(rng.random((20, 40)) < 0.2).astype(int)]
        found = estimate("student_agreement", TabularStudents(p, np.eye(2)[[0] * 40], p[0]))
        covered += found.low <= 0.68 <= found.high
    assert 0.91 <= covered / STUDIES <= 0.99


def test_parts_of_the_impurity_are_those_of_the_statistic():
    of = students(np.random.default_rng(12))
    expected = statistics.gini(of.predictions, np.ones(30, bool), 0.95)
    assert estimate("gini_intra", of) == expected.intra
    assert estimate("gini_inter", of) == expected.inter


def test_students_without_a_wrong_answer_have_no_detection_of_errors():
    of = students(np.random.default_rng(13), number=6)
    right = np.where(of.truth == 1, 0.8, 0.1)
    some = TabularStudents(np.stack([right, *of.predictions]), of.truth, of.teacher)
    assert estimate("error_auroc", some) == estimate("error_auroc", of)
    none = estimate("error_auroc", TabularStudents(right[None], of.truth, right))
    assert np.isnan(none.value)
    assert none.n == 0
