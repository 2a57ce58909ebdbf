"""Figure: shares of the variance between studies, with split and teacher among the sources."""

from __future__ import annotations

from collections.abc import Mapping

from kduq.families import FAMILIES
from kduq.figures import decomposition, words
from kduq.figures.protocol import Drawn, FigureKind, estimates_of
from kduq.figures.settings import FigureSettings
from kduq.stage import Inputs


def _finding(shares: Mapping[decomposition.Run, Mapping[str, words.Number]]) -> str:
    """What a study on one split, with one teacher, sees of the variance, and what it does not."""
    sentences = []
    for family, of_family in decomposition.by_family(shares).items():
        parts = []
        for name, text in decomposition.NESTED_WORDS.items():
            term = f"{decomposition.NESTED}{name}"
            found = [
                (run.name, own[term].times(100)) for run, own in of_family.items() if term in own
            ]
            if found:
                parts.append(f"{words.spread(found, ' %')} {text}")
        if parts:
            sentences.append(
                f"Of the variance between studies ({FAMILIES[family].label}): {'; '.join(parts)}."
            )
    return " ".join(sentences)


_SUMS = decomposition.Sums(
    decomposition.NESTED,
    tuple(decomposition.NESTED_WORDS),
    "Between\n(in all 100 %)",
    "Between students of one teacher: what all other experiments but replication see of it.",
    _finding,
)


def _prepare(settings: FigureSettings, inputs: Inputs) -> Drawn:
    return decomposition.drawn(
        settings,
        inputs,
        "given the test rows. Split: training rows drawn anew, with replacement, with new noise. "
        "Teacher: its initial parameters.",
        _SUMS,
    )


FIGURE = FigureKind(
    "study_variance",
    "Where does the uncertainty of a whole study come from?",
    estimates_of("study_variance"),
    _prepare,
)
