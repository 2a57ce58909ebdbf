"""Bootstrap (section 5, data-driven): students on bootstrap samples of the rows."""

from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Real, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings


class Settings(ExperimentSettings):
    """Students on bootstrap samples (section 5)."""

    sample_fraction: Annotated[
        list[Annotated[Real, Field(gt=0, le=10)]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """Size of the bootstrap sample over the number of training rows."""
    label_source: Annotated[
        list[Literal["teacher", "truth"]], Field(min_length=1), AfterValidator(unique)
    ]
    """Source of the labels: the teacher, or the truth."""


def _conditions(settings: Settings) -> list[Condition]:
    return [
        Condition(sample_fraction=fraction, label_source=source)
        for source, fraction in product(settings.label_source, settings.sample_fraction)
    ]


EXPERIMENT = Experiment(
    "bootstrap",
    "How much do students vary with the sample that they are trained on?",
    "5",
    Settings,
    _conditions,
)
