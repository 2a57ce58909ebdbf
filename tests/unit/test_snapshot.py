"""The snapshot that a run passes to its jobs."""

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

from kduq.artifacts.schemas import SCHEMA_VERSION
from kduq.runtime.snapshot import RunSnapshot
from kduq.stage import StageSettings
from kduq.study.target import Target


class Settings(StageSettings):
    seed: int = 1
    real: float = 0.1


TARGET = Target("out", "responses", Settings(), ("kduq.responses.tabular", "kduq.seeds"))
KEY = "scripts.responses,kduq.responses.tabular,kduq.seeds"
CODE = {KEY: TARGET.code}


def test_a_snapshot_survives_its_variable(tmp_path):
    config = {"study": "x", "alpha": [0, 0.5], "features": None, "name": "ü"}
    table = tmp_path / "houses.csv"
    table.write_bytes(b"a,b\n")
    paths = [str(table), str(tmp_path / "missing.csv")]
    study = SimpleNamespace(targets={"out": TARGET}, user_files=lambda target: paths)
    snapshot = RunSnapshot.from_study(config, study)
    digest = hashlib.sha256(b"a,b\n").hexdigest()
    assert snapshot == RunSnapshot(config, CODE, {str(table): digest})
    assert RunSnapshot.parse(snapshot.text()) == snapshot
    assert snapshot.text().isascii()


def test_a_job_reads_the_snapshot_from_its_environment(monkeypatch):
    monkeypatch.delenv("KDUQ_RUN_SNAPSHOT", raising=False)
    assert RunSnapshot.from_environment() is None
    snapshot = RunSnapshot({"study": "x"}, CODE, {})
    monkeypatch.setenv("KDUQ_RUN_SNAPSHOT", snapshot.text())
    assert RunSnapshot.from_environment() == snapshot


def test_parameters_hold_the_code_that_was_planned():
    lineage = {"out": "12" * 8}
    planned = {
        "schema_version": SCHEMA_VERSION,
        "stage": "responses",
        "config": {"seed": 1, "real": 0.1},
        "code": TARGET.code,
        "entry": "scripts.responses",
        "modules": ["kduq.responses.tabular", "kduq.seeds"],
        "lineage": "12" * 8,
        "inputs": {},
    }
    assert json.loads(RunSnapshot({}, CODE, {}).parameters(TARGET, lineage)) == planned
    edited = RunSnapshot({}, {KEY: "0" * 16}, {})
    assert json.loads(edited.parameters(TARGET, lineage)) == planned | {"code": "0" * 16}


ROAD = {
    "data": Target("data", "examples", Settings(), ("kduq.seeds",)),
    "out": replace(TARGET, inputs={"examples": ["data"]}),
    "after": Target(
        "after", "students", Settings(), ("kduq.artifacts.schemas",), {"responses": ["out"]}
    ),
}


def lineages(targets=ROAD, digest="12", code="ab"):
    study = SimpleNamespace(
        targets=targets,
        user_files=lambda target: ["houses.csv"] if target.path == "data" else [],
    )
    known = {
        "scripts.examples,kduq.seeds": code,
        KEY: "cd",
        "scripts.students,kduq.artifacts.schemas": "ef",
    }
    return RunSnapshot({}, known, {"houses.csv": digest}).lineage(study)


def test_a_lineage_is_of_all_that_an_artifact_is_made_from():
    def changed(found):
        return {path for path, value in lineages().items() if found[path] != value}

    assert len(set(lineages().values())) == 3
    assert changed(lineages()) == set()
    assert changed(lineages(digest="34")) == {"data", "out", "after"}
    assert changed(lineages(code="34")) == {"data", "out", "after"}
    settings = ROAD | {"out": replace(ROAD["out"], settings=Settings(seed=2))}
    assert changed(lineages(settings)) == {"out", "after"}
    last = ROAD | {"after": replace(ROAD["after"], settings=Settings(seed=2))}
    assert changed(lineages(last)) == {"after"}


def test_parameters_hold_the_lineages_of_inputs():
    snapshot = RunSnapshot({}, {"scripts.students,kduq.artifacts.schemas": "ef"}, {})
    found = json.loads(snapshot.parameters(ROAD["after"], lineages()))
    assert found["inputs"] == {"out": lineages()["out"]}
    assert found["lineage"] == lineages()["after"]
