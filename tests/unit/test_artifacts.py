import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
from kduq import artifacts
from kduq.artifacts import files, schemas, tables, weights
from kduq.errors import ArtifactError, UserError

PROVENANCE = artifacts.provenance("responses", {"seed": 1}, "0" * 16, {"examples/a.parquet": "ff"})


def responses(rows=300):
    noise = np.random.default_rng(0).normal(size=(rows, 40)).astype(np.float32)
    return {"replicate": np.arange(rows), "response": np.zeros(rows, int), "noise": noise}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "results" / "smoke" / "responses.parquet"
    artifacts.write(path, "responses", responses(), PROVENANCE)
    return path


def test_round_trip(file):
    found = artifacts.read(file, "responses")
    np.testing.assert_array_equal(found.column("noise"), responses()["noise"])
    np.testing.assert_array_equal(found.column("replicate"), np.arange(300))
    assert found.provenance == PROVENANCE
    assert artifacts.read_provenance(file) == PROVENANCE
    assert pq.read_schema(file).field("noise").type == pa.list_(pa.float32(), 40)
    assert pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"


def test_equal_content_gives_equal_bytes_and_no_leftovers(file):
    before = file.read_bytes()
    artifacts.write(file, "responses", responses(), PROVENANCE)
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_nothing_says_when_or_where_it_was_made(file):
    text = pq.read_schema(file).metadata[b"kduq"].decode()
    assert set(json.loads(text)) == {
        "schema_version",
        "stage",
        "config",
        "code",
        "seed",
        "inputs",
        "lineage",
        "versions",
    }


def test_nan_in_a_column_of_numbers_is_null(tmp_path):
    values = {name: [None] for name in schemas.columns("estimates")}
    values |= {"estimate": np.array([1.5]), "se": np.array([np.nan]), "k": [3]}
    path = tmp_path / "estimates.parquet"
    artifacts.write(path, "estimates", values, PROVENANCE | {"stage": "estimates"})
    table = artifacts.read(path, "estimates").table
    assert table.column("se").null_count == 1
    assert table.column("k").to_pylist() == [3]


def test_wrong_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match="columns"):
        artifacts.write(tmp_path / "x.parquet", "responses", {"replicate": [1]}, PROVENANCE)


def test_a_failed_write_leaves_the_old_file_alone(file):
    before = file.read_bytes()
    with pytest.raises(RuntimeError), files.atomic(file) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(file):
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    dead = file.with_name(f".responses.{int(done.stdout)}.0a1b2c3d.parquet")
    alive = file.with_name(f".responses.{os.getppid()}.0a1b2c3d.parquet")
    other = file.with_name(f".responses-2.{int(done.stdout)}.0a1b2c3d.parquet")
    for left in (dead, alive, other):
        left.write_bytes(b"half")
    artifacts.write(file, "responses", responses(), PROVENANCE)
    assert [left.exists() for left in (dead, alive, other)] == [False, True, True]


def test_a_folder_comes_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "model"
    with files.atomic_folder(folder) as temporary:
        (temporary / "a").write_text("1")
    with pytest.raises(RuntimeError), files.atomic_folder(folder) as temporary:
        (temporary / "a").write_text("2")
        raise RuntimeError
    assert (folder / "a").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        artifacts.write(tmp_path / "file" / "x.parquet", "responses", responses(), PROVENANCE)


def truncate(path):
    path.write_bytes(path.read_bytes()[:500])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(bytes(data))


def foreign(path):
    pq.write_table(pa.table({"a": [1]}), path)


def other_stage(path):
    values = {"example": [0], "split": ["train"], "prediction": [0.0]}
    artifacts.write(path, "teacher", values, PROVENANCE | {"stage": "teacher"})


def other_version(path):
    table = pq.read_table(path)
    provenance = PROVENANCE | {"schema_version": 999}
    pq.write_table(table.replace_schema_metadata({"kduq": json.dumps(provenance)}), path)


def other_columns(path):
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["response"]), path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "missing"),
        (truncate, "not a readable Parquet file"),
        (flip, "pages are damaged"),
        (foreign, "foreign"),
        (other_stage, "made by stage 'teacher' where 'responses' is expected"),
        (other_version, f"schema version 999 where {schemas.SCHEMA_VERSION} is expected"),
        (other_columns, "columns"),
    ],
)
def test_the_reader_names_the_file_the_fault_and_the_remedy(file, damage, reason):
    damage(file)
    with pytest.raises(ArtifactError) as caught:
        artifacts.read(file, "responses")
    message = str(caught.value)
    assert message.startswith(str(file))
    assert reason in message
    assert f"snakemake --force {file} --configfile workflow/presets/smoke.yaml" in message


def test_a_file_that_is_shared_is_to_be_deleted_where_it_lies(file, tmp_path):
    shared = file.rename(tmp_path / "shared.parquet")
    file.symlink_to(shared)
    flip(shared)
    with pytest.raises(ArtifactError, match=rf"first delete {shared}, which it is a link to"):
        artifacts.read(file, "responses")


def test_rows_of_conditions_given_as_mappings_or_as_objects(tmp_path):
    values = {name: [None] * 4 for name in schemas.columns("students")}
    values |= {"method": ["single", "averaging", "averaging", "single"], "k": [1, 3, 3, 1]}
    values |= {"alpha": [0.5, 0.5, 0.5, 1.0], "prediction": np.zeros((4, 2))}
    path = tmp_path / "students.parquet"
    artifacts.write(path, "students", values, PROVENANCE | {"stage": "students"})
    table = artifacts.read(path, "students")
    fields = [
        {"method": "averaging", "alpha": 0.5, "k": 3},
        {"method": "single", "alpha": 1.0, "k": 1},
        {"method": "single", "alpha": 2.0, "k": 1},
    ]
    mappings = [dict.fromkeys(schemas.CONDITION) | given for given in fields]
    objects = [SimpleNamespace(**mapping, other="not a column") for mapping in mappings]
    for conditions in (mappings, objects):
        assert [rows.tolist() for rows in table.rows_of(conditions)] == [[1, 2], [3], []]


WIDTH = 20_000


@pytest.fixture
def wide(tmp_path):
    """Two tables of rows of 80 kB, and their rows."""
    noise = np.random.default_rng(1).normal(size=(70, WIDTH)).astype(np.float32)
    paths = [tmp_path / f"{i}.parquet" for i in range(2)]
    for path, part in zip(paths, (noise[:40], noise[40:]), strict=True):
        counted = np.arange(len(part))
        columns = {"replicate": counted, "response": counted, "noise": part}
        artifacts.write(path, "responses", columns, PROVENANCE)
    return paths, noise


@pytest.mark.parametrize("whole", [0, 1 << 30])
def test_rows_of_a_wide_column_are_read_by_number_or_by_mask(wide, whole, monkeypatch):
    paths, noise = wide
    assert pq.read_metadata(paths[0]).num_row_groups == 4  # about a megabyte each
    monkeypatch.setattr(tables, "_WHOLE", whole)
    column = artifacts.WideColumn(paths, "noise")
    assert column.shape == noise.shape
    for rows in ([69, 0, 41, 41, 3], [], list(range(70))):
        np.testing.assert_array_equal(column[np.array(rows, dtype=np.intp)], noise[rows])
    mask = np.arange(70) % 3 == 1
    np.testing.assert_array_equal(column[mask], noise[mask])
    rest = artifacts.read_all(paths, "responses", without="noise")
    assert rest.table.column_names == ["replicate", "response"]
    assert len(rest.column("replicate")) == 70


def test_a_wide_column_reads_no_more_than_it_needs(wide, monkeypatch):
    """Rows of the first group are found although the last group of their file is damaged."""
    paths, noise = wide
    monkeypatch.setattr(tables, "_WHOLE", 0)
    column = artifacts.WideColumn(paths, "noise")
    last = pq.read_metadata(paths[0]).row_group(3)
    (chunk,) = (c for c in map(last.column, range(3)) if c.path_in_schema.startswith("noise"))
    data = bytearray(paths[0].read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 0xFF
    paths[0].write_bytes(bytes(data))
    np.testing.assert_array_equal(column[np.arange(5, 15)], noise[5:15])
    with pytest.raises(ArtifactError, match="its pages are damaged"):
        column[np.arange(39, 40)]


def test_a_damaged_page_of_a_wide_column_is_found_when_it_is_read(wide, monkeypatch):
    paths, noise = wide
    monkeypatch.setattr(tables, "_WHOLE", 0)
    data = bytearray(paths[1].read_bytes())
    data[len(data) // 2] ^= 0xFF
    paths[1].write_bytes(bytes(data))
    column = artifacts.WideColumn(paths, "noise")
    np.testing.assert_array_equal(column[np.arange(40)], noise[:40])
    with pytest.raises(ArtifactError, match=r"1\.parquet: its pages are damaged"):
        column[np.arange(40, 70)]


@pytest.fixture
def models_file(tmp_path):
    """Weights of three models, written in another order than theirs, and their tensors."""
    rng = np.random.default_rng(2)
    names = [weights.prefix(0, i) for i in (2, 5, 7)]
    tensors = {
        name: {"a.weight": rng.normal(size=(3, 2)), "b": rng.normal(size=5)} for name in names
    }
    path = tmp_path / "students.safetensors"
    with weights.writer(path, names, PROVENANCE) as put:
        for name in reversed(names):
            put(name, tensors[name])
    return path, tensors


def test_weights_are_read_by_the_library_of_their_format(models_file):
    path, tensors = models_file
    found = safetensors.numpy.load_file(path)
    assert set(found) == {f"{model}{name}" for model in tensors for name in ("a.weight", "b")}
    for model, own in tensors.items():
        for name, values in own.items():
            np.testing.assert_array_equal(found[f"{model}{name}"], values.astype(np.float32))
    assert artifacts.read_provenance(path) == PROVENANCE


def test_any_changed_byte_of_weights_is_noticed(models_file):
    path, _ = models_file
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(bytes([*whole[:position], whole[position] ^ 1, *whole[position + 1 :]]))
        with pytest.raises(ArtifactError, match="damaged, or not made by this project"):
            artifacts.read_provenance(path)
    for other in (whole[:-1], whole + b" ", b"", b"12345678"):
        path.write_bytes(other)
        with pytest.raises(ArtifactError, match="damaged, or not made by this project"):
            artifacts.read_provenance(path)


def test_weights_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "students.safetensors"
    with pytest.raises(RuntimeError), weights.writer(path, ["0/0/"], PROVENANCE) as put:
        put("0/0/", {"a": np.zeros(3)})
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_rows_are_read_by_the_values_of_their_columns(file):
    rows = artifacts.rows_where(replicate=[3, 200], response=0)
    found = artifacts.read(file, "responses", rows=rows)
    assert found.column("replicate").tolist() == [3, 200]
    np.testing.assert_array_equal(found.column("noise"), responses()["noise"][[3, 200]])
    assert found.provenance == PROVENANCE
    others = artifacts.read(file, "responses", rows=~artifacts.rows_where(replicate=3))
    assert len(others.column("replicate")) == 299
    assert (
        len(artifacts.read(file, "responses", rows=artifacts.rows_where(replicate=[])).table) == 0
    )
    none = artifacts.read(file, "responses", rows=artifacts.rows_where(replicate=None))
    assert len(none.table) == 0
