"""An installed library: it holds all that it needs, and a checkout does not use it."""

import os
import re
import shutil
import subprocess
import sys

import kduq
import pytest
from checkouts import ROOT, TINY, Checkout

#: What is built.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "workflow/kduq")


def install(sources, target, *options):
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    command += ["--no-build-isolation", "--disable-pip-version-check", *options]
    subprocess.run([*command, "--target", str(target), str(sources)], check=True)


@pytest.fixture
def sources(tmp_path):
    """A copy of what is built, since building leaves files behind."""
    folder = tmp_path / "sources"
    for name in SOURCES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def python(code, *, path, cwd):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(path)},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installed_library_is_whole(sources, tmp_path):
    target = tmp_path / "installed"
    install(sources, target)
    code = "import kduq; from kduq.figures import drawing; print(kduq.__version__, kduq.__file__)"
    done = python(code, path=target, cwd=tmp_path)
    assert done.stdout.split() == [kduq.__version__, str(target / "kduq/__init__.py")], done.stderr
    built = {p.relative_to(target) for p in (target / "kduq").rglob("*") if p.is_file()}
    wanted = {
        p.relative_to(sources / "workflow")
        for p in (sources / "workflow/kduq").rglob("*")
        if p.is_file()
    }
    assert {p for p in wanted ^ built if "__pycache__" not in p.parts} == set()
    assert {p.suffix for p in built} >= {".py", ".cpp", ".hpp", ".mplstyle", ".typed"}


def test_a_checkout_uses_its_own_library_whatever_is_installed(sources, tmp_path):
    package = sources / "workflow/kduq/__init__.py"
    text = re.sub(r'__version__ = ".*"', '__version__ = "9.9.9"', package.read_text())
    package.write_text(f"{text}\nraise RuntimeError('this is the installed library')\n")
    # The version is read without running the module, which a build must not do.
    target = tmp_path / "installed"
    install(sources, target)
    assert list(target.glob("kduq-9.9.9*"))
    assert (
        "this is the installed library" in python("import kduq", path=target, cwd=tmp_path).stderr
    )

    checkout = Checkout.make(tmp_path / "checkout")
    checkout.configure(TINY)
    teacher = "results/tiny/teachers/ols/boston_housing/teacher.parquet"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", teacher],
        env=os.environ | {"PYTHONPATH": str(target)},
        cwd=checkout.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (checkout.path / teacher).is_file()
