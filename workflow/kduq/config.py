"""The configuration: pydantic models that check it and write its JSON schema.

``python -m kduq.config`` writes ``workflow/config.schema.json``, which editors use to complete and
check config.yaml.
"""

import difflib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    model_validator,
)

from kduq.conditions import conditions, language_conditions
from kduq.errors import UserError
from kduq.fetched import FETCHED

SCHEMA_FILE = Path(__file__).parent.parent / "config.schema.json"
#: Data sets that need no path, and what is to be predicted.
BUILT_IN = {
    "boston_housing": "regression",
    "diabetes": "regression",
    "digits": "classification",
    "wine": "classification",
    "breast_cancer": "classification",
    "mnist_5k": "classification",
    "mnist": "classification",
    "covtype": "classification",
}

#: Corpora that are read by the kind of their name.
_NAMED_CORPORA = ("ambiguous_facts", "chatterbot", "wordnet", "bioasq")
#: Kinds of corpora that are read from a file of the user's.
_FROM_FILE = ("bioasq", "file")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Count = Annotated[int, Field(gt=0, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LearningRate = Annotated[float, Field(gt=0, le=1e6)]
Share = Annotated[float, Field(gt=0, le=1)]


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("a value is there twice; name each once")
    return values


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("an even number is needed: students are compared in pairs")
    return value


Alphas = Annotated[list[NonNegative], Field(min_length=1), AfterValidator(_distinct)]
Names = Annotated[list[Name], Field(min_length=1), AfterValidator(_distinct)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Dataset(_Strict):
    """A table of examples."""

    task: Literal["regression", "classification"] | None = None
    """Whether the target is a number or a class; none for a built-in, regression if left out."""
    path: str | None = None
    """CSV or Parquet file, relative to where snakemake runs; none for a built-in."""
    target: str | None = None
    """Name of the target column; none for a built-in."""
    features: Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)] | None = None
    """Names of the input columns; none for all but the target."""
    rows: Count | None = None
    """Rows to use, drawn at random by the seed of the split; none for all."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the rows that is kept for testing."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the split."""


class Corpus(_Strict):
    """Questions with the answers that are supported."""

    kind: Literal["ambiguous_facts", "chatterbot", "wordnet", "bioasq", "file"] | None = None
    """How it is read; none for the kind of its own name, or file."""
    path: str | None = None
    """BioASQ's JSON, a JSONL, Parquet or CSV file, or WordNet's folder; none for Debian's."""
    prompt: str | None = None
    """Column or key of a file that holds the questions; none for prompt."""
    references: str | None = None
    """Column or key of a file that holds the answers; none for references."""
    questions: Count | None = None
    """Questions to keep, or to generate; none for all."""
    wordings: Annotated[int, Field(ge=2, le=5, strict=True)] = 3
    """Wordings of a question (ambiguous_facts); the last of some is kept for testing."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of the prompts that is kept for testing; of questions in ambiguous_facts."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the questions that are generated, their order and the split."""


class Decoding(_Strict):
    """How models' answers are sampled, at temperature 1 unless an experiment varies it."""

    top_k: Annotated[int, Field(ge=0, strict=True)]
    """Tokens that may come next; 0 for all."""
    top_p: Annotated[float, Field(gt=0, le=1)]
    """Probability of the tokens that may come next; 1 for all."""
    repetition_penalty: Annotated[float, Field(ge=1)]
    """Divides the logits of tokens already there; 1 for none."""
    max_new_tokens: Count
    """Tokens after which an answer is cut."""


class Language(_Strict):
    """What all language-model runs share."""

    prompts: Annotated[int, Field(ge=2, strict=True)]
    """Prompts on which models are compared, at most half of them held out."""
    draws: Annotated[int, Field(ge=2, strict=True)]
    """Answers that every model samples to each of them."""
    embedding_model: str | None = None
    """Folder or hub name of a sentence-transformers model; none for all-MiniLM-L6-v2."""
    decoding: Decoding
    """How answers are sampled."""


class Gate(_Strict):
    """When a language-model study is worth a verdict."""

    hallucination: Share
    """Largest share of the teacher's answers outside the support, where that is known."""
    entropy: Positive
    """Largest relative distance of the teacher's entropy from the truth's."""
    similarity: Share
    """Least similarity of greedy answers to the references, on other corpora."""
    convergence: Positive
    """Largest change of a student's loss from one tenth of training to the last, nats a token."""


class LinearModel(_Strict):
    """Least squares with an intercept."""

    family: Literal["linear"]
    """linear"""


class _Network(_Strict):
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


class LanguageModel(_Strict):
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
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
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


class Run(_Strict):
    """One family in one experiment."""

    teacher: str
    """A name from teachers."""
    student: str
    """A name from students."""
    replicates: Annotated[int, Field(ge=4, strict=True)]
    """Students a condition; each is an independent replicate of the distillation."""
    block: Annotated[int, Field(gt=0, strict=True), AfterValidator(_even)] | None = None
    """Replicates a job, an even number; none for as many as job_minutes says."""


class _Experiment(_Strict):
    #: What its data sets are for.
    task: ClassVar[str] = "regression"

    datasets: Names
    """Names from datasets, for all families but lm."""


class _LanguageRun(_Strict):
    teacher: str
    """A name from teachers."""
    student: str
    """A name from students."""
    corpora: Names
    """Names from corpora."""
    replicates: Annotated[int, Field(ge=2, strict=True)]
    """Students a condition; each is an independent replicate of the distillation."""
    block: Count | None = None
    """Replicates a job; none for as many as job_minutes says."""


class NoiseRun(_LanguageRun):
    """Students of a sampling teacher."""

    temperature: Annotated[list[Positive], Field(min_length=1), AfterValidator(_distinct)]
    """Temperature at which the teacher's answers are sampled."""


class InitRun(_LanguageRun):
    """Students that start at perturbed parameters."""

    init_noise: Annotated[list[NonNegative], Field(min_length=1), AfterValidator(_distinct)]
    """Scale s of the perturbation: theta + s·|theta|·N(0, 1)."""


class OutputRun(_LanguageRun):
    """Students of one answer a prompt."""

    label_source: Annotated[
        list[Literal["greedy", "sampled"]], Field(min_length=1), AfterValidator(_distinct)
    ]
    """greedy: the teacher's likeliest answer; sampled: one drawn answer."""


class AwareRun(_LanguageRun):
    """The remedies."""

    k: Annotated[list[Count], Field(min_length=1), AfterValidator(_distinct)]
    """Answers a prompt."""
    method: Annotated[
        list[Literal["single", "multi_response", "averaging", "variance_weighting"]],
        Field(min_length=1),
        AfterValidator(_distinct),
    ]
    """What is learnt of the k answers; single uses the first of them."""


class _Families(_Strict):
    linear: Run | None = None
    """Linear regression; null for none."""
    mlp: Run | None = None
    """Networks; null for none."""


class _Classifiers(_Strict):
    softmax: Run | None = None
    """Multinomial logistic regression; null for none."""
    mlp: Run | None = None
    """Networks; null for none."""
    lm: OutputRun | None = None
    """Language models; null for none."""


class _Initialised(_Strict):
    mlp: Run | None = None
    """Networks; null for none. (Least squares has no initialisation.)"""
    lm: InitRun | None = None
    """Language models; null for none."""


class _NoiseFamilies(_Families):
    lm: NoiseRun | None = None
    """Language models; null for none."""


class _AwareFamilies(_Families):
    lm: AwareRun | None = None
    """Language models; null for none."""


class TeacherNoise(_Experiment):
    """Students of a noisy teacher (section 4)."""

    alpha: Alphas
    """Noise variance of one response over Var(y_train)."""
    families: _NoiseFamilies
    """Families that take part."""


class StudentInit(_Experiment):
    """Students that start at perturbed parameters (section 5)."""

    init_noise: Annotated[list[NonNegative], Field(min_length=1), AfterValidator(_distinct)]
    """Scale s of the perturbation: weights times (1 + s·N(0, 1)), biases plus 0.1·s·N(0, 1)."""
    families: _Initialised
    """Families that take part."""


class Bootstrap(_Experiment):
    """Students on bootstrap samples (section 5)."""

    sample_fraction: Annotated[
        list[Annotated[float, Field(gt=0, le=10)]], Field(min_length=1), AfterValidator(_distinct)
    ]
    """Size of the bootstrap sample over the number of training rows."""
    label_source: Annotated[
        list[Literal["teacher", "truth"]], Field(min_length=1), AfterValidator(_distinct)
    ]
    """Who labels the rows."""
    families: _Families
    """Families that take part."""


class StudentOutput(_Experiment):
    """What is left of a teacher's distribution over classes (section 6)."""

    task: ClassVar[str] = "classification"

    if_fetched: Annotated[list[Name], AfterValidator(_distinct)] = []
    """Further names from datasets, left out, with a line that says so, where not downloaded."""
    label_source: Annotated[
        list[Literal["hard", "sampled", "averaged", "soft"]],
        Field(min_length=1),
        AfterValidator(_distinct),
    ]
    """hard: the most probable class; sampled: one drawn class; averaged: the mean of k drawn
    classes, one-hot; soft: the teacher's probabilities."""
    k: Annotated[list[Count], Field(min_length=1), AfterValidator(_distinct)]
    """Responses an input behind averaged labels."""
    families: _Classifiers
    """Families that take part."""


class VarianceAware(_Experiment):
    """The two remedies (section 7)."""

    alpha: Annotated[list[Positive], Field(min_length=1), AfterValidator(_distinct)]
    """Noise variance of one response over Var(y_train)."""
    k: Annotated[list[Count], Field(min_length=1), AfterValidator(_distinct)]
    """Responses an input."""
    method: Annotated[
        list[Literal["single", "averaging", "variance_weighting", "variance_weighting_oracle"]],
        Field(min_length=1),
        AfterValidator(_distinct),
    ]
    """How the k responses become one label; single uses the first of them."""
    families: _AwareFamilies
    """Families that take part."""


Levels = Annotated[int, Field(ge=3, strict=True)]


class _LinearLevels(_Strict):
    noise: Levels
    """Draws of the noise of the teacher's labels."""
    bootstrap: Levels
    """Bootstrap samples of the rows, each as large as all of them."""


class _NetworkLevels(_LinearLevels):
    initialisation: Levels
    """Draws of the initial parameters."""


class CrossedRun(_Strict):
    """Every noise level with every bootstrap sample."""

    teacher: str
    """A name from teachers."""
    student: str
    """A name from students."""
    levels: _LinearLevels
    """Draws of each factor; every combination is a student."""
    block: Count | None = None
    """Noise levels a job; none for as many as job_minutes says."""

    @property
    def replicates(self) -> int:
        """What blocks cut into slices."""
        return self.levels.noise


class NetworkCrossedRun(CrossedRun):
    """Every noise level with every initialisation and every bootstrap sample."""

    levels: _NetworkLevels
    """Draws of each factor; every combination is a student."""


class _LanguageLevels(_NetworkLevels):
    noise: Levels
    """Answers that the teacher samples to each prompt; a student learns one of them."""
    initialisation: Levels
    """Initial weights of a model that is made, and orders of the prompts."""
    bootstrap: Levels
    """Bootstrap samples of the training prompts, each as large as all of them."""
    decoding: Levels
    """Answers that every student samples to each prompt of comparison."""


class LanguageCrossedRun(CrossedRun):
    """Every noise level with every initialisation, bootstrap sample and draw of an answer."""

    corpora: Names
    """Names from corpora."""
    levels: _LanguageLevels
    """Draws of each factor; every combination of all but decoding is a student."""


class _CrossedFamilies(_Strict):
    linear: CrossedRun | None = None
    """Linear regression; null for none."""
    mlp: NetworkCrossedRun | None = None
    """Networks; null for none."""
    lm: LanguageCrossedRun | None = None
    """Language models; null for none."""


class Decomposition(_Experiment):
    """Where the variance between students comes from: a crossed design (beyond the paper)."""

    alpha: Positive
    """Noise variance of one response over Var(y_train)."""
    families: _CrossedFamilies
    """Families that take part."""


class Experiments(_Strict):
    """The grids; null switches an experiment off."""

    teacher_noise: TeacherNoise | None = None
    """Section 4."""
    student_init: StudentInit | None = None
    """Section 5, model-driven."""
    bootstrap: Bootstrap | None = None
    """Section 5, data-driven."""
    student_output: StudentOutput | None = None
    """Section 6."""
    variance_aware: VarianceAware | None = None
    """Section 7."""
    decomposition: Decomposition | None = None
    """Beyond the paper: components of the variance between students."""


class Statistics(_Strict):
    """How estimates are made."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """Coverage of every interval."""
    divergence_factor: Annotated[float, Field(gt=1)]
    """A student has diverged above this many times Var(y_train) of training error; a classifier
    above 1.5 times the error of answering the frequencies of the classes."""
    bootstrap_draws: Annotated[int, Field(ge=200, strict=True)]
    """Bootstrap samples of replicates behind slopes, ratios and differences."""


class Claims(_Strict):
    """Thresholds of the verdicts: practical equivalence, chosen before any result was seen."""

    slope_margin: Positive
    """A log-log slope within this of its value in theory supports the claim."""
    ratio_margin: Annotated[float, Field(gt=1)]
    """A ratio between 1/margin and margin counts as 1."""
    robust_change: Annotated[float, Field(gt=0, lt=1)]
    """A relative change below this counts as robust."""
    entropy_margin: Annotated[float, Field(gt=1)]
    """A ratio of entropies between 1/margin and margin counts as entropy that is kept."""


class Plan(_Strict):
    """An interval that is wanted, and what students and responses cost (in any one currency)."""

    target: Literal["mean", "variance"]
    """What the interval is of: the mean prediction of students, or the variance between them."""
    width: Positive
    """Its full width: in standard deviations of the training targets, of a variance over itself;
    on text in units of the embedding, whose norm is 1."""
    cost_student: NonNegative
    """Cost of training one student."""
    cost_response: Positive
    """Cost of one response of the teacher to one training input."""
    cost_draw: Positive
    """Cost of one more answer of a student to every input, where its answers are drawn."""


class Figures(_Strict):
    """Style of the figures."""

    style: str
    """A matplotlib style applied on top of the project's own; default for none."""
    dpi: Annotated[int, Field(ge=50, le=600, strict=True)]
    """Dots an inch of the PNG files."""


class Config(_Strict):
    """A study."""

    study: Name
    """Name of the study and of its folder under results/."""
    seed: Annotated[int, Field(ge=0, strict=True)]
    """Root of the tree of seeds."""
    data_cache: str | None = None
    """Folder of scikit-learn's downloads (mnist, covtype); none for scikit-learn's own."""
    job_minutes: Positive = 2.0
    """Time that a job of students is to take, from which its number of replicates follows."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    """Data sets by name."""
    corpora: dict[Name, Corpus]
    """Corpora by name."""
    language: Language
    """What all language-model runs share."""
    teachers: Annotated[dict[Name, Model], Field(min_length=1)]
    """Teachers by name."""
    students: Annotated[dict[Name, Model], Field(min_length=1)]
    """Students by name."""
    experiments: Experiments
    """What to run."""
    statistics: Statistics
    """How to estimate."""
    claims: Claims
    """How to judge."""
    gate: Gate
    """When a language-model study is worth a verdict."""
    plan: Plan
    """What an interval is to cost."""
    figures: Figures
    """How to draw."""

    @model_validator(mode="after")
    def _references(self) -> "Config":
        problems = [
            *self._dataset_problems(),
            *self._corpus_problems(),
            *self._run_problems(),
            *self._crossed_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _dataset_problems(self) -> list[str]:
        problems = []
        for name, dataset in self.datasets.items():
            given = [key for key in ("path", "target") if getattr(dataset, key) is not None]
            if name in BUILT_IN and name not in FETCHED and given:
                problems.append(
                    f"datasets.{name}.{given[0]}: found a value, but {name} is built in; "
                    "remove the key or give your data set another name"
                )
            if name in BUILT_IN and dataset.task not in (None, BUILT_IN[name]):
                problems.append(
                    f"datasets.{name}.task: found '{dataset.task}'; {name} is for "
                    f"{BUILT_IN[name]}; remove the key"
                )
            needed = name not in BUILT_IN or (name in FETCHED and given)
            if needed and len(given) < 2:
                lacking = "target" if "path" in given else "path"
                problems.append(
                    f"datasets.{name}.{lacking}: missing; a data set other than "
                    f"{_alternatives(BUILT_IN)}, or a file in place of one, needs a path and a "
                    "target"
                )
        return problems

    def _corpus_problems(self) -> list[str]:
        problems = []
        for name, corpus in self.corpora.items():
            kind = self.kind_of(name)
            if name in self.datasets:
                problems.append(f"corpora.{name}: datasets has that name too; rename one of them")
            if kind in _FROM_FILE and corpus.path is None:
                problems.append(
                    f"corpora.{name}.path: missing; a corpus of kind {kind} needs a file; kinds "
                    f"that need none: ambiguous_facts, chatterbot, wordnet"
                )
            if kind not in (*_FROM_FILE, "wordnet") and corpus.path is not None:
                problems.append(
                    f"corpora.{name}.path: found a value, but {kind} is built in; remove the key"
                )
            if kind != "file" and (corpus.prompt or corpus.references):
                key = "prompt" if corpus.prompt else "references"
                problems.append(
                    f"corpora.{name}.{key}: found a value, but only kind file has columns; "
                    "remove the key"
                )
        return problems

    def task_of(self, dataset: str) -> str:
        """What is to be predicted: regression, classification or text."""
        if dataset in self.corpora:
            return "text"
        return BUILT_IN.get(dataset) or self.datasets[dataset].task or "regression"

    def kind_of(self, corpus: str) -> str:
        """How a corpus is read."""
        return self.corpora[corpus].kind or (corpus if corpus in _NAMED_CORPORA else "file")

    def _name_problems(self, path: str, name: str, task: str) -> list[str]:
        """What is wrong with a data set's name in an experiment of a task."""
        if name not in self.datasets:
            return [_unknown(path, name, self.datasets, "datasets")]
        if self.task_of(name) != task:
            return [
                f"{path}: found '{name}', which is for {self.task_of(name)}; this experiment "
                f"needs a data set for {task}"
            ]
        return []

    def _run_problems(self) -> list[str]:
        problems = []
        any_run = False
        for experiment in type(self.experiments).model_fields:
            grid = getattr(self.experiments, experiment)
            if grid is None:
                continue
            any_run |= any(dict(grid.families).values())
            key = f"experiments.{experiment}"
            for place, name in enumerate(grid.datasets):
                problems.extend(self._name_problems(f"{key}.datasets.{place}", name, grid.task))
            problems.extend(self._fetched_problems(key, grid))
            for family in type(grid.families).model_fields:
                run = getattr(grid.families, family)
                for place, name in enumerate(getattr(run, "corpora", ())):
                    if name not in self.corpora:
                        path = f"{key}.families.{family}.corpora.{place}"
                        problems.append(_unknown(path, name, self.corpora, "corpora"))
                if run is not None and not _cells(experiment, grid, run):
                    problems.append(
                        f"{key}.families.{family}: the grid has no cell: single needs k = 1 and "
                        "the remedies k above 1 for lm; mend method or k"
                    )
                for role in ("teacher", "student") if run is not None else ():
                    path = f"{key}.families.{family}.{role}"
                    task = "text" if family == "lm" else grid.task
                    problems.extend(
                        self._model_problems(path, role, getattr(run, role), family, task)
                    )
        if not any_run:
            problems.append(
                "experiments: nothing is switched on; give at least one of "
                f"{_alternatives(type(self.experiments).model_fields)} a family"
            )
        return problems

    def _crossed_problems(self) -> list[str]:
        """What is wrong with a student whose initialisation is to vary."""
        grid = self.experiments.decomposition
        name = grid.families.mlp.student if grid is not None and grid.families.mlp else None
        if name is None or not getattr(self.students.get(name), "shared_init", False):
            return []
        return [
            f"students.{name}.shared_init: found true, but experiments.decomposition.families.mlp."
            "student varies the initialisation; name a student without it"
        ]

    def _fetched_problems(self, key: str, grid: _Experiment) -> list[str]:
        """What is wrong with an experiment's data sets that may be missing."""
        problems = []
        for place, name in enumerate(getattr(grid, "if_fetched", ())):
            path = f"{key}.if_fetched.{place}"
            problems.extend(self._name_problems(path, name, grid.task))
            if name in self.datasets and name not in FETCHED:
                problems.append(
                    f"{path}: found '{name}', which is not downloaded; allowed: "
                    f"{_alternatives(FETCHED)}; name it in {key}.datasets"
                )
            elif name in grid.datasets:
                problems.append(
                    f"{path}: found '{name}', which is in {key}.datasets too; name it once"
                )
        return problems

    def _model_problems(self, path: str, role: str, name: str, family: str, task: str) -> list[str]:
        """What is wrong with the name of a teacher or student in a run."""
        models: dict[str, Any] = getattr(self, f"{role}s")
        if name not in models:
            return [_unknown(path, name, models, f"{role}s")]
        model = models[name]
        if model.family != family:
            return [
                f"{path}: found '{name}', which is of family {model.family}; name a {role} of "
                f"family {family}"
            ]
        if task == "text" and role == "student" and model.steps == 0:
            return [f"students.{name}.steps: found 0, but {path} trains it; give at least 1"]
        if task != "regression":
            return []
        return [
            f"{role}s.{name}.{option}: found a value, but {path} uses it for regression, where "
            "every step takes all rows; remove the key"
            for option in ("batch_size", "max_steps")
            if getattr(model, option, None) is not None
        ]


def _cells(experiment: str, grid: _Experiment, run: Any) -> list[dict[str, Any]]:
    """Conditions of a run."""
    if isinstance(run, _LanguageRun):
        return language_conditions(experiment, run.model_dump())
    return conditions(experiment, grid.model_dump())


def _alternatives(names: Any) -> str:
    return ", ".join(str(name) for name in names)


def _unknown(path: str, found: object, allowed: Any, table: str) -> str:
    return (
        f"{path}: found '{found}'; allowed: {_alternatives(allowed)}"
        f"{_suggestion(str(found), allowed)} (names from {table})"
    )


def _suggestion(found: str, allowed: Any) -> str:
    close = difflib.get_close_matches(found, [str(name) for name in allowed], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """Allowed keys of the model at a location of an error."""
    schema = Config.model_json_schema()
    node: dict[str, Any] = schema
    for part in location:
        node = _resolve(node, schema, part)
        properties = node.get("properties", {})
        if isinstance(part, int):
            node = node.get("items", {})
        elif part in properties:
            node = properties[part]
        elif node.get("patternProperties"):
            node = next(iter(node["patternProperties"].values()))
        # Otherwise the part is the tag of a union, which the input does not hold.
    return list(_resolve(node, schema, None).get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any], part: object) -> dict[str, Any]:
    """Follow references, and the alternative of a union that is not null."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        elif "discriminator" in node and part in node["discriminator"]["mapping"]:
            node = {"$ref": node["discriminator"]["mapping"][part]}
        elif "anyOf" in node:
            node = next(n for n in node["anyOf"] if n.get("type") != "null")
        else:
            return node


def _line(error: Mapping[str, Any]) -> str:
    """One problem in one line: the key's path, what was found, what is allowed."""
    location = tuple(error["loc"])
    tags = {"linear", "softmax", "mlp", "lm"}
    shown = tuple(
        part
        for i, part in enumerate(location)
        if not (part in tags and i == 2 and location[0] in ("teachers", "students"))
    )
    if shown and shown[-1] == "[key]":
        shown = shown[:-1]
    path = ".".join(map(str, shown))
    found, kind, context = error["input"], error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _fields_at(location[:-1])
        return (
            f"{path}: unknown key; allowed: {_alternatives(allowed)}"
            f"{_suggestion(str(location[-1]), allowed)}"
        )
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{path}: found {found!r}; a table of keys is needed; config.yaml shows them"
    if kind == "missing":
        return f"{path}: missing; add the key (config.yaml shows every one)"
    if kind == "union_tag_invalid":
        return (
            f"{path}.family: found '{context['tag']}'; allowed: {context['expected_tags']}"
            f"{_suggestion(str(context['tag']), re.findall(r'[a-z]+', context['expected_tags']))}"
        )
    if kind == "union_tag_not_found":
        return f"{path}.family: missing; allowed: linear, softmax, mlp, lm"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return (
            f"{path}: found {found!r}; allowed: {_alternatives(allowed)}"
            f"{_suggestion(str(found), allowed)}"
        )
    if kind == "string_pattern_mismatch":
        return (
            f"{path}: found {found!r}; allowed: letters, digits, '_', '.' and '-', "
            "starting with a letter or a digit"
        )
    message = error["msg"].removeprefix("Value error, ")
    return f"{path}: found {found!r}; {message[0].lower()}{message[1:]}"


def check(raw: Mapping[str, Any]) -> Config:
    """Check a configuration.

    Parameters
    ----------
    raw : mapping
        What was read from config.yaml and its overlays.

    Returns
    -------
    Config
        The study.

    Raises
    ------
    UserError
        With one line for each problem: the key's path, what was found and what is allowed.
    """
    try:
        return Config.model_validate(dict(raw))
    except ValidationError as error:
        lines: list[str] = []
        for problem in error.errors():
            if problem["loc"]:
                lines.append(_line(problem))
            elif problem["type"] == "extra_forbidden" or problem["type"] != "value_error":
                lines.append(f"config: {problem['msg']}")
            else:
                lines.extend(problem["msg"].removeprefix("Value error, ").splitlines())
        raise UserError("\n".join(lines)) from error


def schema() -> str:
    """JSON schema of config.yaml, as text."""
    return json.dumps(Config.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema(), encoding="utf-8")
    sys.stdout.write(f"{SCHEMA_FILE}\n")
