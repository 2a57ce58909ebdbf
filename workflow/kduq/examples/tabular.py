"""Stage ``examples`` of tables: a data set, split and standardised."""

import sys
from collections.abc import Iterator
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

    Images are divided by their largest grey level instead. The log says which features of a user's
    table are used where its settings do not. Columns of a built-in data set that are
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
        As `kduq.data.tables.load`, and with one line for each fault that it found. Also if a
        feature or the target is constant on the training rows or exceeds the range of single
        precision, if a class has no training row, or if a regression has no more training rows than
        coefficients (features and intercept).
    """
    name = settings.dataset
    loaded = load(name, settings)
    for note in loaded.notes:
        sys.stderr.write(f"{note}\n")
    features, faults = loaded.features, list(loaded.faults)
    count = len(features)
    order = seeds.generator(settings.split_seed, "split").permutation(count)
    if settings.rows is not None and settings.rows > count:
        faults.append(
            f"datasets.{name}.rows: found {settings.rows}, but there are {count} rows; "
            f"allowed are at most as many, or null for all"
        )
    order = order[: settings.rows]
    n_test = round(len(order) * settings.test_fraction)
    rows = np.sort(order)
    test = np.isin(rows, order[:n_test])
    x = features.to_numpy(np.float64, na_value=np.nan)[rows]
    classes = settings.task == "classification"
    faults += _split_faults(name, test, 1 if classes else x.shape[1] + 1)
    if faults and not (~test).any():
        raise UserError("\n".join(faults))
    if loaded.target is not None:
        number = int(loaded.target.max()) + 1 if classes else None
        faults += _target_faults(name, loaded.target.to_numpy()[rows], test, number)
    varies = np.ptp(x[~test], axis=0) > 0
    largest = DATASETS[name].largest_grey_level if settings.path is None else None
    if largest is not None:
        varies[:] = True
        x /= largest
    else:
        faults += _constant_faults(name, settings, features, varies)
        x = x[:, varies]
        with np.errstate(all="ignore"):
            x -= x[~test].mean(axis=0)
            x /= x[~test].std(axis=0)
        faults += _scale_faults(name, features.columns[varies], x)
    if faults or loaded.target is None:
        raise UserError("\n".join(faults))
    return {
        "example": rows.astype(np.int32),
        "split": np.where(test, "test", "train"),
        "x": x.astype(np.float32),
        "y": loaded.target.to_numpy()[rows],
    }


def _split_faults(name: str, test: np.ndarray, coefficients: int) -> Iterator[str]:
    n_train, n_test = int((~test).sum()), int(test.sum())
    if n_test < 2 or n_train <= coefficients:
        yield (
            f"datasets.{name}: {len(test)} rows give {n_train} training and {n_test} test rows; "
            f"allowed are at least 2 test rows and, in regression, more training rows than "
            f"features + 1; add rows, name fewer features or change datasets.{name}.test_fraction"
        )


def _target_faults(
    name: str, y: np.ndarray, test: np.ndarray, classes: int | None
) -> Iterator[str]:
    """Targets that vary too little, or whose differences would be lost in single precision."""
    if np.ptp(y[~test]) == 0:
        yield (
            f"datasets.{name}: the target is constant on the training rows; correct "
            f"datasets.{name}.target"
        )
    elif classes is not None:
        if len(np.unique(y[~test])) < classes:
            yield (
                f"datasets.{name}: a class has no training row; merge rare classes or draw more "
                "rows"
            )
    else:
        with np.errstate(all="ignore"):
            size, spread = np.abs(y[~test]).max(), y[~test].std()
        if not (size < 1e30 and spread > 1e-15 and size < _OFFSET * spread):
            yield (
                f"datasets.{name}: the target reaches {size:.3g} and has a standard deviation of "
                f"{spread:.3g} on the training rows; predictions are kept in single precision, so "
                f"at most {_OFFSET:.0e} standard deviations from zero, sizes below 1e30 and "
                "deviations above 1e-15 are allowed; subtract a constant from the target or "
                "rescale it"
            )


def _scale_faults(name: str, columns: Any, x: np.ndarray) -> Iterator[str]:
    """Columns whose spread exceeds double precision or whose scaled values exceed single.

    The standard deviation of a standardised column is 1.
    """
    bad = ~(np.abs(x) < np.finfo(np.float32).max).all(axis=0) | ~(np.abs(x) > 0).any(axis=0)
    if bad.any():
        yield (
            f"datasets.{name}: column {listed(columns[bad])} is too large or too small to be "
            "standardised; rescale it"
        )


def _constant_faults(
    name: str,
    settings: Settings,
    features: pd.DataFrame,
    varies: np.ndarray,
) -> Iterator[str]:
    """A constant column of the user; the log has the number dropped from a built-in data set."""
    constant = [c for c, v in zip(features, varies, strict=True) if not v]
    if constant and settings.path is None:
        sys.stderr.write(
            f"{name}: {len(constant)} of {len(varies)} columns are constant on the training rows "
            "and left out\n"
        )
    elif constant:
        yield (
            f"datasets.{name}: column {listed(constant)} is constant on the training rows; leave "
            f"it out of datasets.{name}.features"
        )
