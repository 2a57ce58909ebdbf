"""A checkout of the workflow in a temporary directory."""

import shutil

import pytest
from checkouts import ROOT, TINY, Checkout


@pytest.fixture
def checkout(tmp_path):
    path = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__", ".snakemake", "results")
    for name in ("workflow", "profiles", "envs"):
        shutil.copytree(ROOT / name, path / name, ignore=ignore)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, path / name)
    made = Checkout(path)
    made.configure(TINY)
    return made
