"""Settings of the sample size."""

from typing import Annotated, Literal

from pydantic import Field

from kduq.config.fields import NonNegative, Positive, Real, StrictModel
from kduq.stage import StageSettings


class SampleSize(StrictModel):
    """A wanted interval, and the costs of students and responses (in any one currency)."""

    target: Literal["mean", "variance"]
    """The estimated quantity: the mean prediction of students, or the variance between them."""
    width: Annotated[Real, Field(gt=0, le=1000)]
    """Full width of the interval. Of a mean: in standard deviations of the training targets, on
    text in units of the embedding, whose norm is 1: no wider is the interval of the mean
    similarity of answers to any fixed text. Of a variance: relative to it."""
    cost_student: NonNegative
    """Cost of training one student."""
    cost_response: Positive
    """Cost of one response of the teacher to one training input."""
    cost_draw: Positive
    """Cost of one more answer of a student to every input, where its answers are sampled."""
    assurance: Annotated[Real, Field(ge=0.5, lt=1)]
    """Share of pilots for which the upper plan is to suffice."""


class SampleSizeSettings(StageSettings, SampleSize):
    """What decides the table of sample sizes."""

    confidence: float
    """Coverage of the interval."""
