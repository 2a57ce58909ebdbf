import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
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
        (
            with_value("price", "high"),
            {},
            "the target 'price' is not numeric \\(row 4 has 'high'\\); encode it",
        ),
        (table().assign(b=1.0), {}, "column 'b' is constant on the training rows"),
        (table().assign(price=1.0), {}, "the target is constant on the training rows"),
        (table(4), {}, "more training rows than features"),
        (table(), {"target": "cost"}, "no column 'cost'; the file has 'a', 'b', 'price'"),
        (
            table(),
            {"target": "prize"},
            r"correct datasets\.mine\.target; did you mean 'price'\?$",
        ),
        (table(), {"features": ["c"]}, "no column 'c'"),
        (
            table().assign(b="x", c="y"),
            {},
            r"columns 'b', 'c' are not numeric.*; encode them as numbers or name the others in d",
        ),
        (
            table().assign(b="x"),
            {"features": ["a", "b"]},
            r"column 'b' is not numeric.*; encode it as numbers or leave it out of datasets\.mine",
        ),
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
    ("name", "message"),
    [("no.csv", "no such file"), ("x.xlsx", "ending in .csv, .tsv or .parquet")],
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


def test_a_folder_of_parts_is_a_data_set(tmp_path):
    frame, parts = table(60), tmp_path / "year=2020"
    parts.mkdir()
    folder = settings("mine", path=str(parts), target="price")
    with pytest.raises(UserError, match="this folder has no file ending in"):
        examples.prepare(folder)
    frame[:35].to_parquet(parts / "part-0.parquet")
    frame[35:].to_parquet(parts / "part-1.PARQUET")
    (parts / "_SUCCESS").touch()
    (parts / "._part-0.parquet").write_bytes(b"of another program")
    found, whole = examples.prepare(folder), prepare(tmp_path, frame, "x.parquet")
    assert all((found[column] == whole[column]).all() for column in whole)
    assert tables.shape_of_file(parts) == (60, 3)
    frame[["price", "a", "b"]].to_parquet(parts / "part-2.parquet")
    with pytest.raises(UserError, match="its columns 'price', 'a', 'b' differ"):
        examples.prepare(folder)


def test_all_faults_are_listed_at_once(tmp_path):
    frame = with_value("a", None).assign(b=1.0, note="x")
    with pytest.raises(UserError) as caught:
        prepare(tmp_path, frame.assign(price="?"), features=["a", "b", "note", "age"])
    lines = str(caught.value).splitlines()
    for words in ("no column 'age'", "'note' is not", "in 'a' (1)", "'price' is not", "'b' is con"):
        assert sum(words in line for line in lines) == 1, words
    assert len(lines) == 5


#: A table and the ways in which programs write it as text.
WRITTEN = [
    ("x.csv", {}, {}),
    ("x.CSV", {}, {}),
    ("x.tsv", {"sep": "\t"}, {}),
    ("x.csv.gz", {}, {}),
    ("x.TSV.GZ", {"sep": "\t", "compression": "gzip"}, {}),
    ("x.csv", {"sep": ";", "decimal": ","}, {"separator": ";", "decimal": ","}),
    ("x.csv", {"encoding": "utf-16"}, {"encoding": "utf-16"}),
    ("x.csv", {"encoding": "utf-16-le"}, {"encoding": "UTF-16LE"}),
    ("x.csv", {"encoding": "utf-8-sig"}, {}),
    ("x.csv", {"encoding": "cp1252"}, {"encoding": "cp1252"}),
]


@pytest.mark.parametrize(("name", "written", "keys"), WRITTEN)
def test_text_files_of_other_programs_are_read(tmp_path, name, written, keys):
    frame, path = table().rename(columns={"a": "größe"}), tmp_path / name
    frame.to_csv(path, index=False, **written)
    found = examples.prepare(settings("mine", path=str(path), target="price", **keys))
    np.testing.assert_array_equal(found["y"], frame["price"])
    assert found["x"].shape == (40, 2)
    assert tables.shape_of_file(path, keys.get("separator"))[1] == 3


@pytest.mark.parametrize("mark", [";", "\t", ","])
def test_the_line_that_names_the_separator_for_spreadsheets_is_obeyed(tmp_path, mark):
    path = tmp_path / "x.csv"
    path.write_text(f"sep={mark}\r\n" + table().to_csv(index=False, sep=mark))
    found = examples.prepare(settings("mine", path=str(path), target="price"))
    np.testing.assert_array_equal(found["y"], table()["price"])


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("x.csv", {"sep": ";"}, 'separated by .;., set datasets.mine.separator: ";"'),
        ("x.csv", {"sep": "\t"}, 'set datasets.mine.separator: "\\\\t"'),
        ("x.tsv", {"sep": ","}, 'set datasets.mine.separator: ","'),
        ("x.csv", {"encoding": "utf-16"}, "not UTF-8; name its encoding, as in .*: utf-16"),
        ("x.csv", {"encoding": "cp1252"}, "not UTF-8; name its encoding, as in .*: cp1252"),
    ],
)
def test_the_key_that_reads_a_text_file_is_named(tmp_path, name, written, message):
    path = tmp_path / name
    table().rename(columns={"a": "größe"}).to_csv(path, index=False, **written)
    with pytest.raises(UserError, match=message) as caught:
        examples.prepare(settings("mine", path=str(path), target="price"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "key", "character"),
    [
        ("{:,.2f}", "thousands", ","),
        ("{:.2f}", "decimal", ","),
        ("{:_.2f}", "thousands", "'"),
    ],
)
def test_the_key_that_reads_numbers_is_named_and_reads_them(tmp_path, value, key, character):
    frame = table().assign(a=np.round(5000 + 1000 * table()["a"], 2))
    texts = [value.format(a).replace("_", "'") for a in frame["a"]]
    if key == "decimal":
        texts = [text.replace(".", ",") for text in texts]
    with pytest.raises(UserError, match=f'datasets.mine.{key}: "{character}" reads the'):
        prepare(tmp_path, frame.assign(a=texts))
    if key == "decimal":
        with pytest.raises(UserError, match="column 'b' is not numeric"):
            prepare(tmp_path, frame.assign(a=texts), decimal=",")
        whole = table().assign(a=frame["a"]).round(2)
        frame = whole.assign(b=whole["b"] * 100 // 1, price=whole["price"] * 100 // 1)
        frame = frame.astype({"b": int, "price": int})
    found = prepare(tmp_path, frame.assign(a=texts), **{key: character})
    np.testing.assert_array_equal(found["x"], prepare(tmp_path, frame)["x"])


@pytest.mark.parametrize(
    ("prices", "keys", "line"),
    [
        # The cell that does not fit is named, and no key that would not help.
        (["82,515"] * 39 + ["12.5"], {"decimal": ","}, r"row 40 has '12\.5'\); encode"),
        (["82,515"] * 39 + ["-"], {"decimal": ","}, r"row 40 has '-'\); encode"),
        (["1.869", "719"] * 20, {"decimal": ","}, r'row 1 has .1\.869.; .*thousands: "\."'),
        (["1.869,5", "719"] * 20, {}, r'decimal: "," and datasets\.mine\.thousands: "\." reads'),
        (["82.5146", "1.234"] * 20, {"thousands": "."} | {"decimal": ","}, "row 1 has '82.5146'"),
        (["1,23,456", "1"] * 20, {"thousands": ","}, r"row 1 has '1,23,456'\); encode"),
        (["1 234", "1"] * 20, {}, 'thousands: " " reads the column'),
    ],
)
def test_numbers_that_do_not_fit_the_keys_are_named(tmp_path, prices, keys, line):
    frame = pd.DataFrame({"a": prices, "price": np.arange(40) % 7})
    with pytest.raises(UserError, match=line) as caught:
        prepare(tmp_path, frame, **keys)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("written", [["6.156", "719"], ["1.5", "2"], ["0.125", "3"], ["1.25", "7"]])
def test_thousands_that_were_read_as_decimals_are_suspected(tmp_path, written, capsys):
    path = tmp_path / "x.csv"
    rows = [f"{written[i % 2]};{i % 7}" for i in range(40)]
    path.write_text("\n".join(["price;b", *rows]))
    mine = settings("mine", path=str(path), target="price", separator=";", features=["b"])
    examples.prepare(mine)
    suspected = "column 'price' has integers, and numbers with exactly three decimals"
    assert (suspected in capsys.readouterr().err) == (written[0] == "6.156")


def test_columns_of_parquet_are_those_of_the_file(tmp_path):
    frame = table().set_index("b")
    found = prepare(tmp_path, frame, "x.parquet")
    assert found["x"].shape == (40, 2)
    frame = table().set_index(table()["a"].rename(None))
    assert prepare(tmp_path, frame, "y.parquet")["x"].shape == (40, 2)
    with pytest.raises(UserError, match="the table has no rows"):
        prepare(tmp_path, table()[:0], "z.parquet")


def test_categories_of_text_are_refused_like_text(tmp_path):
    frame = table().assign(a=pd.Categorical(["x", "y"] * 20))
    with pytest.raises(UserError, match=r"column 'a' is not numeric \(it is stored as text\)"):
        prepare(tmp_path, frame, "x.parquet")
    assert (
        len(
            set(
                prepare(tmp_path, frame[["b", "price", "a"]], "x.parquet", **CLASSES, target="a")[
                    "y"
                ]
            )
        )
        == 2
    )


def test_truth_values_are_no_target_of_regression(tmp_path):
    frame = table().assign(price=[True, False] * 20)
    for name in ("x.csv", "x.parquet"):
        with pytest.raises(UserError, match="holds truth values, which are classes; set"):
            prepare(tmp_path, frame, name)


def test_a_target_of_few_integers_may_be_classes(tmp_path, capsys):
    hint = "has 2 values, all integers, and is predicted as a number; if they are classes, set"
    coded = table().assign(price=[0, 1] * 20)
    prepare(tmp_path, coded)
    assert hint in capsys.readouterr().err
    prepare(tmp_path, coded.assign(price=[0.5, 1] * 20))
    prepare(tmp_path, coded.assign(price=range(40)))
    assert "if they are classes" not in capsys.readouterr().err


def test_labels_are_classes_as_they_are_written(tmp_path, capsys):
    codes = np.array(["01", "1", "02", "2"] * 10)
    frame = table().assign(price=codes)
    found = prepare(tmp_path, frame, **CLASSES)
    parquet = prepare(tmp_path, frame, "x.parquet", **CLASSES)
    assert len(set(found["y"])) == 4
    np.testing.assert_array_equal(found["y"], parquet["y"])
    assert "labels '01', '02', '1', '2' of 'price' are different classes" in capsys.readouterr().err
    spaced = table().assign(price=["A", " A", "b", "B"] * 10)
    assert len(set(prepare(tmp_path, spaced, **CLASSES)["y"])) == 4
    said = capsys.readouterr().err
    assert "labels ' A', 'A', 'B', 'b' of 'price' are different classes, though they differ" in said
    plain = table().assign(price=["A", "B"] * 20)
    prepare(tmp_path, plain, **CLASSES)
    assert "different classes" not in capsys.readouterr().err
    exponents = table().assign(price=["1e3", "1000", "x"] * 13 + ["x"])
    assert len(set(prepare(tmp_path, exponents, **CLASSES)["y"])) == 3
    # Numbers keep their order, and truth values are labels.
    numbers = table().assign(price=[10, 9] * 20)
    np.testing.assert_array_equal(prepare(tmp_path, numbers, **CLASSES)["y"], [1, 0] * 20)
    truths = table().assign(price=[True, False] * 20)
    for name in ("x.csv", "x.parquet"):
        np.testing.assert_array_equal(prepare(tmp_path, truths, name, **CLASSES)["y"], [1, 0] * 20)


def test_labels_do_not_depend_on_the_blocks_in_which_a_file_is_read(tmp_path):
    # Long enough for pandas to read it in several blocks, of numbers and then of text.
    rows = 120_000
    labels = [str(i % 2) for i in range(rows - 2)] + ["a", "a"]
    path = tmp_path / "x.csv"
    columns = (f"{i % 97},{i % 89},{label}\n" for i, label in enumerate(labels))
    path.write_text("a,b,price\n" + "".join(columns))
    loaded = tables.load("mine", settings("mine", path=str(path), target="price", **CLASSES))
    assert loaded.faults == []
    assert sorted(set(loaded.target)) == [0, 1, 2]
    # So is a column of features: the text in its last block is named.
    whole = settings("mine", path=str(path), target="a", features=["b", "price"])
    (fault,) = tables.load("mine", whole).faults
    assert f"'price' is not numeric (row {rows - 1} has 'a')" in fault


def test_columns_may_be_numbered(tmp_path):
    frame = table()
    frame.columns = [0, 1, 2]
    keys = {"target": 2, "features": [0, 1]}
    found = prepare(tmp_path, frame, "x.parquet", **keys)
    assert found["x"].shape == (40, 2)
    assert prepare(tmp_path, frame, "x.csv", **keys)["x"].shape == (40, 2)
    twice = pa.table([[1.0, 2.0]] * 3, names=["0", "0", "2"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    mine = settings("mine", path=str(tmp_path / "twice.parquet"), **keys)
    with pytest.raises(UserError, match="column '0' is named more than once"):
        examples.prepare(mine)


def test_the_log_says_which_features_are_used_and_which_are_suspicious(tmp_path, capsys):
    frame = table().assign(
        id=0,
        day=[20240100 + i % 28 + 1 for i in range(40)],
        flag=0,
    )
    frame = pd.concat([frame] * 10, ignore_index=True).assign(id=np.arange(400))
    frame["flag"] = [1] * 3 + [0] * 397
    prepare(tmp_path, frame)
    lines = capsys.readouterr().err.splitlines()
    assert "from all other columns: 'a', 'b', 'id', 'day', 'flag'" in lines[0]
    assert "column 'id' is used as a feature, but all values are different integers" in lines[1]
    assert "column 'day' is used as a feature, but the values look like dates" in lines[2]
    assert "column 'flag' is used as a feature, but nearly all values are equal" in lines[3]
    prepare(tmp_path, frame, features=["a", "id"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("scale", "offset"), [(1, 1e9), (1e39, 0), (1e-50, 0)])
def test_a_target_beyond_single_precision_is_refused(tmp_path, scale, offset):
    frame = table()
    frame["price"] = frame["price"] * scale + offset
    with pytest.raises(UserError, match="subtract a constant from the target or rescale"):
        prepare(tmp_path, frame, "x.parquet")
    frame["price"] = table()["price"] + 5000
    prepare(tmp_path, frame, "x.parquet")
