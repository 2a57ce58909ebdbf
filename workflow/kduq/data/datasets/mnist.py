"""MNIST: all 70,000 images of 28 × 28 pixels, 10 digits; scikit-learn downloads it from OpenML."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pandas as pd

from kduq.data.datasets.protocol import TARGET, DataSet, Download
from kduq.data.downloads import cache

#: Its name and version on OpenML.
_TITLE, _VERSION = "mnist_784", 1


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    table = datasets.fetch_openml(
        _TITLE,
        version=_VERSION,
        as_frame=False,
        data_home=str(cache()),
        # All columns are small integers, which single precision holds exactly. The reader's default
        # takes twice the memory and fails on classes that pandas 3.1 reads as numbers.
        read_csv_kwargs={"dtype": np.float32},
    )
    return pd.DataFrame(table.data).assign(**{TARGET: table.target.astype(np.int64)})


def _is_cached() -> bool:
    root = cache() / "openml" / "openml.org"
    try:
        # The steps of scikit-learn: the number of the name, its description, the file.
        matches = _json(root, f"list/data_name/{_TITLE}/limit/2/data_version/{_VERSION}")
        number = matches["data"]["dataset"][0]["did"]
        url = _json(root, str(number))["data_set_description"]["url"]
    except (OSError, EOFError, ValueError, KeyError, IndexError, zlib.error):
        return False
    return (root / f"{urlparse(url).path.lstrip('/')}.gz").is_file()


def _json(root: Path, name: str) -> Any:
    with gzip.open(root / "api/v1/json/data" / f"{name}.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


DATASET = DataSet(
    "mnist",
    "MNIST",
    "classification",
    (56_000, 785, 140_000),
    _load,
    largest_grey_level=255,
    download=Download(_is_cached),
)
