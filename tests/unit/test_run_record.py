"""Runs that were killed, and what they have left running: real processes."""

import json
import subprocess
import sys

import pytest
from kduq import files, run_record
from kduq.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(run_record.VARIABLE, "mine")
    return tmp_path / run_record.FOLDER


def begin_and_die(name):
    code = f"from kduq import run_record; run_record.begin({name!r})"
    path = ":".join(sys.path)
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=True)


def test_jobs_of_a_killed_run_stop_once_another_has_begun(tmp_path):
    begin_and_die("mine")
    run_record.check()
    with files.atomic(tmp_path / "a") as temporary:
        temporary.write_text("before")
    run_record.begin("next")
    with pytest.raises(UserError, match="the run that started this job was killed, and another"):
        run_record.check()
    with pytest.raises(UserError, match="nothing is written"), files.atomic(tmp_path / "a") as file:
        file.write_text("after")
    assert (tmp_path / "a").read_text() == "before"
    with pytest.raises(UserError), files.atomic_folder(tmp_path / "b"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != ".snakemake") == ["a"]


def test_jobs_of_runs_that_live_go_on(folder):
    run_record.begin("mine")
    run_record.begin("next")
    run_record.check()
    run_record.end("mine")
    run_record.begin("third")
    run_record.check()
    assert {p.name for p in folder.iterdir()} == {"next.json", "third.json"}


@pytest.mark.parametrize(
    ("change", "lives"), [({"host": "elsewhere"}, True), ({"since": 0.0}, False), ({}, True)]
)
def test_a_process_of_the_same_number_is_no_other_and_another_machine_is_not_seen(
    folder, change, lives
):
    run_record.begin("mine")
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
