"""Variance-aware distillation (section 7): averaging and inverse-variance weighting."""

from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Count, Positive, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings, TextRun


class Settings(ExperimentSettings):
    """The two remedies (section 7)."""

    alpha: Annotated[list[Positive], Field(min_length=1), AfterValidator(unique)]
    """Noise variance of one response over Var(y_train)."""
    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Responses per input."""
    method: Annotated[
        list[Literal["single", "averaging", "variance_weighting", "variance_weighting_oracle"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """How the k responses are combined into one label; single uses the first of them."""


class VarianceAwareText(TextRun):
    """The remedies on text."""

    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Answers per prompt."""
    method: Annotated[
        list[Literal["single", "multi_response", "averaging", "variance_weighting"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """Which of the k answers are learnt; single uses the first of them."""


def _conditions(settings: Settings) -> list[Condition]:
    return [
        Condition(method=method, alpha=alpha, k=k)
        for alpha, method, k in product(settings.alpha, settings.method, settings.k)
        if method != "single" or k == 1
    ]


def _text_conditions(run: VarianceAwareText) -> list[Condition]:
    return [
        Condition(label_source="sampled", temperature=1.0, method=method, k=k)
        for method, k in product(run.method, sorted({1, *run.k}))
        if (method == "single") == (k == 1)
    ]


EXPERIMENT = Experiment(
    "variance_aware",
    "Do averaging and inverse-variance weighting lower the noise?",
    "7",
    Settings,
    _conditions,
    text_run=VarianceAwareText,
    text_conditions=_text_conditions,
    title="Variance-aware distillation",
)
