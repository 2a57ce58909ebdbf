"""Claim 8: students of one answer per prompt vary less themselves, but differ from each other."""

from collections.abc import Iterator

from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin
from kduq.conditions import PER_QUESTION

_WORDS = {
    "greedy": "the greedy answer",
    "sampled": "one sampled answer",
    PER_QUESTION: "one sampled answer per question",
}


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    less, some = evidence.margins["ratio_margin"] - 1, evidence.margins["share_margin"]
    for run in evidence.text("student_output"):
        for source in run.grid("label_source"):
            students = f"students of {_WORDS[source]}"
            for group in run.groups():
                tests = (
                    run.test(
                        (
                            8,
                            "6",
                            "Students of one answer per prompt vary less in their own answers",
                        ),
                        f"intra-student variance over the teacher's, {students}",
                        "intra_variance_ratio",
                        "below",
                        1.0,
                        less,
                        {"label_source": source},
                        group,
                    ),
                    run.test(
                        (8, "6", "Students of one answer per prompt differ from each other"),
                        f"inter-student variance over the teacher's own, {students}",
                        "inter_variance_ratio",
                        "above",
                        0.0,
                        some,
                        {"label_source": source},
                        group,
                    ),
                )
                yield from (test for test in tests if test is not None)


CLAIM = Claim(
    "suppression",
    8,
    "6",
    ("student_output",),
    _tests,
    {
        "ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0),
        "share_margin": Margin(
            "A smaller share of the teacher's own variance counts as none.", below=1.0
        ),
    },
    about=About(
        "A language model taught one answer per prompt varies little in its own answers, and "
        "differs from other students",
        paper="one response keeps inter-student and suppresses intra-student uncertainty",
        figures=("language_uncertainty", "replication_text_variance"),
    ),
)
