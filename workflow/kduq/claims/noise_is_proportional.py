"""Claim 1: inter-student variance of linear students is proportional to the noise.

Both rows are checks: least squares gives no other result, so they test our code.
"""

from collections.abc import Iterator

import numpy as np

from kduq import statistics
from kduq.claims.contrasts import log_pair
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    statement = "Inter-student variance of linear students is proportional to the teacher's noise"
    for run in evidence.tabular("teacher_noise", closed_form=True):
        alphas = np.array([a for a in run.grid("alpha") if a > 0])
        if len(alphas) < 2:
            continue
        point, draws = run.curve("variance", [{"alpha": a} for a in alphas])
        theory = run.metric("theory_inter_student_variance", "alpha")
        exact = np.array([theory[a] for a in alphas])
        slope = (
            np.array([statistics.log_log_slope(alphas, point)]),
            statistics.log_log_slope(alphas, draws)[:, None],
        )
        used = run.take_used()
        yield HypothesisTest.resampled(
            (1, "4", statement),
            run.names,
            "slope of log variance on log alpha",
            slope,
            "equal",
            1.0,
            evidence.margins["slope_margin"],
            used,
            kind="check",
        )
        # On common random numbers the ratio is the same for every alpha, so one is tested.
        yield HypothesisTest.resampled(
            (1, "4", statement),
            run.names,
            "ratio to the closed form s² mean diag Z(X'X)⁻¹Z'",
            log_pair((point[-1:] / exact[-1:], draws[:, -1:] / exact[-1])),
            "equal",
            0.0,
            float(np.log(evidence.margins["ratio_margin"])),
            used,
            ratio=True,
            kind="check",
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
    about=About(
        "The variance between linear students is proportional to the teacher’s noise",
        paper="exactly proportional, by theory",
        figures=("teacher_noise",),
    ),
)
