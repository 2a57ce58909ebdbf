"""Claims on language models, judged from their estimates.

Their statistics are estimated with a jackknife over students, also where conditions are compared
student by student, so the estimates hold all that a verdict needs. A verdict is withheld where the
models fail the quality gate: a teacher that answers at random, or students that have not learnt
what they were taught, say nothing of distillation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kduq.claims import gate
from kduq.claims.verdicts import Test

#: Responses a prompt at which the remedies are judged, or the nearest number that was run.
_K = 5
_REMEDIES = ("averaging", "variance_weighting")


@dataclass(frozen=True)
class _Run:
    """Estimates of one run: on the prompts that its students were taught, unless said otherwise."""

    experiment: str
    dataset: str
    rows: pd.DataFrame
    taught: str
    reason: str | None

    def values(self, column: str) -> list[Any]:
        """Values that a condition column takes, ascending."""
        return sorted(self.rows[column].dropna().unique().tolist())

    def test(
        self,
        claim: tuple[int, str, str],
        statistic: str,
        metric: str,
        threshold: float,
        where: dict[str, Any],
        group: str | None = None,
        **options: Any,
    ) -> Test:
        """A test of one estimate."""
        rows = self.rows[self.rows["metric"] == metric]
        rows = rows[rows["group"] == (group or self.taught)]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        found = rows.iloc[0]
        n = int(found["n_students"])
        return Test(
            *claim,
            "lm",
            self.dataset,
            statistic,
            np.array([float(found["estimate"])]),
            np.array([float(found["se"])]),
            threshold,
            n,
            degrees=max(n - 1, 1),
            reason=self.reason,
            **options,
        )


def tests(
    settings: dict[str, Any],
    estimates: pd.DataFrame,
    losses: dict[tuple[str, str, str], pd.DataFrame],
) -> Iterator[Test]:
    """Tests of the claims on language models.

    Parameters
    ----------
    settings : dict
        robust_change and gate.
    estimates : pandas.DataFrame
        The gathered estimates.
    losses : dict of tuple to pandas.DataFrame
        Loss curves by experiment, family and data set.

    Yields
    ------
    Test
        One a row of the verdict table.
    """
    judges = {
        "student_init": _sensitive_to_initialisation,
        "student_output": _suppressed,
        "variance_aware": _remedies,
    }
    for key, curves in losses.items():
        experiment, family, dataset = key
        if experiment in judges:
            mine = estimates[
                (estimates["experiment"] == experiment)
                & (estimates["family"] == family)
                & (estimates["dataset"] == dataset)
            ]
            teacher, student = (mine[mine["role"] == role] for role in ("teacher", "student"))
            group = "train" if (student["group"] == "train").any() else "all"
            reasons = gate.teacher_gate(teacher, settings["gate"])
            reasons += gate.student_gate(curves, settings["gate"])
            run = _Run(experiment, dataset, student, group, " ".join(reasons) or None)
            yield from judges[experiment](run, settings)


def _sensitive_to_initialisation(run: _Run, settings: dict[str, Any]) -> Iterator[Test]:
    scales = run.values("init_noise")
    if len(scales) < 2:
        return
    # On prompts that were taught, students of one answer agree whatever they started from, and a
    # change relative to no variance is no number; held-out wordings are where they can differ.
    yield run.test(
        (5, "5", "Language models are not robust to noise on their initial parameters"),
        f"relative change of inter-student variance from s = {scales[0]:g} to {scales[-1]:g}, "
        "all prompts",
        "inter_student_variance_change",
        settings["robust_change"],
        {"init_noise": scales[-1]},
        group="all",
        above=True,
        absolute=True,
    )


def _suppressed(run: _Run, settings: dict[str, Any]) -> Iterator[Test]:
    del settings
    words = {"greedy": "the likeliest answer", "sampled": "one sampled answer"}
    for source in run.values("label_source"):
        yield run.test(
            (8, "6", "Students of one answer a prompt vary less in their own answers"),
            f"intra-student variance over the teacher's, students of {words[source]}",
            "intra_variance_ratio",
            1.0,
            {"label_source": source},
        )
        yield run.test(
            (8, "6", "Students of one answer a prompt differ from each other"),
            f"inter-student variance, students of {words[source]}",
            "inter_student_variance",
            0.0,
            {"label_source": source},
            above=True,
        )


def _remedies(run: _Run, settings: dict[str, Any]) -> Iterator[Test]:
    del settings
    # Of two answers both are equally near their mean: averaging takes the first, as single does.
    ks = [k for k in run.values("k") if k > 2]
    methods = run.values("method")
    if not ks or "single" not in methods:
        return
    k = min(ks, key=lambda value: abs(value - _K))
    for method in _REMEDIES:
        if method not in methods:
            continue
        for metric, words, above in (
            ("similarity_to_reference", "raises similarity to the reference", True),
            ("systematic_noise", "lowers systematic noise", False),
            ("hallucination_rate", "lowers hallucination", False),
        ):
            yield run.test(
                (9, "7", f"{method} {words} against single"),
                f"difference of {metric.replace('_', ' ')} to single at k = {k:g}",
                f"{metric}_difference",
                0.0,
                {"method": method, "k": k},
                above=above,
            )
