"""Stages of language models on a corpus of four questions: what is taught, asked and shared."""

import dataclasses

import numpy as np
import pytest
from kduq.answers import GREEDY
from kduq.answers import text as answers
from kduq.answers.settings import Evaluation
from kduq.data.corpus import Corpus
from kduq.errors import UserError
from kduq.experiments import EXPERIMENTS
from kduq.families.lm import models, sampling, training
from kduq.families.lm.settings import LanguageModelSettings
from kduq.responses import text as responses
from kduq.students import text as students
from kduq.teacher import text as teacher

MODEL = {
    "family": "lm",
    "source": None,
    "layers": 1,
    "width": 16,
    "heads": 2,
    "vocabulary": 300,
    "initial_scale": 1.0,
    "max_length": 48,
    "steps": 30,
    "batch_size": 4,
    "learning_rate": 0.02,
    "schedule": "linear",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "tokens_per_microbatch": 4096,
    "answers_per_visit": 0,
}
#: What a model that is loaded brings along.
PRETRAINED = dict.fromkeys(["layers", "width", "heads", "vocabulary"])
DECODING = {"top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0, "max_new_tokens": 16}
ASKED = Evaluation(
    prompts=4,
    draws=3,
    embedding_model=None,
    embedding_files=None,
    decoding=DECODING,
    max_length=48,
)
RUN = {
    "experiment": "variance_aware",
    "family": "lm",
    "dataset": "made_up",
    "seed": 5,
}
K = 3


def conditions_of(name, **grid):
    """Conditions of an experiment on text."""
    experiment = EXPERIMENTS[name]
    run = {"teacher": "t", "student": "s", "corpora": ["made_up"], "replicates": 2}
    return experiment.text_conditions(experiment.text_run(**run, **grid))


METHODS = ["single", "multi_response", "averaging", "variance_weighting"]
AWARE = conditions_of("variance_aware", k=[K], method=METHODS)


def built(corpus, seed, **changes):
    settings = LanguageModelSettings(**(MODEL | changes))
    return models.load_or_create(settings, corpus.texts(), seed)


def teacher_settings(**changes):
    model = MODEL | changes
    return teacher.Settings(teacher="t", dataset="made_up", seed=1, model=model, source_files=None)


def student_settings(start=0, stop=1, conditions=AWARE, evaluation=ASKED, **changes):
    return students.Settings(
        **RUN,
        start=start,
        stop=stop,
        model=MODEL | changes,
        source_files=None,
        conditions=conditions,
        evaluation=evaluation,
    )


@pytest.fixture(scope="module")
def corpus():
    return Corpus(
        ["train", "train", "train", "test"],
        ["What is red?", "What is wet?", "Wer bellt — “laut”?", "Name what is red."],
        [["a rose", "blood"], ["rain"], ["der Hund 🐕", "ein\nFuchs"], ["a rose", "blood"]],
        [[0.7, 0.3], [1.0], [0.5, 0.5], [0.7, 0.3]],
    )


@pytest.fixture(scope="module")
def taught(corpus):
    model, tokenizer, _ = teacher.fit(teacher_settings(), corpus, lambda n: None)
    return model, tokenizer


def given(taught, corpus, start, stop, temperatures=((1.0, K),)):
    settings = responses.Settings(
        **RUN,
        start=start,
        stop=stop,
        temperatures=temperatures,
        decoding=DECODING,
        max_length=48,
    )
    table = responses.sample(*taught, settings, corpus, lambda n: None)
    return {
        name: np.array(v, dtype=object) if name == "text" else np.asarray(v)
        for name, v in table.items()
    }


def distilled(taught, corpus, start, stop, conditions=AWARE, temperatures=((1.0, K),)):
    columns = given(taught, corpus, start, stop, temperatures)
    settings = student_settings(start, stop, conditions)
    return students.train(settings, corpus, columns, lambda number: None)


def test_responses_are_those_of_their_replicate_prompt_and_number(taught, corpus):
    whole = given(taught, corpus, 0, 4)
    part = given(taught, corpus, 2, 4)
    here = whole["replicate"] >= 2
    for name in whole:
        np.testing.assert_array_equal(whole[name][here], part[name])
    assert set(whole["prompt_id"]) == {0, 1, 2}  # held-out prompts are not taught
    fewer = given(taught, corpus, 0, 4, [(1.0, 1)])
    np.testing.assert_array_equal(whole["text"][whole["response"] == 0], fewer["text"])
    mixed = given(taught, corpus, 0, 2, [(0.0, 1), (1.0, K)])
    assert len(set(mixed["text"][mixed["temperature"] == 0])) == 3  # one greedy answer each


def test_a_student_does_not_depend_on_its_shard(taught, corpus):
    whole, curves = distilled(taught, corpus, 0, 3)
    part, _ = distilled(taught, corpus, 1, 2)
    rows = np.flatnonzero(whole["replicate"] == 1)
    for name, values in part.items():
        if name == "embedding":
            # One row more or less in a matrix product may change the last bit.
            np.testing.assert_allclose(whole[name][rows], values, atol=1e-6)
        else:
            assert [whole[name][row] for row in rows] == list(values), name
    size = len(AWARE) * 3 * ASKED.draws * ASKED.prompts
    assert len(whole["text"]) == size
    assert set(curves["replicate"]) == {0, 1, 2}


def test_a_student_does_not_draw_with_its_teachers_random_numbers(taught, corpus):
    """A student that is the teacher answers as independently of it as another draw does."""
    columns = given(taught, corpus, 0, 60, [(1.0, 2)])
    model, tokenizer = taught
    once = ASKED.model_copy(update={"draws": 1})
    same, other = 0, 0
    for replicate in range(60):
        settings = student_settings(evaluation=once)
        seed = students._Replicate(settings, corpus, taught, columns, replicate).seed
        own = answers.evaluate_on_prompts(model, tokenizer, once, corpus, seed)["text"][:3]
        mine = columns["replicate"] == replicate
        first, second = (columns["text"][mine & (columns["response"] == j)] for j in (0, 1))
        same += sum(a == b for a, b in zip(own, first, strict=True))
        other += sum(a == b for a, b in zip(second, first, strict=True))
    # Both are counts of 180 pairs of independent draws: four standard errors of a difference.
    assert abs(same - other) < 4 * np.sqrt(2 * 180 * 0.25)
    assert same < 170


def test_all_methods_take_the_same_number_of_steps_and_start_alike(taught, corpus):
    _, curves = distilled(taught, corpus, 0, 1)
    by_method = {}
    for method, step, rate in zip(
        curves["method"], curves["step"], curves["learning_rate"], strict=True
    ):
        by_method.setdefault(method, []).append((int(step), float(rate)))
    assert len(by_method) == 4
    assert len({tuple(points) for points in by_method.values()}) == 1
    assert by_method["single"][-1][0] == MODEL["steps"]


def test_each_method_learns_what_it_is_called(taught, corpus):
    columns = given(taught, corpus, 0, 1)
    start = built(corpus, 3)
    replicate = students._Replicate(student_settings(), corpus, start, columns, 0)
    single, every, average, weighted = (replicate._pairs(cell) for cell in AWARE)
    by_prompt = {
        corpus.prompts[p]: list(columns["text"][columns["prompt_id"] == p]) for p in range(3)
    }
    assert single == [(q, texts[0]) for q, texts in by_prompt.items()]
    assert every == [(q, t) for q, texts in by_prompt.items() for t in texts]
    for pairs in (average, weighted):
        assert [q for q, _ in pairs] == list(by_prompt)
        assert all(t in by_prompt[q] for q, t in pairs)


def test_wordings_of_one_question_can_share_one_answer(taught, corpus):
    columns = given(taught, corpus, 0, 1)
    columns["text"] = np.array([f"answer {i}" for i in range(len(columns["text"]))], dtype=object)
    wordings = dataclasses.replace(corpus, question=[7, 7, 2, 2])
    start = built(corpus, 3)
    replicate = students._Replicate(student_settings(), wordings, start, columns, 0)
    cells = conditions_of("student_output", label_source=["sampled", "sampled_per_question"])
    each, shared = (dict(replicate._pairs(cell)) for cell in cells)
    first, second, other = corpus.prompts[:3]
    assert each[second] != each[first]
    assert shared[first] == shared[second] == each[first]
    assert shared[other] == each[other]


def test_the_target_of_averaging_is_the_answer_that_most_others_are_like():
    embedded = np.array([[[1.0, 0], [0, 1], [1, 0]], [[0, 1], [0, 1], [1, 0]]])
    chosen = students.nearest(embedded.mean(axis=1), embedded)
    assert chosen.tolist() == [0, 0]


def test_centroids_are_weighted_by_the_inverse_variance_of_means():
    rng = np.random.default_rng(0)
    teacher_draws = rng.normal(size=(5, 4, 3))
    own = 2 + 3 * rng.normal(size=(5, 4, 3))
    own[4] = own[4, 0]  # a pilot that always says the same is taken at its word
    found = students.weighted_centroids(teacher_draws, own)
    for p in range(4):
        v_t, v_s = (np.trace(np.cov(draws[p].T)) / 4 for draws in (teacher_draws, own))
        expected = teacher_draws[p].mean(0) / v_t + own[p].mean(0) / v_s
        np.testing.assert_allclose(found[p], expected / (1 / v_t + 1 / v_s))
    np.testing.assert_allclose(found[4], own[4, 0])
    both = students.weighted_centroids(np.zeros((1, 2, 3)), np.ones((1, 2, 3)))
    np.testing.assert_allclose(both, 0.5)


def test_the_teachers_own_answers_hold_its_exact_distribution(taught, corpus):
    model, tokenizer = taught
    often = ASKED.model_copy(update={"draws": 400})
    settings = answers.Settings(teacher="t", dataset="made_up", seed=1, evaluation=often)
    table = answers.answers(model, tokenizer, settings, corpus)
    greedy = table["draw"] == GREEDY
    assert greedy.sum() == 4
    first = np.flatnonzero((table["prompt_id"] == 0) & (table["draw"] == 0))[0]
    exact = np.exp(table["support_logprobs"][first])
    drawn = [
        t
        for t, p, d in zip(table["text"], table["prompt_id"], table["draw"], strict=True)
        if p == 0 and d >= 0
    ]
    shares = np.array([drawn.count(reference) / 400 for reference in corpus.references[0]])
    # Four standard errors of a share of 400.
    np.testing.assert_allclose(shares, exact, atol=0.1)
    assert table["support_logprobs"][first + 1] is None
    np.testing.assert_allclose((table["embedding"] ** 2).sum(axis=1), 1, atol=1e-4)


def test_initialisation_noise_moves_every_student_from_the_same_start(taught, corpus):
    cells = conditions_of("student_init", init_noise=[0.0, 0.3])
    columns = given(taught, corpus, 0, 2, [(0.0, 1)])
    start = built(corpus, 3)
    before = start[0].transformer.wte.weight.detach().clone()
    moved = []
    for number in range(2):
        replicate = students._Replicate(student_settings(), corpus, start, columns, number)
        for cell in cells:
            moved.append(replicate.student(cell)[1].loss[0])
    assert (start[0].transformer.wte.weight == before).all()
    # With all prompts in every batch, nothing but the noise tells students apart.
    assert moved[0] == moved[2]
    assert len(set(moved)) == 3


def test_what_does_not_fit_is_refused_where_exact_probabilities_are_wanted(taught, corpus):
    model, tokenizer = taught
    long = Corpus(["train"], ["What is red?"], [["a rose " * 12]], [[1.0]])
    with pytest.raises(UserError, match="max_length: 48 tokens are too few for the answer 'a rose"):
        sampling.score(model, tokenizer, long.prompts, long.references, 48)
    with pytest.raises(UserError, match="max_new_tokens: found 2, but the supported answer"):
        brief = ASKED.decoding.model_copy(update={"max_new_tokens": 2})
        cut = ASKED.model_copy(update={"decoding": brief})
        answers.evaluate_on_prompts(model, tokenizer, cut, corpus, 1)
    spelled = [["a <|endoftext|> b"]]
    with pytest.raises(UserError, match="contains the end-of-text token"):
        sampling.score(model, tokenizer, ["What is red?"], spelled, 48)


def test_evaluated_prompts_are_spread_and_at_most_half_held_out():
    split = ["train"] * 30 + ["test"] * 10
    corpus = Corpus(split, ["q"] * 40, [["a"]] * 40, [None] * 40)
    chosen = corpus.evaluated(12)
    assert len(chosen) == 12
    assert (chosen >= 30).sum() == 6
    assert (np.diff(chosen) > 0).all()
    assert len(corpus.evaluated(100)) == 40
    assert (corpus.evaluated(30) >= 30).sum() == 10


def test_teacher_and_student_of_different_tokenizers_share_text_alone(tmp_path, corpus):
    own = models.make_tokenizer(["Zwölf Boxkämpfer jagen Viktor", *corpus.texts()], 280)
    other = LanguageModelSettings(**(MODEL | {"max_length": 64}))
    models.save(models.create(other, own, 1), own, tmp_path / "student")
    big = teacher.fit(teacher_settings(), corpus, lambda n: None)
    assert len(big[1]) != len(own)
    columns = given(big[:2], corpus, 0, 1)
    pretrained = PRETRAINED | {"source": str(tmp_path / "student")}
    settings = student_settings(conditions=AWARE[:1], **pretrained)
    table, _ = students.train(settings, corpus, columns, lambda n: None)
    assert len(table["text"]) == 12
    assert not table["diverged"].any()


def test_a_loaded_teacher_can_be_used_as_it_is(tmp_path, taught, corpus):
    models.save(*taught, tmp_path / "teacher")
    as_it_is = PRETRAINED | {"source": str(tmp_path / "teacher"), "steps": 0}
    settings = teacher_settings(**as_it_is)
    model, tokenizer, losses = teacher.fit(settings, corpus, lambda n: None)
    assert len(losses.step) == 0
    questions = corpus.prompts
    a, b = (
        sampling.score(m, t, questions, corpus.references, 48)
        for m, t in (taught, (model, tokenizer))
    )
    np.testing.assert_allclose(np.concatenate(a), np.concatenate(b), rtol=1e-5)
    again = training.examples_of([("q", "a"), ("q", "b"), ("q", "a")])
    assert again[0].probabilities == (2 / 3, 1 / 3)
