"""Claim 6: over bootstrap samples, teacher labels give less variance than true labels."""

from collections.abc import Iterator

import numpy as np

from kduq.claims.contrasts import log_pair, worst_and_mean
from kduq.claims.evidence import Evidence, TabularRun
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _ratios(run: TabularRun, fractions: list[float]) -> tuple[np.ndarray, np.ndarray]:
    teacher, truth = (
        run.curve("variance", [{"label_source": s, "sample_fraction": f} for f in fractions])
        for s in ("teacher", "truth")
    )
    # No variance at all is no variance, whatever it is compared with.
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(
            np.where(own == 0, 0.0, own / other) for own, other in zip(teacher, truth, strict=True)
        )  # type: ignore[return-value]


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = evidence.margins["ratio_margin"]
    for run in evidence.tabular("bootstrap"):
        if len(run.grid("label_source")) < 2:
            continue
        fractions = run.grid("sample_fraction")
        pair = _ratios(run, fractions)
        used = run.take_used()
        if run.family.closed_form:
            yield HypothesisTest.resampled(
                (6, "5", "Teacher labels leave linear students of full rank no variance"),
                run.names,
                "largest ratio, over sample sizes, of variance to true labels'; "
                f"{1 - run.share('rank_deficient_count'):.2%} of the students have full rank",
                pair,
                "not_above",
                0.0,
                margin - 1,
                used,
                kind="check",
            )
            continue
        for words, part in worst_and_mean(log_pair(pair)):
            yield HypothesisTest.resampled(
                (
                    6,
                    "5",
                    "Over bootstrap samples, teacher labels give less variance than true labels",
                ),
                run.names,
                f"{words} ratio, over sample sizes, of inter-student variance to true labels'",
                part,
                "below",
                0.0,
                float(np.log(margin)),
                used,
                ratio=True,
            )


CLAIM = Claim(
    "bootstrap_of_teacher_labels",
    6,
    "5",
    ("bootstrap",),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
    about=About(
        "Over bootstrap samples, a teacher’s labels leave less variance than true labels",
        paper=(
            "variance 0.0239 of Var(y) with samples of half the rows (released scripts, "
            "Boston Housing; family and labels not recorded)"
        ),
        figures=("bootstrap",),
    ),
)
