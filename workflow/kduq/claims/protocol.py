"""What a claim says of itself."""

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
        What lies within it.
    above : float
        Its value is larger.
    below : float, optional
        Its value is smaller; None for no limit.
    """

    description: str
    above: float = 0.0
    below: float | None = None


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and how it is tested.

    Attributes
    ----------
    name : str
        In the registry.
    number : int
        In the table of verdicts; several may share one.
    section : str
        Of the paper.
    experiments : tuple of str
        Whose runs are its evidence.
    tests : callable
        Gives the tests that a study has evidence for.
    margins : mapping of str to Margin
        By key of the configuration.

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
