"""Designs of splits: every split has its own rows, teacher and students."""

import numpy as np
import pandas as pd
import pytest
from configurations import checked
from drawn_figures import OneTable, drawn, settings_of
from kduq import artifacts, seeds
from kduq.artifacts import schemas
from kduq.claims import hypothesis, replicated
from kduq.claims.evidence import Evidence
from kduq.claims.settings import ClaimsSettings
from kduq.conditions import Condition
from kduq.data.datasets import DATASETS
from kduq.errors import UserError
from kduq.estimates import tabular_splits as estimates
from kduq.examples import splits
from kduq.examples.tabular import Settings, prepare
from kduq.experiments import EXPERIMENTS
from kduq.figures import FIGURES
from kduq.responses import tabular_splits as responses
from kduq.statistics import jackknifed
from kduq.students import tabular_splits as students
from kduq.study.study import Study

REPLICATION = EXPERIMENTS["replication"]
MODELS = {
    "linear": {"family": "linear"},
    "mlp": {"family": "mlp", "hidden": 16, "epochs": 20, "learning_rate": 0.01},
    "softmax": {"family": "softmax", "epochs": 30, "learning_rate": 0.05},
}
SINGLE = [Condition(method="single", alpha=alpha, k=1) for alpha in (0.0, 0.5)]
CONDITIONS = {
    "regression": [
        *SINGLE,
        *(Condition(method=m, alpha=0.5, k=3) for m in ("averaging", "variance_weighting")),
    ],
    "classification": [
        Condition(method="single", label_source="hard", k=1),
        Condition(method="single", label_source="sampled", k=1),
        Condition(method="averaging", label_source="averaged", k=3),
    ],
}
EACH = 8


def table_of(task):
    """Forty-eight examples, not standardised, of which twelve are test rows."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(48, 3)) * [1, 10, 0.1] + [0, 5, 0]
    y = x @ [1.0, -0.2, 5.0] + rng.normal(size=48)
    if task == "classification":
        y = (y > np.median(y)).astype(float)
    split = np.where(np.arange(48) < 12, "test", "train").astype(object)
    return {"split": split, "x": x.astype(np.float32), "y": y}


def run_of(family, task):
    return {"experiment": "replication", "family": family, "dataset": f"made_{task}", "seed": 3}


def train(family, task, start, stop):
    common = run_of(family, task) | {"start": start, "stop": stop, "students_per_split": EACH}
    settings = students.Settings(
        **common,
        task=task,
        model=MODELS[family],
        teacher=MODELS[family],
        conditions=CONDITIONS[task],
        divergence_factor=10,
        rescaled=True,
    )
    noise = responses.sample(responses.Settings(**common, responses=3), 36)["noise"]
    counted = []
    table = students.train(settings, table_of(task), noise, counted.append)
    assert sum(counted) == len(table["replicate"]) == students.n_students(settings)
    return table


RUNS = [("linear", "regression"), ("mlp", "regression"), ("softmax", "classification")]


@pytest.mark.parametrize(("family", "task"), RUNS)
def test_a_split_does_not_depend_on_its_shard(family, task):
    whole, part = train(family, task, 0, 3), train(family, task, 2, 3)
    rows = whole["split_number"] == 2
    assert rows.sum() == len(CONDITIONS[task]) * EACH + 1
    np.testing.assert_array_equal(whole["prediction"][rows], part["prediction"])
    np.testing.assert_array_equal(whole["seed"][rows], part["seed"])
    # No two splits have the same students.
    assert len(np.unique(whole["seed"])) == 3 * (EACH + 1)


def test_a_linear_split_is_least_squares_on_its_rows_and_its_teacher():
    table, data = train("linear", "regression", 0, 2), table_of("regression")
    drawn_rows = seeds.split_seed(3, "replication", "made_regression", 1)
    test = splits.test_rows(data["split"], drawn_rows)
    assert test.sum() == 12
    x = np.column_stack([np.ones(48), data["x"].astype(float)])

    def fitted(labels):
        return x[test] @ np.linalg.lstsq(x[~test], labels, rcond=None)[0]

    rows = np.flatnonzero(table["split_number"] == 1)
    y = data["y"][~test]
    own = x[~test] @ np.linalg.lstsq(x[~test], y, rcond=None)[0]
    np.testing.assert_allclose(table["prediction"][rows[0]], fitted(y), rtol=1e-4, atol=1e-4)
    assert table["label_source"][rows[0]] == "truth"
    assert table["test_mse"][rows[0]] == pytest.approx(
        np.mean((fitted(y) - data["y"][test]) ** 2), rel=1e-4
    )
    seed = seeds.replicate_seed(3, ("replication", "linear", "made_regression", "split_1"), 5)
    noise = np.stack(
        [seeds.generator(seed, "noise", j).standard_normal(36, "f4") for j in range(3)]
    )
    labels = own + np.sqrt(0.5 * y.var()) * noise.mean(axis=0)
    (row,) = [i for i in rows if table["method"][i] == "averaging" and table["replicate"][i] == 5]
    np.testing.assert_allclose(table["prediction"][row], fitted(labels), rtol=1e-4, atol=1e-4)


def test_families_share_splits_and_nothing_else():
    first, other = (seeds.split_seed(3, "replication", "made_up", number) for number in (0, 1))
    split = table_of("regression")["split"]
    rows = splits.test_rows(split, first)
    assert (rows != splits.test_rows(split, other)).any()
    assert rows.sum() == (split == "test").sum()
    seeds_of = {
        family: set(train(family, "regression", 0, 1)["seed"]) for family in ("linear", "mlp")
    }
    assert not seeds_of["linear"] & seeds_of["mlp"]


def test_inputs_are_standardised_on_the_training_rows_of_a_split():
    x = table_of("regression")["x"]
    test = np.arange(48) >= 40
    x = np.column_stack([x, np.where(test, 1.0, 0.0)])
    found = splits.rescaled(x, test)
    assert found.shape == (48, 3)  # the last column is constant on the training rows
    np.testing.assert_allclose(found[~test].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found[~test].std(axis=0), 1, rtol=1e-6)


def test_a_split_from_which_nothing_can_be_learnt_is_refused():
    test = np.arange(10) >= 8
    splits.check("mine", "classification", np.array([0, 1] * 5), test, 4)
    with pytest.raises(UserError, match="mine: a class has no training row on split 4"):
        splits.check("mine", "classification", np.array([0, 1] * 4 + [2, 2]), test, 4)
    with pytest.raises(UserError, match="constant on the training rows of split 4"):
        splits.check("mine", "regression", np.array([1.0] * 8 + [2.0, 3.0]), test, 4)


def test_the_table_is_an_artifact_and_others_have_no_number_of_a_split(tmp_path):
    path = tmp_path / "students.parquet"
    provenance = artifacts.provenance("students", {}, "0", {})
    artifacts.write(path, "students", train("mlp", "regression", 3, 5), provenance)
    table = artifacts.read(path, "students").table
    assert sorted(set(table["split_number"].to_pylist())) == [3, 4]
    assert "split_number" in schemas.columns("students")
    noise = responses.Settings(
        **run_of("mlp", "regression"), start=3, stop=5, responses=2, students_per_split=EACH
    )
    path = tmp_path / "responses.parquet"
    provenance = artifacts.provenance("responses", {}, "0", {})
    artifacts.write(path, "responses", responses.sample(noise, 36), provenance)
    own = artifacts.read(path, "responses").table.to_pandas()
    assert len(own) == 2 * EACH * 2
    assert own[["split_number", "replicate", "response"]].iloc[-1].tolist() == [4, EACH - 1, 1]


def estimated(family, task, number=3):
    """Estimates of a run on some splits, as a table."""
    table, data = train(family, task, 0, number), table_of(task)
    settings = estimates.Settings(
        **run_of(family, task),
        task=task,
        confidence=0.95,
        conditions=CONDITIONS[task],
        splits=number,
    )
    columns = {name: np.asarray(table[name]) for name in ("split_number", "diverged", "test_mse")}
    keys = pd.DataFrame({name: table[name] for name in schemas.CONDITION})

    class Students:
        """The columns of a table in memory."""

        def column(self, name):
            return columns[name]

        def rows_of(self, conditions):
            return [
                np.flatnonzero(
                    np.all(
                        [
                            keys[name].isna() if value is None else keys[name] == value
                            for name, value in condition.model_dump().items()
                        ],
                        axis=0,
                    )
                )
                for condition in conditions
            ]

    prediction = np.asarray(table["prediction"])
    run = estimates.SplitRun(Students(), prediction, data["split"], data["y"])
    return pd.DataFrame(estimates.estimate(settings, run)), table


def test_a_mean_of_ratios_is_that_of_the_ratios_on_the_splits():
    found, table = estimated("mlp", "regression")
    keys = pd.DataFrame({name: table[name] for name in ("split_number", "method", "alpha")})
    logs = []
    for number in range(3):
        ratio = []
        for method in ("averaging", "single"):
            mask = (keys["split_number"] == number) & (keys["method"] == method)
            rows = np.flatnonzero(mask & (keys["alpha"] == 0.5))
            values = table["prediction"][rows].astype(float)
            everyone = np.arange(EACH)
            variances = [values.var(axis=0, ddof=1).mean()]
            variances += [
                values[np.delete(everyone, s)].var(axis=0, ddof=1).mean() for s in everyone
            ]
            ratio.append(np.log(variances))
        statistic = ratio[0] - ratio[1]
        logs.append(EACH * statistic[0] - (EACH - 1) * statistic[1:].mean())
    rows = found[
        (found["metric"] == "replicated_variance_ratio_to_single")
        & (found["method"] == "averaging")
    ].set_index("group")
    np.testing.assert_allclose(
        np.log(rows.loc[["split_00", "split_01", "split_02"], "estimate"]), logs, rtol=1e-6
    )
    assert np.log(rows.loc["all", "estimate"]) == pytest.approx(np.mean(logs))
    error = np.std(logs, ddof=1) / np.sqrt(3)
    assert rows.loc["all", "se"] / rows.loc["all", "estimate"] == pytest.approx(error)
    assert rows.loc["all", "ci_low"] < rows.loc["all", "estimate"] < rows.loc["all", "ci_high"]
    assert rows.loc["all", "n_students"] == 3 * 2 * EACH
    assert {"replicated_variance_ratio_to_single_between_split_sd"} < set(found["metric"])


def test_linear_students_have_no_ratio_to_students_without_noise():
    metrics = set(estimated("linear", "regression")[0]["metric"])
    assert "replicated_variance_ratio_to_noiseless" not in metrics
    assert {"replicated_noise_times_k", "replicated_noise_variance_prediction"} < metrics


def test_classifiers_are_compared_with_the_teacher_of_their_split():
    found, table = estimated("softmax", "classification")
    rows = found[found["group"] == "split_01"].set_index(["role", "metric", "label_source"])
    data = table_of("classification")
    test = splits.test_rows(
        data["split"], seeds.split_seed(3, "replication", "made_classification", 1)
    )
    answers = table["prediction"].reshape(len(table["seed"]), 12, 2).argmax(axis=2)
    right = (answers == data["y"][test]).mean(axis=1)
    on_split = table["split_number"] == 1
    sources = np.array(table["label_source"])
    teacher = right[on_split & (sources == "truth")][0]
    own = right[on_split & (sources == "hard")].mean()
    metric = "replicated_accuracy_difference_to_teacher"
    difference = rows.loc[("student", metric, "hard"), "estimate"].item()
    assert difference == pytest.approx(own - teacher)
    assert (
        teacher
        == found.query("role == 'teacher' and metric == 'accuracy' and group == 'split_01'")[
            "estimate"
        ].item()
    )


def test_leave_one_out_values_are_those_of_the_statistic_without_each_student():
    rng = np.random.default_rng(0)
    values, good = rng.normal(size=(7, 4)), np.array([True] * 5 + [False, True])
    found = jackknifed.variance_of(values, good)
    for s in range(7):
        rest = good & (np.arange(7) != s)
        assert found[s + 1] == pytest.approx(values[rest].var(axis=0, ddof=1).mean())
    means = jackknifed.mean_of(values[:, 0], good)
    assert means[1] == pytest.approx(values[good, 0][1:].mean())
    assert means[6] == means[0] == pytest.approx(values[good, 0].mean())
    assert np.isnan(jackknifed.variance_of(values, np.arange(7) < 2)).all()
    # Rounding of equal predictions is no variance.
    assert not jackknifed.variance_of(1 + 1e-8 * values, good).any()


def test_the_correction_removes_the_bias_of_the_logarithm_of_a_variance():
    rng = np.random.default_rng(1)
    everyone = np.ones(10, bool)
    logs = [np.log(jackknifed.variance_of(rng.normal(size=(10, 1)), everyone)) for _ in range(4000)]
    plain = np.mean([log[0] for log in logs])
    corrected = np.mean([jackknifed.corrected(log).value for log in logs])
    # E log χ²_9/9 is -0.115; four standard errors of 4000 logarithms are 0.03.
    assert plain == pytest.approx(-0.115, abs=0.03)
    assert corrected == pytest.approx(0, abs=0.03)


def made_up(ratios, metric, family="mlp", **condition):
    """Estimates on splits with an error of a tenth."""
    keys = dict.fromkeys(schemas.CONDITION) | condition
    run = {"experiment": "replication", "family": family, "dataset": "diabetes"}
    return pd.DataFrame(
        [
            run
            | keys
            | {"group": f"split_{i:02d}", "role": "student", "metric": metric}
            | {"estimate": ratio, "se": 0.02 * ratio, "n_students": 40}
            | {"ci_low": 0.96 * ratio, "ci_high": 1.04 * ratio}
            for i, ratio in enumerate(ratios)
        ]
    )


def judged(table):
    config = checked()
    settings = ClaimsSettings(
        margins=config.claims.model_dump(),
        confidence=0.95,
        bootstrap_draws=200,
        seed=1,
        gate=config.gate,
    )
    evidence = Evidence(settings, table, [], None, {})
    tests = [test for claim in replicated.CLAIMS for test in claim.tests(evidence)]
    return pd.DataFrame(hypothesis.judge(tests, 0.95))


RATIOS = [0.75, 0.8, 0.7, 0.78, 0.95, 0.72]
WEIGHTING = {"method": "variance_weighting", "alpha": 0.5, "k": 3}


def test_a_verdict_over_splits_says_how_many_agree_and_what_a_new_one_would_show():
    metric = "replicated_variance_ratio_to_single"
    (row,) = judged(made_up(RATIOS, metric, **WEIGHTING)).to_dict("records")
    assert (row["claim"], row["kind"], row["verdict"]) == (12, "claim", "supported")
    # Five splits are below 1/1.1.
    assert row["statistic"].endswith(", over splits")
    assert (row["n_splits"], row["n_splits_agreeing"], row["n_splits_left_out"]) == (6, 5, 0)
    spread = 2.5706 * np.std(np.log(RATIOS), ddof=1) * np.sqrt(1 + 1 / 6)
    limits = np.log([row["prediction_low"], row["prediction_high"]])
    assert limits == pytest.approx(np.mean(np.log(RATIOS)) + np.array([-1, 1]) * spread, rel=1e-4)
    assert row["estimate"] == pytest.approx(np.exp(np.mean(np.log(RATIOS))))
    error = np.std(np.log(RATIOS), ddof=1) / np.sqrt(6)
    assert np.log(row["ci_high"] / row["estimate"]) == pytest.approx(2.5706 * error, rel=1e-4)
    assert row["n_students"] == 240
    linear = judged(made_up(RATIOS, metric, "linear", **WEIGHTING))
    assert linear["kind"].tolist() == ["check"]
    against = judged(made_up([1.3, 1.25, 1.35, 1.28], metric, **WEIGHTING))
    assert against["verdict"].tolist() == ["contradicted"]


def test_no_verdict_where_a_sure_teachers_responses_never_differ():
    metric = "replicated_variance_ratio_to_single"
    averaging = {"method": "averaging", "label_source": "averaged", "k": 10}
    (row,) = judged(made_up([1.0] * 4, metric, **averaging)).to_dict("records")
    assert (row["claim"], row["verdict"]) == (12, "inconclusive")
    assert "the teacher's responses never differ" in row["reason"]
    # Responses that differ on one split can be judged.
    (row,) = judged(made_up([1.0, 1.0, 1.0, 1.1], metric, **averaging)).to_dict("records")
    assert "never differ" not in str(row["reason"])
    against = judged(made_up([1.3, 1.25, 1.35, 1.28], metric, **averaging))
    assert against["verdict"].tolist() == ["contradicted"]


def test_networks_are_compared_with_linear_students_split_by_split():
    metric = "replicated_noise_variance"
    # Both vary over splits by more than an order of magnitude, and their ratio does not.
    line, single = [1.0, 20.0, 5.0, 2.0], {"method": "single", "alpha": 0.5, "k": 1}
    table = pd.concat(
        [
            made_up(line, metric, "linear", **single),
            made_up([5 * v for v in line], metric, "mlp", **single),
        ]
    )
    (row,) = judged(table).to_dict("records")
    assert (row["claim"], row["family"], row["verdict"]) == (2, "mlp", "supported")
    assert row["estimate"] == pytest.approx(5)
    assert row["ci_low"] > 4.9


def drawn_from(table, margins):
    prepared = FIGURES["replication"].prepare(
        settings_of("replication", margins=margins), OneTable(table)
    )
    return prepared.draw()


def test_a_figure_shows_every_split_with_threshold_and_margin():
    metric = "replicated_variance_ratio_to_single"
    linear, networks = (
        made_up(RATIOS, metric, family, **WEIGHTING) for family in ("linear", "mlp")
    )
    margins = checked().claims.model_dump()
    table = pd.concat([networks, networks.assign(dataset="auto_mpg")])
    png, pdf, _ = drawn("replication", table, margins=margins)
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
    figure = drawn_from(table, margins)
    assert figure.get_figheight() <= 170 / 25.4
    assert len(figure.axes) == 2
    for ax in figure.axes:
        (points,) = [line for line in ax.lines if line.get_marker() == "o"]
        np.testing.assert_allclose(points.get_xdata(), RATIOS)
        band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
        np.testing.assert_allclose([band.x0, band.x1], [1 / 1.1, 1.1])
    # Checks of the code are shown only where there is nothing else.
    assert len(drawn_from(pd.concat([linear, table]), margins).axes) == 2
    assert len(drawn_from(linear, margins).axes) == 1


def test_more_splits_leave_the_jobs_that_are_there():
    def targets(splits):
        families = {family: {"splits": splits, "shard": 4} for family in ("linear", "mlp")}
        overlay = {"experiments": {"replication": {"families": families}}}
        return {
            path: target.config
            for path, target in Study(checked("smoke", overlay)).targets.items()
            if path.startswith("replication/") and "/estimates" not in path
        }

    few, many = targets(8), targets(16)
    assert few.items() <= many.items()
    assert len(many) - len(few) == 2 * 2 * 2


def test_the_teachers_of_splits_are_no_artifacts_and_its_students_no_evidence():
    only = {name: None for name in EXPERIMENTS if name != "replication"}
    study = Study(checked("smoke", {"experiments": only}))
    stages = {target.stage for target in study.targets.values()}
    assert "teacher" not in stages
    claims = study.targets["claims.parquet"]
    # Loss curves are of language models alone, for the quality gate.
    assert set(claims.inputs) == {"estimates", "losses"}
    assert all(path.startswith("replication/lm/") for path in claims.inputs["losses"])
    assert claims.rows is None
    paths = set(study.artifacts_of("replication"))
    assert {"replication/mlp/wine/estimates.parquet", "figures/replication_classes.png"} < paths
    jobs = [t for p, t in study.targets.items() if "/students/" in p and "linear" in p]
    assert [job.rows for job in jobs] == [3 * (5 * 6 + 1)]


def test_conditions_are_those_of_the_task():
    config = checked()
    found = {
        experiment.task: experiment.cells(table, next(iter(dict(table.families).values())))
        for _, experiment, table in config.grids("replication")
    }
    methods = [c.method for c in found["regression"]]
    assert methods == ["single", "single", "averaging", "variance_weighting", "pilot_mean"]
    assert [c.label_source for c in found["classification"]] == [
        "hard",
        "sampled",
        "averaged",
        "soft",
    ]
    assert REPLICATION.classification.task == "classification"


@pytest.mark.parametrize("dataset", ["auto_mpg", "political_leaning", "iris", "vote"])
def test_the_size_from_which_costs_are_estimated_is_that_of_the_table(dataset):
    built_in = DATASETS[dataset]
    found = prepare(Settings(dataset=dataset, task=built_in.task))
    train = found["split"] == "train"
    classes = 1 if built_in.task == "regression" else int(found["y"].max()) + 1
    size = train.sum(), found["x"].shape[1] + 1, (~train).sum() * classes
    assert size == built_in.shape
