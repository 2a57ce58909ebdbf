"""The configuration: pydantic models that check it and write its JSON schema.

``python -m kduq.config`` writes ``workflow/config.schema.json``, which editors use to complete and
check config.yaml.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from kduq.conditions import conditions, language_conditions
from kduq.config.experiments import Experiment, Experiments, LanguageRun, Run
from kduq.config.fields import Name, NonNegative, Positive, Real, Share, StrictModel
from kduq.config.messages import alternatives, line, unknown
from kduq.config.models import Corpus, Dataset, Language, Model
from kduq.data.downloads import FETCHED
from kduq.errors import UserError

__all__ = ["Config", "Model", "Run", "check", "schema"]

SCHEMA_FILE = Path(__file__).parents[2] / "config.schema.json"
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


class Gate(StrictModel):
    """When a language-model study is worth a verdict."""

    hallucination: Share
    """Largest share of the teacher's answers outside the support, where that is known."""
    entropy: Positive
    """Largest relative distance of the teacher's entropy from the truth's."""
    similarity: Share
    """Least similarity of greedy answers to the references, on other corpora."""
    convergence: Positive
    """Largest change of a student's loss from one tenth of training to the last, nats a token."""
    converged: Share
    """Least share of a run's students that change by less."""


class Statistics(StrictModel):
    """How estimates are made."""

    confidence: Annotated[Real, Field(gt=0.5, lt=1)]
    """Coverage of every interval."""
    divergence_factor: Annotated[Real, Field(gt=1)]
    """A student has diverged above this many times Var(y_train) of training error; a classifier
    above 1.5 times the error of answering the frequencies of the classes."""
    bootstrap_draws: Annotated[int, Field(ge=200, strict=True)]
    """Bootstrap samples of replicates behind slopes, ratios and differences."""


class Claims(StrictModel):
    """Thresholds of the verdicts: practical equivalence, chosen before any result was seen."""

    slope_margin: Positive
    """A log-log slope within this of its value in theory supports the claim."""
    ratio_margin: Annotated[Real, Field(gt=1)]
    """A ratio between 1/margin and margin counts as 1."""
    robust_change: Annotated[Real, Field(gt=0, lt=1)]
    """A relative change below this counts as robust."""
    entropy_margin: Annotated[Real, Field(gt=1)]
    """A ratio of entropies between 1/margin and margin counts as entropy that is kept."""


class Plan(StrictModel):
    """An interval that is wanted, and what students and responses cost (in any one currency)."""

    target: Literal["mean", "variance"]
    """What the interval is of: the mean prediction of students, or the variance between them."""
    width: Annotated[Real, Field(gt=0, le=1000)]
    """Its full width: in standard deviations of the training targets, of a variance over itself;
    on text in units of the embedding, whose norm is 1."""
    cost_student: NonNegative
    """Cost of training one student."""
    cost_response: Positive
    """Cost of one response of the teacher to one training input."""
    cost_draw: Positive
    """Cost of one more answer of a student to every input, where its answers are drawn."""


class Figures(StrictModel):
    """Style of the figures."""

    style: str
    """A matplotlib style, or a file of one, on top of the project's own; default for none."""
    dpi: Annotated[int, Field(ge=50, le=600, strict=True)]
    """Dots an inch of the PNG files."""


class Config(StrictModel):
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
            *self._style_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

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
                    f"{alternatives(BUILT_IN)}, or a file in place of one, needs a path and a "
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
            return [unknown(path, name, self.datasets, "datasets")]
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
                        problems.append(unknown(path, name, self.corpora, "corpora"))
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
                f"{alternatives(type(self.experiments).model_fields)} a family"
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

    def _fetched_problems(self, key: str, grid: Experiment) -> list[str]:
        """What is wrong with an experiment's data sets that may be missing."""
        problems = []
        for place, name in enumerate(getattr(grid, "if_fetched", ())):
            path = f"{key}.if_fetched.{place}"
            problems.extend(self._name_problems(path, name, grid.task))
            if name in self.datasets and name not in FETCHED:
                problems.append(
                    f"{path}: found '{name}', which is not downloaded; allowed: "
                    f"{alternatives(FETCHED)}; name it in {key}.datasets"
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
            return [unknown(path, name, models, f"{role}s")]
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


def _cells(experiment: str, grid: Experiment, run: Any) -> list[dict[str, Any]]:
    """Conditions of a run."""
    if isinstance(run, LanguageRun):
        return language_conditions(experiment, run.model_dump())
    return conditions(experiment, grid.model_dump())


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
                lines.append(line(problem, Config.model_json_schema()))
            elif problem["type"] == "extra_forbidden" or problem["type"] != "value_error":
                lines.append(f"config: {problem['msg']}")
            else:
                lines.extend(problem["msg"].removeprefix("Value error, ").splitlines())
        raise UserError("\n".join(lines)) from error


def schema() -> str:
    """JSON schema of config.yaml, as text."""
    return json.dumps(Config.model_json_schema(), indent=1, ensure_ascii=False) + "\n"
