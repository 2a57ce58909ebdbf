"""The snapshot that a run passes to its jobs."""

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

from kduq.runtime.snapshot import RunSnapshot
from kduq.study import Job

JOB = Job("out", "responses", {"seed": 1, "real": 0.1}, ("kduq.responses.tabular", "kduq.seeds"))
CODE = {"kduq.responses.tabular,kduq.seeds": JOB.code}


def test_a_snapshot_survives_its_variable(tmp_path):
    config = {"study": "x", "alpha": [0, 0.5], "features": None, "name": "ü"}
    table = tmp_path / "houses.csv"
    table.write_bytes(b"a,b\n")
    paths = [str(table), str(tmp_path / "missing.csv")]
    snapshot = RunSnapshot.from_study(
        config, SimpleNamespace(jobs={"out": JOB}, data_files=lambda job: paths)
    )
    digest = hashlib.sha256(b"a,b\n").hexdigest()
    assert snapshot == RunSnapshot(config, CODE, {str(table): digest})
    assert RunSnapshot.parse(snapshot.text()) == snapshot
    assert snapshot.text().isascii()


def test_parameters_hold_the_code_that_was_planned():
    made = {"out": "12" * 8}
    planned = json.loads(JOB.parameters) | {"inputs": {}, "lineage": "12" * 8}
    assert json.loads(RunSnapshot({}, CODE, {}).parameters(JOB, made)) == planned
    edited = RunSnapshot({}, {"kduq.responses.tabular,kduq.seeds": "0" * 16}, {})
    assert json.loads(edited.parameters(JOB, made)) == planned | {"code": "0" * 16}


ROAD = {
    "data": Job("data", "examples", {"dataset": "houses"}, ("kduq.seeds",)),
    "out": replace(JOB, inputs={"examples": ["data"]}),
    "after": Job("after", "students", {}, ("kduq.artifacts.schemas",), {"responses": ["out"]}),
}


def lineages(jobs=ROAD, digest="12", code="ab"):
    study = SimpleNamespace(
        jobs=jobs, data_files=lambda job: ["houses.csv"] if job.path == "data" else []
    )
    known = {
        "kduq.seeds": code,
        "kduq.responses.tabular,kduq.seeds": "cd",
        "kduq.artifacts.schemas": "ef",
    }
    return RunSnapshot({}, known, {"houses.csv": digest}).lineages(study)


def test_a_lineage_is_of_all_that_an_artifact_is_made_from():
    def changed(found):
        return {path for path, value in lineages().items() if found[path] != value}

    assert len(set(lineages().values())) == 3
    assert changed(lineages()) == set()
    assert changed(lineages(digest="34")) == {"data", "out", "after"}
    assert changed(lineages(code="34")) == {"data", "out", "after"}
    settings = ROAD | {"out": replace(ROAD["out"], settings={"seed": 2})}
    assert changed(lineages(settings)) == {"out", "after"}
    last = ROAD | {"after": replace(ROAD["after"], settings={"seed": 2})}
    assert changed(lineages(last)) == {"after"}


def test_parameters_hold_the_lineages_of_inputs():
    snapshot = RunSnapshot({}, {"kduq.artifacts.schemas": "ef"}, {})
    found = json.loads(snapshot.parameters(ROAD["after"], lineages()))
    assert found["inputs"] == {"out": lineages()["out"]}
    assert found["lineage"] == lineages()["after"]
