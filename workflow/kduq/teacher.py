"""Stage ``teacher``: one model a data set, trained on the truth."""

from typing import Any

import numpy as np

from kduq import families, seeds


def problem(split: np.ndarray, x: np.ndarray, y: np.ndarray) -> families.Problem:
    """The regression problem in a table of examples.

    Parameters
    ----------
    split : ndarray of shape (rows,)
        ``train`` or ``test``.
    x : ndarray of shape (rows, d)
        Standardised inputs.
    y : ndarray of shape (rows,)
        Targets.

    Returns
    -------
    Problem
        Rows in the order of the table.
    """
    train = split == "train"
    return families.Problem(x[train], x[~train], y[train])


def fit(settings: dict[str, Any], split: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Train a teacher on the true targets of the training rows.

    Parameters
    ----------
    settings : dict
        teacher, dataset, family, model (the family's settings) and seed.
    split, x, y : ndarray
        Columns of the examples, as in `problem`.

    Returns
    -------
    ndarray of shape (rows,)
        The teacher's mean prediction for every example, in the unit of the data.
    """
    data = problem(split, x, y)
    model = families.family(settings["family"])(data, settings["model"])
    seed = seeds.replicate_seed(
        settings["seed"], ("teachers", settings["teacher"], settings["dataset"]), 0
    )
    batch = families.Batch(np.tile(data.train_y, (model.chunk, 1)), np.full(model.chunk, seed))
    trained = model.train(batch)
    prediction = np.empty(len(split))
    prediction[split == "train"] = trained.train_prediction[0]
    prediction[split != "train"] = trained.test_prediction[0]
    return prediction
