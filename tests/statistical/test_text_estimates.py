"""Estimates of language models against closed forms, definitions and simulation."""

import numpy as np
import pytest
from kduq import statistics
from kduq.conditions import Condition
from kduq.data.corpus import Corpus
from kduq.estimates import answer_scores, text
from kduq.estimates.answers import Answers, answers_from

STUDIES = 500
#: Inter- and intra-student covariances of the simulated vectors; D = 3.
INTER = np.array([[0.5, 0.2, 0.0], [0.2, 0.3, 0.0], [0.0, 0.0, 0.1]])
INTRA = np.diag([1.0, 0.5, 2.0])


def study(rng, students=40, draws=4, inputs=6, inter=INTER, centre=0.0):
    """Draws of shape (S, X, J, D) around ``centre``."""
    shape = (students, inputs, 1, 3)
    means = centre + rng.normal(size=shape) @ np.linalg.cholesky(inter).T
    noise = rng.normal(size=(students, inputs, draws, 3)) @ np.sqrt(INTRA)
    return means + noise


def within_four_errors(values, exact):
    return abs(np.mean(values) - exact) < 4 * np.std(values) / np.sqrt(len(values))


def test_components_of_a_covariance_are_unbiased_and_their_intervals_cover():
    rng = np.random.default_rng(0)
    found = {"inter": [], "intra": []}
    naive = []
    for _ in range(STUDIES):
        means, within = statistics.moments(study(rng))
        found["inter"].append(statistics.inter_student_trace(means, within, 4, 0.95))
        found["intra"].append(statistics.mean(within.mean(axis=1), 0.95))
        naive.append(means.var(axis=0, ddof=1).sum(axis=1).mean())
    for name, covariance in (("inter", INTER), ("intra", INTRA)):
        exact = np.trace(covariance)
        assert within_four_errors([e.value for e in found[name]], exact)
        covered = np.mean([e.low <= exact <= e.high for e in found[name]])
        # Three binomial standard errors of 500 intervals at 95 %.
        assert abs(covered - 0.95) < 0.03
    # What the correction is for: variance of means holds a quarter of the variance within.
    assert np.mean(naive) > np.trace(INTER) + 0.8 * np.trace(INTRA) / 4


def test_trace_is_the_scalar_estimate_summed_over_dimensions():
    draws = study(np.random.default_rng(1), students=7)
    means, within = statistics.moments(draws)
    found = statistics.inter_student_trace(means, within, 4, 0.95)
    flat = draws.transpose(0, 2, 1, 3).reshape(7, 4, -1)
    expected = statistics.inter_student_variance(flat, 0.95)
    np.testing.assert_allclose([found.value, found.se], [3 * expected.value, 3 * expected.se])
    np.testing.assert_allclose(within.mean(), 3 * flat.var(axis=1, ddof=1).mean())


@pytest.mark.parametrize("distance", [0.0, 0.8])
def test_systematic_noise_is_unbiased_and_its_interval_covers(distance):
    rng = np.random.default_rng(2)
    target = rng.normal(size=(6, 3))
    # Every prompt's expectation is off by a vector of this length.
    centre = target[:, None] + distance * np.array([0.6, 0.8, 0.0])
    found, plain = [], []
    for _ in range(STUDIES):
        means, _ = statistics.moments(study(rng, students=20, centre=centre))
        found.append(statistics.systematic_noise(means, target, 0.95))
        plain.append(((means.mean(axis=0) - target) ** 2).sum(axis=1).mean())
    values = [e.value for e in found]
    assert within_four_errors(values, distance**2)
    assert not within_four_errors(plain, distance**2)
    covered = np.mean([e.low <= distance**2 <= e.high for e in found])
    if distance:
        # Three binomial standard errors of 500 intervals at 95 %.
        assert abs(covered - 0.95) < 0.03
    else:
        # A degenerate U-statistic: unbiased, so often negative, and its jackknife is too wide.
        assert 0.3 < np.mean(np.array(values) < 0) < 0.7
        assert covered > 0.92


def test_systematic_noise_is_its_definition():
    draws = study(np.random.default_rng(3), students=5, inputs=1)
    target = np.array([[0.1, 0.2, 0.3]])
    means, _ = statistics.moments(draws)
    # Mean squares between students: draws per student times the variance of their means.
    between = 4 * draws[:, 0].mean(axis=1).var(axis=0, ddof=1).sum()
    expected = ((means.mean(axis=0) - target) ** 2).sum() - between / (5 * 4)
    found = statistics.systematic_noise(means, target, 0.95)
    np.testing.assert_allclose(found.value, expected)
    left_out = np.array(
        [
            statistics.systematic_noise(np.delete(means, s, axis=0), target, 0.95).value
            for s in range(5)
        ]
    )
    np.testing.assert_allclose(
        found.se, np.sqrt(4 / 5 * ((left_out - left_out.mean()) ** 2).sum()), rtol=1e-10
    )


def unit(*values):
    rows = np.array(values, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


#: Three questions in a space of three directions; the last is a test prompt.
REFERENCES = [unit([1, 0, 0], [1, 0.2, 0]), unit([0, 1, 0]), unit([0, 0, 1])]
TEXTS = [["red", "pale red"], ["green"], ["blue"]]
TRUTH = [[0.75, 0.25], [1.0], [1.0]]


def corpus(known=True):
    return Corpus(
        ["train", "train", "test"],
        ["a", "b", "c"],
        TEXTS,
        TRUTH if known else [None] * 3,
    )


def answers(embeddings, texts=None, support=None):
    """Answers of shape (S, P, J, D) to the prompts; texts default to the first reference."""
    embeddings = np.asarray(embeddings, dtype=np.float32)
    if texts is None:
        texts = np.full(embeddings.shape[:3], "", dtype=object)
        for p, group in enumerate(TEXTS):
            texts[:, p] = group[0]
    if support is None:
        support = [np.tile(t, (len(embeddings), 1)) for t in TRUTH]
    return Answers(texts, embeddings, support)


def right(students=1, draws=2):
    """Every answer is the first reference."""
    first = np.stack([rows[0] for rows in REFERENCES])
    return np.tile(first[None, :, None], (students, 1, draws, 1))


#: Metrics that are counted, whatever students answer.
EXACT = ("diverged_count", "trainings", "responses_per_prompt")
#: Greedy answers: each prompt's first reference.
GREEDY = answers(np.stack([rows[0] for rows in REFERENCES])[None, :, None])


def settings_of(experiment, conditions):
    return text.Settings(
        experiment=experiment,
        family="lm",
        dataset="made_up",
        seed=0,
        confidence=0.95,
        conditions=conditions,
        prompts=3,
    )


def estimated(students, teacher=None, known=True):
    settings = settings_of("student_output", [Condition(label_source="greedy")])
    teacher = answers(right()) if teacher is None else teacher
    table = text.estimate(
        settings, corpus(known), REFERENCES, np.arange(3), teacher, GREEDY, [(students, 1, 6)]
    )
    keys = list(zip(table["role"], table["metric"], table["group"], strict=True))
    assert len(set(keys)) == len(keys)
    values = zip(table["estimate"], table["ci_low"], table["n_students"], strict=True)
    return dict(zip(keys, values, strict=True))


def test_a_student_like_the_truth_is_right_in_everything():
    found = estimated(answers(right(students=5)))
    exact = {
        "similarity_to_reference": 1,
        "similarity_to_teacher": 1,
        "hallucination_rate": 0,
        "intra_student_variance": 0,
        "inter_student_variance": 0,
        "mutual_information": 0,
        "kl_from_truth": 0,
        "total_variation_from_truth": 0,
        "support_coverage": 1,
        "mass_outside_support": 0,
        "calibration_error_to_truth": 0,
        "predictive_entropy": statistics.entropy(np.array([0.75, 0.25])) / 3,
    }
    for metric, value in exact.items():
        assert found["student", metric, "all"][0] == pytest.approx(value, abs=1e-6), metric
        assert found["student", metric, "all"][2] == 5
    entropy = statistics.entropy(np.array([0.75, 0.25]))
    assert found["teacher", "true_entropy", "train"][0] == pytest.approx(entropy / 2)
    assert found["teacher", "true_entropy", "test"][0] == 0
    assert found["student", "diverged_count", "all"][::2] == (1, 6)
    # These students never vary; the teacher's probabilities do, whatever it happened to answer.
    assert found["student", "intra_variance_ratio", "all"][0] == pytest.approx(0, abs=1e-6)
    certain = estimated(answers(right(students=5)), known=False)
    # A teacher that never varies leaves nothing to be a share of.
    assert np.isnan(certain["student", "intra_variance_ratio", "all"][0])
    # All answers are the more probable reference: off by the other one's pull on the mean.
    away = 0.25**2 * ((REFERENCES[0][0] - REFERENCES[0][1]) ** 2).sum() / 3
    for role in ("teacher", "student"):
        assert found[role, "systematic_noise", "all"][0] == pytest.approx(away, rel=1e-4)


def test_distances_from_the_truth_are_those_of_their_definitions():
    support = [np.array([[0.5, 0.02], [0.7, 0.2]]), np.array([[0.6], [1.0]]), np.array([[1.0]] * 2)]
    found = estimated(answers(right(students=2), support=support))
    kl = [
        0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.02) + np.log(1 / 0.6),
        0.75 * np.log(0.75 / 0.7) + 0.25 * np.log(0.25 / 0.2),
    ]
    assert found["student", "kl_from_truth", "train"][0] == pytest.approx(np.mean(kl) / 2)
    variation = [(0.25 + 0.23 + 0.48) / 2 + 0.4, (0.05 + 0.05 + 0.1) / 2]
    assert found["student", "total_variation_from_truth", "all"][0] == pytest.approx(
        np.mean(variation) / 3
    )
    # 0.02 is less than a tenth of 0.25.
    assert found["student", "support_coverage", "train"][0] == pytest.approx((0.5 + 3) / 4)
    assert found["student", "mass_outside_support", "train"][0] == pytest.approx(
        (0.48 + 0.1 + 0.4) / 4
    )
    # No two answers of a student share a bin, and what is outside is no answer.
    errors = [
        (0.5 * 0.25 + 0.02 * 0.23 + 0.6 * 0.4) / 2.12,
        (0.7 * 0.05 + 0.2 * 0.05) / 2.9,
    ]
    assert found["student", "calibration_error_to_truth", "all"][0] == pytest.approx(
        np.mean(errors)
    )
    rows = [[0.5, 0.02, 0.48], [0.7, 0.2, 0.1], [0.6, 0.4], [1.0]]
    entropy = sum(statistics.entropy(np.array(row)) for row in rows) / 4
    assert found["student", "predictive_entropy", "train"][0] == pytest.approx(entropy)
    # Two students have a number but no variance: no interval of a variance, and one of a mean.
    assert np.isnan(found["student", "inter_student_variance", "all"][1])
    assert np.isfinite(found["student", "kl_from_truth", "all"][1])


def test_an_answer_never_given_has_a_finite_divergence():
    support = [np.array([[1.0, 0.0]]), np.array([[1.0]]), np.array([[1.0]])]
    found = estimated(answers(right(), support=support))
    expected = (0.75 * np.log(0.75) + 0.25 * np.log(0.25 / answer_scores.FLOOR)) / 3
    assert found["student", "kl_from_truth", "all"][0] == pytest.approx(expected)


def test_mutual_information_of_students_that_are_each_sure_of_one_answer():
    side = np.arange(200) % 2
    support = [np.eye(2)[side], np.ones((200, 1)), np.ones((200, 1))]
    found = estimated(answers(right(students=200), support=support))
    # A sample that is balanced by design is still taken for a random one: + 1/2S.
    expected = np.log(2) + 1 / 400
    assert found["student", "mutual_information", "train"][0] == pytest.approx(
        expected / 2, rel=1e-4
    )
    assert abs(found["student", "mutual_information", "test"][0]) < 1e-12


def test_calibration_error_is_zero_only_for_a_calibrated_model():
    rng = np.random.default_rng(4)
    model = rng.random(200_000)
    # Right on average among answers of like probability, though wrong about every one: 0 up to
    # the mean of 200,000 / 15 coin flips a bin, of standard error 0.004.
    truth = (rng.random(200_000) < model).astype(float)
    assert answer_scores.calibration_error(model, model) == 0
    assert answer_scores.calibration_error(model, truth) < 0.01
    # One bin each: (0.3 · |0.3 - 0.6| + 0.8 · |0.8 - 0.4|) / 1.1.
    found = answer_scores.calibration_error(np.array([0.3, 0.8]), np.array([0.6, 0.4]))
    assert found == pytest.approx((0.3 * 0.3 + 0.8 * 0.4) / 1.1)
    # Two in one bin: it counts with what the model puts into it.
    found = answer_scores.calibration_error(np.array([0.81, 0.85, 0.1]), np.array([0.7, 1.0, 0.0]))
    assert found == pytest.approx((1.66 * 0.02 + 0.1 * 0.1) / 1.76)
    # Certainty is in the last bin, not in one of its own.
    assert answer_scores.calibration_error(np.array([1.0, 0.95]), np.array([0.95, 1.0])) == 0
    assert np.isnan(answer_scores.calibration_error(np.zeros(3), np.ones(3) / 3))


def test_hallucination_is_an_answer_outside_the_support():
    texts = np.array([[["red", " pale \n red "], ["red", "Green"], ["blue", ""]]], dtype=object)
    found = estimated(answers(right(), texts))
    assert found["student", "hallucination_rate", "train"][0] == pytest.approx(2 / 4)
    assert found["student", "hallucination_rate", "test"][0] == pytest.approx(1 / 2)
    assert found["teacher", "hallucination_rate", "all"][0] == 0


def test_hallucination_without_a_known_support_is_an_answer_nearer_to_another_question():
    embeddings = right()
    embeddings[0, 0, 1] = unit([0.4, 0.9, 0])
    embeddings[0, 2, 0] = unit([0.2, 0.1, 0.9])
    found = estimated(answers(embeddings), known=False)
    assert found["student", "hallucination_rate", "train"][0] == pytest.approx(1 / 4)
    assert found["student", "hallucination_rate", "test"][0] == 0
    assert ("student", "kl_from_truth", "all") not in found


def test_wordings_of_one_question_share_their_references():
    # Three prompts with one reference each; the first two are wordings of one question.
    same = Corpus(["train"] * 3, ["a", "b", "c"], [["red"], ["red"], ["blue"]], [None] * 3)
    embedded = [REFERENCES[1], REFERENCES[1], REFERENCES[2]]
    references = answer_scores.References(same, embedded, np.arange(3))
    assert references.own.tolist() == [[True, False], [True, False], [False, True]]
    assert list(references.groups()) == ["all"]
    # With no other question there is nothing to be nearer to.
    references = answer_scores.References(same, embedded[:2], np.arange(2))
    given = Answers(np.full((1, 2, 2), ""), right()[:, :2], [None] * 2)
    scores = answer_scores.ModelScores(given, references, None)
    assert np.isnan(scores.hallucinated).all()


def test_similarities_and_ratio_follow_their_definitions():
    rng = np.random.default_rng(5)
    given, own = unit(*rng.normal(size=(1, 3, 6, 3))), unit(*rng.normal(size=(4, 3, 5, 3)))
    found = estimated(answers(own), answers(given), known=False)
    cosines = [(own[:, p] @ REFERENCES[p].T).max(axis=2).mean() for p in range(3)]
    assert found["student", "similarity_to_reference", "all"][0] == pytest.approx(np.mean(cosines))
    pairs = np.einsum("spjd,pkd->spjk", own, given[0])
    assert found["student", "similarity_to_teacher", "all"][0] == pytest.approx(pairs.mean())
    variance = [values.var(axis=-2, ddof=1).sum(axis=-1).mean() for values in (own, given)]
    assert found["student", "intra_student_variance", "all"][0] == pytest.approx(variance[0])
    assert found["teacher", "intra_student_variance", "all"][0] == pytest.approx(variance[1])
    ratio = found["student", "intra_variance_ratio", "all"]
    assert ratio[0] == pytest.approx(variance[0] / variance[1])
    assert ratio[1] < ratio[0]
    between = found["student", "inter_student_variance", "all"][0]
    kept = found["student", "inter_variance_ratio", "all"][0]
    assert kept == pytest.approx(between / variance[1])
    whole = found["student", "total_variance_ratio", "all"][0]
    assert whole == pytest.approx(kept + ratio[0])
    # The teacher is not drawn; its prompts are.
    own_interval = found["teacher", "intra_student_variance", "all"]
    assert own_interval[1] < own_interval[0]


def test_the_teachers_variance_is_exact_where_its_probabilities_are_known():
    # Two draws of the teacher are too few to see its variance; its probabilities tell it.
    found = estimated(answers(unit(*np.random.default_rng(5).normal(size=(4, 3, 5, 3)))))
    exact = 1 - ((REFERENCES[0].T @ TRUTH[0]) ** 2).sum()
    own = found["student", "intra_student_variance", "train"][0]
    ratio = found["student", "intra_variance_ratio", "train"][0]
    assert ratio == pytest.approx(own / (exact / 2))
    # A teacher that often answers something else is measured by its draws, which never vary here.
    support = [np.array([[0.6, 0.2]]), np.array([[0.8]]), np.array([[0.8]])]
    teacher = answers(right(), support=support)
    found = estimated(answers(right(students=3)), teacher)
    assert np.isnan(found["student", "intra_variance_ratio", "train"][0])


def test_systematic_noise_of_the_teacher_is_less_its_own_sampling_variance():
    rng = np.random.default_rng(6)
    values = []
    centre = np.array([REFERENCES[0].T @ TRUTH[0], REFERENCES[1][0], REFERENCES[2][0]])
    for _ in range(STUDIES):
        given = centre[None, :, None] + rng.normal(size=(1, 3, 4, 3)) + [0.5, 0, 0]
        references = answer_scores.References(corpus(), REFERENCES, np.arange(3))
        measured = answer_scores.ModelScores(answers(given), references, None)
        values.append(
            measured.own_systematic_noise(np.ones(3, bool), 0.95)["systematic_noise"].value
        )
    assert within_four_errors(values, 0.25)


@pytest.mark.parametrize("students", [0, 1, 2])
@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize("known", [True, False])
def test_few_students_or_draws_give_nulls_and_no_warnings(students, draws, known):
    given = right(students, draws if students else 0)
    found = estimated(answers(given), answers(right(1, draws)), known)
    measured = {key: value for key, value in found.items() if key[1] not in EXACT}
    for (role, metric, _), (value, low, n) in measured.items():
        assert n == (students if role == "student" else 1), metric
        # A teacher is not drawn, its prompts are: intervals need one teacher, or two students.
        assert np.isnan(low) or role == "teacher" or students == 2
        if role == "student" and students == 0:
            assert np.isnan(value)
    assert np.isnan(found["student", "inter_student_variance", "all"][0]) == (students < 2)
    assert np.isnan(found["student", "systematic_noise", "all"][1])


def test_no_prompts_give_nulls_with_no_students():
    settings = settings_of("student_output", [Condition()])
    none = Answers(np.empty((3, 0, 2), object), np.zeros((3, 0, 2, 4), np.float32), [])
    one = Answers(np.empty((1, 0, 2), object), np.zeros((1, 0, 2, 4), np.float32), [])
    table = text.estimate(settings, corpus(), [], np.arange(0), one, one, [(none, 0, 3)])
    for metric, value, n in zip(
        table["metric"], table["estimate"], table["n_students"], strict=True
    ):
        if metric not in EXACT:
            assert np.isnan(value), metric
            assert n == 0, metric


def rows_of_a_table(students=(3, 7), prompts=(4, 2, 9), draws=(0, 1)):
    rng = np.random.default_rng(7)
    grid = [(s, p, j) for s in students for p in prompts for j in draws]
    order = rng.permutation(len(grid))
    grid = [grid[i] for i in order]
    return {
        "replicate": np.array([s for s, _, _ in grid]),
        "prompt_id": np.array([p for _, p, _ in grid]),
        "draw": np.array([j for _, _, j in grid]),
        "text": np.array([f"{s}-{p}-{j}" for s, p, j in grid], dtype=object),
        "n_tokens": np.array([s for s, _, _ in grid]),
        "logprob": np.array([-float(p + j) for _, p, j in grid]),
        "embedding": np.array([[s, p, j] for s, p, j in grid], dtype=np.float32),
        "support_logprobs": [np.log([s / 10, p / 100]) if j == 0 else None for s, p, j in grid],
    }


def test_answers_are_arranged_by_student_prompt_and_draw():
    columns = rows_of_a_table()
    found = answers_from(columns, np.arange(12), np.array([9, 4]))
    assert found.texts.tolist() == [
        [["3-9-0", "3-9-1"], ["3-4-0", "3-4-1"]],
        [["7-9-0", "7-9-1"], ["7-4-0", "7-4-1"]],
    ]
    assert found.embeddings[1, 0, 1].tolist() == [7, 9, 1]
    np.testing.assert_allclose(found.support[1], [[0.3, 0.04], [0.7, 0.04]])
    # Tokens times the mean over tokens: the log-probability of the whole answer.
    np.testing.assert_allclose(found.logprobs[:, 0], [[-27, -30], [-63, -70]])


def test_prompts_come_in_the_order_asked_for():
    columns = rows_of_a_table(students=(1,), prompts=(2, 4, 6, 9))
    found = answers_from(columns, np.arange(8), np.array([6, 9, 4, 2]))
    assert found.texts[0, :, 0].tolist() == ["1-6-0", "1-9-0", "1-4-0", "1-2-0"]


def test_answers_of_a_teacher_and_of_nobody():
    columns = rows_of_a_table(students=(1,)) | {"support_logprobs": [None] * 6}
    del columns["replicate"]
    found = answers_from(columns, np.arange(6), np.array([2, 4, 9]))
    assert found.texts.shape == (1, 3, 2)
    assert found.support == [None, None, None]
    none = answers_from(columns, np.arange(0), np.array([2, 4, 9]))
    assert none.texts.shape == (0, 3, 0)
    assert none.embeddings.shape == (0, 3, 0, 3)


def test_a_missing_or_repeated_answer_is_refused():
    columns = rows_of_a_table()
    for rows in (np.arange(11), np.array([*range(11), 0])):
        with pytest.raises(ValueError, match=r"answers of 2 models to 3 prompts"):
            answers_from(columns, rows, np.array([2, 4, 9]))


def test_probabilities_of_a_known_support_are_needed():
    with pytest.raises(ValueError, match="probabilities are missing"):
        estimated(answers(right(), support=[None] * 3))


def aware(noise, seed=0, students=12, shift=0.3):
    """Answers of two conditions that share what is random; the second is off by a shift."""
    rng = np.random.default_rng(seed)
    centre = np.stack([rows[0] for rows in REFERENCES])
    own = 0.2 * rng.normal(size=(students, 3, 1, 3))
    draws = 0.1 * rng.normal(size=(students, 3, 4, 3))
    base = centre[:, None] + own + draws
    other = 0.1 * noise * rng.normal(size=base.shape)
    return base, base + shift * np.array([1.0, 0, 0]) + other


CELLS = [
    Condition(method="single", k=1),
    Condition(method="averaging", k=5),
]


def compared(base, other, cells=CELLS, lost=0):
    settings = settings_of("variance_aware", cells)
    kept = Answers(
        np.full(other[lost:].shape[:3], "x", dtype=object),
        other[lost:],
        [None] * 3,
        np.arange(lost, len(other)),
    )
    table = text.estimate(
        settings,
        corpus(known=False),
        REFERENCES,
        np.arange(3),
        answers(right()),
        GREEDY,
        [(answers(base), 0, len(base)), (kept, lost, len(other))],
    )
    rows = zip(
        *(table[n] for n in ("method", "metric", "group", "estimate", "se_students", "n_students")),
        strict=True,
    )
    return {(m, name): tuple(v) for m, name, group, *v in rows if group == "all"}


def test_conditions_are_compared_replicate_by_replicate():
    base, other = aware(noise=0.2)
    found = compared(base, other)
    assert ("single", "similarity_to_reference_difference") not in found
    value, se, n = found["averaging", "similarity_to_reference_difference"]
    single, averaging = (found[m, "similarity_to_reference"] for m in ("single", "averaging"))
    np.testing.assert_allclose(value, averaging[0] - single[0])
    assert n == 12
    # What a replicate's students share cancels.
    assert se < 0.5 * np.hypot(averaging[1], single[1])
    value, _, _ = found["averaging", "systematic_noise_difference"]
    noise = (found[m, "systematic_noise"][0] for m in ("averaging", "single"))
    np.testing.assert_allclose(value, next(noise) - next(noise))


def test_a_replicate_that_diverged_is_missing_on_both_sides():
    base, other = aware(noise=0.0)
    found = compared(base, other, lost=2)
    value, _, n = found["averaging", "intra_student_variance_difference"]
    assert n == 10
    np.testing.assert_allclose(value, 0, atol=1e-6)


def test_the_change_with_initialisation_noise_is_relative_to_the_least():
    cells = [Condition(init_noise=s) for s in (0.0, 0.4)]
    base, _ = aware(noise=0.0)
    centre = base.mean(axis=(0, 2), keepdims=True)
    settings = compared(base, centre + 2 * (base - centre), cells)
    value, se, n = settings[None, "inter_student_variance_change"]
    # Deviations twice as large are variances four times as large, for every student.
    np.testing.assert_allclose(value, 3, rtol=1e-5)
    assert se < 1e-4
    assert n == 12


def test_the_interval_of_a_paired_difference_covers():
    covered = 0
    references = answer_scores.References(corpus(known=False), REFERENCES, np.arange(3))
    for study_number in range(STUDIES):
        pair = aware(noise=1.0, seed=study_number, shift=0.0)
        base, other = (
            answer_scores.ModelScores(answers(draws), references, None) for draws in pair
        )
        found = other.differences(base, np.ones(3, bool), 0.95)["systematic_noise_difference"]
        covered += found.low <= 0 <= found.high
    # The truth is 0; three binomial standard errors, and a jackknife may be too wide.
    assert 0.92 < covered / STUDIES <= 1
