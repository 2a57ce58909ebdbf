"""Claim 11: the teacher's uncertainty is conserved: within students, or between them."""

from collections.abc import Iterator

from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.text("student_output"):
        if "sampled" not in run.grid("label_source"):
            continue
        for group in run.groups():
            test = run.test(
                (11, "6", "Intra- and inter-student variance add up to the teacher's variance"),
                "sum of intra- and inter-student variance over the teacher's, students of one "
                "sampled answer",
                "total_variance_ratio",
                "equal",
                1.0,
                evidence.margins["entropy_margin"] - 1,
                {"label_source": "sampled"},
                group,
            )
            if test is not None:
                yield test


CLAIM = Claim(
    "conservation",
    11,
    "6",
    ("student_output",),
    _tests,
    {
        "entropy_margin": Margin(
            "A ratio of entropies between 1/margin and margin counts as kept.",
            above=1.0,
        )
    },
    about=About(
        "The teacher’s uncertainty is conserved: what is lost within students is found "
        "between them",
        figures=("replication_text_variance",),
    ),
)
