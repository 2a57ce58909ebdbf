"""Claim 5: language models are not robust to noise on their initial parameters."""

from collections.abc import Iterator

from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.text("student_init"):
        scales = run.grid("init_noise")
        if len(scales) < 2:
            continue
        # On taught prompts students of one answer agree whatever they started from, and a change
        # relative to no variance is undefined. On held-out wordings they can differ.
        for group in dict.fromkeys(("all", run.groups()[-1])):
            test = run.test(
                (5, "5", "Language models are not robust to noise on their initial parameters"),
                "relative change of inter-student variance from "
                f"s = {scales[0]:g} to {scales[-1]:g}",
                "inter_student_variance_change",
                "unequal",
                0.0,
                evidence.margins["robust_change"],
                {"init_noise": scales[-1]},
                group,
            )
            if test is not None:
                yield test


CLAIM = Claim(
    "sensitive_to_initialisation",
    5,
    "5",
    ("student_init",),
    _tests,
    {"robust_change": Margin("A relative change below this counts as robust.", below=1.0)},
)
