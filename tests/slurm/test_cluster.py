"""Runs through a real Slurm: equal results, and what happens when jobs, nodes or files fail."""

import re
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from checkouts import LANGUAGE, TINY, Checkout, artifacts

#: Linear students alone, in three shards.
LINES = {
    **TINY,
    "experiments": TINY["experiments"]
    | {
        "teacher_noise": {
            "datasets": ["boston_housing"],
            "alpha": [0, 1],
            "families": {"linear": {"replicates": 6, "shard": 2}, "mlp": None, "lm": None},
        },
        "variance_aware": None,
    },
}
#: The same and one shard of language models, as small as can be.
STUDY = {
    **LANGUAGE,
    "study": "cluster",
    "experiments": LINES["experiments"]
    | {
        "teacher_noise": {
            **LINES["experiments"]["teacher_noise"],
            "families": {"linear": {"replicates": 4, "shard": 2}, "mlp": None, "lm": None},
        },
        "student_output": {
            "optional_datasets": [],
            "families": {"softmax": None, "mlp": None, "lm": {"replicates": 2, "shard": 2}},
        },
    },
}
RESULTS = "results/tiny"
ESTIMATES = f"{RESULTS}/teacher_noise/linear/boston_housing/estimates.parquet"
STUDENTS = f"{RESULTS}/teacher_noise/linear/boston_housing/students"
FIRST = f"{STUDENTS}/000000-000002.parquet"
RESPONSES = [
    f"{RESULTS}/teacher_noise/linear/boston_housing/responses/{shard}.parquet"
    for shard in ("000000-000002", "000002-000004", "000004-000006")
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Artifacts of a local run."""
    checkout = Checkout.make(tmp_path_factory.mktemp("local") / "checkout")
    checkout.configure(LINES)
    checkout.run(ESTIMATES)
    return artifacts(checkout.path / RESULTS)


def nothing_to_do(cluster):
    return "Nothing to be done" in cluster.run(ESTIMATES, "--dry-run").stdout


def test_a_study_through_slurm_is_the_local_study_byte_for_byte(cluster):
    cluster.configure(STUDY)
    code, text = cluster.submit("reproduce-all")
    assert code == 0, text
    assert "Error in rule" not in text
    announced = re.findall(r"^rule (\w+):\n(?:    .+\n)*?    jobid: (\d+)", text, re.M)
    rule_of = {number: rule for rule, number in announced}
    submitted = re.findall(r"Job (\d+) has been submitted with SLURM", text)
    assert {rule_of[number] for number in submitted} == {
        *("teacher", "responses", "students", "estimates", "claims"),
        *("language_teacher", "answers", "language_responses", "language_students"),
        *("targets", "student_answers", "embeddings"),
    }
    folder = cluster.path / "results/cluster"
    through_slurm = artifacts(folder)
    # The records of a run through Slurm serve a local run.
    assert cluster.planned() == {}
    cluster.run("audit")

    folder.rename(cluster.path / "results/by_slurm")
    cluster.run("reproduce-all")
    local = artifacts(folder)
    assert through_slurm.keys() == local.keys()
    assert [name for name in local if through_slurm[name] != local[name]] == []
    assert "student_output/lm/ambiguous_facts/students/000000-000002.parquet" in local


def test_responses_and_students_of_a_shard_can_be_one_job(cluster, reference):
    cluster.configure(LINES)
    profile = cluster.path / "profiles/slurm/config.yaml"
    # The example in the profile, without its comment signs.
    text = re.sub(
        r"^# (groups:|  \w+: (?:language_)?shard)$", r"\1", profile.read_text(), flags=re.M
    )
    assert text[text.index("\ngroups:") :].count("\n  ") == 6
    profile.write_text(text)
    code, text = cluster.submit(ESTIMATES)
    assert code == 0, text
    # The teacher, three shards, and the estimates.
    assert len(re.findall(r"has been submitted with SLURM", text)) == 5
    assert artifacts(cluster.path / RESULTS) == reference


def test_a_cancelled_job_is_reported_with_its_log_and_retried(cluster, reference):
    cluster.configure(LINES)
    cluster.run(*RESPONSES)
    with cluster.running(ESTIMATES) as run:
        number = cluster.wait_for(lambda: cluster.jobs("students", "RUNNING"), run)[0]
        cluster.slurm.call("scancel", number)
        code, text = run.wait()
    assert code == 0, text
    (log,) = re.findall(rf"(\S+/slurm_logs/\S+/{number}\.log) \(check", text)
    assert "CANCELLED" in Path(log).read_text()
    assert f"log: {RESULTS}/logs/students/teacher_noise_linear_boston_housing_" in text
    assert text.count("Trying to restart job") == 1
    assert artifacts(cluster.path / RESULTS) == reference


def test_a_job_out_of_memory_gets_more_at_each_attempt(cluster):
    cluster.configure(LINES)
    # Snakemake alone takes more than the first attempt has.
    cluster.edit(
        "workflow/rules/responses.smk", "mem_mb_per_attempt(1500)", "mem_mb_per_attempt(200)"
    )
    cluster.edit(
        "workflow/rules/students.smk", "mem_mb_per_attempt(2000)", "mem_mb_per_attempt(200)"
    )
    code, text = cluster.submit(FIRST)
    assert code == 0, text
    requested = re.findall(r"rule students:.*?mem_mb=(\d+)", text, flags=re.S)
    assert [*dict.fromkeys(requested)] in (["200", "400"], ["200", "400", "600"])
    assert "Trying to restart job" in text

    cluster.edit(
        "workflow/rules/responses.smk", "mem_mb_per_attempt(200)", "mem_mb_per_attempt(50)"
    )
    cluster.edit("workflow/rules/students.smk", "mem_mb_per_attempt(200)", "mem_mb_per_attempt(50)")
    code, text = cluster.submit(FIRST, "--force", "--retries=0")
    assert code != 0
    assert f"log: {RESULTS}/logs/students/teacher_noise_linear_boston_housing_000000" in text
    logs = set(re.findall(r"(\S+/slurm_logs/rule_students/\S+\.log) \(check", text))
    assert ["memory" in Path(log).read_text() for log in logs] == [True]


def test_after_a_node_died_the_same_command_makes_the_rest_alone(cluster, reference):
    cluster.configure(LINES)
    with cluster.running(ESTIMATES, "--retries=0") as run:
        number = cluster.wait_for(lambda: cluster.jobs("students", "RUNNING"), run)
        node = cluster.slurm.node_of(number[0])
        cluster.slurm.kill_node(node, silently=False)
        cluster.slurm.start_node(node)
        code, text = run.wait()
    assert code != 0
    assert f"log: {RESULTS}/logs/students/" in text
    # A name that begins with a dot is a file that a job was writing when it was killed.
    whole = {p: p.stat().st_mtime_ns for p in (cluster.path / RESULTS).rglob("[!.]*.parquet")}
    assert cluster.path / RESULTS / "teachers/ols/boston_housing/teacher.parquet" in whole
    code, text = cluster.submit(ESTIMATES)
    assert code == 0, text
    assert all(path.stat().st_mtime_ns == time for path, time in whole.items())
    assert artifacts(cluster.path / RESULTS) == reference
    assert nothing_to_do(cluster)


def test_jobs_of_a_node_that_died_move_to_the_other(impatient_cluster, reference):
    cluster = impatient_cluster
    cluster.configure(LINES)
    cluster.run(*RESPONSES)
    with cluster.running(ESTIMATES) as run:
        number = cluster.wait_for(lambda: cluster.jobs("students", "RUNNING"), run)[0]
        node = cluster.slurm.node_of(number)
        cluster.slurm.kill_node(node)
        code, text = run.wait()
    assert code == 0, text
    assert cluster.slurm.node_state(node).endswith("*")  # it does not answer
    # Slurm itself has put the job back into the queue.
    assert "Trying to restart job" not in text
    assert "Restarts=1" in cluster.slurm.call("scontrol", "show", "job", number)
    assert cluster.slurm.node_of(number) not in ("", node)
    assert artifacts(cluster.path / RESULTS) == reference


def until_the_queue_is_empty(cluster):
    deadline = time.monotonic() + 300
    while cluster.slurm.call("squeue", "--noheader"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_files_of_jobs_that_outlive_a_killed_run_are_not_used_with_other_settings(cluster):
    cluster.configure(LINES)
    cluster.run(*RESPONSES)
    with cluster.running(ESTIMATES) as run:
        cluster.wait_for(lambda: cluster.jobs("students", "RUNNING"), run)
        run.process.kill()
        run.process.wait()
        until_the_queue_is_empty(cluster)
    old = {path: path.read_bytes() for path in (cluster.path / STUDENTS).iterdir()}
    assert len(old) == 3
    cluster.run(ESTIMATES, "--unlock")

    cluster.configure(LINES, {"experiments": {"teacher_noise": {"alpha": [0, 2]}}})
    done = cluster.snakemake(ESTIMATES)
    # Snakemake has no record of files that were finished without it, and would use them.
    assert done.returncode != 0
    line = next(x for x in done.stderr.splitlines() if x.startswith(STUDENTS))
    assert "stale: built with different settings, code or inputs" in line
    assert "2 more are stale" in line
    assert not (cluster.path / ESTIMATES).exists()

    names = [str(path.relative_to(cluster.path)) for path in sorted(old)]
    cluster.run("--force", *names)
    cluster.run(ESTIMATES)
    assert all(path.read_bytes() != content for path, content in old.items())
    table = pd.read_parquet(cluster.path / ESTIMATES)
    assert set(table["alpha"].dropna()) == {0, 2}


@contextmanager
def in_the_queue(cluster, *arguments):
    """A run that has all responses and one shard of students, and waits for the others."""
    cluster.configure(LINES)
    cluster.run(FIRST, *RESPONSES)
    cluster.slurm.hold()
    try:
        with cluster.running(ESTIMATES, *arguments) as run:
            cluster.wait_for(lambda: len(cluster.jobs("students", "PENDING")) == 2, run)
            yield run
    finally:
        cluster.slurm.release()


def test_jobs_of_a_killed_run_that_wait_in_the_queue_remove_nothing(cluster):
    """When a job starts, Snakemake removes existing files of its outputs."""
    with in_the_queue(cluster) as run:
        run.process.kill()
        run.process.wait()
        cluster.run(ESTIMATES, "--unlock")
        cluster.configure(LINES, {"experiments": {"teacher_noise": {"alpha": [0, 2]}}})
        cluster.run(ESTIMATES)
        good = artifacts(cluster.path / RESULTS)
        assert len([path for path in good if "/students/" in path]) == 3
        assert len(cluster.jobs("students", "PENDING")) == 2
        cluster.slurm.release()
        until_the_queue_is_empty(cluster)
        logs = (cluster.path / ".snakemake/slurm_logs").rglob("*.log")
        message = "the run that started this job was killed, and another run has started since"
        assert sum(message in log.read_text() for log in logs) == 2
    assert artifacts(cluster.path / RESULTS) == good
    assert nothing_to_do(cluster)


def test_settings_edited_during_a_run_wait_for_the_next(cluster, reference):
    with in_the_queue(cluster) as run:
        edited = {"seed": 5, "teachers": {"ols": {"family": "nonsense"}}, "figures": {"dpi": 90}}
        cluster.configure(LINES, edited)
        cluster.slurm.release()
        code, text = run.wait()
    assert code == 0, text
    assert artifacts(cluster.path / RESULTS) == reference

    cluster.configure(LINES)
    assert nothing_to_do(cluster)
    cluster.configure(LINES, {"experiments": {"teacher_noise": {"alpha": [0, 2]}}})
    done = cluster.snakemake("audit")
    assert done.returncode != 0
    assert f"stale    {FIRST}" in done.stderr


def test_code_edited_during_a_run_stops_its_jobs_before_they_write(cluster):
    with in_the_queue(cluster, "--retries=0") as run:
        first = (cluster.path / FIRST).read_bytes()
        cluster.edit("workflow/kduq/families/least_squares.py", "1] * 100 * np", "1] * 101 * np")
        cluster.slurm.release()
        code, text = run.wait()
    assert code != 0
    assert list((cluster.path / STUDENTS).iterdir()) == [cluster.path / FIRST]
    assert (cluster.path / FIRST).read_bytes() == first
    line = (
        r"students/\d{6}-\d{6}\.parquet: the code of .*changed after this job was planned; run the"
    )
    logs = list((cluster.path / RESULTS / "logs/students").glob("*.log"))
    stopped = [log for log in logs if re.search(line, log.read_text())]
    assert stopped
    assert all(log.read_text().count("\n") == 1 for log in stopped)
    assert str(stopped[0].relative_to(cluster.path)) in text

    done = cluster.snakemake("audit")
    assert done.returncode != 0
    assert f"stale    {FIRST}" in done.stderr
    cluster.run(ESTIMATES)
    assert nothing_to_do(cluster)
    assert "stale  " not in cluster.snakemake("audit").stderr
