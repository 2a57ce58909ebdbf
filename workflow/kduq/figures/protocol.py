"""The interface of a figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kduq.figures.settings import FigureSettings
    from kduq.stage import Inputs
    from kduq.study.study import Study

#: The project's own style.
STYLE = Path(__file__).with_name("kduq.mplstyle")


@dataclass(frozen=True)
class Drawn:
    """A figure that is ready to be drawn.

    Attributes
    ----------
    draw : callable
        Returns the figure; called in the project's style.
    note : str
        One or two lines below it that explain its error bars.
    finding : str
        What is seen, in one to three sentences that are generated from the numbers.
    """

    draw: Callable[[], Figure]
    note: str
    finding: str = ""


@dataclass(frozen=True)
class FigureKind:
    """A figure, what it is drawn from, and how.

    Attributes
    ----------
    name : str
        Name of its files.
    question : str
        The question that it answers.
    sources : callable
        Returns the artifacts from which it is drawn, by role, for a study; empty if the study has
        nothing to draw.
    prepare : callable
        Reads the sources and returns a `Drawn`. matplotlib is imported when it is called.
    uses_sample_size : bool
        Whether the settings of the sample size change it.
    uses_margins : bool
        Whether the margins of the claims change it.
    in_report : bool
        Whether the report shows it.

    Examples
    --------
    A figure of the mean test error at each noise level:

    >>> def sources(study):
    ...     runs = study.runs_of("teacher_noise", lane="tabular")
    ...     return {"estimates": [run.estimates for run in runs]} if runs else {}
    >>> def prepare(settings, inputs):
    ...     table = inputs.read_all("estimates").table.to_pandas()
    ...     rows = table[table["metric"] == "test_mse_mean"]
    ...     return Drawn(lambda: rows.plot("alpha", "estimate").figure, "No intervals.")
    >>> kind = FigureKind("errors", "Do errors grow with the noise?", sources, prepare)
    >>> kind.module == kind.prepare.__module__
    True
    """

    name: str
    question: str
    sources: Callable[[Study], dict[str, list[str]]]
    prepare: Callable[[FigureSettings, Inputs], Drawn]
    uses_sample_size: bool = False
    uses_margins: bool = False
    in_report: bool = True

    @property
    def module(self) -> str:
        """Dotted name of the module that draws it, for fingerprints."""
        return self.prepare.__module__


def estimates_of(
    *experiments: str, lane: str | None = None
) -> Callable[[Study], dict[str, list[str]]]:
    """The sources of a figure that is drawn from the estimates of some experiments alone."""

    def sources(study: Study) -> dict[str, list[str]]:
        runs = study.runs_of(*experiments, lane=lane)
        return {"estimates": [run.estimates for run in runs]} if runs else {}

    return sources
