"""Faults of machines and users: one clear message each, and no good file is lost."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from checkouts import TINY, jobs_of, text_of

STUDENTS = "results/tiny/teacher_noise/linear/boston_housing/students/000000-000004.parquet"
ESTIMATES = "results/tiny/teacher_noise/linear/boston_housing/estimates.parquet"


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.parquet")}


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def with_a_flipped_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(bytes(data))


def replaced_by_a_foreign_table(path):
    import pandas as pd

    pd.DataFrame({"a": [1, 2]}).to_parquet(path)


def replaced_by_a_text(path):
    path.write_text("not a table\n")


DAMAGES = {
    truncated: "not a readable Parquet file",
    with_a_flipped_byte: "damaged",
    replaced_by_a_foreign_table: "a foreign Parquet file",
    replaced_by_a_text: "not a readable Parquet file",
}


def test_a_bad_file_is_named_with_the_command_that_rebuilds_it(finished):
    checkout = finished
    whole = contents(checkout.path / "results/tiny")
    for damage, words in DAMAGES.items():
        damage(checkout.path / STUDENTS)
        (checkout.path / ESTIMATES).unlink()
        done = checkout.snakemake("teacher-noise")
        assert done.returncode != 0, damage
        line = next(x for x in text_of(done).splitlines() if x.startswith(STUDENTS))
        assert words in line
        assert "Traceback (most recent call last)" not in text_of(done)
        # The other files are unchanged, and the command in the message rebuilds this one.
        present = contents(checkout.path / "results/tiny")
        rebuilt = ("estimates.parquet", STUDENTS.removeprefix("results/tiny/"))
        assert {n: d for n, d in present.items() if not n.endswith(rebuilt)} == {
            n: d for n, d in whole.items() if n in present and not n.endswith(rebuilt)
        }
        command = line.split("rebuild it with: snakemake ")[1].split()
        assert command[:2] == ["--force", STUDENTS]
        checkout.run(*command[:2])
        checkout.run(ESTIMATES)
        assert contents(checkout.path / "results/tiny") == whole, damage


def test_a_file_of_other_settings_under_a_planned_name_is_not_used(finished):
    """As left by a job that outlived its run: complete, newer, and not in Snakemake's records."""
    checkout = finished
    students = checkout.path / STUDENTS
    expected = contents(checkout.path / "results/tiny")
    checkout.configure(TINY, {"experiments": {"teacher_noise": {"alpha": [0, 2]}}})
    checkout.run(STUDENTS)
    foreign = students.read_bytes()
    assert foreign != expected[STUDENTS.removeprefix("results/tiny/")]
    checkout.configure(TINY)
    checkout.run(STUDENTS)
    students.write_bytes(foreign)

    done = checkout.snakemake("teacher-noise")
    assert done.returncode != 0
    line = next(x for x in text_of(done).splitlines() if x.startswith(STUDENTS))
    assert "stale: built with different settings, code or inputs" in line
    assert "Traceback (most recent call last)" not in text_of(done)
    done = checkout.snakemake("audit")
    assert f"stale    {STUDENTS}: built with different settings (conditions" in text_of(done)
    checkout.run(*line.split("rebuild it with: snakemake ")[1].split()[:2])
    checkout.run("teacher-noise")
    assert contents(checkout.path / "results/tiny") == expected


def test_a_file_that_was_built_from_other_inputs_is_not_used(finished):
    """Its own settings are as planned; those of its input, the split, are not."""
    checkout = finished
    # As if that experiment alone had been run.
    tiny = checkout.path / "results/tiny"
    for whole in [*tiny.glob("*.*"), *tiny.glob("figures/variance_aware.*")]:
        whole.unlink()
    shutil.rmtree(tiny / "variance_aware")
    students = checkout.path / STUDENTS
    old = students.read_bytes()
    other = {"datasets": {"boston_housing": {"split_seed": 1}}}
    checkout.configure(TINY, other)
    checkout.run("teacher-noise")
    good = contents(checkout.path / "results/tiny")
    students.write_bytes(old)
    done = checkout.snakemake("teacher-noise")
    assert done.returncode != 0
    line = next(x for x in text_of(done).splitlines() if x.startswith(STUDENTS))
    assert "stale: built with different settings, code or inputs" in line
    checkout.run(*line.split("rebuild it with: snakemake ")[1].split()[:2])
    checkout.run("teacher-noise")
    assert contents(checkout.path / "results/tiny") == good

    # Without Snakemake's records, missing files are not built from stale ones.
    checkout.configure(TINY, other, {"figures": {"dpi": 90}})
    shutil.rmtree(checkout.path / ".snakemake")
    report = "results/tiny/report.html"
    done = checkout.snakemake(report)
    assert done.returncode != 0
    figure = "results/tiny/figures/teacher_noise.svg"
    assert any(x.startswith(figure) and "rebuild it" in x for x in text_of(done).splitlines())
    assert not (checkout.path / report).exists()


@pytest.mark.parametrize("forked", [True, pytest.param(False, marks=pytest.mark.thorough)])
def test_jobs_of_a_killed_run_do_not_spoil_the_next_run(checkout, forked):
    """Its workers end after another run, of other settings, has written its files."""
    if not forked:
        checkout.fork(10**9)
    overlay = {"students": {"mlp_16": {"epochs": 8000}}}
    shards = "results/tiny/variance_aware/mlp/boston_housing/students"
    checkout.configure(TINY, overlay)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "variance-aware"]
    terminal = checkout.path / "terminal.txt"
    with terminal.open("w") as file:
        run = subprocess.Popen(
            command, cwd=checkout.path, stdout=file, stderr=file, start_new_session=True
        )
    log = checkout.path / "results/tiny/logs/students"
    deadline = time.monotonic() + 120
    # Both jobs train: one that has just begun is not yet known by its name.
    while sum(bool(file.read_text()) for file in log.glob("*.log")) < 2:
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.05)
    workers = jobs_of(checkout.path)
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    run.kill()
    run.wait()

    checkout.configure(TINY, {"students": {"mlp_16": {"epochs": 5}}})
    checkout.run("--unlock")
    checkout.run("variance-aware")
    good = contents(checkout.path / "results/tiny")
    assert len(list((checkout.path / shards).iterdir())) == 2
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    while jobs_of(checkout.path):
        assert time.monotonic() < deadline + 120
        time.sleep(0.1)
    assert contents(checkout.path / "results/tiny") == good
    message = "the run that started this job was killed, and another run has started since"
    assert terminal.read_text().count(message) == len(workers)
    done = checkout.run("variance-aware", "--dry-run")
    assert "Nothing to be done" in text_of(done)
    assert " 0 stale" in text_of(checkout.snakemake("audit"))


@pytest.fixture
def mounted(checkout):
    """Mount a small file system as the folder of results; leave nothing mounted."""
    folder = checkout.path / "results"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")

    def mount(*options):
        command = ["mount", *options, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    yield mount
    while os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.thorough
def test_a_full_disk_is_one_line_and_loses_nothing(checkout, mounted):
    mounted("-t", "tmpfs", "-o", "size=60k", "tmpfs")
    done = checkout.snakemake("teacher-noise")
    assert done.returncode != 0
    assert "cannot be written (No space left on device); make room" in text_of(done)
    folder = checkout.path / "results"
    left = contents(folder / "tiny")
    assert not [name for name in left if name.rsplit("/", 1)[-1].startswith(".")]
    subprocess.run(["mount", "-o", "remount,size=40m", str(folder)], check=True)
    checkout.run("teacher-noise")
    after = contents(folder / "tiny")
    assert left.items() <= after.items()


@pytest.mark.thorough
def test_a_read_only_folder_is_one_line(checkout, mounted):
    mounted("-t", "tmpfs", "-o", "size=40m", "tmpfs")
    checkout.run("teacher-noise")
    folder = checkout.path / "results"
    (checkout.path / ESTIMATES).unlink()
    whole = contents(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    done = checkout.snakemake("teacher-noise")
    assert done.returncode != 0
    assert "Write-protected output files for rule figures" in text_of(done)
    assert "Traceback (most recent call last)" not in text_of(done)
    assert contents(folder) == whole


def test_two_schedulers_do_not_mix(finished):
    checkout = finished
    for estimates in (checkout.path / "results/tiny").glob("*/*/*/estimates.parquet"):
        estimates.unlink()
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "reproduce-all"]
    with subprocess.Popen(
        command, cwd=checkout.path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as first:
        deadline = time.monotonic() + 120
        # The first holds the folder until all that follows from the estimates is made again.
        while not list((checkout.path / ".snakemake/locks").glob("*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = checkout.snakemake("reproduce-all")
        assert second.returncode != 0
        assert "Directory cannot be locked" in text_of(second)
        assert "Traceback (most recent call last)" not in text_of(second)
        first.communicate()
        assert first.returncode == 0
    checkout.run("audit")


def test_results_that_were_moved_stay_valid(finished, tmp_path):
    checkout = finished
    other = tmp_path / "elsewhere/checkout"
    shutil.copytree(checkout.path, other)
    shutil.rmtree(checkout.path)
    checkout.path = other
    assert checkout.planned() == {}
    checkout.run("audit")
