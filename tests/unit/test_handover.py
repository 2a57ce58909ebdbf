"""The handover that a run hands down to its jobs."""

from kduq.handover import Handover
from kduq.study import Job

JOB = Job("out", "responses", {"seed": 1, "real": 0.1}, ("kduq.responses", "kduq.seeds"))


def test_a_plan_survives_its_variable():
    config = {"study": "x", "alpha": [0, 0.5], "features": None, "name": "ü"}
    handover = Handover.of(config, [JOB])
    assert Handover.parse(handover.text()) == handover
    assert handover.text().isascii()


def test_parameters_hold_the_code_that_was_planned():
    assert Handover.of({}, [JOB]).parameters(JOB) == JOB.parameters
    edited = Handover({}, {"kduq.responses,kduq.seeds": "0" * 16})
    assert edited.parameters(JOB) == JOB.parameters.replace(JOB.code, "0" * 16)
