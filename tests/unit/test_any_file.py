"""Any file either loads to what it holds, or gives one line per fault that names it.

Few examples here; many in the thorough tests.
"""

import csv
import io
import json
import math

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from kduq.data import tables
from kduq.errors import UserError
from kduq.examples import tabular, text
from kduq.examples.settings import TabularSettings, TextSettings

#: Examples per property: of every run, and of a thorough one.
EXAMPLES = [
    pytest.param(40, id="few"),
    pytest.param(2000, id="many", marks=pytest.mark.thorough),
]


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def check(number, strategy, property_):
    """Try a property on examples that are the same in every run."""

    @hypothesis.settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def run(example):
        property_(example)

    run()


def loads(prepare, settings, path):
    """What a stage makes of a file; None if it is refused as it should be."""
    try:
        return prepare(settings)
    except UserError as error:
        message = str(error)
        key = ("datasets.mine", "corpora.mine")
        for line in message.split("\n"):
            assert line.startswith((str(path), *key)), message
            assert len(line.removeprefix(str(path))) > 20, message
            assert ";" in line, message  # the remedy
        return None


def table_settings(path, task="regression", **more):
    keys = {"path": str(path), "target": "y", "split_seed": 0, "test_fraction": 0.2}
    return TabularSettings(dataset="mine", task=task, **(keys | more))


def text_settings(path, **more):
    keys = {"kind": "file", "path": str(path), "test_fraction": 0.25, "seed": 0}
    return TextSettings(dataset="mine", **(keys | more))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.floats(-1e6, 1e6).map(repr),
)
CELLS = st.one_of(NUMBERS, st.sampled_from(["", "NA", "inf", "x", "01", "1e3", " 7", "1,5", "-"]))


@st.composite
def csv_tables(draw, cells=CELLS):
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    names.insert(draw(st.integers(0, len(names))), "y")
    rows = draw(st.integers(5, 14))
    return names, [[draw(cells) for _ in names] for _ in range(rows)]


def written(names, rows, separator=","):
    file = io.StringIO(newline="")
    # Python before 3.13 quotes the characters of a line's end alone, so both must be in it.
    writer = csv.writer(file, delimiter=separator, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("number", EXAMPLES)
def test_numbers_of_a_csv_file_are_those_that_it_spells(folder, number):
    path, accepted = folder / "x.csv", []

    def holds(example):
        names, rows = example
        path.write_text(written(names, rows), "utf-8", newline="")
        found = loads(tabular.prepare, table_settings(path), path)
        if found is None:
            return
        accepted.append(1)
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        assert len(columns) == len(names)
        np.testing.assert_array_equal(found["y"], [float(c) for c in columns["y"]])
        loaded = tables.load("mine", table_settings(path))
        assert sorted(loaded.features) == sorted(set(names) - {"y"})
        for name in loaded.features:
            expected = [float(cell) for cell in columns[name]]
            np.testing.assert_array_equal(loaded.features[name].astype(float), expected)

    check(number, st.one_of(csv_tables(), csv_tables(NUMBERS)), holds)
    assert len(accepted) > number / 20


@pytest.mark.parametrize("number", EXAMPLES)
def test_classes_of_a_csv_file_are_its_texts(folder, number):
    path, accepted = folder / "x.csv", []
    labels = st.sampled_from(["1", "01", "1.0", "1e0", "a", "A", " a", "True", "true", "é"])

    def holds(example):
        path.write_text(written(["a", "y"], [[i, label] for i, label in enumerate(example)]))
        found = loads(tabular.prepare, table_settings(path, "classification"), path)
        if found is None:
            return
        accepted.append(1)
        pairs = set(zip(example, found["y"], strict=True))
        assert len(pairs) == len(set(example)) == len(set(found["y"]))

    check(number, st.lists(labels, min_size=8, max_size=20), holds)
    assert len(accepted) > number / 20


COLUMNS = {
    pa.int64(): st.integers(-(2**40), 2**40),
    pa.uint8(): st.integers(0, 255),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.one_of(st.none(), st.floats()),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    pa.date32(): st.dates(),
    pa.decimal128(9, 2): st.decimals(-1000, 1000, places=2),
    pa.list_(pa.int64()): st.lists(st.integers(0, 5), max_size=2),
    pa.struct([("a", pa.int64())]): st.fixed_dictionaries({"a": st.integers(0, 5)}),
    pa.binary(): st.binary(max_size=3),
    pa.null(): st.none(),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from("ab"),
    pa.duration("s"): st.timedeltas().map(lambda t: t // np.timedelta64(1, "s").item()),
}
NUMERIC = [pa.int64(), pa.uint8(), pa.float32(), pa.float64(), pa.bool_()]


@st.composite
def parquet_tables(draw, kinds):
    names = [*draw(st.lists(NAMES, min_size=1, max_size=3)), "y"]
    rows = draw(st.integers(5, 12))
    columns = []
    for _ in names:
        kind = draw(st.sampled_from(kinds))
        values = draw(st.lists(COLUMNS[kind], min_size=rows, max_size=rows))
        columns.append(pa.array(values, kind))
    return pa.table(columns, names=names)


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("number", EXAMPLES)
def test_values_of_a_parquet_file_are_those_that_it_holds(folder, number, task):
    path, accepted = folder / "x.parquet", []

    def holds(example):
        pq.write_table(example, path)
        found = loads(tabular.prepare, table_settings(path, task), path)
        if found is None:
            return
        accepted.append(1)
        held = {name: example[name].to_pylist() for name in example.column_names}
        loaded = tables.load("mine", table_settings(path, task))
        for name in loaded.features:
            expected = np.array([float(value) for value in held[name]])
            np.testing.assert_array_equal(loaded.features[name].astype(float), expected)
        if task == "regression":
            np.testing.assert_array_equal(found["y"], [float(value) for value in held["y"]])
        else:
            labels = [json.dumps(value, default=str) for value in held["y"]]
            # Zero and minus zero are one number.
            labels = ["0.0" if label == "-0.0" else label for label in labels]
            assert len(set(zip(labels, found["y"], strict=True))) == len(set(labels))

    check(number, st.one_of(parquet_tables(list(COLUMNS)), parquet_tables(NUMERIC)), holds)
    if task == "regression":
        assert len(accepted) > number / 50


@st.composite
def damaged(draw, whole):
    """A file from which bytes were lost, or into which some came."""
    content = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(content)


def whole_files(suffix):
    frame = pd.DataFrame(
        {"prompt": [f"{i}?" for i in range(8)], "references": list("abcdefgh"), "y": range(8)}
    )
    frame["z"] = frame["y"] % 3 + 0.5
    if suffix == ".parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        return [buffer.getvalue()]
    if suffix in (".csv", ".tsv"):
        separator = "\t" if suffix == ".tsv" else ","
        texts = [frame.to_csv(index=False, sep=separator), f"sep={separator}\n{frame.to_csv()}"]
        return [t.encode(e) for t in texts for e in ("utf-8", "utf-8-sig", "utf-16", "cp1252")]
    texts = [frame.to_json(orient="records", lines=lines) for lines in (True, False)]
    return [text.encode() for text in texts]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl", ".json", ".csv.gz"])
@pytest.mark.parametrize("number", EXAMPLES)
def test_damaged_files_and_any_bytes_are_read_or_refused(folder, number, suffix):
    path = folder / f"x{suffix}"

    def holds(content):
        path.write_bytes(content)
        loads(text.prepare, text_settings(path), path)
        if not suffix.startswith(".json"):
            loads(tabular.prepare, table_settings(path, features=["z"]), path)
            loads(tabular.prepare, table_settings(path, "classification"), path)
        tables.shape_of_file(path)

    whole = whole_files(suffix.removesuffix(".gz"))
    check(number, st.one_of(damaged(whole), st.binary(max_size=60)), holds)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
ANSWERS = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=1)
)


def spelt(value):
    """Answers as JSON spells them, without those that are empty."""
    if isinstance(value, list):
        return [answer for part in value for answer in spelt(part)]
    written = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return [written.strip()] if written.strip() else []


def check_corpus(found, pairs):
    """Every question has its answers, with their shares if one comes several times."""
    expected = {}
    for prompt, answers in pairs:
        expected.setdefault(" ".join(prompt.split()), []).extend(answers)
    expected = {prompt: answers for prompt, answers in expected.items() if answers}
    repeated = any(len(set(answers)) < len(answers) for answers in expected.values())
    rows = zip(found["prompt"], found["references"], found["probabilities"], strict=True)
    seen = {" ".join(prompt.split()): (list(a), p) for prompt, a, p in rows}
    assert list(seen) == list(expected)
    for prompt, answers in expected.items():
        distinct = list(dict.fromkeys(answers))
        assert seen[prompt][0] == distinct
        shares = [answers.count(answer) / len(answers) for answer in distinct]
        assert seen[prompt][1] == (shares if repeated else None)


@pytest.mark.parametrize("number", EXAMPLES)
def test_answers_of_json_lines_are_those_that_it_holds(folder, number):
    path, accepted = folder / "x.jsonl", []

    def holds(rows):
        lines = [json.dumps({"prompt": p, "references": a}) for p, a in rows]
        path.write_text("\n".join(lines), "utf-8")
        found = loads(text.prepare, text_settings(path), path)
        if found is not None:
            accepted.append(1)
            check_corpus(found, [(p, spelt(a)) for p, a in rows])

    prompts = TEXTS.map(lambda t: f"{t}?")
    plain = st.tuples(prompts, st.lists(TEXTS, min_size=1, max_size=3))
    rows = st.one_of(st.tuples(prompts, ANSWERS), st.tuples(TEXTS, ANSWERS))
    check(number, st.one_of(st.lists(plain, min_size=4), st.lists(rows, max_size=9)), holds)
    assert len(accepted) > number / 20


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("number", EXAMPLES)
def test_answers_of_a_csv_file_are_its_cells(folder, number, separator):
    path, accepted = folder / "x.csv", []

    def holds(rows):
        path.write_text(written(["prompt", "references"], rows, separator), "utf-8", newline="")
        found = loads(text.prepare, text_settings(path, separator=separator), path)
        if found is not None:
            accepted.append(1)
            check_corpus(found, [(p, spelt(a)) for p, a in rows])

    special = st.sampled_from(
        ["NA", "None", "1.0", "007", "[x]", "[", "]", "nan", "a,b", 'say "x"', "x\ny"]
    )
    # A list in a cell is several answers.
    plain = TEXTS.filter(lambda text: not text.strip().startswith("["))
    rows = st.tuples(TEXTS.map(lambda t: f"{t}?"), st.one_of(plain, special))
    check(number, st.lists(rows, min_size=3, max_size=9), holds)
    assert len(accepted) > number / 20


def test_values_that_are_missing_are_refused_and_not_guessed(folder):
    path = folder / "x.parquet"
    frame = pd.DataFrame({"a": [1.0, math.nan, *range(8)], "y": range(10)})
    frame.to_parquet(path)
    with pytest.raises(UserError, match=r"missing or infinite values in 'a' \(1\)"):
        tabular.prepare(table_settings(path))
