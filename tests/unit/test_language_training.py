"""Training pinned against transformers' own loss and against known distributions."""

import math

import numpy as np
import pytest
import torch
import transformers
from kduq.data.corpus import Example
from kduq.errors import UserError
from kduq.families.lm import forward, models, packing, scoring, text, tokenizers, training
from kduq.families.lm.settings import LanguageModelSettings
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

EXAMPLES = [
    Example("Which colour is it?", ("red", "dark red", "dark blue"), (0.5, 0.3, 0.2)),
    Example("Who came?", ("nobody",), (1.0,)),
    Example("Where does the long road from the old mill go?", ("north", "home"), (0.25, 0.75)),
]
SETTINGS = LanguageModelSettings(
    family="lm",
    layers=2,
    width=32,
    heads=4,
    vocabulary=300,
    steps=6,
    batch_size=2,
    learning_rate=5e-3,
    warmup=0.0,
    weight_decay=0.01,
    tokens_per_microbatch=10_000,
    max_length=48,
)


def changed(**changes):
    return SETTINGS.model_copy(update=changes)


@pytest.fixture(scope="module")
def tokenizer():
    lines = [example.question for example in EXAMPLES]
    lines += [answer for example in EXAMPLES for answer in example.answers]
    return tokenizers.make_tokenizer(lines, 300)


def packed(tokenizer, model):
    questions = [example.question for example in EXAMPLES]
    prompts = text.encode_prompts(tokenizer, questions, 48)
    answers = text.encode_answers(tokenizer, questions, prompts, [e.answers for e in EXAMPLES], 48)
    rows = []
    for prompt, group, example in zip(prompts, answers, EXAMPLES, strict=True):
        weights = list(example.probabilities)
        if forward.takes_trees(model):
            rows.append(packing.pack_prefix_tree(prompt, group, weights))
        else:
            rows.extend(packing.pack_separately(prompt, group, weights))
    return rows


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def textbook(model, tokenizer):
    """The loss from transformers' own labels, one answer at a time, and its gradients."""
    model.zero_grad()
    total = count = 0.0
    for example in EXAMPLES:
        for answer, weight in zip(example.answers, example.probabilities, strict=True):
            prompt = tokenizer(f"Question: {example.question}\nAnswer:").input_ids
            whole = tokenizer(f"Question: {example.question}\nAnswer: {answer}<|endoftext|>")
            tokens = torch.tensor([whole.input_ids])
            labels = tokens.clone()
            labels[0, : len(prompt)] = -100
            size = tokens.shape[1] - len(prompt)
            total = total + weight * size * model(tokens, labels=labels).loss
            count += weight * size
    loss = total / count
    loss.backward()
    return float(loss.detach()), gradients(model)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("tokens_per_microbatch", [1, 10_000])
def test_trees_and_microbatches_give_the_loss_and_gradient_of_transformers(
    tokenizer, layers, tokens_per_microbatch
):
    model = models.create(changed(layers=layers), tokenizer, 3)
    expected, wanted = textbook(model, tokenizer)
    model.zero_grad()
    assert forward.takes_trees(model)
    batch = packed(tokenizer, model)
    assert len(batch) == 3
    loss = training.accumulate(model, batch, tokens_per_microbatch)
    assert loss == pytest.approx(expected, rel=1e-5)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("tokens_per_microbatch", [1, 60, 10_000])
def test_another_architecture_gives_the_loss_and_gradient_of_transformers(
    tokenizer, tokens_per_microbatch
):
    model = llama(tokenizer)
    expected, wanted = textbook(model, tokenizer)
    model.zero_grad()
    batch = packed(tokenizer, model)
    assert len(batch) == 6
    loss = training.accumulate(model, batch, tokens_per_microbatch)
    assert loss == pytest.approx(expected, rel=1e-5)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-6)


def llama(tokenizer):
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=48,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return transformers.LlamaForCausalLM(config).eval()


def test_a_tree_shares_beginnings_and_keeps_their_weights():
    row = packing.pack_prefix_tree([7, 8], [[1, 2, 0], [1, 3, 0], [1, 2, 0]], [0.5, 0.3, 0.2])
    assert row.tokens.tolist() == [7, 8, 1, 2, 3]
    assert row.positions.tolist() == [0, 1, 2, 3, 3]
    assert row.visible[4].tolist() == [True, True, True, False, True]
    shares = {
        (int(q), int(t)): float(w)
        for q, t, w in zip(row.queries, row.targets, row.weights, strict=True)
    }
    assert shares == pytest.approx(
        {(1, 1): 1.0, (2, 2): 0.7, (2, 3): 0.3, (3, 0): 0.7, (4, 0): 0.3}
    )


def test_microbatches_have_every_row_once_and_respect_the_limit(tokenizer):
    model = models.create(SETTINGS, tokenizer, 3)
    batch = packed(tokenizer, model) * 4
    cut = packing.microbatches(batch, 90)
    assert sorted(i for part in cut for i in part) == list(range(12))
    sizes = [len(part) * max(len(batch[i].tokens) for i in part) for part in cut]
    assert all(size <= 90 or len(part) == 1 for size, part in zip(sizes, cut, strict=True))
    assert len(cut) < 12


def weights_after(tokenizer, examples=EXAMPLES, seed=5, **changes):
    settings = changed(**changes)
    model = models.create(settings, tokenizer, 3)
    losses = training.train(model, tokenizer, examples, settings, seed)
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]), losses


@pytest.mark.parametrize("answers_per_visit", [0, 2])
def test_equal_seeds_give_equal_bits_and_others_another_order(tokenizer, answers_per_visit):
    first, losses = weights_after(tokenizer, answers_per_visit=answers_per_visit)
    again, losses_again = weights_after(tokenizer, answers_per_visit=answers_per_visit)
    assert torch.equal(first, again)
    np.testing.assert_array_equal(losses.loss, losses_again.loss)
    other, _ = weights_after(tokenizer, seed=6, answers_per_visit=answers_per_visit)
    assert not torch.equal(first, other)


def test_training_leaves_the_global_random_state_alone(tokenizer):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    weights_after(tokenizer, steps=2)
    assert torch.equal(torch.rand(3), expected)


def test_the_expected_gradient_is_the_mean_of_drawn_ones(tokenizer):
    """Drawing answers a visit estimates what weighting them gives exactly."""
    model = models.create(SETTINGS, tokenizer, 3)
    settings = changed(batch_size=3, answers_per_visit=400)
    batches = training.Batches(model, tokenizer, EXAMPLES, settings, 1)
    drawn = training.accumulate(model, next(batches), 10_000)
    exact = training.accumulate(model, packed(tokenizer, model), 10_000)
    assert drawn == pytest.approx(exact, rel=0.02)


def test_a_teacher_learns_the_distribution_of_its_references(tokenizer):
    settings = changed(steps=120, batch_size=3)
    model = models.create(settings, tokenizer, 3)
    losses = training.train(model, tokenizer, EXAMPLES, settings, 5)
    questions = [example.question for example in EXAMPLES]
    exact = scoring.score(model, tokenizer, questions, [e.answers for e in EXAMPLES], 48)
    for example, scores in zip(EXAMPLES, exact, strict=True):
        np.testing.assert_allclose(np.exp(scores), example.probabilities, atol=0.04)
    assert losses.loss[-1] < losses.loss[0] / 3
    assert losses.step[-1] == 120
    assert len(losses.step) <= 100


def test_dropout_is_seeded_and_keeps_to_transformers_own_forward(tokenizer):
    def after(seed):
        config = models.create(SETTINGS, tokenizer, 3).config
        config.resid_pdrop = config.embd_pdrop = 0.2
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model = transformers.GPT2LMHeadModel(config)
        model.train()
        assert not forward.takes_trees(model)
        training.train(model, tokenizer, EXAMPLES, changed(steps=2), seed)
        assert model.training
        return model.transformer.wte.weight.detach()

    assert torch.equal(after(1), after(1))
    assert not torch.equal(after(1), after(2))


def test_pairs_gather_by_question():
    pairs = [("a", "x"), ("b", "y"), ("a", "z"), ("a", "x"), ("a", "x")]
    assert training.examples_of(pairs) == [
        Example("a", ("x", "z"), (0.75, 0.25)),
        Example("b", ("y",), (1.0,)),
    ]


def test_every_question_comes_once_an_epoch(tokenizer):
    examples = [Example(f"What is {i}?", (f"{i}",), (1.0,)) for i in range(7)]
    settings = changed(batch_size=3)
    batches = training.Batches(
        models.create(SETTINGS, tokenizer, 3), tokenizer, examples, settings, 2
    )
    seen = [tuple(row.tokens) for _ in range(14) for row in next(batches)]
    for epoch in range(6):
        assert len(set(seen[epoch * 7 : epoch * 7 + 7])) == 7


def test_the_loss_curve_averages_windows_of_steps(tokenizer, monkeypatch):
    monkeypatch.setattr(training, "_POINTS", 3)
    _, windows = weights_after(tokenizer, steps=5)
    monkeypatch.setattr(training, "_POINTS", 5)
    _, steps = weights_after(tokenizer, steps=5)
    assert windows.step.tolist() == [2, 4, 5]
    expected = [steps.loss[:2].mean(), steps.loss[2:4].mean(), steps.loss[4]]
    np.testing.assert_allclose(windows.loss, expected, rtol=1e-12)
    np.testing.assert_array_equal(windows.learning_rate, steps.learning_rate[[1, 3, 4]])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.5, 1.0, 0.75, 0.5, 0.25]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0]),
        ("cosine", [0.5, 1.0, 0.853553, 0.5, 0.146447]),
    ],
)
def test_learning_rate_rises_and_falls(schedule, expected):
    settings = changed(steps=5, learning_rate=1.0, schedule=schedule, warmup=0.2)
    np.testing.assert_allclose(training.learning_rates(settings), expected, rtol=1e-5)


@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_learning_rates_are_those_of_transformers_a_step_later(schedule, warmup):
    settings = changed(steps=37, schedule=schedule, warmup=warmup)
    rise = math.ceil(37 * warmup)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=settings.learning_rate)
    scheduler = transformers.get_scheduler(name, optimiser, rise + 1, 38)
    expected = []
    for _ in range(37):
        optimiser.step()
        scheduler.step()
        expected += scheduler.get_last_lr()
    # The cosine is computed another way.
    tolerance = 1e-12 if schedule == "cosine" else 0
    np.testing.assert_allclose(training.learning_rates(settings), expected, rtol=tolerance)


def test_long_answers_are_cut_without_an_end_and_long_questions_refused(tokenizer):
    prompts = text.encode_prompts(tokenizer, ["Who came?"], 48)
    answer = "nobody " * 60
    (cut,) = text.encode_answers(tokenizer, ["Who came?"], prompts, [[answer]], 48)
    assert len(prompts[0]) + len(cut[0]) == 48
    assert cut[0][-1] != tokenizer.eos_token_id
    with pytest.raises(UserError, match="max_length: 10 tokens are too few") as caught:
        text.encode_prompts(tokenizer, ["Who came to see the mill?"], 10)
    assert "\n" not in str(caught.value)


def test_a_template_of_a_models_own_is_used_everywhere_and_saved(tokenizer, tmp_path):
    model = models.create(SETTINGS, tokenizer, 3)
    models.save(model, tokenizer, tmp_path / "plain")
    _, own = models.load(str(tmp_path / "plain"))
    text.use_template(own, "<|endoftext|>{question} {}\nAnswer:")
    models.save(model, own, tmp_path / "own")
    read, read_tokenizer = models.load(str(tmp_path / "own"))
    for question in ("Who came?", "Is '{question}' one?"):
        (prompt,) = text.encode_prompts(read_tokenizer, [question], 48)
        assert read_tokenizer.decode(prompt) == f"<|endoftext|>{question} {{}}\nAnswer:"
        ((answer,),) = text.encode_answers(read_tokenizer, [question], [prompt], [["no"]], 48)
        assert read_tokenizer.decode(answer) == " no<|endoftext|>"
    # Training and scoring read the same text: what is learnt under the template is likely there.
    training.train(read, read_tokenizer, EXAMPLES[1:2], changed(steps=80), 1)
    (there,) = scoring.score(read, read_tokenizer, ["Who came?"], [["nobody"]], 48)
    (elsewhere,) = scoring.score(read, tokenizer, ["Who came?"], [["nobody"]], 48)
    assert there[0] > -0.1
    assert there[0] > elsewhere[0]
    # A template belongs to one tokenizer; the others keep the project's.
    (prompt,) = text.encode_prompts(tokenizer, ["Who came?"], 48)
    assert tokenizer.decode(prompt) == "Question: Who came?\nAnswer:"


def test_cut_answers_are_counted_and_refused_if_they_are_most(tokenizer, capsys):
    model = models.create(SETTINGS, tokenizer, 3)
    prompt = len(tokenizer("Question: Who came?\nAnswer:").input_ids)
    long = "nobody but the old sailor"

    def batches(answers, room, sampled=False):
        shares = tuple(1 / len(answers) for _ in answers)
        examples = [Example("Who came?", tuple(answers), shares)]
        settings = changed(max_length=prompt + room)
        training.Batches(model, tokenizer, examples, settings, 2, sampled)
        return capsys.readouterr().err

    assert batches(["nobody", long], 40) == ""
    # An empty answer is a space and its end.
    told = batches(["", long], 2)
    assert told.startswith(f"max_length: {prompt + 2} tokens are too few for 1 of 2 answers, which")
    assert told.count("\n") == 1
    for answers, room in (([long], 1), (["a", long, "the mill"], 1), (["", long, long + "s"], 2)):
        with pytest.raises(UserError, match="would not learn how answers end") as caught:
            batches(answers, room)
        assert "\n" not in str(caught.value)
        assert f"of {len(answers)} answers" in str(caught.value)
        # A teacher that has not learnt may never stop: its study still finishes.
        assert batches(answers, room, sampled=True).count("\n") == 1
        examples = [Example("Who came?", tuple(answers), (1 / len(answers),) * len(answers))]
        with pytest.raises(UserError, match="would not learn how answers end"):
            training.require_room(tokenizer, examples, prompt + room)


def test_answers_of_unknown_words_are_counted_and_refused_if_they_are_most(capsys):
    vocabulary = ["<end>", "<unk>", "a", "b", "Question:", "Answer:"]

    def batches(answers, role="<unk>", own="<unk>"):
        rust = RustTokenizer(WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token=own))
        rust.pre_tokenizer = WhitespaceSplit()
        read = transformers.PreTrainedTokenizerFast(
            tokenizer_object=rust, eos_token="<end>", unk_token=role
        )
        shares = tuple(1 / len(answers) for _ in answers)
        model = models.create(SETTINGS, read, 3)
        training.Batches(model, read, [Example("a", tuple(answers), shares)], SETTINGS, 2)
        return capsys.readouterr().err

    for role in ("<unk>", None):
        assert batches(["a", "a b"], role) == ""
        assert batches(["a", "b c"], role) == (
            "the model's tokenizer has no tokens for parts of 1 of 2 answers, "
            "which are taught as <unk>; name a model whose vocabulary has their words or "
            "characters\n"
        )
        with pytest.raises(UserError, match="2 of 3 answers, which are taught as <unk>"):
            batches(["a", "c", "b d"], role)
        with pytest.raises(UserError, match="contains the special token <unk>"):
            batches(["a", "<unk>"], role)
    # Without a token for them.
    with pytest.raises(UserError, match="cannot encode all prompts and answers") as caught:
        batches(["a", "c"], None, "<none>")
    assert "\n" not in str(caught.value)
