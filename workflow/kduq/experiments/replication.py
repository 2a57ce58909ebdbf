"""Replication (beyond the paper): main comparisons on many splits, each with its own teacher."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Count, Names, Positive, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings, SplitRun

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


class ReplicatedText(SplitRun):
    """Students on many splits, for language models: corpora of other seeds."""

    corpora: Names
    """Names from corpora."""
    questions: Count | None = None
    """Questions of the corpus of a split; null for as many as the corpus has."""
    students_per_split: Annotated[int, Field(ge=3, le=999_999, strict=True)]
    """Students per condition and split."""
    k: Annotated[int, Field(ge=3, strict=True)]
    """Answers per prompt of the methods. Of two the first is as near to their mean as the second,
    so averaging would be single."""
    method: Annotated[
        list[Literal["multi_response", "averaging", "majority", "denoised", "variance_weighting"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """Which of the k answers are learnt. Students of one answer always take part."""


def _text_conditions(run: ReplicatedText) -> list[Condition]:
    methods = [("single", 1), *((method, run.k) for method in run.method)]
    return [
        Condition(label_source="sampled", temperature=1.0, method=method, k=k)
        for method, k in methods
    ]


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
#: The same for language models, each of whose teachers takes as long as several students.
_TEXT_SHARD = 2
_NAME, _LABEL = "replication", "Do the findings hold on other splits, with other teachers?"
EXPERIMENT = Experiment(
    _NAME,
    _LABEL,
    "",
    Settings,
    _conditions,
    design="splits",
    text_run=ReplicatedText,
    text_conditions=_text_conditions,
    largest_shard=_SHARD,
    largest_text_shard=_TEXT_SHARD,
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
