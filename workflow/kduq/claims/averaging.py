"""Claim 3: averaging k responses divides the variance due to teacher noise by k."""

from collections.abc import Iterator

import numpy as np

from kduq import statistics
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    floors = {run.names: run for run in evidence.tabular("teacher_noise")}
    for run in evidence.tabular("variance_aware"):
        ks = np.array(run.grid("k"))
        floor_run = floors.get(run.names)
        if len(ks) < 2 or "averaging" not in run.grid("method"):
            continue
        floor, floor_draws, used = 0.0, np.zeros(1), 0
        if not run.family.closed_form:
            if floor_run is None or 0 not in floor_run.grid("alpha"):
                continue
            floor, floor_draws = floor_run.values("variance", alpha=0.0)
            used = floor_run.take_used()
            floor_run.release()
        for alpha in run.grid("alpha"):
            cells = [{"method": "averaging", "alpha": alpha, "k": k} for k in ks]
            point, draws = run.curve("variance", cells)
            slope = statistics.log_log_slope(ks, point - floor)
            slope_draws = statistics.log_log_slope(ks, draws - floor_draws[:, None])
            less = "" if run.family.closed_form else ", less the variance at alpha = 0,"
            yield HypothesisTest.resampled(
                3,
                "7",
                "Averaging k responses divides the variance due to teacher noise by k",
                *run.names,
                f"distance from -1 of the slope of log variance{less} on log k, alpha = {alpha:g}",
                np.array([slope]) + 1,
                slope_draws[:, None] + 1,
                evidence.margins["slope_margin"],
                run.take_used() + used,
                absolute=True,
            )


CLAIM = Claim(
    "averaging",
    3,
    "7",
    ("teacher_noise", "variance_aware"),
    _tests,
    {"slope_margin": Margin("A log-log slope this close to its theoretical value supports it.")},
)
