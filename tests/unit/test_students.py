import numpy as np
import pytest
from kduq.conditions import Condition
from kduq.errors import UserError
from kduq.responses import tabular as responses
from kduq.students import tabular as students

MLP = {
    "family": "mlp",
    "hidden": 64,
    "epochs": 5,
    "learning_rate": 0.01,
    "initialisation": "uniform",
    "shared_init": False,
    "record_every": 0,
}
RUN = {"experiment": "variance_aware", "dataset": "made_up", "seed": 3}


CONDITIONS = [
    Condition(method=method, alpha=0.5, k=k)
    for method in ("single", "averaging", "variance_weighting", "variance_weighting_oracle")
    for k in (1, 3, 5)
    if method != "single" or k == 1
]


def train(problem, family, start, stop, conditions=CONDITIONS, **model):
    run = RUN | {"family": family, "start": start, "stop": stop}
    noise = responses.sample(responses.Settings(**run, responses=5, noisy=True), 45)["noise"]
    data = students.DistillationData(problem, np.zeros(15), problem.train_y)
    settings = students.Settings(
        **run,
        task="regression",
        model=(MLP | model) if family == "mlp" else {"family": family},
        conditions=conditions,
        divergence_factor=10,
    )
    counted = []
    table = students.train(settings, data, noise.reshape(stop - start, 5, 45), counted.append)
    assert sum(counted) == (stop - start) * len(conditions)
    return table


def rows(table, wanted):
    return [i for i, r in enumerate(table["replicate"]) if r in wanted]


@pytest.mark.parametrize("family", ["linear", "mlp"])
def test_a_student_does_not_depend_on_its_shard(problem, family):
    whole = train(problem, family, 0, 20)
    for start, stop in ((0, 6), (6, 20)):
        part = train(problem, family, start, stop)
        same = rows(whole, range(start, stop))
        np.testing.assert_array_equal(whole["prediction"][same], part["prediction"])
        np.testing.assert_array_equal(whole["train_mse"][same], part["train_mse"])


@pytest.mark.parametrize("family", ["linear", "mlp"])
def test_methods_agree_at_one_response_and_pilots_are_nested(problem, family):
    table = train(problem, family, 0, 4)
    k, method = np.array(table["k"]), np.array(table["method"])
    ones = [table["prediction"][(k == 1) & (method == m)] for m in dict.fromkeys(method)]
    assert len(ones) == 4
    for other in ones[1:]:
        np.testing.assert_array_equal(ones[0], other)
    alone = [Condition(method="variance_weighting", alpha=0.5, k=3)]
    few = train(problem, family, 0, 4, alone)["prediction"]
    both = table["prediction"][(k == 3) & (method == "variance_weighting")]
    np.testing.assert_array_equal(few, both)


def test_diverged_students_are_flagged_and_kept(problem):
    cell = [Condition(method="single", alpha=0.5, k=1)]
    wild = train(problem, "mlp", 0, 4, cell, learning_rate=1e4)
    assert wild["diverged"].all()
    assert len(wild["replicate"]) == 4
    assert not train(problem, "mlp", 0, 4, cell)["diverged"].any()


def test_partners_outside_the_shard_give_no_distance(problem):
    cell = [Condition(method="single", alpha=0.5, k=1)]
    table = train(problem, "mlp", 0, 3, cell)
    assert np.isfinite(table["parameter_distance_before"]).tolist() == [True, True, False]


def test_bootstrap_samples_sum_and_nest():
    small, large = (students.bootstrap_counts(1, 100, f) for f in (0.3, 1.0))
    assert (small.sum(), large.sum()) == (30, 100)
    assert (small <= large).all()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"method": "median"}, "method: found 'median'; allowed: None, single, averaging"),
        ({"label_source": "oracle"}, "label_source: found 'oracle'; allowed: None, teacher, truth"),
    ],
)
def test_a_condition_that_nothing_handles_is_refused_and_not_taken_for_another(
    problem, values, line
):
    with pytest.raises(UserError, match=line):
        train(problem, "linear", 0, 4, [Condition(alpha=0.5, k=3, **values)])
