"""Students and estimates of the design in which split and teacher are factors."""

import numpy as np
import pytest
from kduq import artifacts, seeds
from kduq.conditions import LEVEL_COLUMNS, Condition
from kduq.estimates import tabular_studies as estimates
from kduq.families import FAMILIES, Batch, Problem
from kduq.responses import tabular as responses
from kduq.students import tabular_studies as students

NETWORK = {"family": "mlp", "hidden": 16, "epochs": 5, "learning_rate": 0.01}
MODELS = {"linear": {"family": "linear"}, "mlp": NETWORK}
LEVELS = {"linear": {"split": 4}, "mlp": {"split": 3, "teacher": 4, "initialisation": 3}}
RUN = {"experiment": "study_variance", "dataset": "made_up", "seed": 3}
ALPHA = 0.5


def noise_of(name, start, stop):
    run = RUN | {"family": name, "start": start, "stop": stop}
    settings = responses.Settings(**run, responses=1, noisy=True, factor="noise")
    return responses.sample(settings, 45)["noise"]


def train(problem, name, start=0, stop=3, levels=None):
    settings = students.Settings(
        **RUN | {"family": name, "start": start, "stop": stop},
        task="regression",
        model=MODELS[name],
        teacher=MODELS[name] | ({"epochs": 9} if name == "mlp" else {}),
        conditions=[Condition(alpha=ALPHA)],
        levels=levels or LEVELS[name],
        divergence_factor=10,
    )
    counted = []
    noise = noise_of(name, start, stop)
    table = students.train(settings, problem, np.zeros(15), noise, counted.append)
    assert sum(counted) == students.n_models(settings)
    return table


def row_of(table, **levels):
    keep = np.ones(len(table["replicate"]), bool)
    for factor, level in levels.items():
        keep &= table[LEVEL_COLUMNS[factor]] == level
    (row,) = np.flatnonzero(keep)
    return row


def level_seed(name, factor, level):
    return seeds.replicate_seed(3, ("study_variance", name, "made_up", factor), level)


def rows_of_split(name, level):
    """Numbers of the training rows of a split, from its seed alone."""
    return seeds.generator(level_seed(name, "split", level), "split").integers(0, 45, 45)


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_a_student_does_not_depend_on_its_shard(problem, name):
    whole, part = train(problem, name), train(problem, name, 2, 3)
    rows = np.flatnonzero(whole["noise_level"] == 2)
    np.testing.assert_array_equal(whole["prediction"][rows], part["prediction"])
    np.testing.assert_array_equal(whole["replicate"][rows], part["replicate"])


def test_every_combination_is_there_once(problem):
    table = train(problem, "mlp")
    columns = [LEVEL_COLUMNS[f] for f in ("split", "teacher", "noise", "initialisation")]
    levels = {tuple(row) for row in np.stack([table[c] for c in columns], axis=1).tolist()}
    grid = np.indices((3, 4, 3, 3)).reshape(4, -1).T
    assert levels == {tuple(row) for row in grid.astype(float).tolist()}
    assert len(table["replicate"]) == len(set(table["replicate"].tolist())) == 108
    assert table["bootstrap_level"] == [None] * 108
    assert train(problem, "linear")["teacher_level"] == [None] * 12


def test_a_linear_student_learns_from_the_teacher_of_its_own_rows(problem):
    table = train(problem, "linear")
    row = row_of(table, split=2, noise=1)
    rows = rows_of_split("linear", 2)
    x, y = np.column_stack([np.ones(45), problem.train_x])[rows], problem.train_y[rows]
    teacher = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    labels = teacher + np.sqrt(ALPHA * y.var()) * noise_of("linear", 1, 2)[0]
    weights = np.linalg.lstsq(x, labels, rcond=None)[0]
    expected = np.column_stack([np.ones(15), problem.test_x]) @ weights
    np.testing.assert_allclose(table["prediction"][row], expected, rtol=1e-4)


def test_a_network_has_the_split_teacher_noise_and_start_of_its_levels(problem):
    table = train(problem, "mlp")
    levels = {"split": 1, "teacher": 3, "noise": 2, "initialisation": 1}
    row = row_of(table, **levels)
    rows = rows_of_split("mlp", 1)
    own = Problem(problem.train_x[rows], problem.test_x, problem.train_y[rows])
    family = FAMILIES["mlp"]

    def fitted(settings, labels, factor):
        seed = level_seed("mlp", factor, levels[factor])
        model = family.model("regression")(own, family.settings(**settings))
        return model.fit(Batch(np.stack([labels] * 2), np.full(2, seed)))

    teacher = fitted(NETWORK | {"epochs": 9}, own.train_y, "teacher").train_prediction[0]
    noise = np.sqrt(ALPHA * own.train_y.var()) * noise_of("mlp", 2, 3)[0]
    expected = fitted(NETWORK, teacher + noise, "initialisation").test_prediction[0]
    np.testing.assert_allclose(table["prediction"][row], expected, rtol=1e-4, atol=1e-4)


def test_more_levels_change_no_student(problem):
    few = train(problem, "mlp")
    many = train(problem, "mlp", levels={"split": 4, "teacher": 4, "initialisation": 5})
    levels = {"split": 2, "teacher": 1, "noise": 0, "initialisation": 2}
    np.testing.assert_allclose(
        few["prediction"][row_of(few, **levels)],
        many["prediction"][row_of(many, **levels)],
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_table_is_an_artifact_and_has_estimates(problem, tmp_path):
    table = train(problem, "mlp")
    path = tmp_path / "students.parquet"
    artifacts.write(path, "students", table, artifacts.provenance("students", {}, "0", {}))
    read = artifacts.read(path, "students")
    levels = LEVELS["mlp"] | {"noise": 3}
    settings = estimates.Settings(
        **RUN | {"family": "mlp"},
        task="regression",
        confidence=0.95,
        conditions=[Condition(alpha=ALPHA)],
        levels=levels,
    )
    names = (*LEVEL_COLUMNS.values(), "diverged", "rank_deficient", "prediction")
    found = estimates.estimate(settings, read.columns(names))
    value = dict(zip(found["metric"], found["estimate"], strict=True))
    nested = ("split", "teacher", "students")
    assert sum(value[f"variance_share_nested_{name}"] for name in nested) == pytest.approx(1)
    # The order of the factors is that of the layout, whatever the order of the rows: by hand.
    cube = np.zeros((3, 4, 3, 3, 15))
    at = [table[LEVEL_COLUMNS[f]].astype(int) for f in ("split", "teacher", "noise")]
    cube[(*at, table["init_level"].astype(int))] = table["prediction"]
    every = estimates.components_by_metric(
        cube, ["split", "teacher", "noise", "initialisation"], 0.95
    )
    for metric, estimate in every.items():
        assert value[metric] == pytest.approx(estimate.value), metric
    assert value["diverged_count"] == 0


def test_linear_students_have_the_variance_of_the_closed_form(problem):
    """Over noise, given the split: alpha Var(y) z' (X'X)^-1 z, averaged over the drawn splits."""
    name, levels = "linear", {"split": 30, "noise": 40}
    table = train(problem, name, 0, 40, {"split": 30})
    settings = estimates.Settings(
        **RUN | {"family": name},
        task="regression",
        confidence=0.95,
        conditions=[Condition(alpha=ALPHA)],
        levels=levels,
    )
    columns = {c: np.asarray(v) for c, v in table.items()}
    found = estimates.estimate(settings, columns)
    rows = {m: i for i, m in enumerate(found["metric"])}
    exact = []
    z = np.column_stack([np.ones(15), problem.test_x])
    for level in range(30):
        drawn = rows_of_split(name, level)
        x, y = np.column_stack([np.ones(45), problem.train_x])[drawn], problem.train_y[drawn]
        spread = z @ np.linalg.inv(x.T @ x) @ z.T
        exact.append(ALPHA * y.var() * np.trace(spread) / 15)
    row = rows["variance_component_nested_students"]
    assert abs(found["estimate"][row] - np.mean(exact)) < 4 * found["se"][row]
    # The error of 30 × 40 students is some ten percent, so that the comparison can fail.
    assert found["se"][row] < 0.2 * np.mean(exact)
