"""Families of models. A family says how to train teacher and students and how to predict."""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

#: Module and class of each family, by task. Only this table picks a family; nothing else branches
#: on its name.
FAMILIES = {
    "regression": {"linear": ("linear", "Linear"), "mlp": ("mlp", "Mlp")},
    "classification": {"softmax": ("classifier", "Softmax"), "mlp": ("classifier", "Mlp")},
}


@dataclass(frozen=True)
class Problem:
    """A problem to learn: inputs of both splits and the truth of the training rows.

    A row's target is a number in regression, and C numbers, one-hot or probabilities, in
    classification; "..." below stands for nothing or for C.

    Attributes
    ----------
    train_x : ndarray of shape (n, d)
        Standardised inputs of the training rows.
    test_x : ndarray of shape (m, d)
        Inputs of the test rows, scaled alike.
    train_y : ndarray of shape (n, ...)
        True targets of the training rows, in the unit of the data.
    """

    train_x: np.ndarray
    test_x: np.ndarray
    train_y: np.ndarray


@dataclass(frozen=True)
class Batch:
    """What distinguishes the B students of one chunk.

    Attributes
    ----------
    labels : ndarray of shape (B, n, ...)
        Training labels, in the unit of the data.
    seeds : ndarray of shape (B,)
        Seed of each student's replicate.
    counts : ndarray of shape (B, n), optional
        How often each training row is in each student's bootstrap sample; None for once each.
    init_noise : float, optional
        Scale s of the noise on the initial parameters; None for none.
    pilot : int, optional
        Number of the response that a pilot student is trained on; None for a student proper. A
        pilot's initial parameters are its own.
    """

    labels: np.ndarray
    seeds: np.ndarray
    counts: np.ndarray | None = None
    init_noise: float | None = None
    pilot: int | None = None


@dataclass(frozen=True)
class Trained:
    """B trained students.

    Attributes
    ----------
    train_prediction : ndarray of shape (B, n, ...)
        Predictions on the training rows, in the unit of the data.
    test_prediction : ndarray of shape (B, m, ...)
        Predictions on the test rows.
    rank_deficient : ndarray of shape (B,), optional
        Whether the sample left some parameter undetermined; None where the family has no rank.
    distance_before, distance_after : ndarray of shape (B,), optional
        Half the mean squared difference between the parameters of a student and of its partner
        (students 2i and 2i + 1), before and after training; None where there are no partners.
    trajectory : ndarray of shape (B, T), optional
        One weight along training; None where none was recorded.
    """

    train_prediction: np.ndarray
    test_prediction: np.ndarray
    rank_deficient: np.ndarray | None = None
    distance_before: np.ndarray | None = None
    distance_after: np.ndarray | None = None
    trajectory: np.ndarray | None = None


class Family(Protocol):
    """How a family fits its students; a teacher is a student that is trained on the truth."""

    #: Students in a chunk. Chunks are padded to this width and start at its multiples, so that a
    #: student's bits do not depend on who else is computed with it.
    chunk: int

    def __init__(self, problem: Problem, settings: dict[str, Any]) -> None: ...

    def train(self, batch: Batch) -> Trained:
        """Train the students of one chunk: `chunk` of them, or two for a teacher."""
        ...

    @classmethod
    def theory_inter_student_variance(
        cls, problem: Problem, method: str, noise_variance: float, k: int
    ) -> float | None:
        """Closed-form inter-student variance, None where there is no closed form."""
        ...


def module(name: str, task: str) -> str:
    """Dotted name of the module of a family, for fingerprints."""
    return f"{__name__}.{FAMILIES[task][name][0]}"


def family(name: str, task: str) -> type[Family]:
    """Class of a family; its module is imported only now, so that linear runs need no torch."""
    return getattr(importlib.import_module(module(name, task)), FAMILIES[task][name][1])
