"""Jobs that are forks write what other jobs write, and are measured as they are."""

import csv
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from checkouts import TINY, artifacts, jobs_of


def benchmarks(checkout):
    """Seconds, largest memory and processor time of each job that trains students."""
    rows = {}
    for path in (checkout.path / "results/tiny/benchmarks/students").glob("*.tsv"):
        with path.open() as file:
            (row,) = csv.DictReader(file, delimiter="\t")
        rows[path.stem] = row
    return rows


def test_forks_write_the_same_bytes_as_other_jobs(finished, checkout):
    checkout.fork(10**9)
    checkout.run("reproduce-all")
    one, other = (artifacts(study.path / "results/tiny") for study in (checkout, finished))
    assert one == other
    assert len(one) > 10


def test_benchmarks_of_forks_are_those_of_their_jobs(checkout):
    checkout.configure(TINY, {"students": {"mlp_16": {"epochs": 4000}}})
    checkout.run("variance-aware")
    found = benchmarks(checkout)
    for name in ("mlp_boston_housing_000000-000002", "mlp_boston_housing_000002-000004"):
        row = found[f"variance_aware_{name}"]
        assert float(row["cpu_time"]) > 0.2 * float(row["s"]) > 0.2
        assert float(row["max_rss"]) > 100
        assert float(row["mean_load"]) > 20


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fork_that_a_signal_ends_is_a_failed_job(checkout, number):
    entry = checkout.path / "workflow/scripts/students.py"
    ending = f"    import os\n\n    os.kill(os.getpid(), {int(number)})\n"
    entry.write_text(entry.read_text() + ending)
    done = checkout.snakemake("variance-aware")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Error in rule students" in said
    assert f"died with <Signals.{number.name}: {int(number)}>" in said


def forking(process):
    """Whether a run's process that forks has started."""
    commands = (child.cmdline() for child in psutil.Process(process.pid).children())
    return any("fork_server.py" in part for command in commands for part in command)


@pytest.mark.parametrize("moment", ["imports", "training"])
def test_an_interrupt_ends_a_run_with_all_its_processes(checkout, moment):
    checkout.configure(TINY, {"students": {"mlp_16": {"epochs": 200_000}}})
    with subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", "variance-aware"],
        cwd=checkout.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        logs = checkout.path / "results/tiny/logs/students"
        while not (
            forking(process)
            if moment == "imports"
            else any(log.read_text() for log in logs.glob("*.log"))
        ):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        every = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) != 0
    _, left = psutil.wait_procs(every, timeout=10)
    assert not left
    assert not jobs_of(checkout.path)
    assert not list((checkout.path / "results/tiny").rglob("students/*.parquet"))
    # Nothing is locked, and the same command goes on.
    checkout.configure(TINY)
    checkout.run("variance-aware")
