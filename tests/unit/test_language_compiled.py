"""The compiled GPT-2 against torch: training, sampling and probabilities of answers."""

import copy

import numpy as np
import pytest
import torch
from kduq.data.corpus import Example
from kduq.families.lm import gpt2, models, sampling, scoring, training
from kduq.families.lm.settings import Decoding, LanguageModelSettings

EXAMPLES = [
    Example("the cat", ("sat down", "sat up", "ran"), (0.5, 0.3, 0.2)),
    Example("a much longer question about the same cat", ("sat down", "saw it"), (0.5, 0.5)),
    Example("dogs", ("bark",), (1.0,)),
    Example("who", ("the cat and the dog", "the cat"), (0.25, 0.75)),
    Example("when was that", ("ran", "sat up", "once"), (0.2, 0.2, 0.6)),
]
QUESTIONS = [example.question for example in EXAMPLES]
DECODING = Decoding(top_k=0, top_p=1, repetition_penalty=1, max_new_tokens=6)

SHAPES = {
    "whole vectors": {"layers": 1, "width": 64, "heads": 4},
    "parts of vectors": {"layers": 2, "width": 42, "heads": 3},
    "deep": {"layers": 3, "width": 32, "heads": 2, "weight_decay": 0.1},
    "several microbatches": {"layers": 2, "width": 16, "heads": 1, "tokens_per_microbatch": 30},
    "drawn answers": {"layers": 1, "width": 32, "heads": 4, "answers_per_visit": 2},
}


def student(**changed):
    standard = {"max_length": 40, "batch_size": 3, "learning_rate": 0.01, "steps": 12}
    settings = LanguageModelSettings(family="lm", vocabulary=300, **(standard | changed))
    lines = [*QUESTIONS, *(a for example in EXAMPLES for a in example.answers)]
    model, tokenizer = models.load_or_create(settings, lines, 5)
    if not gpt2.runs(model):
        pytest.skip("no C++ compiler")
    return model, tokenizer, settings


@pytest.fixture
def by_torch(monkeypatch):
    """Call a function as on a machine without a compiler."""

    def call(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(gpt2, "_library", lambda: None)
            return function(*arguments)

    return call


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_training_is_that_of_torch(shape, by_torch):
    ours, tokenizer, settings = student(**shape)
    theirs = copy.deepcopy(ours)
    mine = training.train(ours, tokenizer, EXAMPLES, settings, 3)
    expected = by_torch(training.train, theirs, tokenizer, EXAMPLES, settings, 3)
    np.testing.assert_allclose(mine.loss, expected.loss, rtol=2e-5)
    assert mine.loss[-1] < 0.7 * mine.loss[0]
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        # Adam divides by the gradient's own size: where that is rounding, a step is arbitrary.
        if "c_attn.bias" not in name:
            difference = (a - b).abs().detach()
            assert difference.mean() < 2e-5, name
            assert difference.max() < 0.01, name


def test_the_first_gradient_is_that_of_autograd():
    """The first step of Adam changes a parameter by the learning rate times its gradient's sign."""
    model, tokenizer, settings = student(layers=2, width=42, heads=3, batch_size=5, steps=1)
    before = [p.detach().clone() for p in model.parameters()]
    batch = next(training.Batches(model, tokenizer, EXAMPLES, settings, 3))
    training.accumulate(model, batch, settings.tokens_per_microbatch)
    gradients = [p.grad.clone() for p in model.parameters()]
    training.train(model, tokenizer, EXAMPLES, settings, 3)
    rate = float(training.learning_rates(settings)[0])
    scale = float(torch.cat([g.ravel() for g in gradients]).norm())
    for start, parameter, gradient in zip(before, model.parameters(), gradients, strict=True):
        large = gradient.abs() > 1e-4 * scale
        step = (parameter.detach() - start)[large]
        assert large.any()
        torch.testing.assert_close(step, -rate * gradient[large].sign(), rtol=1e-2, atol=1e-7)


def test_a_diverged_student_has_no_finite_loss():
    ours, tokenizer, settings = student(layers=1, width=32, heads=2, steps=60)
    with torch.no_grad():
        ours.transformer.h[0].mlp.c_fc.weight[0, 0] = float("nan")
    assert not np.isfinite(training.train(ours, tokenizer, EXAMPLES, settings, 3).loss).any()


@pytest.mark.parametrize("shape", ["whole vectors", "parts of vectors", "deep"])
def test_answers_and_their_probabilities_are_those_of_torch(shape, by_torch):
    model, tokenizer, settings = student(**SHAPES[shape], steps=40)
    training.train(model, tokenizer, EXAMPLES, settings, 3)
    arguments = (model, tokenizer, QUESTIONS, 8, DECODING, 1.0, 9, 40)
    ours, theirs = sampling.answer(*arguments), by_torch(sampling.answer, *arguments)
    assert [a.text for a in ours] == [a.text for a in theirs]
    assert len({a.text for a in ours}) > 5
    np.testing.assert_allclose([a.logprob for a in ours], [a.logprob for a in theirs], atol=1e-5)
    arguments = (model, tokenizer, QUESTIONS, [e.answers for e in EXAMPLES], 40)
    for mine, expected in zip(
        scoring.score(*arguments), by_torch(scoring.score, *arguments), strict=True
    ):
        np.testing.assert_allclose(mine, expected, atol=1e-5)


def test_a_draw_has_the_same_bits_whatever_is_sampled_beside_it():
    model, tokenizer, _ = student(**SHAPES["parts of vectors"])
    everything = sampling.answer(model, tokenizer, QUESTIONS, 9, DECODING, 1.0, 9, 40)
    alone = sampling.answer(model, tokenizer, QUESTIONS[1:2], 4, DECODING, 1.0, 9, 40)
    parts = sampling.answer(model, tokenizer, QUESTIONS, 9, DECODING, 1.0, 9, 40, 50)
    assert [(a.text, a.logprob) for a in everything if a.prompt == 1][:4] == [
        (a.text, a.logprob) for a in alone
    ]
    assert everything == parts


def test_models_that_compiled_code_does_not_know_run_in_torch():
    model, _, _ = student(layers=1, width=32, heads=2)
    other = copy.deepcopy(model)
    other.lm_head.weight = torch.nn.Parameter(other.lm_head.weight.clone())
    assert not gpt2.runs(other)
    other = copy.deepcopy(model)
    other.config.activation_function = "relu"
    assert not gpt2.runs(other)
    assert not gpt2.runs(copy.deepcopy(model).double())
    other = copy.deepcopy(model)
    other.config.attn_pdrop = 0.1
    assert gpt2.runs(other.eval())
    assert not gpt2.runs(other.train())
