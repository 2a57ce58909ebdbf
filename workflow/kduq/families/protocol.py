"""The interface of a family of models, and the data that it exchanges with the stages.

A model trains students; a teacher is a student that learns the truth. A family tells the rest of
the library about a kind of model: its settings, the cost of a student, and where its classes are.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np

from kduq.config.fields import StrictModel


class ModelSettings(StrictModel):
    """A model's table of the configuration; a family narrows `family` to its name and adds keys."""

    family: str
    """Name of the family."""

    @property
    def has_distribution(self) -> bool:
        """Whether a student predicts a distribution of its target, instead of one number."""
        return False

    def alone(self) -> Self:
        """The same settings without shared initial parameters and without a record of training."""
        return self


@dataclass(frozen=True)
class Workload:
    """Size of the data that one student learns and predicts.

    Attributes
    ----------
    rows : int
        Training rows.
    columns : int
        Inputs, including the intercept.
    predicted : int
        Numbers that a student predicts.
    prompts, draws : int
        For language models: evaluated prompts, and answers per prompt.
    """

    rows: int
    columns: int
    predicted: int
    prompts: int
    draws: int


@dataclass(frozen=True)
class Problem:
    """A learning problem: inputs of both splits and the truth of the training rows.

    The target of a row is one number in regression, and C numbers, one-hot or probabilities, in
    classification. "..." below means no further axis, or one of length C.

    Attributes
    ----------
    train_x : ndarray of shape (n, d)
        Standardised inputs of the training rows.
    test_x : ndarray of shape (m, d)
        Inputs of the test rows, scaled like those of the training rows.
    train_y : ndarray of shape (n, ...)
        True targets of the training rows, in the unit of the data.
    """

    train_x: np.ndarray
    test_x: np.ndarray
    train_y: np.ndarray


@dataclass(frozen=True)
class Batch:
    """The B students of an ensemble, which are trained at once.

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
        Number of the response that a pilot student is trained on; None for students that are not
        pilots. Each pilot has its own initial parameters.
    initial_seeds : ndarray of shape (B,), optional
        Seed of each student's initial parameters, which several share; None if each student's own
        are those of its replicate.
    label_variance : ndarray of shape (B, n), optional
        Mean squared distance of the responses to a row from their mean, which is its label, where
        a student with a predictive distribution learns all of them; None for one label per row.
    """

    labels: np.ndarray
    seeds: np.ndarray
    counts: np.ndarray | None = None
    init_noise: float | None = None
    pilot: int | None = None
    initial_seeds: np.ndarray | None = None
    label_variance: np.ndarray | None = None


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
        Whether the sample did not determine all parameters; None for a family without rank.
    distance_before, distance_after : ndarray of shape (B,), optional
        Half the mean squared difference between the parameters of a student and of its partner
        (students 2i and 2i + 1), before and after training; None for a family without partners.
    trajectory : ndarray of shape (B, T), optional
        One weight along training; None if it was not recorded.
    predictive_variance : ndarray of shape (B, m), optional
        Variances of the predictive distributions on the test rows, whose means are the
        predictions, in squared units of the data; None for students that predict one number.
    """

    train_prediction: np.ndarray
    test_prediction: np.ndarray
    rank_deficient: np.ndarray | None = None
    distance_before: np.ndarray | None = None
    distance_after: np.ndarray | None = None
    trajectory: np.ndarray | None = None
    predictive_variance: np.ndarray | None = None


class Model(Protocol):
    """How a family trains students on tables.

    Examples
    --------
    Students that predict the mean of their labels, whatever the inputs:

    >>> from kduq.families.protocol import Batch, Model, ModelSettings, Problem, Trained
    >>> class Mean(Model):
    ...     ensemble = 2
    ...     def __init__(self, problem: Problem, settings: ModelSettings) -> None:
    ...         self.rows = len(problem.train_x), len(problem.test_x)
    ...     def fit(self, batch: Batch) -> Trained:
    ...         mean = batch.labels.mean(axis=1, keepdims=True)
    ...         return Trained(*(np.repeat(mean, rows, axis=1) for rows in self.rows))
    >>> problem = Problem(np.zeros((4, 1)), np.zeros((2, 1)), np.arange(4.0))
    >>> model = Mean(problem, ModelSettings(family="mean"))
    >>> labels = np.stack([problem.train_y, -problem.train_y])
    >>> model.fit(Batch(labels, seeds=np.arange(2))).test_prediction.tolist()
    [[1.5, 1.5], [-1.5, -1.5]]
    """

    #: Students that are trained at once, an even number. An ensemble starts at a multiple of this
    #: number and is padded to it, so that the bits of a student do not depend on its neighbours.
    ensemble: int

    def __init__(self, problem: Problem, settings: ModelSettings) -> None: ...

    def fit(self, batch: Batch) -> Trained:
        """Train students.

        Parameters
        ----------
        batch : Batch
            `ensemble` students, or two for a teacher.

        Returns
        -------
        Trained
            The students in the order of the batch.
        """
        ...

    @classmethod
    def theoretical_variance(
        cls,
        problem: Problem,  # noqa: ARG003
        method: str | None,  # noqa: ARG003
        noise_variance: float,  # noqa: ARG003
        k: int,  # noqa: ARG003
    ) -> float | None:
        """Inter-student variance in closed form, averaged over test rows.

        Parameters
        ----------
        problem : Problem
            Inputs of both splits.
        method : str, optional
            How the k responses are combined.
        noise_variance : float
            Variance of the noise of one response.
        k : int
            Responses per input.

        Returns
        -------
        float, optional
            None if the model has no closed form.
        """
        return None


@dataclass(frozen=True)
class Family:
    """A kind of model.

    Attributes
    ----------
    name : str
        Name in the configuration and in paths.
    label : str
        Name in figures and pages.
    lane : {"tabular", "text"}
        Lane of the stages that train it.
    settings : type of ModelSettings
        Its keys in the configuration.
    models : mapping of str to str
        By task, ``module:Class`` of its model, which is imported on first use; in the text lane,
        whose stages import the model, ``module`` alone.
    seconds : callable
        Returns the seconds per student on one core, from settings and a `Workload`.
    sizes : tuple of int
        Possible numbers of replicates per shard, ascending. Round sizes divide most numbers of
        replicates. Students that are compared in pairs need even sizes. If replicates are added,
        at most one shard is trained again.
    factors : tuple of str
        Factors of randomness of a factorial design: ``split``, ``teacher`` (unless its training is
        not random), ``noise``, ``initialisation``, ``bootstrap``, ``decoding``.
    colour, marker : str
        Colour and marker in figures.
    closed_form : bool
        Whether theory predicts its inter-student variance.
    has_distribution : bool
        Whether its students of a regression can predict a distribution, by their settings; see
        `ModelSettings.has_distribution`.

    Examples
    --------
    A family whose settings have one key of their own:

    >>> from typing import Literal
    >>> from kduq.families.protocol import Family, ModelSettings, Workload
    >>> class TreeSettings(ModelSettings):
    ...     family: Literal["tree"]
    ...     depth: int = 3
    >>> def seconds(settings: TreeSettings, workload: Workload) -> float:
    ...     return 1e-7 * settings.depth * workload.rows * workload.columns
    >>> tree = Family("tree", "regression tree", "tabular", TreeSettings,
    ...               {"regression": "trees:Tree"}, seconds, (2, 10, 100),
    ...               ("noise", "bootstrap"), "#CC79A7", "v")
    >>> tree.tasks, tree.has_initialisation
    (('regression',), False)
    """

    name: str
    label: str
    lane: Literal["tabular", "text"]
    settings: type[ModelSettings]
    models: Mapping[str, str]
    seconds: Callable[[Any, Workload], float]
    sizes: tuple[int, ...]
    factors: tuple[str, ...]
    colour: str
    marker: str
    closed_form: bool = False
    has_distribution: bool = False

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks for which it has a model."""
        return tuple(self.models)

    @property
    def has_initialisation(self) -> bool:
        """Whether its students start from random parameters."""
        return "initialisation" in self.factors

    def model(self, task: str) -> type[Model]:
        """Class of its model.

        Parameters
        ----------
        task : str
            One of `tasks`.

        Returns
        -------
        type of Model
            Imported on first use, so that least squares does not import torch.
        """
        module, _, name = self.models[task].partition(":")
        return getattr(importlib.import_module(module), name)

    def modules(self, task: str) -> tuple[str, ...]:
        """Dotted names of the modules that its students of a task depend on, for fingerprints.

        That of its settings, which also names the model's class, and that of the model.
        """
        names = (self.settings.__module__, self.models[task].partition(":")[0])
        return tuple(dict.fromkeys(names))
