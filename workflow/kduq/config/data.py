"""Tables of the configuration on data: data sets and corpora."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kduq.config.fields import Character, Column, Count, File, Real, StrictModel, unique

#: What is predicted from a table of examples.
Task = Literal["regression", "classification"]
#: How answers are compared with references: equal texts, or texts that contain one.
Matching = Literal["exact", "contained"]


class DatasetSettings(StrictModel):
    """A table of examples."""

    task: Task | None = None
    """regression or classification; null for a built-in data set, regression if left out."""
    path: File | None = None
    """CSV, TSV or Parquet file, or a folder of Parquet files, relative to where snakemake runs;
    null for a built-in data set."""
    separator: Character | None = None
    """Character between the cells of a text file; null for a comma, or a tab in TSV."""
    decimal: Character = "."
    """Decimal point of the numbers in a text file."""
    thousands: Character | None = None
    """Separator of thousands of the numbers in a text file; null for none."""
    encoding: str | None = None
    """Encoding of a text file; null for UTF-8."""
    target: Column | None = None
    """Name of the target column; null for a built-in data set."""
    features: Annotated[list[Column], Field(min_length=1), AfterValidator(unique)] | None = None
    """Names of the input columns; null for all but the target."""
    rows: Count | None = None
    """Rows to use, drawn at random by the seed of the split; null for all."""
    test_fraction: Annotated[Real, Field(gt=0, lt=1)] = 0.2
    """Share of the rows that is held out for testing."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the split."""


class ErrorSettings(StrictModel):
    """Wrong answers that a teacher is taught beside the right ones."""

    rate: Annotated[Real, Field(ge=0, lt=1)] = 0.3
    """Probability of a wrong answer."""
    spread: Annotated[Real, Field(ge=0, le=1)] = 1.0
    """Share of the errors that is spread evenly; the rest is one attractive wrong answer."""


class CorpusSettings(StrictModel):
    """Questions with their supported answers."""

    kind: str | None = None
    """How it is read; null for the kind of the same name, or else file."""
    path: File | None = None
    """BioASQ's JSON, a JSON, JSONL, Parquet, CSV or TSV file, a folder of Parquet files, or
    WordNet's folder; null for Debian's."""
    separator: Character | None = None
    """Character between the cells of a text file; null for a comma, or a tab in TSV."""
    encoding: str | None = None
    """Encoding of a text file; null for UTF-8."""
    prompt: Column | None = None
    """Column or key of a file with the questions, with dots inside objects (data.question); null
    for prompt, or else the question of messages or conversations."""
    references: Column | None = None
    """Column or key of a file with the answers, with dots inside objects (answers.text); null for
    references, or else the answer of messages or conversations."""
    questions: Count | None = None
    """Number of questions to use or to generate; null for all."""
    wordings: Annotated[int, Field(ge=2, le=5, strict=True)] = 3
    """Wordings per question (generated corpora); the last one of some questions is held out."""
    errors: ErrorSettings | None = None
    """What a teacher is taught wrongly (erring_facts, mixed_facts); null for the defaults."""
    topics: Annotated[list[str], Field(min_length=1), AfterValidator(unique)] | None = None
    """Topics of the questions (geography); null for all."""
    matching: Matching | None = None
    """exact: an answer is right if it equals a right answer; contained: if it contains one, as
    whole words, whatever case, accents, articles and punctuation; null for the kind's own."""
    test_fraction: Annotated[Real, Field(gt=0, lt=1)] = 0.25
    """Share of the prompts that is held out for testing; in generated corpora of the questions."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the generated questions, their order and the split."""
