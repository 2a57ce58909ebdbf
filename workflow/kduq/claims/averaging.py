"""Claim 3: averaging k responses divides the variance due to teacher noise by k."""

from collections.abc import Iterator

import numpy as np

from kduq.claims.contrasts import excess_by_k
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = evidence.margins["ratio_margin"] - 1
    for run in evidence.tabular("variance_aware"):
        ks = [k for k in run.grid("k") if k > 1]
        if not ks or "averaging" not in run.grid("method"):
            continue
        without = 0.0, np.zeros(1)
        if not run.family.closed_form:
            if 0 not in run.grid("alpha"):
                continue
            # On the same replicates, so what noise does not cause cancels.
            without = run.values("variance", method="single", alpha=0.0, k=1)
        floor = run.take_used()
        for alpha in [a for a in run.grid("alpha") if a > 0]:
            single = run.values("variance", method="single", alpha=alpha, k=1)
            averaged = [run.values("variance", method="averaging", alpha=alpha, k=k) for k in ks]
            less = "" if run.family.closed_form else ", both less the variance at alpha = 0"
            yield HypothesisTest.resampled(
                (3, "7", "Averaging k responses divides the variance due to teacher noise by k"),
                run.names,
                f"k times the variance over that of one response{less}, alpha = {alpha:g}",
                excess_by_k(ks, averaged, single, without),
                "equal",
                1.0,
                margin,
                run.take_used() + floor,
                kind="check" if run.family.closed_form else "claim",
            )


CLAIM = Claim(
    "averaging",
    3,
    "7",
    ("variance_aware",),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
    about=About(
        "Averaging k responses divides the variance due to the teacher’s noise by k",
        paper="noise falls as 1/k",
        advice=(
            "Average the responses to each input: k of them leave about 1/k of the "
            "variance due to noise."
        ),
        figures=("student_output_responses",),
    ),
)
