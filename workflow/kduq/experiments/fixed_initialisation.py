"""Fixed initialisation (section 7, second reading): what averaging leaves of the noise alone."""

from itertools import product
from typing import Annotated

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Positive, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings

#: More than one response per input.
Several = Annotated[int, Field(ge=2, strict=True)]


class Settings(ExperimentSettings):
    """Averages of k responses at fixed initial parameters (section 7, second reading)."""

    alpha: Annotated[list[Positive], Field(min_length=1), AfterValidator(unique)]
    """Noise variance of one response over Var(y_train)."""
    k: Annotated[list[Several], Field(min_length=1), AfterValidator(unique)]
    """Responses per input; students of one always take part."""


def _conditions(settings: Settings) -> list[Condition]:
    return [
        Condition(method="single" if k == 1 else "averaging", alpha=alpha, k=k)
        for alpha, k in product(settings.alpha, [1, *settings.k])
    ]


EXPERIMENT = Experiment(
    "fixed_initialisation",
    "What does averaging leave of the noise where initial parameters are fixed?",
    "7",
    Settings,
    _conditions,
    factors=("initialisation",),
    pairs_start_equal=True,
)
