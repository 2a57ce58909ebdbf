"""Targets of the lane of tables: one function per stage, with the same names as for text."""

from typing import Any, cast

from kduq.conditions import DRAWN, SHARDED_FACTOR, tabular_combinations
from kduq.config.data import Task
from kduq.config.study import Config
from kduq.data.datasets import DATASETS
from kduq.estimates import settings as estimates_settings
from kduq.estimates.metrics import of_task
from kduq.examples import settings as examples_settings
from kduq.families import FAMILIES
from kduq.responses import settings as responses_settings
from kduq.stage import StageSettings
from kduq.students import settings as students_settings
from kduq.study import paths
from kduq.study.run import Run
from kduq.study.target import Target
from kduq.teacher import settings as teacher_settings


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
    settings = responses_settings.TabularSettings(
        **_of_shard(config, run, shard),
        responses=number,
        noisy=any(c.alpha is not None or c.label_source in DRAWN for c in run.conditions),
        factor=SHARDED_FACTOR if run.levels else None,
    )
    return [
        Target(
            run.key.file("responses", shard),
            "responses",
            settings,
            ("kduq.responses.tabular",),
            {"examples": [paths.examples(run.key.dataset)]},
            (shard[1] - shard[0]) * number,
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
    if run.levels:
        module, per_replicate = "tabular_factorial", tabular_combinations(run.inner_levels)
        settings: StageSettings = students_settings.TabularFactorialSettings(
            **common, model=model.alone(), levels=run.inner_levels
        )
    else:
        module, per_replicate = "tabular", len(run.conditions)
        settings = students_settings.TabularSettings(**common, model=model)
    return [
        Target(
            run.key.file("students", shard),
            "students",
            settings,
            (f"kduq.students.{module}", *run.family.modules(run.task)),
            {**_taught(run), "responses": [run.key.file("responses", shard)]},
            # Those without noise are in the first shard.
            (shard[1] - shard[0] + (bool(run.levels) and shard[0] == 0)) * per_replicate,
        )
    ]


def estimates(config: Config, run: Run) -> list[Target]:
    """The estimates of a run."""
    common = _of_run(config, run) | {
        "confidence": config.statistics.confidence,
        "conditions": run.conditions,
        "task": run.task,
    }
    if run.levels:
        modules: tuple[str, ...] = (
            "kduq.estimates.tabular_factorial",
            *run.family.modules(run.task),
        )
        settings: StageSettings = estimates_settings.TabularFactorialSettings(
            **common, levels=run.levels
        )
    else:
        student = config.students[run.settings.student]
        metrics = of_task(run.task, student.has_distribution)
        further = {metric.estimate.__module__ for metric in metrics}
        own = (f"kduq.estimates.{run.task}", *run.family.modules(run.task))
        modules = (*own, *sorted(further))
        settings = estimates_settings.TabularSettings(
            **common, metrics=[metric.name for metric in metrics]
        )
    inputs = {**_taught(run), "students": run.files("students")}
    return [Target(run.estimates, "estimates", settings, modules, inputs)]


def _of_run(config: Config, run: Run) -> dict[str, Any]:
    return {**run.key._asdict(), "seed": config.seed}


def _of_shard(config: Config, run: Run, shard: tuple[int, int]) -> dict[str, Any]:
    return _of_run(config, run) | {"start": shard[0], "stop": shard[1]}


def _taught(run: Run) -> dict[str, list[str]]:
    """Examples and teacher of a run."""
    return {
        "examples": [paths.examples(run.key.dataset)],
        "teacher": [paths.teacher(run.settings.teacher, run.key.dataset)],
    }
