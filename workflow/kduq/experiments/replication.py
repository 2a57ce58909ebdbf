"""Replication (beyond the paper): main comparisons on many splits, each with its own teacher."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Positive, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings

#: More than one response per input.
Several = Annotated[int, Field(ge=2, strict=True)]


class Settings(ExperimentSettings):
    """Students on many splits (beyond the paper)."""

    alpha: Positive
    """Noise variance of one response over Var(y_train). Students of one response, with this noise
    and without noise, always take part."""
    k: Several
    """Responses per input of the methods."""
    method: Annotated[
        list[Literal["averaging", "variance_weighting", "pilot_mean"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """How the k responses are combined into one label."""


class ClassSettings(ExperimentSettings):
    """Students on many splits, for classification."""

    label_source: Annotated[
        list[Literal["hard", "sampled", "averaged", "soft"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """hard: the most probable class; sampled: one drawn class; averaged: the mean of k drawn
    classes, one-hot; soft: the teacher's probabilities."""
    k: Several
    """Responses per input that averaged labels are the mean of."""


def _conditions(settings: Settings) -> list[Condition]:
    single = [Condition(method="single", alpha=a, k=1) for a in (0.0, settings.alpha)]
    remedies = [Condition(method=m, alpha=settings.alpha, k=settings.k) for m in settings.method]
    return single + remedies


def _class_conditions(settings: ClassSettings) -> list[Condition]:
    every = {
        "hard": Condition(method="single", label_source="hard", k=1),
        "sampled": Condition(method="single", label_source="sampled", k=1),
        "averaged": Condition(method="averaging", label_source="averaged", k=settings.k),
        "soft": Condition(label_source="soft"),
    }
    return [every[source] for source in settings.label_source]


#: Splits per job at most: there are few, each with many students, and further ones are in new jobs.
_SHARD = 10
_NAME, _LABEL = "replication", "Do the findings hold on other splits, with other teachers?"
EXPERIMENT = Experiment(
    _NAME,
    _LABEL,
    "",
    Settings,
    _conditions,
    design="splits",
    largest_shard=_SHARD,
    title="Replication on other splits",
    classification=Experiment(
        _NAME,
        _LABEL,
        "",
        ClassSettings,
        _class_conditions,
        task="classification",
        design="splits",
        largest_shard=_SHARD,
    ),
)
