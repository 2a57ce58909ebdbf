"""Predictive distributions (section 6, for regression): students that predict a distribution."""

from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Count, Positive, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings


class Settings(ExperimentSettings):
    """What students keep of the variance of a teacher's responses (section 6, for regression)."""

    alpha: Annotated[list[Positive], Field(min_length=1), AfterValidator(unique)]
    """Noise variance of one response over Var(y_train)."""
    k: Annotated[list[Annotated[Count, Field(gt=1)]], Field(min_length=1), AfterValidator(unique)]
    """Responses per input, for methods other than single."""
    method: Annotated[
        list[Literal["single", "averaging", "multi_response"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """What a student learns: the first response, the mean of the k responses, or all of them."""


def _conditions(settings: Settings) -> list[Condition]:
    return [
        Condition(method=method, alpha=alpha, k=k)
        for alpha, method in product(settings.alpha, settings.method)
        for k in ([1] if method == "single" else settings.k)
    ]


EXPERIMENT = Experiment(
    "predictive_distribution",
    "Do students of a regression keep the teacher's own variance?",
    "6",
    Settings,
    _conditions,
    largest_shard=40,  # an ensemble; few students are trained, so larger shards give too few jobs
    distribution=True,
)
