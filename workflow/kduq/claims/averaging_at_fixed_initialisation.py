"""Claim 13: averaging k responses divides what noise does at fixed initial parameters by k."""

from collections.abc import Iterator

import numpy as np

from kduq.claims.contrasts import excess_by_k
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = evidence.margins["ratio_margin"] - 1
    name = "variance_given_initialisation"
    for run in evidence.tabular("fixed_initialisation"):
        ks = [k for k in run.grid("k") if k > 1]
        for alpha in run.grid("alpha"):
            single = run.values(name, method="single", alpha=alpha, k=1)
            averaged = [run.values(name, method="averaging", alpha=alpha, k=k) for k in ks]
            yield HypothesisTest.resampled(
                (13, "7", "Averaging divides the variance given the initial parameters by k"),
                run.names,
                "k times the variance given the initial parameters, over that of one response, "
                f"alpha = {alpha:g}",
                # Without noise, students with the same initial parameters are equal.
                excess_by_k(ks, averaged, single, (0.0, np.zeros(1))),
                "equal",
                1.0,
                margin,
                run.take_used(),
            )


CLAIM = Claim(
    "averaging_at_fixed_initialisation",
    13,
    "7",
    ("fixed_initialisation",),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
    about=About(
        "Averaging k responses divides the variance between students that start equal by k",
        paper="noise falls as 1/k",
    ),
)
