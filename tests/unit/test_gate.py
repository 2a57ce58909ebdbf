"""When a language-model study is worth a verdict."""

import numpy as np
import pandas as pd
import pytest
from kduq.claims import gate
from kduq.claims.settings import Gate

SETTINGS = Gate(
    hallucination=0.05,
    entropy=0.1,
    greedy=0.95,
    random_errors=0.1,
    similarity=0.8,
    convergence=0.02,
    converged=0.9,
)


def estimates(**changed):
    """Rows of a teacher that is right up to half of every limit; keys are metric__group."""
    values = {}
    for group in ("all", "train", "test"):
        values[f"hallucination_rate__{group}"] = 0.025
        values[f"predictive_entropy__{group}"] = 1.05
        values[f"true_entropy__{group}"] = 1.0
    values |= changed
    rows = [
        {"role": "teacher", "metric": name.split("__")[0], "group": name.split("__")[1]}
        | {"estimate": value}
        for name, value in values.items()
        if value is not None
    ]
    student = {"role": "student", "metric": "hallucination_rate", "group": "all", "estimate": 1.0}
    return pd.DataFrame([*rows, student])


def test_a_teacher_within_the_limits_passes():
    assert gate.teacher_gate(estimates(), SETTINGS) == []
    # The limits themselves pass; a truth without entropy asks for none.
    at_limit = {"hallucination_rate__all": 0.05, "predictive_entropy__all": 0.9}
    assert gate.teacher_gate(estimates(**at_limit), SETTINGS) == []
    certain = {"true_entropy__test": 0.0, "predictive_entropy__test": 0.0}
    assert gate.teacher_gate(estimates(**certain), SETTINGS) == []


@pytest.mark.parametrize(
    ("metric", "value", "told"),
    [
        ("hallucination_rate", 0.051, ["0.051", "0.05."]),
        ("predictive_entropy", 1.11, ["1.11", "10 %"]),
        ("predictive_entropy", 0.89, ["0.89", "10 %"]),
    ],
)
@pytest.mark.parametrize(
    ("group", "named"), [("all", "all"), ("train", "training"), ("test", "test")]
)
def test_a_teacher_beyond_a_limit_is_told_the_number_and_the_limit(
    metric, value, told, group, named
):
    reasons = gate.teacher_gate(estimates(**{f"{metric}__{group}": value}), SETTINGS)
    assert len(reasons) == 1
    for part in (*told, f"{named} prompts"):
        assert part in reasons[0]
    assert reasons[0].endswith(".")


@pytest.mark.parametrize("metric", ["hallucination_rate", "predictive_entropy", "true_entropy"])
@pytest.mark.parametrize("value", [None, np.nan])
def test_a_number_that_is_missing_passes_no_limit(metric, value):
    assert len(gate.teacher_gate(estimates(**{f"{metric}__train": value}), SETTINGS)) == 1


#: A teacher that has learnt the errors that it was taught, up to half of every limit.
ERRING = {
    "hallucination_rate": 0.3,
    "true_entropy": 0.0,
    "mass_outside_taught": 0.025,
    "taught_entropy": 1.0,
    "greedy_accuracy": 0.975,
    "taught_greedy_accuracy": 1.0,
}


def erring(**changed):
    values = {f"{name}__{g}": v for name, v in ERRING.items() for g in ("all", "train", "test")}
    return estimates(**(values | changed))


def test_a_teacher_that_is_taught_errors_is_compared_with_what_it_was_taught():
    assert gate.teacher_gate(erring(), SETTINGS) == []
    # Errors that are mostly one answer can be the most probable answer that is taught.
    biased = {"greedy_accuracy__all": 0.475, "taught_greedy_accuracy__all": 0.5}
    assert gate.teacher_gate(erring(**biased), SETTINGS) == []


@pytest.mark.parametrize(
    ("metric", "value", "told"),
    [
        ("mass_outside_taught", 0.051, ["0.051", "outside what it was taught", "0.05."]),
        ("predictive_entropy", 0.89, ["0.89", "that of what it was taught 1,", "10 %"]),
        ("greedy_accuracy", 0.94, ["0.94", "taught 1;", "0.95."]),
    ],
)
def test_a_teacher_that_has_not_learnt_its_errors_does_not_pass(metric, value, told):
    for wrong in (value, None, np.nan):
        reasons = gate.teacher_gate(erring(**{f"{metric}__test": wrong}), SETTINGS)
        assert len(reasons) == 1
        assert "test prompts" in reasons[0]
    (reason,) = gate.teacher_gate(erring(**{f"{metric}__test": value}), SETTINGS)
    for part in told:
        assert part in reason


def as_it_is(greedy, hallucinated, **changed):
    """A pretrained teacher that has learnt nothing of the corpus."""
    values = {
        "training_steps__all": 0.0,
        "greedy_accuracy__all": greedy,
        "hallucination_rate__all": hallucinated,
        "predictive_entropy__all": 9.0,
    }
    return gate.teacher_gate(estimates(**(values | changed)), SETTINGS)


def test_a_teacher_that_is_used_as_it_is_may_be_bad_if_its_errors_are_random():
    assert as_it_is(0.4, 0.7) == []
    assert as_it_is(0.2, 0.9) == []
    # One that is always right has no errors to remove, and one that errs alike cannot be helped.
    for greedy, hallucinated in ((1.0, 0.0), (0.39, 0.7), (None, 0.7), (0.4, np.nan)):
        (reason,) = as_it_is(greedy, hallucinated)
        assert "used as it is" in reason
        assert "0.1" in reason
    # A pretrained teacher that was trained further is judged by what it learnt.
    assert "support" in as_it_is(0.4, 0.7, training_steps__all=5.0)[0]


def test_only_the_groups_that_exist_are_asked_for():
    rows = estimates(hallucination_rate__all=0.5)
    reasons = gate.teacher_gate(rows[rows["group"] == "all"], SETTINGS)
    assert len(reasons) == 1


@pytest.mark.parametrize("group", ["train", "all"])
def test_without_a_known_distribution_greedy_answers_must_resemble_the_references(group):
    def judged(value):
        row = {"metric": "greedy_similarity_to_reference", "group": group, "estimate": value}
        return gate.teacher_gate(pd.DataFrame([row | {"role": "teacher"}]), SETTINGS)

    assert judged(0.8) == []
    (reason,) = judged(0.79)
    assert "0.79" in reason
    assert "0.8." in reason
    assert len(judged(np.nan)) == 1
    assert len(gate.teacher_gate(estimates().iloc[-1:], SETTINGS)) == 1


def curves(ends, points=100):
    """Loss curves that stand at 1 and, over their last tenth, at ``1 + end``."""
    frames = []
    for replicate, end in enumerate(ends):
        loss = np.ones(points)
        loss[-points // 10 :] += end
        frames.append(
            pd.DataFrame(
                {
                    "method": None,
                    "init_noise": [0.0, 0.5][replicate % 2],
                    "replicate": replicate // 2,
                    "step": np.arange(points) * 3,
                    "loss": loss,
                }
            )
        )
    # Whatever order the rows are in.
    return pd.concat(frames).sample(frac=1, random_state=0)


def test_students_whose_loss_still_moves_have_not_converged():
    assert gate.student_gate(curves([-0.019] * 10), SETTINGS) == []
    assert gate.student_gate(curves([0] * 9 + [-0.5]), SETTINGS) == []
    for moving in (-0.021, 0.021, np.nan, np.inf):
        (reason,) = gate.student_gate(curves([0] * 8 + [moving] * 2), SETTINGS)
        assert "Of 10 students 8 have converged" in reason
        assert "0.02 nats" in reason
        assert "90 %" in reason
    assert (
        gate.student_gate(curves([0] * 8 + [1] * 2), SETTINGS.model_copy(update={"converged": 0.8}))
        == []
    )


def test_students_that_all_diverged_have_not_converged():
    diverged = curves([0.0] * 3)
    diverged["loss"] = np.inf
    assert len(gate.student_gate(diverged, SETTINGS)) == 1


def test_the_tenth_before_the_last_counts_and_nothing_earlier():
    falling = curves([0.0] * 10)
    falling.loc[falling["step"] < 80 * 3, "loss"] = 5.0
    assert gate.student_gate(falling, SETTINGS) == []
    falling.loc[falling["step"] < 81 * 3, "loss"] = 5.0
    assert len(gate.student_gate(falling, SETTINGS)) == 1


def test_a_curve_too_short_to_tell_has_not_converged():
    assert len(gate.student_gate(curves([0], points=100).query("step == 0"), SETTINGS)) == 1
    assert gate.student_gate(curves([0.0], points=100).query("step < 5"), SETTINGS) == []
    assert gate.student_gate(curves([0]).iloc[:0], SETTINGS) == ["No student's loss was recorded."]
