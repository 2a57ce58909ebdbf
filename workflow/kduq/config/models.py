"""Tables of the configuration on what is learnt, and by whom: data sets, corpora and models."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from kduq.config.fields import (
    Count,
    File,
    LearningRate,
    NonNegative,
    Positive,
    Real,
    StrictModel,
    unique,
)


class Dataset(StrictModel):
    """A table of examples."""

    task: Literal["regression", "classification"] | None = None
    """Whether the target is a number or a class; none for a built-in, regression if left out."""
    path: File | None = None
    """CSV or Parquet file, relative to where snakemake runs; none for a built-in."""
    target: str | None = None
    """Name of the target column; none for a built-in."""
    features: Annotated[list[str], Field(min_length=1), AfterValidator(unique)] | None = None
    """Names of the input columns; none for all but the target."""
    rows: Count | None = None
    """Rows to use, drawn at random by the seed of the split; none for all."""
    test_fraction: Annotated[Real, Field(gt=0, lt=1)] = 0.2
    """Share of the rows that is kept for testing."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the split."""


class Corpus(StrictModel):
    """Questions with the answers that are supported."""

    kind: Literal["ambiguous_facts", "chatterbot", "wordnet", "bioasq", "file"] | None = None
    """How it is read; none for the kind of its own name, or file."""
    path: File | None = None
    """BioASQ's JSON, a JSONL, Parquet or CSV file, or WordNet's folder; none for Debian's."""
    prompt: str | None = None
    """Column or key of a file that holds the questions; none for prompt."""
    references: str | None = None
    """Column or key of a file that holds the answers; none for references."""
    questions: Count | None = None
    """Questions to keep, or to generate; none for all."""
    wordings: Annotated[int, Field(ge=2, le=5, strict=True)] = 3
    """Wordings of a question (ambiguous_facts); the last of some is kept for testing."""
    test_fraction: Annotated[Real, Field(gt=0, lt=1)] = 0.25
    """Share of the prompts that is kept for testing; of questions in ambiguous_facts."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the questions that are generated, their order and the split."""


class Decoding(StrictModel):
    """How models' answers are sampled, at temperature 1 unless an experiment varies it."""

    top_k: Annotated[int, Field(ge=0, strict=True)]
    """Tokens that may come next; 0 for all."""
    top_p: Annotated[Real, Field(gt=0, le=1)]
    """Probability of the tokens that may come next; 1 for all."""
    repetition_penalty: Annotated[Real, Field(ge=1)]
    """Divides the logits of tokens already there; 1 for none."""
    max_new_tokens: Count
    """Tokens after which an answer is cut."""


class Language(StrictModel):
    """What all language-model runs share."""

    prompts: Annotated[int, Field(ge=2, strict=True)]
    """Prompts on which models are compared, at most half of them held out."""
    draws: Annotated[int, Field(ge=2, strict=True)]
    """Answers that every model samples to each of them."""
    embedding_model: str | None = None
    """Folder or hub name of a sentence-transformers model; none for all-MiniLM-L6-v2."""
    decoding: Decoding
    """How answers are sampled."""


class LinearModel(StrictModel):
    """Least squares with an intercept."""

    family: Literal["linear"]
    """linear"""


class _Network(StrictModel):
    epochs: Count
    """Passes over the rows; a pass is one step unless batch_size cuts it."""
    learning_rate: LearningRate
    """Step size of Adam."""
    batch_size: Count | None = None
    """Rows a step, in an order of each student's own; none for all. Classification only."""
    max_steps: Count | None = None
    """Steps after which training ends, whatever the epochs; none for no limit."""
    initialisation: Literal["uniform", "he_normal"] = "uniform"
    """uniform: ±1/sqrt(fan-in), weights and biases; he_normal: N(0, 2/fan-in), zero biases."""
    shared_init: StrictBool = False
    """Whether every student starts at the same parameters."""
    record_every: Annotated[int, Field(ge=0, strict=True)] = 0
    """Epochs between two recorded values of one weight; 0 for no record."""


class SoftmaxModel(_Network):
    """Multinomial logistic regression, trained by Adam."""

    family: Literal["softmax"]
    """softmax"""


class MlpModel(_Network):
    """A network with one hidden ReLU layer, trained by Adam."""

    family: Literal["mlp"]
    """mlp"""
    hidden: Count
    """Hidden units."""


class LanguageModel(StrictModel):
    """A causal language model: made here from an architecture, or loaded; then trained."""

    family: Literal["lm"]
    """lm"""
    source: Annotated[str, Field(min_length=1)] | None = None
    """Model to load: a folder, a name on the Hugging Face hub, or smollm2; none to make one."""
    layers: Count | None = None
    """Layers of a GPT-2 made here."""
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
    """Optimiser steps, whatever the number of answers; 0 for a model that is used as loaded."""
    batch_size: Count = 32
    """Prompts a step."""
    learning_rate: LearningRate = 5e-5
    """Largest step size of AdamW."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the step size falls."""
    warmup: Annotated[Real, Field(ge=0, lt=1)] = 0.05
    """Share of the steps over which the step size rises."""
    weight_decay: NonNegative = 0.0
    """Weight decay of AdamW, of matrices alone."""
    tokens_per_pass: Count = 8192
    """Padded tokens computed at once; a larger batch accumulates its gradient."""
    answers_per_visit: Annotated[int, Field(ge=0, strict=True)] = 0
    """Answers of a prompt drawn at each visit; 0 for all, weighted by their probabilities."""

    @model_validator(mode="after")
    def _made_or_loaded(self) -> "LanguageModel":
        architecture = ("layers", "width", "heads", "vocabulary")
        given = [key for key in architecture if getattr(self, key) is not None]
        if self.source is not None and given:
            raise ValueError(f"a loaded model has its own {given[0]}; remove source or {given[0]}")
        if self.source is None and len(given) < len(architecture):
            lacking = next(key for key in architecture if key not in given)
            raise ValueError(f"{lacking} is missing; a model that is made needs {architecture}")
        if self.source is None and self.width and self.heads and self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {self.width}")
        if self.source is None and self.steps == 0:
            raise ValueError("a model that is made needs training: steps of at least 1")
        return self


Model = Annotated[
    LinearModel | SoftmaxModel | MlpModel | LanguageModel, Field(discriminator="family")
]
