"""Settings of stage ``answers``."""

from kduq.config.fields import StrictModel
from kduq.families.lm.settings import Decoding
from kduq.stage import ShardSettings
from kduq.teacher.settings import TeacherSettings


class Evaluation(StrictModel):
    """How a language model answers the evaluated prompts."""

    prompts: int
    """Number of evaluated prompts."""
    draws: int
    """Answers that it samples per prompt."""
    decoding: Decoding
    """How answers are sampled."""
    max_length: int
    """Tokens of a prompt and its answer together."""


class TextSettings(TeacherSettings):
    """What decides a teacher's own answers."""

    evaluation: Evaluation
    """How it answers the evaluated prompts."""


class StudentsSettings(ShardSettings):
    """What decides the answers of the students of a shard."""

    evaluation: Evaluation
    """How they answer the evaluated prompts."""
