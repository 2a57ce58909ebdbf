"""Standard errors over students and prompts: closed forms, and coverage by simulation."""

import numpy as np
import pytest
from kduq import statistics
from kduq.statistics import two_way

STUDIES = 500
#: Standard deviations of students, of questions, and of their interaction.
SPREADS = {"both": (1.0, 1.0, 1.0), "students": (1.0, 0.1, 0.3), "prompts": (0.1, 1.0, 0.3)}


def crossed(rng, spreads, students=10, questions=20, wordings=1):
    """Scores of shape (students, questions · wordings), and the question of each prompt."""
    by_student, by_question, by_both = spreads
    scores = (
        by_student * rng.normal(size=(students, 1, 1))
        + by_question * rng.normal(size=(1, questions, 1))
        + by_both * rng.normal(size=(students, questions, 1))
        + 0.2 * rng.normal(size=(students, questions, wordings))
    )
    return scores.reshape(students, -1), np.repeat(np.arange(questions), wordings)


@pytest.mark.parametrize("kind", SPREADS)
@pytest.mark.parametrize("wordings", [1, 3])
def test_intervals_of_a_mean_cover_when_students_and_prompts_are_both_drawn(kind, wordings):
    rng = np.random.default_rng(1)
    covered, over_students = 0, 0
    for _ in range(STUDIES):
        scores, questions = crossed(rng, SPREADS[kind], wordings=wordings)
        found = statistics.two_way_mean(scores, questions, 0.95)
        covered += found.low <= 0 <= found.high
        alone = statistics.mean(scores.mean(axis=1), 0.95)
        over_students += alone.low <= 0 <= alone.high
    # Three binomial standard errors of 500 intervals at 95 %.
    assert abs(covered / STUDIES - 0.95) < 0.03
    if kind == "prompts":
        # What the second way is for: over students alone the same mean is far less certain.
        assert over_students / STUDIES < 0.85


def test_the_squared_error_of_a_mean_is_that_of_the_two_way_analysis_of_variance():
    scores, questions = crossed(np.random.default_rng(2), SPREADS["both"])
    n, size = scores.shape
    rows, columns = scores.mean(axis=1, keepdims=True), scores.mean(axis=0)
    residual = ((scores - rows - columns + scores.mean()) ** 2).sum() / ((n - 1) * (size - 1))
    students, prompts = rows.var(ddof=1) / n, columns.var(ddof=1) / size
    found = statistics.two_way_mean(scores, questions, 0.95)
    assert found.se_students**2 == pytest.approx(students)
    assert found.se_prompts**2 == pytest.approx(prompts)
    assert found.se**2 == pytest.approx(students + prompts - residual / (n * size))
    # The general jackknife gives the same parts, and counts the residual twice.
    jackknife = statistics.two_way_jackknife(
        lambda s, p: float(scores[np.ix_(s, p)].mean()), n, questions, 0.95
    )
    assert jackknife.se_students == pytest.approx(found.se_students)
    assert jackknife.se_prompts == pytest.approx(found.se_prompts)
    assert jackknife.se**2 == pytest.approx(students + prompts)
    assert (found.n, found.n_prompts) == (n, size)


def test_wordings_of_a_question_are_one_draw():
    rng = np.random.default_rng(3)
    scores, questions = crossed(rng, (0.1, 1.0, 0.1), wordings=5)
    together = statistics.two_way_mean(scores, questions, 0.95)
    apart = statistics.two_way_mean(scores, np.arange(scores.shape[1]), 0.95)
    assert together.n_prompts == 20
    assert apart.se_prompts < 0.6 * together.se_prompts


def test_degrees_of_freedom_are_those_of_satterthwaite():
    assert statistics.degrees_of_freedom(1.0, 0.0, 10, 40) == pytest.approx(9)
    assert statistics.degrees_of_freedom(0.0, 1.0, 10, 40) == pytest.approx(39)
    assert statistics.degrees_of_freedom(np.nan, 1.0, 1, 40) == pytest.approx(39)
    expected = (1 + 4) ** 2 / (1 / 9 + 16 / 39)
    assert statistics.degrees_of_freedom(1.0, 2.0, 10, 40) == pytest.approx(expected)


def test_what_is_not_drawn_or_too_few_has_no_error():
    scores, questions = crossed(np.random.default_rng(4), SPREADS["both"], students=1)
    teacher = statistics.two_way_mean(scores, questions, 0.95, drawn=False)
    assert np.isnan(teacher.se_students)
    assert teacher.se == pytest.approx(teacher.se_prompts)
    # One drawn student says nothing of the others.
    student = statistics.two_way_mean(scores, questions, 0.95)
    assert np.isnan([student.se, student.low, student.high]).all()
    one = statistics.two_way_mean(np.array([[1.0], [3.0]]), np.zeros(1), 0.95)
    assert one.se == pytest.approx(one.se_students) == pytest.approx(1)
    assert np.isnan(one.se_prompts)
    empty = statistics.two_way_mean(np.empty((3, 0)), np.empty(0), 0.95)
    assert np.isnan(empty.value)
    assert np.isnan(two_way.jackknife_variance(np.array([1.0, np.nan])))


def test_many_questions_are_left_out_in_groups_of_equal_size():
    scores, questions = crossed(
        np.random.default_rng(3), SPREADS["both"], questions=3000, wordings=2
    )
    calls = []

    def mean(students, prompts):
        calls.append(len(prompts))
        return float(scores[np.ix_(students, prompts)].mean())

    found = statistics.two_way_jackknife(mean, len(scores), questions, 0.95)
    exact = statistics.two_way_mean(scores, questions, 0.95)
    assert found.n_prompts == exact.n_prompts == 3000
    # Wordings of a question stay together: 15 questions of two wordings are left out at a time.
    assert calls.count(6000 - 30) == 200
    assert len(calls) == 200 + 10 + 1
    assert found.se_students == pytest.approx(exact.se_students)
    # A variance from 200 groups has a relative standard error of 1/sqrt(2 * 199) = 5 %.
    assert found.se_prompts == pytest.approx(exact.se_prompts, rel=0.15)
