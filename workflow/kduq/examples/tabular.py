"""Stage ``examples`` of tables: a data set, split and standardised."""

import sys
from typing import Any

import numpy as np
import pandas as pd

from kduq import seeds
from kduq.config.messages import listed
from kduq.data.datasets import DATASETS
from kduq.data.tables import load
from kduq.errors import UserError
from kduq.examples.settings import TabularSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "prepare", "run"]

#: Largest distance of a target from zero, in standard deviations. Rounding of predictions in single
#: precision then stays below a thousandth of a standard deviation.
_OFFSET = 1e4


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the examples; see `kduq.stage.Stage`."""
    del inputs
    outputs.write("examples", prepare(settings))


def prepare(settings: Settings) -> dict[str, np.ndarray]:
    """Split a data set and standardise its inputs on the training rows.

    Images are divided by their largest grey level instead. Columns of a built-in data set that are
    constant on its training rows are dropped, and the log says how many.

    Parameters
    ----------
    settings : Settings
        The data set, the task, and how it is split.

    Returns
    -------
    dict of str to ndarray
        The columns of the artifact: example (row number in the file), split, x of shape
        (rows, d), and y: in the unit of the file, or the number of the class.

    Raises
    ------
    UserError
        As `kduq.data.tables.load`. Also if a feature or the target is constant on the training rows
        or exceeds the range of single precision, if a class has no training row, or if a regression
        has no more training rows than coefficients (features and intercept).
    """
    name = settings.dataset
    features, target = load(name, settings)
    order = seeds.generator(settings.split_seed, "split").permutation(len(target))
    if settings.rows is not None and settings.rows > len(order):
        raise UserError(
            f"datasets.{name}.rows: found {settings.rows}, but there are {len(order)} rows; "
            f"allowed are at most as many, or null for all"
        )
    order = order[: settings.rows]
    n_test = round(len(order) * settings.test_fraction)
    rows = np.sort(order)
    test = np.isin(rows, order[:n_test])
    x, y = features.to_numpy(np.float64)[rows], target.to_numpy()[rows]
    classes = settings.task == "classification"
    _check_split(name, y, test, 1 if classes else x.shape[1] + 1)
    if classes and len(np.unique(y[~test])) <= target.max():
        raise UserError(
            f"datasets.{name}: a class has no training row; merge rare classes or draw more rows"
        )
    varies = np.ptp(x[~test], axis=0) > 0
    largest = DATASETS[name].largest_grey_level if settings.path is None else None
    if largest is not None:
        varies[:] = True
        x /= largest
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
        "example": rows.astype(np.int32),
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
            f"datasets.{name}: the target is constant on the training rows; correct "
            f"datasets.{name}.target"
        )


def _check_scale(name: str, columns: Any, x: np.ndarray) -> None:
    """Refuse columns whose spread exceeds double precision or whose scaled values exceed single.

    The standard deviation of a standardised column is 1.
    """
    bad = ~(np.abs(x) < np.finfo(np.float32).max).all(axis=0) | ~(np.abs(x) > 0).any(axis=0)
    if bad.any():
        raise UserError(
            f"datasets.{name}: column {listed(columns[bad])} is too large or too small to be "
            "standardised; rescale it"
        )


def _check_target(name: str, y: np.ndarray) -> None:
    """Refuse targets whose differences would be lost in single precision."""
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
    settings: Settings,
    features: pd.DataFrame,
    varies: np.ndarray,
) -> None:
    """Refuse a constant column of the user; log the number dropped from a built-in data set."""
    constant = [c for c, v in zip(features, varies, strict=True) if not v]
    if not constant:
        return
    if settings.path is None:
        sys.stderr.write(
            f"{name}: {len(constant)} of {len(varies)} columns are constant on the training rows "
            "and left out\n"
        )
        return
    raise UserError(
        f"datasets.{name}: column {listed(constant)} is constant on the training rows; leave it "
        f"out of datasets.{name}.features"
    )
