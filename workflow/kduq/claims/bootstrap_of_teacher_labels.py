"""Claim 6: over bootstrap samples, teacher labels give less variance than true labels."""

from collections.abc import Iterator

import numpy as np

from kduq.claims.evidence import Evidence, TabularRun
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.tabular("bootstrap"):
        if len(run.grid("label_source")) < 2:
            continue
        fractions = run.grid("sample_fraction")

        def ratio(sizes: list[float], run: TabularRun = run) -> tuple[np.ndarray, np.ndarray]:
            teacher, truth = (
                run.curve("variance", [{"label_source": s, "sample_fraction": f} for f in sizes])
                for s in ("teacher", "truth")
            )
            return teacher[0] / truth[0], teacher[1] / truth[1]

        common = run.names
        yield HypothesisTest.resampled(
            6,
            "5",
            "Over bootstrap samples, teacher labels give less variance than true labels",
            *common,
            "largest ratio, over sample sizes, of inter-student variance to true labels'",
            *ratio(fractions),
            1.0,
            run.take_used(),
        )
        deficient = run.metric("rank_deficient_count", "sample_fraction")
        full_rank = [f for f in fractions if deficient.get(f) == 0]
        if full_rank:
            yield HypothesisTest.resampled(
                6,
                "5",
                "At full rank, teacher labels leave linear students no variance",
                *common,
                "largest ratio, over full-rank sample sizes, of variance to true labels'",
                *ratio(full_rank),
                1e-9,
                run.take_used(),
            )


CLAIM = Claim("bootstrap_of_teacher_labels", 6, "5", ("bootstrap",), _tests)
