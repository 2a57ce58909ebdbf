"""Which responses a language model learns: definitions, and what they are for by simulation."""

import numpy as np
import pytest
from kduq.statistics.clustering import clusters_of_embeddings, clusters_of_texts
from kduq.targets import selection
from kduq.targets.folds import folds


def test_clusters_are_numbered_as_they_appear():
    texts = ["Paris", " paris\n", "Rome", "PARIS", "rome"]
    assert clusters_of_texts(texts).tolist() == [0, 0, 1, 0, 1]
    angle = np.array([0, 0.2, 1.5, 0.1, 1.4])
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert clusters_of_embeddings(embeddings).tolist() == [0, 0, 1, 0, 1]


def test_the_majority_is_the_first_of_the_largest_cluster():
    assert selection.majority(np.array([0, 1, 1, 2])) == 1
    assert selection.majority(np.array([0, 1, 1, 0])) == 0
    assert selection.majority(np.array([0, 1, 2])) == 0


@pytest.mark.parametrize(
    ("clusters", "kept"),
    [
        ([0, 1, 1, 2, 0], [0, 1, 2, 4]),
        ([0, 1, 2], [0]),
        ([0], [0]),
        ([0] * 9 + [1, 1] + [2] * 3, [*range(9), 11, 12, 13]),
    ],
)
def test_denoised_keeps_what_repeats_and_never_nothing(clusters, kept):
    assert selection.denoised(np.array(clusters)).tolist() == kept


def test_denoised_drops_spread_errors_and_keeps_legitimate_answers():
    rng = np.random.default_rng(0)
    # Two right answers of 35 % each, and 30 % errors spread over fifteen.
    shares = np.array([0.35, 0.35] + [0.02] * 15)
    before, after, lost = [], [], 0
    for _ in range(2000):
        answers = rng.choice(17, size=10, p=shares)
        clusters = np.unique(answers, return_inverse=True)[1]
        kept = answers[selection.denoised(clusters)]
        before.append((answers > 1).mean())
        after.append((kept > 1).mean())
        lost += len(set(kept) & {0, 1}) < 2
    assert np.mean(before) == pytest.approx(0.3, abs=0.01)
    assert np.mean(after) < 0.09
    assert lost / 2000 < 0.2


def test_wordings_of_a_question_are_in_different_folds():
    questions = np.array([5, 5, 5, 9, 9, 2, 7, 7])
    found = folds(questions, 2)
    for question in np.unique(questions):
        counts = np.bincount(found[questions == question], minlength=2)
        assert abs(counts[0] - counts[1]) <= 1
    # Questions with one wording are shared out as well.
    assert np.bincount(folds(np.arange(10), 2)).tolist() == [5, 5]


def drawn(rng, pilot_error, prompts=400, k=3, noise=1.0, dimensions=4):
    """Responses around a truth, and answers of a pilot that is off by an error of its own."""
    truth = rng.normal(size=(prompts, 1, dimensions))
    responses = truth + noise * rng.normal(size=(prompts, k, dimensions))
    off = pilot_error * rng.normal(size=(prompts, 1, dimensions))
    return truth[:, 0], responses, truth + off + 0.1 * rng.normal(size=(prompts, 20, dimensions))


@pytest.mark.parametrize("pilot_error", [0.1, 0.6, 3.0])
def test_the_weight_is_that_of_least_mean_squared_error(pilot_error):
    rng = np.random.default_rng(1)
    truth, responses, own = drawn(rng, pilot_error)
    centroids, weight = selection.cross_fitted_centroids(responses, own)
    error = pilot_error**2 + 0.1**2 / 20
    assert weight == pytest.approx(error / (error + 1 / 3), abs=0.05)
    squared = ((centroids - truth) ** 2).sum(axis=1).mean()
    means = {w: w * responses.mean(axis=1) + (1 - w) * own.mean(axis=1) for w in (0, 0.5, 1)}
    for mixed in means.values():
        assert squared < 1.02 * ((mixed - truth) ** 2).sum(axis=1).mean()


def test_a_pilot_that_repeats_its_teacher_is_not_mistaken_for_a_precise_one():
    """A pilot taught the first response is certain of it, and no better than it."""
    rng = np.random.default_rng(2)
    truth, responses, _ = drawn(rng, 0.0)
    # What such a pilot answers where it was not taught: another response, always the same one.
    other = truth[:, None] + rng.normal(size=(400, 1, 4))
    _, weight = selection.cross_fitted_centroids(responses, other.repeat(20, axis=1))
    # Its own draws never vary, yet its error counts: variance 1 against 1/3 of the mean of three.
    assert weight == pytest.approx(0.75, abs=0.04)


def test_answers_that_never_vary_leave_the_teachers_mean():
    same = np.ones((5, 3, 2))
    centroids, weight = selection.cross_fitted_centroids(same, same[:, :1])
    assert weight == 1
    np.testing.assert_allclose(centroids, 1)
