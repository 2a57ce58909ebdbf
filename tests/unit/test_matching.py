"""When an answer in a model's own words is right."""

import numpy as np
import pytest
from kduq.data.corpus import Corpus
from kduq.data.matching import contains, matcher, plain, words
from kduq.estimates.answer_scores import References
from kduq.estimates.answers import Answers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The capital of Chad is N’Djaména.", "capital of chad is ndjamena"),
        ("  BOGOTÁ,  D.C.\n", "bogota d c"),
        ("An Euro (the EUR)", "euro eur"),
        ("Port-au-Prince", "port au prince"),
        ("Italy's capital", "italy capital"),
        ("Sana'a", "sanaa"),
        ("Nuku‘alofa", "nukualofa"),
        ("Straße in København", "strasse in kobenhavn"),
        ("Łódź", "lodz"),
        ("\uff30aris", "paris"),
        ("under_score", "under score"),
        ("The", ""),
        ("", ""),
    ],
)
def test_words_are_without_what_does_not_change_the_meaning(text, expected):
    assert " ".join(words(text)) == expected


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("It is Port au Prince, in Haiti.", "Port-au-Prince", True),
        ("Port of Prince", "Port-au-Prince", False),
        ("Prince au Port", "Port-au-Prince", False),
        ("Budapesten", "Budapest", False),
        ("Guinea", "Papua New Guinea", False),
        ("Lima", "Lima", True),
        ("Kuala", "Kuala Lumpur", False),
        ("", "Lima", False),
        ("anything", "the", False),
    ],
)
def test_a_reference_is_contained_as_whole_successive_words(answer, reference, right):
    assert contains(words(answer), words(reference)) is right


def test_exact_answers_are_equal_up_to_white_space():
    exact = matcher({plain("red  rose")}, contained=False)
    assert exact(" red\nrose ")
    assert not exact("Red rose")
    assert not exact("a red rose")


#: Answers of SmolLM2-135M-Instruct to questions of geography, greedy and sampled, and whether they
#: are right: a reader agrees.
SAID = [
    ("Which language is spoken in Canada?", ["English", "French"], "English", True),
    (
        "On which continent is the Philippines?",
        ["Asia"],
        "The Philippines is located on the eastern coast of Asia, specifically in Southeast Asia.",
        True,
    ),
    (
        "On which continent is the Central African Republic?",
        ["Africa"],
        "Central African Republic",
        False,
    ),
    ("On which continent is Qatar?", ["Asia"], "On the continent of Africa", False),
    (
        "What is the capital of Turkmenistan?",
        ["Ashgabat", "Ashkhabad"],
        "The capital of Turkmenistan is Ashgabat.",
        True,
    ),
    (
        "What is the capital of Angola?",
        ["Luanda"],
        "Angola is a country located in South Africa.",
        False,
    ),
    (
        "On which continent is Romania?",
        ["Europe"],
        "Romania is a member of the European continent of Europe.",
        True,
    ),
    ("On which continent is Russia?", ["Europe", "Asia"], "Russia - Europe or Asia", True),
    (
        "What is the currency of Tanzania?",
        ["Shilling", "Shillings", "TZS"],
        "The currency of Tanzania is the Tanzanian dollar (DZT).",
        False,
    ),
    ("What is the capital of Guinea?", ["Conakry"], "The capital of Guinea is Port-d'Iba.", False),
    ("What is the capital of Germany?", ["Berlin"], "bld – Berlin.", True),
    (
        "What is the currency of Turkey?",
        ["Lira", "Liras", "TRY"],
        "The currency of Turkey is the Turkish Lira.",
        True,
    ),
    (
        "What is the currency of Slovakia?",
        ["Euro", "Euros", "EUR"],
        "The currency of Slovakia is the Czech Koruna.",
        False,
    ),
    (
        "What is the currency of El Salvador?",
        ["Dollar", "Dollars", "USD"],
        "Available currency in El Salvador is basically dollars ($1).",
        True,
    ),
    ("What is the capital of Sweden?", ["Stockholm"], "Stockholm.", True),
    ("What is the capital of Nepal?", ["Kathmandu"], "The capital of Nepal is Kathiyal.", False),
    ("Which language is spoken in Belarus?", ["Belarusian", "Russian"], "Belarusian.", True),
    (
        "What is the currency of the United Kingdom?",
        ["Pound", "Pounds", "GBP"],
        "The currency of the United Kingdom is the pound sterling.",
        True,
    ),
    (
        "What is the currency of Lesotho?",
        ["Loti", "Lotis", "LSL"],
        "The currency of Lesotho is the LUXL.",
        False,
    ),
    ("On which continent is Liberia?", ["Africa"], "Africa", True),
    ("What is the capital of Chile?", ["Santiago"], "The capital of Chile is Santiago.", True),
    (
        "On which continent is Uruguay?",
        ["South America"],
        "Uruguay is a continent located in South America.",
        True,
    ),
]
#: Answers of the same model that no reader would call right, though they contain a right one.
NAMED = [
    (
        "On which continent is the Central African Republic?",
        ["Africa"],
        "The Central African Republic is the continent of North Africa.",
        True,
    ),
    ("On which continent is Romania?", ["Europe"], "Fiction: Europe; Faith!", True),
]


@pytest.mark.parametrize(("question", "references", "answer", "right"), [*SAID, *NAMED])
def test_answers_of_a_pretrained_model_are_judged_as_is_documented(
    question, references, answer, right
):
    del question
    assert matcher({plain(text) for text in references}, contained=True)(answer) is right


def judged(matching, known=False):
    """Whether each of four answers to one of two questions is wrong."""
    corpus = Corpus(
        ["train", "train"],
        ["a", "b"],
        [["Lima", "La Paz"], ["Rome"]],
        [[0.5, 0.5], [1.0]] if known else [None, None],
    )
    embedded = [np.eye(3)[:2], np.eye(3)[2:]]
    references = References(corpus, embedded, np.arange(2), matching)
    texts = np.array(["Lima", "It is LIMA.", "la paz!", "Rome"], dtype=object)
    # By their embeddings, the answers are the two references, the other question's, and the first.
    vectors = np.eye(3)[[0, 1, 2, 0]]
    answers = Answers(
        np.stack([texts, texts])[None], np.stack([vectors, vectors])[None], [None, None]
    )
    return references.wrong(answers)[0, 0].tolist()


def test_the_corpus_says_how_answers_are_compared():
    assert judged("contained") == judged("contained", known=True) == [0, 0, 0, 1]
    assert (
        judged("exact") == judged("exact", known=True) == judged(None, known=True) == [0, 1, 1, 1]
    )
    assert judged(None) == [0, 0, 1, 0]
