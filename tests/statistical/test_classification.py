"""Estimates of classification against closed forms, definitions and simulation."""

import tracemalloc

import numpy as np
import pytest
from kduq import statistics
from kduq.conditions import Condition
from kduq.estimates import classification
from kduq.estimates.tabular import TabularRun
from kduq.families import Problem
from kduq.statistics import calibration

STUDIES = 500


def everyone(probabilities):
    return np.ones(probabilities.shape[:2], bool)


def test_entropy_of_known_distributions():
    known = np.array([[0.25] * 4, [1, 0, 0, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(statistics.entropy(known), [np.log(4), 0, np.log(2)], atol=1e-12)


def test_mutual_information_of_known_students():
    # Half the students are sure of one class, half of the other.
    sure = np.tile(np.eye(2)[:, None], (500, 1, 1))
    found = statistics.mutual_information(sure, everyone(sure), 0.95)
    # A sample that is balanced by design is still taken for a random one: + 1/2S.
    np.testing.assert_allclose(found.value, np.log(2) + 1 / 2000, rtol=1e-4)
    same = np.full((20, 3, 2), 0.5)
    found = statistics.mutual_information(same, everyone(same), 0.95)
    assert abs(found.value) < 1e-12


def dirichlet_truth(a):
    """Mutual information of p ~ Dirichlet(a): H(mean p) - E H(p), by quadrature-free formula."""
    from scipy.special import digamma

    mean = a / a.sum()
    expected = digamma(a.sum() + 1) - (mean * digamma(a + 1)).sum()
    return statistics.entropy(mean) - expected


def test_mutual_information_is_nearly_unbiased_and_its_interval_covers():
    rng = np.random.default_rng(1)
    shape = np.array([3.0, 1.0, 0.5])
    exact, corrected, plain, covered = dirichlet_truth(shape), [], [], 0
    for _ in range(STUDIES):
        p = rng.dirichlet(shape, size=(50, 30))
        found = statistics.mutual_information(p, everyone(p), 0.95)
        corrected.append(found.value)
        covered += found.low <= exact <= found.high
        mean = p.mean(axis=0)
        plain.append((statistics.entropy(mean) - statistics.entropy(p).mean(axis=0)).mean())
    error = np.std(corrected) / np.sqrt(STUDIES)
    # Four standard errors; the plain estimate is off by about (C - 1)/2S, many of them.
    assert abs(np.mean(corrected) - exact) < 4 * error + 0.02 * exact
    assert np.mean(plain) < exact - 10 * error
    # Three binomial standard errors of 500 intervals at 95 %.
    assert abs(covered / STUDIES - 0.95) < 0.03


@pytest.mark.parametrize(("students", "answers"), [(49, 2), (100, 64)])
def test_mutual_information_has_no_interval_where_answers_are_unseen(students, answers):
    """With few students, and where one student alone gives an answer."""
    rng = np.random.default_rng(7)
    p = np.eye(answers)[rng.integers(answers, size=(students, 20))]
    found = statistics.mutual_information(p, everyone(p), 0.95)
    assert abs(found.value / np.log(answers) - 1) < 0.05
    assert np.isnan([found.low, found.high]).all()
    assert found.se > 0


@pytest.mark.parametrize("students", [3, 10])
def test_parts_of_the_gini_impurity_are_unbiased_for_few_students(students):
    rng = np.random.default_rng(8)
    shape, inputs = np.array([2.0, 1.0, 0.5]), np.array([True, False, True])
    mean = shape / shape.sum()
    mixture = 1 - (mean**2).sum()
    inter = mixture / (shape.sum() + 1)
    found = np.empty((STUDIES, 2))
    for study in range(STUDIES):
        p = rng.dirichlet(shape, size=(students, 3))
        p[:, 1] = 1 / 3  # not among the inputs
        parts = statistics.gini(p, inputs, 0.95)
        found[study] = parts.intra.value, parts.inter.value
    error = found.std(axis=0) / np.sqrt(STUDIES)
    # Means of 500 studies; four standard errors of each.
    assert (np.abs(found.mean(axis=0) - [mixture - inter, inter]) < 4 * error).all()
    total = found.sum(axis=1)
    assert abs(total.mean() - mixture) < 4 * total.std() / np.sqrt(STUDIES)


def test_gini_parts_of_sure_students_are_the_share_of_unequal_pairs():
    classes = np.random.default_rng(9).integers(3, size=(12, 4))
    found = statistics.gini(np.eye(3)[classes], np.ones(4, bool), 0.95)
    pairs = [classes[i] != classes[j] for i in range(12) for j in range(i)]
    np.testing.assert_allclose(found.inter.value, np.mean(pairs))
    assert found.intra.value == 0


def test_a_group_with_few_students_has_no_interval():
    """Unless all have equally many pairs, as all inputs have."""
    rng = np.random.default_rng(10)
    values, members = rng.normal(size=(20, 8)), np.ones((20, 8), bool)
    assert np.isfinite(statistics.pooled_mean(values[:9], members[:9], 0.95).low)
    members[9:] = False
    found = statistics.pooled_mean(values, members, 0.95)
    assert found.n == 9
    assert np.isnan([found.low, found.high]).all()
    members[9, 0] = True
    assert np.isfinite(statistics.pooled_mean(values, members, 0.95).low)


def test_intervals_of_a_group_cover():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(STUDIES):
        level = rng.normal(size=(40, 1))
        values = 1 + level + rng.normal(size=(40, 25))
        members = rng.random((40, 25)) < 0.4
        found = statistics.pooled_mean(values, members, 0.95)
        covered += found.low <= 1 <= found.high
    assert abs(covered / STUDIES - 0.95) < 0.03


def test_a_group_is_averaged_over_its_members():
    values = np.array([[1.0, 2, 3], [4, 5, 6]])
    members = np.array([[True, False, True], [False, False, True]])
    found = statistics.pooled_mean(values, members, 0.95)
    assert (found.value, found.n) == (pytest.approx(10 / 3), 2)
    assert statistics.pooled_mean(values, members & False, 0.95).n == 0


@pytest.mark.parametrize("n_classes", [2, 4])
def test_scores_are_those_of_their_definitions(n_classes):
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(n_classes), size=400)
    classes = np.array([rng.choice(n_classes, p=row) for row in p])
    true = np.eye(n_classes)[classes]
    np.testing.assert_allclose(
        calibration.brier_score(p, classes), ((p - true) ** 2).sum(axis=1).mean()
    )
    np.testing.assert_allclose(
        calibration.negative_log_likelihood(p, classes),
        -np.log(p[np.arange(400), classes]).mean(),
    )
    confidence, right = p.max(axis=1), p.argmax(axis=1) == classes
    bins = np.minimum((confidence * 15).astype(int), 14)
    expected = sum(
        (bins == b).mean() * abs(confidence[bins == b].mean() - right[bins == b].mean())
        for b in np.unique(bins)
    )
    # Answers as a calibrated model gives them, of which the mean over 4000 has an error of 1 %.
    drawn = rng.random((4000, 400)) < confidence
    deviations = [
        (drawn[:, bins == b] - confidence[bins == b]).sum(axis=1) for b in np.unique(bins)
    ]
    calibrated = np.abs(deviations).sum(axis=0).mean() / 400
    np.testing.assert_allclose(
        calibration.expected_calibration_error(p, classes), expected - calibrated, atol=1e-3
    )


def whole_information(p, members):
    """Corrected mutual information and its standard error, from arrays of all students."""

    def value(some):
        mean, inside = p[some].mean(axis=0), np.where(members[some, :, None], p[some], 0)
        pairs, own = members[some].sum(), np.where(members[some], statistics.entropy(p[some]), 0)
        return (-(inside.sum(axis=0) * np.log(mean)).sum() - own.sum()) / pairs

    n = len(p)
    everybody = np.arange(n)
    left_out = np.array([value(np.delete(everybody, s)) for s in everybody])
    spread = (n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()
    return n * value(everybody) - (n - 1) * left_out.mean(), np.sqrt(spread)


def test_information_student_by_student_is_that_of_all_at_once():
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(4), size=(12, 200))
    members = rng.random((12, 200)) < 0.3
    members[5] = False
    used = []

    class OneByOne:
        def __len__(self):
            return len(p)

        def __getitem__(self, s):
            used.append(s)
            return p[s].copy()

    found = statistics.information_by_group(
        OneByOne(), lambda s, _: {"some": members[s], "none": members[s] & False}, 0.95
    )
    assert used == 2 * list(range(12))
    value, se = whole_information(p, members)
    mutual = found["some"].mutual
    np.testing.assert_allclose([mutual.value, mutual.se], [value, se], rtol=1e-12)
    assert mutual.n == 11
    pooled = statistics.pooled_mean(statistics.entropy(p), members, 0.95)
    assert found["some"].entropy == pooled
    np.testing.assert_array_equal(found["some"].counts, members.sum(axis=1))
    assert np.isnan(found["none"].mutual.value)


def test_estimates_of_many_test_rows_have_one_student_at_a_time_in_memory():
    rng = np.random.default_rng(5)
    students, rows, classes = 80, 4000, 5
    p = rng.dirichlet(np.ones(classes), size=(students, rows)).astype(np.float32)
    test_y, teacher = np.eye(classes)[rng.integers(classes, size=rows)], p[0].astype(np.float64)
    estimated(test_y, teacher, p[:2])  # imports
    tracemalloc.start()
    estimated(test_y, teacher, p)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The stored predictions, of which `estimated` makes a copy, and some copies of one student's in
    # double precision.
    assert peak < 1.5 * p.nbytes


def test_a_metric_may_use_the_probabilities_as_an_array():
    stored = np.random.default_rng(6).dirichlet(np.ones(3), size=(4, 7)).astype(np.float32)
    students = classification._Students(stored.reshape(4, -1), np.array([3, 0, 1]), (7, 3))
    assert students.shape == (3, 7, 3)
    assert len(list(students)) == 3
    np.testing.assert_allclose(students[:, [0, 2]], stored[[3, 0, 1]][:, [0, 2]], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(students).sum(axis=2), 1, rtol=1e-15)
    np.testing.assert_array_equal(students - students[0], np.asarray(students) - students[0])


def estimated(test_y, teacher, students):
    """Estimates by role, metric and group; ``students`` of shape (S, m, C)."""
    settings = classification.Settings(
        experiment="student_output",
        family="mlp",
        dataset="made_up",
        seed=0,
        task="classification",
        confidence=0.95,
        conditions=[Condition(label_source="hard")],
    )
    columns = {
        "prediction": students.reshape(len(students), -1).astype(np.float32),
        "diverged": np.zeros(len(students), bool),
    }
    none = Problem(np.zeros((2, 1)), np.zeros((2, 1)), np.eye(2))
    run = TabularRun(none, test_y, (teacher, teacher), columns, [np.arange(len(students))])
    table = classification.estimate(settings, run)
    names = zip(table["role"], table["metric"], table["group"], strict=True)
    values = zip(table["estimate"], table["ci_low"], table["n_students"], strict=True)
    return dict(zip(names, values, strict=True))


def test_groups_are_each_models_own():
    test_y = np.eye(2)[[0, 0, 1, 1]]
    teacher = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    students = np.stack([teacher, teacher[[0, 0, 2, 3]], teacher[:, ::-1]])
    found = estimated(test_y, teacher, students)
    entropy = statistics.entropy(teacher)
    assert found["teacher", "test_inputs", "incorrect"][0] == 1
    np.testing.assert_allclose(
        found["teacher", "predictive_entropy", "correct"][0], entropy[[0, 2, 3]].mean()
    )
    # Wrong are row 1 of the first student, none of the second, rows 0, 2 and 3 of the third.
    assert found["student", "test_inputs", "incorrect"][0] == pytest.approx(4 / 3)
    np.testing.assert_allclose(
        found["student", "predictive_entropy", "incorrect"][0],
        entropy[[1, 0, 2, 3]].mean(),
        rtol=1e-6,
    )
    assert found["student", "predictive_entropy", "incorrect"][2] == 2
    assert found["student", "accuracy", "all"][0] == pytest.approx((3 + 4 + 1) / 12)


def test_an_empty_group_is_null_with_no_students():
    test_y = np.eye(2)[[0, 1]]
    teacher = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = estimated(test_y, teacher, np.stack([teacher] * 5))
    for role in ("teacher", "student"):
        value, low, n = found[role, "predictive_entropy", "incorrect"]
        assert np.isnan(value)
        assert np.isnan(low)
        assert n == 0
    assert found["student", "mutual_information", "incorrect"][2] == 0
