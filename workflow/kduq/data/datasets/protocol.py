"""The interface of a built-in data set."""

import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

#: Name of the target column in built-in tables.
TARGET = "target"


@dataclass(frozen=True)
class Download:
    """A data set that scikit-learn downloads.

    Attributes
    ----------
    is_cached : callable
        Returns whether all its files are in scikit-learn's cache.
    """

    is_cached: Callable[[], bool]


@dataclass(frozen=True)
class DataSet:
    """A built-in data set, which needs no file of the user.

    Attributes
    ----------
    name : str
        Name in the configuration.
    label : str
        Name in figures.
    task : str
        regression or classification.
    shape : tuple of int
        Training rows, columns including the intercept, and numbers that one student predicts (test
        rows times classes), from which costs are estimated.
    load : callable
        Returns the table, with the target as its last column. It imports what it needs when it is
        called.
    largest_grey_level : int, optional
        For images, which are divided by it and keep the ratios of their pixels; None for columns
        that are standardised.
    download : Download, optional
        Set for a data set that is downloaded.

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
    """Read a table from the package mlxtend, whose own loaders take twenty seconds.

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


def read_statsmodels(name: str, target: str, separator: str = ",") -> pd.DataFrame:
    """Read a table from the package statsmodels, without importing its models.

    Parameters
    ----------
    name : str
        Name of the data set in the package, and of its file.
    target : str
        Name of the target column.
    separator : str
        Between the cells of the file.

    Returns
    -------
    pandas.DataFrame
        The last column is named ``target``.
    """
    path = importlib.resources.files("statsmodels") / "datasets" / name / f"{name}.csv"
    table = pd.read_csv(str(path), sep=separator)
    table.columns = table.columns.str.strip("'")
    values = table.pop(target)
    return table.assign(**{TARGET: values})
