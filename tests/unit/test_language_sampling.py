"""Sampling pinned against transformers' processors and against exact probabilities."""

import numpy as np
import pytest
import torch
import transformers
from kduq.data.corpus import Example
from kduq.errors import UserError
from kduq.families.lm import models, prefixes, sampling, scoring, tokenizers, training
from kduq.families.lm.settings import Decoding, LanguageModelSettings

SETTINGS = LanguageModelSettings(
    family="lm",
    layers=1,
    width=32,
    heads=4,
    vocabulary=320,
    steps=60,
    batch_size=4,
    learning_rate=5e-3,
    warmup=0.0,
    tokens_per_microbatch=10_000,
    max_length=40,
)
PLAIN = Decoding(top_k=0, top_p=1.0, repetition_penalty=1.0, max_new_tokens=8)
EXAMPLES = [
    Example("Which colour?", ("red", "dark blue"), (0.6, 0.4)),
    Example("Who was it?", ("a sailor", "a monk"), (0.5, 0.5)),
    Example("Where is the old mill now?", ("at home",), (1.0,)),
    Example("When?", ("at noon", "in May"), (0.2, 0.8)),
]
QUESTIONS = [example.question for example in EXAMPLES]


def changed(**changes):
    return PLAIN.model_copy(update=changes)


@pytest.fixture(scope="module")
def trained():
    lines = QUESTIONS + [answer for example in EXAMPLES for answer in example.answers]
    tokenizer = tokenizers.make_tokenizer(lines, 320)
    model = models.create(SETTINGS, tokenizer, 3)
    training.train(model, tokenizer, EXAMPLES, SETTINGS, 5)
    return model, tokenizer


def test_frequencies_are_the_exact_probabilities(trained):
    draws = 2000
    answers = sampling.answer(*trained, QUESTIONS, draws, PLAIN, 1.0, 9, 40)
    supports = [example.answers for example in EXAMPLES]
    exact = scoring.score(*trained, QUESTIONS, supports, 40)
    assert [(a.prompt, a.draw) for a in answers] == [(i, d) for i in range(4) for d in range(draws)]
    for i, support in enumerate(supports):
        drawn = [a.text for a in answers if a.prompt == i]
        for line, score in zip(support, exact[i], strict=True):
            p = np.exp(score)
            # Five standard errors of a share.
            assert abs(drawn.count(line) / draws - p) < 5 * np.sqrt(p * (1 - p) / draws) + 1e-3


def test_log_probability_is_the_plain_models_whatever_the_decoding(trained):
    tokenizer = trained[1]
    warped = changed(top_k=20, top_p=0.9, repetition_penalty=1.2)
    answers = sampling.answer(*trained, QUESTIONS, 3, warped, 0.5, 9, 40)
    stopped = [a for a in answers if a.finish_reason == "stop"]
    assert stopped
    for a in stopped:
        (score,) = scoring.score(*trained, [QUESTIONS[a.prompt]], [[a.text]], 40)
        tokens = tokenizer(f" {a.text}").input_ids
        if a.n_tokens == len(tokens) + 1:
            assert a.logprob * a.n_tokens == pytest.approx(score[0], abs=1e-4)


def test_a_draw_does_not_depend_on_what_else_is_asked(trained):
    everything = sampling.answer(*trained, QUESTIONS, 6, PLAIN, 1.0, 9, 40)
    alone = sampling.answer(*trained, QUESTIONS[2:3], 2, PLAIN, 1.0, 9, 40)
    assert [a.text for a in alone] == [a.text for a in everything if a.prompt == 2][:2]
    reverse = sampling.answer(
        *trained, QUESTIONS[::-1], 6, PLAIN, 1.0, 9, 40, tokens_per_microbatch=60
    )
    for i in range(4):
        first = [a.text for a in everything if a.prompt == i]
        assert first == [a.text for a in reverse if a.prompt == 3 - i]
    texts = [a.text for a in everything]
    assert texts != [a.text for a in sampling.answer(*trained, QUESTIONS, 6, PLAIN, 1.0, 10, 40)]
    assert len({a.text for a in everything if a.prompt == 0}) >= 2


@pytest.mark.parametrize("penalty", [1.0, 1.7])
def test_greedy_decoding_is_that_of_generate(trained, penalty):
    model, tokenizer = trained
    decoding = changed(repetition_penalty=penalty)
    answers = sampling.answer(model, tokenizer, QUESTIONS, 1, decoding, 0.0, 9, 40)
    for a in answers:
        prompt = tokenizer(f"Question: {QUESTIONS[a.prompt]}\nAnswer:", return_tensors="pt")
        output = model.generate(
            **prompt, do_sample=False, max_new_tokens=8, repetition_penalty=penalty
        )
        tokens = output[0, prompt.input_ids.shape[1] :]
        assert a.text == tokenizer.decode(tokens, skip_special_tokens=True).strip()
        assert a.n_tokens == len(tokens)
        assert a.finish_reason == ("stop" if tokens[-1] == tokenizer.eos_token_id else "length")


def test_an_answer_ends_at_its_limits(trained):
    one = sampling.answer(*trained, QUESTIONS, 2, changed(max_new_tokens=1), 1.0, 9, 40)
    assert all(a.n_tokens == 1 and a.finish_reason == "length" for a in one)
    length = len(trained[1](f"Question: {QUESTIONS[0]}\nAnswer:").input_ids)
    short = sampling.answer(*trained, QUESTIONS[:1], 2, PLAIN, 1.0, 9, length + 1)
    assert all(a.n_tokens == 1 for a in short)


def test_penalty_temperature_and_truncation_come_in_this_order(trained):
    """A draw is the token at its quantile under transformers' own processors, one after another."""
    model, tokenizer = trained
    decoding = changed(top_k=20, top_p=0.9, repetition_penalty=1.3, max_new_tokens=1)
    drawn = sampling.answer(model, tokenizer, QUESTIONS[:1], 20, decoding, 1.5, 9, 40)
    prompt = tokenizer(f"Question: {QUESTIONS[0]}\nAnswer:", return_tensors="pt").input_ids
    with torch.inference_mode():
        scores = model(input_ids=prompt).logits[:, -1]
    for processor in (
        transformers.RepetitionPenaltyLogitsProcessor(1.3),
        transformers.TemperatureLogitsWarper(1.5),
        transformers.TopKLogitsWarper(20),
        transformers.TopPLogitsWarper(0.9),
    ):
        scores = processor(prompt, scores)
    uniforms = torch.from_numpy(sampling._uniforms(9, QUESTIONS[0], 20, 40)[:, :1])
    tokens = sampling.inverse_cdf_sample(scores.expand(20, -1), uniforms)
    expected = tokenizer.batch_decode(tokens, skip_special_tokens=True)
    assert [a.text for a in drawn] == [line.strip() for line in expected]
    assert len(set(expected)) > 1


def test_what_changes_nothing_is_left_out():
    assert len(sampling.logits_processors(PLAIN, 1.0)) == 0
    assert len(sampling.logits_processors(PLAIN, 0.0)) == 0
    assert len(sampling.logits_processors(changed(top_k=3, repetition_penalty=2), 0.5)) == 3


def test_answers_that_would_be_cut_are_refused_before_training(trained):
    tokenizer = trained[1]
    references = ["red", "an old sailor of the mill"]
    longest = len(tokenizer(f" {references[1]}").input_ids) + 1
    sampling.check_max_new_tokens(tokenizer, longest, references)
    message = f"max_new_tokens: found {longest - 1}, but the supported answer 'an old sailor"
    with pytest.raises(UserError, match=message):
        sampling.check_max_new_tokens(tokenizer, longest - 1, references)


def test_quantiles_are_tokens_with_their_probabilities():
    logits = torch.log(torch.tensor([[0.2, 0.0, 0.5, 0.3]])).expand(5, 4)
    uniforms = torch.tensor([0.0, 0.19, 0.21, 0.69, 1 - 2**-53], dtype=torch.float64)
    assert sampling.inverse_cdf_sample(logits[:1], uniforms[None]).tolist() == [[0, 0, 2, 2, 3]]


def test_perplexity_weighs_tokens_by_their_references(trained):
    exact = scoring.score(*trained, QUESTIONS[:1], [EXAMPLES[0].answers], 40)[0]
    tokenizer = trained[1]
    sizes = [len(tokenizer(f" {answer}").input_ids) + 1 for answer in EXAMPLES[0].answers]
    weights = np.array([0.7, 0.3])
    expected = np.exp(-(weights @ exact) / (weights @ np.array(sizes)))
    perplexity = scoring.perplexity(*trained, QUESTIONS[:1], [EXAMPLES[0].answers], [weights], 40)
    np.testing.assert_allclose(perplexity, [expected], rtol=1e-6)


def test_a_student_with_another_tokenizer_and_architecture_learns_from_text(trained):
    """Nothing but text passes from a teacher to a student."""
    taught = sampling.answer(*trained, QUESTIONS, 1, PLAIN, 0.0, 9, 40)
    other = tokenizers.make_tokenizer(["quite other words"], 260)
    assert len(other) != len(trained[1])
    config = transformers.LlamaConfig(
        vocab_size=len(other),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=100,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        student = transformers.LlamaForCausalLM(config).eval()
    pairs = [(QUESTIONS[a.prompt], a.text) for a in taught]
    settings = SETTINGS.model_copy(update={"max_length": 100, "steps": 80})
    training.train(student, other, training.examples_of(pairs), settings, 1)
    long = changed(max_new_tokens=20)
    learnt = sampling.answer(student, other, QUESTIONS, 1, long, 0.0, 9, 100)
    assert [a.text for a in learnt] == [a.text for a in taught]
    # The cache keeps up with a second computation from scratch.
    (score,) = scoring.score(student, other, QUESTIONS[:1], [[learnt[0].text]], 100)
    assert learnt[0].logprob * learnt[0].n_tokens == pytest.approx(score[0], abs=1e-4)


SIZES = {
    "vocab_size": 320,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}
BASE = {key: SIZES[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers")}
#: Models with a past that is not one key and value per token and layer.
RECURRENT = {
    "rwkv": BASE | {"context_length": 64, "rescale_every": 1},
    "openai-gpt": {"vocab_size": 320, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4},
    "mamba": BASE | {"state_size": 8, "initializer_range": 0.2},
    "mamba2": BASE
    | {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "lfm2": SIZES | {"layer_types": ["conv", "full_attention"]},
    "recurrent_gemma": SIZES | {"num_hidden_layers": 3, "lru_width": 32},
    "bart": {
        **{"vocab_size": 320, "d_model": 32, "decoder_layers": 2, "encoder_layers": 1},
        **{"decoder_attention_heads": 4, "decoder_ffn_dim": 64, "max_position_embeddings": 64},
    },
}
CACHED = {
    "llama": SIZES,
    # Answers are longer than the window of attention.
    "mistral": SIZES | {"sliding_window": 8},
    "gemma2": SIZES | {"sliding_window": 8, "head_dim": 8},
    "roberta": SIZES | {"is_decoder": True, "max_position_embeddings": 70},
}


def pretrained(kind, sizes, folder):
    """A small random model of a kind as a folder, and its settings."""
    lines = QUESTIONS + [answer for example in EXAMPLES for answer in example.answers]
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = transformers.AutoConfig.for_model(kind, **(sizes | ends))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(config)
    models.save(model, tokenizers.make_tokenizer(lines, 320), folder)
    return LanguageModelSettings(
        family="lm",
        source=str(folder),
        steps=40,
        batch_size=4,
        learning_rate=1e-2,
        warmup=0.0,
        max_length=40,
    )


@pytest.mark.parametrize("kind", [*RECURRENT, *CACHED])
def test_every_kind_of_model_samples_its_exact_distribution(kind, tmp_path, capsys):
    prefixes._without_cache.cache_clear()
    settings = pretrained(kind, (RECURRENT | CACHED)[kind], tmp_path)
    model, tokenizer = models.load_or_create(settings, QUESTIONS, 3)
    training.train(model, tokenizer, EXAMPLES, settings, 5)
    draws = 200
    answers = sampling.answer(model, tokenizer, QUESTIONS, draws, PLAIN, 1.0, 9, 40, 2000)
    sampling.answer(model, tokenizer, QUESTIONS, 1, PLAIN, 0.0, 9, 40)
    # Once per process, and never of a cache that works.
    told = capsys.readouterr().err.count("answers are sampled without it")
    assert told == (kind in RECURRENT)
    supports = [example.answers for example in EXAMPLES]
    exact = scoring.score(model, tokenizer, QUESTIONS, supports, 40)
    for i, support in enumerate(supports):
        for line, score in zip(support, exact[i], strict=True):
            drawn = [a.logprob * a.n_tokens for a in answers if (a.prompt, a.text) == (i, line)]
            p = np.exp(score)
            # Other tokens that spell the same text are not in the exact probability.
            assert abs(len(drawn) / draws - p) < 5 * np.sqrt(p * (1 - p) / draws) + 0.02
            assert drawn
            assert min(abs(np.array(drawn) - score)) < 1e-3
