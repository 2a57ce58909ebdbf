"""Settings of stage ``answers``, and of how any language model is evaluated."""

from kduq.config.fields import StrictModel
from kduq.families.lm.settings import Decoding
from kduq.teacher.settings import TeacherSettings


class Evaluation(StrictModel):
    """How a language model answers the evaluated prompts."""

    prompts: int
    """Number of evaluated prompts."""
    draws: int
    """Answers that it samples per prompt."""
    embedding_model: str | None
    """Folder or hub name of a sentence-transformers model; None for all-MiniLM-L6-v2."""
    embedding_files: str | None
    """Digest of the files in that folder; None for no folder."""
    decoding: Decoding
    """How answers are sampled."""
    max_length: int
    """Tokens of a prompt and its answer together."""


class TextSettings(TeacherSettings):
    """What decides a teacher's own answers."""

    evaluation: Evaluation
    """How it answers the evaluated prompts."""
