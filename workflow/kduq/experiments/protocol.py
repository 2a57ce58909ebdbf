"""The interface of an experiment, and its tables of the configuration."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from kduq.conditions import FACTORS, PILOTED, SHARDED_FACTOR, Condition, in_order
from kduq.config.data import Task
from kduq.config.fields import Count, Name, Names, StrictModel, require_even, unique
from kduq.families import FAMILIES
from kduq.families.protocol import Family

#: How the students of a run differ: replicates of every condition on one split, with one teacher;
#: one student per combination of levels of a family's factors, either with one split and teacher
#: (factorial) or with these among the factors (studies); or replicates on each of several splits of
#: the rows, or corpora of other seeds, each with a teacher of its own.
Design = Literal["replicates", "factorial", "studies", "splits"]
#: Number of levels of a factor.
Levels = Annotated[int, Field(ge=3, strict=True)]
_LEVELS = {
    "split": "Draws, with replacement, of as many training rows as there are.",
    "teacher": "Draws of the initial parameters of the teacher.",
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
        """Number of replicates, levels of the sharded factor, or splits, which shards divide."""
        raise NotImplementedError

    @property
    def shard_size(self) -> int | None:
        """Replicates per job that the configuration sets, None for none."""
        return getattr(self, "shard", None)

    @property
    def named_corpora(self) -> list[tuple[str, str]]:
        """Keys of this table under which corpora are named, with the names."""
        return [(f"corpora.{i}", name) for i, name in enumerate(getattr(self, "corpora", ()))]

    def of_dataset(self, name: str) -> "FamilyRun":
        """The table as it is for one of its data sets or corpora."""
        del name
        return self


class TabularRun(FamilyRun):
    """One family in one experiment on tables."""

    replicates: Annotated[int, Field(ge=4, le=999_999, strict=True)]
    """Students per condition, each an independent replicate of the distillation."""
    shard: Annotated[int, Field(gt=0, strict=True), AfterValidator(require_even)] | None = None
    """Replicates per job, an even number; null for as many as take job_minutes."""

    @property
    def total(self) -> int:
        """Replicates."""
        return self.replicates


class TextRun(FamilyRun):
    """One family of language models in one experiment."""

    corpora: Names
    """Names from corpora."""
    replicates: Annotated[int, Field(ge=2, le=999_999, strict=True)]
    """Students per condition, each an independent replicate of the distillation."""
    shard: Count | None = None
    """Replicates per job; null for as many as take job_minutes."""

    @property
    def total(self) -> int:
        """Replicates."""
        return self.replicates


class FactorialRun(FamilyRun):
    """One family in a factorial design: every combination of levels is a student."""

    shard: Count | None = None
    """Noise levels per job; null for as many as take job_minutes."""

    @property
    def levels_by_factor(self) -> dict[str, int]:
        """Number of levels of each factor, in the order of the layout."""
        return in_order(dict(getattr(self, "levels")))  # noqa: B009 (a field of the subclasses)

    @property
    def total(self) -> int:
        """Levels of the sharded factor."""
        return self.levels_by_factor[SHARDED_FACTOR]


class SplitRun(FamilyRun):
    """One family in a design of splits: students of several teachers, each on its own split."""

    splits: Annotated[int, Field(ge=3, le=999_999, strict=True)]
    """Random splits of the rows, each with a teacher of its own."""
    students_per_split: Annotated[int, Field(ge=5, le=999_999, strict=True)]
    """Students per condition and split."""
    shard: Count | None = None
    """Splits per job; null for as many as take job_minutes."""

    @property
    def total(self) -> int:
        """Splits."""
        return self.splits


class ExperimentSettings(StrictModel):
    """A grid over data sets and families; the table of families is added by the registry."""

    datasets: Annotated[list[Name], AfterValidator(unique)]
    """Names from datasets, for families on tables; an empty list for none."""
    optional_datasets: Annotated[list[Name], AfterValidator(unique)] = Field(default=[])
    """Further names from datasets; skipped, with a message, unless they have been downloaded."""


@dataclass(frozen=True)
class Experiment:
    """An experiment: conditions that vary between students, and the families that take part.

    Attributes
    ----------
    name : str
        Name in the configuration, in paths and of its target.
    label : str
        The question that it answers.
    section : str
        Section of the paper; empty for an experiment that is not in the paper.
    settings : type of ExperimentSettings
        Its table of the configuration, without the families.
    conditions : callable
        Returns the conditions of its runs on tables from these settings, the slowest key first.
    task : str
        Task of its data sets, regression or classification.
    text_run : type of FamilyRun, optional
        Settings of a family of language models; None if none takes part.
    text_conditions : callable, optional
        Returns the conditions of its runs on text from the settings of the run.
    factors : tuple of str
        Factors of randomness that a family must have to take part.
    optional_factors : tuple of str
        Factors of a factorial design that vary in the families that have them.
    design : str
        See `Design`.
    largest_shard, largest_text_shard : int, optional
        Largest number of replicates per job.
    title : str
        Its title in figures; its name in words if left out.
    text_axis : str
        Condition column on the horizontal axis of figures of runs on text.
    distribution : bool
        Whether its students must have a predictive distribution, and a family such students.
    pairs_start_equal : bool
        Whether its students must be pairs that start at the same parameters.
    classification : Experiment, optional
        The same experiment on data sets for classification, of the same name; its table of the
        configuration is the key classification of this one's.

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
    text_run: type[FamilyRun] | None = None
    text_conditions: Callable[[Any], list[Condition]] | None = None
    factors: tuple[str, ...] = ()
    optional_factors: tuple[str, ...] = ()
    design: Design = "replicates"
    largest_shard: int | None = None
    largest_text_shard: int | None = None
    title: str = ""
    text_axis: str = "k"
    distribution: bool = False
    pairs_start_equal: bool = False
    classification: "Experiment | None" = None

    def takes(self, family: Family) -> bool:
        """Whether a family can take part."""
        on_text = family.lane == "text"
        factorial = self.design == "factorial"
        if on_text and self.text_run is None and not (factorial and self.text_conditions):
            return False
        if self.distribution and not family.has_distribution:
            return False
        task = "text" if on_text else self.task
        return task in family.tasks and set(self.factors) <= set(family.factors)

    def run_settings(self, family: Family) -> type[FamilyRun]:
        """Type of the configuration's table for a family that takes part."""
        on_text = family.lane == "text"
        if self.design == "splits":
            return (self.text_run or SplitRun) if on_text else SplitRun
        if self.design == "replicates":
            return (self.text_run or TextRun) if on_text else TabularRun
        title = "".join(word.capitalize() for word in (*family.name.split("_"), "levels"))
        fields: dict[str, Any] = {
            factor: (Levels, Field(description=_LEVELS[factor]))
            for factor in FACTORS
            if factor in family.factors and factor in (*self.factors, *self.optional_factors)
        }
        levels = create_model(title, __base__=StrictModel, **fields)
        more: dict[str, Any] = {"levels": (levels, Field(description="Levels of each factor."))}
        if on_text:
            more["corpora"] = (Names, Field(description="Names from corpora."))
        return create_model(title.replace("Levels", "Factorial"), __base__=FactorialRun, **more)

    def table(self) -> type[ExperimentSettings]:
        """Type of its table of the configuration, including the families that can take part."""
        rows: dict[str, Any] = {
            name: (
                self.run_settings(family) | None,
                Field(default=None, description=f"Family {family.label}; null for none."),
            )
            for name, family in FAMILIES.items()
            if self.takes(family)
        }
        title = "".join(word.capitalize() for word in self.name.split("_"))
        if self.task == "classification":
            title += "OfClasses"  # beside one of the same name for regression
        families = create_model(f"{title}Families", __base__=StrictModel, **rows)
        fields: dict[str, Any] = {
            "families": (families, Field(description="Families that take part."))
        }
        if self.classification is not None:
            text = "The same on data sets for classification; null for none."
            own = self.classification.table() | None
            fields["classification"] = (own, Field(default=None, description=text))
        return create_model(title, __base__=self.settings, __doc__=self.label, **fields)

    def cells(self, settings: ExperimentSettings, run: FamilyRun) -> list[Condition]:
        """Conditions of a run.

        Parameters
        ----------
        settings : ExperimentSettings
            Table of the experiment.
        run : FamilyRun
            Table of the family.

        Returns
        -------
        list of Condition
            The slowest key first.
        """
        if hasattr(run, "corpora") and self.text_conditions is not None:
            return self.text_conditions(run)
        return self.conditions(settings)


def grids_of(
    experiment: Experiment, table: ExperimentSettings, key: str
) -> Iterator[tuple[str, Experiment, ExperimentSettings]]:
    """Grids of an experiment that are switched on, one per task.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    table : ExperimentSettings
        Its table of the configuration.
    key : str
        Path of the table in the configuration.

    Yields
    ------
    str, Experiment, ExperimentSettings
        Path of a table, and the experiment and table of its task.
    """
    yield key, experiment, table
    own: ExperimentSettings | None = getattr(table, "classification", None)
    if experiment.classification is not None and own is not None:
        yield f"{key}.classification", experiment.classification, own


def runs_of(settings: ExperimentSettings) -> dict[str, FamilyRun]:
    """Families that take part according to an experiment's table, in the order of the registry."""
    table: Mapping[str, FamilyRun | None] = dict(getattr(settings, "families"))  # noqa: B009
    return {family: run for family, run in table.items() if run is not None}


def trainings(conditions: Sequence[Condition]) -> int:
    """Students trained per replicate: one per condition, and the pilots of some methods.

    Parameters
    ----------
    conditions : sequence of Condition
        Conditions of a run.

    Returns
    -------
    int
        Methods share the pilots of an alpha, one per response. On text, where conditions have no
        alpha, there are none.
    """
    pilots: dict[float, int] = {}
    for condition in conditions:
        alpha, k = condition.alpha, condition.k or 1
        if (
            condition.method in PILOTED
            and alpha is not None
            and k > 1
            and condition.teacher_weight != 1
        ):
            pilots[alpha] = max(k, pilots.get(alpha, 0))
    return len(conditions) + sum(pilots.values())
