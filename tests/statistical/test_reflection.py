"""How far students reflect a teacher's uncertainty: definitions, references and coverage."""

import dataclasses
import importlib
import importlib.util
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy
from kduq import statistics
from kduq.data.corpus import Corpus
from kduq.estimates.answer_scores import ModelScores, References
from kduq.estimates.answers import Answers
from kduq.estimates.metrics import (
    METRICS,
    answer_information,
    error_detection,
    reflection,
    sequence_entropy,
)
from sklearn import metrics as sklearn_metrics

STUDIES = 500
DRAWS = 20


def references(prompts=12, known=True):
    """As many questions with two answers each, in a space of four directions."""
    texts = [["yes", "no"]] * prompts
    truth = [[0.5, 0.5] if known else None] * prompts
    corpus = Corpus(["train"] * prompts, [f"{p}?" for p in range(prompts)], texts, truth)
    return References(corpus, [np.eye(4)[:2]] * prompts, np.arange(prompts))


def scored(logprobs, probabilities, given, teacher=None, texts=None, embeddings=None):
    """Scores of models with log-probabilities (S, P, J) and probabilities (S, P, 2)."""
    shape = logprobs.shape
    if texts is None:
        texts = np.full(shape, "yes", dtype=object)
    if embeddings is None:
        embeddings = np.tile(np.eye(4, dtype=np.float32)[0], (*shape, 1))
    support = [probabilities[:, p] for p in range(shape[1])]
    return ModelScores(Answers(texts, embeddings, support, None, logprobs), given, teacher)


def everything(scores):
    return np.ones(scores.within.shape[1], bool)


def value(name, scores, prompts=None):
    prompts = everything(scores) if prompts is None else prompts
    return METRICS[f"text/{name}"].estimate(scores, prompts, 0.95)


def pair(rng, slope, students=8, prompts=12, noise=0.1):
    """Students whose entropies are slope times the teacher's, up to noise; and the teacher."""
    given = references(prompts)
    even = np.full((1, prompts, 2), 0.5)
    own = rng.uniform(0.2, 1.5, size=(1, prompts, 1))
    teacher = scored(-np.tile(own, (1, 1, DRAWS)), even, given)
    entropies = slope * own + noise * rng.normal(size=(students, prompts, 1))
    even = np.tile(even, (students, 1, 1))
    return scored(-np.tile(entropies, (1, 1, DRAWS)), even, given, teacher), own[0, :, 0]


def test_sequence_entropy_is_the_mean_of_minus_the_log_probability_of_the_answers():
    rng = np.random.default_rng(0)
    logprobs = -rng.exponential(size=(3, 12, DRAWS))
    scores = scored(logprobs, np.full((3, 12, 2), 0.5), references())
    found = value("sequence_entropy", scores)
    assert found.value == pytest.approx(-logprobs.mean())
    # A model that answers outside the support is not certain: the partition cannot tell.
    outside = np.zeros((3, 12, 2))
    lost = scored(logprobs, outside, references())
    assert lost._scores["predictive_entropy"].max() == pytest.approx(0)
    assert value("sequence_entropy", lost).value == pytest.approx(-logprobs.mean())


def test_entropy_of_held_out_answers_that_scatter_is_above_the_teachers():
    # The teacher gives two answers; its students give twenty, eighteen of them outside. Entropy
    # over supported answers and one "outside" is below the teacher's, that of answers far above.
    teacher = scored(np.full((1, 12, DRAWS), -np.log(2)), np.full((1, 12, 2), 0.5), references())
    students = scored(
        np.full((4, 12, DRAWS), -np.log(20)), np.full((4, 12, 2), 0.05), references(), teacher
    )
    assert students._scores["predictive_entropy"].mean() < np.log(2)
    found = value("sequence_entropy_ratio", students)
    assert found.value == pytest.approx(np.log(20) / np.log(2))


@pytest.mark.parametrize("by_text", [True, False])
def test_meanings_are_counted_by_text_or_by_embedding(by_text):
    texts = np.array(["Yes", " yes ", "no", "No way"], dtype=object)
    embeddings = np.array([[1, 0], [0.99, np.sqrt(1 - 0.99**2)], [0, 1], [0.1, np.sqrt(0.99)]])
    sizes = sequence_entropy.meanings(texts, embeddings, by_text)
    assert sorted(sizes) == ([1, 1, 2] if by_text else [2, 2])


def test_semantic_entropy_is_nearly_unbiased_from_few_draws():
    rng = np.random.default_rng(1)
    truth = np.array([0.5, 0.3, 0.2])
    counts = rng.multinomial(DRAWS, truth, size=4000)
    corrected = [sequence_entropy.semantic_entropy(c[c > 0]) for c in counts]
    plain = [scipy.stats.entropy(c / DRAWS) for c in counts]
    exact = scipy.stats.entropy(truth)
    assert abs(np.mean(corrected) - exact) < 0.01
    assert exact - np.mean(plain) > 0.04


@pytest.mark.parametrize("prompts", [15, 250])
def test_correlations_and_slope_are_those_of_scipy(prompts):
    rng = np.random.default_rng(2)
    # Rounded, so that there are ties.
    values, other = rng.normal(size=(3, prompts)).round(1), rng.normal(size=prompts).round(1)
    for relation, reference in (
        (reflection.correlation, lambda a, b: scipy.stats.spearmanr(a, b).statistic),
        (reflection.kendall, lambda a, b: scipy.stats.kendalltau(a, b).statistic),
        (reflection.slope, lambda a, b: scipy.stats.linregress(b, a).slope),
    ):
        expected = [reference(row, other) for row in values]
        np.testing.assert_allclose(relation(values, other), expected)
    assert np.isnan(reflection.correlation(values, np.zeros(prompts))).all()
    assert np.isnan(reflection.kendall(np.zeros((2, prompts)), other)).all()


def test_kendalls_correlation_is_the_same_in_turn_and_at_once(monkeypatch):
    rng = np.random.default_rng(3)
    values, other = rng.normal(size=(4, 40)).round(1), rng.normal(size=40).round(1)
    at_once = reflection.kendall(values, other)
    monkeypatch.setattr(reflection, "_MOST_PAIRED", 1)
    np.testing.assert_allclose(reflection.kendall(values, other), at_once)


def test_kendalls_correlation_of_many_prompts_takes_no_memory_of_all_pairs():
    rng = np.random.default_rng(4)
    tracemalloc.start()
    reflection.kendall(rng.normal(size=(2, 3000)), rng.normal(size=3000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20  # all pairs are 144 MB


def test_reflection_is_one_for_a_copy_and_none_for_noise():
    students, _ = pair(np.random.default_rng(3), slope=1, noise=0.0)
    assert value("entropy_rank_correlation", students).value == pytest.approx(1)
    assert value("entropy_slope", students).value == pytest.approx(1)
    unrelated, _ = pair(np.random.default_rng(4), slope=0, students=200, prompts=40)
    assert abs(value("entropy_rank_correlation", unrelated).value) < 0.2
    assert abs(value("entropy_slope", unrelated).value) < 0.05


def test_the_interval_of_the_slope_covers_over_students_and_prompts():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(STUDIES):
        given = references(30)
        own = rng.uniform(0.2, 1.5, size=30)
        even = np.full((1, 30, 2), 0.5)
        teacher = scored(-np.tile(own[None, :, None], (1, 1, 2)), even, given)
        slopes = 0.6 + 0.2 * rng.normal(size=(8, 1))
        entropies = slopes * own + 0.3 * rng.normal(size=30) + 0.1 * rng.normal(size=(8, 30))
        students = scored(
            -np.tile(entropies[..., None], (1, 1, 2)), np.tile(even, (8, 1, 1)), given, teacher
        )
        found = value("entropy_slope", students)
        covered += found.low <= 0.6 <= found.high
    # Four binomial standard errors below 95 %; the jackknife may be too wide.
    assert covered / STUDIES > 0.91


def test_the_ceiling_is_the_reliability_of_the_teachers_draws():
    rng = np.random.default_rng(6)
    own = rng.normal(1, 0.3, size=(1, 400, 1))
    noise = rng.normal(scale=0.3 * np.sqrt(DRAWS), size=(1, 400, DRAWS))
    teacher = scored(-(own + noise), np.full((1, 400, 2), 0.5), references(400))
    # Variance of the entropies over that of their estimates: a half. For normal variables
    # Spearman's correlation is 6/π asin(r/2).
    expected = 6 / np.pi * np.arcsin(0.5 / 2)
    assert value("entropy_rank_correlation_ceiling", teacher).value == pytest.approx(
        expected, abs=0.08
    )


def test_an_ensemble_of_certain_students_reflects_the_teacher_that_none_of_them_does():
    rng = np.random.default_rng(7)
    share = np.linspace(0.01, 0.5, 12)
    own = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    truth = np.stack([1 - share, share], axis=1)[None]
    teacher = scored(-np.tile(own[None, :, None], (1, 1, DRAWS)), truth, references())
    # Each student is certain of the one answer that it was taught.
    taught = rng.random((60, 12)) < share
    texts = np.where(taught, "no", "yes").astype(object)[..., None].repeat(DRAWS, axis=2)
    sure = np.stack([~taught, taught], axis=2).astype(float)
    logprobs = -0.01 * rng.random((60, 12, 1)).repeat(DRAWS, axis=2)
    students = scored(logprobs, sure, references(), teacher, texts)
    assert abs(value("entropy_rank_correlation", students).value) < 0.2
    assert value("ensemble_entropy_rank_correlation", students).value > 0.8
    assert value("total_variation_from_teacher", students).value > 0.2
    assert value("ensemble_total_variation_from_teacher", students).value < 0.07


def test_distances_from_the_teacher_follow_their_definitions():
    rng = np.random.default_rng(8)
    q, p = (rng.dirichlet([1, 1, 1], size=12) for _ in range(2))
    expected = np.abs(q - p).sum(axis=1) / 2
    np.testing.assert_allclose(reflection.total_variation(q, p), expected)
    divergence = scipy.spatial.distance.jensenshannon(q, p, axis=1) ** 2
    np.testing.assert_allclose(reflection.jensen_shannon(q, p), divergence)


def test_the_gini_split_is_unbiased_and_sums_to_that_of_the_mixture():
    rng = np.random.default_rng(9)
    alpha = np.array([0.5, 0.2, 0.1])
    mean = alpha / alpha.sum()
    intra = [answer_information._gini_intra(rng.dirichlet(alpha, size=(4, 3))) for _ in range(2000)]
    inter = [answer_information._gini_inter(rng.dirichlet(alpha, size=(4, 3))) for _ in range(2000)]
    variance = scipy.stats.dirichlet.var(alpha).sum()
    whole = 1 - (mean**2).sum()
    assert np.mean(inter) == pytest.approx(variance, abs=4 * np.std(inter) / np.sqrt(2000))
    assert np.mean(intra) == pytest.approx(whole - variance, abs=4 * np.std(intra) / np.sqrt(2000))


def test_entropies_between_students_add_up_to_that_of_their_mixture():
    q = np.random.default_rng(10).dirichlet([1, 1, 1], size=(30, 5))
    whole = answer_information._total_entropy(q)
    between = answer_information._mutual_information(q)
    assert whole == pytest.approx(between + statistics.entropy(q).mean())
    members = np.ones((30, 5), bool)
    assert between == pytest.approx(statistics.mutual_information(q, members, 0.95).value)


def test_agreement_is_the_share_of_equal_greedy_answers():
    even = np.full((3, 4, 2), 0.5)
    teacher = scored(np.zeros((1, 4, DRAWS)), even[:1], references(4))
    teacher = ModelScores(
        dataclasses.replace(teacher.answers, greedy=np.array([["a", "b", "c", "d"]], object)),
        teacher.references,
        None,
    )
    greedy = np.array([["a", "b", "x", "d"], ["A ", "x", "c", "d"], ["a", "y", "c", "d"]], object)
    plain = scored(np.zeros((3, 4, DRAWS)), even, references(4), teacher)
    students = ModelScores(
        dataclasses.replace(plain.answers, greedy=greedy), plain.references, teacher
    )
    # Of three pairs all agree on the first and last prompt, one on the third, none on the second.
    assert value("student_agreement", students).value == pytest.approx((1 + 0 + 1 / 3 + 1) / 4)
    assert value("teacher_agreement", students).value == pytest.approx((3 + 1 + 2 + 3) / 12)
    assert value("student_agreement", plain) is None


def mistaken(rng, students=3, prompts=6):
    """Models whose wrong answers are less probable, with ties."""
    wrong = rng.random((students, prompts, DRAWS)) < 0.3
    logprobs = (rng.normal(size=wrong.shape) - 1.5 * wrong).round(1)
    texts = np.where(wrong, "perhaps", "yes").astype(object)
    even = np.full((students, prompts, 2), 0.5)
    return scored(logprobs, even, references(prompts), None, texts), wrong, logprobs


def test_error_auroc_is_that_of_scikit_learn():
    scores, wrong, logprobs = mistaken(np.random.default_rng(11))
    prompts = np.array([True, True, False, True, True, False])
    expected = [
        sklearn_metrics.roc_auc_score(wrong[s][prompts].ravel(), -logprobs[s][prompts].ravel())
        for s in range(3)
    ]
    found = value("error_auroc", scores, prompts)
    assert found.value == pytest.approx(np.mean(expected))
    assert 0.7 < found.value < 1


def test_pairs_without_some_prompts_are_those_of_the_others():
    rng = np.random.default_rng(12)
    # Few distinct values, so that many are equal.
    logprobs = rng.integers(0, 6, (3, 5, 4)).astype(float)
    wrong = rng.random((3, 5, 4)) < 0.4
    pairs = error_detection._Pairs(logprobs, wrong)
    for left_out in ([], [2], [0, 3], [0, 1, 2, 3, 4]):
        kept = np.delete(np.arange(5), left_out)
        expected = []
        for s in (2, 0):
            bad, values = wrong[s, kept].ravel(), logprobs[s, kept].ravel()
            less, same = (f(values[bad][:, None], values[~bad]) for f in (np.less, np.equal))
            expected.append(less.sum() + same.sum() / 2)
        found = pairs.without(np.array([2, 0]), np.array(left_out, np.intp))
        np.testing.assert_allclose(found, expected)


def test_a_model_without_wrong_answers_has_no_auroc():
    right = scored(np.zeros((2, 6, DRAWS)), np.full((2, 6, 2), 0.5), references(6))
    for name in ("error_auroc", "prr"):
        assert np.isnan(value(name, right).value)


def test_rejection_ratio_is_one_for_an_oracle_and_zero_for_chance():
    rng = np.random.default_rng(12)
    wrong = rng.random(400) < 0.3
    assert error_detection.rejection_ratio(wrong, wrong.astype(float)) == pytest.approx(1)
    assert error_detection.rejection_ratio(wrong, np.zeros(400)) == pytest.approx(0, abs=1e-9)
    assert error_detection.rejection_ratio(wrong, 1.0 - wrong) < -0.4
    by_chance = [error_detection.rejection_ratio(wrong, rng.random(400)) for _ in range(500)]
    assert abs(np.mean(by_chance)) < 4 * np.std(by_chance) / np.sqrt(500)


def test_rejection_ratio_is_that_of_lm_polygraph(monkeypatch):
    # The package itself asks for much that this one function does not need.
    folder = Path(importlib.util.find_spec("lm_polygraph").origin).parent / "ue_metrics"
    spec = importlib.util.spec_from_loader("ue_metrics", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setitem(sys.modules, "ue_metrics", importlib.util.module_from_spec(spec))
    ue_metric = importlib.import_module("ue_metrics.ue_metric")
    area = importlib.import_module("ue_metrics.pred_rej_area").PredictionRejectionArea()
    rng = np.random.default_rng(13)
    wrong = rng.random(300) < 0.3
    uncertainty = rng.normal(size=300) + wrong
    right = 1.0 - wrong
    expected = ue_metric.normalize_metric(
        area(list(uncertainty), list(right)),
        area(list(wrong.astype(float)), list(right)),
        right.mean(),
    )
    found = error_detection.rejection_ratio(wrong.astype(float), uncertainty)
    assert found == pytest.approx(expected)
    assert 0.2 < found < 0.9
