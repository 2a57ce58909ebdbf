"""Auto MPG: 392 cars of 1970 to 1982, 7 features, fuel consumption in miles per gallon.

Quinlan (1993), from the UCI Machine Learning Repository (licence CC BY 4.0); in the package mlxtend
(BSD 3-clause), without six rows that lack a value.
"""

import pandas as pd

from kduq.data.datasets.protocol import DataSet, read_mlxtend

_COLUMNS = [
    "cylinders",
    "displacement",
    "horsepower",
    "weight",
    "acceleration",
    "year",
    "origin",
    "name",
    "mpg",
]


def _load() -> pd.DataFrame:
    # The name of a car is its own in nearly every row.
    return read_mlxtend("autompg.csv.gz", _COLUMNS).drop(columns="name")


DATASET = DataSet("auto_mpg", "Auto MPG", "regression", (314, 8, 78), _load)
