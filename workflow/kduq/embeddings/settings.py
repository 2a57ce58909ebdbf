"""Settings of stage ``embeddings``."""

from kduq.families.lm.settings import EmbeddingModel
from kduq.stage import RunSettings


class TextSettings(RunSettings):
    """What decides the embeddings of a run."""

    prompts: int
    """Number of evaluated prompts, whose references are embedded too."""
    model: EmbeddingModel
    """The sentence-transformers model."""
