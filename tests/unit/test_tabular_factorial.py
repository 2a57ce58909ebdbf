import numpy as np
import pandas as pd
import pytest
from drawn_figures import drawn
from kduq import artifacts, seeds
from kduq.artifacts import schemas
from kduq.conditions import LEVEL_COLUMNS, Condition
from kduq.families import FAMILIES, Batch
from kduq.figures import decomposition as figures_decomposition
from kduq.figures import drawing
from kduq.responses import tabular as responses
from kduq.students import labels
from kduq.students import tabular as students
from kduq.students import tabular_factorial as factorial
from matplotlib.figure import Figure

MODELS = {
    "linear": {"family": "linear"},
    "mlp": {"family": "mlp", "hidden": 16, "epochs": 5, "learning_rate": 0.01},
}
RUN = {"experiment": "decomposition", "dataset": "made_up", "seed": 3}
LEVELS = {"mlp": {"bootstrap": 5, "initialisation": 9}, "linear": {"bootstrap": 60}}


def train(problem, name, start, stop, levels=None, alphas=(0.5,)):
    run = RUN | {"family": name, "start": start, "stop": stop}
    drawn = responses.Settings(**run, responses=1, noisy=True, factor="noise")
    noise = responses.sample(drawn, 45)["noise"]
    settings = factorial.Settings(
        **run,
        task="regression",
        model=MODELS[name],
        conditions=[Condition(alpha=alpha) for alpha in alphas],
        levels=levels or LEVELS[name],
        divergence_factor=10,
    )
    data = labels.DistillationData(problem, np.zeros(15), problem.train_y)
    counted = []
    table = factorial.train(settings, data, noise[:, None], counted.append)
    assert sum(counted) == len(table["replicate"]) == factorial.n_students(settings)
    return table


def on_all_rows(table):
    return np.isnan(table["bootstrap_level"])


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_a_student_does_not_depend_on_its_shard(problem, name):
    whole = train(problem, name, 0, 3)
    rows = np.flatnonzero(whole["noise_level"] == 2)
    part = train(problem, name, 2, 3)
    np.testing.assert_array_equal(whole["prediction"][rows], part["prediction"])
    np.testing.assert_array_equal(whole["replicate"][rows], part["replicate"])


def test_every_combination_is_there_once_with_noise_slowest(problem):
    table = train(problem, "mlp", 1, 3)
    columns = [LEVEL_COLUMNS[f] for f in ("noise", "initialisation", "bootstrap")]
    levels = np.stack([table[column] for column in columns], axis=1)
    samples = [*range(5), np.nan]
    expected = np.stack(np.meshgrid([1, 2], range(9), samples, indexing="ij"), axis=-1)
    np.testing.assert_array_equal(levels, expected.reshape(-1, 3))
    np.testing.assert_array_equal(table["replicate"], np.arange(54, 162))
    assert all(value is None for value in table["seed"])
    assert all(value is None for value in train(problem, "linear", 0, 1)["init_level"])


def test_a_linear_student_is_least_squares_on_its_sample_and_noise(problem):
    table = train(problem, "linear", 0, 4)
    row = 3 * 61 + 17

    def seed(factor, level):
        return seeds.replicate_seed(3, ("decomposition", "linear", "made_up", factor), level)

    noise = seeds.generator(seed("noise", 3), "noise").standard_normal(45, dtype=np.float32)
    rows = np.repeat(
        np.arange(45), students.bootstrap_counts(seed("bootstrap", 17), 45, 1.0).astype(int)
    )
    labels = problem.train_y + np.sqrt(0.5 * problem.train_y.var()) * noise
    x = np.column_stack([np.ones(45), problem.train_x])
    weights = np.linalg.lstsq(x[rows], labels[rows], rcond=None)[0]
    expected = np.column_stack([np.ones(15), problem.test_x]) @ weights
    np.testing.assert_allclose(table["prediction"][row], expected, rtol=1e-5)


def test_students_on_all_rows_and_of_labels_without_noise_are_least_squares(problem):
    table = train(problem, "linear", 0, 4, alphas=(0.5, 0.0))
    x = np.column_stack([np.ones(45), problem.train_x])
    z = np.column_stack([np.ones(15), problem.test_x])
    seed = seeds.replicate_seed(3, ("decomposition", "linear", "made_up", "noise"), 2)
    noise = seeds.generator(seed, "noise").standard_normal(45, dtype=np.float32)
    labels = problem.train_y + np.sqrt(0.5 * problem.train_y.var()) * noise
    (row,) = np.flatnonzero(on_all_rows(table) & (table["noise_level"] == 2))
    expected = z @ np.linalg.lstsq(x, labels, rcond=None)[0]
    np.testing.assert_allclose(table["prediction"][row], expected, rtol=1e-5)
    noiseless = np.flatnonzero(np.array(table["alpha"]) == 0)
    assert len(noiseless) == 61
    assert np.isnan(table["noise_level"][noiseless]).all()
    expected = z @ np.linalg.lstsq(x, problem.train_y, rcond=None)[0]
    np.testing.assert_allclose(table["prediction"][noiseless[-1]], expected, rtol=1e-5)
    sample = seeds.replicate_seed(3, ("decomposition", "linear", "made_up", "bootstrap"), 17)
    rows = np.repeat(np.arange(45), students.bootstrap_counts(sample, 45, 1.0).astype(int))
    expected = z @ np.linalg.lstsq(x[rows], problem.train_y[rows], rcond=None)[0]
    np.testing.assert_allclose(table["prediction"][noiseless[17]], expected, rtol=1e-5)


def test_students_without_noise_are_in_the_first_shard_alone(problem):
    first = train(problem, "linear", 0, 2, alphas=(0.5, 0.0))
    second = train(problem, "linear", 2, 4, alphas=(0.5, 0.0))
    assert (np.array(first["alpha"]) == 0).sum() == 61
    assert set(second["alpha"]) == {0.5}


def test_a_network_starts_at_the_parameters_of_its_level(problem):
    table = train(problem, "mlp", 0, 1)
    path = ("decomposition", "mlp", "made_up")
    start, sample, noise = (
        seeds.replicate_seed(3, (*path, factor), level)
        for factor, level in (("initialisation", 4), ("bootstrap", 2), ("noise", 0))
    )
    draw = seeds.generator(noise, "noise").standard_normal(45, dtype=np.float32)
    labels = problem.train_y + np.sqrt(0.5 * problem.train_y.var()) * draw
    counts = students.bootstrap_counts(sample, 45, 1.0)
    network = FAMILIES["mlp"]
    model = network.model("regression")(problem, network.settings(**MODELS["mlp"]))
    alone = model.fit(Batch(np.stack([labels] * 2), np.full(2, start), np.stack([counts] * 2)))
    np.testing.assert_allclose(
        table["prediction"][4 * 6 + 2], alone.test_prediction[0], rtol=1e-4, atol=1e-4
    )


def test_more_levels_change_no_seed(problem):
    few = train(problem, "linear", 0, 1, {"bootstrap": 40})
    many = train(problem, "linear", 0, 1, {"bootstrap": 60})
    np.testing.assert_allclose(many["prediction"][:40], few["prediction"][:40], rtol=1e-6)
    np.testing.assert_allclose(many["prediction"][60], few["prediction"][40], rtol=1e-6)


def test_the_table_is_an_artifact_of_its_own_schema(problem, tmp_path):
    path = tmp_path / "students.parquet"
    provenance = artifacts.provenance("students", {}, "0", {})
    rows = train(problem, "linear", 0, 1, alphas=(0.5, 0.0))
    artifacts.write(path, "students", rows, provenance)
    table = artifacts.read(path, "students").table
    assert table["noise_level"].null_count == 61
    assert table["bootstrap_level"].null_count == 2
    assert table["bootstrap_level"].to_pylist()[:3] == [0, 1, 2]
    assert table.column_names[-5:] == list(LEVEL_COLUMNS.values())
    assert "noise_level" not in schemas.columns("students")


def test_a_figure_shows_components_that_are_negative_or_not_to_be_had():
    names = ("noise", "bootstrap", "noise_bootstrap")
    cells = [
        {
            "group": "all",
            "metric": f"variance_{kind}_{name}",
            "estimate": value,
            "ci_low": value - 0.2,
            "ci_high": value + 0.2,
        }
        for kind in ("component", "share")
        for name, value in zip((*names, "total"), (0.7, -0.1, 0.4, 1.0), strict=True)
    ]
    count = {"estimate": 2.0, "ci_low": np.nan, "ci_high": np.nan}
    cells.append({"group": "all", "metric": "diverged_count"} | count)
    keys = {"experiment": "decomposition", "family": "linear", "dataset": "made_up", "alpha": 0.5}
    table = pd.DataFrame([keys | cell | {"n_students": 9} for cell in cells])
    png, pdf, _ = drawn("decomposition", table)
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
    # A share below zero is left of the line of zero.
    runs = figures_decomposition._runs(table)
    shares = {run: figures_decomposition._shares(table, run) for run in runs}
    figure = figures_decomposition._draw(runs, shares, figures_decomposition.TOTAL_EFFECTS)
    (single, *_) = figure.axes
    (points,) = [
        line for line in single.lines if line.get_marker() == "o" and len(line.get_xdata())
    ]
    np.testing.assert_allclose(points.get_xdata(), [0.7, -0.1, 0.4])
    empty = table.assign(estimate=np.nan, ci_low=np.nan, ci_high=np.nan)
    assert drawn("decomposition", empty)[0].startswith(b"\x89")


def test_of_the_residual_what_varies_within_a_student_is_shown_apart():
    shares = {"noise": 0.3, "decoding": 0.1, "noise_decoding": 0.05, "residual": 0.55}
    run = figures_decomposition.Run("lm", "made_up", "train")

    def found(values):
        rows = [
            {"family": "lm", "dataset": "made_up", "group": "train", "estimate": value}
            | {"metric": f"variance_share_{name}", "ci_low": value - 0.1, "ci_high": value + 0.1}
            for name, value in values.items()
        ]
        return figures_decomposition._shares(pd.DataFrame(rows), run)

    assert {name: number.value for name, number in found(shares).items()} == shares
    split = found(shares | {"total_effect_decoding": 0.5})
    assert {name: number.value for name, number in split.items()} == pytest.approx(
        {"noise": 0.3, "residual": 0.2, "within": 0.5}
    )
    # A difference of two estimates has no interval of its own.
    assert np.isnan(split["residual"].low)
    assert split["within"].low == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 3, 5], [1, 3, 5]),
        ([1, 30, 31], [1, 31]),
        ([1, 3, 5, 7, 9, 11, 13, 15, 20, 30, 40, 50], [1, 3, 7, 15, 50]),
        ([1], [1]),
        ([2, 100], [2, 100]),
    ],
)
def test_an_axis_of_responses_has_ticks_at_its_ends(numbers, expected):
    ax = Figure().subplots()
    drawing.response_ticks(ax, numbers)
    assert list(ax.get_xticks()) == expected
