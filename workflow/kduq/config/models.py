"""Tables of the configuration on what is learnt, and by whom: data sets, corpora and models."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.config.fields import Count, File, Real, StrictModel, unique
from kduq.families.lm.settings import Decoding
from kduq.families.registry import AnyModelSettings


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


Model = AnyModelSettings
