"""California housing: 20,640 block groups, 8 features; scikit-learn downloads it."""

import pandas as pd

from kduq.data.datasets.protocol import TARGET, DataSet, Download
from kduq.data.downloads import cache


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    table = datasets.fetch_california_housing(data_home=str(cache()))
    features = pd.DataFrame(table.data, columns=table.feature_names)
    return features.assign(**{TARGET: table.target})


def _is_cached() -> bool:
    return (cache() / "cal_housing_py3.pkz").is_file()


DATASET = DataSet(
    "california_housing",
    "California housing",
    "regression",
    (16_512, 9, 4128),
    _load,
    download=Download(_is_cached),
)
