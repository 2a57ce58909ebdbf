"""Real runs of language models: what reruns, what a kill leaves, what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
import transformers
from checkouts import LANGUAGE, text_of
from kduq.families.lm import models, tokenizers
from kduq.families.lm.settings import LanguageModelSettings

LAST = {"gather": 1, "claims": 1, "report": 1, "reproduce-all": 1}


def tables(folder):
    # A name that begins with a dot is a file that a job was writing when it was killed.
    files = [p for kind in ("parquet", "safetensors") for p in folder.rglob(f"[!.]*.{kind}")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_change_reruns_what_it_must_and_the_gate_withholds_verdicts(checkout, finished_language):
    checkout.configure(LANGUAGE)
    everything = LAST | {
        "examples": 1,
        "language_teacher": 1,
        "answers": 1,
        "language_responses": 3,
        "targets": 6,
        "language_students": 6,
        "student_answers": 6,
        "embeddings": 2,
        "estimates": 2,
        "figures": 12,
    }
    assert checkout.planned() == everything
    checkout = finished_language
    checkout.run("audit")
    assert checkout.planned() == {}
    folder = checkout.path / "results/language"
    claims = pd.read_parquet(folder / "claims.parquet")
    # Twenty steps teach nothing.
    assert set(claims["claim"]) == set(range(8, 13))
    assert set(claims["verdict"]) == {"inconclusive"}
    assert claims["reason"].str.contains("outside the support").all()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.index("Quality gate not passed") < page.index('id="verdicts"')
    run = folder / "student_output/lm/ambiguous_facts"
    curves = pd.read_parquet(run / "losses/000000-000002.parquet")
    assert curves["step"].max() == 10

    students = pd.read_parquet(run / "students/000000-000002.parquet")
    assert len(students) == 2 * 3  # replicates and sources of labels
    answers = pd.read_parquet(run / "answers/000000-000002.parquet")
    assert len(answers) == 2 * 3 * 8 * 4  # prompts, and three draws beside the greedy answer
    known = set(pd.read_parquet(run / "embeddings/all.parquet")["text"])
    assert set(answers["text"]) <= known

    checkout.configure(LANGUAGE, {"gate": {"hallucination": 0.9}})
    # With the verdicts their eight figures.
    assert checkout.planned() == {"claims": 1, "figures": 8, "report": 1, "reproduce-all": 1}
    longer = {"teachers": {"gpt_128": {"steps": 21}}}
    checkout.configure(LANGUAGE, longer)
    assert checkout.planned() == {k: v for k, v in everything.items() if k != "examples"}

    checkout.configure(LANGUAGE)
    teacher = "teachers/gpt_128/ambiguous_facts"
    weights = folder / teacher / "model/model.safetensors"
    of_students = run / "students/000000-000002.safetensors"
    for file in (weights, of_students):
        damaged = bytearray(file.read_bytes())
        damaged[-1] ^= 0xFF
        file.write_bytes(bytes(damaged))
    done = checkout.snakemake("audit")
    assert done.returncode != 0
    assert f"damaged  results/language/{teacher}/teacher.parquet" in done.stderr
    assert f"damaged  {of_students.relative_to(checkout.path)}" in done.stderr


def test_a_run_killed_while_students_train_does_only_the_rest(finished_language):
    checkout = finished_language
    folder = checkout.path / "results/language"
    # As it was before the students.
    for later in [*folder.glob("*.*"), *folder.glob("*/lm/*/estimates.parquet")]:
        later.unlink()
    stages = ("students", "losses", "answers", "embeddings")
    for later in [folder / "figures", *(p for s in stages for p in folder.glob(f"*/lm/*/{s}"))]:
        shutil.rmtree(later)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "reproduce-all"]
    with subprocess.Popen(
        command,
        cwd=checkout.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 180
        # Snakemake may not yet have recorded the file that appeared last; on one core it has
        # recorded all files before it.
        while len(list(folder.rglob("students/[!.]*.parquet"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    checkout.run("--unlock")
    before = tables(folder)
    rest = checkout.planned()
    assert "language_teacher" not in rest
    assert "targets" not in rest
    assert rest["language_students"] <= 5
    checkout.run("reproduce-all")
    checkout.run("audit")
    assert before.items() <= tables(folder).items()
    # Snakemake's own mark in a folder that is an output is not left over.
    left = [p for p in folder.rglob(".*") if p.name != ".snakemake_timestamp"]
    assert not [p for p in left if p.is_file()]


def pretrained(folder):
    texts = ["Was ist ein Haus?", "ein Gebäude", "What is a house?", "a building"]
    tokenizer = tokenizers.make_tokenizer(texts, 300)
    settings = LanguageModelSettings(
        **{"family": "lm", "width": 16, "layers": 1, "heads": 2, "max_length": 64},
        **{"vocabulary": 300, "steps": 1},
    )
    models.save(models.create(settings, tokenizer, 3), tokenizer, folder)


def test_a_pretrained_teacher_and_a_corpus_of_the_user(checkout):
    pretrained(checkout.path / "teacher")
    (checkout.path / "faq.jsonl").write_text(
        "".join(
            f'{{"question": "Was kostet Nummer {i}?", "answers": ["{i} €", "zu viel\\n“{i}”"]}}\n'
            for i in range(8)
        ),
        encoding="utf-8",
    )
    own = {
        "corpora": {"faq": {"path": "faq.jsonl", "prompt": "question", "references": "answers"}},
        "teachers": {"mine": {"family": "lm", "source": "teacher", "steps": 0}},
        "experiments": {
            "student_output": {
                "families": {
                    "lm": {"teacher": "mine", "corpora": ["faq"], "replicates": 2, "shard": 2}
                }
            },
            "variance_aware": None,
        },
        "language": {"keep_models": False},
    }
    checkout.configure(LANGUAGE, own)
    checkout.run("reproduce-all")
    checkout.run("audit")
    folder = checkout.path / "results/language"
    assert not list(folder.rglob("students/*.safetensors"))
    log = folder / "logs/answers/student_output_lm_faq_000000-000002.log"
    assert "its students train again" in log.read_text()
    checkout.configure(LANGUAGE, own | {"language": {"keep_models": True}})
    assert checkout.planned()["language_students"] == 1
    answers = pd.read_parquet(folder / "teachers/mine/faq/answers.parquet")
    assert answers["support_logprobs"].isna().all()
    estimates = pd.read_parquet(folder / "estimates.parquet")
    assert {"hallucination_rate", "intra_student_variance"} <= set(estimates["metric"])
    assert "mutual_information" not in set(estimates["metric"])
    examples = pd.read_parquet(folder / "examples/faq.parquet")
    assert list(examples["references"][3]) == ["3 €", "zu viel\n“3”"]


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        (
            {"teachers": {"gpt_128": {"source": "nobody/no-such-model"}}},
            "teachers.gpt_128: found",
        ),
        (
            {
                "teachers": {"far": {"family": "lm", "source": "nobody/no-such-model", "steps": 0}},
                "experiments": {
                    "student_output": {"families": {"lm": {"teacher": "far"}}},
                    "variance_aware": None,
                },
            },
            "nobody/no-such-model: no such folder in",
        ),
        (
            {"corpora": {"own": {"path": "none.jsonl"}}}
            | {
                "experiments": {
                    "student_output": {"families": {"lm": {"corpora": ["own"]}}},
                    "variance_aware": None,
                }
            },
            "none.jsonl",
        ),
    ],
)
def test_a_missing_model_or_corpus_is_one_line(checkout, overlay, line, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    checkout.configure(LANGUAGE, overlay)
    done = checkout.snakemake("student-output")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert line in text
    assert "Traceback (most recent call last)" not in text


def test_models_that_cannot_be_used_are_refused_before_the_first_job(checkout):
    pretrained(checkout.path / "student")
    file = checkout.path / "student/config.json"
    config = json.loads(file.read_text())
    own = {
        "teachers": {"far": {"family": "lm", "source": "no/such/folder", "steps": 0}},
        "students": {"mine": {"family": "lm", "source": "student", "steps": 1}},
        "experiments": {
            "student_output": {"families": {"lm": {"teacher": "far", "student": "mine"}}},
            "variance_aware": None,
        },
    }
    checkout.configure(LANGUAGE, own)
    file.write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    done = checkout.snakemake("student-output")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert (
        text.count("no/such/folder: no such folder, nor a model name of the form OWNER/NAME") == 1
    )
    assert text.count("student: its weights are quantised (gptq, in config.json)") == 1
    assert "Traceback" not in text
    assert not (checkout.path / "results").exists()
    file.write_text(json.dumps(config))
    own["teachers"]["far"] = {"family": "lm", "source": "student", "steps": 0}
    checkout.configure(LANGUAGE, own)
    assert checkout.planned()["language_students"] == 2


def encoder(folder):
    """An encoder, which transformers loads as a language model, without a word."""
    pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokens = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "vocab_size": 300}
    config = transformers.BertConfig(intermediate_size=16, **sizes, **tokens)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        transformers.BertLMHeadModel(config).save_pretrained(folder)


def test_models_are_probed_before_the_first_job(checkout, monkeypatch):
    """Where the folder is theirs, and where it is the hub's cache; each model once."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(checkout.path / "cache"))
    cached = checkout.path / "cache/models--owner--name"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs/main").write_text("1")
    encoder(cached / "snapshots/1")
    encoder(checkout.path / "encoder")
    pretrained(checkout.path / "short")
    sources = {"folder": "encoder", "cache": "owner/name", "short": "short"}
    models_of = {
        name: {"family": "lm", "steps": 1, "source": source} for name, source in sources.items()
    }
    own = {
        "teachers": {"long": models_of["short"] | {"max_length": 65}},
        "students": models_of,
        "experiments": {
            "student_output": {"families": {"lm": {"teacher": "long", "student": "folder"}}},
            "variance_aware": {"families": {"lm": {"teacher": "long", "student": "cache"}}},
        },
    }
    checkout.configure(LANGUAGE, own)
    for _ in range(2):
        said = text_of(checkout.snakemake("student-output", "variance-aware"))
        assert said.count("encoder: the model (BertLMHeadModel) reads later tokens") == 1
        assert said.count("owner/name: the model (BertLMHeadModel) reads later tokens") == 1
        assert said.count("short: the model has 64 positions, fewer than its max_length of 65") == 1
        assert "Traceback" not in said
        assert not (checkout.path / "results").exists()
    own["teachers"]["long"]["max_length"] = 64
    for experiment in own["experiments"].values():
        experiment["families"]["lm"]["student"] = "short"
    checkout.configure(LANGUAGE, own)
    probed = "Pretrained models are read and probed"
    for expected in (True, False):
        assert (probed in text_of(checkout.run("student-output", "--dry-run"))) == expected
    # Another model in the same folder is another model.
    encoder(checkout.path / "short")
    done = checkout.snakemake("student-output", "--dry-run")
    assert "short: the model (BertLMHeadModel) reads later" in text_of(done)
