"""Digits (scikit-learn): 1,797 images of 8 × 8 pixels, 10 digits."""

import pandas as pd

from kduq.data.datasets.protocol import DataSet


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    return datasets.load_digits(as_frame=True).frame


DATASET = DataSet(
    "digits", "Digits", "classification", (1437, 65, 3600), _load, largest_grey_level=16
)
