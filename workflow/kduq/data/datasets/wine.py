"""Wine (scikit-learn): 178 wines, 13 features, 3 cultivars."""

import pandas as pd

from kduq.data.datasets.protocol import DataSet


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    return datasets.load_wine(as_frame=True).frame


DATASET = DataSet("wine", "Wine", "classification", (142, 14, 108), _load)
