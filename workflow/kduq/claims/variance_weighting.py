"""Claim 4: inverse-variance weighting is no worse than averaging, and than any other weight."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kduq.claims.contrasts import log_pair, worst_and_mean
from kduq.claims.evidence import Evidence, TabularRun
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin

_METRICS = {"variance": "inter-student variance", "test_mse": "mean test MSE"}


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = float(np.log(evidence.margins["ratio_margin"]))
    for run in evidence.tabular("variance_aware"):
        yield from _compared_with_averaging(run, margin)
        yield from _on_a_grid_of_weights(run, margin)


def _compared_with_averaging(run: TabularRun, margin: float) -> Iterator[HypothesisTest]:
    ks = [k for k in run.grid("k") if k >= 3]
    alphas, methods = [a for a in run.grid("alpha") if a > 0], run.grid("method")
    for method in ("variance_weighting", "variance_weighting_oracle"):
        if not ks or method not in methods or "averaging" not in methods:
            continue
        for metric, what in _METRICS.items():
            cells = [{"alpha": a, "k": k} for a in alphas for k in ks]
            weighted = log_pair(run.curve(metric, [{"method": method, **c} for c in cells]))
            average = log_pair(run.curve(metric, [{"method": "averaging", **c} for c in cells]))
            used = run.take_used()
            pair = weighted[0] - average[0], weighted[1] - average[1]
            for words, part in worst_and_mean(pair):
                yield HypothesisTest.resampled(
                    (4, "7", f"{method} is no worse than averaging at every k from 3 on"),
                    run.names,
                    f"{words} ratio, over alpha and k, of {what} to averaging's",
                    part,
                    "not_above",
                    0.0,
                    margin,
                    used,
                    ratio=True,
                    # Projecting twice changes nothing, and the oracle's gain has a closed form.
                    kind="check" if run.family.closed_form else "claim",
                )


def _on_a_grid_of_weights(run: TabularRun, margin: float) -> Iterator[HypothesisTest]:
    methods = run.grid("method")
    if not {"variance_weighting", "averaging", "fixed_weight"} <= set(methods):
        return
    cells = run.cells("fixed_weight", ("alpha", "k", "teacher_weight"))
    for k in sorted({cell["k"] for cell in cells}):
        alphas = sorted({cell["alpha"] for cell in cells if cell["k"] == k})
        parts = []
        for alpha in alphas:
            weights: list[dict[str, Any]] = [c for c in cells if (c["alpha"], c["k"]) == (alpha, k)]
            others = [{"method": "fixed_weight", **cell} for cell in weights]
            others += [
                {"method": method, "alpha": alpha, "k": k}
                for method in ("averaging", "pilot_mean")
                if method in methods
            ]
            own = run.curve("variance", [{"method": "variance_weighting", "alpha": alpha, "k": k}])
            grid = log_pair(run.curve("variance", others))
            plug_in = log_pair(own)
            parts.append((plug_in[0] - grid[0], plug_in[1] - grid[1]))
        pair = np.concatenate([p for p, _ in parts]), np.concatenate([d for _, d in parts], axis=1)
        yield HypothesisTest.resampled(
            (4, "7", "variance_weighting has the least inter-student variance of all weights"),
            run.names,
            "largest ratio, over alpha and fixed weights from 0 to 1, of inter-student variance to "
            f"theirs, k = {k:g}",
            pair,
            "not_above",
            0.0,
            margin,
            run.take_used(),
            ratio=True,
            kind="check" if run.family.closed_form else "claim",
        )


CLAIM = Claim(
    "variance_weighting",
    4,
    "7",
    ("variance_aware",),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
    about=About(
        "Inverse-variance weighting is no worse than averaging, nor than any other weight",
        paper="the minimum-variance unbiased combination",
        figures=("variance_aware",),
    ),
)
