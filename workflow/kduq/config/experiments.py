"""Tables of the configuration on the experiments: grids over data sets, teachers and students."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from kduq.config.fields import (
    Alphas,
    Count,
    Name,
    Names,
    NonNegative,
    Positive,
    Real,
    StrictModel,
    require_even,
    unique,
)


class Run(StrictModel):
    """One family in one experiment."""

    teacher: str
    """A name from teachers."""
    student: str
    """A name from students."""
    replicates: Annotated[int, Field(ge=4, le=999_999, strict=True)]
    """Students a condition; each is an independent replicate of the distillation."""
    block: Annotated[int, Field(gt=0, strict=True), AfterValidator(require_even)] | None = None
    """Replicates a job, an even number; none for as many as job_minutes says."""


class Experiment(StrictModel):
    """A grid over data sets and families."""

    #: What its data sets are for.
    task: ClassVar[str] = "regression"

    datasets: Names
    """Names from datasets, for all families but lm."""


class LanguageRun(StrictModel):
    """Language models in one experiment."""

    teacher: str
    """A name from teachers."""
    student: str
    """A name from students."""
    corpora: Names
    """Names from corpora."""
    replicates: Annotated[int, Field(ge=2, le=999_999, strict=True)]
    """Students a condition; each is an independent replicate of the distillation."""
    block: Count | None = None
    """Replicates a job; none for as many as job_minutes says."""


class NoiseRun(LanguageRun):
    """Students of a sampling teacher."""

    temperature: Annotated[list[Positive], Field(min_length=1), AfterValidator(unique)]
    """Temperature at which the teacher's answers are sampled."""


class InitRun(LanguageRun):
    """Students that start at perturbed parameters."""

    init_noise: Annotated[list[NonNegative], Field(min_length=1), AfterValidator(unique)]
    """Scale s of the perturbation: theta + s·|theta|·N(0, 1)."""


class OutputRun(LanguageRun):
    """Students of one answer a prompt."""

    label_source: Annotated[
        list[Literal["greedy", "sampled"]], Field(min_length=1), AfterValidator(unique)
    ]
    """greedy: the teacher's likeliest answer; sampled: one drawn answer."""


class AwareRun(LanguageRun):
    """The remedies."""

    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Answers a prompt."""
    method: Annotated[
        list[Literal["single", "multi_response", "averaging", "variance_weighting"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """What is learnt of the k answers; single uses the first of them."""


class _Families(StrictModel):
    linear: Run | None = None
    """Linear regression; null for none."""
    mlp: Run | None = None
    """Networks; null for none."""


class _Classifiers(StrictModel):
    softmax: Run | None = None
    """Multinomial logistic regression; null for none."""
    mlp: Run | None = None
    """Networks; null for none."""
    lm: OutputRun | None = None
    """Language models; null for none."""


class _Initialised(StrictModel):
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


class TeacherNoise(Experiment):
    """Students of a noisy teacher (section 4)."""

    alpha: Alphas
    """Noise variance of one response over Var(y_train)."""
    families: _NoiseFamilies
    """Families that take part."""


class StudentInit(Experiment):
    """Students that start at perturbed parameters (section 5)."""

    init_noise: Annotated[list[NonNegative], Field(min_length=1), AfterValidator(unique)]
    """Scale s of the perturbation: weights times (1 + s·N(0, 1)), biases plus 0.1·s·N(0, 1)."""
    families: _Initialised
    """Families that take part."""


class Bootstrap(Experiment):
    """Students on bootstrap samples (section 5)."""

    sample_fraction: Annotated[
        list[Annotated[Real, Field(gt=0, le=10)]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """Size of the bootstrap sample over the number of training rows."""
    label_source: Annotated[
        list[Literal["teacher", "truth"]], Field(min_length=1), AfterValidator(unique)
    ]
    """Who labels the rows."""
    families: _Families
    """Families that take part."""


class StudentOutput(Experiment):
    """What is left of a teacher's distribution over classes (section 6)."""

    task: ClassVar[str] = "classification"

    if_fetched: Annotated[list[Name], AfterValidator(unique)] = Field(default=[])
    """Further names from datasets, left out, with a line that says so, where not downloaded."""
    label_source: Annotated[
        list[Literal["hard", "sampled", "averaged", "soft"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """hard: the most probable class; sampled: one drawn class; averaged: the mean of k drawn
    classes, one-hot; soft: the teacher's probabilities."""
    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Responses an input behind averaged labels."""
    families: _Classifiers
    """Families that take part."""


class VarianceAware(Experiment):
    """The two remedies (section 7)."""

    alpha: Annotated[list[Positive], Field(min_length=1), AfterValidator(unique)]
    """Noise variance of one response over Var(y_train)."""
    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Responses an input."""
    method: Annotated[
        list[Literal["single", "averaging", "variance_weighting", "variance_weighting_oracle"]],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """How the k responses become one label; single uses the first of them."""
    families: _AwareFamilies
    """Families that take part."""


Levels = Annotated[int, Field(ge=3, strict=True)]


class _LinearLevels(StrictModel):
    noise: Levels
    """Draws of the noise of the teacher's labels."""
    bootstrap: Levels
    """Bootstrap samples of the rows, each as large as all of them."""


class _NetworkLevels(_LinearLevels):
    initialisation: Levels
    """Draws of the initial parameters."""


class CrossedRun(StrictModel):
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


class _CrossedFamilies(StrictModel):
    linear: CrossedRun | None = None
    """Linear regression; null for none."""
    mlp: NetworkCrossedRun | None = None
    """Networks; null for none."""
    lm: LanguageCrossedRun | None = None
    """Language models; null for none."""


class Decomposition(Experiment):
    """Where the variance between students comes from: a crossed design (beyond the paper)."""

    alpha: Positive
    """Noise variance of one response over Var(y_train)."""
    families: _CrossedFamilies
    """Families that take part."""


class Experiments(StrictModel):
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
