"""Tables of examples: built-in data sets, and CSV and Parquet files of the user."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kduq.config.data import DatasetSettings
from kduq.config.messages import listed
from kduq.data import downloads
from kduq.data.datasets import DATASETS
from kduq.data.datasets.protocol import TARGET
from kduq.errors import UserError


def load(name: str, settings: DatasetSettings) -> tuple[pd.DataFrame, pd.Series]:
    """Read a data set.

    Parameters
    ----------
    name : str
        A built-in data set, or any other name with a ``path`` in its settings.
    settings : DatasetSettings
        Its keys task, path (CSV or Parquet; None for a built-in), target and features (column
        names; None for all but the target) are used.

    Returns
    -------
    features : pandas.DataFrame of shape (rows, d)
        Inputs.
    target : pandas.Series of shape (rows,)
        Target in the unit of the file; classes by number from 0, in ascending order of their
        labels.

    Raises
    ------
    UserError
        If the file cannot be read, a column does not exist, is not numeric or has missing or
        infinite values, or if a data set cannot be downloaded.
    """
    if settings.path is None:
        table, target, source = built_in(name), TARGET, name
    else:
        source, target = settings.path, str(settings.target)
        table = _read(Path(source))
    features = settings.features or [c for c in table.columns if c != target]
    missing = [c for c in [*features, target] if c not in table.columns]
    if missing:
        raise UserError(
            f"{source}: no column {listed(missing)}; the file has {listed(table.columns)}; "
            f"correct datasets.{name}.target or datasets.{name}.features"
        )
    if not features or target in features:
        problem = "no column beside the target" if not features else f"the target '{target}'"
        raise UserError(
            f"{source}: found {problem} to predict from; correct datasets.{name}.features"
        )
    table = table[[*features, target]]
    if table.columns.has_duplicates:
        repeated = table.columns[table.columns.duplicated()]
        raise UserError(
            f"{source}: column {listed(repeated)} is named more than once; name it once in "
            f"datasets.{name}.features"
        )
    if settings.task == "classification":
        table = table.assign(**{str(target): _classes(table[target], source, name)})
    _check_values(table, source, name)
    return table[features], table[target].astype(np.float64)


def shape_of_file(path: Path) -> tuple[int, int]:
    """Rows and columns of a user's file, without reading its values.

    Parameters
    ----------
    path : Path
        CSV or Parquet file.

    Returns
    -------
    rows, columns : int
        Of Parquet as its footer says; of CSV the lines after the first and the cells of the first.
        Zero for a file that is missing or cannot be read, which is reported where it is.
    """
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return _shape_of_file(path, status.st_size, status.st_mtime_ns)


@functools.cache
def _shape_of_file(path: Path, _size: int, _time: int) -> tuple[int, int]:
    try:
        if path.suffix == ".parquet":
            metadata = pq.read_metadata(path)
            return metadata.num_rows, metadata.num_columns
        with path.open("rb") as file:
            columns = file.readline().count(b",") + 1
            return sum(
                block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")
            ), columns
    except (OSError, pa.ArrowException):
        return 0, 0


def built_in(name: str) -> pd.DataFrame:
    """Read a built-in data set; a download stays in the cache.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    pandas.DataFrame
        The last column is the target.

    Raises
    ------
    UserError
        If it cannot be downloaded.
    """
    try:
        with warnings.catch_warnings():
            # A failed download is reported once, below, instead of at every attempt.
            warnings.simplefilter("ignore")
            return DATASETS[name].load()
    except (OSError, ValueError) as error:
        if DATASETS[name].download is None:
            raise
        raise downloads.unavailable(name, str(error).splitlines()[0]) from error


def _classes(labels: pd.Series, source: str, name: str) -> np.ndarray:
    """Numbers of the classes."""
    if labels.isna().any():
        raise UserError(
            f"{source}: missing values in '{labels.name}' ({int(labels.isna().sum())}); fill "
            "them in or remove the rows (in a CSV file a class called NA, None or null reads as "
            "missing: rename it)"
        )
    classes, numbers = np.unique(labels.to_numpy(), return_inverse=True)
    if not 2 <= len(classes) <= max(2, len(labels) // 2):
        raise UserError(
            f"{source}: '{labels.name}' has {len(classes)} classes in {len(labels)} rows; allowed "
            f"are 2 to half the rows; correct datasets.{name}.target or datasets.{name}.task"
        )
    return numbers


def _read(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": _read_csv,
        ".parquet": pd.read_parquet,
    }
    if path.suffix not in readers or path.is_dir():
        raise UserError(
            f"{path}: a data set is a file ending in {' or '.join(readers)}; correct its path"
        )
    try:
        return readers[path.suffix](path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; correct the data set's path") from error
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: cannot be read as {path.suffix[1:]} ({reason}); save the file again"
        ) from error


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV file with the column names of the file: pandas would rename those named twice."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    if header.isna().any() or (header.str.strip() == "").any():
        number = 1 + int(np.argmax(header.isna() | (header.str.strip() == "")))
        raise UserError(f"{path}: column {number} has no name; name it or remove it")
    if header.duplicated().any():
        raise UserError(
            f"{path}: column {listed(header[header.duplicated()])} is named more than once; rename "
            "or remove one"
        )
    with warnings.catch_warnings():
        # Rows with more cells than there are names.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, index_col=False)
        except pd.errors.ParserWarning as error:
            raise UserError(
                f"{path}: rows have more cells than the first line has names; correct that line"
            ) from error


def _check_values(table: pd.DataFrame, source: str, name: str) -> None:
    """Refuse values that cannot be standardised; nothing is imputed or silently dropped."""
    text = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    if table.columns[-1] in text:
        raise UserError(
            f"{source}: the target '{table.columns[-1]}' is not numeric; encode it as numbers, or "
            f"set datasets.{name}.task: classification"
        )
    if text:
        raise UserError(
            f"{source}: column {listed(text)} is not numeric; encode it as numbers or leave it "
            f"out of datasets.{name}.features"
        )
    values = table.to_numpy(np.float64, na_value=np.nan)
    bad = {str(c): int(n) for c, n in zip(table, (~np.isfinite(values)).sum(axis=0), strict=True)}
    bad = {c: n for c, n in bad.items() if n}
    if bad:
        counts = ", ".join(f"'{c}' ({n})" for c, n in bad.items())
        raise UserError(
            f"{source}: missing or infinite values in {counts}; fill them in or remove the rows"
        )
