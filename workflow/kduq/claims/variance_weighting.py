"""Claim 4: variance weighting is no worse than averaging."""

from collections.abc import Iterator

import numpy as np

from kduq.claims.evidence import Evidence, log_pair
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    metrics = {"variance": "inter-student variance", "test_mse": "mean test MSE"}
    for run in evidence.tabular("variance_aware"):
        ks = [k for k in run.grid("k") if k >= 3]
        alphas, methods = run.grid("alpha"), run.grid("method")
        for method in ("variance_weighting", "variance_weighting_oracle"):
            if not ks or method not in methods or "averaging" not in methods:
                continue
            for metric, words in metrics.items():
                cells = [{"alpha": a, "k": k} for a in alphas for k in ks]
                weighted = log_pair(run.curve(metric, [{"method": method, **c} for c in cells]))
                average = log_pair(run.curve(metric, [{"method": "averaging", **c} for c in cells]))
                yield HypothesisTest.resampled(
                    4,
                    "7",
                    f"{method} is no worse than averaging at every k from 3 on",
                    *run.names,
                    f"largest ratio, over alpha and k, of {words} to averaging's",
                    weighted[0] - average[0],
                    weighted[1] - average[1],
                    float(np.log(evidence.margins["ratio_margin"])),
                    run.take_used(),
                    ratio=True,
                )


CLAIM = Claim(
    "variance_weighting",
    4,
    "7",
    ("variance_aware",),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
)
