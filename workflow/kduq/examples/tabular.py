"""Stage ``examples``: a data set, split and standardised."""

import importlib.resources
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from kduq import seeds
from kduq.data import downloads as fetched
from kduq.errors import UserError

#: Harrison & Rubinfeld (1978), "Hedonic housing prices and the demand for clean air": columns.
_BOSTON = [
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
#: Grey levels: images keep the ratios of their pixels and are divided by the largest level.
_GREY_LEVELS = {"digits": 16, "mnist": 255, "mnist_5k": 255}
_TARGET = "target"
#: Standard deviations that a target may be from zero: rounding of predictions in single precision
#: then stays below a thousandth of one.
_OFFSET = 1e4


def _packaged(file: str, columns: list[str] | None = None) -> pd.DataFrame:
    """A table that the package mlxtend carries; its own loaders take twenty seconds."""
    path = importlib.resources.files("mlxtend") / "data" / "data" / file
    table = pd.read_csv(str(path), header=None, names=columns)
    return table.rename(columns={table.columns[-1]: _TARGET})


def _boston_housing() -> pd.DataFrame:
    return _packaged("boston_housing.csv", _BOSTON)


def _diabetes() -> pd.DataFrame:
    return datasets.load_diabetes(as_frame=True, scaled=False).frame


def _mnist() -> pd.DataFrame:
    name, version = fetched.MNIST
    found = datasets.fetch_openml(
        name,
        version=version,
        as_frame=False,
        data_home=str(fetched.cache()),
        # All columns are small whole numbers, exact in single precision; the reader's own choice
        # takes twice the memory and fails on classes that pandas 3.1 reads as numbers.
        read_csv_kwargs={"dtype": np.float32},
    )
    return pd.DataFrame(found.data).assign(**{_TARGET: found.target.astype(np.int64)})


def _covtype() -> pd.DataFrame:
    found = datasets.fetch_covtype(data_home=str(fetched.cache()))
    return pd.DataFrame(found.data).assign(**{_TARGET: found.target})


#: Data sets that need no path: how to read one. The last column is the target.
_BUILT_IN: dict[str, Callable[[], pd.DataFrame]] = {
    "boston_housing": _boston_housing,
    "diabetes": _diabetes,
    "digits": lambda: datasets.load_digits(as_frame=True).frame,
    "wine": lambda: datasets.load_wine(as_frame=True).frame,
    "breast_cancer": lambda: datasets.load_breast_cancer(as_frame=True).frame,
    "mnist_5k": lambda: _packaged("mnist_5k.csv.gz"),
    "mnist": _mnist,
    "covtype": _covtype,
}


def load(name: str, settings: dict[str, Any]) -> tuple[pd.DataFrame, pd.Series]:
    """Read a data set.

    Parameters
    ----------
    name : str
        A built-in data set, or any other name with a ``path`` in its settings.
    settings : dict
        task, path (CSV or Parquet; None for a built-in), target and features (column names; None
        for all but the target).

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
        If the file cannot be read, a column is not there, is not numeric or has missing or
        infinite values; or a data set has to be fetched and cannot be.
    """
    if settings["path"] is None:
        table, target, source = built_in(name), _TARGET, name
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
    if not features or target in features:
        found = "no column beside the target" if not features else f"the target '{target}'"
        raise UserError(f"{source}: found {found} to predict from; mend datasets.{name}.features")
    table = table[[*features, target]]
    if table.columns.has_duplicates:
        repeated = table.columns[table.columns.duplicated()]
        raise UserError(f"{source}: column {_list(repeated)} is named more than once")
    if settings["task"] == "classification":
        table = table.assign(**{str(target): _classes(table[target], source, name)})
    _check_values(table, source, name)
    return table[features], table[target].astype(np.float64)


def built_in(name: str) -> pd.DataFrame:
    """Read a data set that needs no path; one that is downloaded stays in the cache.

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
        If it has to be downloaded and cannot be.
    """
    try:
        with warnings.catch_warnings():
            # A failed download is reported once, below, not at every attempt.
            warnings.simplefilter("ignore")
            return _BUILT_IN[name]()
    except (OSError, ValueError) as error:
        if name not in fetched.FETCHED:
            raise
        raise fetched.unavailable(name, str(error).splitlines()[0]) from error


def _classes(labels: pd.Series, source: str, name: str) -> np.ndarray:
    """Numbers of the classes."""
    if labels.isna().any():
        raise UserError(
            f"{source}: missing values in '{labels.name}' ({int(labels.isna().sum())}); fill "
            "them in or remove the rows (in a CSV file a class called NA, None or null reads as "
            "missing: rename it)"
        )
    known, codes = np.unique(labels.to_numpy(), return_inverse=True)
    if not 2 <= len(known) <= max(2, len(labels) // 2):
        raise UserError(
            f"{source}: '{labels.name}' has {len(known)} classes in {len(labels)} rows; allowed "
            f"are 2 to half the rows; mend datasets.{name}.target or datasets.{name}.task"
        )
    return codes


def _read(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": _read_csv,
        ".parquet": pd.read_parquet,
    }
    if path.suffix not in readers or path.is_dir():
        raise UserError(f"{path}: a data set is a file ending in {' or '.join(readers)}")
    try:
        return readers[path.suffix](path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; mend the data set's path") from error
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: cannot be read as {path.suffix[1:]} ({reason})") from error


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV file, its columns named as in the file: pandas would rename those named twice."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    if header.isna().any() or (header.str.strip() == "").any():
        number = 1 + int(np.argmax(header.isna() | (header.str.strip() == "")))
        raise UserError(f"{path}: column {number} has no name; name it or remove it")
    if header.duplicated().any():
        raise UserError(
            f"{path}: column {_list(header[header.duplicated()])} is named more than once; rename "
            "or remove one"
        )
    with warnings.catch_warnings():
        # Rows with more cells than there are names.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, index_col=False)
        except pd.errors.ParserWarning as error:
            raise UserError(
                f"{path}: rows have more cells than the first line has names; mend that line"
            ) from error


def _list(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _check_values(table: pd.DataFrame, source: str, name: str) -> None:
    """Refuse what cannot be standardised; nothing is imputed or dropped in silence."""
    text = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    if table.columns[-1] in text:
        raise UserError(
            f"{source}: the target '{table.columns[-1]}' is not numeric; encode it as numbers, or "
            f"set datasets.{name}.task: classification"
        )
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

    Images are divided by their largest grey level instead. A built-in data set loses columns that
    are constant on its training rows, and the log says how many.

    Parameters
    ----------
    settings : dict
        dataset, its task, path, target and features, rows (drawn at random; None for all),
        test_fraction and split_seed.

    Returns
    -------
    dict of str to ndarray
        The columns of the artifact: example (row number in the file), split, x of shape
        (rows, d), and y: in the unit of the file, or the number of the class.

    Raises
    ------
    UserError
        As `load`; and if a feature or the target is constant on the training rows, or of a size
        that single precision cannot hold, a class is not among them, or, in regression, there are
        no more of them than coefficients (features and intercept).
    """
    name = settings["dataset"]
    features, target = load(name, settings)
    order = seeds.generator(settings["split_seed"], "split").permutation(len(target))
    wanted = settings["rows"]
    if wanted is not None and wanted > len(order):
        raise UserError(
            f"datasets.{name}.rows: found {wanted}, but there are {len(order)} rows; allowed are "
            f"at most as many, or null for all"
        )
    order = order[:wanted]
    n_test = round(len(order) * settings["test_fraction"])
    kept = np.sort(order)
    test = np.isin(kept, order[:n_test])
    x, y = features.to_numpy(np.float64)[kept], target.to_numpy()[kept]
    classes = settings["task"] == "classification"
    _check_split(name, y, test, 1 if classes else x.shape[1] + 1)
    if classes and len(np.unique(y[~test])) <= target.max():
        raise UserError(
            f"datasets.{name}: a class has no training row; merge rare classes or draw more rows"
        )
    varies = np.ptp(x[~test], axis=0) > 0
    if name in _GREY_LEVELS and settings["path"] is None:
        varies[:] = True
        x /= _GREY_LEVELS[name]
    else:
        _check_constant(name, settings, features, varies)
        x = x[:, varies]
        with np.errstate(all="ignore"):
            x -= x[~test].mean(axis=0)
            x /= x[~test].std(axis=0)
        _check_scale(name, features.columns[varies], x)
    if not classes:
        _check_target(name, y[~test])
    return {
        "example": kept.astype(np.int32),
        "split": np.where(test, "test", "train"),
        "x": x.astype(np.float32),
        "y": y,
    }


def _check_split(name: str, y: np.ndarray, test: np.ndarray, coefficients: int) -> None:
    n_train, n_test = int((~test).sum()), int(test.sum())
    if n_test < 2 or n_train <= coefficients:
        raise UserError(
            f"datasets.{name}: {len(y)} rows give {n_train} training and {n_test} test rows; "
            f"allowed are at least 2 test rows and, in regression, more training rows than "
            f"features + 1; add rows or name fewer features"
        )
    if np.ptp(y[~test]) == 0:
        raise UserError(
            f"datasets.{name}: the target is constant on the training rows; mend "
            f"datasets.{name}.target"
        )


def _check_scale(name: str, columns: Any, x: np.ndarray) -> None:
    """Refuse values whose spread is beyond double precision, or whose scaled size is beyond single.

    The scale of a standardised column is 1.
    """
    bad = ~(np.abs(x) < np.finfo(np.float32).max).all(axis=0) | ~(np.abs(x) > 0).any(axis=0)
    if bad.any():
        raise UserError(
            f"datasets.{name}: column {_list(columns[bad])} is too large or too small to be "
            "standardised; rescale it"
        )


def _check_target(name: str, y: np.ndarray) -> None:
    """Refuse targets whose differences would be lost in predictions of single precision."""
    with np.errstate(all="ignore"):
        size, spread = np.abs(y).max(), y.std()
    if not (size < 1e30 and spread > 1e-15 and size < _OFFSET * spread):
        raise UserError(
            f"datasets.{name}: the target reaches {size:.3g} and has a standard deviation of "
            f"{spread:.3g} on the training rows; predictions are kept in single precision, so at "
            f"most {_OFFSET:.0e} standard deviations from zero, sizes below 1e30 and deviations "
            "above 1e-15 are allowed; subtract a constant from the target or rescale it"
        )


def _check_constant(
    name: str,
    settings: dict[str, Any],
    features: pd.DataFrame,
    varies: np.ndarray,
) -> None:
    """A user's constant column is refused, a built-in data set's is left out and counted."""
    constant = [c for c, v in zip(features, varies, strict=True) if not v]
    if not constant:
        return
    if settings["path"] is None:
        sys.stderr.write(
            f"{name}: {len(constant)} of {len(varies)} columns are constant on the training rows "
            "and left out\n"
        )
        return
    raise UserError(
        f"datasets.{name}: column {_list(constant)} is constant on the training rows; leave it "
        f"out of datasets.{name}.features"
    )
