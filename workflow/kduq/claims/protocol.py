"""The interface of a claim."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kduq.claims.evidence import Evidence
    from kduq.claims.hypothesis import HypothesisTest


@dataclass(frozen=True)
class Margin:
    """A margin of practical equivalence, a key of the configuration's table claims.

    Attributes
    ----------
    description : str
        Meaning of the margin.
    above : float
        Exclusive lower limit of its value.
    below : float, optional
        Exclusive upper limit of its value; None for no limit.
    """

    description: str
    above: float = 0.0
    below: float | None = None


@dataclass(frozen=True)
class About:
    """What a reader of the report is told about a claim.

    Attributes
    ----------
    title : str
        The claim in plain words.
    paper : str
        What the paper says: its number, where it has one, otherwise its sentence.
    advice : str
        What to do if the claim holds; empty for nothing.
    figures : tuple of str
        Names of the figures that show it.
    """

    title: str
    paper: str = ""
    advice: str = ""
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and how it is tested.

    Attributes
    ----------
    name : str
        Name in the registry.
    number : int
        Number in the table of verdicts; several entries may share one.
    section : str
        Section of the paper.
    experiments : tuple of str
        Experiments whose runs are its evidence.
    tests : callable
        Yields the tests for which a study has evidence.
    margins : mapping of str to Margin
        Margins by their key in the configuration.
    about : About, optional
        What a reader is told; of the entries that share a number one has it. Without it the report
        shows the statement of the first test.

    Examples
    --------
    A claim that averages are below one, tested on the estimates of a run:

    >>> import numpy as np
    >>> from kduq.claims.hypothesis import HypothesisTest
    >>> def tests(evidence):
    ...     for run in evidence.tabular("teacher_noise"):
    ...         mse = run.metric("test_mse_mean", "alpha")
    ...         yield HypothesisTest(
    ...             99, "4", "Errors stay below one", *run.names, "largest mean test MSE",
    ...             np.array([max(mse.values())]), np.zeros(1), 1.0, run.take_used()
    ...         )
    >>> claim = Claim("errors_below_one", 99, "4", ("teacher_noise",), tests)
    >>> claim.margins
    {}
    """

    name: str
    number: int
    section: str
    experiments: tuple[str, ...]
    tests: "Callable[[Evidence], Iterator[HypothesisTest]]"
    margins: Mapping[str, Margin] = field(default_factory=dict)
    about: About | None = None
