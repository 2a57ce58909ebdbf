"""What reruns when: real dry runs after a real run."""

import os
import re
import resource
import shutil
import subprocess
import sys
import time

import forks
import numpy as np
import pandas as pd
import pytest
import yaml
from checkouts import FACTORIAL, LANGUAGE, ROOT, TINY, Checkout, merged
from kduq.config.study import check
from kduq.study.study import Study

#: The stages of the tiny study, as jobs.
EVERYTHING = {
    "examples": 1,
    "teacher": 2,
    "responses": 4,
    "students": 4,
    "estimates": 2,
    "gather": 1,
    "claims": 1,
    "figures": 9,
    "report": 1,
}
LINEAR = "experiments.teacher_noise.families.linear"
COMMENT = ("kduq/students/tabular.py", "def stack(", "# Why.\n\n\ndef stack(")
#: A change in words, the same as settings or an edit of a file, and the jobs that rerun by rule.
CHANGES = [
    ("a comment or a docstring of the library", COMMENT, {}),
    ("a caption of a figure", ("report/teacher_noise.rst", ".", "!"), {"report": 1}),
    ("`figures.dpi` or `figures.style`", {"figures.dpi": 90}, {"figures": 9, "report": 1}),
    (
        "a margin under `claims`",
        {"claims.ratio_margin": 1.3},
        {"claims": 1, "figures": 8, "report": 1},
    ),
    (
        "`statistics.confidence`",
        {"statistics.confidence": 0.9},
        {"estimates": 2, "gather": 1, "claims": 1, "figures": 9, "report": 1},
    ),
    (
        "the code of an estimator",
        ("kduq/statistics/random_effects.py", "n_draws > 1 else", "n_draws > 1.5 else"),
        {"estimates": 2, "gather": 1, "claims": 1, "figures": 9, "report": 1},
    ),
    (
        "the entry script of a stage",
        ("scripts/estimates.py", "    script.run_stage()", "    script.run_stage(), None"),
        {"estimates": 2, "gather": 1, "claims": 1, "figures": 9, "report": 1},
    ),
    (
        "a student's learning rate",
        {"students.mlp_16.learning_rate": 0.02},
        {"students": 2, "estimates": 1, "gather": 1, "claims": 1, "figures": 8, "report": 1},
    ),
    (
        "the grid of `alpha` of an experiment",
        {"experiments.teacher_noise.alpha": [0, 0.5, 1]},
        {"students": 2, "estimates": 1, "gather": 1, "claims": 1, "figures": 8, "report": 1},
    ),
    (
        "`k` of an experiment, to more responses",
        {"experiments.variance_aware.k": [1, 3, 5]},
        {"responses": 2, "students": 2, "estimates": 1, "gather": 1, "claims": 1, "figures": 8}
        | {"report": 1},
    ),
    (
        "`replicates`, to twice as many",
        {f"{LINEAR}.replicates": 16},
        {"responses": 2, "students": 2, "estimates": 1, "gather": 1, "claims": 1, "figures": 8}
        | {"report": 1},
    ),
    (
        "`replicates`, to half as many (the others stay, as surplus)",
        {f"{LINEAR}.replicates": 4},
        {"estimates": 1, "gather": 1, "claims": 1, "figures": 8, "report": 1},
    ),
    (
        "a teacher's epochs",
        {"teachers.mlp_16.epochs": 150},
        {"teacher": 1, "students": 2, "estimates": 1, "gather": 1, "claims": 1, "figures": 8}
        | {"report": 1},
    ),
    (
        "the code of a family",
        ("kduq/families/least_squares.py", "1] * 100 * np", "1] * 101 * np"),
        {"teacher": 1, "students": 2, "estimates": 1, "gather": 1, "claims": 1, "figures": 8}
        | {"report": 1},
    ),
    (
        "`seed`",
        {"seed": 7},
        {name: number for name, number in EVERYTHING.items() if name != "examples"},
    ),
    ("the split of a data set", {"datasets.boston_housing.split_seed": 1}, EVERYTHING),
]
#: The stages of the study of language models, as jobs.
EVERYTHING_ON_TEXT = {
    "examples": 1,
    "language_teacher": 1,
    "answers": 1,
    "language_responses": 3,
    "targets": 6,
    "language_students": 6,
    "student_answers": 6,
    "embeddings": 2,
    "estimates": 2,
    "gather": 1,
    "claims": 1,
    "figures": 12,
    "report": 1,
}
LAST = {"estimates": 2, "gather": 1, "claims": 1, "figures": 12, "report": 1}
OUTPUT, AWARE = (f"experiments.{name}.families.lm" for name in ("student_output", "variance_aware"))
CHANGES_ON_TEXT = [
    ("`language.keep_models`, to false", {"language.keep_models": False}, {"report": 1}),
    (
        "`language.draws`, to more",
        {"language.draws": 4},
        {"answers": 1, "student_answers": 6, "embeddings": 2} | LAST,
    ),
    (
        "`language.embedding_model` (targets and students: of the methods that compare embeddings)",
        {"language.embedding_model": "sentence-transformers/all-MiniLM-L12-v2"},
        {"targets": 2, "language_students": 2, "student_answers": 2, "embeddings": 2}
        | LAST
        | {"figures": 11},
    ),
    (
        "`method` of `variance_aware`, to a further one",
        {f"{AWARE}.method": ["single", "multi_response", "averaging", "variance_weighting"]},
        {"targets": 1, "language_students": 1, "student_answers": 1, "embeddings": 1}
        | LAST
        | {"estimates": 1, "figures": 11},
    ),
    (
        "the code of a method",
        ("kduq/targets/selection.py", "np.round(squared, 6)", "np.round(squared, 5)"),
        {"targets": 2, "language_students": 2, "student_answers": 2, "embeddings": 1}
        | LAST
        | {"estimates": 1, "figures": 11},
    ),
    (
        "a student's learning rate (targets: of the method with pilot students)",
        {"students.gpt_64.learning_rate": 0.001},
        {"targets": 1, "language_students": 6, "student_answers": 6, "embeddings": 2} | LAST,
    ),
    (
        "`replicates`, to more",
        {f"{OUTPUT}.replicates": 6},
        {"language_responses": 1, "targets": 1, "language_students": 1, "student_answers": 1}
        | {"embeddings": 1}
        | LAST
        | {"estimates": 1, "figures": 10},
    ),
]
PAGE = ROOT / "docs/partial-reruns.md"


def targets_of(preset):
    """Targets of a preset, by their paths."""
    default, overlay = (
        yaml.safe_load((ROOT / name).read_text()) for name in ("config.yaml", preset)
    )
    return Study(check(merged(default, overlay))).targets


def overlay_of(settings):
    """Dotted keys as nested tables."""
    nested = {}
    for key, value in settings.items():
        *path, last = key.split(".")
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def table(changes, everything):
    """A table of docs/partial-reruns.md."""
    lines = ["| I changed … | this reruns |", "| --- | --- |"]
    for words, _, wanted in changes:
        stages = [
            f"{name} ({number} of {everything[name]})" if number < everything[name] else name
            for name, number in wanted.items()
        ]
        lines.append(f"| {words} | {', '.join(stages) or 'nothing'} |")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("changes", "everything"),
    [(CHANGES, EVERYTHING), (CHANGES_ON_TEXT, EVERYTHING_ON_TEXT)],
    ids=["tables", "text"],
)
def test_the_table_in_the_documentation_is_the_tested_one(changes, everything):
    text = PAGE.read_text(encoding="utf-8")
    wanted = table(changes, everything)
    assert wanted in text, f"put this into {PAGE}:\n{wanted}"


def check_changes(checkout, base, changes):
    """Compare dry runs, after one change each, with the jobs that should rerun."""
    together = {"reproduce-all": 1}
    for words, change, wanted in changes:
        expected = wanted | together if wanted else {}
        if isinstance(change, dict):
            checkout.configure(*base, overlay_of(change))
            assert checkout.planned() == expected, words
            checkout.configure(*base)
        else:
            name, old, new = change
            checkout.edit(f"workflow/{name}", old, new)
            assert checkout.planned() == expected, words
            checkout.edit(f"workflow/{name}", new, old)
    assert checkout.planned() == {}


def test_each_change_reruns_what_it_must_and_no_more(checkout, finished):
    assert checkout.planned() == EVERYTHING | {"reproduce-all": 1}
    checkout = finished
    assert checkout.planned() == {}
    check_changes(checkout, (TINY,), CHANGES)


def test_each_change_of_language_models_reruns_what_it_must_and_no_more(finished_language):
    checkout = finished_language
    further = ("`method` of `variance_aware`, to a further one",)
    others = [change for change in CHANGES_ON_TEXT if change[0] not in further]
    check_changes(checkout, (LANGUAGE,), others)
    # A study without the last method, which is then added.
    fewer = overlay_of({f"{AWARE}.method": ["single", "multi_response", "averaging"]})
    checkout.configure(LANGUAGE, fewer)
    planned = checkout.planned()
    assert not {"targets", "language_students", "student_answers"} & set(planned)
    checkout.run("reproduce-all")
    run = checkout.path / "results/language/variance_aware/lm/ambiguous_facts"
    (students,) = run.glob("students/*-averaging.parquet")
    before = students.read_bytes()
    for file in run.glob("*/*-variance_weighting.*"):
        file.unlink()
    (change,) = [change for change in CHANGES_ON_TEXT if change[0] in further]
    check_changes(checkout, (LANGUAGE, fewer), [change])
    assert students.read_bytes() == before


def test_each_artifact_depends_on_the_entry_script_that_makes_it(checkout):
    """As Snakemake plans the smoke study, which has every stage."""
    (checkout.path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    rules = "\n".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    entries = dict(
        re.findall(r"^rule (\w+):\n(?:.+\n|\n(?=    ))*?.*scripts/(\w+)\.py", rules, re.M)
    )
    # A rule that is used under a second name, for other resources, has the same script.
    for first, second in re.findall(r"^use rule (\w+) as (\w+) with:", rules, re.M):
        entries[second] = entries[first]
    smoke = "workflow/presets/smoke.yaml"
    done = checkout.run("reproduce-all", "--dry-run", "--configfile", smoke)
    planned = re.findall(
        r"^(?:local)?rule (\w+):\n(?:    .+\n)*?    output: (.+)\n", done.stdout + done.stderr, re.M
    )
    scripts = {
        path.removeprefix("results/smoke/"): f"scripts.{entries[rule]}"
        for rule, outputs in planned
        for path in outputs.split(", ")
    }
    targets = targets_of(smoke)
    assert len(targets) > 150
    assert {path: target.entry for path, target in targets.items()} == {
        path: scripts.get(path) for path in targets
    }


def processor_time(checkout, *arguments):
    """Processor time of a command in seconds, which does not depend on other processes."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=checkout.path, env=forks.environment(), check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


PAPER = ("--configfile", "workflow/presets/paper.yaml")


def test_the_paper_study_is_planned_in_seconds(checkout):
    (checkout.path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    assert processor_time(checkout, "reproduce-all", "--dry-run", "--quiet", "all", *PAPER) < 15
    # If every file exists, nothing is to be done, and this takes no longer to find out.
    for path in targets_of(PAPER[1]):
        file = checkout.path / "results/paper" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    checkout.run("reproduce-all", "--touch", *PAPER)
    assert processor_time(checkout, "reproduce-all", *PAPER) < 20
    assert checkout.planned(*PAPER) == {}


def test_the_paper_study_stays_under_two_thousand_jobs(checkout):
    (checkout.path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    counts = checkout.planned(*PAPER)
    assert sum(counts.values()) < 2000
    # As many as the cost model says, at five minutes per job.
    assert 20 < counts["students"] < 500


def test_no_job_of_the_paper_study_of_regression_needs_four_gigabytes(checkout):
    """A job's memory is mostly predictions of students, of networks as of least squares."""
    (checkout.path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    overlay = "workflow/presets/paper.yaml"
    default, paper = (
        yaml.safe_load((ROOT / name).read_text()) for name in ("config.yaml", overlay)
    )
    targets = Study(check(merged(default, paper))).targets
    run = "variance_aware/linear/boston_housing"
    rows = {"students": {}, "estimates": {}}
    for path, target in targets.items():
        if target.stage in rows and target.config.get("task") == "regression":
            sources = target.inputs.get("students", [path])
            rows[target.stage][path] = sum(targets[each].rows for each in sources)
    # No job has more students than these, and no data set more test rows.
    largest = [f"{run}/students/000000-000200.parquet", f"{run}/estimates.parquet"]
    for path, students in zip(largest, rows.values(), strict=True):
        assert students[path] == max(students.values())
    checkout.run(f"results/paper/{run}/estimates.parquet", *PAPER)
    measured = (checkout.path / "results/paper/benchmarks").rglob("variance_aware_linear*.tsv")
    peaks = pd.concat([pd.read_csv(file, sep="\t") for file in measured])["max_rss"]
    assert len(peaks) == 11
    # Torch alone takes three hundred megabytes more.
    assert peaks.max() < 4096 - 300


def test_more_noise_levels_train_their_students_alone(checkout):
    checkout.configure(TINY, FACTORIAL)
    checkout.run("reproduce-all")
    assert checkout.planned() == {}
    done = checkout.run("audit")
    assert "0 missing, 0 damaged, 0 stale, 0 surplus" in done.stdout + done.stderr
    folder = checkout.path / "results/tiny/decomposition"
    students = pd.read_parquet(folder / "mlp/boston_housing/students/000002-000003.parquet")
    # Three initial parameters; three bootstrap samples, and all rows.
    levels = students[["noise_level", "init_level", "bootstrap_level"]]
    assert levels.drop_duplicates().shape[0] == len(levels) == 12
    first = pd.read_parquet(folder / "mlp/boston_housing/students/000000-000002.parquet")
    assert first["alpha"].value_counts().to_dict() == {0.5: 24, 0: 12}
    assert set(students["noise_level"]) == {2}
    assert students[["seed", "method"]].isna().all(axis=None)
    assert set(students["alpha"]) == {0.5}
    estimates = pd.read_parquet(folder.parent / "estimates.parquet")
    metrics = set(estimates[estimates["family"] == "mlp"]["metric"])
    assert {"variance_component_noise_initialisation", "variance_share_residual"} <= metrics
    assert set(estimates["alpha"]) == {0.5}

    more = {"families": {"linear": {"levels": {"noise": 6}}}}
    checkout.configure(TINY, FACTORIAL, {"experiments": {"decomposition": more}})
    wanted = {"responses": 1, "students": 1, "estimates": 1, "gather": 1, "claims": 1}
    wanted |= {"sample_size_table": 1, "figures": 2, "report": 1, "reproduce-all": 1}
    assert checkout.planned() == wanted
    more = {"families": {"linear": {"levels": {"bootstrap": 4}}}}
    checkout.configure(TINY, FACTORIAL, {"experiments": {"decomposition": more}})
    assert checkout.planned()["students"] == 2
    checkout.configure(TINY, FACTORIAL, {"experiments": {"decomposition": {"alpha": 0.1}}})
    planned = checkout.planned()
    assert "responses" not in planned
    assert planned["students"] == 4


def test_two_studies_share_what_is_equal(checkout, tmp_path, monkeypatch):
    """Through Snakemake's cache between workflows: another study, with one alpha more."""
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(shared))
    checkout.configure(TINY, SHARING)
    checkout.run("reproduce-all", "--cache")
    other = {"study": "other", "experiments": {"variance_aware": {"alpha": [0.1, 1]}}}
    checkout.configure(TINY, SHARING, other)
    checkout.run("reproduce-all", "--cache")
    results = checkout.path / "results"
    first, second = results / "tiny", results / "other"

    def taken(pattern):
        """Names of the second study's files, and whether they are the first's in the cache."""
        return {
            str(path.relative_to(second)): path.resolve()
            == (first / path.relative_to(second)).resolve()
            for path in second.glob(pattern)
        }

    assert all(taken("teachers/*/*/*.parquet").values())
    assert all(taken("teachers/*/*/model/*.safetensors").values())
    assert all(taken("*/*/*/responses/*.parquet").values())
    students = taken("*/*/*/students/*.parquet")
    assert {name.split("/")[0] for name, equal in students.items() if equal} == {
        "teacher_noise",
        "student_output",
    }
    assert len(students) > sum(students.values()) > 0
    checkout.run("audit")
    checkout.configure(TINY, SHARING)
    assert checkout.planned() == {}
    checkout.run("audit")


SHARING = {
    "corpora": LANGUAGE["corpora"],
    "language": LANGUAGE["language"],
    "teachers": LANGUAGE["teachers"],
    "students": LANGUAGE["students"],
    "experiments": {
        "student_output": {
            "datasets": ["wine"],
            "optional_datasets": [],
            "label_source": ["hard"],
            "k": [2],
            "families": {
                "softmax": None,
                "mlp": None,
                "lm": {
                    "teacher": "gpt_128",
                    "student": "gpt_64",
                    "corpora": ["ambiguous_facts"],
                    "label_source": ["greedy"],
                    "replicates": 2,
                    "shard": 2,
                },
            },
        }
    },
}


def copied_without_times(checkout, tmp_path):
    """What `cp -r` of the results into a fresh checkout leaves, in the worst order of times."""
    copy = Checkout.make(tmp_path / "copy")
    copy.configure(TINY)
    shutil.copytree(checkout.path / "results", copy.path / "results")
    now = time.time()
    paths = sorted(p for p in (copy.path / "results").rglob("*") if p.is_file())
    for number, path in enumerate(np.random.default_rng(3).permutation(paths)):
        os.utime(path, (now, now - 100 - number))
    return copy


def test_copied_results_stay_after_their_times_are_repaired(finished, tmp_path):
    copy = copied_without_times(finished, tmp_path)
    assert copy.planned() != {}
    done = copy.run("repair-times")
    words = r"(\d+) of \1 artifacts are good;[^\n]*\n[^\n]*the times of \1 good artifacts were set"
    assert re.search(words, done.stdout + done.stderr)
    assert copy.planned() == {}
    copy.run("audit")


def test_what_is_not_good_is_not_kept_by_repaired_times(finished, tmp_path):
    copy = copied_without_times(finished, tmp_path)
    results = copy.path / "results/tiny"
    stale = results / "variance_aware/mlp/boston_housing/students/000000-000002.parquet"
    other = results / "variance_aware/mlp/boston_housing/students/000002-000004.parquet"
    damaged = results / "teacher_noise/linear/boston_housing/estimates.parquet"
    missing = results / "figures/teacher_noise.png"
    # Another shard's students: a good file, but not of this name.
    stale.write_bytes(other.read_bytes())
    damaged.write_bytes(damaged.read_bytes()[:-9])
    missing.unlink()
    ahead = time.time() + 3600
    os.utime(damaged, (ahead, ahead))
    done = copy.run("repair-times")
    text = done.stdout + done.stderr
    assert f"stale    results/tiny/{stale.relative_to(results)}" in text
    assert f"damaged  results/tiny/{damaged.relative_to(results)}" in text
    planned = copy.planned()
    assert planned["students"] == 1
    assert planned["estimates"] == 2
    assert planned["report"] == 1
    assert not {"examples", "teacher", "responses"} & set(planned)
    copy.run("reproduce-all")
    copy.run("audit")


def test_times_in_the_future_are_repaired_too(finished):
    """As left by a clock that was set back: they rerun nothing, or all that depends on them."""
    ahead = time.time() + 10 * 86400
    teacher = finished.path / "results/tiny/teachers/ols/boston_housing/teacher.parquet"
    os.utime(teacher, (ahead, ahead))
    shutil.rmtree(finished.path / ".snakemake")
    assert finished.planned()["students"] == 2
    finished.run("repair-times")
    assert finished.planned() == {}
