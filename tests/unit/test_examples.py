import numpy as np
import pandas as pd
import pytest
from kduq.data import tables
from kduq.errors import UserError
from kduq.examples import tabular as examples

BUILT_IN = {
    "task": "regression",
    "path": None,
    "target": None,
    "features": None,
    "rows": None,
    "test_fraction": 0.2,
    "split_seed": 0,
}
CLASSES = {"task": "classification"}


def table(rows=40):
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "price"])


def settings(dataset, **more):
    return examples.Settings(**(BUILT_IN | {"dataset": dataset} | more))


def built_in(dataset, **more):
    return examples.prepare(settings(dataset, **more))


def prepare(tmp_path, frame, name="x.csv", **more):
    path = tmp_path / name
    if name.endswith(".csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    mine = {"dataset": "mine", "path": str(path), "target": "price"}
    return examples.prepare(examples.Settings(**(BUILT_IN | mine | more)))


@pytest.mark.parametrize(
    ("dataset", "rows", "features"),
    [
        ("boston_housing", 506, 13),
        ("diabetes", 442, 10),
        ("auto_mpg", 392, 7),
        ("political_leaning", 944, 9),
    ],
)
def test_built_in_data_are_split_and_scaled_on_training_rows(dataset, rows, features):
    found = built_in(dataset)
    assert found["x"].shape == (rows, features)
    train = found["split"] == "train"
    assert (~train).sum() == round(0.2 * rows)
    np.testing.assert_allclose(found["x"][train].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found["x"][train].std(axis=0), 1, rtol=1e-5)
    # Scalers that had seen the test rows would centre all rows instead.
    assert np.abs(found["x"].mean(axis=0)).max() > 1e-3
    other = built_in(dataset, split_seed=1)
    assert (other["split"] != found["split"]).any()


def test_csv_and_parquet_agree(tmp_path):
    a, b = prepare(tmp_path, table()), prepare(tmp_path, table(), "x.parquet")
    np.testing.assert_allclose(a["x"], b["x"], rtol=1e-6)
    assert (a["split"] == b["split"]).all()


def with_value(column, value):
    frame = table()
    frame[column] = frame[column].astype(object)
    frame.loc[3, column] = value
    return frame


#: A seed of the split that puts row 0 of 40 among the test rows.
RARE_IN_TEST = 6


@pytest.mark.parametrize(
    ("frame", "changes", "message"),
    [
        (with_value("a", None), {}, "missing or infinite values in 'a' \\(1\\)"),
        (with_value("a", "many"), {}, "column 'a' is not numeric"),
        (with_value("price", "high"), {}, "the target 'price' is not numeric; encode it"),
        (table().assign(b=1.0), {}, "column 'b' is constant on the training rows"),
        (table().assign(price=1.0), {}, "the target is constant on the training rows"),
        (table(4), {}, "more training rows than features"),
        (table(), {"target": "cost"}, "no column 'cost'; the file has 'a', 'b', 'price'"),
        (table(), {"features": ["c"]}, "no column 'c'"),
        (table(), {"features": ["a", "price"]}, "found the target 'price' to predict from"),
        (table()[["price"]], CLASSES, "found no column beside the target"),
        (table().assign(a=1e300 * table()["a"]), {}, "column 'a' is too large or too small"),
        (table().assign(a=1e-300 * table()["a"]), {}, "column 'a' is too large or too small"),
        (table(), {"rows": 41}, "datasets.mine.rows: found 41, but there are 40 rows"),
        (table(), CLASSES, "'price' has 40 classes in 40 rows; allowed are 2 to half the rows"),
        (table().assign(price=1.0), CLASSES, "'price' has 1 classes in 40 rows"),
        (with_value("price", None), CLASSES, "missing values in 'price' \\(1\\)"),
        (
            table().assign(price=["rare", *["a", "b"] * 19, "a"]),
            CLASSES | {"split_seed": RARE_IN_TEST},
            "a class has no training row",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, frame, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        prepare(tmp_path, frame, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("no.csv", "no such file"), ("x.xlsx", "ending in .csv or .parquet")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        tables.load("mine", settings("mine", path=str(tmp_path / name), target="price"))


def test_classes_are_numbered_in_the_order_of_their_labels(tmp_path):
    frame = table().assign(price=["no", "yes"] * 20)
    found = prepare(tmp_path, frame, **CLASSES)
    np.testing.assert_array_equal(found["y"], [0, 1] * 20)


def test_rows_are_a_random_part_and_keep_their_numbers(tmp_path):
    frame = table()
    found = prepare(tmp_path, frame, rows=25)
    assert len(found["y"]) == 25
    assert (found["split"] == "test").sum() == 5
    assert (np.diff(found["example"]) > 0).all()
    assert found["example"].max() > 24
    np.testing.assert_allclose(found["y"], frame["price"][found["example"]])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("price,a,price\n", "column 'price' is named more than once"),
        ("a,a,price\n", "column 'a' is named more than once"),
        (",a,price\n", "column 1 has no name"),
        ("a,price\n", "rows have more cells than the first line has names"),
    ],
)
def test_names_that_do_not_fit_the_columns_are_refused(tmp_path, text, line):
    path = tmp_path / "x.csv"
    path.write_text(text + "".join(f"{i},{i % 7},{i % 5}\n" for i in range(40)))
    with pytest.raises(UserError, match=line) as caught:
        examples.prepare(settings("mine", path=str(path), target="price"))
    assert str(path) in str(caught.value)


def test_a_folder_is_no_data_set(tmp_path):
    (tmp_path / "parts.parquet").mkdir()
    folder = settings("mine", path=str(tmp_path / "parts.parquet"), target="price")
    with pytest.raises(UserError, match="a data set is a file ending in"):
        examples.prepare(folder)


@pytest.mark.parametrize(("scale", "offset"), [(1, 1e9), (1e39, 0), (1e-50, 0)])
def test_a_target_beyond_single_precision_is_refused(tmp_path, scale, offset):
    frame = table()
    frame["price"] = frame["price"] * scale + offset
    with pytest.raises(UserError, match="subtract a constant from the target or rescale"):
        prepare(tmp_path, frame, "x.parquet")
    frame["price"] = table()["price"] + 5000
    prepare(tmp_path, frame, "x.parquet")
