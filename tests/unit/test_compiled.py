"""Compiled training against the same students trained by torch, and how it is compiled."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kduq.artifacts.fingerprint import PACKAGE
from kduq.families import FAMILIES, Batch, Problem, native
from kduq.families.networks import compiled

SETTINGS = {"epochs": 60, "learning_rate": 0.01, "initialisation": "he_normal", "record_every": 7}
KINDS = {
    # Numbers of units that leave a remainder in every loop.
    "mlp": ("mlp", "regression", {"hidden": 37}),
    "one unit": ("mlp", "regression", {"hidden": 1}),
    "softmax": ("softmax", "classification", {}),
    "classifier": ("mlp", "classification", {"hidden": 18}),
    "mini-batches": ("mlp", "classification", {"hidden": 7, "batch_size": 19}),
}
needs_compiler = pytest.mark.skipif(not compiled.available(), reason="no C++ compiler")


def built(kind, features):
    name, task, own = KINDS[kind]
    data = problem(features, 1 if task == "regression" else 4)
    settings = FAMILIES[name].settings(family=name, **(SETTINGS | own))
    return FAMILIES[name].model(task)(data, settings), data


def problem(features, outputs):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(150, features)).astype(np.float32)
    scores = x @ rng.normal(size=(features, outputs)) + 0.3 * rng.normal(size=(150, outputs))
    y = scores[:, 0] if outputs == 1 else np.eye(outputs)[scores.argmax(1)]
    return Problem(x[:101], x[101:], y[:101])


@needs_compiler
@pytest.mark.parametrize("bootstrap", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [1, 6, 13])
def test_students_are_those_of_torch_within_single_precision(
    kind, features, bootstrap, monkeypatch
):
    model, data = built(kind, features)
    rng = np.random.default_rng(3)
    labels = np.stack([data.train_y[rng.permutation(101)] for _ in range(model.ensemble)])
    counts = rng.multinomial(101, np.full(101, 1 / 101), size=model.ensemble).astype(float)
    batch = Batch(labels, np.arange(model.ensemble), counts if bootstrap else None, init_noise=0.1)
    trained = model.fit(batch)
    monkeypatch.setattr(compiled, "available", lambda: False)
    expected = model.fit(batch)
    for name in ("train_prediction", "test_prediction", "trajectory", "distance_after"):
        ours, theirs = getattr(trained, name), getattr(expected, name)
        # Rounding grows along training: by far less than a student differs from another.
        scale = np.std(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-3 * scale, err_msg=name)
        assert np.median(np.abs(ours - theirs)) < 2e-5 * scale


@needs_compiler
@pytest.mark.parametrize("rows", [5, 16, 101])
@pytest.mark.parametrize(("inputs", "outputs"), [(2, 2), (4, 3), (17, 10), (35, 17), (65, 10)])
def test_rows_of_a_step_are_those_of_its_order(rows, inputs, outputs):
    rng = np.random.default_rng(2)
    width, steps = -(-inputs // 16) * 16, 3
    x = np.zeros((rows, width), np.float32)
    x[:, :inputs] = rng.normal(size=(rows, inputs))
    labels = rng.dirichlet(np.ones(outputs), size=rows).astype(np.float32)
    weights = rng.random(rows).astype(np.float32) / rows

    def trained(x, labels, weights, order):
        parameters = np.full(outputs * inputs, 0.1, np.float32)
        common = {"squared": False, "steps": steps, "learning_rate": 0.1, "record_every": 0}
        training = compiled.Training(x, inputs, 0, outputs, **common)
        training.run(parameters, labels, weights, order)
        return parameters

    order = rng.permutation(rows)
    shuffled = (np.ascontiguousarray(a[order]) for a in (x, labels, weights))
    expected = trained(*shuffled, None)
    found = trained(x, labels, weights, np.tile(order, (steps, 1)))
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > outputs


@needs_compiler
@pytest.mark.parametrize(("rows", "epochs"), [(1, 3), (2, 50), (7, 4), (1437, 5)])
def test_orders_are_those_of_numpy(rows, epochs, monkeypatch):
    drawn = compiled.shuffled(np.random.default_rng(4), rows, epochs)
    monkeypatch.setattr(native, "library", lambda source: None)
    stream = np.random.default_rng(4)
    parts = [compiled.shuffled(stream, rows, n) for n in (1, epochs - 1)]
    np.testing.assert_array_equal(drawn, np.concatenate(parts))
    np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(rows), (epochs, 1)))


def test_every_order_is_equally_likely():
    orders = compiled.shuffled(np.random.default_rng(6), 4, 24_000)
    _, found = np.unique(orders, axis=0, return_counts=True)
    assert len(found) == 24
    # Chi-square with 23 degrees of freedom: above 50 once in a thousand.
    assert ((found - 1000) ** 2 / 1000).sum() < 50


@needs_compiler
def test_a_student_does_not_depend_on_who_is_trained_beside_it():
    model, _ = built("mlp", 5)
    labels = np.random.default_rng(1).normal(size=(model.ensemble, 101))
    many = model.fit(Batch(labels, np.arange(model.ensemble)))
    few = model.fit(Batch(labels[2:4], np.arange(2, 4)))
    np.testing.assert_array_equal(many.trajectory[2:4], few.trajectory)
    np.testing.assert_array_equal(many.distance_after[2:4], few.distance_after)


SCRIPT = """
import numpy as np
from kduq.families import Batch, Problem
from kduq.families.mlp import MlpSettings
from kduq.families.networks import compiled, models
x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
problem = Problem(x, x, x[:, 0].astype(float))
settings = MlpSettings(family="mlp", hidden=8, epochs=30, learning_rate=0.01)
batch = Batch(np.tile(x[:, 0], (2, 1)), np.arange(2))
for _ in range(2):
    trained = models.Regression(problem, settings).fit(batch)
print(compiled.available(), *trained.test_prediction[0, :3].round(3))
"""


def started(cache, **changed):
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=environment | changed,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@needs_compiler
def test_jobs_that_compile_at_once_share_one_library(tmp_path):
    results = [job.communicate() for job in [started(tmp_path), started(tmp_path)]]
    assert results[0] == results[1]
    assert results[0][0].startswith("True ")
    assert not results[0][1]
    (library,) = (tmp_path / "kduq").iterdir()
    before = library.stat().st_mtime_ns
    assert started(tmp_path).communicate() == results[0]
    assert library.stat().st_mtime_ns == before
    library.write_bytes(library.read_bytes()[:1000])
    assert started(tmp_path).communicate() == results[0]


@needs_compiler
@pytest.mark.parametrize("hidden", [{"CXX": "/nonexistent"}, {"PATH": "/nonexistent"}])
def test_without_a_compiler_one_line_says_so_and_the_students_are_the_same(tmp_path, hidden):
    if "PATH" in hidden:
        hidden = hidden | {"CXX": ""}
    out, log = started(tmp_path, **hidden).communicate()
    assert out.startswith("False ")
    assert out.split()[1:] == started(tmp_path).communicate()[0].split()[1:]
    assert len(log.splitlines()) == 1
    assert "no C++ compiler" in log
    assert "install one or name it in CXX" in log


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    Path(tmp_path / "kduq").write_text("a file in the folder's place")
    out, log = started(tmp_path).communicate()
    assert out.startswith("False ")
    assert len(log.splitlines()) == 1


def test_a_compiler_that_cannot_be_called_is_no_error(tmp_path):
    out, log = started(tmp_path, CXX="g++ 'never closed").communicate()
    assert out.startswith("False ")
    assert log.splitlines() == [
        "compiled.cpp is not compiled, students train more slowly: No closing quotation"
    ]
