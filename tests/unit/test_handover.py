"""The handover that a run hands down to its jobs."""

import json
from dataclasses import replace

from kduq.artifacts import recipe
from kduq.handover import Handover
from kduq.study import Job

JOB = Job("out", "responses", {"seed": 1, "real": 0.1}, ("kduq.responses", "kduq.seeds"))


def test_a_plan_survives_its_variable():
    config = {"study": "x", "alpha": [0, 0.5], "features": None, "name": "ü"}
    handover = Handover.of(config, [JOB])
    assert Handover.parse(handover.text()) == handover
    assert handover.text().isascii()


def test_parameters_hold_the_code_that_was_planned():
    planned = json.loads(JOB.parameters) | {"inputs": {}}
    assert json.loads(Handover.of({}, [JOB]).parameters(JOB)) == planned
    edited = Handover({}, {"kduq.responses,kduq.seeds": "0" * 16})
    assert json.loads(edited.parameters(JOB)) == planned | {"code": "0" * 16}


def test_parameters_hold_the_recipes_of_inputs():
    after = Job("after", "students", {}, ("kduq.students",), {"responses": ["out"]})
    handover = Handover.of({}, [JOB, after])

    def recipes(source):
        return json.loads(handover.parameters(after, [source]))["inputs"]

    assert recipes(JOB) == {"out": recipe({"seed": 1, "real": 0.1}, JOB.code)}
    assert recipes(replace(JOB, settings={"seed": 2, "real": 0.1})) != recipes(JOB)
