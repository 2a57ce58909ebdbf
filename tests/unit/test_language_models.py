"""Making, saving, loading and perturbing models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from kduq.errors import UserError
from kduq.families.lm import models, text, tokenizers
from kduq.families.lm.settings import LanguageModelSettings
from pydantic import ValidationError
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import decoders, pre_tokenizers, processors, trainers
from tokenizers import models as tokenizer_models

SETTINGS = LanguageModelSettings(
    family="lm", layers=2, width=32, heads=4, vocabulary=300, max_length=24, steps=1
)
LINES = ["Which colour is the flag?", "dark red", "Où est-il ?", "dark blue"] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.make_tokenizer(LINES, 300)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    "line", ["plain", "  two  spaces\n\ttabs ", "naïve café", "日本語 🙂", "\u0000\u200b", "", "é"]
)
def test_any_text_round_trips(tokenizer, line):
    assert tokenizer.decode(tokenizer(line).input_ids) == line


def test_one_token_ends_pads_and_starts(tokenizer):
    assert tokenizer.eos_token == "<|endoftext|>"
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == tokenizer.bos_token_id
    assert tokenizer(" dark").input_ids != tokenizer("zq").input_ids
    assert len(tokenizer(" dark").input_ids) == 1


def test_a_tokenizer_is_the_same_in_every_process(tokenizer):
    code = (
        "from kduq.families.lm import tokenizers; "
        f"print(tokenizers.make_tokenizer({LINES!r}, 300).backend_tokenizer.to_str())"
    )
    root = Path(models.__file__).parents[3]
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip() == tokenizer.backend_tokenizer.to_str()


def test_weights_follow_the_seed_and_leave_the_global_state_alone(tokenizer):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first = models.create(SETTINGS, tokenizer, 3).state_dict()
    assert torch.equal(torch.rand(3), expected)
    again = models.create(SETTINGS, tokenizer, 3).state_dict()
    other = models.create(SETTINGS, tokenizer, 4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])
    scale = first["transformer.wte.weight"].std() * 32**0.5
    assert abs(scale - 1) < 0.05


def test_equal_models_are_equal_bytes_and_come_back(tokenizer, tmp_path):
    model = models.create(SETTINGS, tokenizer, 3)
    models.save(model, tokenizer, tmp_path / "a")
    read, read_tokenizer = models.load(str(tmp_path / "a"))
    models.save(models.create(SETTINGS, tokenizer, 3), tokenizer, tmp_path / "b")
    # What was read is written as it was.
    models.save(read, read_tokenizer, tmp_path / "c")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "model.safetensors" in names
    for name in names:
        first = (tmp_path / "a" / name).read_bytes()
        assert first == (tmp_path / "b" / name).read_bytes()
        assert str(tmp_path).encode() not in first
    weights = [(tmp_path / folder / "model.safetensors").read_bytes() for folder in "ac"]
    assert weights[0] == weights[1]
    assert read_tokenizer("dark red").input_ids == tokenizer("dark red").input_ids
    modes = {path.stat().st_mode for path in (tmp_path / "a").iterdir()}
    assert len(modes) == 1


def one_line(source):
    with pytest.raises(UserError) as caught:
        models.load(source)
    message = str(caught.value)
    assert "\n" not in message
    assert source in message
    # Nothing but this line is to be shown.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


def test_a_name_that_cannot_be_had_says_where_it_was_looked_for(offline, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    message = one_line("nobody/no-such-model")
    assert "hf download nobody/no-such-model" in message
    assert str(tmp_path / "hub") in message
    assert "HF_HOME" in message
    assert "no such folder" in one_line(str(tmp_path / "missing"))


def test_an_adapter_in_the_cache_is_refused_with_its_remedy(offline, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--nobody--adapter"
    (folder / "snapshots" / "0123abcd").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123abcd")
    (folder / "snapshots" / "0123abcd" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    message = one_line("nobody/adapter")
    assert "merge_and_unload" in message
    assert "Hugging Face cache" in message


def test_the_cache_is_read_and_a_hub_that_does_not_answer_is_out_of_reach(tokenizer, tmp_path):
    snapshot = tmp_path / "hub" / "models--nobody--kept" / "snapshots" / "0123abcd"
    models.save(models.create(SETTINGS, tokenizer, 3), tokenizer, snapshot)
    refs = tmp_path / "hub" / "models--nobody--kept" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0123abcd")
    code = (
        "from kduq.families.lm import models\n"
        "from kduq.errors import UserError\n"
        "print(type(models.load('nobody/kept')[0]).__name__)\n"
        "try: models.load('nobody/no-such-model')\n"
        "except UserError as error: print(error)\n"
    )
    root = Path(models.__file__).parents[3]
    # Port 9 of this machine refuses at once.
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
    }
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        environment.pop(name, None)
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    kept, refused = process.stdout.splitlines()
    assert kept == "GPT2LMHeadModel"
    assert "hf download nobody/no-such-model" in refused
    assert not process.stderr


def test_pickled_weights_are_refused_by_name(tokenizer, tmp_path):
    model = models.create(SETTINGS, tokenizer, 3)
    models.save(model, tokenizer, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    message = one_line(str(tmp_path))
    assert "no safetensors weights" in message
    assert "pytorch_model.bin" in message


def test_a_model_is_created_or_loaded(tokenizer, tmp_path):
    model, learnt = models.load_or_create(SETTINGS, LINES, 3)
    assert learnt.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
    models.save(model, learnt, tmp_path)
    pretrained = LanguageModelSettings(family="lm", source=str(tmp_path), max_length=24, steps=0)
    read, _ = models.load_or_create(pretrained, [], 4)
    assert torch.equal(read.lm_head.weight, model.lm_head.weight)
    longer = pretrained.model_copy(update={"max_length": 25})
    with pytest.raises(UserError, match="has 24 positions, fewer than its max_length of 25"):
        models.load_or_create(longer, [], 4)


def test_settings_are_of_one_kind_of_model():
    keys = SETTINGS.model_dump()
    for changes, message in [
        ({"source": "x"}, "a pretrained model has its own layers; remove source or layers"),
        ({"heads": 5}, "5 heads do not divide the width 32"),
        ({"heads": None}, "heads is missing; a model trained from scratch needs layers, width"),
        ({"steps": 0}, "a model trained from scratch needs steps of at least 1"),
        ({"vocabulary": 256}, "greater than 256"),
        ({"schedule": "step"}, "'linear', 'cosine' or 'constant'"),
    ]:
        with pytest.raises(ValidationError, match=message):
            LanguageModelSettings(**(keys | changes))


def test_damaged_folders_say_what_is_wrong(tokenizer, tmp_path):
    assert "configuration cannot be read" in one_line(str(tmp_path))
    models.save(models.create(SETTINGS, tokenizer, 3), tokenizer, tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "weights cannot be read" in one_line(str(tmp_path))
    fewer = models.create(SETTINGS.model_copy(update={"layers": 1}), tokenizer, 3)
    models.save(fewer, tokenizer, tmp_path / "fewer")
    weights.write_bytes((tmp_path / "fewer" / "model.safetensors").read_bytes())
    assert "lack" in one_line(str(tmp_path))
    weights.write_bytes(whole)
    (tmp_path / "tokenizer.json").unlink()
    assert "tokenizer cannot be read" in one_line(str(tmp_path))


def test_a_tokenizer_without_padding_pads_by_its_end(tokenizer, tmp_path):
    bare = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, eos_token="<|endoftext|>"
    )
    assert bare.pad_token is None
    models.save(models.create(SETTINGS, tokenizer, 3), bare, tmp_path)
    _, read = models.load(str(tmp_path))
    assert read.pad_token_id == read.eos_token_id


def test_perturbation_is_relative_and_moves_tied_weights_once(tokenizer):
    still = models.create(SETTINGS, tokenizer, 3)
    moved = models.create(SETTINGS, tokenizer, 3)
    models.perturb(moved, 0.1, torch.Generator().manual_seed(2))
    assert moved.lm_head.weight is moved.transformer.wte.weight
    relative = (moved.lm_head.weight / still.lm_head.weight - 1).detach()
    # 300 · 32 weights: the standard error of their deviation is 0.7 % of it.
    assert abs(float(relative.std()) / 0.1 - 1) < 0.04
    assert abs(float(relative.mean())) < 0.005
    # A bias starts at zero and stays there.
    assert not moved.transformer.h[0].mlp.c_fc.bias.any()
    more = models.create(SETTINGS, tokenizer, 3)
    models.perturb(more, 0.2, torch.Generator().manual_seed(2))
    wide = more.lm_head.weight - still.lm_head.weight
    torch.testing.assert_close(wide, 2 * (moved.lm_head.weight - still.lm_head.weight))


SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}


def small(kind, tokenizer, folder, **changes):
    """A random model of a kind, saved to a folder."""
    config = transformers.AutoConfig.for_model(kind, **(SIZES | changes))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
    models.save(model, tokenizer, folder)
    return model


def pretrained(folder, **changes):
    keys = {"family": "lm", "source": str(folder), "max_length": 24, "steps": 1}
    return LanguageModelSettings(**(keys | changes))


def refused(folder, lines=(), **changes):
    """The one line with which a folder is refused before a training."""
    with pytest.raises(UserError) as caught:
        models.load_or_create(pretrained(folder, **changes), list(lines), 1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(folder, name="config.json", **changes):
    path = Path(folder) / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_an_encoder_is_refused_unless_it_is_a_decoder(tokenizer, tmp_path, kind):
    small(kind, tokenizer, tmp_path)
    message = one_line(str(tmp_path))
    assert "reads later tokens" in message
    assert '"is_decoder": true in its config.json' in message
    rewrite(tmp_path, is_decoder=True)
    models.load_or_create(pretrained(tmp_path), LINES, 1)


def test_an_encoder_is_refused_whatever_hides_what_it_reads(tokenizer, tmp_path):
    for kind, sizes in (
        ("xlnet", {"n_layer": 2, "n_head": 4, "d_model": 32}),
        ("xlm", {"n_layers": 2, "n_heads": 4, "emb_dim": 32}),
    ):
        config = transformers.AutoConfig.for_model(kind, vocab_size=300, **sizes)
        model = transformers.AutoModelForCausalLM.from_config(config)
        models.save(model, tokenizer, tmp_path / kind)
        assert "reads later tokens" in one_line(str(tmp_path / kind))
    model = small("bert", tokenizer, tmp_path / "silent")
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            layer.attention.output.dense.weight.zero_()
    models.save(model, tokenizer, tmp_path / "silent")
    assert "reads later tokens" in one_line(str(tmp_path / "silent"))
    # A causal model that is as silent is none of these.
    rewrite(tmp_path / "silent", is_decoder=True)
    models.load(str(tmp_path / "silent"))


def test_what_cannot_be_read_or_trained_is_refused_before(tokenizer, tmp_path):
    # Heads that do not fit each other, which no configuration of this kind checks.
    sizes = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "v_head_dim": 8}
    sizes |= {"num_key_value_heads": 2, "qk_nope_head_dim": 8, "first_k_dense_replace": 2}
    small("deepseek_v3", tokenizer, tmp_path / "heads", **sizes)
    assert "(DeepseekV3ForCausalLM) cannot read a text" in one_line(str(tmp_path / "heads"))
    small("roberta", tokenizer, tmp_path / "short", is_decoder=True)
    # Positions of RoBERTa start after that of padding, so that 40 of them are 39 tokens.
    assert "cannot read a text of max_length = 40" in refused(tmp_path / "short", max_length=40)
    models.load_or_create(pretrained(tmp_path / "short", max_length=39), [], 1)
    small(
        "reformer",
        tokenizer,
        tmp_path / "mode",
        **{"is_decoder": True, "attention_head_size": 8, "feed_forward_size": 64},
        **{"attn_layers": ["local", "local"], "axial_pos_embds": False},
        local_attn_chunk_length=8,
    )
    assert "cannot be trained; set steps to 0" in refused(tmp_path / "mode")
    models.load_or_create(pretrained(tmp_path / "mode", steps=0), [], 1)
    small(
        "reformer",
        tokenizer,
        tmp_path / "chance",
        **{"is_decoder": True, "attention_head_size": 8, "feed_forward_size": 64},
        **{"attn_layers": ["lsh", "lsh"], "axial_pos_embds": False, "hash_seed": None},
        **{"lsh_attn_chunk_length": 4, "num_buckets": 4, "num_hashes": 1},
    )
    assert "gives other logits each time" in one_line(str(tmp_path / "chance"))
    model = small("llama", tokenizer, tmp_path / "diverged")
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    models.save(model, tokenizer, tmp_path / "diverged")
    assert "not finite" in refused(tmp_path / "diverged")
    # A teacher that diverged in its own training is judged by the gate.
    models.load(str(tmp_path / "diverged"))


def test_reading_a_text_leaves_the_weights_alone(tokenizer, tmp_path):
    sizes = {"context_length": 40, "num_hidden_layers": 3, "rescale_every": 1}
    original = small("rwkv", tokenizer, tmp_path / "a", **sizes)
    before = {name: value.clone() for name, value in original.named_parameters()}
    tokens = torch.tensor([[5, 9, 17, 33]])
    read, read_tokenizer = models.load(str(tmp_path / "a"))
    with torch.inference_mode():
        logits = read(input_ids=tokens).logits
        torch.testing.assert_close(logits, original(input_ids=tokens).logits, atol=1e-3, rtol=1e-3)
    for name, value in read.named_parameters():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    models.save(read, read_tokenizer, tmp_path / "b")
    again, _ = models.load(str(tmp_path / "b"))
    with torch.inference_mode():
        torch.testing.assert_close(again(input_ids=tokens).logits, logits)


@pytest.mark.parametrize("task", ["SequenceClassification", "TokenClassification"])
def test_a_classifier_is_refused_by_its_architecture(tokenizer, tmp_path, task):
    small("gpt2", tokenizer, tmp_path)
    rewrite(tmp_path, architectures=[f"GPT2For{task}"])
    message = one_line(str(tmp_path))
    assert f"the model is a GPT2For{task} (architectures, in config.json)" in message


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, None),
        ({"quantization_config": {"load_in_8bit": True}}, "bitsandbytes"),
        *(
            ({"quantization_config": {"quant_method": method, "bits": 4}}, method)
            for method in ("gptq", "awq", "fp8", "mxfp4", "compressed-tensors", "torchao")
        ),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "method not named"),
    ],
)
def test_a_quantised_model_is_refused_by_its_method(tokenizer, tmp_path, changes, method):
    small("llama", tokenizer, tmp_path)
    rewrite(tmp_path, **changes)
    message = one_line(str(tmp_path))
    assert f"quantised ({method or 'bitsandbytes'}, in config.json)" in message
    assert "name the unquantised model" in message


def test_an_adapter_is_refused_with_its_remedy(tokenizer, tmp_path):
    small("llama", tokenizer, tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert "merge_and_unload" in one_line(str(tmp_path))
    (tmp_path / "config.json").unlink()
    assert "merge_and_unload" in one_line(str(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"attn_implementation": "flash_attention_2"},
        {"_attn_implementation": "flash_attention_3"},
        {"attn_implementation": "flex_attention"},
        {"attn_implementation": "kernels-community/flash-attn"},
        {"dtype": "float16"},
        {"torch_dtype": "bfloat16"},
    ],
)
def test_what_a_configuration_asks_of_a_machine_is_left_out(tokenizer, tmp_path, changes):
    original = small("llama", tokenizer, tmp_path)
    rewrite(tmp_path, **changes)
    model, _ = models.load_or_create(pretrained(tmp_path), [], 1)
    assert model.dtype == torch.float32
    assert model.config._attn_implementation == "sdpa"
    tokens = torch.tensor([[5, 9, 17, 33]])
    with torch.inference_mode():
        torch.testing.assert_close(
            model(input_ids=tokens).logits, original(input_ids=tokens).logits
        )


def by_lines():
    """A tokenizer that splits a text at line ends alone, unlike that of any class."""
    own = RustTokenizer(tokenizer_models.BPE())
    own.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    own.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    own.train_from_iterator(LINES, trainer)
    return own


def words():
    """A tokenizer of whole words without any special treatment of accents or case."""
    own = RustTokenizer(tokenizer_models.WordLevel(unk_token="[UNK]"))
    own.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "[UNK]", "<|im_start|>"],
        show_progress=False,
    )
    own.train_from_iterator([*LINES, "Question: Answer:"], trainer)
    return own


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (by_lines, "GPT2Tokenizer"),
        (by_lines, "GPT2TokenizerFast"),
        (by_lines, "Qwen2Tokenizer"),
        (by_lines, None),
        (words, "PreTrainedTokenizerFast"),
        (words, "BertTokenizer"),
    ],
)
def test_a_tokenizer_is_that_of_its_file_whatever_its_class(tmp_path, make, name):
    own = make()
    saved = transformers.PreTrainedTokenizerFast(
        tokenizer_object=own,
        eos_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>"],
        **({"unk_token": "[UNK]"} if make is words else {}),
    )
    saved.chat_template = "{{ messages }}"
    text.use_template(saved, "Q: {question}\nA:")
    settings = SETTINGS.model_copy(update={"vocabulary": 300})
    models.save(models.create(settings, saved, 3), saved, tmp_path / "a")
    path = tmp_path / "a" / "tokenizer_config.json"
    keys = json.loads(path.read_text()) | {"tokenizer_class": name}
    path.write_text(json.dumps({key: value for key, value in keys.items() if value}))
    line = "Which colour is the flag?\ndark red"
    folder = tmp_path / "a"
    for following in ("b", "c"):
        model, read = models.load(str(folder))
        assert read(line, add_special_tokens=False).input_ids == own.encode(line).ids
        assert read.chat_template == "{{ messages }}"
        assert read.eos_token == "<|endoftext|>"
        assert text.special_tokens(read) == {
            own.token_to_id(token): token for token in ("<|endoftext|>", "<|im_start|>")
        }
        (prompt,) = text.encode_prompts(read, ["dark red"], 60)
        assert prompt == own.encode("Q: dark red\nA:").ids
        # What a trained teacher is saved with.
        folder = tmp_path / following
        models.save(model, read, folder)


@pytest.mark.parametrize(
    "name", ["GPT2Tokenizer", "GPTNeoXTokenizer", "RobertaTokenizer", "CodeLlamaTokenizer", None]
)
def test_tokens_around_a_text_are_those_of_the_file(tokenizer, tmp_path, name):
    own = RustTokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    own.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    saved = transformers.PreTrainedTokenizerFast(tokenizer_object=own, eos_token="<|endoftext|>")
    models.save(models.create(SETTINGS, saved, 3), saved, tmp_path)
    path = tmp_path / "tokenizer_config.json"
    keys = json.loads(path.read_text()) | {"tokenizer_class": name}
    path.write_text(json.dumps({key: value for key, value in keys.items() if value}))
    _, read = models.load_or_create(pretrained(tmp_path), [], 1)
    assert read("dark red").input_ids == own.encode("dark red").ids
    assert read("dark red").input_ids[0] == 0
    assert len(read) == own.get_vocab_size()


@pytest.mark.parametrize(
    ("token", "kind"),
    [("<|endoftext|>", "end-of-text"), ("<|im_start|>", "special"), ("</s>", "special")],
)
@pytest.mark.parametrize("line", ["{}", "What is {}?", "It ends {}"])
def test_no_text_spells_a_special_token(tokenizer, tmp_path, token, kind, line):
    more = transformers.PreTrainedTokenizerFast(
        tokenizer_object=RustTokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
        eos_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>", "</s>"],
    )
    own = "<|im_start|>{question}</s>\nA:"
    text.use_template(more, own)
    question = line.format(token)
    message = f"contains the {kind} token {token} of the tokenizer; remove it from the corpus"
    with pytest.raises(UserError) as caught:
        text.encode_prompts(more, ["plain", question], 60)
    assert str(caught.value) == f"'{question}' {message}"
    prompts = text.encode_prompts(more, ["plain"], 60)
    # The model's own template may have such tokens.
    assert more.decode(prompts[0]) == own.replace("{question}", "plain")
    with pytest.raises(UserError) as caught:
        text.encode_answers(more, ["plain"], prompts, [["red", question]], 60)
    assert str(caught.value) == f"'{question}' {message}"
    text.encode_answers(more, ["plain"], prompts, [["<|im_end|> < /s>", ""]], 60)
    settings = SETTINGS.model_copy(update={"vocabulary": len(more)})
    models.save(models.create(settings, more, 3), more, tmp_path)
    assert message in refused(tmp_path, ["plain", question])
