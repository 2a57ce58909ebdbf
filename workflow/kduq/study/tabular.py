"""Targets of the lane of tables: one function per stage, with the same names as for text."""

from typing import Any, cast

from kduq.conditions import DRAWN, SHARDED_FACTOR, tabular_combinations
from kduq.config.data import Task
from kduq.config.study import Config
from kduq.data.datasets import DATASETS
from kduq.estimates import settings as estimates_settings
from kduq.estimates.metrics import of_task
from kduq.examples import settings as examples_settings
from kduq.experiments.protocol import Design
from kduq.families import FAMILIES
from kduq.responses import settings as responses_settings
from kduq.stage import StageSettings
from kduq.students import settings as students_settings
from kduq.study import paths
from kduq.study.run import Run
from kduq.study.target import Target
from kduq.teacher import settings as teacher_settings

#: Module of students and estimates, by design; estimates of replicates have one per task.
_MODULES: dict[Design, str] = {
    "replicates": "tabular",
    "factorial": "tabular_factorial",
    "studies": "tabular_studies",
    "splits": "tabular_splits",
}
#: Module of responses, by design.
_RESPONSES: dict[Design, str] = {**_MODULES, "factorial": "tabular", "studies": "tabular"}


def examples(config: Config, dataset: str) -> list[Target]:
    """The examples of a data set."""
    settings = examples_settings.TabularSettings(
        **config.datasets[dataset].model_dump(exclude={"task"}),
        dataset=dataset,
        task=cast(Task, config.task_of(dataset)),
    )
    own = (DATASETS[dataset].load.__module__,) if dataset in DATASETS else ()
    modules = ("kduq.examples.tabular", *own)
    return [Target(paths.examples(dataset), "examples", settings, modules)]


def teacher(config: Config, name: str, dataset: str) -> list[Target]:
    """A teacher."""
    model, task = config.teachers[name], cast(Task, config.task_of(dataset))
    settings = teacher_settings.TabularSettings(
        teacher=name,
        dataset=dataset,
        seed=config.seed,
        task=task,
        family=model.family,
        model=model.alone(),
    )
    modules = ("kduq.teacher.tabular", *FAMILIES[model.family].modules(task))
    inputs = {"examples": [paths.examples(dataset)]}
    return [Target(paths.teacher(name, dataset), "teacher", settings, modules, inputs)]


def responses(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    """The teacher's responses that the students of a shard learn from."""
    number = 1 if run.levels else max(cell.k or 1 for cell in run.conditions)
    common, per_replicate = _of_shard(config, run, shard) | {"responses": number}, number
    if run.design == "splits":
        per_replicate *= run.students_per_split
        settings: StageSettings = responses_settings.TabularSplitSettings(
            **common, students_per_split=run.students_per_split
        )
    else:
        settings = responses_settings.TabularSettings(
            **common,
            noisy=any(c.alpha is not None or c.label_source in DRAWN for c in run.conditions),
            factor=SHARDED_FACTOR if run.levels else None,
        )
    return [
        Target(
            run.key.file("responses", shard),
            "responses",
            settings,
            (f"kduq.responses.{_RESPONSES[run.design]}",),
            {"examples": [paths.examples(run.key.dataset)]},
            (shard[1] - shard[0]) * per_replicate,
        )
    ]


def students(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    """The students of a shard."""
    model = config.students[run.settings.student]
    common = _of_shard(config, run, shard) | {
        "task": run.task,
        "conditions": run.conditions,
        "divergence_factor": config.statistics.divergence_factor,
    }
    size, per_replicate = shard[1] - shard[0], len(run.conditions)
    if run.design == "factorial":
        per_replicate = tabular_combinations(run.inner_levels)
        settings: StageSettings = students_settings.TabularFactorialSettings(
            **common, model=model.alone(), levels=run.inner_levels
        )
        size += shard[0] == 0  # those without noise are in the first shard
    elif run.design == "studies":
        per_replicate = tabular_combinations(run.inner_levels)
        settings = students_settings.TabularStudySettings(
            **common,
            model=model.alone(),
            teacher=config.teachers[run.settings.teacher].alone(),
            levels=run.inner_levels,
        )
    elif run.design == "splits":
        per_replicate = per_replicate * run.students_per_split + 1
        settings = students_settings.TabularSplitSettings(
            **common,
            model=model,
            teacher=config.teachers[run.settings.teacher].alone(),
            students_per_split=run.students_per_split,
            rescaled=_is_rescaled(config, run.key.dataset),
        )
    else:
        settings = students_settings.TabularSettings(**common, model=model)
    return [
        Target(
            run.key.file("students", shard),
            "students",
            settings,
            (f"kduq.students.{_MODULES[run.design]}", *run.family.modules(run.task)),
            {**_taught(run), "responses": [run.key.file("responses", shard)]},
            size * per_replicate,
        )
    ]


def estimates(config: Config, run: Run) -> list[Target]:
    """The estimates of a run."""
    common = _of_run(config, run) | {
        "confidence": config.statistics.confidence,
        "conditions": run.conditions,
        "task": run.task,
    }
    modules: tuple[str, ...] = (f"kduq.estimates.{_MODULES[run.design]}",)
    if run.design == "factorial":
        modules += run.family.modules(run.task)
        settings: StageSettings = estimates_settings.TabularFactorialSettings(
            **common, levels=run.levels
        )
    elif run.design == "studies":
        settings = estimates_settings.TabularFactorialSettings(**common, levels=run.levels)
    elif run.design == "splits":
        settings = estimates_settings.TabularSplitSettings(**common, splits=run.settings.total)
    else:
        student = config.students[run.settings.student]
        metrics = of_task(run.task, student.has_distribution)
        further = {metric.estimate.__module__ for metric in metrics}
        own = (f"kduq.estimates.{run.task}", *run.family.modules(run.task))
        modules = (*own, *sorted(further))
        settings = estimates_settings.TabularSettings(
            **common,
            metrics=[metric.name for metric in metrics],
            pairs_start_equal=run.experiment.pairs_start_equal,
        )
    inputs = {**_taught(run), "students": run.files("students")}
    return [Target(run.estimates, "estimates", settings, modules, inputs)]


def _is_rescaled(config: Config, dataset: str) -> bool:
    """Whether inputs are standardised; images are not."""
    own = config.datasets[dataset].path is not None
    return own or DATASETS[dataset].largest_grey_level is None


def _of_run(config: Config, run: Run) -> dict[str, Any]:
    return {**run.key._asdict(), "seed": config.seed}


def _of_shard(config: Config, run: Run, shard: tuple[int, int]) -> dict[str, Any]:
    return _of_run(config, run) | {"start": shard[0], "stop": shard[1]}


def _taught(run: Run) -> dict[str, list[str]]:
    """Examples and, unless each split has its own, teacher of a run."""
    examples = {"examples": [paths.examples(run.key.dataset)]}
    if run.has_own_teachers:
        return examples
    return {**examples, "teacher": [paths.teacher(run.settings.teacher, run.key.dataset)]}
