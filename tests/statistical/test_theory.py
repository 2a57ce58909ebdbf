"""Linear students against their closed forms, by simulation with fixed seeds."""

import numpy as np
import pytest
from kduq import statistics
from kduq.conditions import Condition
from kduq.families.least_squares import Linear
from kduq.responses import tabular as responses
from kduq.students import labels
from kduq.students import tabular as students

REPLICATES = 2000
KS = (1, 2, 5, 10)
METHODS = ("averaging", "variance_weighting", "variance_weighting_oracle", "pilot_mean")
WEIGHTS = (0.0, 0.3, 1.0)


def settings(run, conditions):
    return students.Settings(
        **run,
        task="regression",
        model={"family": "linear"},
        conditions=conditions,
        divergence_factor=10,
    )


@pytest.fixture
def simulated(problem):
    run = {"experiment": "variance_aware", "family": "linear", "dataset": "made_up", "seed": 11}
    run |= {"start": 0, "stop": REPLICATES}
    noise = responses.sample(responses.Settings(**run, responses=max(KS), noisy=True), 45)["noise"]
    design = np.column_stack([np.ones(45), problem.train_x])
    teacher = design @ np.linalg.lstsq(design, problem.train_y, rcond=None)[0]
    cells = [Condition(method=m, alpha=0.5, k=k) for m in METHODS for k in KS]
    cells += [
        Condition(method="fixed_weight", alpha=0.5, k=k, teacher_weight=w)
        for w in WEIGHTS
        for k in KS
    ]
    table = students.train(
        settings(run, cells),
        labels.DistillationData(problem, np.zeros(15), teacher),
        noise.reshape(REPLICATES, max(KS), 45),
        lambda students: None,
    )
    return table["prediction"].reshape(-1, len(KS), REPLICATES, 15).astype(np.float64)


def test_variance_equals_the_closed_form_for_every_method(problem, simulated):
    noise = 0.5 * problem.train_y.var()
    for m, method in enumerate((*METHODS, *["fixed_weight"] * len(WEIGHTS))):
        for j, k in enumerate(KS):
            found = statistics.inter_student_variance(simulated[m, j][:, None], 0.95)
            exact = Linear.theoretical_variance(problem, method, noise, k)
            # Four standard errors: one false alarm in 16,000, here in 28 cells.
            assert abs(found.value - exact) < 4 * found.se, (method, k)


def test_closed_form_is_that_of_least_squares(problem):
    x = np.column_stack([np.ones(45), problem.train_x])
    z = np.column_stack([np.ones(15), problem.test_x])
    exact = np.mean(np.diag(z @ np.linalg.inv(x.T @ x) @ z.T))
    found = Linear.theoretical_variance(problem, "single", 2.0, 1)
    np.testing.assert_allclose(found, 2 * exact, rtol=1e-6)


def test_averaging_divides_variance_by_k(simulated):
    variances = simulated[0].var(axis=1, ddof=1).mean(axis=1)
    slope = statistics.log_log_slope(np.array(KS), variances)
    # log V has a standard error near sqrt(2/(5·2000)) = 0.014, over a lever of log 10.
    assert abs(slope + 1) < 0.03


def test_no_weight_of_the_pilots_changes_anything_for_least_squares(simulated):
    for m, method in enumerate(METHODS):
        same = np.allclose(simulated[m], simulated[0], rtol=1e-5, atol=1e-5)
        assert same == (method != "variance_weighting_oracle"), method
    for mixed in simulated[len(METHODS) :]:
        np.testing.assert_allclose(mixed, simulated[0], rtol=1e-5, atol=1e-5)


def test_teacher_labels_leave_no_variance_at_full_rank(problem):
    design = np.column_stack([np.ones(45), problem.train_x])
    teacher = design @ np.linalg.lstsq(design, problem.train_y, rcond=None)[0]
    run = {"experiment": "bootstrap", "family": "linear", "dataset": "made_up", "seed": 1}
    run |= {"start": 0, "stop": 200}
    cells = [Condition(sample_fraction=1.0, label_source=s) for s in ("teacher", "truth")]
    data = labels.DistillationData(problem, np.zeros(15), teacher)
    table = students.train(
        settings(run, cells), data, np.zeros((200, 1, 45), np.float32), lambda n: None
    )
    assert not table["rank_deficient"].any()
    teacher_labels, truth = table["prediction"].astype(float).reshape(2, 200, 15).var(axis=1)
    assert teacher_labels.mean() < 1e-9 * truth.mean()
