"""Runs that were killed, and what they have left running: real processes."""

import json
import os
import subprocess
import sys

import psutil
import pytest
from kduq.artifacts import files
from kduq.errors import UserError
from kduq.runtime import liveness as run_record


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(run_record.VARIABLE, "mine")
    return tmp_path / run_record.FOLDER


def begun_by_another(name, then=""):
    """A process that begins a run, says so, and does something more."""
    code = f"from kduq import run_record; run_record.begin({name!r}); print(flush=True); {then}"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    return process


@pytest.fixture
def alive():
    """A run that lives as long as the test."""
    with begun_by_another("mine", "input()") as process:
        yield process
        process.kill()


def test_jobs_of_a_killed_run_stop_once_another_has_begun(tmp_path, alive):
    alive.kill()
    run_record.check()
    with files.atomic(tmp_path / "a") as temporary:
        temporary.write_text("before")
    run_record.begin("next")  # of a process that nobody has waited for, too
    with pytest.raises(UserError, match="the run that started this job was killed, and another"):
        run_record.check()
    with pytest.raises(UserError, match="nothing is written"), files.atomic(tmp_path / "a") as file:
        file.write_text("after")
    assert (tmp_path / "a").read_text() == "before"
    with pytest.raises(UserError), files.atomic_folder(tmp_path / "b"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != ".snakemake") == ["a"]


def test_jobs_of_runs_that_live_go_on(folder, alive):
    run_record.begin("next")
    run_record.check()
    run_record.end("next")
    assert {p.name for p in folder.iterdir()} == {"mine.json"}


@pytest.mark.parametrize(
    ("change", "lives"),
    [
        ({}, True),
        ({"host": "elsewhere", "pid": 1}, True),  # not seen from here
        ({"command": ["another", "program"]}, False),
        ({"pid": os.getpid(), "command": psutil.Process().cmdline()}, False),  # itself, later
    ],
)
def test_a_process_of_the_same_number_is_no_other(folder, alive, change, lives):
    record = folder / "mine.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    run_record.begin("next")
    assert (folder / "mine.json").exists() == lives
    assert (folder / "mine.ended").exists() != lives


def test_a_damaged_record_says_nothing(folder):
    folder.mkdir(parents=True)
    (folder / "mine.json").write_text("{")
    run_record.begin("next")
    run_record.check()
