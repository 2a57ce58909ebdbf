"""Political leaning: 944 voters of 1996, 9 features, where they see themselves from left to right.

American National Election Study of 1996, in the package statsmodels (BSD 3-clause) as anes96, which
states that the data are in the public domain. The target is a number from 1, extremely liberal, to
7, extremely conservative.
"""

import pandas as pd

from kduq.data.datasets.protocol import DataSet, read_statsmodels


def _load() -> pd.DataFrame:
    return read_statsmodels("anes96", "selfLR", separator="\t")


DATASET = DataSet("political_leaning", "Political leaning", "regression", (755, 10, 189), _load)
