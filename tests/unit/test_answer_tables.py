"""Answers are read condition by condition, and embeddings looked up among the distinct texts."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from kduq import artifacts
from kduq.answers import GREEDY
from kduq.artifacts.fingerprint import PACKAGE
from kduq.artifacts.schemas import CONDITION
from kduq.conditions import Condition
from kduq.data.corpus import Corpus
from kduq.estimates.answer_scores import ModelScores, References
from kduq.estimates.answers import Answers, DistinctTexts, Lookup, StudentAnswers, answers_from
from kduq.stage import Inputs

PROMPTS, DRAWS, STUDENTS, DISTINCT, WIDTH = 12, 20, 16, 60, 2048


def provenance(stage):
    return artifacts.provenance(stage, {}, "0", {})


def conditions(number):
    return [Condition(method="single", k=1, temperature=1.0 + i) for i in range(number)]


def text(number):
    return f"answer {number}"


def tables(folder, number, rng, width=WIDTH):
    """Tables of a run with some conditions; one student of each has diverged."""
    cells = conditions(number)
    vectors = rng.normal(size=(DISTINCT, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [text(i) for i in range(DISTINCT)]
    columns = {"text": texts, "embedding": vectors}
    artifacts.write(folder / "embeddings.parquet", "embeddings", columns, provenance("embeddings"))
    grid = np.indices((number, STUDENTS, PROMPTS, DRAWS + 1)).reshape(4, -1)
    rows = grid.shape[1]
    drawn = rng.integers(0, DISTINCT, rows)
    draws = grid[3] + GREEDY
    answers = {name: [getattr(cells[i], name) for i in grid[0]] for name in CONDITION} | {
        "replicate": grid[1],
        "prompt_id": grid[2],
        "draw": draws,
        "text": [text(i) for i in drawn],
        "n_tokens": np.full(rows, 2),
        "logprob": -rng.random(rows),
        "finish_reason": ["stop"] * rows,
        "support_logprobs": [np.log([0.5, 0.25]) if draw == 0 else None for draw in draws],
    }
    artifacts.write(folder / "answers.parquet", "answers", answers, provenance("answers"))
    own = (grid[0] == 0) & (grid[1] == 0)
    kept = [name for name in answers if name not in {*CONDITION, "replicate"}]
    teacher = {name: [answers[name][i] for i in np.flatnonzero(own)] for name in kept}
    artifacts.write(folder / "teacher_answers.parquet", "answers", teacher, provenance("answers"))
    of_student = [(i, s) for i in range(number) for s in range(STUDENTS)]
    students = {name: [getattr(cells[i], name) for i, _ in of_student] for name in CONDITION} | {
        "replicate": [s for _, s in of_student],
        "seed": [s for _, s in of_student],
        "diverged": [s == 3 for _, s in of_student],
        "train_loss": np.zeros(len(of_student)),
    }
    artifacts.write(folder / "students.parquet", "students", students, provenance("students"))
    examples = {
        "prompt_id": range(PROMPTS),
        "question": range(PROMPTS),
        "split": ["train"] * PROMPTS,
        "prompt": [f"prompt {p}" for p in range(PROMPTS)],
        "references": [[text(p), text(p + 1)] for p in range(PROMPTS)],
        "probabilities": [[0.5, 0.5]] * PROMPTS,
        "taught_probabilities": [None] * PROMPTS,
    }
    artifacts.write(folder / "examples.parquet", "examples", examples, provenance("examples"))
    return vectors, drawn


def inputs(folder):
    names = ("examples", "embeddings", "students", "answers", "teacher_answers")
    return Inputs({name: [str(folder / f"{name}.parquet")] for name in names})


def test_a_lookup_is_the_array_that_it_stands_for():
    rng = np.random.default_rng(0)
    values, index = rng.normal(size=(5, 3)), rng.integers(0, 5, (4, 2, 6))
    array, lookup = values[index], Lookup(values, index)
    assert lookup.shape == array.shape
    for key in (1, (slice(None), 0), (2, 1), (slice(1, 3), slice(None), 0)):
        np.testing.assert_array_equal(lookup[key], array[key])
    assert lookup.reshaped(np.array([0, 3]), (2, 2, 6)).shape == (2, 2, 6, 3)


def test_answers_of_a_condition_are_its_sampled_ones_of_students_that_learnt(tmp_path):
    rng = np.random.default_rng(1)
    vectors, drawn = tables(tmp_path, 2, rng, width=4)
    given = inputs(tmp_path)
    texts = DistinctTexts(given.read("embeddings"))
    evaluated = np.arange(1, PROMPTS)
    second = conditions(2)[1]
    found, n_diverged, n_total = StudentAnswers(given, evaluated).of_condition(second, texts)
    assert (n_diverged, n_total) == (1, STUDENTS)
    assert found.replicates.tolist() == [s for s in range(STUDENTS) if s != 3]
    numbers = drawn.reshape(2, STUDENTS, PROMPTS, DRAWS + 1)[1][found.replicates][:, 1:, 1:]
    assert found.texts[2, 5].tolist() == [text(i) for i in numbers[2, 5]]
    np.testing.assert_array_equal(found.embeddings[:], vectors[numbers])
    assert found.logprobs.shape == numbers.shape
    plain, *_ = StudentAnswers(given, evaluated).of_condition(second, None)
    assert plain.texts.tolist() == found.texts[:].tolist()
    assert plain.embeddings.shape == (*numbers.shape, 0)


def test_a_condition_whose_students_all_diverged_has_no_answers(tmp_path):
    tables(tmp_path, 1, np.random.default_rng(1), width=4)
    given = inputs(tmp_path)
    students = given.read("students").table.to_pydict() | {"diverged": [True] * STUDENTS}
    artifacts.write(tmp_path / "students.parquet", "students", students, provenance("students"))
    texts = DistinctTexts(given.read("embeddings"))
    found, n_diverged, _ = StudentAnswers(given, np.arange(3)).of_condition(conditions(1)[0], texts)
    assert n_diverged == STUDENTS
    assert found.texts.shape == (0, 3, 0)
    assert found.embeddings.shape == (0, 3, 0, 4)


def test_a_text_without_an_embedding_is_refused(tmp_path):
    tables(tmp_path, 1, np.random.default_rng(1), width=4)
    texts = DistinctTexts(inputs(tmp_path).read("embeddings"))
    with pytest.raises(ValueError, match="1 texts of a run have no embedding"):
        texts.numbers(pa.chunked_array([["answer 1", "never given"]]))


def test_scores_from_a_lookup_are_those_from_the_whole_array(tmp_path, monkeypatch):
    tables(tmp_path, 1, np.random.default_rng(2), width=8)
    given = inputs(tmp_path)
    corpus = Corpus.from_columns(given.read("examples").table.to_pydict())
    texts, evaluated = DistinctTexts(given.read("embeddings")), np.arange(PROMPTS)
    references = References(
        corpus, [texts.embeddings(group) for group in corpus.references], evaluated
    )
    own = texts.columns(given.read("teacher_answers", "answers"))
    teacher = answers_from(own, np.flatnonzero(own["draw"] != GREEDY), evaluated)
    found, *_ = StudentAnswers(given, evaluated).of_condition(conditions(1)[0], texts)
    whole = Answers(
        found.texts[:], found.embeddings[:], found.support, found.replicates, found.logprobs
    )
    everything, scores = np.ones(PROMPTS, bool), []
    # A few prompts at a time, and all at once.
    for answers, at_once in ((found, 5000), (whole, 1 << 22)):
        monkeypatch.setattr("kduq.estimates.answer_scores._NUMBERS_AT_ONCE", at_once)
        measured = ModelScores(answers, references, ModelScores(teacher, references, None))
        both = measured.estimates(everything, 0.95) | measured.across(everything, 0.95)
        scores.append({name: estimate.value for name, estimate in both.items()})
    assert scores[0].keys() == scores[1].keys()
    for name, value in scores[0].items():
        assert value == pytest.approx(scores[1][name], rel=1e-12), name


MEASURE = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_answer_tables import conditions, inputs
from kduq.estimates import text
from kduq.stage import Outputs
settings = text.Settings(
    experiment="teacher_noise", family="lm", dataset="faq", seed=1, confidence=0.95, prompts=100,
    conditions=conditions(int(sys.argv[3])),
)
kept = {}
class Kept(Outputs):
    def write(self, stage, columns):
        kept.update(columns)
text.run(settings, inputs(Path(sys.argv[2])), Kept({}, dict))
assert len(kept["metric"]) > 20 * int(sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_of_estimates_grows_with_distinct_texts_and_not_with_answers(tmp_path):
    peaks = []
    for number in (1, 8):
        folder = tmp_path / str(number)
        folder.mkdir()
        tables(folder, number, np.random.default_rng(3))
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path), str(folder), str(number)],
            env={"PYTHONPATH": f"{PACKAGE.parent}:{__file__.rpartition('/')[0]}"},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.splitlines()[-1]))
    # In megabytes: embeddings of the answers of one condition, in single precision.
    each = STUDENTS * PROMPTS * DRAWS * WIDTH * 4 / 2**20
    # All embeddings would take seven times as much more.
    assert peaks[1] - peaks[0] < 2 * each
