"""Claim 2: networks turn noise into more inter-student variance than linear students."""

from collections.abc import Iterator

import numpy as np

from kduq.claims.contrasts import log_pair, worst_and_mean
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = float(np.log(evidence.margins["ratio_margin"]))
    linear = {r.key.dataset: r for r in evidence.tabular("teacher_noise", closed_form=True)}
    for run in evidence.tabular("teacher_noise", closed_form=False):
        alphas = run.grid("alpha")
        if alphas[0] != 0 or len(alphas) < 2:
            continue
        point, draws = run.curve("variance", [{"alpha": a} for a in alphas])
        used = run.take_used()
        growth = log_pair((point[-1:] / point[0], draws[:, -1:] / draws[:, :1]))
        yield HypothesisTest.resampled(
            (2, "4", "Inter-student variance of networks grows with the teacher's noise"),
            run.names,
            f"ratio of inter-student variance at alpha = {alphas[-1]:g} to alpha = 0",
            growth,
            "above",
            0.0,
            margin,
            used,
            ratio=True,
        )
        other = linear.get(run.key.dataset)
        if other is None:
            continue
        shared = [i for i, a in enumerate(alphas) if a > 0 and a in other.grid("alpha")]
        line = other.curve("variance", [{"alpha": alphas[i]} for i in shared])
        excess = log_pair(
            (
                (point[shared] - point[0]) / line[0],
                (draws[:, shared] - draws[:, :1]) / line[1],
            )
        )
        used += other.take_used()
        for words, part in worst_and_mean(excess, "least"):
            yield HypothesisTest.resampled(
                (
                    2,
                    "4",
                    "Noise adds more inter-student variance to networks than to linear students",
                ),
                run.names,
                f"{words} ratio, over alpha, of the excess over alpha = 0 to linear's variance",
                part,
                "above",
                0.0,
                margin,
                used,
                ratio=True,
            )
        other.release()


CLAIM = Claim(
    "networks_amplify",
    2,
    "4",
    ("teacher_noise",),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
    about=About(
        "Networks turn the teacher’s noise into more variance than linear students do",
        paper="networks amplify the teacher’s noise",
    ),
)
