"""Claim 9: the remedies help language models."""

from collections.abc import Iterator, Mapping
from typing import Any

from kduq.claims.contrasts import nearest_to_five
from kduq.claims.evidence import Evidence, TextRun
from kduq.claims.hypothesis import HypothesisTest, Relation
from kduq.claims.protocol import About, Claim, Margin
from kduq.claims.reasons import NOTHING_SEEN

#: Methods that the claim is about.
REMEDIES = ("averaging", "variance_weighting")
#: Metrics, what a remedy does to them, the direction, and what a perfect student has.
METRICS: tuple[tuple[str, str, Relation, float], ...] = (
    ("similarity_to_reference", "raises similarity to the reference", "above", 1.0),
    ("systematic_noise", "lowers systematic noise", "below", 0.0),
    ("hallucination_rate", "lowers hallucination", "below", 0.0),
)
#: Why there is no verdict where students of one answer are nearly perfect.
NO_ROOM = (
    NOTHING_SEEN + ": students of one answer are only {:.2g} away from the best possible "
    "value, less than the margin of {:g}, so no remedy could help by more."
)


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    margin = evidence.margins["answer_margin"]
    for run in evidence.text("variance_aware"):
        # Two answers are equally near their mean, so averaging takes the first, as single does.
        k = nearest_to_five([k for k in run.grid("k") if k > 2])
        methods = run.grid("method")
        if k is None or "single" not in methods:
            continue
        for method in (m for m in REMEDIES if m in methods):
            for where, words in run.temperatures(method):
                yield from _at(run, method, k, where, words, margin)


def _at(
    run: TextRun, method: str, k: float, where: Mapping[str, Any], words: str, margin: float
) -> Iterator[HypothesisTest]:
    """Tests of a remedy at one temperature."""
    for metric, effect, relation, best in METRICS:
        for group in run.groups():
            room = abs(run.value(metric, {"method": "single", **where}, group) - best)
            test = run.test(
                (9, "7", f"{method} {effect} compared with single"),
                f"difference of {metric.replace('_', ' ')} from single at k = {k:g}{words}",
                f"{metric}_difference",
                relation,
                0.0,
                margin,
                {"method": method, "k": k, **where},
                group,
                None if not room < margin else NO_ROOM.format(room, margin),
            )
            if test is not None:
                yield test


CLAIM = Claim(
    "remedies_on_text",
    9,
    "7",
    ("variance_aware",),
    _tests,
    {
        "answer_margin": Margin(
            "A smaller difference of similarity, systematic noise or hallucination counts as none.",
            below=1.0,
        )
    },
    about=About(
        "Averaging and variance weighting make the answers of language models better",
        paper="less systematic noise and hallucination",
        advice=(
            "Where a language teacher’s errors are random, teach the answer nearest to the"
            " mean of k answers."
        ),
        figures=(
            "language_methods",
            "remedies",
            "replication_text_remedies",
        ),
    ),
)
