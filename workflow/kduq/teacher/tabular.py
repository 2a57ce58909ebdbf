"""Stage ``teacher`` of tables: one model per data set, trained on the truth."""

import numpy as np

from kduq import seeds
from kduq.artifacts import Artifact
from kduq.families import FAMILIES
from kduq.families.protocol import Batch, Model, Problem, Trained
from kduq.stage import Inputs, Outputs
from kduq.teacher.settings import TabularSettings as Settings

__all__ = ["RESPONSE_COLUMNS", "Settings", "fit", "of_truth", "problem", "run"]

#: Column of the teacher's mean response, by task.
RESPONSE_COLUMNS = {"regression": "prediction", "classification": "probabilities"}


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the teacher's mean response to every example; see `kduq.stage.Stage`."""
    examples = inputs.read("examples")
    outputs.write(
        "teacher",
        {
            "example": examples.column("example"),
            "split": examples.column("split"),
            RESPONSE_COLUMNS[settings.task]: fit(settings, **arrays(examples)),
        },
    )


def targets(task: str, y: np.ndarray) -> np.ndarray:
    """Targets in the form that models learn.

    Parameters
    ----------
    task : str
        regression or classification.
    y : ndarray of shape (rows,)
        Column of the examples.

    Returns
    -------
    ndarray of shape (rows,) or (rows, C)
        The numbers, or one-hot rows over the C classes.
    """
    if task == "regression":
        return y
    return np.eye(int(y.max()) + 1)[y.astype(np.intp)]


def arrays(examples: Artifact) -> dict[str, np.ndarray]:
    """Columns of the examples that models use: split, x and y."""
    return examples.columns(("split", "x", "y"))


def problem(
    task: str, split: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[Problem, np.ndarray]:
    """The learning problem of a table of examples.

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
    return Problem(x[train], x[~train], y[train]), y[~train]


def fit(settings: Settings, split: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Train a teacher on the true targets of the training rows.

    Parameters
    ----------
    settings : Settings
        Settings of the teacher.
    split, x, y : ndarray
        Columns of the examples, as in `problem`.

    Returns
    -------
    ndarray of shape (rows,) or (rows, C)
        The teacher's mean prediction for every example, in the unit of the data, or its class
        probabilities.
    """
    data, _ = problem(settings.task, split, x, y)
    model = FAMILIES[settings.family].model(settings.task)(data, settings.model)
    trained = of_truth(model, data, seeds.replicate_seed(settings.seed, settings.path, 0))
    train = split == "train"
    prediction = np.empty((len(train), *data.train_y.shape[1:]))
    prediction[train] = trained.train_prediction[0]
    prediction[~train] = trained.test_prediction[0]
    return prediction


def of_truth(model: Model, data: Problem, seed: int) -> Trained:
    """Train one model on the truth.

    Parameters
    ----------
    model : Model
        Of the problem.
    data : Problem
        Its true targets are the labels.
    seed : int
        Seed of the model's initial parameters.

    Returns
    -------
    Trained
        The model twice: two equal students are the smallest ensemble that a family trains.
    """
    labels = np.broadcast_to(data.train_y, (2, *data.train_y.shape))
    return model.fit(Batch(labels, np.full(2, seed)))
