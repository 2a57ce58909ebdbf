"""Breast cancer (scikit-learn): 569 tumours, 30 features, 2 classes."""

import pandas as pd

from kduq.data.datasets.protocol import DataSet


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    return datasets.load_breast_cancer(as_frame=True).frame


DATASET = DataSet("breast_cancer", "Breast cancer", "classification", (455, 31, 228), _load)
