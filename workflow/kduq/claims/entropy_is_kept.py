"""Claim 7: students of hard labels keep the teacher's predictive entropy."""

from collections.abc import Iterator

import numpy as np

from kduq.claims.contrasts import log_pair
from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.tabular("student_output"):
        if "hard" not in run.grid("label_source"):
            continue
        cell = [{"label_source": "hard"}]
        point, draws = run.curve("entropy/all", cell)
        # Without entropy of the teacher the ratio is undefined.
        own = run.teacher("predictive_entropy") or np.nan
        used = run.take_used()
        yield HypothesisTest.resampled(
            (7, "6", "Students of hard labels keep the teacher's predictive entropy"),
            run.names,
            "ratio of mean predictive entropy to the teacher's",
            log_pair((point / own, draws / own)),
            "equal",
            0.0,
            float(np.log(evidence.margins["entropy_margin"])),
            used,
            ratio=True,
        )
        wrong, right = (run.curve(f"entropy/{group}", cell) for group in ("incorrect", "correct"))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = wrong[0] / right[0], wrong[1] / right[1]
        yield HypothesisTest.resampled(
            (7, "6", "Students of hard labels are less certain where they are wrong"),
            run.names,
            "ratio of mean predictive entropy where incorrect to where correct",
            log_pair(ratio),
            "above",
            0.0,
            float(np.log(evidence.margins["ratio_margin"])),
            used,
            ratio=True,
        )


CLAIM = Claim(
    "entropy_is_kept",
    7,
    "6",
    ("student_output",),
    _tests,
    {
        "entropy_margin": Margin(
            "A ratio of entropies between 1/margin and margin counts as kept.",
            above=1.0,
        ),
        "ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0),
    },
    about=About(
        "Classifiers trained on hard labels keep the teacher’s entropy, and are less certain "
        "where they are wrong",
        paper="students keep the teacher’s entropy",
        figures=(
            "student_output",
            "replication_classes",
            "predictive_distribution",
        ),
    ),
)
