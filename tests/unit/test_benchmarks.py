"""The benchmarks compare like with like, and run as the documentation says."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
#: Relative difference allowed: all but the first are in single precision.
SAME = {
    "linear noise": 1e-9,
    "linear bootstrap": 1e-5,
    "mlp16": 1e-4,
    "mlp64": 1e-4,
    "mlp128": 1e-4,
    "softmax digits": 1e-4,
    "mlp digits": 1e-4,
    "lm training": 1e-4,
}


@pytest.fixture
def batch(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.batch")


@pytest.fixture
def workloads(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.__main__").WORKLOADS


@pytest.mark.parametrize("name", SAME)
def test_ours_and_the_textbook_train_the_same_students(workloads, name):
    workload = workloads[name](True)
    expected = workload.textbook()
    found = workload.ours(0)[: len(expected)]
    np.testing.assert_allclose(found, expected, rtol=SAME[name], atol=SAME[name])


def test_a_quick_run_writes_a_row_a_workload(workloads, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(tmp_path / "rows.json")]
    run = subprocess.run(
        [*command, "--baseline"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["workload"] for row in rows] == list(workloads)
    columns = ["workload", "limit_ratio", "ratio", "ours_s", "limit_s", "textbook_s"]
    assert run.stdout.splitlines()[0].split() == columns
    for row in rows:
        assert list(row) == columns
        assert all(row[name] > 0 for name in columns[1:])
        assert row["ratio"] == pytest.approx(row["textbook_s"] / row["ours_s"])
        assert row["limit_ratio"] == pytest.approx(row["ours_s"] / row["limit_s"])


def test_the_baseline_has_every_workload(workloads):
    assert list(json.loads((ROOT / "benchmarks/baseline.json").read_text())) == list(workloads)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 49, 50, 1000, 12_345])
def test_the_search_ends_at_the_largest_that_fits(batch, limit):
    asked = []

    def fits(number):
        asked.append(number)
        return number <= limit

    found = batch.largest(fits)
    assert 0.98 * limit <= found <= limit
    assert limit >= 50 or found == limit
    assert len(asked) <= 2 * np.log2(limit + 2) + 2


LIMITED = """
import resource
from benchmarks import batch
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)
print(batch.largest(batch.networks_fit))
"""


def test_the_largest_batch_of_networks_is_what_memory_holds():
    """By torch, on the processor, with 256 MiB to spare."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED],
        cwd=ROOT,
        # Each further arena of the allocator reserves 64 MiB of the limit, by chance of threads.
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "workflow"), "CXX": "/nonexistent", "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Of each student the activations of all rows are kept, and parameters and labels beside.
    activations = 4 * 404 * 128
    assert 0.3 * (256 << 20) < int(run.stdout) * activations < 256 << 20


def test_without_an_accelerator_one_message_says_that_there_is_none():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--largest-batch"],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "torch finds no CUDA device here" in run.stderr
    assert "Traceback" not in run.stderr
