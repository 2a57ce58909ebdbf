"""What make says of the Python and the environment that it finds."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "make", "test", "touch", "rm")


@pytest.fixture
def folder(tmp_path):
    """A folder with the Makefile, and one with the few programs that are on the path."""
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(shutil.which(name))
    return tmp_path


def python(folder, name, status):
    """A program that says by its status whether it is new enough, and fails at all else."""
    file = folder / "programs" / name
    file.write_text(f'#!/bin/bash\ncase "$*" in *version_info*) exit {status};; esac\nexit 7\n')
    file.chmod(0o755)


def make(folder, *arguments):
    environment = {**os.environ, "PATH": str(folder / "programs")}
    environment.pop("PYTHON", None)
    done = subprocess.run(
        [shutil.which("make"), "env", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_without_a_python_make_says_which_names_it_tried(folder):
    code, _, said = make(folder)
    assert code != 0
    assert "no Python from 3.11 on is there (tried python3.11 python3.12" in said


def test_the_first_python_that_is_new_enough_is_used(folder):
    python(folder, "python3.11", 1)
    python(folder, "python3.13", 0)
    python(folder, "python3", 0)
    code, ran, _ = make(folder)
    assert code != 0  # it cannot make an environment
    assert "python3.13 -m venv" in ran


def test_a_python_that_is_named_must_be_there_and_new_enough(folder):
    python(folder, "python3", 0)
    assert "PYTHON=python9: not there" in make(folder, "PYTHON=python9")[2]
    python(folder, "python2", 1)
    assert "PYTHON=python2: older than Python 3.11" in make(folder, "PYTHON=python2")[2]


def test_an_environment_behind_a_link_is_not_emptied(folder):
    python(folder, "python3", 0)
    shared = folder / "shared"
    shared.mkdir()
    (shared / "precious").write_text("kept")
    (folder / ".venv").symlink_to(shared)
    code, ran, said = make(folder)
    assert code != 0
    assert ".venv: a link, and the environment behind it would be emptied" in said
    assert "-m venv" not in ran
    assert (shared / "precious").read_text() == "kept"


@pytest.mark.parametrize("cache", ["there", "new/folder", "file/below"])
def test_a_home_that_cannot_be_written_is_not_used(folder, monkeypatch, cache):
    (folder / "there").mkdir()
    (folder / "file").touch()  # below which nobody can write
    with (folder / "Makefile").open("a") as file:
        file.write("\ncache:\n\t@echo cache=$$XDG_CACHE_HOME\n")
    (folder / "programs/mkdir").symlink_to(shutil.which("mkdir"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / cache))
    done = subprocess.run(
        [shutil.which("make"), "--silent", "--no-print-directory", "cache"],
        cwd=folder,
        env={**os.environ, "PATH": str(folder / "programs"), "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    used = folder / (".snakemake/cache" if cache.startswith("file") else cache)
    assert done.stdout == f"cache={used}\n"
