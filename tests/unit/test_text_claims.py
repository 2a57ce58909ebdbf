"""Verdicts on language models follow from their estimates, unless the models are too poor."""

import numpy as np
import pandas as pd
import pytest
from kduq.artifacts.schemas import CONDITION
from kduq.claims import judging
from kduq.claims.evidence import Evidence
from kduq.study.paths import RunKey

SETTINGS = judging.Settings(
    margins={"robust_change": 0.25},
    confidence=0.95,
    bootstrap_draws=200,
    seed=0,
    gate={
        "hallucination": 0.05,
        "entropy": 0.1,
        "similarity": 0.8,
        "convergence": 0.02,
        "converged": 0.9,
    },
)
GOOD = {"hallucination_rate": 0.01, "predictive_entropy": 0.7, "true_entropy": 0.7}


def row(experiment, role, metric, estimate, se=np.nan, group="train", **condition):
    return (
        dict.fromkeys(CONDITION)
        | condition
        | {
            "experiment": experiment,
            "family": "lm",
            "dataset": "made_up",
            "role": role,
            "metric": metric,
            "group": group,
            "estimate": estimate,
            "se": se,
            "n_students": 10,
        }
    )


def estimates(experiment, students, teacher=GOOD):
    own = [
        row(experiment, "teacher", m, v, group=g)
        for m, v in teacher.items()
        for g in ("all", "train", "test")
    ]
    return pd.DataFrame([*own, *students])


def losses(last=0.01):
    curve = np.concatenate([np.linspace(2, 0.01, 70), np.full(20, 0.01), np.full(10, last)])
    parts = [
        pd.DataFrame(dict.fromkeys(CONDITION) | {"replicate": r, "step": range(100)}).assign(
            loss=curve
        )
        for r in range(10)
    ]
    return pd.concat(parts)


def judged(table, curves=None):
    experiment = table["experiment"].iloc[0]
    curves_of_run = {RunKey(experiment, "lm", "made_up"): losses() if curves is None else curves}
    evidence = Evidence(SETTINGS, table, [], None, curves_of_run)
    columns = judging.judge(evidence, SETTINGS.confidence)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


OUTPUT = [
    row("student_output", "student", "intra_variance_ratio", 0.1, 0.02, label_source="sampled"),
    row("student_output", "student", "intra_variance_ratio", 3, 0.1, "all", label_source="sampled"),
    row("student_output", "student", "inter_student_variance", 0.3, 0.02, label_source="sampled"),
]


def test_suppression_is_judged_on_prompts_that_were_taught():
    ratio, inter = judged(estimates("student_output", OUTPUT))
    assert (ratio["claim"], ratio["verdict"], ratio["estimate"]) == (8, "supported", 0.1)
    assert inter["verdict"] == "supported"
    assert inter["ci_low"] < 0.3 < inter["ci_high"]
    # Holm: two tests, Student's t with nine degrees of freedom, 97.5 %.
    np.testing.assert_allclose(ratio["ci_high"] - 0.1, 2.685 * 0.02, rtol=1e-3)


@pytest.mark.parametrize(
    ("teacher", "curves", "words"),
    [
        (GOOD | {"hallucination_rate": 0.3}, None, "outside the support"),
        (GOOD | {"predictive_entropy": 0.9}, None, "entropy"),
        (GOOD, losses(last=1.0), "converged"),
        ({"greedy_similarity_to_reference": 0.5}, None, "similarity of 0.5"),
    ],
)
def test_poor_models_allow_no_verdict_and_the_reason_stands_in_the_row(teacher, curves, words):
    rows = judged(estimates("student_output", OUTPUT, teacher), curves)
    assert len(rows) == 2
    for found in rows:
        assert found["verdict"] == "inconclusive"
        assert words in found["reason"]
        assert np.isfinite(found["ci_low"])


def test_a_change_beyond_the_margin_supports_sensitivity():
    change = [
        row("student_init", "student", "inter_student_variance_change", v, se, "all", init_noise=s)
        for s, v, se in ((0.1, 0.0, 0.01), (0.4, -0.6, 0.05))
    ]
    zero = row("student_init", "student", "inter_student_variance", 0.3, 0.1, init_noise=0.0)
    (found,) = judged(estimates("student_init", [zero, *change]))
    assert (found["claim"], found["verdict"]) == (5, "supported")
    assert found["estimate"] == 0.6
    assert 0.25 < found["ci_low"] < 0.6 < found["ci_high"]
    small = [zero, change[0] | {"init_noise": 0.4}]
    assert judged(estimates("student_init", small))[0]["verdict"] == "contradicted"


def test_remedies_are_judged_at_the_number_of_responses_nearest_to_five():
    students = [
        row("variance_aware", "student", "intra_student_variance", 1, 1, method="single", k=1)
    ]
    for k, size in ((2, 0.0), (6, 0.2)):
        for metric, sign in (
            ("similarity_to_reference", 1),
            ("systematic_noise", -1),
            ("hallucination_rate", -1),
        ):
            students.append(
                row(
                    "variance_aware",
                    "student",
                    f"{metric}_difference",
                    sign * size,
                    0.01,
                    method="averaging",
                    k=k,
                )
            )
    rows = judged(estimates("variance_aware", students))
    assert [r["claim"] for r in rows] == [9, 9, 9]
    assert {r["verdict"] for r in rows} == {"supported"}
    assert all("k = 6" in r["statistic"] for r in rows)
