"""Further splits of a table of examples, each as large as that of the table."""

import numpy as np

from kduq import seeds
from kduq.errors import UserError


def test_rows(split: np.ndarray, seed: int) -> np.ndarray:
    """Draw the test rows of a further split.

    Parameters
    ----------
    split : ndarray of shape (rows,)
        Column of the examples, ``train`` or ``test``; the new split has as many rows of each.
    seed : int
        Seed of the split.

    Returns
    -------
    ndarray of bool of shape (rows,)
        Whether a row is a test row.
    """
    order = seeds.generator(seed, "split").permutation(len(split))
    test = np.zeros(len(split), dtype=bool)
    test[order[: int((split == "test").sum())]] = True
    return test


def rescaled(x: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Standardise inputs on the training rows of a split.

    Parameters
    ----------
    x : ndarray of shape (rows, d)
        Inputs of the examples, on any scale.
    test : ndarray of bool of shape (rows,)
        Test rows of the split.

    Returns
    -------
    ndarray of float32 of shape (rows, d')
        Without the columns that are constant on the training rows.
    """
    wide = x.astype(np.float64)
    wide = wide[:, np.ptp(wide[~test], axis=0) > 0]
    wide -= wide[~test].mean(axis=0)
    return (wide / wide[~test].std(axis=0)).astype(np.float32)


def check(dataset: str, task: str, y: np.ndarray, test: np.ndarray, number: int) -> None:
    """Refuse a split from which nothing can be learnt.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    task : str
        regression or classification.
    y : ndarray of shape (rows,)
        Targets, or numbers of classes.
    test : ndarray of bool of shape (rows,)
        Test rows of the split.
    number : int
        Number of the split.

    Raises
    ------
    UserError
        If a class has no training row, or the target is constant on the training rows.
    """
    found = np.unique(y[~test])
    if task == "classification" and len(found) < len(np.unique(y)):
        raise UserError(
            f"datasets.{dataset}: a class has no training row on split {number}; merge rare "
            "classes or draw more rows"
        )
    if len(found) < 2:
        raise UserError(
            f"datasets.{dataset}: the target is constant on the training rows of split {number}; "
            "draw more rows"
        )
