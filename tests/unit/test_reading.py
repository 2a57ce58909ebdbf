"""What a reader of a study gets."""

import doctest
import subprocess
import sys

import kduq
import numpy as np
import pytest
from kduq import artifacts, reading
from kduq.artifacts import files, schemas
from kduq.artifacts.fingerprint import PACKAGE
from kduq.errors import ArtifactError, UserError

RUN = "teacher_noise/linear/boston_housing"


def made(stage, config=None, inputs=()):
    digests = dict.fromkeys(inputs, "0" * 64)
    return artifacts.provenance(stage, config or {}, "0" * 16, digests)


def table(stage, **values):
    """Columns of a stage, null where no values are given."""
    rows = len(next(iter(values.values())))
    return {name: values.get(name, [None] * rows) for name in schemas.columns(stage)}


def students(rows):
    predictions = np.zeros((rows, 3), np.float32)
    return table("students", replicate=np.arange(rows), prediction=predictions)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A study of one run; beside its students lie some of a former, larger study."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results/default"
    examples = {"example": [0], "split": ["train"], "x": np.zeros((1, 2)), "y": [1.0]}
    artifacts.write(
        root / "examples/boston_housing.parquet", "examples", examples, made("examples")
    )
    shards = [f"{RUN}/students/{shard}.parquet" for shard in ("000000-000002", "000002-000004")]
    for shard in (*shards, f"{RUN}/students/000004-000006.parquet"):
        artifacts.write(root / shard, "students", students(2), made("students"))
    names = {"experiment": "teacher_noise", "family": "linear", "dataset": "boston_housing"}
    values = {"metric": "inter_student_variance", "alpha": 0.5, "estimate": 2.0}
    values |= {"ci_low": 1.5, "ci_high": 2.5}
    estimates = table("estimates", **{name: [value] for name, value in (names | values).items()})
    inputs = [*shards, "examples/boston_housing.parquet"]
    path = root / RUN / "estimates.parquet"
    artifacts.write(path, "estimates", estimates, made("estimates", inputs=inputs))
    artifacts.write(root / "estimates.parquet", "estimates", estimates, made("estimates"))
    claims = table("claims", claim=[1], verdict=["supported"])
    artifacts.write(root / "claims.parquet", "claims", claims, made("claims"))
    (root / "figures").mkdir()
    for suffix in ("png", "pdf"):
        (root / f"figures/teacher_noise.{suffix}").write_bytes(b"")
    page = artifacts.canonical_json(made("report", {"study": {"seed": 7}}))
    page = f'<script type="application/json" id="kduq">{page}</script>'
    (root / "report.html").write_bytes(files.sealed(page.encode(), ".html"))
    return root


def test_the_example_of_the_docstring(folder):
    found = doctest.DocTestFinder().find(kduq.open_study, "open_study", globs={})
    results = [doctest.DocTestRunner().run(test) for test in found]
    assert [(result.failed, result.attempted) for result in results] == [(0, 8)]


def test_tables_figures_and_provenance(folder):
    study = kduq.open_study(str(folder))
    assert study.figures == {"teacher_noise": folder / "figures/teacher_noise.png"}
    assert study.config == {"seed": 7}
    assert study.provenance()["stage"] == "estimates"
    examples = study.read("examples/boston_housing.parquet")
    assert examples.table.num_rows == 1
    assert examples.provenance["stage"] == "examples"


def test_estimates_of_an_unfinished_study_are_those_of_its_runs(folder):
    (folder / "estimates.parquet").unlink()
    assert kduq.open_study(folder).estimates["estimate"].tolist() == [2.0]
    (folder / RUN / "estimates.parquet").unlink()
    with pytest.raises(ArtifactError, match="there are no estimates yet"):
        _ = kduq.open_study(folder).estimates


def test_what_is_not_there_is_one_clear_line(folder):
    with pytest.raises(UserError, match=r"results/nothing: not the folder of a study .*default"):
        kduq.open_study("results/nothing")
    with pytest.raises(UserError, match=r"has no run .*allowed: \('teacher_noise', 'linear', "):
        kduq.open_study(folder).students("bootstrap", "linear", "boston_housing")
    with pytest.raises(UserError, match=r"'boston_housing'\) has no answers"):
        kduq.open_study(folder).answers("teacher_noise", "linear", "boston_housing")
    (folder / "claims.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"claims\.parquet: the file is missing"):
        _ = kduq.open_study(folder).claims


def test_the_library_is_imported_without_what_it_reads_with():
    code = (
        "import kduq, sys; print(sorted({'pandas', 'pyarrow', 'numpy', 'torch'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
    assert not hasattr(kduq, "nothing")
    assert reading.open_study is kduq.open_study
