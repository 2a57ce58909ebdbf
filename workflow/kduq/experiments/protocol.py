"""What an experiment says of itself, and the tables of the configuration that it is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model

from kduq.conditions import FACTORS, SHARDED_FACTOR, Condition, in_order
from kduq.config.data import Task
from kduq.config.fields import Count, Name, Names, StrictModel, require_even, unique
from kduq.errors import UserError
from kduq.families import FAMILIES
from kduq.families.protocol import Family

#: Levels of a factor.
Levels = Annotated[int, Field(ge=3, strict=True)]
#: Sources of labels that are drawn from a teacher's distribution.
_DRAWN = ("sampled", "averaged")
_LEVELS = {
    "noise": "Draws of the noise of the teacher's labels, or of its answer to each prompt.",
    "initialisation": "Draws of the initial parameters, and of the order of the prompts.",
    "bootstrap": "Bootstrap samples of the training rows or prompts, each as large as all of them.",
    "decoding": "Answers that every student samples to each evaluated prompt.",
}


class FamilyRun(StrictModel):
    """One family in one experiment."""

    teacher: str
    """A name from teachers."""
    student: str
    """A name from students."""

    @property
    def total(self) -> int:
        """What shards cut: replicates, or levels of the sharded factor."""
        raise NotImplementedError

    @property
    def shard_size(self) -> int | None:
        """Replicates per job that the configuration asks for."""
        return getattr(self, "shard", None)


class TabularRun(FamilyRun):
    """One family in one experiment on tables."""

    replicates: Annotated[int, Field(ge=4, le=999_999, strict=True)]
    """Students per condition; each is an independent replicate of the distillation."""
    shard: Annotated[int, Field(gt=0, strict=True), AfterValidator(require_even)] | None = None
    """Replicates per job, an even number; none for as many as take job_minutes."""

    @property
    def total(self) -> int:
        """Replicates."""
        return self.replicates


class TextRun(FamilyRun):
    """One family of language models in one experiment."""

    corpora: Names
    """Names from corpora."""
    replicates: Annotated[int, Field(ge=2, le=999_999, strict=True)]
    """Students per condition; each is an independent replicate of the distillation."""
    shard: Count | None = None
    """Replicates per job; none for as many as take job_minutes."""

    @property
    def total(self) -> int:
        """Replicates."""
        return self.replicates


class FactorialRun(FamilyRun):
    """One family in a factorial design: every combination of levels is a student."""

    shard: Count | None = None
    """Noise levels per job; none for as many as take job_minutes."""

    @property
    def levels_by_factor(self) -> dict[str, int]:
        """Levels of each factor, in the order of the layout."""
        return in_order(dict(getattr(self, "levels")))  # noqa: B009 (a field of the subclasses)

    @property
    def total(self) -> int:
        """Levels of the factor that shards cut."""
        return self.levels_by_factor[SHARDED_FACTOR]


class ExperimentSettings(StrictModel):
    """A grid over data sets and families; the table of families is added by the registry."""

    datasets: Names
    """Names from datasets, for families on tables."""
    optional_datasets: Annotated[list[Name], AfterValidator(unique)] = Field(default=[])
    """Further names from datasets, skipped, with a line that says so, where not downloaded."""


@dataclass(frozen=True)
class Experiment:
    """What varies between the students of a study, and for which families.

    Attributes
    ----------
    name : str
        What the configuration, paths and targets call it.
    label : str
        What it asks, in words.
    section : str
        Of the paper; empty for what goes beyond it.
    settings : type of ExperimentSettings
        Its table of the configuration, without the families.
    conditions : callable
        Conditions of its runs on tables by these settings, the slowest key first.
    task : str
        What its data sets are for, regression or classification.
    text_run : type of TextRun, optional
        Settings of a family of language models; None where none takes part.
    text_conditions : callable, optional
        Conditions of its runs on text by the settings of the run.
    factors : tuple of str
        Factors of randomness that a family must have to take part.
    factorial : bool
        Whether every combination of levels of a family's factors is a student, in place of
        replicates of every condition.
    noisy : bool
        Whether the teacher's responses to rows of tables are its mean with noise.
    largest_shard, largest_text_shard : int, optional
        Replicates per job that are not to be exceeded.
    title : str
        Its name in figures; the name itself if left out.
    text_axis : str
        Condition column that figures draw runs on text along.

    Examples
    --------
    >>> class Settings(ExperimentSettings):
    ...     alpha: list[float]
    >>> def conditions(settings: Settings) -> list[Condition]:
    ...     return [Condition(method="single", alpha=a, k=1) for a in settings.alpha]
    >>> experiment = Experiment("quiet", "Does little noise matter?", "", Settings, conditions)
    >>> settings = Settings(datasets=["diabetes"], alpha=[0.0, 0.1])
    >>> [condition.alpha for condition in experiment.conditions(settings)]
    [0.0, 0.1]
    >>> experiment.takes(FAMILIES["linear"]), experiment.takes(FAMILIES["softmax"])
    (True, False)
    """

    name: str
    label: str
    section: str
    settings: type[ExperimentSettings]
    conditions: Callable[[Any], list[Condition]]
    task: Task = "regression"
    text_run: type[TextRun] | None = None
    text_conditions: Callable[[Any], list[Condition]] | None = None
    factors: tuple[str, ...] = ()
    factorial: bool = False
    noisy: bool = False
    largest_shard: int | None = None
    largest_text_shard: int | None = None
    title: str = ""
    text_axis: str = "k"

    def takes(self, family: Family) -> bool:
        """Whether a family can take part."""
        on_text = family.lane == "text"
        if on_text and self.text_run is None and not (self.factorial and self.text_conditions):
            return False
        task = "text" if on_text else self.task
        return task in family.tasks and set(self.factors) <= set(family.factors)

    def run_settings(self, family: Family) -> type[FamilyRun]:
        """Table of the configuration for a family that takes part."""
        on_text = family.lane == "text"
        if not self.factorial:
            return (self.text_run or TextRun) if on_text else TabularRun
        title = "".join(word.capitalize() for word in (*family.name.split("_"), "levels"))
        fields: dict[str, Any] = {
            factor: (Levels, Field(description=_LEVELS[factor]))
            for factor in FACTORS
            if factor in family.factors
        }
        levels = create_model(title, __base__=StrictModel, **fields)
        more: dict[str, Any] = {"levels": (levels, Field(description="Levels of each factor."))}
        if on_text:
            more["corpora"] = (Names, Field(description="Names from corpora."))
        return create_model(title.replace("Levels", "Factorial"), __base__=FactorialRun, **more)

    def table(self) -> type[ExperimentSettings]:
        """Its table of the configuration, with one of the families that can take part."""
        rows: dict[str, Any] = {
            name: (
                self.run_settings(family) | None,
                Field(default=None, description=f"Family {family.label}; null for none."),
            )
            for name, family in FAMILIES.items()
            if self.takes(family)
        }
        title = "".join(word.capitalize() for word in self.name.split("_"))
        families = create_model(f"{title}Families", __base__=StrictModel, **rows)
        return create_model(
            title,
            __base__=self.settings,
            __doc__=self.label,
            families=(families, Field(description="Families that take part.")),
        )

    def cells(self, settings: ExperimentSettings, run: FamilyRun) -> list[Condition]:
        """Conditions of a run.

        Parameters
        ----------
        settings : ExperimentSettings
            Of the experiment.
        run : FamilyRun
            Of the family.

        Returns
        -------
        list of Condition
            The slowest key first.

        Raises
        ------
        UserError
            If conditions have noise but the experiment's responses have none.
        """
        if hasattr(run, "corpora") and self.text_conditions is not None:
            return self.text_conditions(run)
        cells = self.conditions(settings)
        if not self.noisy and any(c.alpha or c.label_source in _DRAWN for c in cells):
            raise UserError(
                f"experiment {self.name}: its conditions have alpha or drawn labels, but its "
                "teachers answer their mean; set noisy=True in its file"
            )
        return cells


def runs_of(settings: ExperimentSettings) -> dict[str, FamilyRun]:
    """Families that take part by an experiment's table, in the order of the registry."""
    table: Mapping[str, FamilyRun | None] = dict(getattr(settings, "families"))  # noqa: B009
    return {family: run for family, run in table.items() if run is not None}


def trainings(conditions: Sequence[Condition]) -> int:
    """Students that a replicate trains: one per condition, and the pilots of plug-in weighting."""
    weighted = [c for c in conditions if c.method == "variance_weighting" and c.alpha is not None]
    pilots = {c.alpha: c.k or 1 for c in weighted}
    return len(conditions) + sum(pilots.values())
