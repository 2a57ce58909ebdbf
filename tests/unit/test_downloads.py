"""Data sets that scikit-learn downloads: files in the formats of its caches, and none at all."""

import numpy as np
import pytest
from downloads import write_california_housing, write_covtype, write_mnist
from kduq.data import downloads
from kduq.data.datasets import DATASETS, DOWNLOADS
from kduq.errors import UserError
from kduq.examples import tabular as examples

SETTINGS = {
    "task": "classification",
    "path": None,
    "target": None,
    "features": None,
    "rows": None,
    "test_fraction": 0.2,
    "split_seed": 0,
}


def prepare(dataset, **changes):
    return examples.prepare(examples.Settings(**(SETTINGS | {"dataset": dataset} | changes)))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    # Undone after the test: the variable is how scikit-learn is told, and of this process.
    monkeypatch.setenv("SCIKIT_LEARN_DATA", "unset")
    downloads.use_cache(str(tmp_path))
    return tmp_path


def test_mnist_is_read_from_the_cache(cache):
    assert not DATASETS["mnist"].download.is_cached()
    labels = write_mnist(cache, 60)
    assert DATASETS["mnist"].download.is_cached()
    found = prepare("mnist")
    np.testing.assert_array_equal(found["y"], labels)
    assert found["x"].shape == (60, 784)
    # Grey levels keep their ratios: nothing is standardised.
    assert found["x"].min() >= 0
    assert 0.9 < found["x"].max() <= 1


def test_covertype_is_read_from_the_cache(cache, capsys):
    assert not DATASETS["covtype"].download.is_cached()
    labels = write_covtype(cache, 400)
    assert DATASETS["covtype"].download.is_cached()
    found = prepare("covtype", rows=300)
    assert len(found["y"]) == 300
    np.testing.assert_array_equal(found["y"], labels[found["example"]] - 1)
    assert found["x"].shape == (300, 53)
    assert "covtype: 1 of 54 columns are constant on the training rows" in capsys.readouterr().err
    train = found["split"] == "train"
    np.testing.assert_allclose(found["x"][train].mean(axis=0), 0, atol=1e-5)


def test_california_housing_is_read_from_the_cache(cache):
    assert not DATASETS["california_housing"].download.is_cached()
    values = write_california_housing(cache, 50)
    assert DATASETS["california_housing"].download.is_cached()
    found = prepare("california_housing", rows=40, task="regression")
    np.testing.assert_allclose(found["y"], values[found["example"]] / 100_000, rtol=1e-6)
    assert found["x"].shape == (40, 8)
    train = found["split"] == "train"
    np.testing.assert_allclose(found["x"][train].mean(axis=0), 0, atol=1e-5)


def test_a_download_that_stopped_half_way_does_not_count(cache):
    write_mnist(cache, 20)
    (cache / "openml/openml.org/data/v1/download/52667/mnist_784.arff.gz").unlink()
    assert not DATASETS["mnist"].download.is_cached()
    write_covtype(cache, 20)
    (cache / "covertype/targets_py3").unlink()
    assert not DATASETS["covtype"].download.is_cached()


@pytest.mark.parametrize("name", DOWNLOADS)
def test_without_network_one_line_says_what_to_do(cache, monkeypatch, name):
    # A proxy on a closed port refuses at once, on machines with a network too.
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        prepare(name)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(f"datasets.{name}: not in scikit-learn's cache {cache}")
    assert "snakemake fetch" in message
    assert f"datasets.{name}.path" in message


@pytest.mark.parametrize(
    ("name", "rows", "features", "classes"),
    [
        ("digits", 1797, 64, 10),
        ("wine", 178, 13, 3),
        ("breast_cancer", 569, 30, 2),
        ("iris", 150, 4, 3),
        ("vote", 944, 9, 2),
    ],
)
def test_bundled_sets_need_neither(name, rows, features, classes):
    found = prepare(name)
    assert found["x"].shape == (rows, features)
    assert set(np.unique(found["y"])) == set(range(classes))


def test_the_bundled_sample_of_mnist_has_500_images_a_digit():
    found = prepare("mnist_5k")
    assert found["x"].shape == (5000, 784)
    np.testing.assert_array_equal(np.bincount(found["y"].astype(int)), [500] * 10)
    assert found["x"].min() == 0
    assert found["x"].max() == 1
