"""Covertype: forest cover, 581,012 rows, 54 features, 7 classes; scikit-learn downloads it."""

import pandas as pd

from kduq.data.datasets.protocol import TARGET, DataSet, Download
from kduq.data.downloads import cache


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    table = datasets.fetch_covtype(data_home=str(cache()))
    return pd.DataFrame(table.data).assign(**{TARGET: table.target})


def _is_cached() -> bool:
    folder = cache() / "covertype"
    return all((folder / f"{part}_py3").is_file() for part in ("samples", "targets"))


DATASET = DataSet(
    "covtype",
    "Covertype",
    "classification",
    (40_000, 55, 70_000),
    _load,
    download=Download(_is_cached),
)
