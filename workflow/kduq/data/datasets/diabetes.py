"""Diabetes (scikit-learn): 442 patients, 10 features, disease progression."""

import pandas as pd

from kduq.data.datasets.protocol import DataSet


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    return datasets.load_diabetes(as_frame=True, scaled=False).frame


DATASET = DataSet("diabetes", "Diabetes", "regression", (353, 11, 89), _load)
