"""Settings of stage ``claims``."""

from typing import Annotated

from pydantic import Field

from kduq.config.fields import Positive, Share, StrictModel
from kduq.stage import StageSettings


class Gate(StrictModel):
    """Quality gate: conditions for verdicts on language models."""

    hallucination: Share
    """Largest share of the teacher's answers outside what it was taught, where that is known."""
    entropy: Positive
    """Largest relative distance of the teacher's entropy from that of what it was taught."""
    greedy: Share
    """Least accuracy of greedy answers of a teacher that is taught errors, over what is taught."""
    random_errors: Share
    """Least excess of greedy over sampled accuracy, for a teacher that is used as it is."""
    similarity: Share
    """Least similarity of greedy answers to the references, on other corpora."""
    convergence: Positive
    """Largest change of a student's loss from one tenth of training to the last, nats per token."""
    converged: Share
    """Least share of a run's students whose loss changes by less than that."""


class ClaimsSettings(StageSettings):
    """What decides the verdicts."""

    confidence: float
    """Family-wise coverage of the intervals of a claim."""
    bootstrap_draws: Annotated[int, Field(ge=2)]
    """Number of bootstrap samples of replicates."""
    seed: int
    """The study's seed."""
    margins: dict[str, float]
    """Margins of the verdicts by their key in the configuration."""
    gate: Gate
    """Conditions for verdicts on language models."""
    claims: list[str] = Field(default=[])
    """Names of the registered claims."""
