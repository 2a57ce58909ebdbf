"""Settings of stage ``responses``."""

from kduq.conditions import Condition
from kduq.families.lm.settings import Decoding
from kduq.stage import ShardSettings


class TabularSettings(ShardSettings):
    """What decides the noise of a teacher's responses to the rows of a table."""

    responses: int
    """Responses per replicate and row."""
    noisy: bool
    """Whether responses have noise; otherwise they are the teacher's mean."""
    factor: str | None = None
    """In a factorial design, the factor whose levels are the replicates."""


class TabularSplitSettings(ShardSettings):
    """What decides the noise of the responses of a shard of splits of a table."""

    responses: int
    """Responses per student and row."""
    students_per_split: int
    """Students per condition and split."""


class TextSettings(ShardSettings):
    """What decides the teacher's answers that students learn from."""

    temperatures: list[tuple[float, int]]
    """Pairs of a temperature (0 for the greedy answer) and the number of answers per prompt."""
    decoding: Decoding
    """How answers are sampled."""
    max_length: int
    """Tokens of a prompt and its answer together."""


def answer_temperature(condition: Condition) -> float:
    """Temperature of the teacher's answers under a condition; 0 for the greedy answer."""
    if condition.label_source == "greedy":
        return 0.0
    return 1.0 if condition.temperature is None else condition.temperature
