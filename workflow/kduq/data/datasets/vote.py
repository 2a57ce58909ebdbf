"""Vote: 944 voters of 1996, 9 features, for Clinton (0) or Dole (1).

American National Election Study of 1996, in the package statsmodels (BSD 3-clause) as anes96, which
states that the data are in the public domain.
"""

import pandas as pd

from kduq.data.datasets.protocol import DataSet, read_statsmodels


def _load() -> pd.DataFrame:
    return read_statsmodels("anes96", "vote", separator="\t")


DATASET = DataSet("vote", "Vote", "classification", (755, 10, 378), _load)
