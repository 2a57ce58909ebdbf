"""Claim 10: which students reflect their teacher's uncertainty, prompt by prompt."""

from collections.abc import Iterator, Mapping
from typing import Any

from kduq.claims.contrasts import nearest_to_five
from kduq.claims.evidence import Evidence, TextRun
from kduq.claims.hypothesis import HypothesisTest, Relation
from kduq.claims.protocol import About, Claim, Margin
from kduq.claims.reasons import NOTHING_SEEN

#: Midway between no relation (below 0.2) and a restored one (above 0.6).
MIDDLE = 0.4
#: Least correlation that sampling must allow for a verdict: that of a restored relation.
LEAST_CEILING = 0.6
#: Why there is no verdict where nothing can be related.
NOTHING = (
    NOTHING_SEEN + ": the teacher's entropy hardly differs between prompts, so sampling "
    "allows a rank correlation of {:.2g} at most."
)
#: Metrics of the relation, in words.
RELATIONS = {
    "entropy_rank_correlation": "rank correlation of a student's entropy with the teacher's",
    "entropy_slope": "slope of a student's entropy on the teacher's",
}
_ENSEMBLE = {
    "ensemble_entropy_rank_correlation": "rank correlation of the entropy of all students' answers "
    "with the teacher's"
}


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = evidence.margins["reflection_margin"]

    def judged(
        run: TextRun,
        statement: str,
        metrics: Mapping[str, str],
        relation: Relation,
        where: Mapping[str, Any],
    ) -> Iterator[HypothesisTest]:
        for metric, words in metrics.items():
            for group in run.groups():
                ceiling = run.teacher_value("entropy_rank_correlation_ceiling", group)
                test = run.test(
                    (10, "7", statement),
                    words,
                    metric,
                    relation,
                    MIDDLE,
                    margin,
                    where,
                    group,
                    NOTHING.format(max(ceiling, 0.0)) if ceiling < LEAST_CEILING else None,
                )
                if test is not None:
                    yield test

    for run in evidence.text("student_output"):
        if "sampled" in run.grid("label_source"):
            where = {"label_source": "sampled"}
            yield from judged(
                run,
                "A student of one answer per prompt does not reflect the teacher's uncertainty",
                RELATIONS,
                "below",
                where,
            )
            yield from judged(
                run,
                "Students of one answer per prompt together reflect the teacher's uncertainty",
                _ENSEMBLE,
                "above",
                where,
            )
    for run in evidence.text("variance_aware"):
        k = nearest_to_five([k for k in run.grid("k") if k > 1])
        if k is not None and "multi_response" in run.grid("method"):
            for at, words in run.temperatures("multi_response"):
                yield from judged(
                    run,
                    f"A student of {k:g} answers per prompt reflects the teacher's uncertainty",
                    {metric: f"{label}{words}" for metric, label in RELATIONS.items()},
                    "above",
                    {"method": "multi_response", "k": k, **at},
                )


CLAIM = Claim(
    "reflection",
    10,
    "7",
    ("student_output", "variance_aware"),
    _tests,
    {
        "reflection_margin": Margin(
            "A correlation or slope below 0.4 - margin counts as none, above 0.4 + margin as "
            "restored.",
            below=0.4,
        )
    },
    about=About(
        "Students of all k answers reflect the teacher’s uncertainty prompt by prompt, "
        "students of one answer do not",
        paper="variance-aware students “better reflect teacher uncertainty”",
        advice="To keep a language model as uncertain as its teacher, teach it all k answers.",
        figures=("replication_text_reflection",),
    ),
)
