"""Targets of the lane of text: one function per stage, with the same names as for tables."""

from typing import Any, cast

from kduq.answers import settings as answers_settings
from kduq.artifacts.files import folder_digest
from kduq.config.study import Config
from kduq.estimates import settings as estimates_settings
from kduq.estimates.metrics import of_task
from kduq.examples import settings as examples_settings
from kduq.families.lm.settings import LanguageModelSettings
from kduq.responses import settings as responses_settings
from kduq.stage import StageSettings
from kduq.students import settings as students_settings
from kduq.study import paths
from kduq.study.run import Run
from kduq.study.target import Target
from kduq.teacher import settings as teacher_settings


def examples(config: Config, dataset: str) -> list[Target]:
    """The prompts of a corpus."""
    corpus, kind = config.corpora[dataset], config.kind_of(dataset)
    settings = examples_settings.TextSettings(
        **corpus.model_dump(exclude={"kind", "matching"}),
        kind=kind.name,
        dataset=dataset,
        files=folder_digest(corpus.path) if kind.needs == "folder" else None,
    )
    modules = ("kduq.examples.text", kind.read.__module__)
    return [Target(paths.examples(dataset), "examples", settings, modules)]


def teacher(config: Config, name: str, dataset: str) -> list[Target]:
    """A teacher, its loss curve, and its own answers to the evaluated prompts."""
    model = cast(LanguageModelSettings, config.teachers[name])
    common: dict[str, Any] = {"teacher": name, "dataset": dataset, "seed": config.seed}
    settings = teacher_settings.TextSettings(
        **common, model=model, source_files=folder_digest(model.source)
    )
    answering = answers_settings.TextSettings(**common, evaluation=_evaluation(config, model))
    examples = {"examples": [paths.examples(dataset)]}
    table, modules = paths.teacher(name, dataset), ("kduq.teacher.text",)
    losses = paths.teacher(name, dataset, "losses")
    # A pretrained model that is not trained has no losses.
    points = None if model.steps else 0
    return [
        Target(table, "teacher", settings, modules, examples),
        Target(losses, "losses", settings, modules, examples, points, "teacher"),
        Target(
            paths.teacher(name, dataset, "answers"),
            "answers",
            answering,
            ("kduq.answers.text",),
            {**examples, "teacher": [table]},
        ),
    ]


def responses(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    """The teacher's answers that the students of a shard learn from."""
    numbers: dict[float, int] = {}
    for cell in run.conditions:
        temperature = responses_settings.answer_temperature(cell)
        numbers[temperature] = max(numbers.get(temperature, 0), cell.k or 1)
    model = cast(LanguageModelSettings, config.teachers[run.settings.teacher])
    settings = responses_settings.TextSettings(
        **_of_shard(config, run, shard),
        temperatures=sorted(numbers.items()),
        decoding=config.language.decoding,
        max_length=model.max_length,
    )
    inputs = {
        "examples": [paths.examples(run.key.dataset)],
        "teacher": [paths.teacher(run.settings.teacher, run.key.dataset)],
    }
    path = run.key.file("responses", shard)
    return [Target(path, "responses", settings, ("kduq.responses.text",), inputs)]


def students(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    """The students of a shard, with their answers and loss curves."""
    model = cast(LanguageModelSettings, config.students[run.settings.student])
    common = _of_shard(config, run, shard) | {
        "model": model,
        "source_files": folder_digest(model.source),
        "conditions": run.conditions,
        "evaluation": _evaluation(config, model),
    }
    if run.levels:
        module = "kduq.students.text_factorial"
        settings: StageSettings = students_settings.TextFactorialSettings(
            **common, levels=run.inner_levels
        )
    else:
        module, settings = "kduq.students.text", students_settings.TextSettings(**common)
    inputs = {
        "examples": [paths.examples(run.key.dataset)],
        "responses": [run.key.file("responses", shard)],
    }
    return [
        Target(run.key.file(table, shard), table, settings, (module,), inputs, script="students")
        for table in ("students", "losses")
    ]


def estimates(config: Config, run: Run) -> list[Target]:
    """The estimates of a run."""
    shared = config.language
    common: dict[str, Any] = {
        **run.key._asdict(),
        "seed": config.seed,
        "confidence": config.statistics.confidence,
        "conditions": run.conditions,
        "prompts": shared.prompts,
    }
    dataset = run.key.dataset
    inputs = {"examples": [paths.examples(dataset)], "students": run.files("students")}
    if run.levels:
        modules: tuple[str, ...] = ("kduq.estimates.text_factorial",)
        settings: StageSettings = estimates_settings.TextFactorialSettings(
            **common, levels=run.levels
        )
    else:
        metrics = of_task(run.task)
        further = {metric.estimate.__module__ for metric in metrics}
        modules = ("kduq.estimates.text", *sorted(further))
        inputs["answers"] = [paths.teacher(run.settings.teacher, dataset, "answers")]
        settings = estimates_settings.TextSettings(
            **common,
            metrics=[metric.name for metric in metrics],
            matching=config.corpora[dataset].matching or config.kind_of(dataset).matching,
            training_steps=cast(LanguageModelSettings, config.teachers[run.settings.teacher]).steps,
            embedding_model=shared.embedding_model,
            embedding_files=folder_digest(shared.embedding_model),
        )
    return [Target(run.estimates, "estimates", settings, modules, inputs)]


def _of_shard(config: Config, run: Run, shard: tuple[int, int]) -> dict[str, Any]:
    return {**run.key._asdict(), "seed": config.seed, "start": shard[0], "stop": shard[1]}


def _evaluation(config: Config, model: LanguageModelSettings) -> answers_settings.Evaluation:
    """How a model answers the evaluated prompts."""
    shared = config.language
    return answers_settings.Evaluation(
        **dict(shared),
        embedding_files=folder_digest(shared.embedding_model),
        max_length=model.max_length,
    )
