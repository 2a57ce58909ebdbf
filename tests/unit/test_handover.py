"""The handover that a run hands down to its jobs."""

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

from kduq.runtime.snapshot import Handover
from kduq.study import Job

JOB = Job("out", "responses", {"seed": 1, "real": 0.1}, ("kduq.responses.tabular", "kduq.seeds"))
CODE = {"kduq.responses.tabular,kduq.seeds": JOB.code}


def test_a_plan_survives_its_variable(tmp_path):
    config = {"study": "x", "alpha": [0, 0.5], "features": None, "name": "ü"}
    table = tmp_path / "houses.csv"
    table.write_bytes(b"a,b\n")
    paths = [str(table), str(tmp_path / "missing.csv")]
    handover = Handover.of(config, SimpleNamespace(jobs={"out": JOB}, data_files=lambda job: paths))
    digest = hashlib.sha256(b"a,b\n").hexdigest()
    assert handover == Handover(config, CODE, {str(table): digest})
    assert Handover.parse(handover.text()) == handover
    assert handover.text().isascii()


def test_parameters_hold_the_code_that_was_planned():
    made = {"out": "12" * 8}
    planned = json.loads(JOB.parameters) | {"inputs": {}, "recipe": "12" * 8}
    assert json.loads(Handover({}, CODE, {}).parameters(JOB, made)) == planned
    edited = Handover({}, {"kduq.responses.tabular,kduq.seeds": "0" * 16}, {})
    assert json.loads(edited.parameters(JOB, made)) == planned | {"code": "0" * 16}


ROAD = {
    "data": Job("data", "examples", {"dataset": "houses"}, ("kduq.seeds",)),
    "out": replace(JOB, inputs={"examples": ["data"]}),
    "after": Job("after", "students", {}, ("kduq.artifacts.schemas",), {"responses": ["out"]}),
}


def recipes(jobs=ROAD, digest="12", code="ab"):
    study = SimpleNamespace(
        jobs=jobs, data_files=lambda job: ["houses.csv"] if job.path == "data" else []
    )
    known = {
        "kduq.seeds": code,
        "kduq.responses.tabular,kduq.seeds": "cd",
        "kduq.artifacts.schemas": "ef",
    }
    return Handover({}, known, {"houses.csv": digest}).recipes(study)


def test_a_recipe_is_of_all_that_an_artifact_is_made_from():
    def changed(found):
        return {path for path, value in recipes().items() if found[path] != value}

    assert len(set(recipes().values())) == 3
    assert changed(recipes()) == set()
    assert changed(recipes(digest="34")) == {"data", "out", "after"}
    assert changed(recipes(code="34")) == {"data", "out", "after"}
    settings = ROAD | {"out": replace(ROAD["out"], settings={"seed": 2})}
    assert changed(recipes(settings)) == {"out", "after"}
    last = ROAD | {"after": replace(ROAD["after"], settings={"seed": 2})}
    assert changed(recipes(last)) == {"after"}


def test_parameters_hold_the_recipes_of_inputs():
    handover = Handover({}, {"kduq.artifacts.schemas": "ef"}, {})
    found = json.loads(handover.parameters(ROAD["after"], recipes()))
    assert found["inputs"] == {"out": recipes()["out"]}
    assert found["recipe"] == recipes()["after"]
