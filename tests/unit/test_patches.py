"""Patches of Snakemake: for which versions they are. Real runs show what they do.

See test_the_scheduler_looks_for_jobs_when_one_has_ended_and_not_ever_more_often and the runs with
--cache, in tests/workflow.
"""

import re
from pathlib import Path

import pytest
from kduq.artifacts.fingerprint import PACKAGE
from kduq.runtime import patches

PATCHES = (patches.stop_repeated_scheduling, patches.drop_benchmarks_of_cached_rules)


def test_the_patches_are_for_the_version_in_the_lock_file():
    lock = (Path(__file__).parents[2] / "requirements.lock").read_text()
    major, minor = map(int, re.search(r"^snakemake==(\d+)\.(\d+)", lock, re.MULTILINE).groups())
    assert patches.VERSIONS[0] <= (major, minor) < patches.VERSIONS[1]


@pytest.mark.parametrize("patch", PATCHES)
def test_a_patch_leaves_other_versions_alone(patch, monkeypatch):
    monkeypatch.setattr(patches, "VERSIONS", ((9998, 0), (9999, 0)))
    patch(object())  # which has nothing that could be changed


@pytest.mark.parametrize("patch", PATCHES)
def test_each_patch_says_where_the_fault_is_reported(patch):
    assert re.search(r"https://github\.com/snakemake/snakemake/(issues|pull)/\d+", patch.__doc__)


def test_private_parts_of_snakemake_are_touched_in_one_module_alone():
    root = PACKAGE.parents[1]
    sources = [root / "Snakefile", *root.glob("workflow/rules/*.smk"), *PACKAGE.rglob("*.py")]
    private = re.compile(
        r"workflow\._|\bscheduler\.|\._executor|is_main_process|workflow_settings|rule\._"
    )
    touching = [path.name for path in sources if private.search(path.read_text(encoding="utf-8"))]
    assert touching == ["patches.py"]
