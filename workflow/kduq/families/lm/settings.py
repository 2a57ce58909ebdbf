"""Settings of language models and of the sampling of answers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kduq.config.fields import Count, LearningRate, NonNegative, Positive, Real, StrictModel
from kduq.families.protocol import ModelSettings

#: Keys that a model trained from scratch needs, and that a pretrained model must not have.
_ARCHITECTURE = ("layers", "width", "heads", "vocabulary")


class Decoding(StrictModel):
    """How models' answers are sampled, at temperature 1 unless an experiment varies it."""

    top_k: Annotated[int, Field(ge=0, strict=True)]
    """Number of most probable tokens that are sampled from; 0 for all."""
    top_p: Annotated[Real, Field(gt=0, le=1)]
    """Total probability of the tokens that are sampled from; 1 for all."""
    repetition_penalty: Annotated[Real, Field(ge=1)]
    """Divides the logits of tokens that have occurred; 1 for none."""
    max_new_tokens: Count
    """Tokens after which an answer is cut."""


class EmbeddingModel(StrictModel):
    """The sentence-transformers model by whose embeddings answers are compared."""

    source: str | None
    """Folder or hub name; None for all-MiniLM-L6-v2."""
    files: str | None
    """Digest of the files in that folder; None for no folder."""


class LanguageModelSettings(ModelSettings):
    """A causal language model, trained from scratch or pretrained; then trained on answers."""

    family: Literal["lm"]
    """lm"""
    source: Annotated[str, Field(min_length=1)] | None = None
    """Pretrained model: a folder, a name on the Hugging Face hub, or smollm2; null for none."""
    layers: Count | None = None
    """Layers of a GPT-2 that is trained from scratch."""
    width: Count | None = None
    """Its hidden units."""
    heads: Count | None = None
    """Its attention heads; they divide the width."""
    vocabulary: Annotated[int, Field(gt=256, strict=True)] | None = None
    """Tokens of its byte-pair encoding, learnt from the corpus."""
    initial_scale: Positive = 1.0
    """Standard deviation of its initial weights, in units of 1/sqrt(width)."""
    max_length: Annotated[int, Field(gt=8, strict=True)] = 64
    """Tokens of a prompt and its answer together; longer answers are cut."""
    steps: Annotated[int, Field(ge=0, strict=True)]
    """Optimiser steps, whatever the number of answers; 0 for no training of a pretrained model."""
    batch_size: Count = 32
    """Prompts per step."""
    learning_rate: LearningRate = 5e-5
    """Largest learning rate of AdamW."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls."""
    warmup: Annotated[Real, Field(ge=0, lt=1)] = 0.05
    """Share of the steps over which the learning rate rises."""
    weight_decay: NonNegative = 0.0
    """Weight decay of AdamW, of matrices alone."""
    tokens_per_microbatch: Count = 8192
    """Padded tokens computed at once; a larger batch accumulates its gradient."""
    answers_per_visit: Annotated[int, Field(ge=0, strict=True)] = 0
    """Answers drawn each time a prompt is visited; 0 for all, weighted by their probabilities."""

    @model_validator(mode="after")
    def _from_scratch_or_pretrained(self) -> Self:
        present = [key for key in _ARCHITECTURE if getattr(self, key) is not None]
        missing = [key for key in _ARCHITECTURE if key not in present]
        if self.source is not None:
            if present:
                key = present[0]
                raise ValueError(f"a pretrained model has its own {key}; remove source or {key}")
            return self
        if missing:
            needed = ", ".join(_ARCHITECTURE)
            raise ValueError(
                f"{missing[0]} is missing; a model trained from scratch needs {needed}"
            )
        if self.width and self.heads and self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {self.width}")
        if self.steps == 0:
            raise ValueError("a model trained from scratch needs steps of at least 1")
        return self
