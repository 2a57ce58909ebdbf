"""Runs that were killed, and what they have left running: real processes."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest
from kduq.artifacts import files
from kduq.errors import UserError
from kduq.runtime import liveness


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(liveness.VARIABLE, "mine")
    monkeypatch.setattr(files, "before_commit", [liveness.ensure_current])
    return tmp_path / liveness.FOLDER


def registered_by_another(name, then=""):
    """A process that registers a run, says so, and does something more."""
    code = (
        f"from kduq.runtime import liveness; liveness.register({name!r}); print(flush=True); {then}"
    )
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
    with registered_by_another("mine", "input()") as process:
        yield process
        process.kill()


def test_jobs_of_a_killed_run_stop_once_another_has_started(tmp_path, alive):
    alive.kill()
    while psutil.Process(alive.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    liveness.ensure_current()
    with files.atomic(tmp_path / "a") as temporary:
        temporary.write_text("before")
    liveness.register("next")  # of a process that nobody has waited for, too
    with pytest.raises(UserError, match="the run that started this job was killed, and another"):
        liveness.ensure_current()
    with (
        pytest.raises(UserError, match="this job writes nothing"),
        files.atomic(tmp_path / "a") as file,
    ):
        file.write_text("after")
    assert (tmp_path / "a").read_text() == "before"
    with pytest.raises(UserError), files.atomic_folder(tmp_path / "b"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != ".snakemake") == ["a"]


def test_jobs_of_runs_that_live_go_on(folder, alive):
    liveness.register("next")
    liveness.ensure_current()
    liveness.unregister("next")
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
    liveness.register("next")
    assert (folder / "mine.json").exists() == lives
    assert (folder / "mine.ended").exists() != lives


def test_a_damaged_record_says_nothing(folder):
    folder.mkdir(parents=True)
    (folder / "mine.json").write_text("{")
    liveness.register("next")
    liveness.ensure_current()


def test_a_job_of_a_killed_run_writes_nothing(folder, tmp_path):
    """An entry script asks before each commit, whatever it writes."""
    (tmp_path / "logs").mkdir()
    folder.mkdir(parents=True)
    (folder / "mine.ended").touch()
    code = (
        "from types import SimpleNamespace\n"
        "from kduq.artifacts import files\n"
        "from kduq.runtime import script\n"
        "def main(snakemake):\n"
        "    with files.atomic('a') as temporary:\n"
        "        temporary.write_text('after')\n"
        "snakemake = SimpleNamespace(log=['logs/a.log'], input=[], output=['a'], threads=1)\n"
        "script.run(main)\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), liveness.VARIABLE: "mine"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("the run that started this job was killed, and another run has")
    assert not (tmp_path / "a").exists()
