"""Claim 12: each remedy lowers inter-student variance."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kduq.claims.contrasts import log_pair, nearest_to_five
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin

_TABULAR = ("averaging", "variance_weighting")
_TEXT = ("averaging", "variance_weighting", "multi_response")


def _statement(method: str) -> tuple[int, str, str]:
    return 12, "7", f"{method} lowers inter-student variance compared with single"


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    yield from _on_tables(evidence)
    yield from _on_classes(evidence)
    yield from _on_text(evidence)


def _on_tables(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.tabular("variance_aware"):
        methods, alphas = run.grid("method"), [a for a in run.grid("alpha") if a > 0]
        k = nearest_to_five([k for k in run.grid("k") if k > 1])
        if k is None or "single" not in methods:
            continue
        base = log_pair(
            run.curve("variance", [{"method": "single", "alpha": a, "k": 1} for a in alphas])
        )
        floor = run.take_used()
        for method in (m for m in _TABULAR if m in methods):
            cells = [{"method": method, "alpha": a, "k": k} for a in alphas]
            remedy = log_pair(run.curve("variance", cells))
            yield HypothesisTest.resampled(
                _statement(method),
                run.names,
                f"mean ratio, over alpha, of inter-student variance to single's, k = {k:g}",
                (
                    (remedy[0] - base[0]).mean(keepdims=True),
                    (remedy[1] - base[1]).mean(axis=1, keepdims=True),
                ),
                "below",
                0.0,
                float(np.log(evidence.margins["ratio_margin"])),
                run.take_used() + floor,
                ratio=True,
                kind="check" if run.family.closed_form else "claim",
            )


def _on_classes(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.tabular("student_output"):
        k = nearest_to_five([k for k in run.grid("k") if k > 1])
        if k is None or not {"sampled", "averaged"} <= set(run.grid("label_source")):
            continue
        cells: list[dict[str, Any]] = [
            {"label_source": "sampled"},
            {"label_source": "averaged", "k": k},
        ]
        single, averaged = (log_pair(run.curve("variance", [cell])) for cell in cells)
        yield HypothesisTest.resampled(
            _statement("averaging"),
            run.names,
            f"ratio of inter-student variance of class probabilities to single's, k = {k:g}",
            (averaged[0] - single[0], averaged[1] - single[1]),
            "below",
            0.0,
            float(np.log(evidence.margins["ratio_margin"])),
            run.take_used(),
            ratio=True,
        )


def _on_text(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.text("variance_aware"):
        methods = run.grid("method")
        k = nearest_to_five([k for k in run.grid("k") if k > 2])
        if k is None or "single" not in methods:
            continue
        for method in (m for m in _TEXT if m in methods):
            for where, words in run.temperatures(method):
                for group in run.groups():
                    test = run.test(
                        _statement(method),
                        "relative change of inter-student variance from single's, "
                        f"k = {k:g}{words}",
                        "inter_student_variance_change",
                        "below",
                        0.0,
                        1 - 1 / evidence.margins["ratio_margin"],
                        {"method": method, "k": k, **where},
                        group,
                    )
                    if test is not None:
                        yield test


CLAIM = Claim(
    "stability",
    12,
    "7",
    ("variance_aware", "student_output"),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
    about=About(
        "Each remedy lowers the variance between students",
        paper="variance-aware students are “more stable”",
        figures=(
            "replication",
            "replication_text_stability",
        ),
    ),
)
