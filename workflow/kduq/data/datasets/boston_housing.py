"""Boston Housing: 506 census tracts, 13 features, median home value in 1000 USD."""

import pandas as pd

from kduq.data.datasets.protocol import DataSet, read_mlxtend

#: Columns of Harrison & Rubinfeld (1978), "Hedonic housing prices and the demand for clean air".
_COLUMNS = [
    "CRIM",
    "ZN",
    "INDUS",
    "CHAS",
    "NOX",
    "RM",
    "AGE",
    "DIS",
    "RAD",
    "TAX",
    "PTRATIO",
    "B",
    "LSTAT",
    "MEDV",
]


def _load() -> pd.DataFrame:
    return read_mlxtend("boston_housing.csv", _COLUMNS)


DATASET = DataSet("boston_housing", "Boston Housing", "regression", (404, 14, 102), _load)
