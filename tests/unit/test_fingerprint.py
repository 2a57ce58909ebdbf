import shutil
import subprocess
import sys

import pytest
from kduq.artifacts.fingerprint import PACKAGE


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "kduq")
    return tmp_path


def fingerprint(copy, *modules):
    code = f"from kduq.artifacts.fingerprint import fingerprint; print(fingerprint(*{modules!r}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def edit(copy, module, old, new):
    file = copy / "kduq" / module
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_layout_do_not_count(copy):
    before = fingerprint(copy, "kduq.students.tabular")
    edit(copy, "students.py", '"""Stage ``students``', '"""The stage of the students')
    edit(copy, "students.py", "def _chunks(", "# a comment\n\n\n\ndef _chunks(")
    assert fingerprint(copy, "kduq.students.tabular") == before


def test_code_counts_here_and_in_imported_modules_only(copy):
    students = fingerprint(copy, "kduq.students.tabular")
    estimates = fingerprint(copy, "kduq.estimates")
    edit(copy, "seeds.py", ">> np.uint64(1)", ">> np.uint64(2)")
    assert fingerprint(copy, "kduq.students.tabular") != students
    changed = fingerprint(copy, "kduq.students.tabular")
    edit(copy, "statistics.py", "n < 3", "n < 4")
    assert fingerprint(copy, "kduq.students.tabular") == changed
    assert fingerprint(copy, "kduq.estimates") != estimates


def test_a_family_counts_for_its_own_runs_only(copy):
    linear = fingerprint(copy, "kduq.students.tabular", "kduq.families.linear")
    mlp = fingerprint(copy, "kduq.students.tabular", "kduq.families.mlp")
    edit(copy, "families/network.py", "_PAD = 16", "_PAD = 32")
    assert fingerprint(copy, "kduq.students.tabular", "kduq.families.linear") == linear
    assert fingerprint(copy, "kduq.students.tabular", "kduq.families.mlp") != mlp


def test_compiled_code_counts_and_its_comments_do_not(copy):
    def networks():
        return [fingerprint(copy, f"kduq.families.{name}") for name in ("mlp", "classifier")]

    before, linear = networks(), fingerprint(copy, "kduq.families.linear")
    edit(copy, "families/compiled.cpp", "namespace {", "// a comment\n\nnamespace   {")
    assert networks() == before
    edit(copy, "families/compiled.cpp", "1e-8f", "1e-7f")
    assert not set(networks()) & set(before)
    assert fingerprint(copy, "kduq.families.linear") == linear
    edit(copy, "families/linear.cpp", "!= 0", "> 0")
    assert fingerprint(copy, "kduq.families.linear") != linear
