"""Stage ``teacher``: one model a data set, trained on the truth."""

from typing import Any

import numpy as np

from kduq import families, seeds

#: Column of the teacher's table that holds what it says, by task.
ANSWERS = {"regression": "prediction", "classification": "probabilities"}


def targets(task: str, y: np.ndarray) -> np.ndarray:
    """Targets as models see them.

    Parameters
    ----------
    task : str
        regression or classification.
    y : ndarray of shape (rows,)
        Column of the examples.

    Returns
    -------
    ndarray of shape (rows,) or (rows, C)
        The numbers as they are, or one-hot rows over the C classes.
    """
    if task == "regression":
        return y
    return np.eye(int(y.max()) + 1)[y.astype(np.intp)]


def problem(
    task: str, split: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[families.Problem, np.ndarray]:
    """The problem in a table of examples.

    Parameters
    ----------
    task : str
        regression or classification.
    split : ndarray of shape (rows,)
        ``train`` or ``test``.
    x : ndarray of shape (rows, d)
        Standardised inputs.
    y : ndarray of shape (rows,)
        Targets, or numbers of classes.

    Returns
    -------
    problem : Problem
        Rows in the order of the table.
    test_y : ndarray of shape (m, ...)
        Targets of the test rows.
    """
    train = split == "train"
    y = targets(task, y)
    return families.Problem(x[train], x[~train], y[train]), y[~train]


def fit(settings: dict[str, Any], split: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Train a teacher on the true targets of the training rows.

    Parameters
    ----------
    settings : dict
        teacher, dataset, task, family, model (the family's settings) and seed.
    split, x, y : ndarray
        Columns of the examples, as in `problem`.

    Returns
    -------
    ndarray of shape (rows,) or (rows, C)
        The teacher's mean prediction for every example, in the unit of the data; or its class
        probabilities.
    """
    data, _ = problem(settings["task"], split, x, y)
    model = families.family(settings["family"], settings["task"])(data, settings["model"])
    seed = seeds.replicate_seed(
        settings["seed"], ("teachers", settings["teacher"], settings["dataset"]), 0
    )
    # A pair, the least that a family trains; both come out alike.
    labels = np.broadcast_to(data.train_y, (2, *data.train_y.shape))
    trained = model.train(families.Batch(labels, np.full(2, seed)))
    prediction = np.empty((len(split), *data.train_y.shape[1:]))
    prediction[split == "train"] = trained.train_prediction[0]
    prediction[split != "train"] = trained.test_prediction[0]
    return prediction
