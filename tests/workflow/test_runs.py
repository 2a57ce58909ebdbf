"""The smoke study, run for real: numbers, audit, errors."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import forks
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from checkouts import EVERY_STAGE, ROOT, TINY, artifacts, jobs_of
from downloads import write_california_housing, write_covtype, write_mnist

SMOKE = ("--configfile", "workflow/presets/smoke.yaml")


#: Kills of a scheduler or a worker while a study runs.
KILLS = 20


def run_with_kills(checkout, results):
    """Start a run again and again, and kill -9 the scheduler or one worker at random moments.

    On one core and on two in turn.
    """
    random = np.random.default_rng(20)
    done = {"scheduler": 0, "worker": 0}
    while sum(done.values()) < KILLS:
        if list((checkout.path / ".snakemake/locks").glob("*")):
            checkout.run("--unlock")
        cores = str(1 + sum(done.values()) % 2)
        nowhere = Path(os.devnull)
        process = forks.Running(
            ["reproduce-all", "--cores", cores], checkout.path, nowhere, nowhere
        )
        victim = ("scheduler", "worker")[int(random.integers(2))]
        moment = time.monotonic() + random.uniform(1, 4)
        while process.poll() is None:
            workers = jobs_of(checkout.path)
            if time.monotonic() >= moment and (victim == "scheduler" or workers):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid if victim == "scheduler" else workers[0], signal.SIGKILL)
                    done[victim] += 1
                break
            time.sleep(0.05)
        if process.wait() == 0:
            # It ended before it could be killed often enough: once more from the start.
            shutil.rmtree(results)
    deadline = time.monotonic() + 300
    while jobs_of(checkout.path):  # orphans of a killed scheduler
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return done


def test_the_smoke_study_has_every_artifact_metric_and_claim(checkout):
    (checkout.path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    results = checkout.path / "results/smoke"
    checkout.run("reproduce-all", *SMOKE, cores=2)
    first = artifacts(results)
    assert {
        "claims.parquet",
        "estimates.parquet",
        "report.html",
        "examples/diabetes.parquet",
        "plan.parquet",
        "figures/bootstrap.pdf",
        "figures/plan.pdf",
        "figures/predictive_distribution.png",
        "figures/replication.png",
        "figures/replication_classes.pdf",
        "figures/student_init.png",
        "figures/student_output.png",
        "figures/student_output_responses.pdf",
        "figures/teacher_noise.png",
        "figures/variance_aware.pdf",
        "teachers/mlp_128/boston_housing/teacher.parquet",
        "variance_aware/mlp/boston_housing/students/000000-000010.parquet",
    } <= set(first)
    for path in results.rglob("*.parquet"):
        provenance = json.loads(pq.read_schema(path).metadata[b"kduq"])
        keys = {
            "schema_version",
            "stage",
            "config",
            "code",
            "seed",
            "inputs",
            "lineage",
            "versions",
        }
        # A language model has files beside its table, which lists them.
        assert set(provenance) - {"files"} == keys
        assert ("files" in provenance) == (path.parent / "model").is_dir() & (
            path.stem == "teacher"
        )
    measured = [pd.read_csv(path, sep="\t") for path in (results / "benchmarks").rglob("*.tsv")]
    # Jobs too short to be looked at have none.
    peaks = pd.to_numeric(pd.concat(measured)["max_rss"], errors="coerce")
    assert peaks.notna().sum() > 100
    assert peaks.max() < 2048
    table = pd.read_parquet(results / "estimates.parquet")
    documented = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    metrics = {
        re.sub("^(variance_component|variance_share)_.*", r"\1_…", m) for m in table["metric"]
    }
    # What is estimated over splits has two more rows, under its name with a suffix.
    metrics = {re.sub("^(replicated_.*)_(between_split_sd|prediction)$", r"\1", m) for m in metrics}
    assert {m for m in metrics if f"`{m}`" not in documented} == set()
    variances = table[table["metric"] == "inter_student_variance"]
    language = table["family"] == "lm"
    output = table[(table["experiment"] == "student_output") & ~language]
    assert {"predictive_entropy", "mutual_information", "accuracy"} <= set(output["metric"])
    assert set(output["group"]) == {"all", "correct", "incorrect"}
    assert set(output["label_source"].dropna()) == {"hard", "sampled", "averaged", "soft"}
    # Splits of a corpus, each with groups of its own, are in replication.
    groups = table[language & (table["experiment"] != "replication")]["group"]
    assert set(groups) == {"all", "train", "test"}
    assert set(variances["experiment"]) == {
        "teacher_noise",
        "student_init",
        "bootstrap",
        "student_output",
        "predictive_distribution",
        "variance_aware",
        "fixed_initialisation",
    }
    enough = variances["n_students"] >= 5
    assert (variances["ci_low"] <= variances["estimate"])[enough].all()
    assert variances["ci_low"].notna().equals(enough)
    assert set(pd.read_parquet(results / "claims.parquet")["claim"]) == set(range(1, 14))
    linear = variances[
        (variances["family"] == "linear") & (variances["experiment"] == "variance_aware")
    ]
    cells = linear.pivot_table(index=["dataset", "alpha", "k"], columns="method", values="estimate")
    # Projecting twice changes nothing: for least squares the plug-in equals averaging.
    np.testing.assert_allclose(cells["variance_weighting"], cells["averaging"], rtol=1e-6)
    checkout.run("audit", *SMOKE)


@pytest.mark.thorough
def test_a_study_killed_twenty_times_has_the_bytes_of_an_undisturbed_one(checkout):
    checkout.configure(EVERY_STAGE)
    results = checkout.path / "results/every"
    checkout.run("reproduce-all", cores=2)
    first = artifacts(results)
    assert len(first) > 80
    checkout.run("audit")
    results.rename(checkout.path / "results/first")
    killed = run_with_kills(checkout, results)
    print(killed)
    assert min(killed.values()) > 4
    checkout.run("--unlock")
    checkout.run("reproduce-all")
    second = artifacts(results)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    hidden = {p.name for p in results.rglob(".*")}
    assert hidden <= {".snakemake_timestamp"}  # Snakemake's own, in folders
    checkout.run("audit")


def test_the_scheduler_looks_for_jobs_when_one_has_ended_and_not_ever_more_often(checkout):
    done = checkout.run("teacher-noise", "--verbose", cores=1)
    ended = (done.stdout + done.stderr).count("Finished jobid")
    assert ended > 5
    assert (done.stdout + done.stderr).count("Ready jobs:") <= ended


def test_audit_finds_damage_staleness_gaps_and_surplus(finished):
    checkout = finished
    done = checkout.run("audit")
    assert "versions " not in done.stdout + done.stderr
    folder = checkout.path / "results/tiny"
    students = folder / "teacher_noise/linear/boston_housing/students/000000-000004.parquet"
    whole = students.read_bytes()
    students.write_bytes(whole[: len(whole) // 2])
    (folder / "claims.parquet").unlink()
    picture = folder / "figures/teacher_noise.png"
    for flipped in (picture, picture.with_suffix(".pdf"), picture.with_suffix(".svg")):
        data = bytearray(flipped.read_bytes())
        data[len(data) // 2] ^= 0xFF
        flipped.write_bytes(bytes(data))
    page = folder / "report.html"
    page.write_bytes(page.read_bytes().replace(b"supported", b"contradicted", 1))
    estimates = folder / "variance_aware/mlp/boston_housing/estimates.parquet"
    unchanged = estimates.read_bytes()
    table = pq.read_table(estimates)
    provenance = json.loads(table.schema.metadata[b"kduq"])
    provenance["versions"]["numpy"] = "1.0"
    table = table.replace_schema_metadata(table.schema.metadata | {b"kduq": json.dumps(provenance)})
    pq.write_table(table, estimates, write_page_checksum=True)
    done = checkout.snakemake("audit")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"built with {np.__version__}; installed: {np.__version__}" in text
    assert "versions results/tiny: numpy: 1 built with 1.0, " in text
    estimates.write_bytes(unchanged)
    assert "damaged  results/tiny/teacher_noise/linear/boston_housing/students/000000" in text
    assert "missing  results/tiny/claims.parquet" in text
    for name in (
        *(f"figures/teacher_noise.{kind}" for kind in ("png", "pdf", "svg")),
        "report.html",
    ):
        assert f"damaged  results/tiny/{name}" in text
    checkout.run("reproduce-all", "--forcerun", "students", "claims")
    assert students.read_bytes() == whole

    # Without Snakemake's records a changed setting is seen by the audit alone.
    subprocess.run(["rm", "-rf", ".snakemake"], cwd=checkout.path, check=True)
    checkout.configure(TINY, {"students": {"mlp_16": {"learning_rate": 0.5}}})
    done = checkout.snakemake("audit")
    assert done.returncode != 0
    assert "model.learning_rate: 0.01 then, 0.5 now" in done.stderr
    # So is everything that was built from these.
    assert re.search(r"stale +\S+/estimates.parquet: built from \S+, which is stale", done.stderr)
    assert "claims.parquet: built from estimates.parquet, which is stale" in done.stderr

    fewer = {"experiments": {"teacher_noise": {"families": {"linear": {"replicates": 4}}}}}
    checkout.configure(TINY, fewer)
    text = checkout.snakemake("audit").stderr
    assert "surplus  results/tiny/teacher_noise/linear/boston_housing/students/000004" in text


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        ({"sed": 1}, "sed: unknown key; allowed: study, seed,"),
        (
            {"experiments": {"variance_aware": {"k": [0]}}},
            "experiments.variance_aware.k.0: found 0; input should be greater than 0",
        ),
        (
            {"experiments": {"teacher_noise": {"families": {"linear": {"replicates": -1}}}}},
            "experiments.teacher_noise.families.linear.replicates: found -1;",
        ),
        (
            {"teachers": {"mlp_16": {"family": "cnn"}}},
            "teachers.mlp_16.family: found 'cnn'; allowed: 'linear', 'softmax', 'mlp'",
        ),
    ],
)
def test_a_wrong_configuration_stops_before_any_job(checkout, overlay, line):
    checkout.configure(TINY, overlay)
    done = checkout.snakemake("reproduce-all")
    assert done.returncode != 0
    assert line in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (checkout.path / "results").exists()


def test_a_users_file_is_a_data_set(checkout):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "price": x.sum(axis=1) + rng.normal(size=60)})
    table.to_csv(checkout.path / "houses.csv", index=False)
    overlay = {
        "datasets": {"houses": {"path": "houses.csv", "target": "price"}},
        "experiments": {"teacher_noise": {"datasets": ["houses"]}, "variance_aware": None},
    }
    checkout.configure(TINY, overlay)
    done = checkout.run("teacher-noise")
    assert "'price' is predicted from all other columns: 'a', 'b'" in done.stdout + done.stderr
    log = (checkout.path / "results/tiny/logs/examples/houses.log").read_text()
    assert "'price' is predicted from all other columns: 'a', 'b'" in log
    # A file that was checked as it is is not checked again.
    done = checkout.run("teacher-noise", "--dry-run")
    assert "is predicted from" not in done.stdout + done.stderr
    assert (checkout.path / "results/tiny/figures/teacher_noise.pdf").is_file()
    table.assign(a=-table["a"]).to_csv(checkout.path / "houses.csv", index=False)
    # Like a copy with its old date: older than the artifacts of the previous file.
    os.utime(checkout.path / "houses.csv", (1e9, 1e9))
    assert checkout.planned()["examples"] == 1
    table.loc[3, "a"] = None
    table.to_csv(checkout.path / "houses.csv", index=False)
    done = checkout.snakemake("teacher-noise")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert text.count("houses.csv: missing or infinite values in 'a' (1); fill them in") == 1
    assert "rule examples" not in text
    assert "Traceback (most recent call last)" not in text
    # With results, a file that has gone is the same line.
    (checkout.path / "houses.csv").unlink()
    done = checkout.snakemake("reproduce-all", "--dry-run")
    assert done.returncode != 0
    assert (done.stdout + done.stderr).count(
        "houses.path: found 'houses.csv'; there is no such"
    ) == 1
    assert "Traceback" not in done.stdout + done.stderr
    table.drop(index=3).to_csv(checkout.path / "houses.csv", index=False)
    absent = "experiments.variance_aware: no family takes part in the study 'tiny'"
    missing = "datasets.houses.path: found 'houses.csv'; there is no such file in"
    for target, line in (("variance-aware", absent), ("teacher-noise", missing)):
        done = checkout.snakemake(target)
        text = done.stdout + done.stderr
        assert done.returncode != 0
        assert line in text
        assert "Traceback" not in text
        (checkout.path / "houses.csv").unlink(missing_ok=True)
        shutil.rmtree(checkout.path / "results", ignore_errors=True)


def test_all_faults_of_all_files_come_once_before_the_first_job(checkout):
    table = pd.DataFrame({"a": ["x"] * 30, "b": 1.0, "y": range(30)})
    table.to_csv(checkout.path / "t.csv", index=False)
    (checkout.path / "f.jsonl").write_text('{"prompt": "", "references": "a"}\n{"prompt": 1}\n')
    overlay = {
        "only": ["teacher_noise", "mine", "none", "empty", "faq"],
        "datasets": {
            name: {"path": path, "target": "y"}
            for name, path in (("mine", "t.csv"), ("none", "none.csv"), ("empty", "empty"))
        },
        "corpora": {"faq": {"path": "f.jsonl"}},
    }
    (checkout.path / "empty").mkdir()
    checkout.configure(overlay)
    done = checkout.snakemake("reproduce-all")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    for line in (
        "t.csv: column 'a' is not numeric (row 1 has 'x'); encode it as numbers",
        "datasets.mine: column 'b' is constant on the training rows",
        "f.jsonl: line 2: no column 'references'",
        "datasets.none.path: found 'none.csv'; there is no such file in",
        "empty: this folder has no file ending in .parquet",
    ):
        assert text.count(line) == 1, line
    assert "Traceback" not in text
    assert not (checkout.path / "results").exists()
    pd.DataFrame({"a": range(30), "y": [i % 7 for i in range(30)]}).to_csv(
        checkout.path / "t.csv", index=False
    )
    (checkout.path / "f.jsonl").write_text(
        "".join(f'{{"prompt": {i}, "references": "{i}"}}\n' for i in range(9))
    )
    checkout.configure(overlay | {"only": ["teacher_noise", "mine", "faq"]})
    planned = checkout.planned()
    assert planned["examples"] == 2
    assert planned["responses"] == 3  # of linear students, networks and language models


CLASSES = {
    "study": "classes",
    "teachers": {"softmax": {"epochs": 40}, "classifier_128": {"epochs": 40}},
    "students": {"softmax": {"epochs": 40}},
    "experiments": {
        "teacher_noise": None,
        "variance_aware": None,
        "student_output": {
            "datasets": ["wine"],
            "optional_datasets": ["mnist", "covtype"],
            "label_source": ["hard", "sampled", "averaged", "soft"],
            "k": [3],
            "families": {
                "softmax": {
                    "teacher": "softmax",
                    "student": "softmax",
                    "replicates": 10,
                    "shard": 10,
                },
                "mlp": None,
                "lm": None,
            },
        },
    },
}


def test_downloads_take_part_where_they_are_and_are_missed_where_not(checkout):
    checkout.configure(TINY, CLASSES, {"data_cache": "cache"})
    done = checkout.run("student-output")
    text = done.stdout + done.stderr
    assert (
        "Skipped, since not downloaded: mnist, covtype. To include them, run 'snakemake fetch'"
        in text
    )
    assert text.count("Skipped") == 1
    folder = checkout.path / "results/classes"
    table = pd.read_parquet(folder / "student_output/softmax/wine/estimates.parquet")
    wrong = table[(table["metric"] == "predictive_entropy") & (table["group"] == "incorrect")]
    assert (wrong["estimate"].isna() == (wrong["n_students"] == 0)).all()
    assert "arning" not in (folder / "logs/figures/student_output.log").read_text()

    write_covtype(checkout.path / "cache", 300)
    write_mnist(checkout.path / "cache", 120)
    rows = {"datasets": {"covtype": {"rows": 200}}}
    checkout.configure(TINY, CLASSES, {"data_cache": "cache"}, rows)
    done = checkout.run("student-output")
    assert "Skipped" not in done.stdout + done.stderr
    for name, size in (("covtype", 200), ("mnist", 120)):
        file = folder / f"student_output/softmax/{name}/estimates.parquet"
        accuracy = pd.read_parquet(file).query("metric == 'accuracy'")["estimate"]
        assert accuracy.between(0.5 if name == "mnist" else 0, 1).all()
        assert pq.read_metadata(folder / f"examples/{name}.parquet").num_rows == size
    write_california_housing(checkout.path / "cache", 100)
    checkout.run("fetch")
    assert "120 rows are in" in (folder / "logs/fetch.log").read_text()


def test_a_download_asked_for_by_name_without_network_is_one_clear_line(checkout, monkeypatch):
    # A proxy on a closed port refuses at once, on machines with a network too.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    by_name = {"experiments": {"student_output": {"datasets": ["mnist"], "optional_datasets": []}}}
    checkout.configure(TINY, CLASSES, {"data_cache": "cache"}, by_name)
    done = checkout.snakemake("student-output")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "datasets.mnist: not in scikit-learn's cache" in text
    assert "Traceback (most recent call last)" not in text
