"""Where figures stand in Snakemake's own report."""

import re

from kduq.claims import CLAIMS
from kduq.figures import FIGURES

#: Categories are in the order of their names: this one comes first.
REPORT = "Answers and verdicts"
OTHERS = "Further figures"


def category(figure: str) -> str:
    """The claim that a figure is about.

    Parameters
    ----------
    figure : str
        Name of a figure.

    Returns
    -------
    str
        The claim's number and title; `OTHERS` for a figure of no claim.
    """
    own = re.fullmatch(r"claim_(\d+)", figure)
    for claim in CLAIMS.values():
        about = claim.about
        if about and (figure in about.figures or (own and claim.number == int(own[1]))):
            return f"Claim {claim.number:02d}: {about.title}"
    return OTHERS


def question(figure: str) -> str:
    """The question that a figure answers; its name if it is not registered."""
    return FIGURES[figure].question if figure in FIGURES else figure
