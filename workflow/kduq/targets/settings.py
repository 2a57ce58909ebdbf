"""Settings of stage ``targets``."""

from kduq.conditions import Condition
from kduq.config.fields import StrictModel
from kduq.families.lm.settings import Decoding, EmbeddingModel, LanguageModelSettings
from kduq.stage import ShardSettings


class Pilot(StrictModel):
    """How a pilot student is trained, and how it answers."""

    model: LanguageModelSettings
    """Settings of the student."""
    source_files: str | None
    """Digest of the files in the folder of a pretrained model; None for no folder."""
    decoding: Decoding
    """How its answers are sampled."""


class TextSettings(ShardSettings):
    """What decides the texts that the students of a shard are taught."""

    conditions: list[Condition]
    """What varies between students."""
    embedding: EmbeddingModel | None = None
    """Where a method compares answers by their embeddings; None where none does."""
    pilot: Pilot | None = None
    """Where a method needs a pilot student; None where none does."""
