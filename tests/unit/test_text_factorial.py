"""Language-model students of a factorial design, on the corpus of the stages' tests."""

import numpy as np
import pandas as pd
import pytest
import torch
from kduq import artifacts, seeds
from kduq.answers.asking import evaluate_on_prompts
from kduq.data.corpus import Example
from kduq.experiments import EXPERIMENTS
from kduq.families.lm import training
from kduq.families.lm.settings import LanguageModelSettings
from kduq.responses import text as responses
from kduq.students import text_factorial as factorial
from test_text_stages import ASKED, DECODING, MODEL, Chain, built, corpus, taught

__all__ = ["corpus", "taught"]

#: Batches are a part of the prompts, so that their order counts.
STUDENT = MODEL | {"steps": 6, "batch_size": 2}
RUN = {"experiment": "decomposition", "family": "lm", "dataset": "made_up", "seed": 5}
CONDITIONS = EXPERIMENTS["decomposition"].text_conditions(None)
LEVELS = {"initialisation": 3, "bootstrap": 2}
FOUR = ASKED.model_copy(update={"draws": 4})


@pytest.fixture(scope="module")
def answers(taught, corpus):
    settings = responses.Settings(
        **RUN, start=0, stop=3, temperatures=[(1.0, 1)], decoding=DECODING, max_length=48
    )
    table = responses.sample(*taught, settings, corpus, lambda number: None)
    return {
        name: np.array(v, dtype=object if name in ("text", "finish_reason") else None)
        for name, v in table.items()
    }


def distilled(folder, corpus, answers, start, stop, levels=LEVELS, evaluation=FOUR):
    """Students of a shard, and their sampled answers with their levels."""
    settings = factorial.Settings(
        **RUN,
        start=start,
        stop=stop,
        model=STUDENT,
        source_files=None,
        conditions=CONDITIONS,
        levels=levels,
    )
    folder.mkdir(exist_ok=True)
    chain = Chain(folder)
    table = chain.train(corpus, answers, settings, module=factorial).table.to_pandas()
    asked = chain.ask(settings, evaluation)
    keys = ["replicate", "noise_level", "init_level", "bootstrap_level", "train_loss"]
    return table, asked[asked["draw"] >= 0].merge(table[keys], on="replicate")


@pytest.fixture(scope="module")
def whole(corpus, answers, tmp_path_factory):
    return distilled(tmp_path_factory.mktemp("whole"), corpus, answers, 0, 3)


def test_every_combination_answers_every_prompt(whole):
    students, said = whole
    names = ["noise_level", "init_level", "bootstrap_level", "prompt_id", "draw"]
    grid = np.stack(np.meshgrid(*map(range, (3, 3, 2, 4, 4)), indexing="ij"), axis=-1)
    np.testing.assert_array_equal(said[names].to_numpy(), grid.reshape(-1, 5))
    np.testing.assert_array_equal(students["replicate"], students[names[:3]].to_numpy() @ [6, 2, 1])
    assert students["seed"].isna().all()
    assert len(students) == 18


def test_a_student_does_not_depend_on_its_shard(corpus, answers, whole, tmp_path):
    students, said = distilled(tmp_path, corpus, answers, 2, 3)
    for part, all_of_them in ((students, whole[0]), (said, whole[1])):
        rows = all_of_them[all_of_them["noise_level"] == 2].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, rows)


def test_more_levels_leave_the_first_ones_as_they_are(corpus, answers, whole, tmp_path):
    five = ASKED.model_copy(update={"draws": 5})
    more = {"initialisation": 3, "bootstrap": 3}
    _, said = distilled(tmp_path, corpus, answers, 0, 1, more, five)
    kept = said[(said["bootstrap_level"] < 2) & (said["draw"] < 4)].reset_index(drop=True)
    first = whole[1][whole[1]["noise_level"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept.drop(columns="replicate"), first.drop(columns="replicate"))


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
    said = evaluate_on_prompts(model, tokenizer, FOUR, corpus, decoding)
    table = whole[1]
    here = table[
        (table["noise_level"] == 2)
        & (table["init_level"] == 1)
        & (table["bootstrap_level"] == level)
    ]
    sampled = said["draw"] >= 0
    assert here["text"].tolist() == np.array(said["text"], object)[sampled].tolist()
    np.testing.assert_array_equal(here["logprob"], said["logprob"][sampled])
    np.testing.assert_array_equal(here["train_loss"], losses.loss[-1])


def test_the_students_are_the_rows_of_an_artifact(corpus, answers, tmp_path):
    distilled(tmp_path, corpus, answers, 0, 1)
    table = artifacts.read(tmp_path / "students.parquet", "students")
    assert len(table.rows_of(CONDITIONS)[0]) == 6
    assert artifacts.read(tmp_path / "losses.parquet", "losses").table.num_rows > 6
