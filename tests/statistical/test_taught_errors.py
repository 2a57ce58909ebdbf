"""Answers that methods select from a teacher that errs, against brute force and simulation."""

import itertools
from collections import Counter

import numpy as np
import pytest
from kduq import statistics
from kduq.conditions import Condition
from kduq.data.corpus import Corpus
from kduq.estimates import answer_scores, text, theory
from kduq.estimates.answers import Answers
from kduq.targets.selection import nearest

RNG = np.random.default_rng(11)
POOL = 4


def unit(values):
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


EMBEDDED = unit(RNG.normal(size=(POOL, 5)))
TAUGHT = np.array([0.5, 0.25, 0.15, 0.1])


def majority(numbers):
    """The most frequent answer; of equally frequent ones that which came first."""
    return Counter(numbers).most_common(1)[0][0]


def averaging(numbers):
    embedded = EMBEDDED[list(numbers)][None]
    return numbers[int(nearest(embedded.mean(axis=1), embedded)[0])]


RULES = [(theory.most_frequent, majority), (theory.nearest_to_mean, averaging)]


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("rule", "choose"), RULES)
def test_selection_is_that_of_every_sequence_of_responses(rule, choose, k):
    expected = np.zeros(POOL)
    for numbers in itertools.product(range(POOL), repeat=k):
        expected[choose(numbers)] += np.prod(TAUGHT[list(numbers)])
    np.testing.assert_allclose(theory.selected(rule, k, TAUGHT, EMBEDDED), expected, atol=1e-12)


@pytest.mark.parametrize(("rule", "choose"), RULES)
def test_draws_agree_with_enumeration(monkeypatch, rule, choose):
    exact = theory.selected(rule, 5, TAUGHT, EMBEDDED)
    monkeypatch.setattr(theory, "_ENUMERATED", 0)
    drawn = theory.selected(rule, 5, TAUGHT, EMBEDDED)
    # Four of the stated standard errors; equal values would mean that nothing was drawn.
    assert 0 < np.abs(drawn - exact).max() < 0.008
    np.testing.assert_array_equal(drawn, theory.selected(rule, 5, TAUGHT, EMBEDDED))


def test_many_responses_are_drawn_and_agree_with_a_simulation():
    taught = np.array([0.7, *[0.02] * 15])
    embedded = unit(RNG.normal(size=(16, 8)))
    found = theory.selected(theory.most_frequent, 10, taught, embedded)
    draws = np.random.default_rng(3).choice(16, p=taught, size=(20_000, 10))
    right = np.mean([majority(row) == 0 for row in draws.tolist()])
    # Both are sampled: four standard errors of 0.5/sqrt(20,000) and 0.002.
    assert found[0] == pytest.approx(right, abs=4 * np.hypot(0.0036, 0.002))
    assert found.sum() == pytest.approx(1)


def references(taught=TAUGHT, truth=(1.0, 0.0, 0.0, 0.0)):
    """Two questions, of which one has two wordings and errors."""
    corpus = Corpus(
        ["train", "test", "train"],
        ["a", "b", "c"],
        [["one", "two", "three", "four"]] * 2 + [["five"]],
        [list(truth)] * 2 + [[1.0]],
        [0, 0, 1],
        [list(taught)] * 2 + [None],
    )
    return corpus, answer_scores.References(
        corpus, [EMBEDDED, EMBEDDED, EMBEDDED[:1]], np.arange(3)
    )


def rates(condition, **changes):
    return theory.rates(condition, references(**changes)[1])


def test_a_single_answer_is_wrong_as_often_as_errors_are_taught():
    for condition in (
        Condition(method="single", k=1),
        Condition(method="single", k=1, label_source="sampled", temperature=1.0),
        Condition(method="averaging", k=1),
    ):
        np.testing.assert_allclose(rates(condition), [[0.5, 0.5, 0.0]])
    several = rates(Condition(method="single", k=1), truth=(0.6, 0.0, 0.4, 0.0))
    np.testing.assert_allclose(several, [[0.35, 0.35, 0.0]])


def test_a_remedy_is_wrong_as_often_as_it_selects_a_wrong_answer():
    found = rates(Condition(method="majority", k=3))
    chosen = theory.selected(theory.most_frequent, 3, TAUGHT, EMBEDDED)
    np.testing.assert_allclose(found, [[1 - chosen[0], 1 - chosen[0], 0.0]])
    # Half of all answers are right: agreement of three is no more often right than one answer, but
    # errors of three kinds agree less.
    assert found[0, 0] < 0.5
    # An attractive error is not averaged away.
    biased = rates(Condition(method="majority", k=5), taught=(0.4, 0.6, 0.0, 0.0))
    assert biased[0, 0] == pytest.approx(0.6**5 + 5 * 0.6**4 * 0.4 + 10 * 0.6**3 * 0.4**2)


def test_where_theory_knows_nothing_it_says_nothing():
    for condition in (
        Condition(method="multi_response", k=3),
        Condition(method="variance_weighting", k=3),
        Condition(method="single", k=1, label_source="greedy"),
        Condition(method="single", k=1, temperature=1.5),
        Condition(init_noise=0.1),
    ):
        assert rates(condition) is None
    unknown = Corpus(["train"], ["a"], [["one"]], [None])
    only = answer_scores.References(unknown, [EMBEDDED[:1]], np.arange(1))
    assert theory.rates(Condition(method="single", k=1), only) is None


CONDITIONS = [Condition(method="single", k=1), Condition(method="averaging", k=3)]


def estimated(taught=TAUGHT, given=TAUGHT, outside=0.0, greedy="one"):
    """Estimates of a teacher, and of students like it, that give the pool's answers."""
    corpus, _ = references(taught)
    texts = np.full((1, 3, 2), "one", dtype=object)
    texts[0, 0] = "two", "six"
    texts[0, 2] = "five"
    numbers = np.zeros((1, 3, 2), int)
    numbers[0, 0] = 1, 2
    support = [np.array([np.array(given) * (1 - outside)])] * 2 + [np.array([[1.0]])]
    teacher = Answers(texts, EMBEDDED[numbers].astype(np.float32), support)
    first = np.array([[[greedy], [greedy], ["five"]]], dtype=object)
    own = Answers(first, EMBEDDED[np.zeros((1, 3, 1), int)].astype(np.float32), [None] * 3)
    settings = text.Settings(
        experiment="variance_aware",
        family="lm",
        dataset="made_up",
        seed=0,
        confidence=0.95,
        conditions=CONDITIONS,
        prompts=3,
    )
    table = text.estimate(
        settings,
        corpus,
        [EMBEDDED, EMBEDDED, EMBEDDED[:1]],
        np.arange(3),
        teacher,
        own,
        [(teacher, 0, 1)] * 2,
    )
    rows = zip(
        table["role"],
        table["metric"],
        table["group"],
        table["method"],
        table["k"],
        table["estimate"],
        strict=True,
    )
    return {row[:5]: row[5] for row in rows}


def test_wrong_answers_of_the_pool_are_wrong_in_every_metric():
    found = estimated(outside=0.1)

    def teacher(metric, group="all"):
        return found["teacher", metric, group, None, None]

    # Of the first prompt's answers "two" is in the pool and wrong, and "six" is not in it.
    assert teacher("hallucination_rate") == pytest.approx(1 / 3)
    q = 0.9 * TAUGHT
    assert teacher("mass_outside_support") == pytest.approx(2 / 3 * (1 - q[0]))
    assert teacher("mass_outside_taught") == pytest.approx(2 / 3 * 0.1)
    assert teacher("total_variation_from_truth") == pytest.approx(2 / 3 * (1 - q[0]))
    assert teacher("kl_from_truth") == pytest.approx(-2 / 3 * np.log(q[0]))
    assert teacher("support_coverage") == 1
    assert teacher("predictive_entropy") == pytest.approx(
        2 / 3 * statistics.entropy(np.array([*q, 0.1]))
    )
    weight = 2 * q.sum() + 1
    # Each probability has a bin of its own.
    errors = q[0] * (1 - q[0]) + (q[1:] ** 2).sum()
    assert teacher("calibration_error_to_truth") == pytest.approx(2 * errors / weight)
    # "two" is as far from the one right answer as its embedding, though it is a reference.
    cosines = [EMBEDDED[1] @ EMBEDDED[0], EMBEDDED[2] @ EMBEDDED[0], 1, 1, 1, 1]
    assert teacher("similarity_to_reference") == pytest.approx(np.mean(cosines), abs=1e-6)


def test_the_teachers_rows_say_what_was_taught():
    found = estimated()
    assert found["teacher", "true_entropy", "all", None, None] == 0
    taught = 2 / 3 * statistics.entropy(TAUGHT)
    assert found["teacher", "taught_entropy", "all", None, None] == pytest.approx(taught)
    assert found["teacher", "predictive_entropy", "all", None, None] == pytest.approx(taught)
    assert found["teacher", "greedy_accuracy", "test", None, None] == 1
    assert estimated(greedy="two")["teacher", "greedy_accuracy", "test", None, None] == 0
    greedy = ("teacher", "taught_greedy_accuracy", "test", None, None)
    assert found[greedy] == 1
    assert estimated(taught=(0.2, 0.6, 0.1, 0.1))[greedy] == 0
    assert estimated(taught=(0.4, 0.4, 0.1, 0.1))[greedy] == 0.5
    # What is taught with probability zero is outside what is taught, though in the pool.
    attractive = estimated(taught=(0.5, 0.5, 0.0, 0.0))
    assert attractive["teacher", "mass_outside_taught", "test", None, None] == pytest.approx(0.25)


def test_rows_of_theory_are_the_teachers_with_the_condition_of_the_students():
    found = estimated()
    rows = {key[2:]: value for key, value in found.items() if key[1] == theory.METRIC}
    assert {key[0] for key in found if key[1] == theory.METRIC} == {"teacher"}
    chosen = theory.selected(theory.nearest_to_mean, 3, TAUGHT, EMBEDDED)
    for group, share in (("all", 2 / 3), ("train", 1 / 2), ("test", 1)):
        assert rows.pop((group, "single", 1)) == pytest.approx(0.5 * share)
        assert rows.pop((group, "averaging", 3)) == pytest.approx((1 - chosen[0]) * share)
    assert not rows
    # Where the truth is taught, nothing is wrong.
    plain = estimated(taught=(1.0, 0.0, 0.0, 0.0))
    assert {value for key, value in plain.items() if key[1] == theory.METRIC} == {0.0}
