"""Student initialisation (section 5, model-driven): students that start at perturbed parameters."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import NonNegative, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings, TextRun

_Scales = Annotated[list[NonNegative], Field(min_length=1), AfterValidator(unique)]


class Settings(ExperimentSettings):
    """Students that start at perturbed parameters (section 5)."""

    init_noise: _Scales
    """Scale s of the perturbation: weights times (1 + s·N(0, 1)), biases plus 0.1·s·N(0, 1)."""


class StudentInitText(TextRun):
    """Students that start at perturbed parameters."""

    init_noise: _Scales
    """Scale s of the perturbation: theta + s·|theta|·N(0, 1)."""


def _conditions(settings: Settings) -> list[Condition]:
    return [Condition(init_noise=scale) for scale in settings.init_noise]


def _text_conditions(run: StudentInitText) -> list[Condition]:
    return [
        Condition(method="single", k=1, label_source="greedy", init_noise=scale)
        for scale in run.init_noise
    ]


EXPERIMENT = Experiment(
    "student_init",
    "Does noise on the initial parameters reach the predictions?",
    "5",
    Settings,
    _conditions,
    text_run=StudentInitText,
    text_conditions=_text_conditions,
    factors=("initialisation",),
    text_axis="init_noise",
    title="Student initialisation",
)
