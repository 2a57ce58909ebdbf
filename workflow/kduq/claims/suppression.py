"""Claim 8: students of one answer per prompt vary less themselves, but differ from each other."""

from collections.abc import Iterator

from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.text("student_output"):
        words = {"greedy": "the greedy answer", "sampled": "one sampled answer"}
        for source in run.grid("label_source"):
            yield run.test(
                (8, "6", "Students of one answer per prompt vary less in their own answers"),
                f"intra-student variance over the teacher's, students of {words[source]}",
                "intra_variance_ratio",
                1.0,
                {"label_source": source},
            )
            yield run.test(
                (8, "6", "Students of one answer per prompt differ from each other"),
                f"inter-student variance, students of {words[source]}",
                "inter_student_variance",
                0.0,
                {"label_source": source},
                above=True,
            )


CLAIM = Claim("suppression", 8, "6", ("student_output",), _tests)
