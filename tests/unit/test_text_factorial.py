"""Language-model students of a factorial design, on the corpus of the stages' tests."""

import numpy as np
import pytest
import torch
from kduq import artifacts, seeds
from kduq.answers.text import evaluate_on_prompts
from kduq.data.corpus import Example
from kduq.experiments import EXPERIMENTS
from kduq.families.lm import training
from kduq.families.lm.settings import LanguageModelSettings
from kduq.responses import text as responses
from kduq.students import text_factorial as factorial
from test_text_stages import ASKED, DECODING, MODEL, built, corpus, taught

__all__ = ["corpus", "taught"]

#: Batches are a part of the prompts, so that their order counts.
STUDENT = MODEL | {"steps": 6, "batch_size": 2}
RUN = {"experiment": "decomposition", "family": "lm", "dataset": "made_up", "seed": 5}
CONDITIONS = EXPERIMENTS["decomposition"].text_conditions(None)
LEVELS = {"initialisation": 3, "bootstrap": 2, "decoding": 4}


@pytest.fixture(scope="module")
def answers(taught, corpus):
    settings = responses.Settings(
        **RUN, start=0, stop=3, temperatures=[(1.0, 1)], decoding=DECODING, max_length=48
    )
    table = responses.sample(*taught, settings, corpus, lambda number: None)
    return {
        name: np.array(v, dtype=object) if name == "text" else np.asarray(v)
        for name, v in table.items()
    }


def distilled(corpus, answers, start, stop, levels=LEVELS):
    settings = factorial.Settings(
        **RUN,
        start=start,
        stop=stop,
        model=STUDENT,
        source_files=None,
        conditions=CONDITIONS,
        evaluation=ASKED,
        levels=levels,
    )
    done = []
    students, losses = factorial.train(settings, corpus, answers, done.append)
    assert sum(done) == (stop - start) * levels["initialisation"] * levels["bootstrap"]
    return students, losses


@pytest.fixture(scope="module")
def whole(corpus, answers):
    return distilled(corpus, answers, 0, 3)[0]


def test_every_combination_answers_every_prompt(whole):
    names = ("noise_level", "init_level", "bootstrap_level", "prompt_id", "draw")
    found = np.stack([np.asarray(whole[name]) for name in names], axis=1)
    grid = np.stack(np.meshgrid(*map(range, (3, 3, 2, 4, 4)), indexing="ij"), axis=-1)
    np.testing.assert_array_equal(found, grid.reshape(-1, 5))
    students = found[::16, :3] @ [6, 2, 1]
    np.testing.assert_array_equal(np.asarray(whole["replicate"])[::16], students)
    assert all(seed is None for seed in whole["seed"])


def test_a_student_does_not_depend_on_its_shard(corpus, answers, whole):
    part, _ = distilled(corpus, answers, 2, 3)
    rows = np.flatnonzero(np.asarray(whole["noise_level"]) == 2)
    assert part["text"] == [whole["text"][row] for row in rows]
    np.testing.assert_array_equal(part["embedding"], whole["embedding"][rows])
    np.testing.assert_array_equal(part["train_loss"], whole["train_loss"][rows])


def test_more_levels_leave_the_first_ones_as_they_are(corpus, answers, whole):
    more, _ = distilled(corpus, answers, 0, 1, {"initialisation": 3, "bootstrap": 3, "decoding": 5})
    kept = (np.asarray(more["bootstrap_level"]) < 2) & (np.asarray(more["draw"]) < 4)
    first = np.flatnonzero(np.asarray(whole["noise_level"]) == 0)
    # Embeddings are computed in batches of other shapes: equal but for rounding.
    np.testing.assert_allclose(more["embedding"][kept], whole["embedding"][first], atol=1e-5)


@pytest.mark.parametrize("level", [0, 1])
def test_a_student_is_trained_on_its_levels(corpus, answers, whole, level):
    """One student made by hand from the seeds of its levels."""
    path = ("decomposition", "lm", "made_up")
    start = seeds.replicate_seed(5, (*path, "initialisation"), 1)
    sample = seeds.replicate_seed(5, (*path, "bootstrap"), level)
    mine = (answers["replicate"] == 2) & (answers["response"] == 0)
    texts = dict(zip(answers["prompt_id"][mine], answers["text"][mine], strict=True))
    rows = seeds.generator(sample, "bootstrap").integers(0, 3, size=3)
    examples = [Example(corpus.prompts[i], (texts[i],), (1.0,)) for i in rows]
    model, tokenizer = built(corpus, start)
    other, _ = built(corpus, start + 1)
    assert any(
        not torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)
    )
    losses = training.train(model, tokenizer, examples, LanguageModelSettings(**STUDENT), start)
    decoding = seeds.replicate_seed(5, (*path, "decoding"), 0)
    said = evaluate_on_prompts(
        model, tokenizer, ASKED.model_copy(update={"draws": 4}), corpus, decoding
    )
    here = (
        (np.asarray(whole["noise_level"]) == 2)
        & (np.asarray(whole["init_level"]) == 1)
        & (np.asarray(whole["bootstrap_level"]) == level)
    )
    np.testing.assert_array_equal(whole["embedding"][here], said["embedding"])
    np.testing.assert_array_equal(whole["train_loss"][here], losses.loss[-1])


def test_the_table_is_an_artifact(corpus, answers, tmp_path):
    students, losses = distilled(corpus, answers, 0, 1)
    provenance = artifacts.provenance("students", {}, "0", {})
    artifacts.write(tmp_path / "students.parquet", "students", students, provenance)
    table = artifacts.read(tmp_path / "students.parquet", "students")
    assert len(table.rows_of(CONDITIONS)[0]) == 6 * 16
    provenance = artifacts.provenance("losses", {}, "0", {})
    artifacts.write(tmp_path / "losses.parquet", "losses", losses, provenance)
