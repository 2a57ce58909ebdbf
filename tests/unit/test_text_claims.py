"""Verdicts on language models follow from their estimates, unless the models are too poor."""

import numpy as np
import pandas as pd
import pytest
from kduq.artifacts.schemas import CONDITION
from kduq.claims import judging
from kduq.claims.evidence import Evidence
from kduq.study.paths import RunKey

SETTINGS = judging.Settings(
    margins={
        "robust_change": 0.25,
        "ratio_margin": 1.1,
        "entropy_margin": 1.25,
        "share_margin": 0.05,
        "answer_margin": 0.02,
        "reflection_margin": 0.2,
    },
    confidence=0.95,
    bootstrap_draws=200,
    seed=0,
    gate={
        "hallucination": 0.05,
        "entropy": 0.1,
        "greedy": 0.95,
        "random_errors": 0.1,
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
            "se_students": se,
            "se_prompts": 0.0 if np.isfinite(se) else np.nan,
            "n_students": 10,
            "n_prompts": 20,
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
    row(
        "student_output", "student", "intra_variance_ratio", 3, 0.1, "test", label_source="sampled"
    ),
    row("student_output", "student", "inter_variance_ratio", 0.9, 0.05, label_source="sampled"),
]


def test_suppression_is_judged_on_taught_prompts_and_on_held_out_ones():
    taught, inter, held_out = judged(estimates("student_output", OUTPUT))
    assert (taught["claim"], taught["verdict"], taught["estimate"]) == (8, "supported", 0.1)
    assert taught["statistic"].endswith("taught prompts")
    assert inter["verdict"] == "supported"
    assert held_out["verdict"] == "contradicted"
    assert held_out["statistic"].endswith("held-out wordings")
    # Student's t with nine degrees of freedom, 95 %, whatever the number of rows.
    np.testing.assert_allclose(taught["ci_high"] - 0.1, 2.262 * 0.02, rtol=1e-3)


def test_students_that_do_not_differ_contradict_that_they_differ():
    # Above zero by many standard errors, and a thousandth of the teacher's own variance.
    tiny = [row("student_output", "student", "inter_variance_ratio", 1e-3, 1e-5)]
    (found,) = judged(estimates("student_output", [{**tiny[0], "label_source": "greedy"}]))
    assert (found["verdict"], found["threshold"], found["margin"]) == ("contradicted", 0, 0.05)


def test_conservation_is_a_band_around_the_teachers_variance():
    for value, verdict in ((1.04, "supported"), (1.5, "contradicted"), (0.5, "contradicted")):
        total = row("student_output", "student", "total_variance_ratio", value, 0.03)
        (found,) = judged(estimates("student_output", [{**total, "label_source": "sampled"}]))
        assert (found["claim"], found["verdict"], found["estimate"]) == (11, verdict, value)


def test_reflection_is_none_below_a_fifth_and_restored_above_three_fifths():
    students = [
        row("variance_aware", "student", "entropy_slope", v, 0.03, method="multi_response", k=k)
        for k, v in ((3, 0.1), (5, 0.8))
    ]
    (restored,) = judged(estimates("variance_aware", students))
    assert (restored["claim"], restored["verdict"], restored["estimate"]) == (10, "supported", 0.8)
    assert "5 answers per prompt" in restored["statement"]
    students = [
        row("student_output", "student", metric, 0.1, 0.03, label_source="sampled")
        for metric in ("entropy_slope", "ensemble_entropy_rank_correlation")
    ]
    single, ensemble = judged(estimates("student_output", students))
    assert (single["verdict"], ensemble["verdict"]) == ("supported", "contradicted")


def test_stability_asks_for_more_than_the_margin():
    students = [row("variance_aware", "student", "x", 1, 1, method="single", k=1)]
    for method, change in (("averaging", -0.3), ("variance_weighting", -0.01)):
        name = "inter_student_variance_change"
        students.append(row("variance_aware", "student", name, change, 0.02, method=method, k=5))
    rows = judged(estimates("variance_aware", students))
    assert [(r["claim"], r["verdict"]) for r in rows] == [(12, "supported"), (12, "contradicted")]


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
    assert len(rows) == 3
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
    assert found["estimate"] == -0.6
    assert found["ci_low"] < -0.6 < found["ci_high"] < -0.25
    small = [zero, change[0] | {"init_noise": 0.4}]
    assert judged(estimates("student_init", small))[0]["verdict"] == "contradicted"


@pytest.mark.parametrize(("size", "verdict"), [(0.2, "supported"), (0.0, "contradicted")])
def test_remedies_are_judged_at_the_number_of_responses_nearest_to_five(size, verdict):
    students = [
        row("variance_aware", "student", "intra_student_variance", 1, 1, method="single", k=1)
    ]
    for k, effect in ((2, 0.5), (6, size)):
        for metric, sign in (
            ("similarity_to_reference", 1),
            ("systematic_noise", -1),
            ("hallucination_rate", -1),
        ):
            name = f"{metric}_difference"
            students.append(
                row(
                    "variance_aware", "student", name, sign * effect, 0.002, method="averaging", k=k
                )
            )
    rows = judged(estimates("variance_aware", students))
    assert [r["claim"] for r in rows] == [9, 9, 9]
    assert {r["verdict"] for r in rows} == {verdict}
    assert all("k = 6" in r["statistic"] for r in rows)


def test_no_verdict_where_students_of_one_answer_are_already_right():
    """No remedy can lower 0.4 % of wrong answers by the margin of two points."""
    name = "hallucination_rate"
    difference = row("variance_aware", "student", f"{name}_difference", 0, 1e-3, k=5)

    def verdict(rate):
        single = row("variance_aware", "student", name, rate, 1e-3, method="single", k=1)
        students = [single, {**difference, "method": "averaging"}]
        (found,) = judged(estimates("variance_aware", students))
        return found

    hidden = verdict(0.004)
    assert (hidden["verdict"], np.isnan(hidden["p_adjusted"])) == ("inconclusive", True)
    assert hidden["reason"].startswith("Nothing can be seen here: students of one answer are only")
    assert verdict(0.3)["verdict"] == "contradicted"


def test_no_verdict_on_reflection_where_the_teachers_entropy_does_not_vary():
    slope = row("student_output", "student", "entropy_slope", 0.05, 0.01, label_source="sampled")
    for ceiling, verdict in ((0.1, "inconclusive"), (0.9, "supported")):
        teacher = GOOD | {"entropy_rank_correlation_ceiling": ceiling}
        (found,) = judged(estimates("student_output", [slope], teacher))
        assert found["verdict"] == verdict
    assert found["reason"] is None


def test_each_temperature_has_a_row_that_names_it():
    students = [row("variance_aware", "student", "x", 1, 1, method="single", k=1)]
    for temperature, change in ((1.0, -0.5), (2.0, 0.0)):
        cell = {"method": "averaging", "k": 5, "temperature": temperature}
        name = "inter_student_variance_change"
        students.append(row("variance_aware", "student", name, change, 0.01, **cell))
    rows = judged(estimates("variance_aware", students))
    assert [r["verdict"] for r in rows] == ["supported", "contradicted"]
    assert ["temperature 1," in rows[0]["statistic"], "temperature 2," in rows[1]["statistic"]] == [
        True,
        True,
    ]
