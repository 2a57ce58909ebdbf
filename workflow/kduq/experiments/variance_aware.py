"""Variance-aware distillation (section 7): averaging and inverse-variance weighting."""

from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from kduq.conditions import Condition
from kduq.config.fields import Alphas, Count, Name, Positive, Real, unique
from kduq.experiments.protocol import Experiment, ExperimentSettings, TextRun


class Settings(ExperimentSettings):
    """The two remedies (section 7)."""

    alpha: Alphas
    """Noise variance of one response over Var(y_train). At 0 all methods and k are the same, and
    the only condition is single."""
    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Responses per input."""
    method: Annotated[
        list[
            Literal[
                "single",
                "averaging",
                "variance_weighting",
                "variance_weighting_oracle",
                "pilot_mean",
            ]
        ],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """How the k responses are combined into one label; single uses the first of them."""
    teacher_weight: Annotated[
        list[Annotated[Real, Field(ge=0, le=1)]],
        AfterValidator(unique),
    ] = Field(default=[])
    """Weights of the mean of the k responses in labels of method fixed_weight, whose rest is that
    of the pilots' mean: 0 is pilot_mean, 1 is averaging; an empty list for none."""
    weight_k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)] = Field(
        default=[3], validate_default=True
    )
    """Responses per input at which these weights are tried, of those in k and above 1."""

    @field_validator("weight_k")
    @classmethod
    def _in_grid(cls, numbers: list[int], info: ValidationInfo) -> list[int]:
        allowed = [k for k in info.data.get("k", numbers) if k > 1]
        if info.data.get("teacher_weight") and not set(numbers) <= set(allowed):
            raise ValueError(
                "numbers from the key k above 1 are needed, at which pilot_mean and averaging can "
                "be compared; correct weight_k or k, or set teacher_weight to []"
            )
        return numbers


Temperatures = Annotated[list[Positive], Field(min_length=1), AfterValidator(unique)]


class VarianceAwareText(TextRun):
    """The remedies on text."""

    k: Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
    """Answers per prompt."""
    method: Annotated[
        list[
            Literal[
                "single",
                "multi_response",
                "averaging",
                "majority",
                "denoised",
                "variance_weighting",
                "variance_weighting_prior",
                "shuffled",
            ]
        ],
        Field(min_length=1),
        AfterValidator(unique),
    ]
    """Which of the k answers are learnt; single uses the first of them. majority: the most
    frequent; denoised: all that repeat; shuffled: all, permuted among prompts, a control that must
    fail."""
    temperature: Temperatures = Field(default=[1.0])
    """Temperatures of the teacher's answers."""
    temperature_by_corpus: dict[Name, Temperatures] | None = None
    """Temperatures on single corpora, in place of those in temperature; null for none."""
    single_temperature: Annotated[list[Positive], AfterValidator(unique)] = Field(default=[])
    """Further temperatures, at which students learn one answer: a low one is the cheapest
    remedy."""

    @property
    def named_corpora(self) -> list[tuple[str, str]]:
        """See `FamilyRun.named_corpora`."""
        own = [(f"temperature_by_corpus.{name}", name) for name in self.temperature_by_corpus or ()]
        return super().named_corpora + own

    def of_dataset(self, name: str) -> "VarianceAwareText":
        """See `FamilyRun.of_dataset`."""
        own = (self.temperature_by_corpus or {}).get(name, self.temperature)
        return self.model_copy(update={"temperature": own})


def _conditions(settings: Settings) -> list[Condition]:
    return [cell for alpha in settings.alpha for cell in _of_noise(settings, alpha)]


def _of_noise(settings: Settings, alpha: float) -> list[Condition]:
    """Conditions of one alpha."""
    if alpha == 0:
        return [Condition(method="single", alpha=alpha, k=1)]
    methods = [
        Condition(method=method, alpha=alpha, k=k)
        for method, k in product(settings.method, settings.k)
        if method != "single" or k == 1
    ]
    weights = [
        Condition(method="fixed_weight", alpha=alpha, k=k, teacher_weight=weight)
        for weight, k in product(settings.teacher_weight, settings.weight_k)
    ]
    return methods + weights


def _text_conditions(run: VarianceAwareText) -> list[Condition]:
    alone = [t for t in run.single_temperature if t not in run.temperature]
    return [
        Condition(label_source="sampled", temperature=temperature, method=method, k=k)
        for temperature, method, k in product(run.temperature, run.method, sorted({1, *run.k}))
        if (method == "single") == (k == 1)
    ] + [
        Condition(label_source="sampled", temperature=temperature, method="single", k=1)
        for temperature in alone
    ]


EXPERIMENT = Experiment(
    "variance_aware",
    "Do averaging and inverse-variance weighting lower the noise?",
    "7",
    Settings,
    _conditions,
    text_run=VarianceAwareText,
    text_conditions=_text_conditions,
    title="Variance-aware distillation",
)
