"""Claim 1: inter-student variance of linear students is proportional to the noise."""

from collections.abc import Iterator

import numpy as np

from kduq import statistics
from kduq.claims.evidence import Evidence, log_pair
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    statement = "Inter-student variance of linear students is proportional to the teacher's noise"
    for run in evidence.tabular("teacher_noise", closed_form=True):
        alphas = np.array([a for a in run.grid("alpha") if a > 0])
        if len(alphas) < 2:
            continue
        point, draws = run.curve("variance", [{"alpha": a} for a in alphas])
        theory = run.metric("theory_inter_student_variance", "alpha")
        exact = np.array([theory[a] for a in alphas])
        slope = statistics.log_log_slope(alphas, point), statistics.log_log_slope(alphas, draws)
        used = run.take_used()
        common = (1, "4", statement, *run.names)
        yield HypothesisTest.resampled(
            *common,
            "distance from 1 of the slope of log variance on log alpha",
            np.array([slope[0]]) - 1,
            slope[1][:, None] - 1,
            evidence.margins["slope_margin"],
            used,
            absolute=True,
        )
        # On common random numbers the ratio is the same for every alpha, so one is tested.
        ratio = log_pair((point[-1:] / exact[-1:], draws[:, -1:] / exact[-1]))
        yield HypothesisTest.resampled(
            *common,
            "ratio to the closed form s² mean diag Z(X'X)⁻¹Z', or its inverse if larger",
            *ratio,
            float(np.log(evidence.margins["ratio_margin"])),
            used,
            absolute=True,
            ratio=True,
        )


CLAIM = Claim(
    "noise_is_proportional",
    1,
    "4",
    ("teacher_noise",),
    _tests,
    {
        "slope_margin": Margin("A log-log slope this close to its theoretical value supports it."),
        "ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0),
    },
)
