"""The walks of CONTRIBUTING.md, followed to the letter in a copy of the checkout."""

import contextlib
import re
import shutil
import subprocess
import sys

import pandas as pd
import yaml
from checkouts import LANGUAGE, ROOT, TINY, merged

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LINES_ELSEWHERE = 2
WALKS = ("A family", "An experiment", "A metric", "A corpus", "A data set", "A claim")


def steps(title):
    """Blocks of a walk: language, the file that they are about, and their text."""
    walk = PAGE.split(f"### {title}\n")[1].split("\n### ")[0].split("\n## ")[0]
    file, blocks = None, []
    for name, language, text in re.findall(r"^`(\S+)`$|^```(\w+)\n(.*?)^```$", walk, re.M | re.S):
        if name:
            file = name
        else:
            blocks.append((language, file, text))
    return blocks


def follow(checkout, title):
    """Do what a walk says; gives its rows of the configuration."""
    rows, new_files, lines = {}, set(), 0
    for language, file, text in steps(title):
        if language == "yaml":
            rows = yaml.safe_load(text)
        elif language == "python":
            path = checkout.path / file
            assert not path.exists()
            path.write_text(text, encoding="utf-8")
            new_files.add(file)
        else:
            old, new = (
                "".join(f"{line[1:]}\n" for line in text.splitlines() if line[0] != sign)
                for sign in "+-"
            )
            checkout.edit(file, old, new)
            lines += sum(line.startswith("+") for line in text.splitlines())
    assert len(new_files) == 1
    assert lines == LINES_ELSEWHERE
    return rows


def table(checkout, name, study="tiny"):
    return pd.read_parquet(checkout.path / f"results/{study}/{name}.parquet")


def test_a_family(finished):
    checkout = finished
    checkout.configure(TINY, follow(checkout, "A family"))
    checkout.run("teacher-noise")
    estimates = table(checkout, "teacher_noise/random_forest/boston_housing/estimates")
    variance = estimates[estimates["metric"] == "inter_student_variance"].set_index("alpha")
    assert variance.loc[1, "estimate"] > variance.loc[0, "estimate"] > 0
    unknown = {"students": {"forest": {"family": "random_forrest"}}}
    checkout.configure(TINY, unknown)
    done = checkout.snakemake("teacher-noise")
    assert "found 'random_forrest'" in done.stderr
    assert "did you mean 'random_forest'?" in done.stderr


def test_an_experiment(finished):
    checkout = finished
    rows = follow(checkout, "An experiment")
    checkout.configure(TINY, rows)
    checkout.run("noisy-bootstrap")
    estimates = table(checkout, "noisy_bootstrap/linear/boston_housing/estimates")
    variance = estimates[estimates["metric"] == "inter_student_variance"]
    assert set(variance["sample_fraction"]) == {0.5, 1}
    assert variance.set_index("sample_fraction")["estimate"].is_monotonic_decreasing
    checkout.configure(TINY, {"experiments": {"noisy_bootstrp": None}})
    done = checkout.snakemake("reproduce-all")
    assert "experiments.noisy_bootstrp: unknown key" in done.stderr
    assert "did you mean 'noisy_bootstrap'?" in done.stderr


def test_a_metric_reruns_no_student(finished):
    checkout = finished
    assert follow(checkout, "A metric") == {}
    planned = checkout.planned()
    assert planned["estimates"] == 2
    assert not {"students", "teacher", "responses", "examples"} & planned.keys()
    checkout.run("teacher-noise")
    estimates = table(checkout, "teacher_noise/linear/boston_housing/estimates")
    errors = estimates[estimates["metric"] == "test_mae_mean"]
    assert len(errors) == 2
    assert (errors["ci_low"] <= errors["estimate"]).all()


def test_a_corpus(checkout):
    rows = follow(checkout, "A corpus")
    lm = {"lm": {"replicates": 2, "shard": 2}}
    one = {"experiments": {"variance_aware": None, "student_output": {"families": lm}}}
    checkout.configure(merged(LANGUAGE, one), rows)
    checkout.run("student-output")
    estimates = table(checkout, "student_output/lm/sums/estimates", "language")
    assert "hallucination_rate" in set(estimates["metric"])
    checkout.configure(LANGUAGE, {"corpora": {"mine": {"kind": "summs"}}})
    done = checkout.snakemake("student-output")
    assert "corpora.mine.kind: found 'summs'" in done.stderr
    assert "did you mean 'sums'?" in done.stderr


def test_a_data_set(checkout):
    checkout.configure(TINY, follow(checkout, "A data set"))
    checkout.run("teacher-noise")
    estimates = table(checkout, "teacher_noise/linear/linnerud/estimates")
    assert "test_mse_mean" in set(estimates["metric"])
    checkout.configure(TINY, {"experiments": {"teacher_noise": {"datasets": ["linerud"]}}})
    done = checkout.snakemake("teacher-noise")
    assert "experiments.teacher_noise.datasets.0: found 'linerud'" in done.stderr


def test_a_claim(finished):
    checkout = finished
    rows = follow(checkout, "A claim")
    checkout.configure(TINY, rows)
    checkout.run("results/tiny/claims.parquet")
    claims = table(checkout, "claims")
    own = claims[claims["claim"] == 13]
    assert list(own["threshold"]) == [0]
    assert list(own["margin"]) == [0.5]
    assert set(own["verdict"]) <= {"supported", "contradicted", "inconclusive"}
    checkout.configure(TINY)
    done = checkout.snakemake("reproduce-all")
    assert "claims.error_change: missing" in done.stderr


def test_the_code_of_the_page_is_formatted_and_typed_as_all_other(checkout):
    new = []
    for title in WALKS:
        follow(checkout, title)
        new += [file for language, file, _ in steps(title) if language == "python"]
    assert len(new) == len(WALKS)
    settings = ["--config", str(ROOT / "pyproject.toml")]
    # What mypy knows of the unchanged modules from the checkout itself, where it has been run.
    with contextlib.suppress(FileNotFoundError):
        shutil.copytree(ROOT / ".mypy_cache", checkout.path / ".mypy_cache")
    for command in (
        ["ruff", "format", "--check", *settings],
        ["ruff", "check", *settings],
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")],
    ):
        done = subprocess.run(
            [*command, *new], cwd=checkout.path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
