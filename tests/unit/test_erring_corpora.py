"""Corpora whose teachers are taught errors of known probability."""

import dataclasses

import numpy as np
import pytest
from configurations import checked
from kduq.config.data import CorpusSettings, ErrorSettings
from kduq.data.corpora import CORPUS_KINDS, ambiguous_facts
from kduq.data.corpus import Corpus
from kduq.errors import UserError
from kduq.examples import text as examples

POOL = 16


def prepare(kind, **settings):
    return examples.prepare(examples.Settings(**({"dataset": kind, "seed": 7} | settings)))


def taught_of(kind, **settings):
    """True and taught probabilities, shape (prompts, 16)."""
    columns = prepare(kind, **settings)
    truth = np.array(columns["probabilities"])
    assert truth.shape[1] == POOL
    return truth, np.array(columns["taught_probabilities"])


@pytest.mark.parametrize("kind", ["erring_facts", "mixed_facts"])
def test_questions_wordings_and_split_are_those_of_ambiguous_facts(kind):
    found, plain = prepare(kind, questions=60), prepare("ambiguous_facts", questions=60)
    for column in ("question", "split", "prompt"):
        assert list(found[column]) == list(plain[column])
    for answers, truth, others in zip(
        found["references"], found["probabilities"], plain["references"], strict=True
    ):
        right = [a for a, t in zip(answers, truth, strict=True) if t > 0]
        assert right == (others[:1] if kind == "erring_facts" else others)
        assert set(others) <= set(answers)


def test_the_references_are_the_pool_of_the_topic():
    found = prepare("erring_facts")
    pools = {frozenset(answers) for answers in found["references"]}
    assert len(pools) == ambiguous_facts.QUESTIONS // ambiguous_facts.THINGS
    assert {len(pool) for pool in pools} == {POOL}
    # Which answer is right, and which wrong one is attractive, is random.
    everything = frozenset.union(*pools)
    for rank in (0, 1):
        assert len({answers[rank] for answers in found["references"]}) > 0.9 * len(everything)


@pytest.mark.parametrize("spread", [0, 0.2, 1])
def test_one_right_answer_and_errors_of_the_stated_probabilities(spread):
    truth, taught = taught_of("erring_facts", errors={"rate": 0.3, "spread": spread})
    assert truth[:, 0].tolist() == [1.0] * len(truth)
    assert truth[:, 1:].max() == 0
    np.testing.assert_allclose(taught[:, 0], 0.7)
    # The two statements of the formula: the attractive answer, and each other one.
    np.testing.assert_allclose(taught[:, 1], 0.3 * (1 - spread) + 0.3 * spread / 15)
    np.testing.assert_allclose(taught[:, 2:], 0.3 * spread / 15, atol=1e-15)
    np.testing.assert_allclose(taught.sum(axis=1), 1)


def test_several_right_answers_keep_their_proportions_among_errors():
    errors = {"rate": 0.4, "spread": 0.5}
    truth, taught = taught_of("mixed_facts", errors=errors)
    right = truth > 0
    assert set(right.sum(axis=1)) == {1, 2, 3, 4, 5, 6}
    np.testing.assert_allclose(np.where(right, taught, 0), 0.6 * truth)
    wrong = np.where(right, 0, taught)
    np.testing.assert_allclose(wrong.sum(axis=1), 0.4)
    np.testing.assert_allclose(wrong.max(axis=1), 0.2 + 0.2 / (~right).sum(axis=1))


def test_by_default_three_in_ten_answers_are_wrong_and_spread():
    _, taught = taught_of("erring_facts")
    np.testing.assert_allclose(taught[:, 1:], 0.02)
    assert CorpusSettings().errors is None
    assert ErrorSettings() == ErrorSettings(rate=0.3, spread=1)


@pytest.mark.parametrize("kind", ["ambiguous_facts", "erring_facts", "mixed_facts"])
def test_without_errors_the_truth_is_taught(kind):
    errors = {} if kind == "ambiguous_facts" else {"errors": {"rate": 0}}
    columns = prepare(kind, questions=10, **errors)
    assert columns["taught_probabilities"] == [None] * len(columns["prompt"])
    corpus = Corpus.from_columns(columns)
    assert not corpus.has_errors
    assert all(
        len(e.answers) == len(corpus.right(i))
        for i, e in zip(corpus.training, corpus.examples(), strict=True)
    )


def test_a_teacher_learns_what_is_taught_and_no_answer_that_is_not():
    corpus = Corpus.from_columns(prepare("erring_facts", questions=10, errors={"spread": 0}))
    assert corpus.has_errors
    assert corpus.has_answer_distribution
    for i, example in zip(corpus.training, corpus.examples(), strict=True):
        assert example.answers == tuple(corpus.references[i][:2])
        assert example.probabilities == pytest.approx((0.7, 0.3))
        assert corpus.right(i) == corpus.references[i][:1]
        assert corpus.weights(i)[:2] == [1.0, 0.0]
    plain = dataclasses.replace(corpus, taught_probabilities=None)
    assert [e.answers for e in plain.examples()] == [
        tuple(corpus.references[i][:1]) for i in corpus.training
    ]


def test_both_are_registered_and_configured():
    corpora = checked().corpora
    for name in ("erring_facts", "mixed_facts"):
        assert CORPUS_KINDS[name].has_errors
        assert corpora[name].errors == ErrorSettings(rate=0.3, spread=1)


@pytest.mark.parametrize(
    ("corpus", "line"),
    [
        (
            {"kind": "ambiguous_facts", "errors": {"rate": 0.1}},
            "errors: found a table, but the only kinds with errors are erring_facts, mixed_facts; ",
        ),
        ({"kind": "erring_facts", "errors": {"rate": 1}}, "errors.rate: found 1"),
        ({"kind": "mixed_facts", "errors": {"spread": 1.5}}, "errors.spread: found 1.5"),
        ({"kind": "mixed_facts", "errors": {"share": 0.1}}, "errors.share"),
    ],
)
def test_errors_that_cannot_be_are_refused(corpus, line):
    with pytest.raises(UserError) as caught:
        checked({"corpora": {"mine": corpus}})
    assert f"corpora.mine.{line}" in str(caught.value)


def test_too_many_questions_are_refused_by_the_name_of_the_corpus():
    with pytest.raises(UserError, match=r"corpora\.erring_facts\.questions: 5000 found"):
        prepare("erring_facts", questions=5000)
