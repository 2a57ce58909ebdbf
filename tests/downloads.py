"""Downloads in the formats of scikit-learn's caches, with made-up content."""

import gzip
import hashlib
import json
from pathlib import Path

import joblib
import numpy as np

_API = "openml/openml.org/api/v1/json/data"
_ARFF = "openml/openml.org/data/v1/download/52667/mnist_784.arff"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(f"{path}.gz", "wt", encoding="utf-8") as file:
        file.write(text)


def write_mnist(cache: Path, rows: int, seed: int = 0) -> np.ndarray:
    """What `fetch_openml("mnist_784", version=1)` leaves behind; gives the labels.

    The pixels of an image are brighter in a band whose place is its label's.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 10
    pixels = rng.integers(0, 100, size=(rows, 784))
    band = np.arange(784) // 79
    pixels += 150 * (band[None] == labels[:, None])
    names = [f"pixel{i + 1}" for i in range(784)]
    header = ["@RELATION mnist_784", *(f"@ATTRIBUTE {name} real" for name in names)]
    header += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "@DATA"]
    lines = [",".join(map(str, [*row, label])) for row, label in zip(pixels, labels, strict=True)]
    text = "\n".join([*header, *lines]) + "\n"
    _write(cache / _ARFF, text)
    description = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "status": "active",
        "format": "ARFF",
        "description": "made up",
        "url": "https://www.openml.org/data/v1/download/52667/mnist_784.arff",
        "md5_checksum": hashlib.md5(text.encode()).hexdigest(),
    }
    features = [
        {
            "index": str(i),
            "name": name,
            "data_type": "nominal" if name == "class" else "numeric",
            "is_target": str(name == "class").lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for i, name in enumerate([*names, "class"])
    ]
    qualities = [{"name": "NumberOfInstances", "value": f"{rows}.0"}]
    listed = {"did": 554, "name": "mnist_784", "version": 1, "status": "active", "format": "ARFF"}
    for name, content in {
        "list/data_name/mnist_784/limit/2/data_version/1": {"data": {"dataset": [listed]}},
        "554": {"data_set_description": description},
        "features/554": {"data_features": {"feature": features}},
        "qualities/554": {"data_qualities": {"quality": qualities}},
    }.items():
        _write(cache / _API / name, json.dumps(content))
    return labels


def write_california_housing(cache: Path, rows: int) -> np.ndarray:
    """What `fetch_california_housing` leaves behind; gives the values, in dollars."""
    rng = np.random.default_rng(2)
    values = rng.uniform(15_000, 500_000, size=rows)
    totals = rng.uniform(1, 1000, size=(rows, 8))
    cache.mkdir(parents=True, exist_ok=True)
    columns = np.column_stack([values, totals])
    joblib.dump(columns, cache / "cal_housing_py3.pkz", compress=6)
    return values


def write_covtype(cache: Path, rows: int) -> np.ndarray:
    """What `fetch_covtype` leaves behind; gives the labels, from 1."""
    rng = np.random.default_rng(1)
    labels = rng.integers(1, 8, size=rows).astype(np.int32)
    samples = rng.normal(size=(rows, 54)) + labels[:, None] * (np.arange(54) % 7 == 3)
    samples[:, 50:] = rng.integers(0, 2, size=(rows, 4))
    samples[:, 49] = 0  # as a soil type that no drawn row has
    folder = cache / "covertype"
    folder.mkdir(parents=True)
    joblib.dump(samples, folder / "samples_py3", compress=9)
    joblib.dump(labels, folder / "targets_py3", compress=9)
    return labels
