"""Claim 3: averaging k sampled classes divides the information between classifiers by k."""

from collections.abc import Iterator

from kduq.claims.contrasts import excess_by_k
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = evidence.margins["ratio_margin"] - 1
    for run in evidence.tabular("student_output"):
        ks = [k for k in run.grid("k") if k > 1]
        sources = run.grid("label_source")
        if not ks or not {"sampled", "averaged", "soft"} <= set(sources):
            continue
        metric = "mutual_information"
        without = run.values(metric, label_source="soft")
        single = run.values(metric, label_source="sampled")
        averaged = [run.values(metric, label_source="averaged", k=k) for k in ks]
        yield HypothesisTest.resampled(
            (
                3,
                "7",
                "Averaging k sampled classes divides the information between classifiers by k",
            ),
            run.names,
            "k times the mutual information over that of one sampled class, both less that of soft "
            "labels",
            excess_by_k(ks, averaged, single, without),
            "equal",
            1.0,
            margin,
            run.take_used(),
        )


CLAIM = Claim(
    "averaging_of_classes",
    3,
    "7",
    ("student_output",),
    _tests,
    {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)},
)
