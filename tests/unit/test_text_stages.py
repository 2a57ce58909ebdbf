"""Stages of language models on a corpus of four questions: what is taught, asked and shared."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from kduq import artifacts, seeds
from kduq.answers import GREEDY, asking
from kduq.answers import students as student_answers
from kduq.answers import text as answers
from kduq.answers.settings import Evaluation, StudentsSettings
from kduq.artifacts import schemas
from kduq.data.corpus import Corpus
from kduq.errors import UserError
from kduq.estimates import text as text_estimates
from kduq.experiments import EXPERIMENTS
from kduq.families.lm import models, scoring, tokenizers, training
from kduq.families.lm.settings import LanguageModelSettings
from kduq.responses import text as responses
from kduq.stage import Inputs, Outputs
from kduq.students import text as students
from kduq.targets import text as targets
from kduq.targets.methods import METHODS
from kduq.targets.methods.variance_weighting import weighted_centroids
from kduq.targets.selection import nearest
from kduq.targets.settings import Pilot
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


ALL_METHODS = conditions_of("variance_aware", k=[K], method=list(METHODS))
FEW_METHODS = ["single", "multi_response", "averaging", "variance_weighting"]
AWARE = conditions_of("variance_aware", k=[K], method=FEW_METHODS)


def built(corpus, seed, **changes):
    settings = LanguageModelSettings(**(MODEL | changes))
    return models.load_or_create(settings, corpus.texts(), seed)


def teacher_settings(**changes):
    model = MODEL | changes
    return teacher.Settings(teacher="t", dataset="made_up", seed=1, model=model, source_files=None)


def target_settings(start=0, stop=1, conditions=AWARE, **changes):
    pilot = Pilot(model=MODEL | changes, source_files=None, decoding=DECODING)
    return targets.Settings(
        **RUN,
        start=start,
        stop=stop,
        conditions=conditions,
        embedding={"source": None, "files": None},
        pilot=pilot,
    )


def student_settings(start=0, stop=1, conditions=AWARE, **changes):
    return students.Settings(
        **RUN,
        start=start,
        stop=stop,
        model=MODEL | changes,
        source_files=None,
        conditions=conditions,
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
        name: np.array(v, dtype=object if name in ("text", "finish_reason") else None)
        for name, v in table.items()
    }


def provenance(stage, settings, code="0"):
    return artifacts.provenance(stage, settings.model_dump(mode="json"), code, {})


@dataclasses.dataclass(frozen=True)
class Chain:
    """The stages of one shard after the responses, each as a job, on files in a folder."""

    folder: Path

    def path(self, name):
        return str(self.folder / f"{name}.parquet")

    def run(self, module, settings, inputs, stage, *more):
        """Run a stage; further outputs are named by their files' suffixes."""
        roles = Inputs({name: [self.path(name)] for name in inputs})
        files = {stage: self.path(stage)} | dict(more)
        module.run(settings, roles, Outputs(files, lambda: provenance(stage, settings)))
        return artifacts.read(self.path(stage), stage)

    def train(self, corpus, columns, settings, keep=True, module=students, **changes):
        """Write examples, responses, targets, students, losses and weights."""
        table = {
            "prompt_id": range(len(corpus.prompts)),
            "question": range(len(corpus.prompts)),
            "split": corpus.split,
            "prompt": corpus.prompts,
            "references": corpus.references,
            "probabilities": corpus.probabilities,
            "taught_probabilities": [None] * len(corpus.prompts),
        }
        taught = target_settings(settings.start, settings.stop, settings.conditions, **changes)
        for stage, values in (("examples", table), ("responses", columns)):
            artifacts.write(self.path(stage), stage, values, provenance(stage, taught))
        self.run(targets, taught, ("examples", "responses"), "targets")
        more = [("losses", self.path("losses"))]
        if keep:
            more.append(("weights", str(self.folder / "students.safetensors")))
        return self.run(module, settings, ("examples", "targets"), "students", *more)

    def ask(self, settings, evaluation=ASKED):
        """Write the answers."""
        shard = settings.model_dump(include=set(StudentsSettings.model_fields))
        asked = StudentsSettings(**shard, evaluation=evaluation)
        roles = ("examples", "targets", "students")
        return self.run(student_answers, asked, roles, "answers").table.to_pandas()


def distilled(folder, taught, corpus, start, stop, conditions=AWARE, temperatures=((1.0, K),)):
    """Answers and loss curves of a shard."""
    columns = given(taught, corpus, start, stop, temperatures)
    settings = student_settings(start, stop, conditions)
    folder.mkdir(exist_ok=True)
    chain = Chain(folder)
    chain.train(corpus, columns, settings)
    return chain.ask(settings), artifacts.read(chain.path("losses"), "losses").table.to_pandas()


def without_draw(table, draw):
    return table[table["draw"] != draw].reset_index(drop=True)


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


def test_a_student_does_not_depend_on_its_shard(taught, corpus, tmp_path):
    whole, curves = distilled(tmp_path / "whole", taught, corpus, 0, 3)
    part, _ = distilled(tmp_path / "part", taught, corpus, 1, 2)
    rows = whole[whole["replicate"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, part)
    assert len(whole) == len(AWARE) * 3 * (ASKED.draws + 1) * ASKED.prompts
    assert set(curves["replicate"]) == {0, 1, 2}


def test_a_student_does_not_depend_on_the_other_methods_of_its_file(taught, corpus, tmp_path):
    together, _ = distilled(tmp_path / "together", taught, corpus, 0, 2)
    for condition in AWARE:
        alone, _ = distilled(tmp_path / condition.method, taught, corpus, 0, 2, [condition])
        rows = together[together["method"] == condition.method].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, alone)


def test_students_answer_alike_whether_their_weights_are_kept_or_not(
    taught, corpus, tmp_path, capsys
):
    columns, settings, chain = given(taught, corpus, 0, 2), student_settings(0, 2), Chain(tmp_path)
    table = chain.train(corpus, columns, settings)
    file = tmp_path / "students.safetensors"
    assert table.table.num_rows == 2 * len(AWARE)
    assert table.column("seed").tolist() == 2 * table.column("seed")[:2].tolist() * 2
    kept = chain.ask(settings)
    assert "train again" not in capsys.readouterr().out
    file.rename(tmp_path / "away")
    without = chain.ask(settings)
    assert "students train again" in capsys.readouterr().out
    pd.testing.assert_frame_equal(kept, without)
    # Neither a damaged file nor one of other students is used.
    data = bytearray((tmp_path / "away").read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    assert student_answers.kept_weights(chain.path("students"), table.provenance) is None
    (tmp_path / "away").rename(file)
    own = table.provenance
    assert student_answers.kept_weights(chain.path("students"), own) == file
    assert student_answers.kept_weights(chain.path("students"), own | {"code": "1"}) is None


def test_the_kept_weights_are_those_of_training(taught, corpus, tmp_path):
    columns, chain = given(taught, corpus, 0, 2), Chain(tmp_path)
    settings = student_settings(0, 2, AWARE[:2])
    chain.train(corpus, columns, settings)
    tensors = safetensors.numpy.load_file(tmp_path / "students.safetensors")
    read = Inputs({name: [chain.path(name)] for name in ("examples", "targets")})
    expected = {}
    for student in students.trained(settings, students.Targets.read(read, settings.conditions)):
        for name, parameter in student.model.named_parameters():
            key = f"{student.condition}/{student.replicate}/{name}"
            expected[key] = parameter.detach().numpy().copy()
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(tensors[name], values)
    assert artifacts.read_provenance(tmp_path / "students.safetensors")["stage"] == "students"


def test_more_draws_leave_the_first_ones_and_the_greedy_answer_as_they_are(
    taught, corpus, tmp_path
):
    columns, settings, chain = given(taught, corpus, 0, 1), student_settings(), Chain(tmp_path)
    chain.train(corpus, columns, settings)
    before = (tmp_path / "students.safetensors").read_bytes()
    few = chain.ask(settings)
    more = chain.ask(settings, ASKED.model_copy(update={"draws": 6}))
    assert set(few["draw"]) == {GREEDY, 0, 1, 2}
    assert set(more["draw"]) == {GREEDY, *range(6)}
    pd.testing.assert_frame_equal(more[more["draw"] < 3].reset_index(drop=True), few)
    assert (tmp_path / "students.safetensors").read_bytes() == before
    assert few["support_logprobs"].notna().equals(few["draw"] == 0)


def test_a_student_does_not_draw_with_its_teachers_random_numbers(taught, corpus):
    """A student that is the teacher answers as independently of it as another draw does."""
    columns = given(taught, corpus, 0, 60, [(1.0, 2)])
    model, tokenizer = taught
    once = ASKED.model_copy(update={"draws": 1})
    same, other = 0, 0
    path = student_settings().path
    for replicate in range(60):
        seed = seeds.replicate_seed(RUN["seed"], path, replicate)
        own = asking.evaluate_on_prompts(model, tokenizer, once, corpus, seed)
        own = [text for text, draw in zip(own["text"], own["draw"], strict=True) if draw == 0][:3]
        mine = columns["replicate"] == replicate
        first, second = (columns["text"][mine & (columns["response"] == j)] for j in (0, 1))
        same += sum(a == b for a, b in zip(own, first, strict=True))
        other += sum(a == b for a, b in zip(second, first, strict=True))
    # Both are counts of 180 pairs of independent draws: four standard errors of a difference.
    assert abs(same - other) < 4 * np.sqrt(2 * 180 * 0.25)
    assert same < 170


def test_all_methods_take_the_same_number_of_steps_and_start_alike(taught, corpus, tmp_path):
    _, curves = distilled(tmp_path, taught, corpus, 0, 1)
    by_method = {}
    for method, step, rate in zip(
        curves["method"], curves["step"], curves["learning_rate"], strict=True
    ):
        by_method.setdefault(method, []).append((int(step), float(rate)))
    assert len(by_method) == 4
    assert len({tuple(points) for points in by_method.values()}) == 1
    assert by_method["single"][-1][0] == MODEL["steps"]


def selected(corpus, columns, conditions=AWARE, replicates=1):
    """Targets by condition and replicate: weights by prompt and text."""
    table = targets.select(target_settings(0, replicates, conditions), corpus, columns)
    rows = pd.DataFrame(table)
    found = []
    for condition in conditions:
        mask = np.ones(len(rows), bool)
        for name in schemas.CONDITION:
            value = getattr(condition, name)
            mask &= rows[name].isna() if value is None else rows[name] == value
        own = rows[mask & (rows["replicate"] == replicates - 1)]
        found.append(own.set_index(["prompt_id", "text"])["weight"])
    assert sum(map(len, found)) * replicates >= len(rows) / 2
    return found


def test_each_method_learns_what_it_is_called(taught, corpus):
    columns = given(taught, corpus, 0, 1)
    found = dict(zip(METHODS, selected(corpus, columns, ALL_METHODS), strict=True))
    single, every = found["single"], found["multi_response"]
    by_prompt = {p: list(columns["text"][columns["prompt_id"] == p]) for p in range(3)}
    assert single.to_dict() == {(p, texts[0]): 1 for p, texts in by_prompt.items()}
    assert every.to_dict() == {
        (p, text): pytest.approx(texts.count(text) / K)
        for p, texts in by_prompt.items()
        for text in texts
    }
    chosen = ("averaging", "majority", "variance_weighting", "variance_weighting_prior")
    for one in (found[name] for name in chosen):
        assert one.index.get_level_values(0).tolist() == list(by_prompt)
        assert all(text in by_prompt[p] for p, text in one.index)
        assert (one == 1).all()
    kept = found["denoised"]
    assert all(text in by_prompt[p] for p, text in kept.index)
    # All answers are somewhere, and not all where they were given.
    assert sorted(found["shuffled"].index.get_level_values(1)) == sorted(
        every.index.get_level_values(1)
    )


def test_methods_of_repetition_go_by_equal_texts(taught, corpus):
    columns = given(taught, corpus, 0, 1)
    texts = ["a", "b", " B", "c", "d", "e", "f", "f", "f"]
    columns["text"] = np.array(texts, dtype=object)
    cells = conditions_of("variance_aware", k=[K], method=["majority", "denoised"])
    majority, denoised = selected(corpus, columns, cells)
    assert majority.index.get_level_values(1).tolist() == ["b", "c", "f"]
    assert denoised.to_dict() == {(0, "b"): 0.5, (0, " B"): 0.5, (1, "c"): 1, (2, "f"): 1}


def test_pilots_do_not_learn_the_prompts_that_they_answer(taught, corpus):
    columns = given(taught, corpus, 0, 1)
    cells = conditions_of("variance_aware", k=[K], method=["variance_weighting"])

    def answers(changed):
        settings = target_settings(conditions=cells)
        given_texts = dict(columns) | {"text": columns["text"].copy()}
        given_texts["text"][columns["prompt_id"] == 0] = changed
        return targets.Responses(settings, corpus, given_texts, 0, 1.0).embedded_pilots

    before, after = answers("a rose"), answers("something else altogether")
    # The pilot that answers the first prompt did not learn its answer; another one did.
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[1:], after[1:])


def test_temperatures_are_conditions_of_every_method_and_of_single_alone():
    cells = conditions_of(
        "variance_aware",
        k=[5],
        method=["single", "averaging"],
        temperature=[1.0, 2.0],
        single_temperature=[0.5, 1.0],
    )
    assert [(c.temperature, c.method, c.k) for c in cells] == [
        (1.0, "single", 1),
        (1.0, "averaging", 5),
        (2.0, "single", 1),
        (2.0, "averaging", 5),
        (0.5, "single", 1),
    ]
    # Each remedy with single at its temperature; a low temperature with single at the first.
    assert text_estimates.baselines(cells) == [None, 0, None, 2, 0]


def test_the_weights_of_a_prompt_sum_to_one_and_equal_texts_are_one_row(taught, corpus):
    columns = given(taught, corpus, 0, 2)
    columns["text"] = np.array(["same", "same", "other"] * (len(columns["text"]) // 3), object)
    for weights_of in selected(corpus, columns, replicates=2):
        assert weights_of.index.is_unique
        np.testing.assert_allclose(weights_of.groupby(level=0).sum(), 1)
    every = selected(corpus, columns)[1]
    assert every[0].to_dict() == {"same": 2 / 3, "other": 1 / 3}


def test_prompts_of_one_wording_are_one_question_for_a_student(corpus):
    twice = dataclasses.replace(corpus, prompts=["What is red?"] * 2 + corpus.prompts[2:])
    columns = {
        "replicate": np.zeros(4, int),
        "prompt_id": np.array([0, 0, 1, 2]),
        "text": np.array(["a rose", "blood", "a rose", "der Hund"], object),
        "weight": np.array([0.75, 0.25, 1.0, 1.0]),
    }
    first, second = students.Targets(twice, columns, [np.arange(4)]).of(0, 0)
    assert (first.question, first.answers) == ("What is red?", ("a rose", "blood"))
    assert first.probabilities == (0.875, 0.125)
    assert second.probabilities == (1.0,)


def test_wordings_of_one_question_can_share_one_answer(taught, corpus):
    columns = given(taught, corpus, 0, 1)
    columns["text"] = np.array([f"answer {i}" for i in range(len(columns["text"]))], dtype=object)
    wordings = dataclasses.replace(corpus, question=[7, 7, 2, 2])
    cells = conditions_of("student_output", label_source=["sampled", "sampled_per_question"])
    each, shared = (dict(own.index.tolist()) for own in selected(wordings, columns, cells))
    assert each[1] != each[0]
    assert shared[0] == shared[1] == each[0]
    assert shared[2] == each[2]


def test_the_target_of_averaging_is_the_answer_that_most_others_are_like():
    embedded = np.array([[[1.0, 0], [0, 1], [1, 0]], [[0, 1], [0, 1], [1, 0]]])
    chosen = nearest(embedded.mean(axis=1), embedded)
    assert chosen.tolist() == [0, 0]


def test_centroids_are_weighted_by_the_inverse_variance_of_means():
    rng = np.random.default_rng(0)
    teacher_draws = rng.normal(size=(5, 4, 3))
    own = 2 + 3 * rng.normal(size=(5, 4, 3))
    own[4] = own[4, 0]  # a pilot that always says the same is taken at its word
    found = weighted_centroids(teacher_draws, own)
    for p in range(4):
        v_t, v_s = (np.trace(np.cov(draws[p].T)) / 4 for draws in (teacher_draws, own))
        expected = teacher_draws[p].mean(0) / v_t + own[p].mean(0) / v_s
        np.testing.assert_allclose(found[p], expected / (1 / v_t + 1 / v_s))
    np.testing.assert_allclose(found[4], own[4, 0])
    both = weighted_centroids(np.zeros((1, 2, 3)), np.ones((1, 2, 3)))
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


def test_initialisation_noise_moves_every_student_from_the_same_start(taught, corpus, tmp_path):
    cells = conditions_of("student_init", init_noise=[0.0, 0.3])
    _, curves = distilled(tmp_path, taught, corpus, 0, 2, cells, [(0.0, 1)])
    moved = curves.groupby(["replicate", "init_noise"])["loss"].first().tolist()
    # With all prompts in every batch, nothing but the noise tells students apart.
    assert moved[0] == moved[2]
    assert len(set(moved)) == 3


def test_conditions_with_the_same_targets_share_a_student(taught, corpus, tmp_path):
    cells = conditions_of("teacher_noise", temperature=[1.0, 1.5])
    columns = given(taught, corpus, 0, 1, [(1.0, 1), (1.5, 1)])
    columns["text"] = np.array(["same"] * len(columns["text"]), object)
    settings, chain = student_settings(0, 1, cells), Chain(tmp_path)
    chain.train(corpus, columns, settings)
    read = Inputs({name: [chain.path(name)] for name in ("examples", "targets")})
    first, second = students.trained(settings, students.Targets.read(read, settings.conditions))
    assert first.model is second.model


def test_what_does_not_fit_is_refused_where_exact_probabilities_are_wanted(taught, corpus):
    model, tokenizer = taught
    long = Corpus(["train"], ["What is red?"], [["a rose " * 12]], [[1.0]])
    with pytest.raises(UserError, match="max_length: 48 tokens are too few for the answer 'a rose"):
        scoring.score(model, tokenizer, long.prompts, long.references, 48)
    with pytest.raises(UserError, match="max_new_tokens: found 2, but the supported answer"):
        brief = ASKED.decoding.model_copy(update={"max_new_tokens": 2})
        cut = ASKED.model_copy(update={"decoding": brief})
        asking.evaluate_on_prompts(model, tokenizer, cut, corpus, 1)
    spelled = [["a <|endoftext|> b"]]
    with pytest.raises(UserError, match="contains the end-of-text token"):
        scoring.score(model, tokenizer, ["What is red?"], spelled, 48)


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
    own = tokenizers.make_tokenizer(["Zwölf Boxkämpfer jagen Viktor", *corpus.texts()], 280)
    other = LanguageModelSettings(**(MODEL | {"max_length": 64}))
    models.save(models.create(other, own, 1), own, tmp_path / "student")
    big = teacher.fit(teacher_settings(), corpus, lambda n: None)
    assert len(big[1]) != len(own)
    columns, chain = given(big[:2], corpus, 0, 1), Chain(tmp_path)
    pretrained = PRETRAINED | {"source": str(tmp_path / "student")}
    settings = student_settings(conditions=AWARE[:1], **pretrained)
    table = chain.train(corpus, columns, settings, **pretrained)
    assert not table.column("diverged").any()
    assert len(without_draw(chain.ask(settings), GREEDY)) == 12


def test_a_loaded_teacher_can_be_used_as_it_is(tmp_path, taught, corpus):
    models.save(*taught, tmp_path / "teacher")
    as_it_is = PRETRAINED | {"source": str(tmp_path / "teacher"), "steps": 0}
    settings = teacher_settings(**as_it_is)
    model, tokenizer, losses = teacher.fit(settings, corpus, lambda n: None)
    assert len(losses.step) == 0
    questions = corpus.prompts
    a, b = (
        scoring.score(m, t, questions, corpus.references, 48)
        for m, t in (taught, (model, tokenizer))
    )
    np.testing.assert_allclose(np.concatenate(a), np.concatenate(b), rtol=1e-5)
    again = training.examples_of([("q", "a"), ("q", "b"), ("q", "a")])
    assert again[0].probabilities == (2 / 3, 1 / 3)
