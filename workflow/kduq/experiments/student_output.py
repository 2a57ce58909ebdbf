"""Student output (section 6): what students keep of a teacher's distribution over its outputs."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.conditions import Condition
from kduq.config.fields import Count, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings, TextRun


class Settings(ExperimentSettings):
    """What students keep of a teacher's distribution over classes (section 6)."""

    label_source: Annotated[
        list[Literal["hard", "sampled", "averaged", "soft"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """hard: the most probable class; sampled: one drawn class; averaged: the mean of k drawn
    classes, one-hot; soft: the teacher's probabilities."""
    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Responses per input that averaged labels are the mean of."""


class StudentOutputText(TextRun):
    """Students of one answer per prompt."""

    label_source: Annotated[
        list[Literal["greedy", "sampled", "sampled_per_question"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """greedy: the teacher's greedy answer; sampled: one drawn answer to each prompt;
    sampled_per_question: one drawn answer that all wordings of a question share."""


def _conditions(settings: Settings) -> list[Condition]:
    return [cell for source in settings.label_source for cell in _of_source(source, settings.k)]


def _of_source(source: str, numbers: list[int]) -> list[Condition]:
    if source == "averaged":
        return [Condition(method="averaging", label_source=source, k=k) for k in numbers]
    if source == "soft":
        return [Condition(label_source=source)]
    return [Condition(method="single", label_source=source, k=1)]


def _text_conditions(run: StudentOutputText) -> list[Condition]:
    return [
        Condition(
            method="single",
            k=1,
            label_source=source,
            temperature=None if source == "greedy" else 1.0,
        )
        for source in run.label_source
    ]


EXPERIMENT = Experiment(
    "student_output",
    "Does a student keep the teacher's uncertainty about its own output?",
    "6",
    Settings,
    _conditions,
    task="classification",
    text_run=StudentOutputText,
    text_conditions=_text_conditions,
    largest_shard=10,  # few classifiers are trained, so larger shards would give too few jobs
    text_axis="label_source",
)
