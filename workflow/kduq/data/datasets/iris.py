"""Iris (scikit-learn): 150 flowers, 4 features, 3 species.

Fisher (1936), from the UCI Machine Learning Repository (licence CC BY 4.0); in the package
scikit-learn (BSD 3-clause).
"""

import pandas as pd

from kduq.data.datasets.protocol import DataSet


def _load() -> pd.DataFrame:
    from sklearn import datasets  # noqa: PLC0415 (a second of every job)

    return datasets.load_iris(as_frame=True).frame


DATASET = DataSet("iris", "Iris", "classification", (120, 5, 90), _load)
