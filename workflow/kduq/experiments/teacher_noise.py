"""Teacher noise (section 4): students of a noisy teacher."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Alphas, Positive, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings, TextRun


class Settings(ExperimentSettings):
    """Students of a noisy teacher (section 4)."""

    alpha: Alphas
    """Noise variance of one response over Var(y_train)."""


class TeacherNoiseText(TextRun):
    """Students of a sampling teacher."""

    temperature: Annotated[list[Positive], Field(min_length=1), AfterValidator(unique)]
    """Temperature at which the teacher's answers are sampled."""


def _conditions(settings: Settings) -> list[Condition]:
    return [Condition(method="single", alpha=alpha, k=1) for alpha in settings.alpha]


def _text_conditions(run: TeacherNoiseText) -> list[Condition]:
    return [
        Condition(method="single", k=1, label_source="sampled", temperature=temperature)
        for temperature in run.temperature
    ]


EXPERIMENT = Experiment(
    "teacher_noise",
    "How much of the teacher's noise reaches its students?",
    "4",
    Settings,
    _conditions,
    text_run=TeacherNoiseText,
    text_conditions=_text_conditions,
    text_axis="temperature",
)
