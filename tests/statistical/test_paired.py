"""Ratios of conditions that share their replicates: values, intervals and their coverage."""

import numpy as np
import pytest
from kduq.conditions import Condition
from kduq.estimates import paired
from kduq.estimates.metrics.entropy_ratio import ENTROPY_RATIO_OF_ERRORS
from kduq.estimates.metrics.protocol import TabularStudents

SINGLE = Condition(method="single", alpha=0.5, k=1)
AVERAGING = Condition(method="averaging", alpha=0.5, k=4)
WEIGHTING = Condition(method="variance_weighting", alpha=0.5, k=4)


def cell_of(condition, predictions, truth=0.0, diverged=(), deficient=None):
    """A cell of students whose predictions are given, each in an order of replicates of its own."""
    n = len(predictions)
    order = np.random.default_rng(len(str(condition))).permutation(n)
    columns = {
        "replicate": np.arange(n),
        "diverged": np.isin(np.arange(n), diverged),
        "rank_deficient": np.array([None] * n if deficient is None else deficient, dtype=object),
        "prediction": predictions,
        "test_mse": ((predictions - truth) ** 2).mean(axis=1),
    }
    return paired.Cell.of_students(condition, {k: v[order] for k, v in columns.items()})


def found_for(*cells, confidence=0.95):
    values = paired.estimates(dict(cells), confidence)
    return {(c, metric): (value, group) for c, metric, value, group in values}


def test_students_of_a_multiple_of_the_others_predictions_have_an_exact_ratio():
    draws = np.random.default_rng(0).normal(size=(30, 5))
    found = found_for(
        (SINGLE, cell_of(SINGLE, 2 * draws)),
        (AVERAGING, cell_of(AVERAGING, draws)),
        (WEIGHTING, cell_of(WEIGHTING, 1.5 * draws)),
    )
    expected = {
        (AVERAGING, "variance_ratio_to_single"): 1 / 4,
        (WEIGHTING, "variance_ratio_to_single"): 2.25 / 4,
        (WEIGHTING, "variance_ratio_to_averaging"): 2.25,
        (WEIGHTING, "test_mse_ratio_to_averaging"): 2.25,
    }
    assert set(found) == set(expected)
    for name, ratio in expected.items():
        value, group = found[name]
        # Replicate by replicate the ratio never differs, whatever each of the two varies.
        np.testing.assert_allclose([value.value, value.low, value.high], ratio, rtol=1e-9)
        assert (value.n, group) == (30, "all")


def test_the_interval_is_the_jackknifes_by_hand():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 12, 3))
    cells = {
        AVERAGING: cell_of(AVERAGING, one),
        WEIGHTING: cell_of(WEIGHTING, other, diverged=[4]),
    }
    value = paired.compare(paired.Comparison("ratio", WEIGHTING, AVERAGING), cells, confidence=0.9)

    def logarithm(kept):
        good = [s for s in kept if s != 4]
        return np.log(other[good].var(axis=0, ddof=1).mean()) - np.log(
            one[kept].var(axis=0, ddof=1).mean()
        )

    left_out = np.array([logarithm([s for s in range(12) if s != out]) for out in range(12)])
    error = np.sqrt(11 / 12 * ((left_out - left_out.mean()) ** 2).sum())
    whole = logarithm(list(range(12)))
    assert value.value == pytest.approx(np.exp(whole))
    assert value.n == 11
    assert np.log([value.low, value.high]) == pytest.approx(
        whole + np.array([-1, 1]) * 1.8124611 * error
    )


def test_changes_are_relative_to_the_least_noise_and_signed():
    draws = np.random.default_rng(2).normal(size=(20, 4))
    cells = [(Condition(init_noise=s), f * draws) for s, f in ((0.0, 1), (0.1, 0.5), (0.4, 2))]
    found = found_for(*((c, cell_of(c, values)) for c, values in cells))
    changes = {(c.init_noise, metric): value.value for (c, metric), (value, _) in found.items()}
    assert changes == pytest.approx(
        {
            (0.1, "inter_student_variance_change"): -0.75,
            (0.1, "test_mse_change"): -0.75,
            (0.4, "inter_student_variance_change"): 3,
            (0.4, "test_mse_change"): 3,
        }
    )


def test_teacher_labels_are_compared_with_true_ones_at_full_rank():
    rng = np.random.default_rng(3)
    base = Condition(label_source="teacher", sample_fraction=0.5)
    truth = base.model_copy(update={"label_source": "truth"})
    predictions, deficient = rng.normal(size=(9, 4)), [False] * 8 + [True]
    predictions[8] = 1000
    (pair,) = found_for(
        (base, cell_of(base, predictions, deficient=deficient)),
        (truth, cell_of(truth, 2 * predictions, deficient=deficient)),
    ).items()
    assert pair[0] == (base, "variance_ratio_to_truth")
    assert pair[1][1] == "full_rank"
    assert (pair[1][0].value, pair[1][0].n) == (pytest.approx(1 / 4), 8)
    # A teacher that is recovered exactly leaves no variance: zero, and no interval around it.
    (exact,) = found_for(
        (base, cell_of(base, np.ones((9, 4)))), (truth, cell_of(truth, predictions))
    ).values()
    assert exact[0].value == 0
    assert np.isnan([exact[0].low, exact[0].high]).all()
    nothing = found_for(
        (base, cell_of(base, predictions)), (truth, cell_of(truth, np.ones((9, 4))))
    )
    assert nothing == {}


def test_few_replicates_have_a_ratio_without_an_interval():
    draws = np.random.default_rng(4).normal(size=(4, 2))
    cells = {c: cell_of(c, draws) for c in (SINGLE, AVERAGING)}
    ((value, _),) = found_for(*cells.items()).values()
    assert value.value == pytest.approx(1)
    assert np.isnan([value.low, value.high]).all()


@pytest.mark.parametrize("students", [20, 60, 400])
@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_intervals_of_paired_ratios_cover(students, shared):
    """Normal predictions in four directions; two students of a replicate correlate by ``shared``.

    Of 600 studies at 95 % coverage is within 2.5 binomial standard errors (0.9 % each) of the aim
    of 93 to 97 %.
    """
    rng = np.random.default_rng([students, int(10 * shared)])
    scales, hits, widths = np.array([2.0, 1, 0.5, 0.25]), [], []
    true = 0.6
    for _ in range(600):
        common, *own = rng.normal(size=(3, students, 4)) * scales
        one, other = (np.sqrt(shared) * common + np.sqrt(1 - shared) * part for part in own)
        cells = {
            WEIGHTING: cell_of(WEIGHTING, np.sqrt(true) * one),
            AVERAGING: cell_of(AVERAGING, other),
        }
        value = paired.compare(
            paired.Comparison("ratio", WEIGHTING, AVERAGING), cells, confidence=0.95
        )
        hits.append(value.low <= true <= value.high)
        widths.append(np.log(value.high / value.low))
    assert 0.93 - 0.022 <= np.mean(hits) <= 0.97 + 0.022
    if shared:
        # What replicates share cancels: independent students have 1/√(1 - ρ²) times this width.
        effective = scales**4 @ np.ones(4) / (scales**2).sum() ** 2
        independent = 2 * 1.96 * np.sqrt(2 * 2 * effective / students)
        assert np.median(widths) < 0.65 * independent


def classifiers(entropy_right, entropy_wrong, rng, students=40, inputs=60):
    """Classifiers of two classes that are wrong on a random fifth of the inputs."""
    truth = np.eye(2)[rng.integers(0, 2, inputs)]
    wrong = rng.random((students, inputs)) < 0.2
    p = np.where(wrong, entropy_wrong, entropy_right) + rng.uniform(-0.03, 0.03, wrong.shape)
    probability_of_truth = np.where(wrong, p, 1 - p)
    own = truth[None, :, 0] * probability_of_truth + truth[None, :, 1] * (1 - probability_of_truth)
    return TabularStudents(np.stack([own, 1 - own], axis=2), truth, truth), wrong, p


def test_entropy_where_a_student_is_wrong_is_compared_with_that_where_it_is_right():
    rng = np.random.default_rng(5)
    students, wrong, p = classifiers(0.1, 0.4, rng)
    found = ENTROPY_RATIO_OF_ERRORS.estimate(students, np.ones(60, bool), 0.95)
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert found.value == pytest.approx(entropy[wrong].mean() / entropy[~wrong].mean())
    assert found.low < found.value < found.high
    assert found.n == 40
    # One student, as the teacher is, has a ratio without an interval, and one without errors none.
    alone = TabularStudents(students.predictions[:1], students.truth, students.teacher)
    one = ENTROPY_RATIO_OF_ERRORS.estimate(alone, np.ones(60, bool), 0.95)
    assert one.value == pytest.approx(entropy[0][wrong[0]].mean() / entropy[0][~wrong[0]].mean())
    assert np.isnan([one.low, one.high]).all()
    none = TabularStudents(students.truth[None] * 0.8 + 0.1, students.truth, students.teacher)
    assert ENTROPY_RATIO_OF_ERRORS.estimate(none, np.ones(60, bool), 0.95) is None


def test_intervals_of_the_entropy_ratio_cover():
    rng, true, hits = np.random.default_rng(6), None, []
    points = np.linspace(-0.03, 0.03, 20001)

    def mean_entropy(middle):
        p = middle + points
        return (-p * np.log(p) - (1 - p) * np.log(1 - p)).mean()

    true = mean_entropy(0.4) / mean_entropy(0.1)
    for _ in range(400):
        students, *_ = classifiers(0.1, 0.4, rng, students=20)
        found = ENTROPY_RATIO_OF_ERRORS.estimate(students, np.ones(60, bool), 0.95)
        hits.append(found.low <= true <= found.high)
    # Two binomial standard errors of 400 intervals are 2.2 %.
    assert 0.93 - 0.022 <= np.mean(hits) <= 0.97 + 0.022
