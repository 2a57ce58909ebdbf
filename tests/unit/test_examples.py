import numpy as np
import pandas as pd
import pytest
from kduq import examples
from kduq.errors import UserError

BUILT_IN = {"path": None, "target": None, "features": None, "test_fraction": 0.2, "split_seed": 0}


def table(rows=40):
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "price"])


def prepare(tmp_path, frame, name="x.csv", **settings):
    path = tmp_path / name
    if name.endswith(".csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    chosen = BUILT_IN | {"dataset": "mine", "path": str(path), "target": "price"} | settings
    return examples.prepare(chosen)


@pytest.mark.parametrize(
    ("dataset", "rows", "features"), [("boston_housing", 506, 13), ("diabetes", 442, 10)]
)
def test_built_in_data_are_split_and_scaled_on_training_rows(dataset, rows, features):
    found = examples.prepare(BUILT_IN | {"dataset": dataset})
    assert found["x"].shape == (rows, features)
    train = found["split"] == "train"
    assert (~train).sum() == round(0.2 * rows)
    np.testing.assert_allclose(found["x"][train].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found["x"][train].std(axis=0), 1, rtol=1e-5)
    # Scalers that had seen the test rows would centre all rows instead.
    assert np.abs(found["x"].mean(axis=0)).max() > 1e-3
    other = examples.prepare(BUILT_IN | {"dataset": dataset, "split_seed": 1})
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


@pytest.mark.parametrize(
    ("frame", "settings", "message"),
    [
        (with_value("a", None), {}, "missing or infinite values in 'a' \\(1\\)"),
        (with_value("a", "many"), {}, "column 'a' is not numeric"),
        (table().assign(b=1.0), {}, "column 'b' is constant on the training rows"),
        (table().assign(price=1.0), {}, "column 'price' is constant"),
        (table(4), {}, "more training rows than features"),
        (table(), {"target": "cost"}, "no column 'cost'; the file has 'a', 'b', 'price'"),
        (table(), {"features": ["c"]}, "no column 'c'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, frame, settings, message):
    with pytest.raises(UserError, match=message) as caught:
        prepare(tmp_path, frame, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("no.csv", "no such file"), ("x.xlsx", "ending in .csv or .parquet")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        examples.load("mine", BUILT_IN | {"path": str(tmp_path / name), "target": "price"})
