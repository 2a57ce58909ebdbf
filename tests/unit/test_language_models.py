"""Making, saving, loading and perturbing models."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from kduq.errors import UserError
from kduq.families.lm import models
from kduq.families.lm.settings import LanguageModelSettings
from pydantic import ValidationError

SETTINGS = LanguageModelSettings(
    family="lm", layers=2, width=32, heads=4, vocabulary=300, max_length=24, steps=1
)
LINES = ["Which colour is the flag?", "dark red", "Où est-il ?", "dark blue"] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return models.make_tokenizer(LINES, 300)


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
        "from kduq.families.lm import models; "
        f"print(models.make_tokenizer({LINES!r}, 300).backend_tokenizer.to_str())"
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
