"""Evidence for claims on tables: what students of a cell say, and which of them are left out."""

import numpy as np
import pandas as pd
import pytest
from kduq import statistics
from kduq.artifacts.schemas import CONDITION
from kduq.claims import judging, margins
from kduq.claims.evidence import Evidence, TabularRun
from kduq.study.paths import RunKey

KEY = RunKey("bootstrap", "linear", "d")
STUDENTS, ROWS = 40, 5


def students(cells, **columns):
    """Conditions and columns of students, cell by cell; predictions of shape (S, rows)."""
    parts = [pd.DataFrame([dict.fromkeys(CONDITION) | condition] * STUDENTS) for condition in cells]
    size = STUDENTS * len(cells)
    defaults = {
        "replicate": np.tile(np.arange(STUDENTS), len(cells)),
        "diverged": np.zeros(size, bool),
        "rank_deficient": np.zeros(size, bool),
        "test_mse": np.ones(size),
        "classes": np.zeros(ROWS, int),
    }
    return pd.concat(parts, ignore_index=True), defaults | columns


def settings():
    return judging.Settings(
        margins=dict.fromkeys(margins(), 0.1) | {"ratio_margin": 1.1},
        confidence=0.95,
        bootstrap_draws=50,
        seed=0,
        gate={
            "hallucination": 0.05,
            "entropy": 0.1,
            "similarity": 0.8,
            "convergence": 0.02,
            "converged": 0.9,
            "greedy": 0.95,
            "random_errors": 0.1,
        },
    )


def run_of(cells, key=KEY, **columns):
    table = students(cells, **columns)
    estimates = pd.DataFrame([dict.fromkeys(CONDITION) | c | {"role": "student"} for c in cells])
    return TabularRun(key, estimates, lambda _: table, 50, 0)


def test_students_without_full_rank_are_left_out():
    rng = np.random.default_rng(0)
    predictions = rng.normal(size=(STUDENTS, ROWS))
    deficient = np.zeros(STUDENTS, bool)
    deficient[3] = True
    predictions[3] = 1e6
    run = run_of([{"k": 1}], prediction=predictions, rank_deficient=deficient)
    point, draws = run.values("variance", k=1)
    expected = np.delete(predictions, 3, axis=0).var(axis=0, ddof=1).mean()
    assert point == pytest.approx(expected)
    assert draws.max() < 10
    assert run.take_used() == STUDENTS - 1


def test_families_without_a_rank_keep_all_their_students():
    predictions = np.random.default_rng(1).normal(size=(STUDENTS, ROWS))
    nothing = np.full(STUDENTS, None, dtype=object)
    run = run_of([{"k": 1}], prediction=predictions, rank_deficient=nothing)
    assert run.values("variance", k=1)[0] == pytest.approx(predictions.var(axis=0, ddof=1).mean())


def test_rounding_of_equal_predictions_is_no_variance():
    rng = np.random.default_rng(2)
    truth = 20 + rng.normal(size=ROWS)
    noisy = truth * (1 + 1e-7 * rng.normal(size=(STUDENTS, ROWS)))
    run = run_of([{"k": 1}], prediction=noisy.astype(np.float32))
    point, draws = run.values("variance", k=1)
    assert point == 0
    assert (draws == 0).all()
    little = truth * (1 + 1e-5 * rng.normal(size=(STUDENTS, ROWS)))
    assert run_of([{"k": 1}], prediction=little).values("variance", k=1)[0] > 0


def test_on_exactly_linear_data_teacher_labels_leave_no_variance():
    """Whatever their labels come from, students equal the truth up to rounding."""
    rng = np.random.default_rng(3)
    cells = [{"label_source": s, "sample_fraction": 1.0} for s in ("teacher", "truth")]
    noisy = 20 * (1 + 1e-7 * rng.normal(size=(2 * STUDENTS, ROWS)))
    table = students(cells, prediction=noisy.astype(np.float32))
    estimates = pd.DataFrame(
        [
            dict.fromkeys(CONDITION)
            | cell
            | KEY._asdict()
            | {"role": "student", "metric": "rank_deficient_count", "group": "all"}
            | {"estimate": 0.0, "n_students": STUDENTS}
            for cell in cells
        ]
    )
    evidence = Evidence(settings(), estimates, [KEY], lambda _: table, {})
    rows = judging.judge(evidence, 0.95)
    assert rows["verdict"] == ["supported"]
    assert rows["kind"] == ["check"]
    assert "100.00% of the students have full rank" in rows["statistic"][0]


@pytest.mark.parametrize(("power", "verdict"), [(1.0, "supported"), (0.5, "contradicted")])
def test_averaging_at_fixed_initial_parameters_may_divide_by_k_or_not(power, verdict, monkeypatch):
    monkeypatch.setattr("test_tabular_evidence.STUDENTS", 4000)
    rng = np.random.default_rng(5)
    ks = (1, 3, 10)
    cells = [{"method": "single" if k == 1 else "averaging", "alpha": 0.5, "k": k} for k in ks]
    # Pairs share what their initial parameters do, which is much more than what the noise does.
    starts = 5 * np.repeat(rng.normal(size=(2000, ROWS)), 2, axis=0)
    parts = [starts + k ** (-power / 2) * rng.normal(size=(4000, ROWS)) for k in ks]
    table = students(cells, prediction=np.concatenate(parts))
    key = RunKey("fixed_initialisation", "mlp", "d")
    estimates = pd.DataFrame(
        [dict.fromkeys(CONDITION) | c | key._asdict() | {"role": "student"} for c in cells]
    )
    rows = judging.judge(Evidence(settings(), estimates, [key], lambda _: table, {}), 0.95)
    assert rows["verdict"] == [verdict]
    assert rows["kind"] == ["claim"]
    assert rows["n_students"] == [12000]
    assert "given the initial parameters" in rows["statistic"][0]


def test_variances_within_pairs_leave_out_pairs_with_a_diverged_student():
    rng = np.random.default_rng(6)
    predictions = rng.normal(size=(STUDENTS, ROWS))
    predictions[7] = 1e9
    diverged = np.zeros(STUDENTS, bool)
    diverged[7] = True
    shuffled = rng.permutation(STUDENTS)
    run = run_of(
        [{"k": 1}],
        prediction=predictions[shuffled],
        diverged=diverged[shuffled],
        replicate=shuffled,
    )
    point, draws = run.values("variance_given_initialisation", k=1)
    first, second = np.delete(predictions.reshape(-1, 2, ROWS), 3, axis=0).transpose(1, 0, 2)
    assert point == pytest.approx(((first - second) ** 2).mean() / 2)
    assert draws.std() == pytest.approx(point * np.sqrt(2 / (19 * ROWS)), rel=0.4)


def test_mutual_information_is_that_of_the_estimates_to_second_order():
    rng = np.random.default_rng(4)
    probabilities = rng.dirichlet([20.0, 20, 20], size=(STUDENTS, ROWS))
    run = run_of(
        [{"k": 1}],
        RunKey("student_output", "softmax", "d"),
        prediction=probabilities.reshape(STUDENTS, -1),
    )
    point, draws = run.values("mutual_information", k=1)
    members = np.ones((STUDENTS, ROWS), bool)
    expected = statistics.mutual_information(probabilities, members, 0.95).value
    assert point == pytest.approx(expected, rel=0.02)
    # A bootstrap sample has fewer different students, which the factor n/(n - 1) makes up for.
    assert draws.mean() == pytest.approx(point, rel=4 * draws.std() / point / np.sqrt(50) + 0.01)
