"""Stage ``examples``: a data set, split and standardised."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from kduq import seeds
from kduq.errors import UserError

#: Harrison & Rubinfeld (1978), "Hedonic housing prices and the demand for clean air".
BOSTON_HOUSING = Path(__file__).parent / "data" / "boston_housing.csv"
#: Data sets that need no path. The value reads one and returns inputs and target.
BUILT_IN = ("boston_housing", "diabetes")


def load(name: str, settings: dict[str, Any]) -> tuple[pd.DataFrame, pd.Series]:
    """Read a data set.

    Parameters
    ----------
    name : str
        One of `BUILT_IN`, or any other name with a ``path`` in its settings.
    settings : dict
        path (CSV or Parquet), target and features (column names; None for all but the target).

    Returns
    -------
    features : pandas.DataFrame of shape (rows, d)
        Inputs, float64.
    target : pandas.Series of shape (rows,)
        Target, float64, in the unit of the file.

    Raises
    ------
    UserError
        If the file cannot be read, a column is not there, is not numeric or has missing or
        infinite values.
    """
    if name == "boston_housing":
        table, target, source = pd.read_csv(BOSTON_HOUSING), "MEDV", str(BOSTON_HOUSING)
    elif name == "diabetes":
        table, target, source = load_diabetes(as_frame=True, scaled=False).frame, "target", name
    else:
        source, target = settings["path"], settings["target"]
        table = _read(Path(source))
    features = settings.get("features") or [c for c in table.columns if c != target]
    missing = [c for c in [*features, target] if c not in table.columns]
    if missing:
        raise UserError(
            f"{source}: no column {_list(missing)}; the file has {_list(table.columns)}; "
            f"mend datasets.{name}.target or datasets.{name}.features"
        )
    table = table[[*features, target]]
    _check_values(table, source, name)
    table = table.astype(np.float64)
    return table[features], table[target]


def _read(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
    }
    if path.suffix not in readers:
        raise UserError(f"{path}: a data set is a file ending in {' or '.join(readers)}")
    try:
        return readers[path.suffix](path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; mend the data set's path") from error
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: cannot be read as {path.suffix[1:]} ({reason})") from error


def _list(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _check_values(table: pd.DataFrame, source: str, name: str) -> None:
    """Refuse what cannot be standardised; nothing is imputed or dropped in silence."""
    if table.columns.has_duplicates:
        repeated = table.columns[table.columns.duplicated()]
        raise UserError(f"{source}: column {_list(repeated)} is named more than once")
    text = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    if text:
        raise UserError(
            f"{source}: column {_list(text)} is not numeric; encode it as numbers or leave it "
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


def prepare(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """Split a data set and standardise its inputs on the training rows.

    Parameters
    ----------
    settings : dict
        dataset, its path, target and features, test_fraction and split_seed.

    Returns
    -------
    dict of str to ndarray
        The columns of the artifact: example (row number in the file), split, x of shape
        (rows, d), and y in the unit of the file.

    Raises
    ------
    UserError
        As `load`; and if a feature or the target is constant on the training rows, or there are
        no more training rows than coefficients (features and intercept).
    """
    name = settings["dataset"]
    features, target = load(name, settings)
    rows = len(target)
    n_test = round(rows * settings["test_fraction"])
    order = seeds.generator(settings["split_seed"], "split").permutation(rows)
    test = np.zeros(rows, dtype=bool)
    test[order[:n_test]] = True
    x, y = features.to_numpy(), target.to_numpy()
    n_train, d = rows - n_test, x.shape[1]
    if n_test < 2 or n_train <= d + 1:
        raise UserError(
            f"datasets.{name}: {rows} rows give {n_train} training and {n_test} test rows for "
            f"{d} features; allowed are at least 2 test rows and more training rows than "
            f"features + 1; add rows or name fewer features"
        )
    location, scale = x[~test].mean(axis=0), x[~test].std(axis=0)
    constant = [c for c, s in zip(features, np.ptp(x[~test], axis=0), strict=True) if s == 0]
    if np.ptp(y[~test]) == 0:
        constant.append(str(target.name))
    if constant:
        raise UserError(
            f"datasets.{name}: column {_list(constant)} is constant on the training rows; leave "
            f"it out of datasets.{name}.features"
        )
    return {
        "example": np.arange(rows, dtype=np.int32),
        "split": np.where(test, "test", "train"),
        "x": ((x - location) / scale).astype(np.float32),
        "y": y,
    }
