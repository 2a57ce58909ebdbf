"""The whole configuration: a study."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, create_model, model_validator

from kduq.claims import margins
from kduq.claims.settings import Gate
from kduq.config.data import CorpusSettings, DatasetSettings
from kduq.config.fields import Name, Positive, Real, StrictModel, unique
from kduq.config.messages import alternatives, line, unknown
from kduq.config.selection import select
from kduq.data.corpora import CORPUS_KINDS, kind_of
from kduq.data.corpora.protocol import CorpusKind
from kduq.data.datasets import DATASETS, DOWNLOADS
from kduq.errors import UserError
from kduq.experiments import EXPERIMENTS
from kduq.experiments.protocol import (
    Experiment,
    ExperimentSettings,
    FamilyRun,
    grids_of,
    runs_of,
)
from kduq.families import FAMILIES, AnyModelSettings
from kduq.families.lm.settings import Decoding
from kduq.families.protocol import ModelSettings
from kduq.figures.settings import Figures
from kduq.sample_size.settings import SampleSize

SCHEMA_FILE = Path(__file__).parents[2] / "config.schema.json"


class Language(StrictModel):
    """What all runs of language models share."""

    prompts: Annotated[int, Field(ge=2, strict=True)]
    """Prompts on which models are evaluated, at most half of them held out."""
    draws: Annotated[int, Field(ge=2, strict=True)]
    """Answers that every model samples per evaluated prompt."""
    embedding_model: str | None = None
    """Folder or hub name of a sentence-transformers model; null for all-MiniLM-L6-v2."""
    keep_models: bool = True
    """Whether the weights of students are kept, so that further answers need no training. If not,
    the students are trained again whenever they answer."""
    decoding: Decoding
    """How answers are sampled."""


if TYPE_CHECKING:
    Experiments = StrictModel
else:
    Experiments = create_model(
        "Experiments",
        __base__=StrictModel,
        __doc__="The grids; null switches an experiment off.",
        **{
            name: (
                experiment.table() | None,
                Field(
                    default=None,
                    description=f"Section {experiment.section}."
                    if experiment.section
                    else "Beyond the paper.",
                ),
            )
            for name, experiment in EXPERIMENTS.items()
        },
    )


class Statistics(StrictModel):
    """How estimates are computed."""

    confidence: Annotated[Real, Field(gt=0.5, lt=1)]
    """Coverage of every interval."""
    divergence_factor: Annotated[Real, Field(gt=1)]
    """A student has diverged if its training error exceeds this many times Var(y_train); a
    classifier, if it exceeds 1.5 times the error of predicting the frequencies of the classes."""
    bootstrap_draws: Annotated[int, Field(ge=200, strict=True)]
    """Bootstrap samples of replicates for slopes, ratios and differences."""


if TYPE_CHECKING:
    Claims = StrictModel
else:
    Claims = create_model(
        "Claims",
        __base__=StrictModel,
        __doc__="Margins of practical equivalence, fixed before any result was seen.",
        **{
            key: (
                Annotated[Real, Field(gt=margin.above, lt=margin.below, allow_inf_nan=False)],
                Field(description=margin.description),
            )
            for key, margin in margins().items()
        },
    )


class Config(StrictModel):
    """A study."""

    study: Name
    """Name of the study and of its folder under results/."""
    seed: Annotated[int, Field(ge=0, strict=True)]
    """Root of the tree of seeds."""
    data_cache: str | None = None
    """Folder of the data sets that scikit-learn downloads; null for scikit-learn's default."""
    job_minutes: Positive = 2.0
    """Time that a job of students should take, which determines its number of replicates."""
    only: Annotated[list[Name], AfterValidator(unique)] | None = None
    """Names of the experiments, data sets and corpora that take part; null for all. Experiments
    switch off all others; data sets and corpora take the place of those of every experiment."""
    datasets: dict[Name, DatasetSettings]
    """Data sets by name; an empty list for a study of corpora alone."""
    corpora: dict[Name, CorpusSettings]
    """Corpora by name; an empty list for a study of data sets alone."""
    language: Language
    """What all runs of language models share."""
    teachers: Annotated[dict[Name, AnyModelSettings], Field(min_length=1)]
    """Teachers by name."""
    students: Annotated[dict[Name, AnyModelSettings], Field(min_length=1)]
    """Students by name."""
    experiments: Experiments
    """Grids of the experiments."""
    statistics: Statistics
    """Intervals and divergence."""
    claims: Claims
    """Margins of the verdicts."""
    gate: Gate
    """Conditions for verdicts on language models."""
    sample_size: SampleSize
    """The interval that further students should give, and costs."""
    figures: Figures
    """Style of the figures."""

    @model_validator(mode="after")
    def _references(self) -> "Config":
        problems = [
            *self._dataset_problems(),
            *self._corpus_problems(),
            *self._run_problems(),
            *self._style_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def experiment(self, name: str) -> ExperimentSettings | None:
        """The table of an experiment; None where it is switched off."""
        table: ExperimentSettings | None = getattr(self.experiments, name)
        return table

    def grids(self, name: str) -> list[tuple[str, Experiment, ExperimentSettings]]:
        """Grids of an experiment, one per task; see `kduq.experiments.protocol.grids_of`."""
        table = self.experiment(name)
        if table is None:
            return []
        return list(grids_of(EXPERIMENTS[name], table, f"experiments.{name}"))

    def runs(self, name: str) -> dict[str, FamilyRun]:
        """Families that take part in an experiment, with their settings."""
        table = self.experiment(name)
        return {} if table is None else runs_of(table)

    def task_of(self, dataset: str) -> str:
        """Task of a data set or corpus: regression, classification or text."""
        if dataset in self.corpora:
            return "text"
        if dataset in DATASETS:
            return DATASETS[dataset].task
        return self.datasets[dataset].task or "regression"

    def kind_of(self, corpus: str) -> CorpusKind:
        """How a corpus is read."""
        return kind_of(corpus, self.corpora[corpus])

    def _style_problems(self) -> list[str]:
        name = self.figures.style
        if name == "default":
            return []
        import matplotlib.style as known  # noqa: PLC0415 (half a second of every job)

        try:
            with known.context(name):
                return []
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            return [
                f"figures.style: found {name!r} ({reason}); allowed are default, a file ending in "
                f".mplstyle, {', '.join(known.available)}"
            ]

    def _dataset_problems(self) -> list[str]:
        problems = []
        for name, dataset in self.datasets.items():
            built_in = DATASETS.get(name)
            present = [key for key in ("path", "target") if getattr(dataset, key) is not None]
            if built_in and not built_in.download and present:
                problems.append(
                    f"datasets.{name}.{present[0]}: found a value, but {name} is built in; "
                    "remove the key or give your data set another name"
                )
            if built_in and dataset.task not in (None, built_in.task):
                problems.append(
                    f"datasets.{name}.task: found '{dataset.task}'; {name} is for "
                    f"{built_in.task}; remove the key"
                )
            needed = not built_in or (built_in.download and present)
            if needed and len(present) < 2:
                missing = "target" if "path" in present else "path"
                problems.append(
                    f"datasets.{name}.{missing}: missing; a data set other than "
                    f"{alternatives(DATASETS)}, or a file in place of one, needs a path and a "
                    "target"
                )
        return problems

    def _corpus_problems(self) -> list[str]:
        problems = []
        for name, corpus in self.corpora.items():
            try:
                kind = self.kind_of(name)
            except UserError:
                path = f"corpora.{name}.kind"
                problems.append(unknown(path, corpus.kind, CORPUS_KINDS, "kinds of corpora"))
                continue
            if name in self.datasets:
                problems.append(f"corpora.{name}: datasets has that name too; rename one of them")
            if kind.needs == "file" and corpus.path is None:
                others = [n for n, other in CORPUS_KINDS.items() if other.needs != "file"]
                problems.append(
                    f"corpora.{name}.path: missing; a corpus of kind {kind.name} needs a file; "
                    f"kinds that need none: {alternatives(others)}"
                )
            if kind.needs == "nothing" and corpus.path is not None:
                problems.append(
                    f"corpora.{name}.path: found a value, but {kind.name} is built in; remove the "
                    "key"
                )
            if not kind.has_columns and (corpus.prompt or corpus.references):
                key = "prompt" if corpus.prompt else "references"
                readers = [n for n, other in CORPUS_KINDS.items() if other.has_columns]
                problems.append(
                    f"corpora.{name}.{key}: found a value, but only kind {alternatives(readers)} "
                    "has columns; remove the key"
                )
            path = f"corpora.{name}.topics"
            if corpus.topics and not kind.topics:
                problems.append(f"{path}: found a list, but {kind.name} has no topics; remove it")
            else:
                problems += [
                    unknown(f"{path}.{i}", topic, kind.topics, "topics")
                    for i, topic in enumerate(corpus.topics or ())
                    if topic not in kind.topics
                ]
            if not kind.has_errors and corpus.errors is not None:
                erring = [n for n, other in CORPUS_KINDS.items() if other.has_errors]
                problems.append(
                    f"corpora.{name}.errors: found a table, but the only kinds with errors are "
                    f"{alternatives(erring)}; remove the key"
                )
        return problems

    def _name_problems(self, path: str, name: str, task: str) -> list[str]:
        """What is wrong with a data set's name in an experiment of a task."""
        if name not in self.datasets:
            return [unknown(path, name, self.datasets, "datasets")]
        if self.task_of(name) != task:
            return [
                f"{path}: found '{name}', which is for {self.task_of(name)}; this experiment "
                f"needs a data set for {task}"
            ]
        return []

    def _run_problems(self) -> list[str]:
        problems: list[str] = []
        grids = [grid for name in EXPERIMENTS for grid in self.grids(name)]
        for key, experiment, table in grids:
            for i, dataset in enumerate(table.datasets):
                path = f"{key}.datasets.{i}"
                problems.extend(self._name_problems(path, dataset, experiment.task))
            problems.extend(self._optional_problems(key, table, experiment.task))
            for family, run in runs_of(table).items():
                path = f"{key}.families.{family}"
                problems += [
                    unknown(f"{path}.{key_of_run}", corpus, self.corpora, "corpora")
                    for key_of_run, corpus in run.named_corpora
                    if corpus not in self.corpora
                ]
                if not experiment.cells(table, run):
                    problems.append(
                        f"{path}: the grid has no cell: single needs k = 1 and, on text, the "
                        "remedies k above 1; correct method or k"
                    )
                task = "text" if FAMILIES[family].lane == "text" else experiment.task
                for role in ("teacher", "student"):
                    problems.extend(self._model_problems(path, role, run, family, task))
                    problems.extend(self._head_problems(path, role, run, experiment))
                problems.extend(self._start_problems(path, run, experiment))
        runs = [
            names
            for _, _, table in grids
            for run in runs_of(table).values()
            if (names := getattr(run, "corpora", [*table.datasets, *table.optional_datasets]))
        ]
        if not runs:
            problems.append(
                "experiments: nothing is switched on; give at least one of "
                f"{alternatives(EXPERIMENTS)} a family and a data set or corpus"
                + (" that fits it, or correct only" if self.only else "")
            )
        return problems

    def _optional_problems(self, key: str, table: ExperimentSettings, task: str) -> Iterator[str]:
        """What is wrong with an experiment's data sets that may be missing."""
        for i, name in enumerate(table.optional_datasets):
            path = f"{key}.optional_datasets.{i}"
            yield from self._name_problems(path, name, task)
            if name in self.datasets and name not in DOWNLOADS:
                yield (
                    f"{path}: found '{name}', which is not downloaded; allowed: "
                    f"{alternatives(DOWNLOADS)}; name it in {key}.datasets"
                )
            elif name in table.datasets:
                yield f"{path}: found '{name}', which is in {key}.datasets too; name it once"

    def _model_problems(
        self, path: str, role: str, run: FamilyRun, family: str, task: str
    ) -> list[str]:
        """What is wrong with the teacher or the student of a run."""
        models: dict[str, ModelSettings] = getattr(self, f"{role}s")
        name: str = getattr(run, role)
        path = f"{path}.{role}"
        if name not in models:
            return [unknown(path, name, models, f"{role}s")]
        model = models[name]
        if model.family != family:
            return [
                f"{path}: found '{name}', which is of family {model.family}; name a {role} of "
                f"family {family}"
            ]
        if role == "student" and getattr(model, "steps", 1) == 0:
            return [f"students.{name}.steps: found 0, but {path} trains it; set it to at least 1"]
        if task != "regression":
            return []
        return [
            f"{role}s.{name}.{option}: found a value, but {path} uses it for regression, where "
            "every step takes all rows; remove the key"
            for option in ("batch_size", "max_steps")
            if getattr(model, option, None) is not None
        ]

    def _head_problems(
        self, path: str, role: str, run: FamilyRun, experiment: Experiment
    ) -> Iterator[str]:
        """What is wrong with a model that predicts a distribution, or with one that does not."""
        name: str = getattr(run, role)
        models: dict[str, ModelSettings] = getattr(self, f"{role}s")
        model, student = models.get(name), role == "student"
        if model is None:
            return
        if student and experiment.distribution and not model.has_distribution:
            yield (
                f"{path}.{role}: found '{name}', which predicts one number; this experiment needs "
                "a student with head: gaussian"
            )
        if model.has_distribution and not (student and experiment.task == "regression"):
            reason = "for classification" if student else "as a teacher, whose noise is alpha's"
            yield (
                f"{role}s.{name}.head: found 'gaussian', but {path} uses it {reason}; remove the "
                "key"
            )

    def _start_problems(self, path: str, run: FamilyRun, experiment: Experiment) -> list[str]:
        """What is wrong with a student's initial parameters."""
        student = self.students.get(run.student)
        if student is None:
            return []
        shared = getattr(student, "shared_init", False)
        if experiment.pairs_start_equal and shared != "pairs":
            return [
                f"students.{run.student}.shared_init: found {str(shared).lower()}, but "
                f"{path}.student needs pairs that start at the same parameters; name a student "
                "with shared_init: pairs"
            ]
        if experiment.design not in ("factorial", "studies") or not shared:
            return []
        return [
            f"students.{run.student}.shared_init: found {str(shared).lower()}, but "
            f"{path}.student varies the initialisation; name a student without it"
        ]


#: Tables without which config.yaml has not been read, more than anyone leaves out.
_MOST_ABSENT = 4


def check(raw: Mapping[str, Any]) -> Config:
    """Check a configuration.

    Parameters
    ----------
    raw : mapping
        Content of config.yaml and its overlays.

    Returns
    -------
    Config
        The study.

    Raises
    ------
    UserError
        With one line for each problem: the key's path, what was found and what is allowed.
    """
    absent = [name for name in Config.model_fields if name not in raw]
    if len(absent) > _MOST_ABSENT:
        raise UserError(
            f"config: most tables are missing ({', '.join(absent[:3])}, ...): config.yaml was not "
            "read. Run snakemake in the checkout (or with --directory CHECKOUT), or pass "
            "config.yaml first: --configfile CHECKOUT/config.yaml YOURS.yaml"
        )
    try:
        return Config.model_validate(select(raw))
    except ValidationError as error:
        lines: list[str] = []
        for problem in error.errors():
            if problem["loc"]:
                lines.append(line(problem, Config.model_json_schema()))
            elif problem["type"] == "extra_forbidden" or problem["type"] != "value_error":
                lines.append(f"config: {problem['msg']}")
            else:
                lines.extend(problem["msg"].removeprefix("Value error, ").splitlines())
        raise UserError("\n".join(lines)) from error


def schema() -> str:
    """JSON schema of config.yaml, as text."""
    return json.dumps(Config.model_json_schema(), indent=1, ensure_ascii=False) + "\n"
